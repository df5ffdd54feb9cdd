package soql

import (
	"fmt"
	"slices"
	"strings"
)

// RowPart names what of a Row a RowProblem is about.
type RowPart string

// The parts of a row.
const (
	PartField    RowPart = "field"
	PartOperator RowPart = "operator"
	PartValue    RowPart = "value"
)

// RowProblem is why a row stands for no SOQL.
type RowProblem struct {
	Row     int // from 0; -1 when the rows together are too long
	Part    RowPart
	Value   int    // from 0, for PartValue
	Message string // a plain sentence
}

// SOQL returns the condition that the rows stand for, on the object of that name; without rows it is empty. With problems it is empty too, and they are
// all there, in the order of the rows. What it returns has no findings when it is checked against the same schema, which must not be nil.
func (b Builder) SOQL(object string, s Schema) (string, []RowProblem) {
	var terms []Expr
	var problems []RowProblem
	o := s.Object(object)
	for i, row := range b.Rows {
		e, found := row.expr(o, object, s)
		for _, p := range found {
			p.Row = i
			problems = append(problems, p)
		}
		terms = append(terms, e)
	}
	if len(problems) > 0 || len(terms) == 0 {
		return "", problems
	}
	text := AllOf(terms...).String()
	if long := tooLong(text); long != nil {
		return "", []RowProblem{{Row: -1, Part: PartValue, Message: long.Message}}
	}
	return text, nil
}

// expr builds the row's condition.
func (r Row) expr(o *Object, object string, s Schema) (Expr, []RowProblem) {
	if o == nil {
		return nil, []RowProblem{{Part: PartField, Message: "The connected user cannot see the object " + object + "."}}
	}
	if strings.TrimSpace(r.Field) == "" {
		return nil, []RowProblem{{Part: PartField, Message: "Choose a field."}}
	}
	path, f, problem := resolve(strings.TrimSpace(r.Field), o, s, use{filter: true})
	if problem != "" {
		return nil, []RowProblem{{Part: PartField, Message: problem}}
	}
	offered := Operators(*f)
	if len(offered) == 0 {
		return nil, []RowProblem{{Part: PartField, Message: path.String() + " " + holds[f.Type] + " and cannot be used in a filter."}}
	}
	if !slices.Contains(offered, r.Operator) {
		m := "Choose an operator."
		if _, known := operatorLabels[r.Operator]; known {
			m = fmt.Sprintf("%s does not go with %s, which %s. Choose %s.", r.Operator.Label(), path, holds[f.Type], labels(offered))
		}
		return nil, []RowProblem{{Part: PartOperator, Message: m}}
	}
	values, problems := r.literals(f)
	if len(problems) > 0 {
		return nil, problems
	}
	e := r.condition(path, f, values)
	// The checker knows limits that concern the finished condition, such as the length of a text.
	for _, finding := range CheckFilter(e.String(), object, s) {
		if !finding.Warning {
			return nil, []RowProblem{{Part: PartValue, Message: finding.Message}}
		}
	}
	return e, nil
}

