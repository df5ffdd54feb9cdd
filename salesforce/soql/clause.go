package soql

// Join says how a Clause combines the clauses below it.
type Join string

// The kinds of Clause.
const (
	Leaf    Join = ""    // one comparison, with nothing below it
	All     Join = "AND" // everything below it must hold
	Any     Join = "OR"  // one of those below it must hold
	Negated Join = "NOT" // the one below it must not hold
)

// Clause is one node of a condition taken apart for explanation.
type Clause struct {
	Span           // where it stands in the text that was parsed; zero for a condition that was built
	Join    Join   // Leaf for a comparison
	Text    string // the condition as canonical SOQL
	Expr    Expr
	Paths   []*Path  // the fields that a Leaf reads; those inside a subquery are not among them
	Objects []string // the objects that the subquery of a Leaf reads
	Parent  int      // position of the clause that this one belongs to; -1 for the first
	Depth   int      // of Parents above it
}

// Clauses takes a condition apart: the whole first, and below each clause that combines others those others, in the order of the text. Parentheses are
// no clauses of their own. A nil condition has none.
func Clauses(e Expr) []Clause {
	if e == nil {
		return nil
	}
	var out []Clause
	var add func(e Expr, parent, depth int)
	add = func(e Expr, parent, depth int) {
		e = ungrouped(e)
		c := Clause{Span: e.Bounds(), Text: e.String(), Expr: e, Parent: parent, Depth: depth}
		below := []Expr(nil)
		switch e := e.(type) {
		case *And:
			c.Join, below = All, e.Terms
		case *Or:
			c.Join, below = Any, e.Terms
		case *Not:
			c.Join, below = Negated, []Expr{e.X}
		default:
			c.Paths, c.Objects = Paths(e), JoinedObjects(e)
		}
		at := len(out)
		out = append(out, c)
		for _, term := range below {
			add(term, at, depth+1)
		}
	}
	add(e, -1, 0)
	return out
}
