package db

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// auditSearch is an AuditQuery with what it takes to carry it out.
type auditSearch struct {
	AuditQuery
	db          *DB
	parts       []auditPart // that may hold what is asked for, in the order of reading
	connections []int64
	lo, hi      time.Time // of what is asked for; zero for open
	ids         []string  // records that are searched for
	words       string    // a tsquery that is searched for; an entry of ids or with these words is found
	nameCut     bool
	nothing     bool // there is surely nothing
}

// auditSearch prepares q.
func (d *DB) auditSearch(ctx context.Context, q AuditQuery) (*auditSearch, error) {
	s := &auditSearch{AuditQuery: q, db: d, lo: q.From, hi: q.Until, ids: q.SFIDs}
	for _, c := range []int64{q.ConnectionID, 0} {
		global := c == 0
		if (!global || q.Global) && (len(q.Entities) == 0 || slices.ContainsFunc(q.Entities, func(e AuditEntity) bool { return e.Global == global })) {
			s.connections = append(s.connections, c)
		}
	}
	s.nothing = len(s.connections) == 0 || q.SFIDs != nil && len(q.SFIDs) == 0
	if err := s.resolve(ctx); err != nil || s.nothing {
		return s, err
	}
	if err := s.boundByRun(ctx); err != nil || s.nothing {
		return s, err
	}
	parts, err := d.auditParts(ctx)
	if err != nil {
		return nil, err
	}
	if q.Start != nil {
		if q.Ascending {
			s.lo = later(s.lo, q.Start.At)
		} else if end := q.Start.At.Add(time.Microsecond); s.hi.IsZero() || end.Before(s.hi) {
			s.hi = end
		}
	}
	s.parts = slices.DeleteFunc(parts, func(p auditPart) bool {
		return !s.hi.IsZero() && !p.Day.Before(s.hi) || !p.end().After(s.lo)
	})
	if q.Ascending {
		slices.Reverse(s.parts)
	}
	return s, nil
}

// resolve works out which records and words are searched for.
func (s *auditSearch) resolve(ctx context.Context) (err error) {
	text := strings.TrimSpace(s.Search)
	if text == "" {
		return nil
	}
	if text = shorten(text, 200); text == "" {
		s.nothing = true
		return nil
	}
	if id := fullID(text); id != "" && strings.ContainsFunc(id[:15], unicode.IsDigit) {
		s.ids = []string{id}
		return nil
	}
	if s.ids, s.nameCut, err = s.db.recordsNamed(ctx, s.ConnectionID, text); err != nil {
		return err
	}
	s.words = auditWords(text)
	s.nothing = s.words == "" && len(s.ids) == 0
	return nil
}

// wordBreaks are what separates words for millrace.audit_words.
const wordBreaks = "_.-/:@,;\"'[](){}<>=+&|!*#"

// auditWords is the tsquery of entries that have every word of text, or one that begins like it.
func auditWords(text string) string {
	var terms []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(wordBreaks, r) }) {
		if word = strings.NewReplacer(`\`, ``, `'`, ``).Replace(word); strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			terms = append(terms, "'"+word+"':*")
		}
	}
	return strings.Join(terms, " & ")
}

