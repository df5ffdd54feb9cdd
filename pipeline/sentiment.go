package pipeline

import (
	"context"
	"math"
	"strings"
	"sync"

	"github.com/jonreiter/govader"
)

// SentimentMethod names the way in which sentiments are worked out, with its version: another one has them worked out anew.
const SentimentMethod = "vader-1"

// Conversation is what is said in a case.
type Conversation struct {
	CaseID   string
	Messages int // all of them
	Texts    []string
}

// Sentiment is how a conversation sounds.
type Sentiment struct {
	CaseID   string
	Messages int     // it was worked out from
	Compound float64 // from -1, negative, to 1; NaN when nothing is said
	Label    string
}

// The labels of sentiments.
const (
	Positive = "positive"
	Neutral  = "neutral"
	Negative = "negative"
)

// conversationsAtATime bounds how much text is in memory.
const conversationsAtATime = 200

// sentiments works out how the conversations sound that are new or have changed.
func (j Work) sentiments(ctx context.Context) error {
	for after := ""; ; {
		found, err := j.Store.Conversations(ctx, SentimentMethod, after, conversationsAtATime)
		if err != nil || len(found) == 0 {
			return err
		}
		if after == "" {
			if err := j.Store.SetPhase(ctx, "Reading the mood of conversations"); err != nil {
				return err
			}
		}
		all := make([]Sentiment, len(found))
		for i, c := range found {
			all[i] = Sounds(c)
		}
		if err := j.Store.SaveSentiments(ctx, SentimentMethod, all); err != nil {
			return err
		}
		after = found[len(found)-1].CaseID
	}
}

// vader is the analyzer with its word list, which takes a while to read.
var vader = sync.OnceValue(govader.NewSentimentIntensityAnalyzer)

// significant is how far from zero a text is positive or negative; VADER's authors give it.
const significant = 0.05

// maxSentences bounds how much of a text is looked at.
const maxSentences = 200

// Sounds works out the sentiment of a conversation: the mean over its messages of the mean over their sentences, quoted text left out. VADER is made for
// sentences: of a long text it only ever sees one end of its scale.
func Sounds(c Conversation) Sentiment {
	out := Sentiment{CaseID: c.CaseID, Messages: c.Messages, Compound: math.NaN()}
	sum, n := 0.0, 0
	for _, text := range c.Texts {
		if mean, ok := mood(Unquoted(text)); ok {
			sum += mean
			n++
		}
	}
	if n == 0 {
		return out
	}
	out.Compound = math.Round(sum/float64(n)*1e4) / 1e4
	switch {
	case out.Compound >= significant:
		out.Label = Positive
	case out.Compound <= -significant:
		out.Label = Negative
	default:
		out.Label = Neutral
	}
	return out
}

func mood(text string) (mean float64, ok bool) {
	sum, n := 0.0, 0
	for _, sentence := range sentences(text) {
		sum += vader().PolarityScores(sentence).Compound
		if n++; n == maxSentences {
			break
		}
	}
	return sum / float64(max(n, 1)), n > 0
}

// sentences cuts a text behind full stops, question and exclamation marks and at line ends.
func sentences(text string) []string {
	var out []string
	add := func(s string) {
		if s = strings.TrimSpace(s); strings.ContainsFunc(s, isLetter) {
			out = append(out, s)
		}
	}
	start := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n':
			add(text[start:i])
			start = i
		case (c == '.' || c == '!' || c == '?') && (i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\n' || text[i+1] == '\r'):
			add(text[start : i+1])
			start = i + 1
		}
	}
	add(text[start:])
	return out
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80 }
