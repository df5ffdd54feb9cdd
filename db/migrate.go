package db

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/db/migrations"
)

// migrationLock is the advisory lock under which one process migrates while the others wait.
const migrationLock = 0x4d696c6c72616365 // "Millrace"

type migration struct {
	number   int
	name     string
	sql      string
	checksum string
}

// SchemaNewerError says that the database was migrated by a newer Millrace than this one.
type SchemaNewerError struct {
	Database, Binary int // migration numbers
}

// Error implements error.
func (e *SchemaNewerError) Error() string {
	return fmt.Sprintf("the database is at schema version %d, which this Millrace does not know (its newest is %d): start a newer Millrace, or restore the backup made before the upgrade",
		e.Database, e.Binary)
}

// Migrate brings the schema up to date. It only moves forward; each migration is one transaction under an advisory lock, so that replicas starting
// together migrate once. A database that a newer Millrace has migrated is refused with a *SchemaNewerError.
func (d *DB) Migrate(ctx context.Context) error {
	all, err := loadMigrations(migrations.Files)
	if err != nil {
		return fmt.Errorf("db.Migrate: %w", err)
	}
	if err := d.migrate(ctx, all); err != nil {
		return fmt.Errorf("db.Migrate: %w", err)
	}
	return d.EnsureAuditPartitions(ctx, AuditAhead)
}

// A migration that needs a table to itself waits for those who read it, and whoever comes to read meanwhile waits behind the migration. It therefore waits only for a moment, lets everybody pass,
// and tries again.
const (
	migrationWait  = "2s"
	migrationPause = time.Second
	migrationTries = 300 // some 15 minutes in all
)

func (d *DB) migrate(ctx context.Context, all []migration) error {
	for tries := 1; ; {
		done := false
		err := d.Transact(ctx, func(tx *sqlx.Tx) error {
			var err error
			done, err = migrateOne(ctx, tx, all)
			return err
		})
		switch {
		case isCode(err, "55P03") && tries < migrationTries:
			tries++
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(migrationPause):
			}
		case isCode(err, "55P03"):
			return fmt.Errorf("other sessions of this database keep using what has to change; end them, see pg_stat_activity, and start again: %w", err)
		case err != nil || done:
			return err
		}
	}
}

// migrateOne applies the next migration that is missing and reports whether none is left.
func migrateOne(ctx context.Context, tx *sqlx.Tx, all []migration) (done bool, err error) {
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return false, fmt.Errorf("wait for the migration lock: %w", err)
	}
	if _, err := tx.ExecContext(ctx, `
		SET LOCAL client_min_messages = warning;
		SET LOCAL lock_timeout = '`+migrationWait+`';
		SET LOCAL statement_timeout = 0; -- of the role; an index of a large table takes its time
		CREATE SCHEMA IF NOT EXISTS millrace;
		CREATE TABLE IF NOT EXISTS millrace.migrations (
			number     integer PRIMARY KEY,
			name       text        NOT NULL,
			checksum   text        NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now()
		)`); err != nil {
		return false, fmt.Errorf("prepare the table of migrations: %w", err)
	}
	var applied []struct {
		Number   int    `db:"number"`
		Checksum string `db:"checksum"`
	}
	if err := tx.SelectContext(ctx, &applied, `SELECT number, checksum FROM millrace.migrations ORDER BY number`); err != nil {
		return false, fmt.Errorf("read the applied migrations: %w", err)
	}
	for i, a := range applied {
		if i >= len(all) {
			return false, &SchemaNewerError{Database: applied[len(applied)-1].Number, Binary: all[len(all)-1].number}
		}
		if a.Number != all[i].number || a.Checksum != all[i].checksum {
			return false, fmt.Errorf("migration %d of this database differs from this Millrace's %s: the two do not belong together", a.Number, all[i].name)
		}
	}
	if len(applied) == len(all) {
		return true, nil
	}
	next := all[len(applied)]
	if _, err := tx.ExecContext(ctx, next.sql); err != nil {
		return false, fmt.Errorf("apply %s: %w", next.name, err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO millrace.migrations (number, name, checksum) VALUES ($1, $2, $3)`,
		next.number, next.name, next.checksum); err != nil {
		return false, fmt.Errorf("record %s: %w", next.name, err)
	}
	return false, nil
}

// loadMigrations reads the numbered files in order. The numbers begin with 1 and may have gaps; none comes twice.
func loadMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		number, err := strconv.Atoi(name[:max(0, strings.IndexByte(name, '_'))])
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number", name)
		}
		sum := sha256.Sum256(text)
		all = append(all, migration{number, name, string(text), hex.EncodeToString(sum[:8])})
	}
	slices.SortFunc(all, func(a, b migration) int { return cmp.Compare(a.number, b.number) })
	for i, m := range all {
		if m.number < 1 || i > 0 && m.number == all[i-1].number {
			return nil, fmt.Errorf("migration %s: its number is not above that of the one before it", m.name)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there are no migrations")
	}
	return all, nil
}
