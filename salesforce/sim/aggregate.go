package sim

import (
	"slices"
	"strconv"
	"strings"

	"millrace/salesforce/soql"
)

// maxGroups is the most rows of an aggregate answer, which cannot be paged.
const maxGroups = 2000

// maxRollup is the most fields that ROLLUP and CUBE take.
const maxRollup = 3

// aggregation runs a grouped query. Everything after grouping, HAVING, ORDER BY and the output, is compiled as functions of a group's number.
type aggregation struct {
	c      *compiler
	o      *object
	keys   []groupKey
	accs   []accumulator
	groups []*group
}

type groupKey struct {
	text string // as written, lower case
	col  column
}

// accumulator is one aggregate function.
type accumulator struct {
	text string
	fn   soql.Func
	col  column // zero for COUNT()
}

// group is the rows with the same keys. total marks the keys that a rollup left out.
type group struct {
	keys  []value
	total []bool
	sums  []sum
}

// sum is the state of one accumulator in one group.
type sum struct {
	n        int64
	total    value
	min, max value
	seen     map[string]bool
}

// aggregate works out the rows of a grouped query.
func (p *plan) aggregate() error {
	a := &aggregation{c: p.c, o: p.obj}
	q := p.q
	if q.GroupBy != nil {
		for _, item := range q.GroupBy.Items {
			col, err := p.c.operand(p.obj, item)
			if err != nil {
				return err
			}
			if _, isCall := item.(*soql.Call); !col.f.groupable && !isCall {
				return p.c.refuse(item.Bounds().Start, soql.Finding{Kind: soql.KindNotGroupable, Subject: col.f.name})
			}
			a.keys = append(a.keys, groupKey{lower(item.String()), col})
		}
		if q.GroupBy.Mode != soql.GroupPlain && len(a.keys) > maxRollup {
			return p.c.at("MALFORMED_QUERY", q.GroupBy.Start, "GROUP BY %s is limited to %d fields", q.GroupBy.Mode, maxRollup)
		}
	} else if q.Limit != nil {
		return p.c.at("MALFORMED_QUERY", q.Limit.Start, "unexpected token: 'LIMIT'")
	}
	var out []getter
	expr := 0
	aliases := map[string]column{}
	for _, item := range q.Select {
		x, ok := item.Value.(soql.Operand)
		if !ok {
			return p.c.at("MALFORMED_QUERY", item.Start, "unexpected token: '%s'", item.Value)
		}
		col, err := a.operand(x)
		if err != nil {
			return err
		}
		name := item.Alias
		if path, isPath := x.(*soql.Path); isPath && name == "" {
			name = col.f.name
			if len(path.Names) == 1 {
				name = col.f.name
			}
		} else if name == "" {
			name = "expr" + strconv.Itoa(expr)
			expr++
		} else {
			aliases[lower(name)] = col
		}
		p.heads = append(p.heads, name)
		out = append(out, col.get)
	}
	filter, order, err := a.after(q, aliases)
	if err != nil {
		return err
	}
	a.run(p.rows, q.GroupBy)
	var numbers []int32
	for i := range a.groups {
		if filter == nil || filter(i) {
			numbers = append(numbers, int32(i))
		}
	}
	numbers = window(order.sort(numbers, wanted(q)), q)
	if len(numbers) > maxGroups {
		return badRequest("EXCEEDED_ID_LIMIT", "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch")
	}
	for _, n := range numbers {
		row := make([]value, len(out))
		for i, get := range out {
			row[i] = get(int(n))
		}
		p.agg = append(p.agg, row)
	}
	return nil
}

// after compiles HAVING and ORDER BY over group numbers.
func (a *aggregation) after(q *soql.Query, aliases map[string]column) (test, ordering, error) {
	inner := *a.c
	inner.over = func(x soql.Operand) (column, error) {
		if path, ok := x.(*soql.Path); ok && len(path.Names) == 1 {
			if col, ok := aliases[lower(path.Names[0])]; ok {
				return col, nil
			}
		}
		return a.operand(x)
	}
	var filter test
	var err error
	if q.Having != nil {
		if filter, err = inner.where(a.o, q.Having); err != nil {
			return nil, nil, err
		}
	}
	var order ordering
	for _, item := range q.OrderBy {
		col, err := inner.over(item.Value)
		if err != nil {
			return nil, nil, err
		}
		order = append(order, sortKey{col.get, item.Desc, nullsLast(item)})
	}
	return filter, order, nil
}

// operand compiles a grouped field, an aggregate function or a function of one, over group numbers.
func (a *aggregation) operand(x soql.Operand) (column, error) {
	text := lower(x.String())
	for i, k := range a.keys {
		if k.text == text {
			return column{f: k.col.f, get: func(g int) value { return a.groups[g].keys[i] }}, nil
		}
	}
	call, ok := x.(*soql.Call)
	if !ok {
		if p, isPath := x.(*soql.Path); isPath {
			if _, err := a.c.path(a.o, p); err != nil {
				return column{}, err
			}
		}
		return column{}, a.c.refuse(x.Bounds().Start, soql.Finding{Kind: soql.KindNotGrouped, Subject: x.String()})
	}
	switch {
	case call.Func.Kind() == soql.AggregateFunc:
		return a.accumulate(call, text)
	case call.Func == soql.FuncGrouping && len(call.Args) == 1:
		want := lower(call.Args[0].String())
		for i, k := range a.keys {
			if k.text == want {
				return column{f: numberField("int", "grouping", "", 9, 0), get: func(g int) value {
					if a.groups[g].total[i] {
						return intValue(1)
					}
					return intValue(0)
				}}, nil
			}
		}
	case call.Func.Kind() == soql.ConvertFunc && len(call.Args) == 1:
		inner, err := a.operand(call.Args[0])
		if err != nil {
			return column{}, err
		}
		if call.Func == soql.FuncFormat {
			inner.get = a.c.formatted(inner)
		}
		return inner, nil
	}
	return column{}, a.c.refuse(x.Bounds().Start, soql.Finding{Kind: soql.KindNotGrouped, Subject: x.String()})
}

