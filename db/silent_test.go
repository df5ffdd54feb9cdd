package db_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/db"
	"millrace/db/dbtest"
)

// muffled stands before Postgres and, once it is told to, swallows what comes over the connections that it has; new ones are served.
type muffled struct {
	address string
	age     atomic.Int64
}

func newMuffled(t *testing.T, postgres string) *muffled {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m := &muffled{address: l.Addr().String()}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(in, postgres, m.age.Load())
		}
	}()
	return m
}

func (m *muffled) serve(in net.Conn, postgres string, born int64) {
	defer in.Close()
	out, err := net.Dial("tcp", postgres)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(in, out) }()
	piece := make([]byte, 64<<10)
	for {
		n, err := in.Read(piece)
		if err != nil {
			return
		}
		if m.age.Load() != born {
			continue
		}
		if _, err := out.Write(piece[:n]); err != nil {
			return
		}
	}
}

// TestSilentPostgres has a Postgres go silent that neither answers nor closes its connections: calls end soon after their contexts have, whatever they are about, and later ones go over new connections.
func TestSilentPostgres(t *testing.T) {
	t.Parallel()
	at, err := url.Parse(dbtest.NewURL(t))
	if err != nil {
		t.Fatal(err)
	}
	m := newMuffled(t, at.Host)
	at.Host = m.address
	for name, call := range map[string]func(ctx context.Context, d *db.DB, silence func()) error{
		"a statement": func(ctx context.Context, d *db.DB, silence func()) error {
			silence()
			_, err := d.Claim(ctx, "x", time.Second)
			return err
		},
		"the beginning of a transaction": func(ctx context.Context, d *db.DB, silence func()) error {
			silence()
			return d.Transact(ctx, func(*sqlx.Tx) error { return nil })
		},
		"a commit": func(ctx context.Context, d *db.DB, silence func()) error {
			return d.Transact(ctx, func(*sqlx.Tx) error {
				silence()
				return nil
			})
		},
		"a sign of life": func(ctx context.Context, d *db.DB, silence func()) error {
			silence()
			return d.Ping(ctx)
		},
	} {
		d, err := db.Open(t.Context(), db.Options{URL: at.String(), SecretKey: dbtest.SecretKey})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			ended <- call(ctx, d, func() { m.age.Add(1) })
		}()
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s succeeded without an answer", name)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s is still waited for", name)
		}
		// The pool may hold more such connections; each is found out by a call.
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err = d.Claim(ctx, "x", time.Second)
			cancel()
			if err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("after %s: %v", name, err)
		}
		d.Close()
	}
}

// named opens a database, and returns its address and its name besides.
func named(t *testing.T) (d *db.DB, address, name string) {
	t.Helper()
	address = dbtest.NewURL(t)
	d = dbtest.Open(t, db.Options{URL: address})
	name, err := d.Name(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return d, address, name
}

// TestReadOnlySessionsAreNotKept has new sessions land where nothing can be written for a while, as after a failover: once there is a server that takes changes, the pool finds it.
func TestReadOnlySessionsAreNotKept(t *testing.T) {
	t.Parallel()
	d, address, name := named(t)
	writer := dbtest.Open(t, db.Options{URL: address + "&default_transaction_read_only=off"})
	exec(t, writer, `ALTER DATABASE `+name+` SET default_transaction_read_only = on`)
	exec(t, writer, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if _, err := d.Claim(t.Context(), "x", time.Second); err == nil || !db.Retryable(err) {
		t.Errorf("while nothing can be written: %v", err)
	}
	exec(t, writer, `ALTER DATABASE `+name+` RESET default_transaction_read_only`)
	if _, err := d.Claim(t.Context(), "x", time.Second); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestSessionsReadWhatIsCommitted has a database with a stricter isolation level as its default, under which what is written beside a run's heartbeat would fail.
func TestSessionsReadWhatIsCommitted(t *testing.T) {
	t.Parallel()
	d, address, name := named(t)
	exec(t, d, `ALTER DATABASE `+name+` SET default_transaction_isolation = 'serializable'`)
	strict := dbtest.Open(t, db.Options{URL: address})
	var level string
	err := strict.Transact(t.Context(), func(tx *sqlx.Tx) error { return tx.GetContext(t.Context(), &level, `SHOW transaction_isolation`) })
	if err != nil || level != "read committed" {
		t.Errorf("%q, %v", level, err)
	}
}
