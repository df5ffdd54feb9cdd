package db

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lib/pq"

	"millrace/pipeline"
)

// A page of a fresh step is loaded: its records go straight into the table, without staging and without a comparison, and their audit rows follow. A record
// that is there already violates the table's key; the page is then merged instead, as all that follow.

// errTwice is the fault of a page to load in which a record comes twice.
var errTwice error = &pipeline.Fault{Kind: pipeline.Conflict, Code: "record_twice", Message: "A record came twice in a page of records from Salesforce."}

// idLength is the length of a record id.
const idLength = 18

// direct reports whether the step's pages are loaded. Where parents are found by a value of theirs, all of them must be looked at: a page at a time is
// better then.
func (m merge) direct() bool {
	return m.step.Fresh && !slices.ContainsFunc(m.step.Table.Lookups, func(l pipeline.Lookup) bool { return l.Key != "" })
}

// fixed lists the columns that are the same in all records that the step brings, with their values.
func (m merge) fixed(connectionID, runID int64) (columns, values []string) {
	add := func(column, value string) { columns, values = append(columns, column), append(values, value) }
	add("connection_id", strconv.FormatInt(connectionID, 10))
	if m.step.Table.Typed {
		add("account_type", string(m.step.AccountType))
	}
	for _, k := range m.step.Table.Keys {
		add(k.Name, k.Value)
	}
	add("first_seen_run", strconv.FormatInt(runID, 10))
	add("last_seen_run", strconv.FormatInt(runID, 10))
	return columns, values
}

// load takes the page over into a table that held nothing when the first step that fills it began.
func (w *pageWork) load(ctx context.Context) error {
	columns, values := w.merge.fixed(w.connectionID, w.runID)
	l := loader{pageWork: w, values: values, ids: make([]byte, 0, idLength*min(w.page.Declared, 100_000))}
	l.columns = slices.Concat([]string{"sf_id"}, w.merge.copied(), l.foundColumns(), columns)
	var err error
	if l.asks() {
		err = l.inChunks(ctx)
	} else {
		err = w.conn.CopyText(ctx, w.merge.table, l.columns, func(cw *CopyWriter) (err error) {
			cw.Fix(l.values)
			w.report, err = w.page.Copy(ctx, &straight{CopyWriter: cw, loader: &l})
			return err
		})
	}
	if err == nil && w.report.Duplicates {
		err = errTwice
	}
	if err != nil {
		return err
	}
	w.counts.touched = int64(len(l.ids) / idLength)
	if !w.step.Table.Quiet {
		w.counts.created = int64(len(l.ids) / idLength)
		w.counts.skipped = int64(len(l.skipped))
	}
	if err := l.audit(ctx); err != nil {
		return err
	}
	return l.noteSkips(ctx)
}

// loader loads one page.
type loader struct {
	*pageWork
	columns []string // of the table, in the order of COPY
	values  []string // of the last of them
	ids     []byte   // of the records that were loaded, one after the other
	skipped []string // ids of records that lack something that is required
	under   []string // for each of them, the id of its parent; empty for none
	called  []string // for each of them, its name
}

// asks reports whether records must be held against others that are here before they are taken.
func (l *loader) asks() bool {
	t := l.step.Table
	return t.Parent != "" || t.Require != "" || len(t.Lookups) > 0 || t.Typed && l.merge.later
}

func (l *loader) foundColumns() []string {
	var out []string
	for _, f := range l.step.Table.Lookups {
		out = append(out, f.Column)
	}
	return out
}

// straight writes records as they come.
type straight struct {
	*CopyWriter
	loader *loader
}

// EndRow implements pipeline.RowWriter.
func (s *straight) EndRow() error {
	before := len(s.loader.ids)
	s.loader.ids = append(s.loader.ids, s.buf[s.row:s.row+idLength]...)
	err := rowError(s.CopyWriter.EndRow())
	if err != nil {
		s.loader.ids = s.loader.ids[:before]
	}
	return err
}

// audit writes a row for each record that was loaded. The rows are a microsecond apart, so that they have an order.
func (l *loader) audit(ctx context.Context) error {
	if len(l.ids) == 0 || l.step.Table.Quiet || l.db.opts.LeaveOutAudit {
		return nil
	}
	values := []string{strconv.FormatInt(l.connectionID, 10), strconv.FormatInt(l.runID, 10), l.step.Table.Entity, "created"}
	return l.conn.CopyText(ctx, "millrace.audit_log", []string{"at", "sf_id", "connection_id", "run_id", "entity", "action"}, func(w *CopyWriter) error {
		w.Fix(values)
		at := l.began.UTC()
		var text []byte
		for ids := range slices.Chunk(l.ids, idLength) {
			text = at.AppendFormat(text[:0], "2006-01-02 15:04:05.000000+00")
			at = at.Add(time.Microsecond)
			w.Bytes(text)
			w.Bytes(ids)
			if err := w.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
}

// noteSkips notes the records that lack something.
func (l *loader) noteSkips(ctx context.Context) error {
	if len(l.skipped) == 0 {
		return nil
	}
	parent := l.step.Table.Parent
	if parent == "" {
		parent = "parent"
	}
	from := "FROM (SELECT u.id AS sf_id, nullif(u.parent, '') AS " + parent + ", u.called FROM unnest(" + arrayText(l.skipped) + ", " + arrayText(l.under) + ", {called}) AS u (id, parent, called)) s"
	query := l.merge.bind("WITH "+strings.TrimPrefix(l.merge.noteSkips(from, "nullif(s.called, '')"), ",\n")+"\nSELECT count(*) FROM skip", l.connectionID, l.runID, l.report)
	var n int64
	return l.conn.Get(ctx, &n, strings.Replace(query, "{called}", "$1::text[]", 1), pq.Array(l.called))
}

// arrayText is an array of ids as a literal.
func arrayText(ids []string) string {
	return pq.QuoteLiteral("{"+strings.Join(quoted(ids), ",")+"}") + "::text[]"
}

func quoted(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = `"` + id + `"`
	}
	return out
}
