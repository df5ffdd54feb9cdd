package soql

import (
	"fmt"
	"strings"
)

// FromFilter opens a condition in the builder. It reports false for one that the builder cannot show, with the reason in one sentence that names the
// place. Opening and writing it again never changes which records it selects: Is one of may replace the same field compared by OR, and names are
// written as the describe writes them. An empty text opens without rows. The schema must not be nil.
func FromFilter(text, object string, s Schema) (b Builder, reason string, ok bool) {
	if strings.TrimSpace(text) == "" {
		return Builder{}, "", true
	}
	for _, f := range CheckFilter(text, object, s) {
		if !f.Warning {
			return Builder{}, "The filter has a mistake at " + spot(f.Pos) + " that must be put right first: " + f.Message, false
		}
	}
	e, _ := ParseFilter(text)
	o := &opener{text: text, object: s.Object(object), schema: s}
	o.all(e)
	if o.reason != "" {
		return Builder{}, o.reason, false
	}
	if _, problems := o.builder.SOQL(object, s); len(problems) > 0 {
		return Builder{}, "The filter at " + spot(e.Bounds().Start) + " uses a value that the builder does not take: " + problems[0].Message, false
	}
	return o.builder, "", true
}

func spot(p Pos) string { return fmt.Sprintf("line %d, column %d", p.Line, p.Column) }

// opener collects rows and keeps the first reason why there can be none.
type opener struct {
	text    string
	object  *Object
	schema  Schema
	builder Builder
	reason  string
}

// refuse says that what stands there cannot be shown, and why.
func (o *opener) refuse(at Pos, what, why string) {
	if o.reason == "" {
		o.reason = what + " at " + spot(at) + " cannot be shown in a row: " + why
	}
}

func (o *opener) row(path *Path, op Operator, values ...string) {
	o.builder.Rows = append(o.builder.Rows, Row{Field: path.String(), Operator: op, Values: values})
}

// all takes conditions apart that must all hold.
func (o *opener) all(e Expr) {
	switch e := e.(type) {
	case *Group:
		o.all(e.X)
	case *And:
		for _, term := range e.Terms {
			o.all(term)
		}
	default:
		o.one(e)
	}
}

// one opens a condition that AND does not divide.
func (o *opener) one(e Expr) {
	switch e := e.(type) {
	case *Or:
		o.either(e)
	case *Not:
		o.not(e, false)
	case *SemiJoin:
		o.refuse(e.OpSpan.Start, "The subquery", "a row compares a field with values.")
	case *Comparison:
		if path, f := o.field(e.Left); f != nil {
			o.comparison(e, path, f)
		}
	case *InList:
		path, f := o.field(e.Left)
		if f == nil {
			return
		}
		op := OpIsOneOf
		if e.Not {
			op = OpIsNotOneOf
		}
		if values, ok := o.values(f, op, e.Values); ok {
			o.row(path, op, values...)
		}
	case *Includes:
		o.includes(e, false)
	}
}

// field resolves what a row can compare.
func (o *opener) field(left Operand) (*Path, *Field) {
	p, isPath := left.(*Path)
	if !isPath {
		o.refuse(left.Bounds().Start, "The function", "a row compares the field itself.")
		return nil, nil
	}
	path, f, problem := resolve(p.String(), o.object, o.schema, use{filter: true})
	if problem != "" {
		o.refuse(p.Start, "The field", problem)
		return nil, nil
	}
	return path, f
}

// values are the values of a list as a person types them.
func (o *opener) values(f *Field, op Operator, list []*Literal) ([]string, bool) {
	out := make([]string, len(list))
	for i, l := range list {
		if l.Kind == NullLiteral || l.Kind == StringLiteral && l.Text == "" {
			o.refuse(l.Start, "The empty value", "a list holds no empty values; use a row with Is empty or Is not empty.")
			return nil, false
		}
		if !offers(f, op) {
			o.refuse(l.Start, "The value", notOffered(op, f))
			return nil, false
		}
		out[i] = asTyped(l)
	}
	return out, true
}

func notOffered(op Operator, f *Field) string {
	return "the builder has no " + op.Label() + " for a field that " + holds[f.Type] + "."
}

func offers(f *Field, op Operator) bool {
	for _, offered := range Operators(*f) {
		if offered == op {
			return true
		}
	}
	return false
}

// asTyped is what a person types for the literal.
func asTyped(l *Literal) string {
	if l.Kind == StringLiteral {
		return l.Text
	}
	return l.String()
}

func (o *opener) comparison(e *Comparison, path *Path, f *Field) {
	empty := e.Right.Kind == NullLiteral || e.Right.Kind == StringLiteral && e.Right.Text == ""
	var op Operator
	switch {
	case e.Op == Like:
		o.like(e, path, f, false)
		return
	case f.Type == "boolean" && e.Op == Equal && e.Right.Kind == BoolLiteral, f.Type == "boolean" && e.Op == NotEqual && e.Right.Kind == BoolLiteral && len(path.Names) == 1:
		op = OpIsFalse
		if e.Right.Bool() == (e.Op == Equal) {
			op = OpIsTrue
		}
		o.row(path, op)
		return
	case empty && e.Op == Equal:
		op = OpIsEmpty
	case empty && e.Op == NotEqual:
		op = OpIsNotEmpty
	default:
		for name, symbol := range comparisons {
			if symbol == e.Op {
				op = name
			}
		}
	}
	if !offers(f, op) || empty && op != OpIsEmpty && op != OpIsNotEmpty {
		o.refuse(e.OpSpan.Start, string(e.Op), notOffered(op, f))
		return
	}
	switch {
	case empty:
		o.row(path, op)
	case f.Type == "multipicklist":
		o.row(path, op, strings.Split(e.Right.Text, ";")...)
	default:
		o.row(path, op, asTyped(e.Right))
	}
}

