package soql

import (
	"errors"
	"strings"
	"testing"
)

// TestParseQueryVerdicts holds what Salesforce's documentation and parser say about the fragments that people trip over.
func TestParseQueryVerdicts(t *testing.T) {
	t.Parallel()
	const where = "SELECT Id FROM X WHERE "
	for query, message := range map[string]string{
		where + "a=1 AND b=2 OR c=3":                    "unexpected token: 'OR'",
		where + "(a=1) AND (b=2) OR (c=3)":              "unexpected token: 'OR'",
		where + "a=1 AND (b=2 OR c=3)":                  "",
		where + "a=1 OR b=2 OR c=3":                     "",
		where + "(((a=1)))":                             "",
		where + "NOT a=1 AND b=2":                       "unexpected token: 'AND'",
		where + "NOT(a=1) AND b=2":                      "unexpected token: 'AND'",
		where + "b=2 AND NOT a=1":                       "unexpected token: 'NOT'",
		where + "NOT NOT a=1":                           "unexpected token: 'NOT'",
		where + "b=2 AND (NOT a=1)":                     "",
		where + "(NOT a=1) AND (NOT b=2)":               "",
		where + "NOT (a=1 AND b=2)":                     "",
		where + "NOT (NOT a=1)":                         "",
		where + "a NOT LIKE 'x'":                        "unexpected token: 'NOT'",
		where + "a IS NULL":                             "unexpected token: 'IS'",
		where + "a == 1":                                "unexpected token: '='",
		where + "a && b":                                "unexpected token: '&'",
		where + "'x' = a":                               "unexpected token: ''x''",
		where + "a = b":                                 "unexpected token: 'b'",
		where + "a":                                     "unexpected token: '<EOF>'",
		where + "()":                                    "unexpected token: ')'",
		where + "a IN ()":                               "unexpected token: ')'",
		where + "(NOT a LIKE 'x%')":                     "",
		where + "a = null":                              "",
		where + "a != null":                             "",
		where + "a <> 'x'":                              "",
		where + `a = "double quotes"`:                   `unexpected token: '"double quotes"'`,
		where + "a = 1e5":                               "unexpected token: 'e5'",
		where + "a = 5.":                                "unexpected token: '.'",
		where + "a = 1.5e3":                             "unexpected token: 'e3'",
		where + "a = .5":                                "",
		where + "a = +5":                                "",
		where + "a = -5.25":                             "",
		where + "a = 007":                               "",
		where + "a = :bind":                             "Bind variables only allowed in Apex code",
		where + "a = 1 LIMIT 5 OFFSET 10":               "",
		where + "a = 1 OFFSET 10 LIMIT 5":               "unexpected token: 'LIMIT'",
		where + "a = 1 LIMIT 0":                         "",
		"SELECT * FROM X":                               "unexpected token: '*'",
		"SELECT COUNT(), Name FROM X":                   "unexpected token: ','",
		"SELECT COUNT() FROM X":                         "",
		"SELECT Id, FROM Account":                       "unexpected token: 'FROM'",
		"SELECT Id FROM X FOR VIEW FOR REFERENCE":       "unexpected token: 'FOR'",
		"SELECT Group, Order, Case, Date__c FROM X":     "",
		"SELECT Limit FROM X":                           "unexpected token: 'Limit'",
		"SELECT Like FROM X":                            "unexpected token: 'Like'",
		"SELECT Not FROM X":                             "unexpected token: 'Not'",
		where + "a = LAST_N_DAYS : 3":                   "",
		where + "a = LAST_N_DAYS:-1":                    "unexpected token: '-'",
		where + "a = LAST_N_DAYS:0":                     "",
		where + "a = USD5000.50":                        "",
		where + "a = USD-500":                           "",
		where + "a = 2026-01-31T10:00:00":               "unexpected token: 'T10'",
		where + "a = 2026-01-31T10:00:00.5+0100":        "",
		where + `a = 'x\qy'`:                            `Invalid string literal 'x\qy'. Illegal character sequence '\q' in string literal.`,
		where + `a = 'x\_y'`:                            `Invalid string literal 'x\_y'. Illegal character sequence '\_' in string literal.`,
		where + `a LIKE 'x\_y'`:                         "",
		where + "a = 'x\ny'":                            "line 1:29 mismatched character '<EOF>' expecting '''",
		where + "a = 'x":                                "line 1:29 mismatched character '<EOF>' expecting '''",
		"SELECT Id FROM X ALL ROWS":                     "unexpected token: 'ROWS'",
		"SELECT Id FROM X FOR UPDATE":                   "unexpected token: 'UPDATE'",
		where + "a = 1 ORDER BY b DESC NULLS LAST":      "",
		where + "FORMULA('a > b') = true":               "",
		where + "Id IN (SELECT b FROM c LIMIT 5)":       "unexpected token: 'LIMIT'",
		"SELECT COUNT(Id), COUNT() FROM X":              "unexpected token: ')'",
		"SELECT FORMAT(convertCurrency(MIN(a))) FROM X": "unexpected token: '('",
	} {
		_, err := ParseQuery(query)
		var syntax *SyntaxError
		switch {
		case message == "" && err != nil:
			t.Errorf("%s\nis refused: %v", query, err)
		case message != "" && !errors.As(err, &syntax):
			t.Errorf("%s\nis accepted, want %s", query, message)
		case message != "" && syntax.Message != message:
			t.Errorf("%s\nis refused with %s, want %s", query, syntax.Message, message)
		}
	}
}

