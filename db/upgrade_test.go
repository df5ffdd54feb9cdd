package db_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/db"
	"millrace/db/dbtest"
)

// olderSchema is a schema of some time ago, which has all tables of records.
const olderSchema = 60

const manyRows = `
INSERT INTO millrace.users (email, role, password_hash) VALUES ('ann@example.com', 'admin', '');
INSERT INTO millrace.connections (name, environment, login_url, client_id, data_key_sealed, org_id, status) VALUES ('acme', 'demo', 'http://org', 'client', '', '00D000000000001AAA', 'connected');
SELECT millrace.add_connection_partition(t, 1) FROM unnest(ARRAY['sf_users', 'accounts', 'contacts', 'opportunities', 'custom_records', 'cases', 'case_messages', 'chatter_posts', 'chatter_comments']) t
 WHERE to_regclass('millrace.' || t || '_1') IS NULL;
INSERT INTO millrace.settings_versions (connection_id, version, body) VALUES (1, 1, '{"accounts": {"mode": "single", "single": "Name != null"}}');
INSERT INTO millrace.runs (short_id, connection_id, trigger, settings_version, state, owner, fence, lease_until, started_at, finished_at) VALUES
	('R-DONE', 1, 'first', 1, 'completed', '', 1, NULL, now() - interval '1 day', now() - interval '23 hours'),
	('R-WORK', 1, 'manual', 1, 'running', 'the older process', 4, now() - interval '1 second', now(), NULL);
INSERT INTO millrace.run_steps (run_id, position, name, label, object, query, state, records, expected, read, created) VALUES
	(2, 1, 'accounts:customer', 'Accounts', 'Account', 'SELECT Id FROM Account', 'running', 'Account', 400000, 200000, 200000);
INSERT INTO millrace.run_pages (run_id, position, page, locator, next_locator, records, seen, fence) VALUES (2, 1, 1, '', 'next', 200000, 200000, 4);
INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, fields, system_modstamp, first_seen_run, last_seen_run, left_filter_at)
SELECT 1, '001' || lpad(i::text, 12, '0') || 'AAA', 'customer', 'Account ' || i, jsonb_build_object('Tier__c', i % 7), now() - i * interval '1 second', 1, 2, CASE WHEN i % 100 = 0 THEN now() END
  FROM generate_series(1, 200000) i;
INSERT INTO millrace.contacts (connection_id, sf_id, account_id, email, first_seen_run, last_seen_run)
SELECT 1, '003' || lpad(i::text, 12, '0') || 'AAA', '001' || lpad(i::text, 12, '0') || 'AAA', i || '@example.com', 1, 2 FROM generate_series(1, 200000) i;
INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action)
SELECT 1, 1, 'account', '001' || lpad(i::text, 12, '0') || 'AAA', 'created' FROM generate_series(1, 200000) i;
ANALYZE`

// TestUpgradeKeepsRows brings a database of an older Millrace, with many rows and a run in progress, up to date: by two processes that start at once, while somebody reads for long. What is here stays
// as it is and where it is, others who read wait for nobody, and the run goes on where it was.
func TestUpgradeKeepsRows(t *testing.T) {
	t.Parallel()
	url := dbtest.NewEmptyURL(t)
	open := func() *db.DB {
		t.Helper()
		d, err := db.Open(t.Context(), db.Options{URL: url, SecretKey: dbtest.SecretKey})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	old := open()
	must(old.MigrateTo(t.Context(), olderSchema))
	must(old.EnsureAuditPartitions(t.Context(), 2))
	pool, err := sqlx.Open("postgres", url)
	must(err)
	defer pool.Close()
	_, err = pool.ExecContext(t.Context(), manyRows)
	must(err)
	var older []struct {
		Table   string `db:"tab"`
		Columns string `db:"columns"`
	}
	must(pool.SelectContext(t.Context(), &older, `
		SELECT table_name AS tab, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS columns FROM information_schema.columns
		 WHERE table_schema = 'millrace' AND table_name IN ('accounts', 'contacts', 'audit_log', 'runs', 'run_steps', 'run_pages', 'settings_versions', 'users') GROUP BY 1`))
	state := func() map[string]string {
		t.Helper()
		out := map[string]string{}
		for _, o := range older {
			var digest string
			must(pool.GetContext(t.Context(), &digest, `SELECT count(*) || ' rows, ' || coalesce(sum(hashtextextended(r::text, 0)), 0) FROM (SELECT `+o.Columns+` FROM millrace.`+o.Table+`) r`))
			out[o.Table] = digest
		}
		var places []struct{ Name, File string }
		must(pool.SelectContext(t.Context(), &places, `SELECT relname AS name, pg_relation_filenode(oid)::text AS file FROM pg_class
			WHERE relnamespace = 'millrace'::regnamespace AND relkind = 'r' AND (relname ~ '^(accounts|contacts)_1$' OR relname ~ '^audit_log_')`))
		for _, p := range places {
			out["place of "+p.Name] = p.File
		}
		return out
	}
	before := state()
	if len(before) < 8+3 {
		t.Fatalf("there is little to compare: %v", before)
	}

	reader, err := pool.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	must(err)
	defer reader.Rollback()
	_, err = reader.ExecContext(t.Context(), `SELECT FROM millrace.audit_log LIMIT 1`)
	must(err)
	done := make(chan error, 2)
	for range 2 {
		d := open()
		go func() { done <- d.Migrate(t.Context()) }()
	}
	for waits := false; !waits; { // for the reader, to have a table to itself
		select {
		case err := <-done:
			t.Fatalf("nothing had to wait for the one who reads: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
		must(pool.GetContext(t.Context(), &waits, `SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND NOT l.granted AND l.mode = 'AccessExclusiveLock')`))
	}
	other, err := pool.Connx(t.Context())
	must(err)
	defer other.Close()
	var n int
	_, err = other.ExecContext(t.Context(), `SET statement_timeout = '30s'`)
	must(err)
	if err := other.GetContext(t.Context(), &n, `SELECT count(*) FROM millrace.audit_log`); err != nil || n != 200_000 {
		t.Fatalf("another one who reads is held up: %v", err)
	}
	must(reader.Rollback())
	for range 2 {
		must(<-done)
	}
	after := state()
	for name, was := range before {
		if is := after[name]; is != was {
			t.Errorf("%s: was %s, is %s", name, was, is)
		}
	}
	run, err := open().Claim(t.Context(), "the newer process", time.Minute)
	if err != nil || run == nil || run.ShortID != "R-WORK" || run.Fence != 5 {
		t.Errorf("the run in progress: %+v, %v", run, err)
	}
}
