package db

import (
	"context"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/lib/pq"

	"millrace/pipeline"
)

// A chunk of a page is held here until it is known which of its records are taken: that is asked of Postgres at once for all of them, between one COPY and the next.
const (
	chunkRows  = 8192
	chunkBytes = 1 << 20
	sieveTimes = 2 // how many times as much is held in a sieve: it asks more of Postgres at a time
)

// inChunks loads the page chunk by chunk.
func (l *loader) inChunks(ctx context.Context) error {
	if _, err := l.conn.Exec(ctx, `SET LOCAL jit = off; SET LOCAL random_page_cost = 1.1`); err != nil {
		return err
	}
	c := newChunk(ctx, l, 1)
	defer c.release()
	var err error
	if l.report, err = l.page.Copy(ctx, c); err != nil {
		return err
	}
	return c.load()
}

// span is a part of the chunk's text; from is negative for NULL.
type span struct{ from, to int }

// chunk collects records as lines of COPY text, and notes where in them the values are that decide what becomes of a record.
type chunk struct {
	*loader
	ctx   context.Context
	times int // how many times as much as usual it holds
	lines CopyWriter
	rows  []span
	slots []int    // for each field, its place among the noted ones, or -1
	names []string // of the noted columns
	spots []span   // of the noted values, row after row
}

// room is what chunks are held in. It serves one page after the other: to make it anew costs as much as to look through what it holds.
type room struct {
	text        []byte
	rows, spots []span
}

var rooms = sync.Pool{New: func() any { return &room{text: make([]byte, 0, chunkBytes+4096), rows: make([]span, 0, chunkRows)} }}

func newChunk(ctx context.Context, l *loader, times int) *chunk {
	r := rooms.Get().(*room)
	c := &chunk{loader: l, ctx: ctx, times: times, lines: CopyWriter{ctx: ctx, columns: append([]string{"sf_id"}, l.merge.copied()...), chunk: 1 << 62, buf: r.text[:0]}, rows: r.rows[:0], spots: r.spots[:0]}
	t := l.step.Table
	for _, name := range c.lines.columns {
		noted := name == t.Parent || name == t.Require || slices.ContainsFunc(t.Lookups, func(f pipeline.Lookup) bool { return f.By == name })
		if noted {
			c.slots, c.names = append(c.slots, len(c.names)), append(c.names, name)
		} else {
			c.slots = append(c.slots, -1)
		}
	}
	return c
}

// release lets go of the chunk, and of all that was cut out of it.
func (c *chunk) release() {
	if cap(c.lines.buf) <= 2*sieveTimes*chunkBytes {
		rooms.Put(&room{c.lines.buf, c.rows, c.spots})
	}
	c.lines.buf, c.rows, c.spots = nil, nil, nil
}

// Null implements pipeline.RowWriter.
func (c *chunk) Null() {
	if f := c.lines.field; f < len(c.slots) && c.slots[f] >= 0 {
		c.spots = append(c.spots, span{from: -1})
	}
	c.lines.Null()
}

// String implements pipeline.RowWriter.
func (c *chunk) String(field string) {
	f := c.lines.field
	c.lines.String(field)
	c.note(f, len(field))
}

// Bytes implements pipeline.RowWriter.
func (c *chunk) Bytes(field []byte) {
	f := c.lines.field
	c.lines.Bytes(field)
	c.note(f, len(field))
}

// note remembers where a value is whose length was n before it was escaped. Ids are never escaped, and of others only counts that they are there.
func (c *chunk) note(field, n int) {
	if field < len(c.slots) && c.slots[field] >= 0 {
		end := len(c.lines.buf)
		c.spots = append(c.spots, span{max(end-n, c.lines.row), end})
	}
}

// EndRow implements pipeline.RowWriter.
func (c *chunk) EndRow() error {
	full, err := c.end()
	if err != nil || !full {
		return err
	}
	return c.load()
}