// boundByRun narrows the time to that of the run that is asked for.
func (s *auditSearch) boundByRun(ctx context.Context) error {
	if s.RunID == 0 {
		return nil
	}
	var run struct {
		From  time.Time    `db:"created_at"`
		Until sql.NullTime `db:"finished_at"`
	}
	// What ends a run is written right after its end.
	err := s.db.pool.GetContext(ctx, &run, `SELECT created_at, finished_at + interval '10 minutes' AS finished_at FROM millrace.runs WHERE id = $1 AND connection_id = $2`, s.RunID, s.ConnectionID)
	if errors.Is(err, sql.ErrNoRows) {
		s.nothing = true
		return nil
	}
	s.lo = later(s.lo, run.From)
	if run.Until.Valid && (s.hi.IsZero() || run.Until.Time.Before(s.hi)) {
		s.hi = run.Until.Time
	}
	return err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// auditWindow is a stretch of days that are read by one statement.
type auditWindow struct {
	parts   []auditPart
	indexed bool
}

// windowSizes are how many days are read at once: what is frequent is found in the first, and what is rare takes few statements.
var windowSizes = []int{1, 7, 30, 1000}

// windows cuts the days into stretches, in the order of reading. A day without its indexes stands alone.
func (s *auditSearch) windows() []auditWindow {
	var out []auditWindow
	for left, step := s.parts, 0; len(left) > 0; {
		w := auditWindow{parts: left[:1], indexed: left[0].indexed()}
		if w.indexed {
			n := 1
			for n < len(left) && n < windowSizes[step] && left[n].indexed() {
				n++
			}
			w.parts = left[:n]
			step = min(step+1, len(windowSizes)-1)
		}
		out, left = append(out, w), left[len(w.parts):]
	}
	return out
}

// auditSQL collects the arguments of a statement.
type auditSQL struct{ args []any }

func (b *auditSQL) add(v any) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args))
}

func (s *auditSearch) order() (forth, back string) {
	if s.Ascending {
		return " ORDER BY at, place", " ORDER BY at DESC, place DESC"
	}
	return " ORDER BY at DESC, place DESC", " ORDER BY at, place"
}

// within is the condition that an entry a lies in the window and beyond the start.
func (s *auditSearch) within(b *auditSQL, w auditWindow) string {
	first, last := w.parts[0], w.parts[len(w.parts)-1]
	lo, hi := last.Day, first.end()
	if s.Ascending {
		lo, hi = first.Day, last.end()
	}
	lo = later(lo, s.lo)
	if !s.hi.IsZero() && s.hi.Before(hi) {
		hi = s.hi
	}
	cond := "a.at >= " + b.add(lo) + " AND a.at < " + b.add(hi)
	if s.Start == nil {
		return cond
	}
	at := b.add(s.Start.At)
	switch {
	case s.Ascending && s.Start.Place == "":
		return cond + " AND a.at >= " + at
	case s.Ascending:
		return cond + " AND (a.at > " + at + " OR a.at = " + at + " AND a.ctid > " + b.add(s.Start.Place) + "::tid)"
	case s.Start.Place == "":
		return cond + " AND a.at < " + at
	}
	return cond + " AND (a.at < " + at + " OR a.at = " + at + " AND a.ctid < " + b.add(s.Start.Place) + "::tid)"
}

// set is the condition that an entry a is one that is searched for, empty for any.
func (s *auditSearch) set(b *auditSQL) string {
	var either []string
	if s.ids != nil {
		either = append(either, "a.sf_id = ANY ("+b.add(pq.Array(s.ids))+")")
	}
	if s.words != "" {
		either = append(either, wordyEntry+" AND millrace.audit_words(a.changes, a.detail) @@ to_tsquery('simple', "+b.add(s.words)+")")
	}
	if len(either) == 0 {
		return ""
	}
	return "(" + strings.Join(either, " OR ") + ")"
}

// rest is the condition that an entry a of one of the connections is selected, besides its time and the set; empty for any.
func (s *auditSearch) rest(b *auditSQL) string {
	var all []string
	if len(s.Entities) > 0 {
		names := map[bool][]string{}
		for _, e := range s.Entities {
			names[e.Global] = append(names[e.Global], e.Name)
		}
		all = append(all, "CASE WHEN a.connection_id = 0 THEN a.entity = ANY ("+b.add(pq.Array(names[true]))+") ELSE a.entity = ANY ("+b.add(pq.Array(names[false]))+") END")
	}
	if len(s.Hidden) > 0 {
		all = append(all, "a.entity <> ALL ("+b.add(pq.Array(s.Hidden))+")")
	}
	if len(s.Actions) > 0 {
		all = append(all, "a.action = ANY ("+b.add(pq.Array(s.Actions))+")")
	}
	if s.RunID != 0 {
		all = append(all, "a.run_id = "+b.add(s.RunID))
	}
	if s.ActorID != 0 {
		all = append(all, "a.actor_id = "+b.add(s.ActorID))
	}
	return strings.Join(all, " AND ")
}