func (a *aggregation) accumulate(call *soql.Call, text string) (column, error) {
	acc := accumulator{text: text, fn: call.Func}
	out := numberField("int", "expr", "", 9, 0)
	if len(call.Args) == 1 {
		col, err := a.c.operand(a.o, call.Args[0])
		if err != nil {
			return column{}, err
		}
		if !col.f.aggregatable() || numeric[call.Func] && !isNumber(col.f.typ) {
			return column{}, a.c.at("MALFORMED_QUERY", call.Start, "field %s does not support aggregate operator %s", col.f.name, call.Func)
		}
		acc.col = col
		if call.Func != soql.FuncCount && call.Func != soql.FuncCountDistinct {
			f := *col.f
			if call.Func == soql.FuncAvg {
				f.typ = "double"
			}
			out = &f
		}
	} else if call.Func != soql.FuncCount {
		return column{}, a.c.at("MALFORMED_QUERY", call.Start, "unexpected token: '%s'", call.Func)
	}
	at := slices.IndexFunc(a.accs, func(x accumulator) bool { return x.text == text })
	if at < 0 {
		at = len(a.accs)
		a.accs = append(a.accs, acc)
	}
	out.filterable = true
	return column{f: out, get: func(g int) value { return a.groups[g].sums[at].result(acc.fn) }}, nil
}

var numeric = map[soql.Func]bool{soql.FuncSum: true, soql.FuncAvg: true}

func isNumber(typ string) bool {
	return typ == "int" || typ == "double" || typ == "currency" || typ == "percent"
}

// run distributes the rows over the groups. ROLLUP and CUBE add every row to a group of each of their subtotals.
func (a *aggregation) run(rows []int32, by *soql.GroupBy) {
	sets := [][]bool{make([]bool, len(a.keys))}
	if by != nil && by.Mode == soql.GroupRollup {
		for keep := len(a.keys) - 1; keep >= 0; keep-- {
			set := make([]bool, len(a.keys))
			for i := keep; i < len(set); i++ {
				set[i] = true
			}
			sets = append(sets, set)
		}
	}
	if by != nil && by.Mode == soql.GroupCube {
		sets = nil
		for bits := range 1 << len(a.keys) {
			set := make([]bool, len(a.keys))
			for i := range set {
				set[i] = bits>>i&1 == 1
			}
			sets = append(sets, set)
		}
	}
	byKey := map[string]*group{}
	if len(a.keys) == 0 {
		byKey[""] = a.newGroup(nil, sets[0])
	}
	var key []byte
	for _, row := range rows {
		for s, set := range sets {
			key = key[:0]
			if len(a.keys) > 0 {
				key = append(key, byte(s))
			}
			vals := make([]value, len(a.keys))
			for i, k := range a.keys {
				if !set[i] {
					vals[i] = k.col.get(int(row))
				}
				key = append(key, byte(vals[i].kind))
				key = append(append(key, lower(vals[i].text())...), 0)
			}
			if len(a.keys) == 0 {
				key = key[:0]
			}
			g := byKey[string(key)]
			if g == nil {
				g = a.newGroup(vals, set)
				byKey[string(key)] = g
			}
			for i := range a.accs {
				g.sums[i].add(&a.accs[i], int(row))
			}
		}
	}
}

func (a *aggregation) newGroup(keys []value, total []bool) *group {
	g := &group{keys: keys, total: total, sums: make([]sum, len(a.accs))}
	a.groups = append(a.groups, g)
	return g
}

func (s *sum) add(acc *accumulator, row int) {
	if acc.col.get == nil {
		s.n++
		return
	}
	v := acc.col.get(row)
	if v.isNull() {
		return
	}
	s.n++
	switch acc.fn {
	case soql.FuncCountDistinct:
		if s.seen == nil {
			s.seen = map[string]bool{}
		}
		s.seen[strings.ToLower(v.text())] = true
	case soql.FuncSum, soql.FuncAvg:
		if s.total.kind == kNull {
			s.total = v
			return
		}
		for s.total.scale < v.scale {
			s.total.n, s.total.scale = s.total.n*10, s.total.scale+1
		}
		s.total.n += v.n * pow10[s.total.scale-v.scale]
	case soql.FuncMin:
		if s.min.isNull() || compare(v, s.min) < 0 {
			s.min = v
		}
	case soql.FuncMax:
		if s.max.isNull() || compare(v, s.max) > 0 {
			s.max = v
		}
	}
}

func (s *sum) result(fn soql.Func) value {
	switch fn {
	case soql.FuncCount:
		return intValue(s.n)
	case soql.FuncCountDistinct:
		return intValue(int64(len(s.seen)))
	case soql.FuncSum:
		return s.total
	case soql.FuncAvg:
		if s.n == 0 {
			return null
		}
		return numberFromFloat(s.total.float() / float64(s.n)).withPoint()
	case soql.FuncMin:
		return s.min
	}
	return s.max
}
