package soql

import "strings"

// Span is the stretch of text that a node was read from; End is exclusive. Nodes that were built rather than parsed have a zero Span.
type Span struct{ Start, End Pos }

// Bounds returns the span itself, so that every node answers where it stands.
func (s Span) Bounds() Span { return s }

// Query is one SELECT statement, or a child or join subquery inside one.
type Query struct {
	Span
	Select    []SelectItem
	From      []Source // the first is the object; the others are aliases of its relationships
	Scope     string   // the name after USING SCOPE, as written; empty when there is none
	ScopeSpan Span
	Where     Expr // nil when there is none
	With      *With
	GroupBy   *GroupBy
	Having    Expr
	OrderBy   []OrderItem
	Limit     *RowCount
	Offset    *RowCount
	For       []string // VIEW and REFERENCE, in upper case
	Update    []string // TRACKING and VIEWSTAT, in upper case
}

// Object returns what the query reads: an object's name, or in a child subquery the name of a child relationship.
func (q *Query) Object() string {
	if len(q.From) == 0 {
		return ""
	}
	return q.From[0].Name.String()
}

// IsCount tells whether the query is SELECT COUNT(), which returns a number and no records.
func (q *Query) IsCount() bool {
	if len(q.Select) != 1 {
		return false
	}
	call, ok := q.Select[0].Value.(*Call)
	return ok && call.Func == FuncCount && len(call.Args) == 0
}

// IsAggregate tells whether the query returns AggregateResult rows: it groups, or it selects an aggregate function other than COUNT().
func (q *Query) IsAggregate() bool {
	if q.GroupBy != nil {
		return true
	}
	for _, item := range q.Select {
		if call, ok := item.Value.(*Call); ok && call.HasAggregate() && len(call.Args) > 0 {
			return true
		}
	}
	return false
}

// RowCount is the number of a LIMIT or OFFSET clause.
type RowCount struct {
	Span
	N int64
}

// Source is one entry of a FROM clause.
type Source struct {
	Span
	Name  *Path  // one name, or alias.Relationship in the second and later entries
	Alias string // empty when there is none
}

// SelectItem is one entry of a SELECT list.
type SelectItem struct {
	Span
	Value SelectValue
	Alias string // empty when there is none
}

// SelectValue is what a SELECT list can hold: *Path, *Call, *Subquery or *TypeOf.
type SelectValue interface {
	Bounds() Span
	String() string
	selectValue()
}

// Subquery is a parent-to-child query in a SELECT list.
type Subquery struct {
	Span
	Query *Query
}

// TypeOf is TYPEOF relationship WHEN object THEN fields … ELSE fields END.
type TypeOf struct {
	Span
	Relationship *Path
	When         []TypeOfBranch
	Else         []*Path // nil when there is no ELSE
}

// TypeOfBranch is one WHEN … THEN … of a TypeOf.
type TypeOfBranch struct {
	Span
	Object string
	Fields []*Path
}

// GroupBy is a GROUP BY clause.
type GroupBy struct {
	Span
	Mode  GroupMode
	Items []Operand // *Path or *Call of a date function
}

// GroupMode tells plain grouping from ROLLUP and CUBE.
type GroupMode string

// The three kinds of grouping.
const (
	GroupPlain  GroupMode = ""
	GroupRollup GroupMode = "ROLLUP"
	GroupCube   GroupMode = "CUBE"
)

// OrderItem is one entry of an ORDER BY clause.
type OrderItem struct {
	Span
	Value Operand
	Desc  bool
	Nulls NullsOrder
}

// NullsOrder says where an ORDER BY entry puts nulls.
type NullsOrder string

// The ways to order nulls; without a choice they come first when ascending and last when descending.
const (
	NullsDefault NullsOrder = ""
	NullsFirst   NullsOrder = "FIRST"
	NullsLast    NullsOrder = "LAST"
)

// With is a WITH clause; exactly one of Mode, Categories, Context and Where is set.
type With struct {
	Span
	Mode       string           // SECURITY_ENFORCED, USER_MODE or SYSTEM_MODE
	Categories []CategoryFilter // WITH DATA CATEGORY …, joined by AND
	Context    []ContextSetting // WITH RecordVisibilityContext (…)
	Where      Expr             // a condition, as feed objects want one
}

