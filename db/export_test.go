package db

import (
	"context"
	"slices"

	"github.com/jmoiron/sqlx"

	"millrace/db/migrations"
	"millrace/pipeline"
)

// For the tests in package db_test.
var (
	CheckNewPassword = checkNewPassword
	Network          = network
	StoreFault       = storeFault
	Kept             = kept
	Poisonous        = poisonous
)

// Unlocked reports whether a connection is free of waiting refreshes, which is when its lock is forgotten.
func (d *DB) Unlocked(id int64) bool {
	d.refresh.mu.Lock()
	defer d.refresh.mu.Unlock()
	return d.refresh.locks[id] == nil
}

// TightenAudit has reading the audit log take the ways for frequent things and for much of a thing with little data already.
func (d *DB) TightenAudit() {
	d.bounds = auditBounds{reach: 400, reachWords: 300, reachNames: 200, reachLeast: 50, glance: 20, most: 60, collected: 40, enough: 100, lookups: 60, named: 5, sureNamed: 100, count: 1_000}
}

// HashRow is the hash of a row of fields, of which some are nil.
func HashRow(seed uint64, fields ...[]byte) uint64 {
	h := rowHash{seed: seed}
	for _, f := range fields {
		if f == nil {
			h.null()
		} else {
			h.bytes(f)
		}
	}
	return h.sum
}

// CopyLine is a row of fields as COPY text, without its end.
func CopyLine(fields ...[]byte) ([]byte, error) {
	w := CopyWriter{columns: make([]string, len(fields)), chunk: 1 << 30}
	for _, f := range fields {
		w.Bytes(f)
	}
	if err := w.EndRow(); err != nil {
		return nil, err
	}
	return w.buf[:len(w.buf)-1], nil
}

// Unescape returns the value of a field of COPY text.
func Unescape(field []byte) []byte { return unescape(field) }

// HashLine is the hash of the fields of a line of COPY text behind the record's id, as the sieve works it out.
func HashLine(seed uint64, line []byte, kinds ...pipeline.Kind) (uint64, bool) {
	s := sieve{seed: seed, kinds: append([]pipeline.Kind{pipeline.ID}, kinds...)}
	return s.rowHash(line)
}

// SentTime is a time as Postgres sends it.
func SentTime(text string) ([]byte, bool) {
	out, ok := sentTime([]byte(text))
	return out[:], ok
}

// MigrateTo brings the schema to the state that it had with this migration.
func (d *DB) MigrateTo(ctx context.Context, number int) error {
	all, err := loadMigrations(migrations.Files)
	if err != nil {
		return err
	}
	return d.migrate(ctx, slices.DeleteFunc(all, func(m migration) bool { return m.number > number }))
}

// Count answers a question as at the end of a run.
func (d *DB) Count(ctx context.Context, connectionID int64, anew bool, question string, tables ...string) (n int64, err error) {
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		s := RunStore{db: d, connectionID: connectionID}
		if err := trimWrites(ctx, tx); err != nil {
			return err
		}
		n, err = s.count(ctx, tx, anew, question, tables...)
		return err
	})
	return n, err
}

// MostWrites is how many notes of what was written to a table are kept.
const MostWrites = mostWrites

// TakeHashing takes all places in which passwords are hashed, until it is told to let go.
func (d *DB) TakeHashing() (letGo func()) {
	n := cap(d.hashing)
	for range n {
		d.hashing <- struct{}{}
	}
	return func() {
		for range n {
			<-d.hashing
		}
	}
}

// SumOfIDs writes the sum of the hashes of ids.
func SumOfIDs(ids ...string) string {
	var sum idSum
	for _, id := range ids {
		sum.add([]byte(id))
	}
	return sum.String()
}
