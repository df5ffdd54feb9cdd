package settings

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func marked(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.Marked {
			b.WriteString("[" + s.Text + "]")
		} else {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ before, after, wantBefore, wantAfter string }{
		{"Type = 'Customer' AND ARR__c > 0", "Type = 'Customer' AND ARR__c > 1000", "Type = 'Customer' AND ARR__c > [0]", "Type = 'Customer' AND ARR__c > [1000]"},
		{"A = 1", "A = 1 AND B = 2", "A = 1", "A = 1[ AND B = 2]"},
		{"", "x", "", "[x]"},
		{"Industry, Rating", "Industry, Phone, Rating", "Industry, Rating", "Industry, [Phone, ]Rating"},
		{"every 24 hours", "every 4 hours", "every [24] hours", "every [4] hours"},
	} {
		before, after := Change{Before: c.before, After: c.after}.Words()
		if marked(before) != c.wantBefore || marked(after) != c.wantAfter {
			t.Errorf("%q, %q: got %q, %q", c.before, c.after, marked(before), marked(after))
		}
	}
}

func TestWordsLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab _é('\n1=")), 0, 60, -1)
		c := Change{Before: text.Draw(t, "before"), After: text.Draw(t, "after")}
		before, after := c.Words()
		join := func(spans []Span, only bool) (out string) {
			for _, s := range spans {
				if !only || !s.Marked {
					out += s.Text
				}
			}
			return out
		}
		if join(before, false) != c.Before || join(after, false) != c.After {
			t.Fatalf("a side is not its text: %v, %v", before, after)
		}
		if join(before, true) != join(after, true) {
			t.Fatalf("what is not marked differs: %q, %q", marked(before), marked(after))
		}
	})
}

func TestWordsOfVeryLongTexts(t *testing.T) {
	t.Parallel()
	c := Change{Before: "x" + strings.Repeat("a ", 20000), After: "y" + strings.Repeat("b ", 20000)}
	if before, after := c.Words(); len(before) == 0 || len(after) == 0 {
		t.Error("nothing is shown")
	}
}