// CategoryFilter is one group selector of WITH DATA CATEGORY.
type CategoryFilter struct {
	Span
	Group      string
	Selector   string // AT, ABOVE, BELOW or ABOVE_OR_BELOW
	Categories []string
}

// ContextSetting is one name=value of RecordVisibilityContext.
type ContextSetting struct{ Name, Value string }

// Expr is a condition: *And, *Or, *Not, *Group, *Comparison, *InList, *SemiJoin or *Includes.
type Expr interface {
	Bounds() Span
	// String prints the condition as canonical SOQL.
	String() string
	expr()
}

// And holds two or more conditions of which all must be true. None of them is an *And, *Or or *Not without a *Group around it.
type And struct {
	Span
	Terms []Expr
}

// Or holds two or more conditions of which one must be true. None of them is an *And, *Or or *Not without a *Group around it.
type Or struct {
	Span
	Terms []Expr
}

// Not negates the condition after it, which is not itself an *And, *Or or *Not.
type Not struct {
	Span
	X Expr
}

// Group is a condition in parentheses.
type Group struct {
	Span
	X Expr
}

// Comparison is operand operator value.
type Comparison struct {
	Span
	Left   Operand
	Op     Op
	OpSpan Span
	Right  *Literal
}

// InList is operand IN (values), or NOT IN.
type InList struct {
	Span
	Left   Operand
	Not    bool
	OpSpan Span
	Values []*Literal
}

// SemiJoin is operand IN (SELECT …), or with NOT IN an anti-join.
type SemiJoin struct {
	Span
	Left   Operand
	Not    bool
	OpSpan Span
	Query  *Query
}

// Includes is field INCLUDES (values), or EXCLUDES.
type Includes struct {
	Span
	Left   Operand
	Not    bool // EXCLUDES
	OpSpan Span
	Values []*Literal
}

func (*And) expr()        {}
func (*Or) expr()         {}
func (*Not) expr()        {}
func (*Group) expr()      {}
func (*Comparison) expr() {}
func (*InList) expr()     {}
func (*SemiJoin) expr()   {}
func (*Includes) expr()   {}

// Op is a comparison operator in its canonical form; <> is read as NotEqual.
type Op string

// The comparison operators.
const (
	Equal          Op = "="
	NotEqual       Op = "!="
	Less           Op = "<"
	LessOrEqual    Op = "<="
	Greater        Op = ">"
	GreaterOrEqual Op = ">="
	Like           Op = "LIKE"
)

// Operand is what a condition compares, a clause groups or orders by, or a function takes: *Path, *Call or, as an argument, *Literal.
type Operand interface {
	Bounds() Span
	String() string
	operand()
}

// Path is a field with the relationships that lead to it, such as Account.Parent.Name.
type Path struct {
	Span
	Names []string // as written
}

// Field returns the last name of the path.
func (p *Path) Field() string { return p.Names[len(p.Names)-1] }

// Relationships returns the names before the field.
func (p *Path) Relationships() []string { return p.Names[:len(p.Names)-1] }

// String joins the names with dots.
func (p *Path) String() string { return strings.Join(p.Names, ".") }

// Call is a function with its arguments.
type Call struct {
	Span
	Func Func
	Args []Operand // COUNT() has none; FIELDS(ALL) has the one *Path "ALL"
}

// HasAggregate tells whether the call is an aggregate function, or wraps one as FORMAT(MIN(Amount)) does.
func (c *Call) HasAggregate() bool {
	if c.Func.Kind() == AggregateFunc {
		return true
	}
	for _, arg := range c.Args {
		if inner, ok := arg.(*Call); ok && inner.HasAggregate() {
			return true
		}
	}
	return false
}

// Path returns the field path that the call works on, however deeply it is wrapped, or nil when it has none.
func (c *Call) Path() *Path {
	for _, arg := range c.Args {
		switch arg := arg.(type) {
		case *Path:
			return arg
		case *Call:
			if p := arg.Path(); p != nil {
				return p
			}
		}
	}
	return nil
}

func (*Path) operand()    {}
func (*Call) operand()    {}
func (*Literal) operand() {}

func (*Path) selectValue()     {}
func (*Call) selectValue()     {}
func (*Subquery) selectValue() {}
func (*TypeOf) selectValue()   {}
