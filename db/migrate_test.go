package db_test

import (
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
