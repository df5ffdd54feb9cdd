package db_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/db"
	"millrace/db/dbtest"
)

// copyInto runs one COPY into a fresh temporary table of the given columns and commits.
func copyInto(ctx context.Context, d *db.DB, columns string, write func(*db.Conn, *db.CopyWriter) error) error {
	return d.Pinned(ctx, func(c *db.Conn) error {
		if err := c.Begin(ctx); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, `CREATE TEMP TABLE stage (`+columns+`) ON COMMIT DROP`); err != nil {
			return err
		}
		if err := c.CopyText(ctx, "stage", []string{"a", "b"}, func(w *db.CopyWriter) error { return write(c, w) }); err != nil {
			return err
		}
		return c.Commit(ctx)
	})
}

// healthy proves that the pool still works: twenty queries, and no session left inside a transaction.
func healthy(t *testing.T, d *db.DB) {
	t.Helper()
	for range 20 {
		if err := d.Ping(t.Context()); err != nil {
			t.Fatalf("the pool is ill: %v", err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stuck := get[int](t, d, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'`)
		if stuck == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are still at work or inside a transaction", stuck)
		}
	}
}

func TestCopyKeepsEveryText(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	values := []string{"", `\.`, `\N`, "a\tb", "a\nb\r\nc", `back\slash\\`, `"quoted"`, "é😀", "12345678", "1234567\\", "\x01\x7f", strings.Repeat("long\t", 40_000), " ", "NULL"}
	var got []string
	err := d.Pinned(t.Context(), func(c *db.Conn) error {
		return errors.Join(c.Begin(t.Context()),
			func() error { _, err := c.Exec(t.Context(), `CREATE TEMP TABLE stage (a text, b text)`); return err }(),
			c.CopyText(t.Context(), "pg_temp.stage", []string{"a", "b"}, func(w *db.CopyWriter) error {
				for i, v := range values {
					w.String(fmt.Sprint(i))
					w.Bytes([]byte(v))
					if err := w.EndRow(); err != nil {
						return err
					}
				}
				w.String("null")
				w.Null()
				return errors.Join(w.EndRow(), w.Line([]byte(`raw	line\tas it is`)))
			}),
			c.Select(t.Context(), &got, `SELECT b FROM stage WHERE a ~ '^[0-9]+$' ORDER BY a::int`),
			func() error {
				var ok bool
				err := c.Get(t.Context(), &ok, `SELECT (SELECT b IS NULL FROM stage WHERE a = 'null') AND (SELECT b = E'line\tas it is' FROM stage WHERE a = 'raw')`)
				if err == nil && !ok {
					err = errors.New("NULL or the raw line did not arrive")
				}
				return err
			}())
	})
	if err != nil || !slices.Equal(got, values) {
		t.Errorf("got %.200q, %v", got, err)
	}
}

func TestCopyLeavesOutRowsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var refused []string
	var rows int64
	err := copyInto(t.Context(), d, "a text, b text", func(_ *db.Conn, w *db.CopyWriter) error {
		for _, v := range []string{"good", "nul\x00byte", "bad \xff utf8", "é fine", "surrogate \xed\xa0\x80"} {
			w.String("x")
			w.String(v)
			var bad *db.FieldError
			if err := w.EndRow(); errors.As(err, &bad) {
				refused = append(refused, bad.Column+" "+bad.Reason)
			} else if err != nil {
				return err
			}
		}
		rows = w.Rows()
		w.String("one field")
		if err := w.EndRow(); err == nil {
			t.Error("a row with too few fields was taken")
		}
		return nil
	})
	if err != nil || rows != 2 || len(refused) != 3 || !strings.HasPrefix(refused[0], "b contains a NUL") {
		t.Errorf("%d rows, refused %q, %v", rows, refused, err)
	}
}

func TestCopyErrorsLeaveThePoolHealthy(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, db.Options{URL: dbtest.NewURL(t), MaxConns: 3})
	own := errors.New("the page is broken")
	for round := range 6 {
		err := copyInto(t.Context(), d, "a int, b text", func(_ *db.Conn, w *db.CopyWriter) error {
			for i := range 20_000 {
				w.String(map[bool]string{true: "no number", false: fmt.Sprint(i)}[i == 5000 && round%2 == 0])
				w.String(strings.Repeat("x", 50))
				if err := w.EndRow(); err != nil {
					return err
				}
				if i == 15_000 && round%2 == 1 {
					return own
				}
			}
			return nil
		})
		var pe *pq.Error
		if round%2 == 0 && (!errors.As(err, &pe) || !strings.Contains(pe.Where, "line 5001, column a")) || round%2 == 1 && !errors.Is(err, own) {
			t.Errorf("round %d: got %v", round, err)
		}
		healthy(t, d)
	}
}

