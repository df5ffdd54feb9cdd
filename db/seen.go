package db

import (
	"bytes"
	"context"
	"slices"

	"github.com/lib/pq"
)

// A run notes whom it met as lists of ids, one or a few for each page. In the statements below $1 is the connection, $2 the run, and set the place of the name of the set of records.

// met selects the ids that the run has met of a set.
func met(set string) string {
	return "SELECT unnest(e.ids) AS sf_id FROM millrace.run_seen e WHERE e.run_id = $2 AND e.object = " + set
}

// metEarlier selects those of a page's ids that earlier steps of the set have met, and perhaps others; $5 and $6 are the least and the greatest id of the page, $8 is the position of the step and
// $9 the set.
func metEarlier() string {
	return met("$9") + " AND e.position < $8 AND e.least <= $6 AND e.greatest >= $5"
}

// unmet is the condition that the run has not met the record under an alias. Postgres keeps all ids that were met in memory for it, which serves where few records are asked about and the
// run has read only changes; see unmetOfAll.
func unmet(alias, set string) string { return alias + ".sf_id NOT IN (" + met(set) + ")" }

// unmetOfAll is unmet for many records and many that were met.
func unmetOfAll(alias, set string) string {
	return "NOT EXISTS (SELECT FROM (" + met(set) + ") m WHERE m.sf_id = " + alias + ".sf_id)"
}

// listsIntact is the condition that Postgres has lost nothing of whom the run $1 met of the set $2: an unlogged table is empty after a crash.
const listsIntact = `EXISTS (SELECT FROM millrace.run_seen WHERE run_id = $1 AND object = '')
		       AND (SELECT coalesce(sum(n), 0) FROM millrace.run_seen WHERE run_id = $1 AND object = $2)
		         = (SELECT coalesce(sum(g.seen), 0) FROM millrace.run_pages g JOIN millrace.run_steps o USING (run_id, position) WHERE g.run_id = $1 AND o.records = $2)`

// seenInto is an INSERT of the ids of a relation that has the column sf_id, as far as where selects them; $2 is the run, $8 the position of the step and $9 the set of records.
func seenInto(from, where string) string {
	return "INSERT INTO millrace.run_seen (run_id, object, position, n, least, greatest, ids)\n    SELECT $2, $9, $8, count(*), min(sf_id), max(sf_id), array_agg(sf_id) FROM " + from +
		" WHERE " + where + " HAVING count(*) > 0 RETURNING n"
}

// noteMet notes ids of which the page could not store anything.
func (w *pageWork) noteMet(ctx context.Context, ids []string) error {
	return w.noteList(ctx, len(ids), slices.Min(ids), slices.Max(ids), pq.Array(ids))
}

// noteSame notes the ids, one behind the other, of records of which nothing had to be stored.
func (w *pageWork) noteSame(ctx context.Context, ids []byte) error {
	if len(ids) == 0 {
		return nil
	}
	list := make([]byte, 0, len(ids)/idLength*(idLength+1)+1)
	least := ids[:idLength]
	greatest := least
	for id := range slices.Chunk(ids, idLength) {
		list = append(append(list, ','), id...)
		if bytes.Compare(id, least) < 0 {
			least = id
		} else if bytes.Compare(id, greatest) > 0 {
			greatest = id
		}
	}
	list[0] = '{'
	return w.noteList(ctx, len(ids)/idLength, string(least), string(greatest), string(append(list, '}')))
}

// noteList adds a list of n ids, as Postgres writes an array.
func (w *pageWork) noteList(ctx context.Context, n int, least, greatest string, ids any) error {
	_, err := w.conn.Exec(ctx, `
		INSERT INTO millrace.run_seen (run_id, object, position, n, least, greatest, ids) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		w.runID, w.step.Table.Records(), w.step.Position, n, least, greatest, ids)
	w.counts.seen += int64(n)
	return err
}
