package soql

import (
	"slices"
	"strings"
	"testing"
)

// FuzzFromFilter opens any text in the builder. What opens can be written, what is written opens as the same rows, and a reason is one line that names
// the place.
func FuzzFromFilter(f *testing.F) {
	seed(f, "filters.txt", "")
	f.Fuzz(func(t *testing.T, text string) {
		b, reason, ok := FromFilter(text, "Account", builderSchema)
		if !ok {
			if !strings.Contains(reason, " at line ") || b.Rows != nil {
				t.Fatalf("%q does not open: %q %v", text, reason, b)
			}
			return
		}
		written, problems := b.SOQL("Account", builderSchema)
		if len(problems) > 0 || (written == "") != (strings.TrimSpace(text) == "") {
			t.Fatalf("%q opens as %v, which says %q %v", text, b, written, problems)
		}
		again, reason, ok := FromFilter(written, "Account", builderSchema)
		if !ok || !slices.EqualFunc(again.Rows, b.Rows, func(x, y Row) bool {
			return x.Field == y.Field && x.Operator == y.Operator && slices.Equal(x.Values, y.Values)
		}) {
			t.Fatalf("%q opens as %v, is written as %q, and that opens as %v %s", text, b, written, again, reason)
		}
	})
}

// FuzzSplitList takes lists apart and joins them again.
func FuzzSplitList(f *testing.F) {
	for _, s := range []string{`a, "b, c", d`, `"""x"""`, "\"a\"b", "a\n,,b "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, problem := SplitList(text)
		if problem != "" {
			return
		}
		if again, problem := SplitList(JoinList(values)); problem != "" || !slices.Equal(again, values) {
			t.Fatalf("%q splits into %q, which joins to %q", text, values, JoinList(values))
		}
	})
}
