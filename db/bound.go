package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// cutAfter is how long a call may go on when its context has ended. The driver asks the server to cancel it and waits for the answer, which may never come.
const cutAfter = 3 * time.Second

// bounded has the socket closed when a call does not return in time after its context has ended. What it returns is to be called when the call has returned.
func (s *session) bounded(ctx context.Context) (returned func()) {
	if s.wire == nil || ctx.Done() == nil {
		return func() {}
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		patience := time.NewTimer(cutAfter)
		defer patience.Stop()
		select {
		case <-patience.C:
			cut(s)
		case <-done:
		}
	})
	return func() {
		stop()
		close(done)
	}
}

// heed notes what an error says of the session.
func (s *session) heed(err error) {
	var pe *pq.Error
	if errors.As(err, &pe) && pe.Code == pqerror.ReadOnlySQLTransaction {
		s.readOnly = true
	}
}

// IsValid implements driver.Validator: a session that cannot write is not used again.
func (s *session) IsValid() bool { return !s.readOnly && s.pqConn.IsValid() }

// BeginTx implements driver.ConnBeginTx.
func (s *session) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	defer s.bounded(ctx)()
	tx, err := s.pqConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &boundedTx{tx, s, ctx}, nil
}

// Ping implements driver.Pinger.
func (s *session) Ping(ctx context.Context) error {
	defer s.bounded(ctx)()
	return s.pqConn.Ping(ctx)
}

// boundedTx is a transaction whose end is bounded as other calls are.
type boundedTx struct {
	driver.Tx
	s   *session
	ctx context.Context
}

// Commit implements driver.Tx.
func (t *boundedTx) Commit() error {
	defer t.s.bounded(t.ctx)()
	err := t.Tx.Commit()
	t.s.heed(err)
	return err
}

// Rollback implements driver.Tx.
func (t *boundedTx) Rollback() error {
	defer t.s.bounded(t.ctx)()
	return t.Tx.Rollback()
}
