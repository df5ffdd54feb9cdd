package pipeline

import (
	"encoding/json"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestNumbersInJSON writes every number that is accepted as JSON of the same value, digit by digit.
func TestNumbersInJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"+1": "1", ".5": "0.5", "-.5": "-0.5", "5.": "5", "007": "7", "-0.50": "-0.50", "0": "0", "00.10": "0.10", "1.e5": "1e5", "12E+3": "12E+3"} {
		if got := string(appendNumber(nil, []byte(in))); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`[+-]?[0-9]{0,20}(\.[0-9]{0,8})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		if in == "" || !isNumber([]byte(in)) {
			t.Skip()
		}
		out := appendNumber(nil, []byte(in))
		a, okA := new(big.Rat).SetString(in)
		b, okB := new(big.Rat).SetString(string(out))
		if !json.Valid(out) || !okA || !okB || a.Cmp(b) != 0 {
			t.Fatalf("%s becomes %s", in, out)
		}
	})
}

// TestInstantsInJSON writes an instant in one form, whichever API it came from.
func TestInstantsInJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"2024-01-31T10:00:00.000Z": "2024-01-31T10:00:00.000Z", "2024-01-31T10:00:00.000+0000": "2024-01-31T10:00:00.000Z", "2024-01-31T10:00:00Z": "2024-01-31T10:00:00.000Z",
		"2024-01-31T10:00:00.5+00:00": "2024-01-31T10:00:00.500Z", "2024-01-31T10:00:00.123456-0000": "2024-01-31T10:00:00.123456Z", "2024-01-31T10:00:00.000+0530": "2024-01-31T10:00:00.000+0530",
	} {
		if !isDateTime([]byte(in)) {
			t.Errorf("%s is refused", in)
		} else if got := string(appendInstant([]byte("at "), []byte(in))); got != "at "+want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}

func TestTextsInJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.String().Draw(t, "text")
		var back string
		if err := json.Unmarshal(appendText(nil, []byte(in)), &back); err != nil || back != in {
			t.Fatalf("%q comes back as %q: %v", in, back, err)
		}
	})
	if (Text.checkExtra([]byte("a\x00b")) == "") || (Text.checkExtra([]byte("a\xff")) == "") || Number.checkExtra([]byte("x")) == "" || Text.checkExtra(nil) != "" {
		t.Error("a text that Postgres cannot hold passes, or one that it can does not")
	}
}
