package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jonreiter/govader"
	"golang.org/x/sync/errgroup"
)

// SentimentMethod names the way in which sentiments are worked out, with its version: another one has them worked out anew.
const SentimentMethod = "vader-3"

// Conversation is what is said in a case.
type Conversation struct {
	CaseID   string
	Messages int // all of them
	Texts    []string
	Refusal  RefusedText // what the scorer refused of it before; zero for nothing
}

// RefusedText is a text that the scorer gave no rating for, though it may rate others.
type RefusedText struct {
	TextHash string
	Attempts int
}

// WantedConversations asks for conversations in order of their cases.
type WantedConversations struct {
	Methods []string // those worked out by one of them, and unchanged, are left out
	Asked   string   // the scorer's method; empty for none
	Refused bool     // those that the scorer has refused before, and that this run has not rated; otherwise the others
	After   string   // a case
	Limit   int
}

// Sentiment is how a conversation sounds.
type Sentiment struct {
	CaseID   string
	Messages int     // it was worked out from
	Compound float64 // from -1, negative, to 1; NaN when nothing is said
	Label    string
	Method   string // how it was worked out
	Asked    string // the method of the scorer that Refusal is of
	Refusal  RefusedText
}

// Scorer rates texts by another way than the one that is built in.
type Scorer struct {
	Method     string // names it, with its version
	DailyCalls int    // most calls a day for one connection
	// Score makes one call, and a further one only when again allows it. An error that is no *ScoreError is one of the endpoint.
	Score func(ctx context.Context, text string, again func() bool) (float64, error)
}

// ScoreError is why there is no rating.
type ScoreError struct {
	Says string // for people, of the endpoint as "it"; holds nothing of the text, the answer or the key
	Text bool   // it is about this text: others may be rated
}

func (e *ScoreError) Error() string { return e.Says }

// A scorer that fails so often in a row is not asked again in the run; so many calls are under way at once.
const (
	scorerFailures = 3
	scorerCalls    = 4
)

// TrialText is what the scorer is asked about to find out whether it refuses a text or everything.
const TrialText = "The parcel arrived on Monday. Thank you."

// refusalsInRow is after how many refusals in a row a scorer that has rated texts is put to the trial again.
const refusalsInRow = 10

// RefusedTries is how often the scorer is asked about a text that it refuses.
const RefusedTries = 3

// The labels of sentiments.
const (
	Positive = "positive"
	Neutral  = "neutral"
	Negative = "negative"
)

// conversationsAtATime bounds how much text is in memory.
const conversationsAtATime = 50

// asking is what one run knows of the scorer.
type asking struct {
	failures atomic.Int64 // of the endpoint, in a row
	spent    atomic.Bool  // the daily calls are
	refusals atomic.Int64 // of texts, since it last rated one
	works    atomic.Bool  // it has rated a text, and not refused the trial since
	trial    sync.Mutex   // of one trial at a time

	mu     sync.Mutex
	failed string           // why the endpoint failed last
	here   map[string]int64 // how many conversations were rated here, by why
}

// Why conversations are rated here besides what the endpoint says.
const (
	whySpent   = "the calls of the day are used up"
	whyRefused = "it refused the same text in earlier runs"
)

// count counts a conversation that is rated here.
func (a *asking) count(why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if why == "" {
		why = a.failed
	}
	if a.here == nil {
		a.here = map[string]int64{}
	}
	a.here[why]++
}

// fail keeps why the endpoint failed and counts that, in a row.
func (a *asking) fail(why string) (inRow int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = why
	return a.failures.Add(1)
}

// why says why no further conversation is asked about; "" stands for the last failure.
func (a *asking) why() string {
	if a.spent.Load() {
		return whySpent
	}
	return ""
}

// says names how many conversations were rated here and why, the most frequent cause first; empty for none.
func (a *asking) says() string {
	whys := slices.SortedFunc(maps.Keys(a.here), func(x, y string) int {
		return cmp.Or(cmp.Compare(a.here[y], a.here[x]), cmp.Compare(x, y))
	})
	var says []string
	for _, why := range whys[:min(len(whys), mostCauses)] {
		were := "conversations were"
		if a.here[why] == 1 {
			were = "conversation was"
		}
		says = append(says, fmt.Sprintf("%d %s rated here, not by the endpoint: %s.", a.here[why], were, why))
	}
	return strings.Join(says, " ")
}

// mostCauses is how many causes are named.
const mostCauses = 3