// TestDateLiterals checks that the 44 documented ones are all there.
func TestDateLiterals(t *testing.T) {
	t.Parallel()
	if n := len(plainDateLiterals) + len(countedDateLiterals); n != 44 {
		t.Errorf("%d date literals, want 44", n)
	}
	for name := range countedDateLiterals {
		e, findings := ParseFilter("a = " + strings.ToLower(name) + ":12")
		if len(findings) > 0 {
			t.Errorf("%s: %v", name, findings)
			continue
		}
		if lit := e.(*Comparison).Right; lit.Kind != NamedDateLiteral || lit.N != 12 || lit.Text != name {
			t.Errorf("%s is read as %+v", name, lit)
		}
	}
}

func TestSyntaxErrorPosition(t *testing.T) {
	t.Parallel()
	_, err := ParseQuery("SELECT Id,\n  Näme, '😀' FROM X")
	var syntax *SyntaxError
	if !errors.As(err, &syntax) || syntax.Pos != (Pos{Offset: 14, Line: 2, Column: 4}) {
		t.Errorf("got %+v", syntax)
	}
	_, err = ParseQuery("SELECT Id FROM X WHERE a = '😀' b")
	if !errors.As(err, &syntax) || syntax.Pos.Column != 33 || syntax.Pos.Offset != 34 {
		t.Errorf("a character beyond the basic plane counts two columns: got %+v", syntax)
	}
}

func TestLiteralValues(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Literal{
		`'a\'b\\c\n\t\"'`:           {Kind: StringLiteral, Text: "a'b\\c\n\t\""},
		`'\u00e9'`:                  {Kind: StringLiteral, Text: "é"},
		`'\ud83d\ude00'`:            {Kind: StringLiteral, Text: "😀"},
		`- 5.50`:                    {Kind: NumberLiteral, Text: "-5.50"},
		`+5`:                        {Kind: NumberLiteral, Text: "5"},
		`true`:                      {Kind: BoolLiteral, Text: "TRUE"},
		`null`:                      {Kind: NullLiteral, Text: "NULL"},
		`usd12.50`:                  {Kind: CurrencyLiteral, Text: "12.50", Currency: "USD"},
		`EUR-3`:                     {Kind: CurrencyLiteral, Text: "-3", Currency: "EUR"},
		`2026-01-31`:                {Kind: DateLiteral, Text: "2026-01-31"},
		`10:00:00.5Z`:               {Kind: TimeLiteral, Text: "10:00:00.5Z"},
		`last_n_weeks : 4`:          {Kind: NamedDateLiteral, Text: "LAST_N_WEEKS", N: 4},
		`2026-01-31t1:00Z`:          {},
		`2026-01-31T10:00:00+02:00`: {Kind: DateTimeLiteral, Text: "2026-01-31T10:00:00+02:00"},
	} {
		e, findings := ParseFilter("a = " + text)
		if want.Text == "" {
			if len(findings) == 0 {
				t.Errorf("%s is accepted as %s", text, e)
			}
			continue
		}
		if len(findings) > 0 {
			t.Errorf("%s: %v", text, findings)
			continue
		}
		got := e.(*Comparison).Right
		if got.Kind != want.Kind || got.Text != want.Text || got.Currency != want.Currency || got.N != want.N {
			t.Errorf("%s is read as %+v, want %+v", text, got, want)
		}
	}
}