const auditColumns = `a.at, a.ctid AS place, a.connection_id, a.run_id, a.actor_id, a.entity, a.sf_id, a.action, a.changes, a.detail`

// shownColumns are auditColumns as they are read.
const shownColumns = `at, place::text AS place, connection_id, run_id, actor_id, entity, sf_id, action, changes, coalesce(detail, '') AS detail`

// auditHit is a row of a look: an entry, or an edge, up to which was looked.
type auditHit struct {
	AuditRow
	Edge bool `db:"edge"`
}

// place compares where two entries are.
func comparePlaces(a, b AuditRow) int {
	if c := a.At.Compare(b.At); c != 0 {
		return c
	}
	ablock, aoffset := readPlace(a.Place)
	bblock, boffset := readPlace(b.Place)
	return cmp.Or(cmp.Compare(ablock, bblock), cmp.Compare(aoffset, boffset))
}

func readPlace(place string) (block, offset int64) {
	first, second, _ := strings.Cut(strings.Trim(place, "()"), ",")
	block, _ = strconv.ParseInt(first, 10, 64) // Postgres wrote it
	offset, _ = strconv.ParseInt(second, 10, 64)
	return block, offset
}

// page reads window after window until the page is full.
func (s *auditSearch) page(ctx context.Context) (AuditPage, error) {
	page := AuditPage{NameCut: s.nameCut}
	if s.nothing {
		return page, nil
	}
	err := s.look(ctx, func(tx *sqlx.Tx) error {
		for _, w := range s.windows() {
			rows, edge, err := s.read(ctx, tx, w, s.Limit+1-len(page.Rows))
			if err != nil {
				return err
			}
			page.Rows = append(page.Rows, rows...)
			if len(page.Rows) > s.Limit {
				page.Rows, page.More = page.Rows[:s.Limit], true
				break
			}
			if edge != nil {
				page.More, page.Reached, page.Next = true, &edge.At, AuditPlace{At: edge.At, Place: edge.Place}
				break
			}
		}
		return nil
	})
	if n := len(page.Rows); n > 0 && page.Reached == nil {
		page.Next = AuditPlace{At: page.Rows[n-1].At, Place: page.Rows[n-1].Place}
	}
	if s.Ascending {
		slices.Reverse(page.Rows)
	}
	return page, err
}

