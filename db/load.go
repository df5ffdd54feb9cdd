package db

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

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
	l := loader{pageWork: w, begun: time.Now(), values: values, ids: make([]byte, 0, idLength*min(w.page.Declared, 100_000))}
	l.columns = slices.Concat([]string{"sf_id"}, w.merge.copied(), l.foundColumns(), w.merge.hashColumns(), columns)
	var err error
	if l.asks() {
		err = l.inChunks(ctx)
	} else {
		err = w.conn.CopyText(ctx, w.merge.table, l.columns, func(cw *CopyWriter) (err error) {
			l.endLines(cw)
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
	w.loaded = l.ids
	w.counts.touched = int64(len(l.ids) / idLength)
	if !w.step.Table.Quiet {
		w.counts.created = int64(len(l.ids) / idLength)
		w.counts.skipped = int64(len(l.skipped))
	}
	if err := l.audit(ctx, "created", l.ids, ""); err != nil {
		return err
	}
	return l.noteSkips(ctx)
}

// loader loads one page.
type loader struct {
	*pageWork
	begun   time.Time // by the clock here, which goes on evenly
	columns []string  // of the table, in the order of COPY
	values  []string  // of the last of them
	ids     []byte    // of the records that were loaded, one after the other
	skipped []string  // ids of records that lack something that is required
	under   []string  // for each of them, the id of its account; empty for none
	called  []string  // for each of them, its name
}

// endLines says how each line ends.
func (l *loader) endLines(w *CopyWriter) {
	w.Fix(l.values)
	l.merge.hashLines(w, transactionMark(l.transaction))
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

// auditTogether is how many entries of a load are copied by one statement. They share its moment, which Postgres fills in itself, since reading a time costs it as much as all other
// columns do; their order is that of their places. A page of Audit Logs sorts the entries of a moment, which takes it three milliseconds. With fewer of them the load takes longer: a COPY makes
// room for the first thousand rows one by one, and looks through what it has when it makes more.
const auditTogether = 8000

// audit writes an entry for each of the ids that follow each other in ids.
func (l *loader) audit(ctx context.Context, action string, ids []byte, detail string) error {
	if l.step.Table.Quiet || l.db.opts.LeaveOutAudit {
		return nil
	}
	columns, values := []string{"sf_id", "connection_id", "run_id", "entity", "action"}, []string{strconv.FormatInt(l.connectionID, 10), strconv.FormatInt(l.runID, 10), l.step.Table.Entity, action}
	if detail != "" {
		columns, values = append(columns, "detail"), append(values, detail)
	}
	for together := range slices.Chunk(ids, auditTogether*idLength) {
		err := l.conn.CopyText(ctx, "millrace."+l.auditTable(), columns, func(w *CopyWriter) error {
			w.Fix(values)
			for id := range slices.Chunk(together, idLength) {
				if err := w.extend(id, nil, 0); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// nearMidnight is how near to the end of a day, and to its beginning, entries are left to Postgres to sort by days.
const nearMidnight = 10 * time.Minute

// auditTable is the table into which entries are copied: the part of the day, which has them share a moment. Should the day end all the same before they are written, Postgres
// refuses them, and the page is loaded once more, with care.
func (l *loader) auditTable() string {
	now := l.began.Add(time.Since(l.begun)).UTC()
	if day := now.Add(nearMidnight).Truncate(24 * time.Hour); !day.Equal(now.Add(-nearMidnight).Truncate(24 * time.Hour)) {
		return "audit_log"
	}
	return auditPartPrefix + now.Format(auditPartDay)
}

// noteSkips notes the records that lack something. Nothing was skipped when the step began; a record that was skipped before that, or that comes twice, violates the key.
func (l *loader) noteSkips(ctx context.Context) error {
	if len(l.skipped) == 0 {
		return nil
	}
	t := l.step.Table
	values := []string{strconv.FormatInt(l.connectionID, 10), t.Object, t.Lacking, strconv.FormatInt(l.runID, 10)}
	err := l.conn.CopyText(ctx, "millrace.skipped_records", []string{"sf_id", "account_id", "name", "connection_id", "object", "reason", "since_run"}, func(w *CopyWriter) error {
		w.Fix(values)
		optional := func(value string) {
			if value == "" {
				w.Null()
			} else {
				w.String(value)
			}
		}
		for i, id := range l.skipped {
			w.String(id)
			optional(l.under[i])
			optional(l.called[i])
			if err := w.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.audit(ctx, "skipped", []byte(strings.Join(l.skipped, "")), t.Lacking)
}