func labels(ops []Operator) string {
	names := make([]string, len(ops))
	for i, o := range ops {
		names[i] = o.Label()
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// literals types the row's values.
func (r Row) literals(f *Field) (values []*Literal, problems []RowProblem) {
	in := InputOf(*f, r.Operator)
	if in.Kind == InputNone {
		return nil, nil
	}
	given := r.Values
	if !in.Many {
		given = given[:min(len(given), 1)]
	}
	if len(given) == 0 {
		given = []string{""}
	}
	for i, text := range given {
		if text == "" || strings.TrimSpace(text) == "" && !isPattern(r.Operator) {
			m := "Write a value."
			if r.Operator == OpEquals || r.Operator == OpNotEquals {
				m = "Write a value. For records without one, choose Is empty or Is not empty."
			}
			problems = append(problems, RowProblem{Part: PartValue, Value: i, Message: m})
			continue
		}
		l, problem := typed(f, text)
		if problem != "" {
			problems = append(problems, RowProblem{Part: PartValue, Value: i, Message: problem})
			continue
		}
		values = append(values, l)
	}
	return values, problems
}

func isPattern(o Operator) bool {
	return o == OpContains || o == OpDoesNotContain || o == OpStartsWith || o == OpEndsWith
}

// comparisons are the operators that are one comparison with one value.
var comparisons = map[Operator]Op{OpEquals: Equal, OpNotEquals: NotEqual, OpGreaterThan: Greater, OpGreaterThanOrEqual: GreaterOrEqual,
	OpLessThan: Less, OpLessThanOrEqual: LessOrEqual}

// condition is the row's SOQL. != and NOT IN select records with an empty field, as Salesforce's documentation of null in conditions says. What NOT … LIKE
// and EXCLUDES do with them no document says, so those say it themselves wherever the field can be empty.
func (r Row) condition(path *Path, f *Field, values []*Literal) Expr {
	compare := func(op Op, l *Literal) Expr { return &Comparison{Left: path, Op: op, Right: l} }
	orEmpty := func(e Expr) Expr {
		if canBeEmpty(path, f) {
			return AnyOf(e, compare(Equal, Null()))
		}
		return e
	}
	multi := f.Type == "multipicklist"
	switch r.Operator {
	case OpIsEmpty, OpDoesNotHaveProperty:
		return compare(Equal, Null())
	case OpIsNotEmpty, OpHasProperty:
		return compare(NotEqual, Null())
	case OpIsTrue, OpIsFalse:
		return compare(Equal, Bool(r.Operator == OpIsTrue))
	case OpContains:
		if multi {
			return &Includes{Left: path, Values: []*Literal{together(values)}}
		}
		return compare(Like, pattern("%", values[0].Text, "%"))
	case OpDoesNotContain:
		if multi {
			return orEmpty(&Includes{Left: path, Not: true, Values: []*Literal{together(values)}})
		}
		return orEmpty(&Not{X: compare(Like, pattern("%", values[0].Text, "%"))})
	case OpStartsWith:
		return compare(Like, pattern("", values[0].Text, "%"))
	case OpEndsWith:
		return compare(Like, pattern("%", values[0].Text, ""))
	case OpIsOneOf:
		if multi {
			return &Includes{Left: path, Values: values}
		}
		return &InList{Left: path, Values: values}
	case OpIsNotOneOf:
		if multi {
			return orEmpty(&Includes{Left: path, Not: true, Values: values})
		}
		return &InList{Left: path, Not: true, Values: values}
	}
	if multi {
		return compare(comparisons[r.Operator], together(values))
	}
	return compare(comparisons[r.Operator], values[0])
}

// together joins the values of a multi-select picklist that must all be chosen.
func together(values []*Literal) *Literal {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Text
	}
	return Text(strings.Join(texts, ";"))
}

// canBeEmpty tells whether a record may lack the field: it is not required, or the related record that holds it may be missing.
func canBeEmpty(path *Path, f *Field) bool { return f.Nillable || len(path.Names) > 1 }

// FieldAt returns the field that a name or path over relationships leads to from the object, and the path as the describe writes it, without the object's
// own name before it. The problem is a plain sentence, with the nearest names where there are some, and empty when the field was found.
func FieldAt(path, object string, s Schema) (canonical string, f Field, problem string) {
	o := s.Object(object)
	if o == nil {
		return "", Field{}, "The connected user cannot see the object " + object + "."
	}
	p, found, problem := resolve(path, o, s, use{})
	if problem != "" {
		return "", Field{}, problem
	}
	return p.String(), *found, ""
}

// resolve finds the field behind a path and returns the path as the describe writes it, without the object's own name before it.
func resolve(name string, o *Object, s Schema, u use) (*Path, *Field, string) {
	p, err := NewPath(name)
	if err != nil {
		return nil, nil, said(name) + " is not the name of a field."
	}
	c := &checker{schema: s}
	sc := &scope{name: o.Name, object: o}
	v := c.path(p, sc, u)
	if v == nil {
		if len(c.findings) > 0 {
			return nil, nil, c.findings[0].Message
		}
		return nil, nil, "The connected user cannot see the object that " + name + " leads to."
	}
	names := c.ownNames(p, sc)
	if relationship(o, p.Names[0]) != nil { // a relationship to the object's own kind, named as the object is
		names = p.Names
	}
	out := &Path{}
	for _, n := range names[:len(names)-1] {
		rel := relationship(o, n)
		out.Names = append(out.Names, rel.RelationshipName)
		o = c.target(rel)
	}
	out.Names = append(out.Names, v.field.Name)
	return out, v.field, ""
}
