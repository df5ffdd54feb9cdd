package db

import (
	"bytes"
	"context"
	"math/big"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
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

// astray names the list of the records of a set that noteAstray has noted.
func astray(set string) string { return set + "::text || ' astray'" }

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

// seenInto is an INSERT of the ids of a relation of verdicts; $2 is the run, $8 the position of the step and $9 the set of records.
func seenInto(verdicts string) string {
	return "INSERT INTO millrace.run_seen (run_id, object, position, n, least, greatest, ids, kept, skipped)\n    SELECT $2, $9, $8, count(*), min(sf_id), max(sf_id), array_agg(sf_id),\n           " +
		sumOf("sf_id", " FILTER (WHERE verdict IN ('unchanged', 'updated', 'returned'))") + ", " + sumOf("sf_id", " FILTER (WHERE verdict = 'skipped')") + "\n      FROM " + verdicts +
		" WHERE verdict <> 'elsewhere' HAVING count(*) > 0 RETURNING n"
}

// sumOf aggregates ids into a sum that two different sets of ids do not share, but by a chance of one in 2^64. See idSum.
func sumOf(id, filter string) string {
	return "coalesce(sum(hashtextextended(" + id + ", 0))" + filter + ", 0)"
}

// idSum is sumOf for ids that are at hand. Should Postgres ever work the hash out in another way, no sums would be alike: that costs time and is never wrong.
type idSum struct{ high, low int64 }

func (s *idSum) add(id []byte) {
	h := int64(hashBytes(id, 0))
	s.high += h >> 32
	s.low += h & (1<<32 - 1)
}

// String writes the sum as Postgres reads a number.
func (s idSum) String() string {
	sum := new(big.Int).Lsh(big.NewInt(s.high), 32)
	return sum.Add(sum, big.NewInt(s.low)).String()
}

// idEnds are the least and the greatest of some ids.
type idEnds struct{ least, greatest []byte }

func (e *idEnds) add(id []byte) {
	if e.least == nil || bytes.Compare(id, e.least) < 0 {
		e.least = id
	}
	if bytes.Compare(id, e.greatest) > 0 {
		e.greatest = id
	}
}

// metJust reports whether the ids that rest selects, which begins with FROM, are just those whose sum the run has noted in a column: then it has met them all. If not, each has to be looked at.
// $1 is the connection, $2 the run and $3 the set.
func metJust(ctx context.Context, q sqlx.QueryerContext, column, id, rest string, args ...any) (yes bool, err error) {
	err = sqlx.GetContext(ctx, q, &yes, "SELECT (SELECT "+sumOf(id, "")+" "+rest+") = (SELECT coalesce(sum(e."+column+"), 0) FROM millrace.run_seen e WHERE e.run_id = $2 AND e.object = $3)", args...)
	return yes, err
}

// noteMet notes ids of which the page could not store anything.
func (w *pageWork) noteMet(ctx context.Context, ids []string) error {
	return w.noteList(ctx, len(ids), slices.Min(ids), slices.Max(ids), strings.Join(ids, ","), idSum{}, idSum{})
}

// noteSame notes the ids, one behind the other, of records of which nothing had to be stored: kept sums those that are here, and skipped those that are not.
func (w *pageWork) noteSame(ctx context.Context, ids []byte, kept, skipped idSum) error {
	if len(ids) == 0 {
		return nil
	}
	list := make([]byte, 0, len(ids)/idLength*(idLength+1))
	var ends idEnds
	for id := range slices.Chunk(ids, idLength) {
		list = append(append(list, ','), id...)
		ends.add(id)
	}
	return w.noteList(ctx, len(ids)/idLength, string(ends.least), string(ends.greatest), string(list[1:]), kept, skipped)
}

// noteList adds a list of n ids with commas between them, which Postgres reads faster than an array.
func (w *pageWork) noteList(ctx context.Context, n int, least, greatest, ids string, kept, skipped idSum) error {
	_, err := w.conn.Exec(ctx, `
		INSERT INTO millrace.run_seen (run_id, object, position, n, least, greatest, ids, kept, skipped) VALUES ($1, $2, $3, $4, $5, $6, string_to_array($7, ','), $8, $9)`,
		w.runID, w.step.Table.Records(), w.step.Position, n, least, greatest, ids, kept.String(), skipped.String())
	w.counts.seen += int64(n)
	return err
}