// ratedHere is what says writes, in a step's note.
var ratedHere = regexp.MustCompile(` ?\d+ conversations? (?:was|were) rated here, not by the endpoint: [^.]*\.`)

// over reports whether the scorer is not to be asked any more.
func (a *asking) over() bool { return a.spent.Load() || a.failures.Load() >= scorerFailures }

// sentiments works out how the conversations sound that are new or have changed. Where a scorer is configured it is asked first, as long as it answers and its daily calls last; a
// conversation that it does not rate is rated by VADER, and asked about again by the next run. Those that it refused before come last. An endpoint whose key, account or model is at fault may answer as if it
// refused the text: see refused.
func (j Work) sentiments(ctx context.Context) error {
	wanted := WantedConversations{Methods: []string{SentimentMethod}, Limit: conversationsAtATime}
	if j.Scorer == nil {
		return j.sentimentsOf(ctx, wanted, nil)
	}
	wanted.Methods, wanted.Asked = []string{j.Scorer.Method}, j.Scorer.Method
	a := new(asking)
	if err := j.sentimentsOf(ctx, wanted, a); err != nil {
		return err
	}
	wanted.Refused = true
	if err := j.sentimentsOf(ctx, wanted, a); err != nil {
		return err
	}
	return j.sayRatedHere(ctx, a)
}

// sayRatedHere notes with the step that read the cases what the scorer did not rate. A run that does this once more, after a fault, replaces the note.
func (j Work) sayRatedHere(ctx context.Context, a *asking) error {
	says := a.says()
	if says == "" {
		return nil
	}
	steps, err := j.Store.Steps(ctx)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s.Name == stepCases {
			s.Note = strings.TrimSpace(ratedHere.ReplaceAllString(s.Note, "") + " " + says)
			return j.Store.SetNote(ctx, s)
		}
	}
	return nil
}

