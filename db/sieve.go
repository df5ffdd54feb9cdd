package db

import (
	"context"
	"math/rand/v2"
	"strings"

	"millrace/pipeline"
)

// Where a run reads everything again, nearly all records are here just so. Such a page goes through a sieve: Postgres tells what the records that are here within the range of those that have come were
// made of, as hashes, and which it skips. Only records that differ are staged and merged; of the others it is noted that they were met.

// errTwiceAgain is the fault of a page in which a record comes twice: which of the two stays is decided where both are staged, as in a page that is read carefully.
var errTwiceAgain error = &pipeline.Fault{Kind: pipeline.Poisoned, Code: "record_twice", Message: "A record came twice in a page of records from Salesforce."}

// sifts reports whether the page goes through a sieve: when it is a large one of a step that reads everything, and its records get a hash.
func (w *pageWork) sifts() bool {
	t := w.step.Table
	needed := func(column string) bool { return column == "" || w.merge.has(column) }
	return w.merge.hash != nil && !w.step.Fresh && !w.step.Reading.Changes && w.step.Missing == nil && !w.page.Careful &&
		needed(t.Parent) && needed(t.Require) && w.page.Declared >= w.db.opts.SiftFrom
}

// sieve collects the records of a page in chunks.
type sieve struct {
	*chunk
	kinds     []pipeline.Kind // of the fields of a record
	values    string          // the values of a record t that is here, as what hashes a row of
	alike     string          // the condition that t can be the same as a record that comes, if its values are
	none      string          // a condition besides, where there are no further fields
	seed      uint64          // of the hashes that Postgres works out
	works     bool            // it works out the hashes of records: few have one that holds
	idle      bool            // most records differ: they are staged without asking
	scattered bool            // the records do not come in the order of their ids
	met       []byte          // ids of the page's records that are here just so, or skipped
	kept      idSum           // of those that are here
	skipped   idSum           // of those that are skipped
	left      map[string]bool // accounts that have left, or some of very many; nil before they are read

	staged bool // the staging table is there
}

// sift takes the page through a sieve. What differs is staged then.
func (w *pageWork) sift(ctx context.Context) error {
	if _, err := w.conn.Exec(ctx, `SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL random_page_cost = 1.1; SET LOCAL enable_nestloop = off; SET LOCAL enable_seqscan = off;
		SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off`); err != nil {
		return err
	}
	s := sieve{chunk: newChunk(ctx, &loader{pageWork: w}, sieveTimes), seed: rand.Uint64()}
	defer s.release()
	s.prepare()
	s.met = make([]byte, 0, idLength*min(w.page.Declared, 100_000))
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
	if err := w.noteSame(ctx, s.met, s.kept, s.skipped); err != nil {
		return err
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
		where = append(where, "t."+name+" IS NULL") // a hash that stands beside a record says nothing of it
	}
	if len(s.page.Extra) > 0 {
		s.kinds = append(s.kinds, pipeline.Text)
		values = append(values, "t.fields::text")
	} else if t.Open {
		s.none = " AND t.fields = '{}'"
	}
	if t.Typed {
		where = append(where, "t.account_type = $4")
		if s.merge.later {
			where = append(where, "t.sf_id NOT IN ("+metEarlier()+")")
		}
	}
	s.values, s.alike = strings.Join(values, ", "), strings.Join(where, " AND ")
}

