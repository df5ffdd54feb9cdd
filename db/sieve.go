package db

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/lib/pq"

	"millrace/pipeline"
)

// Where a run reads everything again, nearly all records are here just so. Such a page goes through a sieve: of each record, only its id and a hash of its values are sent to Postgres, which answers
// which of them differ from what is here. Only those are staged and merged; of the others it is noted that they were met.

// errTwiceAgain is the fault of a page in which a record comes twice: which of the two stays is decided where both are staged, as in a page that is read carefully.
var errTwiceAgain error = &pipeline.Fault{Kind: pipeline.Poisoned, Code: "record_twice", Message: "A record came twice in a page of records from Salesforce."}

// sifts reports whether the page goes through a sieve: when it is a large one of a step that reads everything, and what becomes of a record depends on nothing but the record and its parent.
func (w *pageWork) sifts() bool {
	t := w.step.Table
	needed := func(column string) bool { return column == "" || w.merge.has(column) }
	return !w.step.Fresh && !w.step.Refresh && !w.step.Reading.Changes && w.step.Missing == nil && !w.page.Careful && !t.Quiet && !t.Aside && len(t.Lookups) == 0 &&
		len(t.Extra) == len(w.page.Extra) && needed(t.Parent) && needed(t.Require) && w.page.Declared >= w.db.opts.SiftFrom
}

// sieve collects the records of a page in chunks.
type sieve struct {
	*chunk
	kinds  []pipeline.Kind // of the fields of a record
	values string          // the values of a record t that is here, as what hashes a row of
	alike  string          // the condition that t can be the same as a record that comes
	hash   rowHash
	odd    bool     // a value of the record in progress has no hash here
	hashes []uint64 // of the chunk's records
	odds   []bool
	idle   bool // most records differ: they are staged without asking

	staged bool // the staging table is there
}

// sift takes the page through a sieve. What differs is staged then.
func (w *pageWork) sift(ctx context.Context) error {
	if _, err := w.conn.Exec(ctx, `SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL random_page_cost = 1.1; SET LOCAL enable_nestloop = off; SET LOCAL enable_seqscan = off`); err != nil {
		return err
	}
	s := sieve{chunk: newChunk(ctx, &loader{pageWork: w}), hash: rowHash{seed: rand.Uint64()}}
	s.prepare()
	var err error
	if w.report, err = w.page.Copy(ctx, &s); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	if w.report.Duplicates {
		return errTwiceAgain
	}
	w.sifted = !s.staged
	_, err = w.conn.Exec(ctx, `SET LOCAL enable_nestloop = DEFAULT; SET LOCAL enable_seqscan = DEFAULT; SET LOCAL enable_sort = DEFAULT; SET LOCAL enable_bitmapscan = DEFAULT`)
	return err
}

// prepare says how records are compared.
func (s *sieve) prepare() {
	t := s.step.Table
	var values []string
	where := []string{"t.left_filter_at IS NULL", "t.last_seen_run <> $2"} // what the run has written is counted already
	s.kinds = []pipeline.Kind{pipeline.ID}
	for _, c := range s.page.Columns {
		s.kinds = append(s.kinds, c.Kind)
		switch c.Kind {
		case pipeline.DateTime, pipeline.Moment:
			values = append(values, "timestamptz_send(t."+c.Name+")")
		case pipeline.Number, pipeline.Date, pipeline.Bool:
			values = append(values, "t."+c.Name+"::text")
		default:
			values = append(values, "t."+c.Name)
		}
	}
	for _, name := range t.Cleared {
		where = append(where, "t."+name+" IS NULL")
	}
	if len(s.page.Extra) > 0 {
		s.kinds = append(s.kinds, pipeline.Text)
		values = append(values, "t.fields::text")
	} else if t.Open {
		where = append(where, "t.fields = '{}'")
	}
	if t.Typed {
		where = append(where, "t.account_type = $4")
		if s.merge.later {
			where = append(where, "t.sf_id NOT IN ("+metEarlier()+")")
		}
	}
	if t.Require != "" {
		where = append(where, "t.sf_id NOT IN (SELECT k.sf_id FROM millrace.skipped_records k WHERE k.connection_id = $1 AND k.object = $7 AND k.until_run IS NULL AND k.sf_id BETWEEN $5 AND $6)")
	}
	s.values, s.alike = strings.Join(values, ", "), strings.Join(where, " AND ")
}

// Null implements pipeline.RowWriter.
func (s *sieve) Null() {
	s.hash.null()
	s.chunk.Null()
}

// String implements pipeline.RowWriter.
func (s *sieve) String(field string) { s.Bytes([]byte(field)) }

