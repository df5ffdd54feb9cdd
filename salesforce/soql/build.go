package soql

import (
	"fmt"
	"strings"
	"time"
)

// Select builds SELECT fields FROM object WHERE where; where may be nil. The other clauses can be set on the result, whose String is safe to
// send: a name that is not the name or path of a field is refused with an error.
func Select(object string, fields []string, where Expr) (*Query, error) {
	source, err := NewPath(object)
	if err != nil {
		return nil, err
	}
	q := &Query{From: []Source{{Name: source}}, Where: where}
	if len(fields) == 0 {
		return nil, fmt.Errorf("soql: a query of %s selects no field", object)
	}
	for _, name := range fields {
		path, err := NewPath(name)
		if err != nil {
			return nil, err
		}
		q.Select = append(q.Select, SelectItem{Value: path})
	}
	return q, nil
}

// Count builds SELECT COUNT() FROM object WHERE where; where may be nil.
func Count(object string, where Expr) (*Query, error) {
	source, err := NewPath(object)
	if err != nil {
		return nil, err
	}
	return &Query{Select: []SelectItem{{Value: &Call{Func: FuncCount}}}, From: []Source{{Name: source}}, Where: where}, nil
}

// NewPath reads a field's name or path, such as Owner.Name. The error says what is wrong with any other text.
func NewPath(name string) (*Path, error) {
	tokens := lex(name)
	if len(tokens) != 2 || !startsName(&tokens[0]) || tokens[0].text != name || strings.ContainsAny(name, " \t\n\r\f") {
		return nil, fmt.Errorf("soql: %q is not the name of a field or object", name)
	}
	return &Path{Names: strings.Split(name, ".")}, nil
}

// AllOf joins conditions by AND with the parentheses that this takes; what is AND itself needs none. Nil conditions are left out; without any other the result is nil.
func AllOf(conditions ...Expr) Expr {
	var terms []Expr
	for _, e := range conditions {
		if and, ok := e.(*And); ok {
			terms = append(terms, and.Terms...)
		} else if e != nil {
			terms = append(terms, e)
		}
	}
	if len(terms) < 2 {
		return first(terms)
	}
	return &And{Terms: grouped(terms)}
}

// AnyOf joins conditions by OR with the parentheses that this takes. Nil conditions are left out; without any other the result is nil. Mind
// that Salesforce refuses a semi-join beneath OR: see JoinedObjects.
func AnyOf(conditions ...Expr) Expr {
	var terms []Expr
	for _, e := range conditions {
		if or, ok := e.(*Or); ok {
			terms = append(terms, or.Terms...)
		} else if e != nil {
			terms = append(terms, e)
		}
	}
	if len(terms) < 2 {
		return first(terms)
	}
	return &Or{Terms: grouped(terms)}
}

func first(terms []Expr) Expr {
	if len(terms) == 0 {
		return nil
	}
	return terms[0]
}

// grouped puts parentheses around what cannot stand beside another condition.
func grouped(conditions []Expr) []Expr {
	terms := make([]Expr, len(conditions))
	for i, e := range conditions {
		switch e := e.(type) {
		case *And, *Or, *Not:
			terms[i] = &Group{X: e}
		default:
			terms[i] = e
		}
	}
	return terms
}

// Compare builds field op value; the error is NewPath's.
func Compare(field string, op Op, value *Literal) (Expr, error) {
	path, err := NewPath(field)
	if err != nil {
		return nil, err
	}
	return &Comparison{Left: path, Op: op, Right: value}, nil
}

// In builds field IN (texts). The error is NewPath's, or says that there is no text, for which SOQL has no form.
func In(field string, texts []string) (Expr, error) {
	path, err := NewPath(field)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("soql: IN without values for %s", field)
	}
	list := &InList{Left: path, Values: make([]*Literal, len(texts))}
	for i, s := range texts {
		list.Values[i] = Text(s)
	}
	return list, nil
}

// Text is a string literal of exactly these characters; behind LIKE, % and _ in it are wildcards.
func Text(s string) *Literal {
	return &Literal{Kind: StringLiteral, Text: strings.ToValidUTF8(s, "\uFFFD")}
}

// DateTime is a literal for the instant, cut to milliseconds.
func DateTime(t time.Time) *Literal {
	return &Literal{Kind: DateTimeLiteral, Text: t.UTC().Format("2006-01-02T15:04:05.000Z")}
}

// LastDays is the literal LAST_N_DAYS:n: behind >= it stands for the midnight, in the connected user's time zone, that begins the day n days ago.
func LastDays(n int) *Literal {
	return &Literal{Kind: NamedDateLiteral, Text: "LAST_N_DAYS", N: int64(n)}
}

// Null is the literal NULL.
func Null() *Literal { return &Literal{Kind: NullLiteral, Text: "NULL"} }

// Bool is the literal TRUE or FALSE.
func Bool(b bool) *Literal {
	if b {
		return &Literal{Kind: BoolLiteral, Text: "TRUE"}
	}
	return &Literal{Kind: BoolLiteral, Text: "FALSE"}
}
