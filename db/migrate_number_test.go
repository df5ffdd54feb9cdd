package db

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestMigrationNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files string
		ok    bool
	}{{"0001_a.sql 0002_b.sql", true}, {"0001_a.sql 0010_b.sql", true}, {"0001_a.sql 0001_b.sql", false}, {"0000_a.sql", false}, {"x.sql", false}, {"", false}} {
		files := fstest.MapFS{}
		for _, name := range strings.Fields(c.files) {
			files[name] = &fstest.MapFile{Data: []byte("SELECT 1")}
		}
		if _, err := loadMigrations(files); (err == nil) != c.ok {
			t.Errorf("%q: got %v", c.files, err)
		}
	}
}