func (j Work) sentimentsOf(ctx context.Context, wanted WantedConversations, a *asking) error {
	for {
		if a != nil && a.over() {
			wanted.Methods = []string{j.Scorer.Method, SentimentMethod}
		}
		found, err := j.Store.Conversations(ctx, wanted)
		if err != nil || len(found) == 0 {
			return err
		}
		if wanted.After == "" {
			if err := j.Store.SetPhase(ctx, "Reading the mood of conversations"); err != nil {
				return err
			}
		}
		all := make([]Sentiment, len(found))
		group, calls := errgroup.WithContext(ctx)
		group.SetLimit(scorerCalls)
		for i, c := range found {
			if j.Scorer == nil {
				all[i] = Sounds(c)
				continue
			}
			group.Go(func() error {
				var err error
				all[i], err = j.rated(calls, c, a)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := j.Store.SaveSentiments(ctx, all); err != nil {
			return err
		}
		wanted.After = found[len(found)-1].CaseID
	}
}

// rated has a conversation rated by the scorer, or else by VADER.
func (j Work) rated(ctx context.Context, c Conversation, a *asking) (Sentiment, error) {
	var said []string
	for _, text := range c.Texts {
		if text = Unquoted(text); text != "" {
			said = append(said, text)
		}
	}
	if len(said) == 0 { // there is nothing to ask about, in the next run neither
		return Sentiment{CaseID: c.CaseID, Messages: c.Messages, Compound: math.NaN(), Method: j.Scorer.Method}, nil
	}
	text := strings.Join(said, "\n\n")
	refusal := RefusedText{TextHash: fmt.Sprintf("%x", sha256.Sum256([]byte(text)))}
	if c.Refusal.TextHash == refusal.TextHash {
		refusal = c.Refusal
	}
	here := func(why string) Sentiment {
		a.count(why)
		s := Sounds(c)
		s.Asked, s.Refusal = j.Scorer.Method, refusal
		return s
	}
	if refusal.Attempts >= RefusedTries {
		return here(whyRefused), nil
	}
	if a.over() {
		return here(a.why()), nil
	}
	n, why, err := j.score(ctx, a, text)
	if err != nil {
		return Sentiment{}, err
	}
	if why == nil {
		return Sentiment{CaseID: c.CaseID, Messages: c.Messages, Compound: math.Round(n*1e4) / 1e4, Label: labelOf(n), Method: j.Scorer.Method}, nil
	}
	says, about := why.Says, false
	switch {
	case why.Text:
		says, about, err = j.refused(ctx, a, says)
	case why != errSpent:
		j.fails(a, says)
	}
	if about {
		refusal.Attempts++
	}
	return here(says), err
}

// errSpent is why there is no rating when no call is left.
var errSpent = &ScoreError{Says: whySpent}

// score asks the scorer about a text. why is nil when it rated it.
func (j Work) score(ctx context.Context, a *asking, text string) (n float64, why *ScoreError, err error) {
	if ok, err := j.mayAsk(ctx, a); err != nil {
		return 0, nil, err
	} else if !ok {
		return 0, errSpent, nil
	}
	var failed error
	denied := false
	n, err = j.Scorer.Score(ctx, text, func() bool {
		ok, err := j.mayAsk(ctx, a)
		failed, denied = err, !ok
		return ok
	})
	switch {
	case ctx.Err() != nil:
		return 0, nil, context.Cause(ctx)
	case failed != nil:
		return 0, nil, failed
	case err != nil && denied: // what a second call would have said is not known
		return 0, errSpent, nil
	case err != nil:
		j.Log.Info("the sentiment endpoint gave no rating", "err", err)
		why = &ScoreError{Says: "it failed"}
		errors.As(err, &why)
		return 0, why, nil
	}
	a.failures.Store(0)
	a.refusals.Store(0)
	a.works.Store(true)
	return n, nil, nil
}

// refused reports whether a refusal is about the text, and says why there is no rating. It is, unless the scorer refuses the trial text too, which is asked about before it has rated anything in the run, and
// after many refusals in a row: then the endpoint fails, and nothing is held against the texts.
func (j Work) refused(ctx context.Context, a *asking, why string) (says string, about bool, err error) {
	known := func() bool { return a.works.Load() && a.refusals.Load() < refusalsInRow }
	a.refusals.Add(1)
	if known() {
		return why, true, nil
	}
	a.trial.Lock()
	defer a.trial.Unlock()
	switch {
	case known(): // found out meanwhile
		return why, true, nil
	case a.spent.Load():
		return why, false, nil
	case a.over():
		return a.why(), false, nil
	}
	_, trial, err := j.score(ctx, a, TrialText)
	switch {
	case err != nil:
		return "", false, err
	case trial == nil:
		return why, true, nil
	case trial == errSpent:
		return why, false, nil
	case trial.Text:
		trial = &ScoreError{Says: trial.Says + ", whatever it is asked about"}
	}
	a.works.Store(false)
	j.fails(a, trial.Says)
	return trial.Says, false, nil
}

// fails counts a failure of the endpoint.
func (j Work) fails(a *asking, why string) {
	if a.fail(why) == scorerFailures {
		j.Log.Warn("the sentiment endpoint fails again and again; going on without it in this run", "err", why)
	}
}

// mayAsk takes one of the day's calls.
func (j Work) mayAsk(ctx context.Context, a *asking) (bool, error) {
	ok, err := j.Store.TakeSentimentCall(ctx, j.Scorer.DailyCalls)
	if err == nil && !ok && !a.spent.Swap(true) {
		j.Log.Info("the daily calls of the sentiment endpoint are used up; going on without it")
	}
	return ok, err
}

// vader is the analyzer with its word list, which takes a while to read.
var vader = sync.OnceValue(govader.NewSentimentIntensityAnalyzer)

// significant is how far from zero a text is positive or negative; VADER's authors give it.
const significant = 0.05

// maxSentences bounds how much of a text is looked at.
const maxSentences = 200

// Sounds works out the sentiment of a conversation: the mean over its messages of the mean over their sentences, without what is quoted, greetings and closings. VADER is made for
// sentences: of a long text it only ever sees one end of its scale. It knows English and nothing else: other texts are left out, and a conversation without an English one has no sentiment.
func Sounds(c Conversation) Sentiment {
	out := Sentiment{CaseID: c.CaseID, Messages: c.Messages, Compound: math.NaN(), Method: SentimentMethod}
	said, evidences, all := make([]string, len(c.Texts)), make([]evidence, len(c.Texts)), evidence{}
	for i, text := range c.Texts {
		said[i] = Said(text)
		evidences[i] = languageOf(said[i])
		all = all.plus(evidences[i])
	}
	sum, n := 0.0, 0
	for i, text := range said {
		if !evidences[i].isEnglish(all) {
			continue
		}
		if mean, ok := mood(text); ok {
			sum += mean
			n++
		}
	}
	if n == 0 {
		return out
	}
	out.Compound = math.Round(sum/float64(n)*1e4) / 1e4
	out.Label = labelOf(out.Compound)
	return out
}

func labelOf(compound float64) string {
	switch {
	case compound >= significant:
		return Positive
	case compound <= -significant:
		return Negative
	}
	return Neutral
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
