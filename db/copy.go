package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/lib/pq"
)

// copyStmt is what the driver returns for COPY … FROM STDIN, besides driver.Stmt.
type copyStmt interface {
	CopyData(ctx context.Context, line string) (driver.Result, error)
	Close() error
}

// copyChunk is how many bytes are collected before they are handed to the driver, which sends at 63 KiB.
const copyChunk = 60 << 10

// CopyText streams the rows that write produces into table, as COPY text, within the open transaction. table may be qualified by its schema;
// cols are the columns in the order in which the fields are written. After an error the connection is unusable and Pinned discards it, so the
// caller returns; a context that ends while rows stream ends the COPY at once and comes back as the context's own error.
func (c *Conn) CopyText(ctx context.Context, table string, cols []string, write func(*CopyWriter) error) error {
	if !c.inTx || c.broken {
		return fmt.Errorf("copy into %s: no transaction is open", table)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("copy into %s: %w", table, err)
	}
	var copyErr error
	rawErr := c.conn.Raw(func(dc any) error {
		copyErr = c.copy(ctx, dc.(driver.Conn), copyQuery(table, cols), &CopyWriter{ctx: ctx, columns: cols, chunk: copyChunk}, write)
		return nil // the connection is discarded by release; an error here would only be wrapped
	})
	if err := errors.Join(rawErr, copyErr); err != nil {
		c.broken = true
		return fmt.Errorf("copy into %s: %w", table, asCancelled(ctx, err))
	}
	return nil
}

// copy runs one COPY. Whatever happens, the statement is closed before it returns: only then has the driver's reading goroutine let go of the
// connection.
func (c *Conn) copy(ctx context.Context, dc driver.Conn, query string, w *CopyWriter, write func(*CopyWriter) error) error {
	prepared, err := dc.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	stmt, ok := prepared.(copyStmt)
	if !ok {
		return errors.Join(errors.New("the driver cannot stream COPY"), prepared.Close())
	}
	// The driver's own watch would start a goroutine per chunk and could not end a stalled write; cutting the socket ends both directions.
	stop := context.AfterFunc(ctx, func() { cut(dc) })
	defer stop()
	w.send = func(chunk []byte) error {
		// The driver adds the last line's end itself and copies the text before it returns.
		_, err := stmt.CopyData(context.Background(), unsafe.String(unsafe.SliceData(chunk), len(chunk)-1))
		return err
	}
	err = write(w)
	if err == nil {
		err = w.flush()
	}
	if err != nil && !isServerError(err) {
		// Closing the statement would complete the COPY and wait for it. Nothing of it is wanted: cut, and let the server roll back.
		cut(dc)
	}
	closeErr := stmt.Close()
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	if err == nil || errors.Is(err, driver.ErrBadConn) && isServerError(closeErr) {
		return closeErr
	}
	return err
}

func isServerError(err error) bool {
	var pe *pq.Error
	return errors.As(err, &pe)
}

func copyQuery(table string, cols []string) string {
	var b strings.Builder
	b.WriteString("COPY ")
	for i, part := range strings.Split(table, ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(pq.QuoteIdentifier(part))
	}
	for i, col := range cols {
		b.WriteString([]string{"(", ", "}[min(i, 1)])
		b.WriteString(pq.QuoteIdentifier(col))
	}
	b.WriteString(") FROM STDIN")
	return b.String()
}

// flush hands the collected lines on.
func (w *CopyWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	err := w.send(w.buf)
	w.buf = w.buf[:0]
	return err
}