// Bytes implements pipeline.RowWriter.
func (s *sieve) Bytes(field []byte) {
	if f := s.lines.field; f > 0 && f < len(s.kinds) {
		s.add(s.kinds[f], field)
	}
	s.chunk.Bytes(field)
}

func (s *sieve) add(k pipeline.Kind, field []byte) {
	if k != pipeline.DateTime && k != pipeline.Moment {
		s.hash.bytes(field)
		return
	}
	sent, ok := sentTime(field)
	s.odd = s.odd || !ok
	s.hash.bytes(sent[:])
}

// EndRow implements pipeline.RowWriter.
func (s *sieve) EndRow() error {
	hash, odd := s.hash.sum, s.odd
	s.hash.sum, s.odd = 0, false
	full, err := s.chunk.end()
	if err != nil {
		return err
	}
	s.hashes, s.odds = append(s.hashes, hash), append(s.odds, odd)
	if !full {
		return nil
	}
	return s.flush()
}

// flush asks about the records of the chunk, stages those that differ, and empties the chunk.
func (s *sieve) flush() error {
	if len(s.rows) == 0 {
		return nil
	}
	var same []bool
	var err error
	if !s.idle {
		same, err = s.ask()
	}
	if err == nil {
		err = s.stage(same)
	}
	s.empty()
	s.hashes, s.odds = s.hashes[:0], s.odds[:0]
	return err
}

// ask returns which of the chunk's records are here just so, and notes that these were met.
func (s *sieve) ask() (same []bool, err error) {
	t := s.step.Table
	parents, required := make([]string, len(s.rows)), []string(nil)
	var missing map[string]bool
	if t.Parent != "" {
		parents = s.column(t.Parent)
		if missing, err = s.missing(parents); err != nil {
			return nil, err
		}
	}
	if t.Require != "" {
		required = s.column(t.Require)
	}
	var asked []int
	var ids, hashes []byte
	var least, greatest string
	for row := range s.rows {
		if s.odds[row] || t.Parent != "" && (parents[row] == "" || missing[parents[row]]) || required != nil && required[row] == "" {
			continue
		}
		id := s.id(row)
		if len(asked) == 0 {
			least, greatest = id, id
		}
		least, greatest = min(least, id), max(greatest, id)
		ids = append(append(ids, ','), id...)
		hashes = strconv.AppendInt(append(hashes, ','), int64(s.hashes[row]), 10)
		asked = append(asked, row)
	}
	same = make([]bool, len(s.rows))
	if len(asked) == 0 {
		return same, nil
	}
	query := s.merge.bind(`
		WITH x AS MATERIALIZED (
		    SELECT u.i, u.id AS sf_id, t.sf_id IS NOT NULL AS same
		      FROM unnest({ids}::text[], {hashes}::bigint[]) WITH ORDINALITY AS u (id, hash, i)
		      LEFT JOIN (SELECT t.sf_id, hash_record_extended(ROW(`+s.values+`), {seed}) AS hash FROM `+s.merge.table+` t
		                  WHERE t.connection_id = $1 AND t.sf_id BETWEEN $5 AND $6`+sameSet(t, "t.")+` AND `+s.alike+`) t ON t.sf_id = u.id AND t.hash = u.hash),
		seen AS (`+seenInto("x", "same")+`)
		SELECT coalesce((SELECT sum(n) FROM seen), 0), coalesce(array_agg(i) FILTER (WHERE same), '{}') FROM x`,
		s.connectionID, s.runID, pipeline.Report{MinID: least, MaxID: greatest})
	query = strings.NewReplacer("{ids}", "$1", "{hashes}", "$2", "{seed}", strconv.FormatInt(int64(s.hash.seed), 10)).Replace(query)
	rows, err := s.conn.Query(s.ctx, query, "{"+string(ids[1:])+"}", "{"+string(hashes[1:])+"}")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var n int64
	var at pq.Int64Array
	for rows.Next() {
		if err := rows.Scan(&n, &at); err != nil {
			return nil, err
		}
	}
	for _, i := range at {
		same[asked[i-1]] = true
	}
	s.counts.seen += n
	s.counts.unchanged += n
	s.idle = int(n) < len(s.rows)/2
	return same, asCancelled(s.ctx, rows.Err())
}

// stage copies the records of the chunk that are not the same into the staging table.
func (s *sieve) stage(same []bool) error {
	var rows []int
	for row := range s.rows {
		if same == nil || !same[row] {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	if !s.staged {
		if _, err := s.conn.Exec(s.ctx, s.merge.prepare()); err != nil {
			return err
		}
		s.staged = true
	}
	return s.conn.CopyText(s.ctx, stage, s.lines.columns, func(w *CopyWriter) error {
		for _, row := range rows {
			if err := w.Line(s.text(s.rows[row])); err != nil {
				return err
			}
		}
		return nil
	})
}