// EndRow implements pipeline.RowWriter.
func (s *sieve) EndRow() error {
	full, err := s.chunk.end()
	if err != nil || !full {
		return err
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
	return err
}

// ask returns which of the chunk's records are here just so, or are skipped as before, and remembers that these were met.
func (s *sieve) ask() (same []bool, err error) {
	t := s.step.Table
	parents, required := make([]string, len(s.rows)), []string(nil)
	var missing map[string]bool
	if t.Parent != "" {
		parents = s.column(t.Parent)
		if missing, err = s.away(parents); err != nil {
			return nil, err
		}
	}
	if t.Require != "" {
		required = s.column(t.Require)
	}
	var asked []int
	for row := range s.rows {
		if t.Parent == "" || parents[row] != "" && !missing[parents[row]] {
			asked = append(asked, row)
		}
	}
	same = make([]bool, len(s.rows))
	if len(asked) == 0 {
		return same, nil
	}
	var skips map[string]openSkip
	complete := asked // those that lack nothing
	if t.Require != "" {
		if skips, err = s.skips(asked); err != nil {
			return nil, err
		}
		complete = nil
		for _, row := range asked {
			skip, skipped := skips[string(s.idText(row))]
			switch {
			case required[row] == "" && skipped && skip == (openSkip{skip.ID, skippedUnder(t, parents[row]), t.Lacking, s.name(row)}):
				same[row] = true
				s.counts.skipped++
				s.skipped.add(s.idText(row))
			case required[row] != "" && !skipped:
				complete = append(complete, row)
			}
		}
	}
	if err := s.compare(complete, same); err != nil {
		return nil, err
	}
	n := 0
	for _, row := range asked {
		if same[row] {
			s.met = append(s.met, s.idText(row)...)
			n++
		}
	}
	s.idle = n < len(s.rows)/2
	return same, nil
}

// away returns which of the parents of the chunk's records keep these from being the same as before. A record that is here had its account here when it was stored, and no account is ever removed: it need
// only be none of those that have left, which are few and are read once for a page. Where there are many, or other parents, it is asked which are here.
func (s *sieve) away(parents []string) (map[string]bool, error) {
	if s.step.Table.ParentTable() != accountTable {
		return s.missing(parents)
	}
	most := s.db.opts.KeepLeftTo
	if s.left == nil {
		var ids []string
		err := s.conn.Select(s.ctx, &ids, `SELECT sf_id FROM millrace.`+s.part(accountTable)+` WHERE connection_id = $1 AND left_filter_at IS NOT NULL LIMIT $2`, s.connectionID, most+1)
		if err != nil {
			return nil, asCancelled(s.ctx, err)
		}
		s.left = setOf(ids)
	}
	if len(s.left) > most {
		return s.missing(parents)
	}
	return s.left, nil
}

// inRange binds a question about the records t of the chunk's rows: about all ids between the least and the greatest of them, or where these lie far apart, about each. It is read in the order of ids.
func (s *sieve) inRange(question, alias string, rows []int) string {
	var ends idEnds
	for _, row := range rows {
		ends.add(s.idText(row))
	}
	among := alias + ".sf_id BETWEEN $5 AND $6"
	if s.scattered {
		var ids []byte
		for _, row := range rows {
			ids = append(append(ids, ','), s.idText(row)...)
		}
		among = alias + ".sf_id = ANY ('{" + string(ids[1:]) + "}'::text[])"
	}
	return s.merge.bind(strings.Replace(question, "{among}", among, 1), s.connectionID, s.runID, pipeline.Report{MinID: string(ends.least), MaxID: string(ends.greatest)})
}

// openSkip is a record that is skipped.
type openSkip struct {
	ID     string `db:"sf_id"`
	Under  string `db:"under"` // the account that it belongs to; empty for none
	Reason string `db:"reason"`
	Name   string `db:"name"`
}

// skips reads which records are skipped.
func (s *sieve) skips(rows []int) (map[string]openSkip, error) {
	var all []openSkip
	err := s.conn.Select(s.ctx, &all, s.inRange(`
		SELECT k.sf_id, coalesce(k.account_id, '') AS under, k.reason, coalesce(k.name, '') AS name FROM millrace.skipped_records k
		 WHERE k.connection_id = $1 AND k.object = $7 AND k.until_run IS NULL AND {among}`, "k", rows))
	out := make(map[string]openSkip, len(all))
	for _, k := range all {
		out[k.ID] = k
	}
	return out, asCancelled(s.ctx, err)
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
	return s.conn.CopyText(s.ctx, stage, s.merge.stagedColumns(), func(w *CopyWriter) error {
		s.merge.hashLines(w, 0)
		for _, row := range rows {
			if err := w.Line(s.text(s.rows[row])); err != nil {
				return err
			}
		}
		return nil
	})
}