// end completes the row in progress and reports whether the chunk is full.
func (c *chunk) end() (full bool, err error) {
	from := c.lines.row
	if err := rowError(c.lines.EndRow()); err != nil {
		c.spots = c.spots[:len(c.rows)*len(c.names)]
		return false, err
	}
	c.rows = append(c.rows, span{from, len(c.lines.buf) - 1})
	return len(c.rows) >= chunkRows*c.times || len(c.lines.buf) >= chunkBytes*c.times, nil
}

// empty makes room for the next records.
func (c *chunk) empty() {
	c.lines.buf, c.lines.row = c.lines.buf[:0], 0
	c.rows, c.spots = c.rows[:0], c.spots[:0]
}

// name is what the record of a row is called.
func (c *chunk) name(row int) string {
	var words []string
	for i, field := range strings.Split(string(c.text(c.rows[row])), "\t") {
		if i < len(c.lines.columns) && slices.Contains(pipeline.NameColumns, c.lines.columns[i]) && field != `\N` && field != "" {
			words = append(words, copyEscapes.Replace(field))
		}
	}
	return cutText(strings.Join(words, " "), 200)
}

// copyEscapes undoes what COPY text escapes, with spaces for what breaks lines.
var copyEscapes = strings.NewReplacer(`\\`, `\`, `\t`, " ", `\n`, " ", `\r`, " ", `\b`, " ", `\f`, " ", `\v`, " ")

// cutText returns at most n characters of a text.
func cutText(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

// load decides about the records of the chunk, copies those that are taken, and empties the chunk.
func (c *chunk) load() error {
	if len(c.rows) == 0 {
		return nil
	}
	found, taken, err := c.decide()
	if err == nil && len(taken) > 0 {
		err = c.conn.CopyText(c.ctx, c.merge.table, c.columns, func(w *CopyWriter) error {
			c.endLines(w)
			for _, row := range taken {
				if err := w.extend(c.text(c.rows[row]), found, row); err != nil {
					return err
				}
			}
			return nil
		})
	}
	c.empty()
	return err
}

// extend writes a line that lacks the values at row of some columns, and what ends each row.
func (w *CopyWriter) extend(line []byte, columns [][]string, row int) error {
	w.buf = append(w.buf, line...)
	for _, column := range columns {
		if v := column[row]; v == "" {
			w.buf = append(w.buf, "\t\\N"...)
		} else {
			w.buf = append(append(w.buf, '\t'), v...)
		}
	}
	return w.endLine()
}

func (c *chunk) text(s span) []byte { return c.lines.buf[s.from:s.to] }

func (c *chunk) id(row int) string { return string(c.idText(row)) }

func (c *chunk) idText(row int) []byte { return c.text(c.rows[row])[:idLength] }

// column returns the values of a noted column, empty for NULL. They lie in the text of the chunk and hold until it is emptied: what is kept longer is copied.
func (c *chunk) column(name string) []string {
	out := make([]string, len(c.rows))
	slot := slices.Index(c.names, name)
	if slot < 0 {
		return out
	}
	whole := unsafe.String(unsafe.SliceData(c.lines.buf), len(c.lines.buf))
	for row := range out {
		if s := c.spots[row*len(c.names)+slot]; s.from >= 0 {
			out[row] = whole[s.from:s.to]
		}
	}
	return out
}

// decide finds out the columns that do not come with the page and which records are taken. The others it counts, and remembers those that are skipped.
func (c *chunk) decide() (found [][]string, taken []int, err error) {
	t := c.step.Table
	known := map[string][]string{}
	values := func(name string) []string {
		if v, ok := known[name]; ok {
			return v
		}
		return c.column(name)
	}
	for _, l := range t.Lookups {
		column, err := c.lookUp(l, values(l.By))
		if err != nil {
			return nil, nil, err
		}
		known[l.Column] = column
		found = append(found, column)
	}
	parents := make([]string, len(c.rows))
	var missing, elsewhere map[string]bool
	if t.Parent != "" {
		parents = values(t.Parent)
		if missing, err = c.missing(parents); err != nil {
			return nil, nil, err
		}
	}
	if t.Typed && c.merge.later {
		if elsewhere, err = c.elsewhere(); err != nil {
			return nil, nil, err
		}
	}
	var required []string
	if t.Require != "" {
		required = values(t.Require)
	}
	for row := range c.rows {
		switch id := c.text(c.rows[row])[:idLength]; {
		case t.Parent != "" && (parents[row] == "" || missing[parents[row]]), elsewhere[string(id)]:
			c.counts.elsewhere++
		case required != nil && required[row] == "":
			c.skipped, c.under, c.called = append(c.skipped, string(id)), append(c.under, strings.Clone(skippedUnder(t, parents[row]))), append(c.called, c.name(row))
		default:
			taken = append(taken, row)
			c.ids = append(c.ids, id...)
		}
	}
	return found, taken, nil
}

// The questions below are asked as a scalar subquery for each id: that is one look into an index, whatever the planner believes of tables that have just been
// filled and of which it has no statistics.

// missing returns which of the parents are not here.
func (c *chunk) missing(parents []string) (map[string]bool, error) {
	known, err := c.parentsOf()
	if err != nil {
		return nil, err
	}
	asked := slices.Compact(slices.DeleteFunc(slices.Clone(parents), func(id string) bool { return id == "" || known != nil && known.has([]byte(id)) }))
	var out []string
	if len(asked) == 0 {
		return nil, nil
	}
	err = c.conn.Select(c.ctx, &out, `
		SELECT x FROM unnest($2::text[]) AS x
		 WHERE (SELECT 1 FROM millrace.`+c.part(c.step.Table.ParentTable())+` a WHERE a.connection_id = $1 AND a.sf_id = x COLLATE "C" AND a.left_filter_at IS NULL) IS NULL`,
		c.connectionID, pq.Array(asked))
	return setOf(out), err
}

// elsewhere returns which of the records an earlier step has taken.
func (c *chunk) elsewhere() (map[string]bool, error) {
	ids := make([]string, len(c.rows))
	for row := range ids {
		ids[row] = c.id(row)
	}
	var out []string
	err := c.conn.Select(c.ctx, &out, `
		SELECT x FROM unnest($2::text[]) AS x WHERE (SELECT t.account_type FROM `+c.merge.table+` t WHERE t.connection_id = $1 AND t.sf_id = x COLLATE "C") <> $3`,
		c.connectionID, pq.Array(ids), c.step.AccountType)
	return setOf(out), err
}

// lookUp returns what a lookup finds by the given values.
func (c *chunk) lookUp(l pipeline.Lookup, by []string) ([]string, error) {
	var pairs []struct {
		ID   string `db:"id"`
		Take string `db:"take"`
	}
	err := c.conn.Select(c.ctx, &pairs, `
		SELECT id, take FROM (
		    SELECT x AS id, (SELECT p.`+l.Take+` FROM millrace.`+c.part(l.Table)+` p WHERE p.connection_id = $1 AND p.sf_id = x COLLATE "C" AND p.left_filter_at IS NULL) AS take
		      FROM unnest($2::text[]) AS x) f WHERE take IS NOT NULL`, c.connectionID, pq.Array(distinct(by)))
	of := make(map[string]string, len(pairs))
	for _, p := range pairs {
		of[p.ID] = p.Take
	}
	out := make([]string, len(by))
	for row, v := range by {
		out[row] = of[v]
	}
	return out, err
}

// distinct returns the values that are not empty. Equal ones that follow each other come once.
func distinct(values []string) []string {
	return slices.Compact(slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" }))
}

func setOf(values []string) map[string]bool {
	out := make(map[string]bool, len(values))
	for _, v := range values {
		out[v] = true
	}
	return out
}
