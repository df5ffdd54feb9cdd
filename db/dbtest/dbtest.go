// Package dbtest gives each test a database of its own on a real Postgres: the server that DATABASE_URL names, or else a private one, which the test
// processes of a machine keep and reuse under the temporary folder.
package dbtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"

	"millrace/db"
	"millrace/db/migrations"
	"millrace/db/private"
)

// SecretKey seals what the test databases hold.
var SecretKey = bytes.Repeat([]byte("k"), 32)

// New returns a migrated, empty database that is dropped when the test ends.
func New(t testing.TB) *db.DB {
	t.Helper()
	return Open(t, db.Options{URL: NewURL(t)})
}

// Open opens a database of NewURL with options of the test's own; the secret key defaults to SecretKey, and passwords are hashed for no time to speak of. It is closed when the test ends.
func Open(t testing.TB, o db.Options) *db.DB {
	t.Helper()
	if o.SecretKey == nil {
		o.SecretKey = SecretKey
	}
	o.QuickHashes = true
	d, err := db.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.CheckSecretKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

// NewURL returns the address of a migrated, empty database that is dropped when the test ends.
func NewURL(t testing.TB) string {
	t.Helper()
	return clone(t, template)
}

// NewEmptyURL returns the address of a database without Millrace's schema, dropped when the test ends.
func NewEmptyURL(t testing.TB) string {
	t.Helper()
	return clone(t, "template0")
}

func clone(t testing.TB, from string) string {
	t.Helper()
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	name := prefix + strings.ToLower(rand.Text()[:12])
	create := `CREATE DATABASE ` + name + ` TEMPLATE ` + from
	if s.own != nil {
		create += ` STRATEGY file_copy` // a third of the work, where a checkpoint costs nothing
	}
	if _, err := s.admin.ExecContext(t.Context(), create); err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := s.admin.ExecContext(context.Background(), `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Errorf("drop a test database: %v", err)
		}
	})
	at := s.url
	at.Path = "/" + name
	return at.String()
}

// prefix begins the names of all databases made here.
const prefix = "millrace_test_"

// template is the database that tests are cloned from, named after the migrations that made it.
var template = prefix + "template_" + schemaDigest()

func schemaDigest() string {
	h := sha256.New()
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.Files, name)
		if err != nil {
			panic(err) // it is embedded
		}
		_, _ = fmt.Fprintf(h, "%s\n%s\n", name, text) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

type testServer struct {
	url   url.URL
	admin *sql.DB
	own   *private.Server // nil with DATABASE_URL; held here because its lock on the folder ends when it is collected
}

// server is started once per test process. It ends with the process: the kernel stops it, and its folder is reused by the next process.
var server = sync.OnceValues(func() (*testServer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	address := os.Getenv("DATABASE_URL")
	var own *private.Server
	if address == "" {
		var err error
		if own, err = startPrivate(ctx); err != nil {
			return nil, err
		}
		address = own.URL()
	}
	at, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a URL")
	}
	admin, err := sql.Open("postgres", address)
	if err != nil {
		return nil, err
	}
	s := &testServer{url: *at, admin: admin, own: own}
	if own != nil {
		if err := s.dropLeftovers(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.makeTemplate(ctx)
})

// memory is the folder of a machine's main memory, where making a database costs a quarter of what it costs on a disk, and roomInMemory what must be free there for tests to use it.
const (
	memory       = "/dev/shm"
	roomInMemory = 6 << 30
)

// quickest returns the folder that test databases live under: in main memory where there is plenty of it, else the temporary folder.
func quickest() string {
	var at syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || runtime.GOOS != "linux" || syscall.Statfs(memory, &at) != nil || at.Bavail*uint64(at.Bsize) < roomInMemory || syscall.Access(memory, 2) != nil {
		return os.TempDir()
	}
	return memory
}

// startPrivate takes the first folder that no other test process uses. A folder whose data cannot be started on, after a crash of the machine, is
// made anew: tests run without fsync.
func startPrivate(ctx context.Context) (*private.Server, error) {
	home := filepath.Join(quickest(), "millrace-test-"+strconv.Itoa(os.Getuid()))
	for slot := 0; ; slot++ {
		dir := filepath.Join(home, strconv.Itoa(slot))
		o := private.Options{Dir: dir, FsyncOff: true, BinDir: os.Getenv("MILLRACE_POSTGRES_BIN")}
		s, err := private.Start(ctx, o)
		var inUse *private.InUseError
		switch {
		case err == nil:
			return s, nil
		case errors.As(err, &inUse):
			continue
		}
		if _, made := os.Stat(filepath.Join(dir, "data")); made != nil {
			return nil, err
		}
		if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
			return nil, err
		}
		return private.Start(ctx, o)
	}
}

// dropLeftovers drops what killed test processes left on this private server.
func (s *testServer) dropLeftovers(ctx context.Context) error {
	rows, err := s.admin.QueryContext(ctx, `SELECT datname FROM pg_database WHERE starts_with(datname, $1) AND datname <> $2`, prefix, template)
	if err != nil {
		return fmt.Errorf("list leftover test databases: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := s.admin.ExecContext(ctx, `DROP DATABASE IF EXISTS `+pq.QuoteIdentifier(name)+` WITH (FORCE)`); err != nil {
			return fmt.Errorf("drop a leftover test database: %w", err)
		}
	}
	return nil
}

// makeTemplate migrates the template once per schema. Processes that share a server wait for each other; a template is renamed into place when it is
// complete.
func (s *testServer) makeTemplate(ctx context.Context) error {
	conn, err := s.admin.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	const lock = 0x6d72_7465_7374
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(lock)); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(lock))
	}() // the connection's end frees it too
	var exists bool
	if err := conn.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, template).Scan(&exists); err != nil || exists {
		return err
	}
	draft := template + "_draft"
	for _, statement := range []string{`DROP DATABASE IF EXISTS ` + draft + ` WITH (FORCE)`, `CREATE DATABASE ` + draft + ` TEMPLATE template0`} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the template of the test databases: %w", err)
		}
	}
	at := s.url
	at.Path = "/" + draft
	if err := migrate(ctx, at.String()); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, `ALTER DATABASE `+draft+` RENAME TO `+template)
	return err
}

func migrate(ctx context.Context, address string) (err error) {
	d, err := db.Open(ctx, db.Options{URL: address, SecretKey: SecretKey})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return d.Migrate(ctx)
}

// URLOf returns the address of the database that d, made by New, is open on.
func URLOf(t testing.TB, d *db.DB) string {
	t.Helper()
	s, err := server()
	if err != nil {
		t.Fatal(err)
	}
	name, err := d.Name(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := s.url
	at.Path = "/" + name
	return at.String()
}
