package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// A count of records holds until somebody writes to their table. Triggers note each statement that does, in its own transaction; a count is kept with a hash of the notes that could be seen
// when it was made. While the same notes are seen, the same records are.

// countedTables are the tables whose triggers note what is written to them.
var countedTables = []string{"accounts", "contacts", "opportunities", "custom_records", "skipped_records"}

// seenWrites is a hash of the notes of the connection $1 and the tables $2.
const seenWrites = `(SELECT coalesce(md5(string_agg(w.id::text, ',' ORDER BY w.id)), '') FROM millrace.record_writes w
	WHERE w.table_name = ANY ($2) AND (w.connection_id = $1 OR w.connection_id IS NULL))`

// count answers a question for a number of records of the tables; $1 is the connection. The question must depend on nothing else, no clock either. Unless it is to be answered anew, the last answer is
// returned while nothing has been written to the tables.
func (s *RunStore) count(ctx context.Context, tx *sqlx.Tx, anew bool, question string, tables ...string) (n int64, err error) {
	for _, t := range tables {
		if !slices.Contains(countedTables, t) {
			err := tx.GetContext(ctx, &n, question, s.connectionID)
			return n, err
		}
	}
	sum := sha256.Sum256([]byte(question))
	key := hex.EncodeToString(sum[:])
	if !anew {
		err := tx.GetContext(ctx, &n, `SELECT k.n FROM millrace.kept_counts k WHERE k.connection_id = $1 AND k.question = $3 AND k.state = `+seenWrites, s.connectionID, pq.Array(tables), key)
		if err == nil || !errors.Is(notFound(err), ErrNotFound) {
			return n, err
		}
	}
	var state string // of the same moment: both are of one statement
	if err := tx.QueryRowxContext(ctx, `SELECT (`+question+`), `+seenWrites, s.connectionID, pq.Array(tables)).Scan(&n, &state); err != nil {
		return n, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO millrace.kept_counts (connection_id, question, state, n) VALUES ($1, $2, $3, $4)
		ON CONFLICT (connection_id, question) DO UPDATE SET state = excluded.state, n = excluded.n`, s.connectionID, key, state, n)
	return n, err
}

// mostWrites is how many notes of a table are kept.
const mostWrites = 100

// trimWrites replaces the notes of tables with very many of them by a new one: that of no earlier count. It comes before counts, which are kept with what it leaves.
func trimWrites(ctx context.Context, tx *sqlx.Tx) error {
	_, err := tx.ExecContext(ctx, `
		WITH many AS (SELECT table_name, connection_id FROM millrace.record_writes GROUP BY table_name, connection_id HAVING count(*) > $1),
		gone AS (DELETE FROM millrace.record_writes w USING many m WHERE w.table_name = m.table_name AND w.connection_id IS NOT DISTINCT FROM m.connection_id)
		INSERT INTO millrace.record_writes (table_name, connection_id) SELECT table_name, connection_id FROM many`, mostWrites)
	return err
}
