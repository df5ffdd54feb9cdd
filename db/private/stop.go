package private

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/lib/pq"
)

// halt stops the process: in order first, at once when ctx ends.
func (s *Server) halt(ctx context.Context) error {
	_ = s.signal(syscall.SIGINT) // fails only when it has ended already
	var err error
	select {
	case <-s.exited:
	case <-ctx.Done():
		err = ctx.Err()
		_ = s.signal(syscall.SIGQUIT)
		select {
		case <-s.exited:
		case <-time.After(5 * time.Second):
			_ = s.signal(os.Kill)
			<-s.exited
		}
	}
	s.log.close()
	s.lock.release()
	return err
}

// awaitReady waits until the server answers queries and has the application's database. Crash recovery may take its time; only ctx bounds it.
func (s *Server) awaitReady(ctx context.Context) error {
	pool, err := sql.Open("postgres", s.urlOf("postgres"))
	if err != nil {
		return err
	}
	defer pool.Close()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := pool.QueryRowContext(ctx, `SHOW server_version`).Scan(&s.version)
		if err == nil {
			return ensureDatabase(ctx, pool)
		}
		var pe *pq.Error
		if errors.As(err, &pe) && pe.Code.Class() == "28" {
			return errors.New("the server does not accept the password kept in its folder: the file password and the data do not belong together")
		}
		select {
		case <-s.exited:
			return plain(errors.New("the server ended while it started"), s.log.excerpt())
		case <-ctx.Done():
			return plain(errors.Join(errors.New("the server did not become ready in time"), ctx.Err()), s.log.excerpt())
		case <-time.After(wait):
		}
	}
}

func ensureDatabase(ctx context.Context, pool *sql.DB) error {
	var exists bool
	if err := pool.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&exists); err != nil || exists {
		return plain(err, "")
	}
	_, err := pool.ExecContext(ctx, `CREATE DATABASE `+pq.QuoteIdentifier(database))
	return plain(err, "")
}