// like opens a pattern that is text with % at one or both ends; behind NOT only the one with both.
func (o *opener) like(e *Comparison, path *Path, f *Field, not bool) {
	parts := e.Right.Pattern()
	var shape, text string
	for _, p := range parts {
		if p.Wild == 0 {
			text = p.Text
			shape += "x"
		} else {
			shape += string(p.Wild)
		}
	}
	op, ok := map[string]Operator{"%x%": OpContains, "x%": OpStartsWith, "%x": OpEndsWith}[shape]
	switch {
	case not && op == OpContains:
		op = OpDoesNotContain
	case not:
		o.refuse(e.OpSpan.Start, "LIKE", "behind NOT the builder knows only the pattern '%text%', for Does not contain.")
		return
	case !ok:
		o.refuse(e.Right.Start, "The pattern", "the builder knows 'text%' (Starts with), '%text' (Ends with) and '%text%' (Contains).")
		return
	}
	if !offers(f, op) {
		o.refuse(e.OpSpan.Start, "LIKE", notOffered(op, f))
		return
	}
	o.row(path, op, text)
}

// not opens NOT … LIKE '%text%'. withEmpty says that the condition itself includes empty fields.
func (o *opener) not(e *Not, withEmpty bool) {
	inner, isLike := ungrouped(e.X).(*Comparison)
	if !isLike || inner.Op != Like {
		o.refuse(e.Start, "NOT", "the builder knows it only before LIKE; write !=, NOT IN or EXCLUDES, or turn the comparison round.")
		return
	}
	path, f := o.field(inner.Left)
	if f == nil || !withEmpty && !o.definite(e, path, f, "NOT … LIKE") {
		return
	}
	o.like(inner, path, f, true)
}

// includes opens INCLUDES and EXCLUDES.
func (o *opener) includes(e *Includes, withEmpty bool) {
	path, f := o.field(e.Left)
	if f == nil || e.Not && !withEmpty && !o.definite(e, path, f, "EXCLUDES") {
		return
	}
	several, together := OpIsOneOf, OpContains
	if e.Not {
		several, together = OpIsNotOneOf, OpDoesNotContain
	}
	values, ok := o.values(f, several, e.Values)
	if !ok {
		return
	}
	if len(values) == 1 {
		o.row(path, together, strings.Split(values[0], ";")...)
		return
	}
	for i, v := range values {
		if strings.Contains(v, ";") {
			o.refuse(e.Values[i].Start, "The combination", "a row asks either for all of its values or for one of them.")
			return
		}
	}
	o.row(path, several, values...)
}

// definite refuses a negation that leaves open what happens to records in which the field is empty.
func (o *opener) definite(e Expr, path *Path, f *Field, what string) bool {
	if !canBeEmpty(path, f) {
		return true
	}
	written := e.String()
	if _, isNot := e.(*Not); isNot {
		written = "(" + written + ")"
	}
	o.refuse(e.Bounds().Start, what, fmt.Sprintf("it leaves open what happens to records in which %s is empty; to include them, as the builder does, write (%s OR %s = NULL).", path, written, path))
	return false
}

func ungrouped(e Expr) Expr {
	for {
		g, ok := e.(*Group)
		if !ok {
			return e
		}
		e = g.X
	}
}

// either opens the two kinds of OR that one row can say: a negation or the field is empty, and one field compared with several values.
func (o *opener) either(e *Or) {
	if len(e.Terms) == 2 {
		for i, term := range e.Terms {
			other, isNull := ungrouped(e.Terms[1-i]).(*Comparison)
			if !isNull || other.Op != Equal || other.Right.Kind != NullLiteral {
				continue
			}
			switch term := ungrouped(term).(type) {
			case *Not:
				if like, ok := ungrouped(term.X).(*Comparison); ok && like.Op == Like && samePath(like.Left, other.Left) {
					o.not(term, true)
					return
				}
			case *Includes:
				if term.Not && samePath(term.Left, other.Left) {
					o.includes(term, true)
					return
				}
			}
		}
	}
	list := &InList{}
	for _, term := range e.Terms {
		c, ok := ungrouped(term).(*Comparison)
		if !ok || c.Op != Equal || c.Right.Kind == NullLiteral || list.Left != nil && !samePath(list.Left, c.Left) {
			o.refuseOr(e)
			return
		}
		list.Left, list.Values = c.Left, append(list.Values, c.Right)
	}
	path, f := o.field(list.Left)
	if f == nil {
		return
	}
	if f.Type == "multipicklist" || !offers(f, OpIsOneOf) {
		o.refuseOr(e)
		return
	}
	if values, ok := o.values(f, OpIsOneOf, list.Values); ok {
		o.row(path, OpIsOneOf, values...)
	}
}

func samePath(a, b Operand) bool {
	p, ok := a.(*Path)
	q, both := b.(*Path)
	return ok && both && strings.EqualFold(p.String(), q.String())
}

// refuseOr names the place of the first OR.
func (o *opener) refuseOr(e *Or) {
	at := e.Terms[0].Bounds().End
	from := at.Offset
	for from < len(o.text) && isBlank(o.text[from]) {
		from++
	}
	at = advance(at, o.text[at.Offset:from])
	o.refuse(at, "The OR", "the builder joins its rows by AND only.")
}
