package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	defaultBatch = 2000
	minBatch     = 200
	cursorLife   = 48 * time.Hour
	cursorsEach  = 10 // open cursors of a user; the oldest is dropped beyond
)

// cursorState holds the queries that have more pages.
type cursorState struct {
	mu   sync.Mutex
	next int
	open map[int64]*cursor
	list []*cursor // oldest first
}

// cursor is a query whose rows are known; its pages are written when asked for.
type cursor struct {
	id   int64
	plan *plan
	user int
	at   time.Time
}

func (rq *request) runQuery() error    { return rq.queryText(false) }
func (rq *request) runQueryAll() error { return rq.queryText(true) }

// queryText serves /query?q= and /queryAll?q=.
func (rq *request) queryText(all bool) error {
	if text := rq.query.Get("explain"); text != "" {
		return rq.explain(text)
	}
	text := rq.query.Get("q")
	if strings.TrimSpace(text) == "" {
		return badRequest("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
	}
	p, err := rq.org.prepare(rq.world, text, rq.session.user, mode{all: all})
	if err != nil {
		return err
	}
	switch {
	case p.count:
		return rq.raw(http.StatusOK, fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[]}`, len(p.rows)))
	case p.heads != nil:
		return rq.raw(http.StatusOK, p.aggregateJSON())
	}
	return rq.page(&cursor{plan: p, user: rq.session.user}, 0)
}

// aggregateJSON is the answer of a grouped query, which always fits one page.
func (p *plan) aggregateJSON() []byte {
	dst := fmt.Appendf(nil, `{"totalSize":%d,"done":true,"records":[`, len(p.agg))
	for i, row := range p.agg {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"attributes":{"type":"AggregateResult"}`...)
		for j, v := range row {
			dst = appendJSONString(append(dst, ','), p.heads[j])
			dst = v.appendJSON(append(dst, ':'))
		}
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}

// batchSize is how many rows the caller wants in a page: a hint between 200 and 2000.
func (rq *request) batchSize() int {
	for _, part := range strings.FieldsFunc(rq.r.Header.Get("Sforce-Query-Options"), func(r rune) bool { return r == ',' || r == ';' }) {
		name, n, _ := strings.Cut(part, "=")
		if size, err := strconv.Atoi(strings.TrimSpace(n)); err == nil && strings.EqualFold(strings.TrimSpace(name), "batchSize") {
			return min(max(size, minBatch), defaultBatch)
		}
	}
	return defaultBatch
}

// page writes one page of a query and, when there is more, where the next one is.
func (rq *request) page(cur *cursor, offset int) error {
	p := cur.plan
	end := min(offset+rq.batchSize(), len(p.rows))
	dst := fmt.Appendf(make([]byte, 0, 256*(end-offset)+256), `{"totalSize":%d,"done":%t,`, len(p.rows), end == len(p.rows))
	if end < len(p.rows) {
		rq.org.cursors.keep(cur, rq.org.now())
		dst = fmt.Appendf(dst, `"nextRecordsUrl":"%s/query/%s-%d",`, rq.root, idText(cur.id), end)
	}
	dst = append(dst, `"records":[`...)
	jw := &writer{w: p.c.w, root: rq.root}
	for i, row := range p.rows[offset:end] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jw.record(dst, p.obj, int(row), p.nodes)
	}
	return rq.raw(http.StatusOK, append(dst, "]}"...))
}

// keep stores a cursor, new or not, and drops the user's oldest beyond the cap.
func (s *cursorState) keep(cur *cursor, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cur.id != 0 {
		return
	}
	if s.open == nil {
		s.open = map[int64]*cursor{}
	}
	cur.id, cur.at = rowID(prefixCursor, s.next), now
	s.next++
	s.open[cur.id] = cur
	s.list = append(s.list, cur)
	mine := 0
	for i := len(s.list) - 1; i >= 0; i-- {
		c := s.list[i]
		if c.user == cur.user {
			mine++
		}
		if c.user == cur.user && mine > cursorsEach || now.Sub(c.at) > cursorLife {
			delete(s.open, c.id)
			s.list = append(s.list[:i], s.list[i+1:]...)
		}
	}
}

// queryMore serves /query/<locator>.
func (rq *request) queryMore() error {
	invalid := badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
	text, at, ok := strings.Cut(rq.seg[1], "-")
	id, isID := parseID(text)
	offset, err := strconv.Atoi(at)
	if !ok || !isID || err != nil {
		return invalid
	}
	s := &rq.org.cursors
	s.mu.Lock()
	cur := s.open[id]
	s.mu.Unlock()
	if cur == nil || cur.user != rq.session.user || offset < 0 || offset > len(cur.plan.rows) || rq.org.now().Sub(cur.at) > cursorLife {
		return invalid
	}
	return rq.page(cur, offset)
}

// explain serves /query?explain=: whether an index would serve the query, and how many rows it expects.
func (rq *request) explain(text string) error {
	p, err := rq.org.prepare(rq.world, text, rq.session.user, mode{})
	if err != nil {
		return err
	}
	t := rq.world.table(p.obj)
	operation, fields := "TableScan", []string{}
	notes := []map[string]any{}
	if _, ok := p.c.candidates(p.obj, p.q.Where); ok {
		operation, fields = "Index", append(fields, "Id")
	} else {
		notes = append(notes, map[string]any{"description": "Not considering filter for optimization because unindexed", "fields": []string{"IsDeleted"},
			"tableEnumOrId": p.obj.name})
	}
	cost := float64(len(p.rows)) / float64(max(t.rows, 1))
	if operation == "TableScan" {
		cost = 1 + cost
	}
	return rq.json(http.StatusOK, map[string]any{"plans": []any{map[string]any{"cardinality": len(p.rows), "fields": fields, "leadingOperationType": operation,
		"notes": notes, "relativeCost": cost, "sobjectCardinality": t.rows - t.gone, "sobjectType": p.obj.name}}, "sourceQuery": text})
}
