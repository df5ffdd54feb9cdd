package jobs

import (
	"context"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

const (
	indexesWaiting = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query LIKE 'CREATE INDEX CONCURRENTLY%'`
	indexesMissing = `SELECT count(*) FROM unnest(ARRAY['name', 'type', 'website', 'industry', 'owner', 'words']) n (name)
		WHERE NOT EXISTS (SELECT FROM pg_index WHERE indisvalid AND indexrelid = to_regclass('millrace.accounts_1_by_' || n.name))`
)

// TestIndexesHoldUpNoRun has somebody's transaction stay open in the same database, as a backup's does for hours. Postgres waits for it with each index: no run waits with it, nor does a stop, which
// leaves no statement behind. When the transaction is over, the indexes are made.
func TestIndexesHoldUpNoRun(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 12_000})
	s.filter(allAccounts)
	backup, err := s.sql.BeginTxx(context.Background(), nil)
	s.must(err)
	defer func() { _ = backup.Rollback() }() // it has only read
	_, err = backup.Exec(`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1`)
	s.must(err)
	o := s.quick()
	o.PageRows = 4000
	stop := s.start(o)
	for range maxRuns + 1 {
		s.completed(s.until(s.request().ID, ended))
	}
	s.eventually("one index to be in the making", func() bool { return s.count(indexesWaiting) == 1 })
	stopping := time.Now()
	stop()
	if took := time.Since(stopping); took > settleTime {
		t.Errorf("the stop took %v", took)
	}
	s.eventually("the statement to end", func() bool { return s.count(indexesWaiting) == 0 })
	s.must(backup.Rollback())
	s.start(o)
	s.completed(s.until(s.request().ID, ended))
	s.eventually("the indexes", func() bool { return s.count(indexesMissing) == 0 })
}