// look runs fn in a transaction with the planner set for it: what is read has an index, and no statement is worth compiling.
func (s *auditSearch) look(ctx context.Context, fn func(*sqlx.Tx) error) error {
	return s.db.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SET LOCAL jit = off; SET LOCAL work_mem = '32MB'; SET LOCAL random_page_cost = 1.1; SET LOCAL max_parallel_workers_per_gather = 0`); err != nil {
			return err
		}
		return fn(tx)
	})
}

// read returns at most n entries of a window in the order of reading, and the edge of what was looked through if it was not all.
func (s *auditSearch) read(ctx context.Context, tx *sqlx.Tx, w auditWindow, n int) (rows []AuditRow, edge *AuditRow, err error) {
	if s.wholly(w) {
		rows, over, err := s.readSet(ctx, tx, w, n)
		if err != nil || !over {
			return rows, nil, err
		}
	} else if w.indexed && s.words == "" && s.ids == nil && s.ActorID == 0 && (len(s.Entities) > 0 || len(s.Actions) > 0) {
		rows, err := s.readKinds(ctx, tx, w, n)
		return rows, nil, err
	}
	return s.walk(ctx, tx, w, n)
}

// wholly reports whether the entries that are searched for are collected at once and then sorted.
func (s *auditSearch) wholly(w auditWindow) bool {
	if s.ids == nil && s.words == "" {
		return false
	}
	return w.indexed || s.words == "" && w.parts[0].Bytes < auditWholeScan
}

// readSet collects what is searched for. It reports over when that is too much.
func (s *auditSearch) readSet(ctx context.Context, tx *sqlx.Tx, w auditWindow, n int) (rows []AuditRow, over bool, err error) {
	var b auditSQL
	forth, _ := s.order()
	cond := "a.connection_id = ANY (" + b.add(pq.Array(s.connections)) + ")"
	if rest := s.rest(&b); rest != "" {
		cond += " AND " + rest
	}
	hits, err := s.bitmap(ctx, tx, w, `
		WITH m AS MATERIALIZED (SELECT `+auditColumns+` FROM millrace.audit_log a WHERE `+s.within(&b, w)+` AND `+s.set(&b)+` LIMIT `+b.add(maxAuditSet+1)+`)
		(SELECT `+shownColumns+`, false AS edge FROM (SELECT * FROM m a WHERE `+cond+forth+` LIMIT `+b.add(n)+`) a)
		UNION ALL (SELECT `+shownColumns+`, true FROM m WHERE (SELECT count(*) FROM m) > `+b.add(maxAuditSet)+` LIMIT 1)`, b.args)
	rows, edges := s.sort(hits)
	return rows, len(edges) > 0, err
}

// bitmap runs a statement that collects entries by their indexes, which the planner would not believe to be few.
func (s *auditSearch) bitmap(ctx context.Context, tx *sqlx.Tx, w auditWindow, query string, args []any) (hits []auditHit, err error) {
	if err := setScans(ctx, tx, !w.indexed); err != nil {
		return nil, err
	}
	if err := tx.SelectContext(ctx, &hits, query, args...); err != nil {
		return nil, err
	}
	return hits, setScans(ctx, tx, true)
}

// kinds returns the kinds of entries in the window that are selected.
func (s *auditSearch) kinds(ctx context.Context, w auditWindow) (connections []int64, entities, actions []string, err error) {
	met := map[auditKind]bool{}
	for _, p := range w.parts {
		all, err := s.db.kindsOf(ctx, p)
		if err != nil {
			return nil, nil, nil, err
		}
		for _, k := range all {
			if met[k] || !s.selects(k) {
				continue
			}
			met[k] = true
			connections, entities, actions = append(connections, k.ConnectionID), append(entities, k.Entity), append(actions, k.Action)
		}
	}
	return connections, entities, actions, nil
}

func (s *auditSearch) selects(k auditKind) bool {
	return slices.Contains(s.connections, k.ConnectionID) && !slices.Contains(s.Hidden, k.Entity) &&
		(len(s.Actions) == 0 || slices.Contains(s.Actions, k.Action)) &&
		(len(s.Entities) == 0 || slices.Contains(s.Entities, AuditEntity{Name: k.Entity, Global: k.ConnectionID == 0}))
}

// readKinds reads the newest entries of each kind and merges them.
func (s *auditSearch) readKinds(ctx context.Context, tx *sqlx.Tx, w auditWindow, n int) ([]AuditRow, error) {
	connections, entities, actions, err := s.kinds(ctx, w)
	if err != nil || len(connections) == 0 {
		return nil, err
	}
	var b auditSQL
	forth, _ := s.order()
	var hits []auditHit
	err = tx.SelectContext(ctx, &hits, `
		SELECT `+shownColumns+`, false AS edge FROM (
		    SELECT x.* FROM unnest(`+b.add(pq.Array(connections))+`::bigint[], `+b.add(pq.Array(entities))+`::text[], `+b.add(pq.Array(actions))+`::text[]) AS k (connection_id, entity, action)
		     CROSS JOIN LATERAL (SELECT `+auditColumns+` FROM millrace.audit_log a WHERE `+ofKind+` AND `+s.within(&b, w)+s.ofRun(&b)+forth+` LIMIT `+b.add(n)+`) x
		    `+forth+` LIMIT `+b.add(n)+`) a`, b.args...)
	rows, _ := s.sort(hits)
	return rows, err
}

const ofKind = `a.connection_id = k.connection_id AND a.entity = k.entity AND a.action = k.action`

func (s *auditSearch) ofRun(b *auditSQL) string {
	if s.RunID == 0 {
		return ""
	}
	return " AND a.run_id = " + b.add(s.RunID)
}

// reach is how many entries a walk looks at.
func (s *auditSearch) reach() int {
	if s.words != "" {
		return auditReachWords
	}
	return auditReach
}

// walk goes from entry to entry in their order and picks those that are selected.
func (s *auditSearch) walk(ctx context.Context, tx *sqlx.Tx, w auditWindow, n int) (rows []AuditRow, edge *AuditRow, err error) {
	var b auditSQL
	forth, back := s.order()
	with, selects := []string{}, []string{}
	for i, c := range s.connections {
		cond, reach := s.picks(&b), s.reach()
		if cond == "" {
			cond, reach = "true", n
		}
		name := "w" + strconv.Itoa(i)
		with = append(with, name+` AS MATERIALIZED (SELECT `+auditColumns+`, coalesce(`+cond+`, false) AS fits FROM millrace.audit_log a WHERE `+s.path(&b, c)+` AND `+s.within(&b, w)+forth+` LIMIT `+b.add(reach)+`)`)
		selects = append(selects, `(SELECT `+shownColumns+`, false AS edge FROM (SELECT * FROM `+name+` WHERE fits`+forth+` LIMIT `+b.add(n)+`) x)`)
		if cond != "true" {
			selects = append(selects, `(SELECT `+shownColumns+`, true AS edge FROM (SELECT * FROM `+name+` WHERE (SELECT count(*) FROM `+name+`) = `+b.add(reach)+back+` LIMIT 1) x)`)
		}
	}
	var hits []auditHit
	if err := tx.SelectContext(ctx, &hits, "WITH "+strings.Join(with, ",\n")+"\n"+strings.Join(selects, "\nUNION ALL "), b.args...); err != nil {
		return nil, nil, err
	}
	rows, edges := s.sort(hits)
	if len(edges) > 0 { // beyond the first edge something may be missing
		edge = &edges[0]
		if at := slices.IndexFunc(rows, func(r AuditRow) bool { return s.compare(r, *edge) > 0 }); at >= 0 {
			rows = rows[:at]
		}
	}
	return rows[:min(n, len(rows))], edge, nil
}

// path is the condition by which a walk meets entries a of a connection: it has an index that yields them in their order.
func (s *auditSearch) path(b *auditSQL, connection int64) string {
	cond := "a.connection_id = " + b.add(connection)
	if s.ActorID != 0 {
		cond += " AND a.actor_id = " + b.add(s.ActorID)
	}
	return cond
}

// picks is the condition by which a walk picks entries a; empty for all.
func (s *auditSearch) picks(b *auditSQL) string {
	rest, set := s.rest(b), s.set(b)
	if rest != "" && set != "" {
		return rest + " AND " + set
	}
	return rest + set
}

// compare orders entries as they are read.
func (s *auditSearch) compare(a, b AuditRow) int {
	if s.Ascending {
		return comparePlaces(a, b)
	}
	return comparePlaces(b, a)
}

// sort brings hits into the order of reading, entries and edges apart.
func (s *auditSearch) sort(hits []auditHit) (rows, edges []AuditRow) {
	for _, h := range hits {
		if h.Edge {
			edges = append(edges, h.AuditRow)
		} else {
			rows = append(rows, h.AuditRow)
		}
	}
	slices.SortStableFunc(rows, s.compare)
	slices.SortStableFunc(edges, s.compare)
	return rows, edges
}

// count counts the entries that are selected, up to limit.
func (s *auditSearch) count(ctx context.Context, limit int) (n int, more bool, err error) {
	if s.nothing {
		return 0, false, nil
	}
	err = s.look(ctx, func(tx *sqlx.Tx) error {
		for _, w := range s.windows() {
			in, edge, err := s.countIn(ctx, tx, w, limit+1-n)
			if err != nil {
				return err
			}
			if n += in; n > limit {
				n, more = limit, true
				return nil
			}
			if edge {
				more = true
				return nil
			}
		}
		return nil
	})
	return n, more, err
}

// countIn counts those of a window, up to n. It reports an edge when not all was looked through.
func (s *auditSearch) countIn(ctx context.Context, tx *sqlx.Tx, w auditWindow, n int) (in int, edge bool, err error) {
	var b auditSQL
	var row struct {
		N    int  `db:"n"`
		Edge bool `db:"edge"`
	}
	switch {
	case s.wholly(w):
		cond := "a.connection_id = ANY (" + b.add(pq.Array(s.connections)) + ")"
		if rest := s.rest(&b); rest != "" {
			cond += " AND " + rest
		}
		query := `WITH m AS MATERIALIZED (SELECT a.connection_id, a.entity, a.action, a.run_id, a.actor_id FROM millrace.audit_log a
			 WHERE ` + s.within(&b, w) + ` AND ` + s.set(&b) + ` LIMIT ` + b.add(maxAuditSet+1) + `)
			SELECT (SELECT count(*) FROM m a WHERE ` + cond + `) AS n, (SELECT count(*) FROM m) > ` + b.add(maxAuditSet) + ` AS edge`
		if err := setScans(ctx, tx, !w.indexed); err != nil {
			return 0, false, err
		}
		if err := tx.GetContext(ctx, &row, query, b.args...); err != nil {
			return 0, false, err
		}
		return row.N, row.Edge, setScans(ctx, tx, true)
	case w.indexed && s.ActorID == 0 && s.ids == nil && s.words == "" && (len(s.Entities) > 0 || len(s.Actions) > 0):
		connections, entities, actions, err := s.kinds(ctx, w)
		if err != nil || len(connections) == 0 {
			return 0, false, err
		}
		err = tx.GetContext(ctx, &row.N, `
			SELECT count(*) FROM (SELECT FROM unnest(`+b.add(pq.Array(connections))+`::bigint[], `+b.add(pq.Array(entities))+`::text[], `+b.add(pq.Array(actions))+`::text[]) AS k (connection_id, entity, action)
			    CROSS JOIN LATERAL (SELECT FROM millrace.audit_log a WHERE `+ofKind+` AND `+s.within(&b, w)+s.ofRun(&b)+` LIMIT `+b.add(n)+`) x LIMIT `+b.add(n)+`) c`, b.args...)
		return row.N, false, err
	}
	total := 0
	for _, c := range s.connections {
		var b auditSQL
		cond, reach := s.picks(&b), max(s.reach(), n)
		if s.words != "" {
			reach = s.reach()
		}
		if cond == "" {
			cond, reach = "true", n
		}
		err = tx.GetContext(ctx, &row, `
			SELECT count(*) FILTER (WHERE fits) AS n, count(*) = `+b.add(reach)+` AS edge
			  FROM (SELECT coalesce(`+cond+`, false) AS fits FROM millrace.audit_log a WHERE `+s.path(&b, c)+` AND `+s.within(&b, w)+` ORDER BY a.at DESC LIMIT `+b.add(reach)+`) f`, b.args...)
		if err != nil {
			return 0, false, err
		}
		total, edge = total+row.N, edge || row.Edge && cond != "true"
	}
	return total, edge, nil
}