func TestPattern(t *testing.T) {
	t.Parallel()
	e, findings := ParseFilter(`a LIKE 'x\_%\\_y\%'`)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	got := e.(*Comparison).Right.Pattern()
	want := []PatternPart{{Text: "x_"}, {Wild: '%'}, {Text: `\`}, {Wild: '_'}, {Text: "y%"}}
	if len(got) != len(want) {
		t.Fatalf("got %+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("part %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// TestRoundTrip checks over the corpora that what is printed reads as the same query.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, text := range append(readLines(t, "testdata/queries.txt"), generated(300)...) {
		q, err := ParseQuery(text)
		if err != nil {
			continue
		}
		once := q.String()
		again, err := ParseQuery(once)
		if err != nil {
			t.Errorf("%s\nprints as %s\nwhich is refused: %v", text, once, err)
		} else if twice := again.String(); twice != once {
			t.Errorf("%s\nprints as %s\nand then as %s", text, once, twice)
		}
	}
}

// TestHugeInput feeds what would be slow or deep for a careless parser. It fails by timing out or by overflowing the stack.
func TestHugeInput(t *testing.T) {
	t.Parallel()
	for name, unit := range map[string]string{
		"parentheses": "(", "closing": ")", "pairs": "()", "not": "NOT ", "quotes": "'", "double quotes": `"`, "curly quotes": "“‘", "escapes": `'\q`,
		"and": "a=1 AND ", "mixed": "a=1 AND b=2 OR ", "joins": "a IN (SELECT b FROM c WHERE ", "semicolons": ";", "comments": "/*", "dashes": "--\n",
		"less": "< ", "dots": "a.", "commas": "a IN (1,", "not parentheses": "NOT (", "calls": "MIN(", "foreign": "==&&||", "doubled": "''", "digits": "1",
	} {
		text := strings.Repeat(unit, maxText/len(unit))
		for _, whole := range []string{text, "a = 'x' AND " + text[:len(text)-20]} {
			if findings := CheckFilter(whole, "Account", testSchema); len(findings) == 0 || len(findings) > maxFindings {
				t.Errorf("%s: %d findings", name, len(findings))
			}
			if q, err := ParseQuery("SELECT Id FROM X WHERE " + whole[:len(whole)-30]); err == nil {
				_ = q.String()
			}
		}
	}
}

func TestLongText(t *testing.T) {
	t.Parallel()
	fits := "a = 1 OR b IN (" + strings.Repeat("1,", (maxText-20)/2) + "1)"
	fits += strings.Repeat(" ", maxText-len(fits))
	if _, findings := ParseFilter(fits); len(findings) > 0 {
		t.Errorf("100,000 characters are refused: %v", findings)
	}
	_, findings := ParseFilter(fits + " ")
	if len(findings) != 1 || findings[0].Kind != KindTooLong || findings[0].Pos.Column != maxText+1 {
		t.Errorf("100,001 characters: %v", findings)
	}
	if _, err := ParseQuery("SELECT Id FROM X WHERE " + fits); err == nil {
		t.Error("a query of more than 100,000 characters is accepted")
	}
}
