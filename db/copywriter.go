package db

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// CopyWriter builds rows in the COPY text format in one reused buffer. A row is its fields in column order, then EndRow.
type CopyWriter struct {
	ctx     context.Context // of the COPY: rows stop when it ends
	send    func(chunk []byte) error
	chunk   int // bytes that are collected before they are sent
	columns []string
	fixed   []byte    // what ends each row: the fields of the last columns, which are the same in all rows
	hash    *lineHash // of what stands before the column that it fills; nil for none
	buf     []byte
	row     int // where the row in progress starts in buf
	field   int // index of the next field
	rows    int64
	bad     *FieldError
}

// Fix gives the last columns the same values in all rows. Rows are then written without them.
func (w *CopyWriter) Fix(values []string) {
	columns := w.columns[:len(w.columns)-len(values)]
	w.fixed = fixedFields(values)
	w.columns = columns
}

// Hash fills the last column, or the last before those that Fix was told of, with the hash of what stands before it. Rows are then written without it.
func (w *CopyWriter) Hash(h lineHash) {
	w.hash, w.columns = &h, w.columns[:len(w.columns)-1]
}

// fixedFields are values as the end of a row.
func fixedFields(values []string) []byte {
	w := CopyWriter{columns: values, field: 1}
	for _, v := range values {
		w.String(v)
	}
	return w.buf
}

// FieldError reports a value that Postgres cannot hold. Its row is left out and the COPY goes on.
type FieldError struct {
	Column string
	Reason string
}

// Error implements error.
func (e *FieldError) Error() string { return fmt.Sprintf("column %s: %s", e.Column, e.Reason) }

// Rows returns how many rows have been written.
func (w *CopyWriter) Rows() int64 { return w.rows }

// Null writes a NULL.
func (w *CopyWriter) Null() {
	w.delimit()
	w.buf = append(w.buf, '\\', 'N')
}

// String writes a text field.
func (w *CopyWriter) String(field string) {
	w.Bytes(unsafe.Slice(unsafe.StringData(field), len(field)))
}

// Bytes writes a text field. A NUL byte or invalid UTF-8 spoils the row, which EndRow reports.
func (w *CopyWriter) Bytes(field []byte) {
	w.delimit()
	w.escape(field)
}

func (w *CopyWriter) delimit() {
	if w.field > 0 {
		w.buf = append(w.buf, '\t')
	}
	w.field++
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether none of eight bytes is special.
func plain(eight []byte) bool {
	v := binary.LittleEndian.Uint64(eight)
	slash := v ^ (ones * '\\')
	return (v|(v-ones*0x20)&^v|(slash-ones)&^slash)&highs == 0
}

// escape appends field, eight bytes at a time where none of them is special. The last eight may be looked at twice.
func (w *CopyWriter) escape(field []byte) {
	start, i, ascii := 0, 0, true
	for i < len(field) {
		if next := min(i+8, len(field)); next >= 8 && plain(field[next-8:]) {
			i = next
			continue
		}
		var sub byte
		switch c := field[i]; {
		case c >= utf8.RuneSelf:
			ascii = false
			i++
			continue
		case c == '\\':
			sub = '\\'
		case c == '\t':
			sub = 't'
		case c == '\n':
			sub = 'n'
		case c == '\r':
			sub = 'r'
		case c == 0:
			w.spoil("contains a NUL character, which Postgres cannot store")
			return
		default:
			i++
			continue
		}
		w.buf = append(append(w.buf, field[start:i]...), '\\', sub)
		i++
		start = i
	}
	if !ascii && !utf8.Valid(field) {
		w.spoil("is not valid UTF-8")
		return
	}
	w.buf = append(w.buf, field[start:]...)
}

// copyValues undoes escape.
var copyValues = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r")

// unescape returns the value of a field of COPY text.
func unescape(field []byte) []byte {
	if bytes.IndexByte(field, '\\') < 0 {
		return field
	}
	return []byte(copyValues.Replace(string(field)))
}

func (w *CopyWriter) spoil(reason string) {
	if w.bad == nil && w.field <= len(w.columns) {
		w.bad = &FieldError{Column: w.columns[w.field-1], Reason: reason}
	}
}

// EndRow completes the row. It returns a *FieldError when a value cannot be stored: that row is left out and writing may go on. Any other error
// ends the COPY, and the write function returns it.
func (w *CopyWriter) EndRow() error {
	fields, bad := w.field, w.bad
	w.field, w.bad = 0, nil
	if bad != nil {
		w.buf = w.buf[:w.row]
		return bad
	}
	if fields != len(w.columns) {
		w.buf = w.buf[:w.row]
		return fmt.Errorf("a row has %d fields for %d columns", fields, len(w.columns))
	}
	return w.endLine()
}

// Line writes a whole row that is already in the COPY text format, without its line end, and without what ends each row.
func (w *CopyWriter) Line(line []byte) error {
	w.buf = append(w.buf, line...)
	return w.endLine()
}

func (w *CopyWriter) endLine() error {
	if w.hash != nil {
		line := w.buf[w.row:]
		w.buf = w.hash.append(append(w.buf, '\t'), line)
	}
	w.buf = append(w.buf, w.fixed...)
	w.buf = append(w.buf, '\n')
	w.rows++
	if len(w.buf) >= w.chunk {
		if err := w.flush(); err != nil {
			w.row = len(w.buf)
			return err
		}
	}
	w.row = len(w.buf)
	return nil
}
