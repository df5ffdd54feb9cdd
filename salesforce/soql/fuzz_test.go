package soql

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

func seed(f *testing.F, name, prefix string) {
	lines, err := os.ReadFile("testdata/" + name)
	if err != nil {
		f.Fatal(err)
	}
	for _, line := range strings.Split(string(lines), "\n") {
		f.Add(prefix + line)
	}
}

// FuzzParseQuery checks that no text makes the parser crash, that positions lie in the text, and that what is printed reads as the same query.
func FuzzParseQuery(f *testing.F) {
	seed(f, "queries.txt", "")
	seed(f, "filters.txt", "SELECT Id FROM Account WHERE ")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := ParseQuery(text)
		if err != nil {
			e := err.(*SyntaxError)
			if e.Message == "" || e.Pos.Offset > len(text) || e.End.Offset > len(text) || e.End.Offset < e.Pos.Offset || e.Pos.Line < 1 || e.Pos.Column < 1 {
				t.Fatalf("%+v", e)
			}
			return
		}
		CheckQuery(q, testSchema)
		CheckQuery(q, nil)
		once := q.String()
		again, err := ParseQuery(once)
		if err != nil {
			if tooLong(once) != nil {
				return
			}
			t.Fatalf("printed as %s\nwhich is refused: %v", once, err)
		}
		if twice := again.String(); twice != once {
			t.Fatalf("printed as %s\nand then as %s", once, twice)
		}
	})
}

// FuzzCheckFilter checks that no text makes the checker crash, that findings and repairs lie in the text and keep it valid UTF-8, that the
// filter and query parsers agree on what is a condition, and that a condition keeps its meaning when it is embedded.
func FuzzCheckFilter(f *testing.F) {
	seed(f, "filters.txt", "")
	f.Fuzz(func(t *testing.T, text string) {
		findings := CheckFilter(text, "Account", testSchema)
		for _, found := range findings {
			if found.Message == "" || found.Pos.Offset > found.End.Offset || found.End.Offset > len(text) {
				t.Fatalf("%+v", found)
			}
			if fix := found.Fix; fix != nil {
				if fix.Start > fix.End || fix.End > len(text) {
					t.Fatalf("%+v", fix)
				}
				if fixed := text[:fix.Start] + fix.Text + text[fix.End:]; utf8.ValidString(text) && !utf8.ValidString(fixed) {
					t.Fatalf("%q is repaired to %q", text, fixed)
				}
			}
		}
		e, syntax := ParseFilter(text)
		q, err := ParseQuery("SELECT Id FROM Account WHERE (" + strings.NewReplacer("\n", " ", "\r", " ").Replace(text) + ")")
		if e != nil && err != nil && len(text) < maxText-100 {
			t.Fatalf("accepted as a filter and refused in a query: %v", err)
		}
		if e == nil {
			if !Refused(syntax) {
				t.Fatalf("refused without a reason: %q", text)
			}
			return
		}
		if q == nil {
			return
		}
		inner := q.Where.(*Group).X
		if inner.String() != e.String() {
			t.Fatalf("read as %s alone and as %s in a query", e, inner)
		}
		prefixed, err := Prefix(e, "Account", "AccountId")
		if err != nil {
			return
		}
		if _, findings := ParseFilter(prefixed.String()); Refused(findings) && tooLong(prefixed.String()) == nil {
			t.Fatalf("rewritten to %s\nof which is said %+v", prefixed, findings)
		}
	})
}

// FuzzQuote checks that every text survives quoting, alone and inside a LIKE pattern.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "x", "O'Brien", `\`, `\'`, "\n\r\t\b\f", "%_", `\%\_`, "😀é", "\x00\x7f", "\xff", "' OR Name != '"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 10_000 {
			return
		}
		want := strings.ToValidUTF8(s, "\uFFFD")
		if !utf8.ValidString(s) {
			return
		}
		e, findings := ParseFilter("a = " + Quote(s))
		if len(findings) > 0 || e.(*Comparison).Right.Text != want {
			t.Fatalf("%s is read as %v, %+v", Quote(s), e, findings)
		}
		e, findings = ParseFilter("a LIKE '" + QuoteLike(s) + "%'")
		if Refused(findings) {
			t.Fatalf("%s: %+v", QuoteLike(s), findings)
		}
		parts := e.(*Comparison).Right.Pattern()
		wild := parts[len(parts)-1]
		if wild.Wild != '%' || len(parts) > 2 || s != "" && parts[0].Text != want {
			t.Fatalf("%s is read as %+v", QuoteLike(s), parts)
		}
	})
}
