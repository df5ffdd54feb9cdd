package db_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"millrace/db"
	"millrace/db/dbtest"
)

func TestThreeReplicasMigrateOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyURL(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			d, err := db.Open(t.Context(), db.Options{URL: url, SecretKey: dbtest.SecretKey})
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			if err := d.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	d := dbtest.Open(t, db.Options{URL: url})
	if err := d.Migrate(t.Context()); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestMigrateRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	newer := dbtest.New(t)
	exec(t, newer, `INSERT INTO millrace.migrations (number, name, checksum) VALUES (9000, '9000_later.sql', 'x')`)
	var tooNew *db.SchemaNewerError
	if err := newer.Migrate(t.Context()); !errors.As(err, &tooNew) || tooNew.Database != 9000 {
		t.Errorf("newer: got %v", err)
	}
	edited := dbtest.New(t)
	exec(t, edited, `UPDATE millrace.migrations SET checksum = 'other' WHERE number = 1`)
	if err := edited.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "do not belong together") {
		t.Errorf("edited: got %v", err)
	}
}

func TestAuditPartitionsAreMadeOnceAndAhead(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := d.EnsureAuditPartitions(t.Context(), 20); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	exec(t, d, `INSERT INTO millrace.audit_log (at, connection_id, entity, action)
		SELECT date_trunc('day', now()) + i * interval '1 day', 0, 'x', 'y' FROM generate_series(0, 19) i`)
	if n := get[int](t, d, `SELECT count(DISTINCT tableoid) FROM millrace.audit_log`); n != 20 {
		t.Errorf("rows of 20 days are in %d parts", n)
	}
}

func TestAuditLogCannotBeChanged(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	exec(t, d, `INSERT INTO millrace.audit_log (connection_id, entity, action) VALUES (0, 'x', 'y')`)
	part := get[string](t, d, `SELECT tableoid::regclass::text FROM millrace.audit_log LIMIT 1`)
	for _, statement := range []string{`UPDATE millrace.audit_log SET action = 'z'`, `DELETE FROM millrace.audit_log`, `TRUNCATE millrace.audit_log`,
		`DELETE FROM ` + part, `TRUNCATE ` + part} {
		err := d.Pinned(t.Context(), func(c *db.Conn) error {
			_, err := c.Exec(t.Context(), statement)
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "the audit log cannot be changed") {
			t.Errorf("%s: got %v", statement, err)
		}
	}
}

func TestOpenSaysWhatIsWrongWithoutThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:canary@127.0.0.1:1/x?sslmode=disable", "postgres://u:canary@[bad", "postgres://u:canary@host/x?port=canary"} {
		_, err := db.Open(t.Context(), db.Options{URL: url, SecretKey: dbtest.SecretKey})
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
}
