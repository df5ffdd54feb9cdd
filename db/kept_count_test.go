package db_test

import (
	"errors"
	"fmt"
	"testing"

	"millrace/db"
)

// TestCountsHoldUntilSomebodyWrites plants a wrong answer as the kept one. It is returned as long as nobody writes, and not after any kind of statement that writes to a table of the question.
func TestCountsHoldUntilSomebodyWrites(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	part := fmt.Sprintf("millrace.accounts_%d", c.ID)
	insert := func(table string, n int) string {
		return fmt.Sprintf(`INSERT INTO %s (connection_id, sf_id, account_type, first_seen_run, last_seen_run)
			SELECT %d, '001%s' || lpad(i::text, 11, '0') || 'AAA', 'customer', 1, 1 FROM generate_series(1, %d) i`, table, c.ID, table[len(table)-1:], n)
	}
	const question = `SELECT count(*) FROM millrace.accounts t WHERE t.connection_id = $1 AND t.left_filter_at IS NULL`
	count := func(anew bool) int64 {
		t.Helper()
		n, err := d.Count(t.Context(), c.ID, anew, question, "accounts", "skipped_records")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	plant := func() {
		t.Helper()
		count(false)
		exec(t, d, `UPDATE millrace.kept_counts SET n = -1`)
		if n := count(false); n != -1 {
			t.Fatalf("got %d where nothing was written since the count", n)
		}
	}
	exec(t, d, insert("millrace.accounts", 20))
	exec(t, d, insert(part, 10))
	for _, x := range []struct {
		statement string
		want      int64 // -1 for the kept one
	}{
		{`UPDATE millrace.accounts SET name = 'x' WHERE sf_id = 'nobody'`, -1},
		{`DELETE FROM ` + part + ` WHERE sf_id = 'nobody'`, -1},
		{`UPDATE millrace.contacts SET title = 'x'`, -1},
		{`UPDATE millrace.accounts SET left_filter_at = now() WHERE sf_id = (SELECT min(sf_id) FROM millrace.accounts)`, 29},
		{`UPDATE ` + part + ` SET left_filter_at = NULL WHERE left_filter_at IS NOT NULL`, 30},
		{`WITH gone AS (DELETE FROM millrace.accounts WHERE sf_id = (SELECT max(sf_id) FROM millrace.accounts) RETURNING 1) SELECT count(*) FROM gone`, 29},
		{`DELETE FROM ` + part + ` WHERE sf_id = (SELECT max(sf_id) FROM millrace.accounts)`, 28},
		{`INSERT INTO millrace.skipped_records (connection_id, object, sf_id, reason, since_run) VALUES (` + fmt.Sprint(c.ID) + `, 'Contact', '003000000000001AAA', 'No Email', 1)`, 28},
		{`TRUNCATE ` + part, 0},
	} {
		plant()
		exec(t, d, x.statement)
		if n := count(false); n != x.want {
			t.Errorf("%s: the count is %d, want %d", x.statement, n, x.want)
		}
	}
	plant()
	err := d.Pinned(t.Context(), func(conn *db.Conn) error {
		return errors.Join(conn.Begin(t.Context()),
			conn.CopyText(t.Context(), part, []string{"connection_id", "sf_id", "account_type", "first_seen_run", "last_seen_run"}, func(w *db.CopyWriter) error {
				return w.Line(fmt.Appendf(nil, "%d\t001c00000000001AAA\tcustomer\t1\t1", c.ID))
			}), conn.Commit(t.Context()))
	})
	if n := count(false); err != nil || n != 1 {
		t.Errorf("after a COPY the count is %d, want 1, %v", n, err)
	}
	plant()
	if n := count(true); n != 1 {
		t.Errorf("counted anew it is %d, want 1", n)
	}

	// Notes are trimmed. An answer that was kept before is none afterwards, and one that is given then is kept.
	plant()
	exec(t, d, `INSERT INTO millrace.record_writes (table_name, connection_id) SELECT 'accounts', $1 FROM generate_series(1, $2)`, c.ID, db.MostWrites+1)
	if n := count(false); n != 1 {
		t.Errorf("after notes were trimmed the count is %d, want 1", n)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.record_writes WHERE table_name = 'accounts' AND connection_id = $1`, c.ID); n != 1 {
		t.Errorf("%d notes are left, want 1", n)
	}
	plant()
}

// TestWritesOfOthersCount lets a transaction write before a count and commit after it.
func TestWritesOfOthersCount(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	const question = `SELECT count(*) FROM millrace.accounts t WHERE t.connection_id = $1`
	count := func() int64 {
		n, err := d.Count(t.Context(), c.ID, false, question, "accounts")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	write := func(conn *db.Conn, id string) {
		_, err := conn.Exec(t.Context(), `INSERT INTO millrace.accounts (connection_id, sf_id, account_type, first_seen_run, last_seen_run) VALUES ($1, $2, 'customer', 1, 1)`, c.ID, id)
		if err != nil {
			t.Error(err)
		}
	}
	err := d.Pinned(t.Context(), func(conn *db.Conn) error {
		if err := conn.Begin(t.Context()); err != nil {
			return err
		}
		write(conn, "001000000000001AAA")
		if err := d.Pinned(t.Context(), func(other *db.Conn) error { write(other, "001000000000002AAA"); return nil }); err != nil {
			return err
		}
		if n := count(); n != 1 {
			t.Errorf("%d are here before the first commits, want 1", n)
		}
		return conn.Commit(t.Context())
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 2 {
		t.Errorf("%d are here after both have committed, want 2", n)
	}
}
