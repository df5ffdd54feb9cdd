package db

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"

	"millrace/pipeline"
)

const (
	// whole is the temporary table with the rows of a page that Postgres has refused as a whole, while they are merged in parts.
	whole = "millrace_page_whole"
	// mostPoison is how many records of one page may be refused one by one. More than that is not about records.
	mostPoison = 200
)

// poisonous reports whether Postgres refused a statement because of a value in it: data exceptions, violated checks, and values too large for their place.
func poisonous(err error) bool {
	var pe *pq.Error
	if !errors.As(err, &pe) || pe.Code == "23505" || lacksAuditDay(err) {
		return false
	}
	switch pe.Code.Class() {
	case "22", "23", "54":
		return true
	}
	return false
}

// mergeOrBisect merges the staged rows. Where Postgres refuses them as a whole, they are halved until only the records are left out that it refuses by
// themselves; those are listed as errors.
func (w *pageWork) mergeOrBisect(ctx context.Context) error {
	if w.page.Careful {
		return w.bisect(ctx)
	}
	if _, err := w.conn.Exec(ctx, `SAVEPOINT staged`); err != nil {
		return err
	}
	err := w.mergeStaged(ctx)
	if !poisonous(err) {
		return err
	}
	if _, err := w.conn.Exec(ctx, `ROLLBACK TO SAVEPOINT staged; ALTER TABLE `+stage+` RENAME TO `+whole); err != nil {
		return err
	}
	return w.bisect(ctx)
}

// copyCarefully copies the page as texts: which of its values Postgres refuses is found out when they are merged.
func (w *pageWork) copyCarefully(ctx context.Context) error {
	create := "CREATE TEMP TABLE " + whole + ` (sf_id text COLLATE "C"`
	for _, name := range w.merge.copied() {
		create += ", " + name + " text"
	}
	if _, err := w.conn.Exec(ctx, create+") ON COMMIT DROP"); err != nil {
		return err
	}
	err := w.conn.CopyText(ctx, whole, append([]string{"sf_id"}, w.merge.copied()...), func(cw *CopyWriter) (err error) {
		w.report, err = w.page.Copy(ctx, rowWriter{cw})
		return err
	})
	if err == nil && w.report.Duplicates {
		_, err = w.conn.Exec(ctx, strings.ReplaceAll(w.merge.dedupe(), stage, whole))
	}
	return err
}

// bisect merges the rows of the table whole, in as large parts as Postgres accepts.
func (w *pageWork) bisect(ctx context.Context) error {
	var rows int
	if _, err := w.conn.Exec(ctx, w.merge.prepare()); err != nil {
		return err
	}
	if _, err := w.conn.Exec(ctx, `ALTER TABLE `+whole+` ADD COLUMN place bigint GENERATED ALWAYS AS IDENTITY; CREATE INDEX ON `+whole+` (place)`); err != nil {
		return err
	}
	if err := w.conn.Get(ctx, &rows, `SELECT count(*) FROM `+whole); err != nil || rows == 0 {
		return err
	}
	refused := 0
	type part struct{ from, to int }
	for parts := []part{{1, rows}}; len(parts) > 0; {
		p := parts[len(parts)-1]
		parts = parts[:len(parts)-1]
		if _, err := w.conn.Exec(ctx, `SAVEPOINT part`); err != nil {
			return err
		}
		err := w.mergePart(ctx, p.from, p.to)
		if err != nil && !poisonous(err) {
			return err
		}
		if err == nil {
			if _, err := w.conn.Exec(ctx, `RELEASE SAVEPOINT part`); err != nil {
				return err
			}
			continue
		}
		if _, err := w.conn.Exec(ctx, `ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part`); err != nil {
			return err
		}
		if p.from < p.to {
			half := (p.from + p.to) / 2
			parts = append(parts, part{half + 1, p.to}, part{p.from, half})
			continue
		}
		if refused++; refused > mostPoison {
			return &pipeline.Fault{Kind: pipeline.Fatal, Code: "too_many_refused", Err: discreet("store the records of a page one by one", err), Message: fmt.Sprintf(
				"Postgres refused more than %d records of one page of %s one by one: %s. Something is wrong with the table rather than with the records; tell whoever runs Millrace.",
				mostPoison, w.step.Label, messageOf(err))}
		}
		if err := w.noteRefused(ctx, p.from, err); err != nil {
			return err
		}
	}
	return nil
}

// mergePart stages the rows of some places as if they were a page, and merges them.
func (w *pageWork) mergePart(ctx context.Context, from, to int) error {
	if _, err := w.conn.Exec(ctx, `TRUNCATE `+stage); err != nil {
		return err
	}
	names, values := "sf_id", "sf_id"
	for _, c := range w.merge.cols {
		if c.typ != "" && !c.found {
			typ, _, _ := strings.Cut(c.typ, " ")
			names, values = names+", "+c.name, values+", "+c.name+"::"+typ
		}
	}
	if _, err := w.conn.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (%s) SELECT %s FROM %s WHERE place BETWEEN %d AND %d`, stage, names, values, whole, from, to)); err != nil {
		return err
	}
	for _, find := range w.merge.lookUp() {
		if _, err := w.conn.Exec(ctx, w.merge.bind(find, w.connectionID, w.runID, w.report)); err != nil {
			return err
		}
	}
	return w.mergeStaged(ctx)
}

// noteRefused lists a record that Postgres refuses.
func (w *pageWork) noteRefused(ctx context.Context, place int, cause error) error {
	e := pipeline.RowError{Message: "Postgres does not accept this record: " + messageOf(cause) +
		". What is here of it stays as it was. Correct the record in Salesforce; the sync after that takes it over."}
	var pe *pq.Error
	if errors.As(cause, &pe) {
		e.Field = pe.Column
		if e.Field == "" {
			e.Field = "postgres_" + string(pe.Code)
		}
	}
	if err := w.conn.Get(ctx, &e.ID, fmt.Sprintf(`SELECT sf_id FROM %s WHERE place = %d`, whole, place)); err != nil {
		return err
	}
	if err := w.conn.Get(ctx, &e.Name, fmt.Sprintf(`SELECT coalesce(%s, '') FROM %s WHERE place = %d`, w.merge.nameOf(""), whole, place)); err != nil {
		return err
	}
	w.report.Bad = append(w.report.Bad, e)
	w.report.BadIDs = append(w.report.BadIDs, e.ID)
	w.report.BadTotal++
	return nil
}

// discreet leaves out of an error what Postgres may quote of a record.
func discreet(op string, err error) error {
	var pe *pq.Error
	if errors.As(err, &pe) {
		return &discreetError{op, pe}
	}
	return err
}

func messageOf(err error) string {
	var pe *pq.Error
	if errors.As(err, &pe) {
		return strings.TrimSuffix(pe.Message, ".")
	}
	return "it cannot be stored"
}