func TestCancelledCopySaysSo(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for name, when := range map[string]int{"between rows": 3, "after many chunks": 30_000} {
		ctx, cancel := context.WithCancel(t.Context())
		err := copyInto(ctx, d, "a int, b text", func(_ *db.Conn, w *db.CopyWriter) error {
			for i := 0; ; i++ {
				if i == when {
					cancel()
				}
				w.String("1")
				w.String(strings.Repeat("x", 200))
				if err := w.EndRow(); err != nil {
					return err
				}
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
		healthy(t, d)
	}
}

func TestTerminatedCopyIsRetryable(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	err := copyInto(t.Context(), d, "a int, b text", func(_ *db.Conn, w *db.CopyWriter) error {
		for i := 0; ; i++ {
			if i == 10_000 {
				exec(t, d, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%' AND pid <> pg_backend_pid()`)
			}
			w.String("1")
			w.String(strings.Repeat("x", 200))
			if err := w.EndRow(); err != nil {
				return err
			}
		}
	})
	if !db.Retryable(err) {
		t.Errorf("got %v", err)
	}
	healthy(t, d)
}

// stall is a TCP proxy that can stop reading.
type stall struct {
	addr    string
	stopped atomic.Bool
	resume  chan struct{}
}

func newStall(t *testing.T, target string) *stall {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stall{addr: l.Addr().String(), resume: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(in, target) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); close(s.resume); wg.Wait() })
	return s
}

func (s *stall) serve(in net.Conn, target string) {
	defer in.Close()
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
	buf := make([]byte, 4096)
	for {
		if s.stopped.Load() {
			<-s.resume
			return
		}
		n, err := in.Read(buf)
		if err != nil {
			return
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestStalledNetworkEndsACopy holds against a network that takes nothing any more: once by the write deadline, once by the context.
func TestStalledNetworkEndsACopy(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"write deadline": 300 * time.Millisecond, "context": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at, err := url.Parse(dbtest.NewURL(t))
			if err != nil {
				t.Fatal(err)
			}
			proxy := newStall(t, at.Host)
			at.Host = proxy.addr
			d, err := db.Open(t.Context(), db.Options{URL: at.String(), SecretKey: dbtest.SecretKey, WriteTimeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err = copyInto(ctx, d, "a int, b text", func(_ *db.Conn, w *db.CopyWriter) error {
				for i := 0; ; i++ {
					if i == 1000 {
						proxy.stopped.Store(true)
						if name == "context" {
							time.AfterFunc(200*time.Millisecond, cancel)
						}
					}
					w.String("1")
					w.String(strings.Repeat("x", 1000))
					if err := w.EndRow(); err != nil {
						return err
					}
				}
			})
			if name == "context" && !errors.Is(err, context.Canceled) || name != "context" && !db.Retryable(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestPinnedRollsBackWhatWasNotCommitted(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	exec(t, d, `CREATE TABLE public.kept (n int)`)
	for _, fail := range []bool{false, true} {
		err := d.Pinned(t.Context(), func(c *db.Conn) error {
			if err := c.Begin(t.Context()); err != nil {
				return err
			}
			if _, err := c.Exec(t.Context(), `INSERT INTO public.kept VALUES (1)`); err != nil {
				return err
			}
			if fail { // COMMIT of a failed transaction must not look like success
				if _, err := c.Exec(t.Context(), `SELECT 1/0`); err == nil {
					t.Error("no error")
				}
				if err := c.Commit(t.Context()); err == nil {
					t.Error("a failed transaction was committed")
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n := get[int](t, d, `SELECT count(*) FROM public.kept`); n != 0 {
		t.Errorf("%d rows stayed", n)
	}
	healthy(t, d)
}

func TestTransact(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	exec(t, d, `CREATE TABLE public.kept (n int)`)
	own := errors.New("no")
	insert := func(ctx context.Context, then func() error) error {
		return d.Transact(ctx, func(tx *sqlx.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO public.kept VALUES (1)`); err != nil {
				return err
			}
			return then()
		})
	}
	if err := insert(t.Context(), func() error { return own }); !errors.Is(err, own) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := insert(ctx, func() error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before the commit: %v", err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM public.kept`); n != 0 {
		t.Errorf("%d rows stayed", n)
	}
	if err := insert(t.Context(), func() error { return nil }); err != nil {
		t.Error(err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM public.kept`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	healthy(t, d)
}
