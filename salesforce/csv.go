package salesforce

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// DefaultMaxField is the default limit of a CSV field in bytes: sixteen times the longest text that Salesforce stores.
	DefaultMaxField = 2 << 20
	// DefaultMaxRow is the default limit of a CSV row in bytes.
	DefaultMaxRow = 16 << 20

	csvBuffer = 256 << 10
)

// CSVError is a malformed or cut row. Err is ErrTruncated, ErrTooLarge, the error of the underlying reader, or nil for wrong syntax.
type CSVError struct {
	Row    int64 // 1 for the first row after the header; 0 for the header
	Column int   // field of the row, from 1; 0 when it concerns the row
	Reason string
	Err    error
}

func (e *CSVError) Error() string {
	where := fmt.Sprintf("row %d", e.Row)
	if e.Row == 0 {
		where = "header"
	}
	if e.Column > 0 {
		where += fmt.Sprintf(", field %d", e.Column)
	}
	if e.Err != nil && e.Reason == "" {
		return fmt.Sprintf("salesforce: CSV %s: %v", where, e.Err)
	}
	return fmt.Sprintf("salesforce: CSV %s: %s", where, e.Reason)
}

// Unwrap returns Err.
func (e *CSVError) Unwrap() error { return e.Err }

// CSVReader reads the CSV of bulk results: RFC 4180, comma separated, usually every value quoted, with quotes doubled and line breaks kept inside
// values. Unlike encoding/csv it hands out bytes without copying them, leaves "\r\n" inside values alone, and takes a stream that ends in the middle of a
// row, or right behind a value without quotes, for truncated. It holds one row in memory, at most MaxRow bytes. It is not safe for concurrent use.
type CSVReader struct {
	MaxField, MaxRow int // in bytes; may be changed before the first read

	r      io.Reader
	buf    []byte
	start  int // of the current row in buf
	end    int // of the data in buf
	eof    bool
	bounds []int // begin and end of each field of the row, from the row's start
	fields [][]byte
	header []string
	row    int64 // rows returned, without the header
	err    error
}

// NewCSVReader makes a reader of r.
func NewCSVReader(r io.Reader) *CSVReader {
	return &CSVReader{MaxField: DefaultMaxField, MaxRow: DefaultMaxRow, r: r}
}

// Header returns the names in the first line, reading it when that has not happened yet. An empty stream is ErrTruncated: Salesforce sends a header
// even where no row follows. Errors are *CSVError.
func (c *CSVReader) Header() ([]string, error) {
	if c.header != nil || c.err != nil {
		return c.header, c.err
	}
	fields, err := c.read()
	if err == io.EOF {
		err = c.fail(0, "", ErrTruncated)
	}
	if err != nil {
		c.err = err
		return nil, err
	}
	c.header = make([]string, len(fields))
	for i, f := range fields {
		c.header[i] = string(f)
	}
	return c.header, nil
}

// Next returns the next row after the header, or io.EOF after the last. The fields are valid until the following call and must not be changed. A row
// with another number of fields than the header is an error. Other errors are *CSVError; every error is final.
func (c *CSVReader) Next() ([][]byte, error) {
	if _, err := c.Header(); err != nil {
		return nil, err
	}
	c.row++
	fields, err := c.read()
	if err == nil && len(fields) != len(c.header) {
		cause := error(nil)
		if c.eof && c.start == c.end {
			cause = ErrTruncated // the stream ended right behind a value
		}
		err = c.fail(0, fmt.Sprintf("%d fields where the header has %d", len(fields), len(c.header)), cause)
	}
	if err != nil {
		c.row--
		c.err = err
		return nil, err
	}
	return fields, nil
}

// Row is the number of rows that Next returned.
func (c *CSVReader) Row() int64 { return c.row }

func (c *CSVReader) fail(column int, reason string, err error) error {
	return &CSVError{Row: c.row, Column: column, Reason: reason, Err: err}
}

// read takes one row from the buffer, filling it as needed. All positions are counted from the row's start, so that they hold when a fill moves the row.
func (c *CSVReader) read() ([][]byte, error) {
	c.bounds = c.bounds[:0]
	if err := c.skipEmptyLines(); err != nil {
		return nil, err
	}
	row, pos := c.buf[c.start:c.end], 0
	for {
		// pos is at the beginning of a field.
		for pos >= len(row) && !c.eof {
			var err error
			if row, err = c.fill(pos); err != nil {
				return nil, err
			}
		}
		var next int
		var last bool
		var err error
		if pos < len(row) && row[pos] == '"' {
			row, next, last, err = c.quoted(row, pos)
		} else {
			row, next, last, err = c.bare(row, pos)
		}
		if err != nil {
			return nil, err
		}
		if n := len(c.bounds); c.bounds[n-1]-c.bounds[n-2] > c.MaxField {
			return nil, c.fail(n/2, fmt.Sprintf("the field is longer than %d bytes", c.MaxField), ErrTooLarge)
		}
		pos = next
		if last {
			break
		}
	}
	if pos > c.MaxRow {
		return nil, c.fail(0, fmt.Sprintf("the row is longer than %d bytes", c.MaxRow), ErrTooLarge)
	}
	c.fields = c.fields[:0]
	for i := 0; i < len(c.bounds); i += 2 {
		c.fields = append(c.fields, row[c.bounds[i]:c.bounds[i+1]])
	}
	c.start += pos
	return c.fields, nil
}

// quoted reads the field whose opening quote is at pos. It returns the row, which a fill may have moved, the position after the separator, and whether the
// field was the row's last.
func (c *CSVReader) quoted(row []byte, pos int) (_ []byte, next int, last bool, err error) {
	begin := pos + 1
	at := begin
	doubled := false
	for {
		i := bytes.IndexByte(row[at:], '"')
		if i < 0 {
			at = len(row)
			if c.eof {
				return nil, 0, false, c.fail(c.column(), "", ErrTruncated)
			}
			if row, err = c.fill(begin); err != nil {
				return nil, 0, false, err
			}
			continue
		}
		at += i + 1 // after the quote
		for at >= len(row) && !c.eof {
			if row, err = c.fill(begin); err != nil {
				return nil, 0, false, err
			}
		}
		stop := at - 1
		switch {
		case at < len(row) && row[at] == ',':
			c.add(row, begin, stop, doubled)
			return row, at + 1, false, nil
		case at < len(row) && row[at] == '\n':
			c.add(row, begin, stop, doubled)
			return row, at + 1, true, nil
		case at < len(row) && row[at] == '"':
			doubled = true
			at++
			continue
		case at < len(row) && row[at] == '\r':
			for at+1 >= len(row) && !c.eof {
				if row, err = c.fill(begin); err != nil {
					return nil, 0, false, err
				}
			}
			if at+1 >= len(row) || row[at+1] == '\n' {
				c.add(row, begin, stop, doubled)
				return row, min(at+2, len(row)), true, nil
			}
		case at >= len(row):
			c.add(row, begin, stop, doubled)
			return row, at, true, nil
		}
		return nil, 0, false, c.fail(c.column(), "a quote inside the value is not doubled", nil)
	}
}

// bare reads a field without quotes, as quoted does.
func (c *CSVReader) bare(row []byte, pos int) (_ []byte, next int, last bool, err error) {
	for at := pos; ; at++ {
		for at >= len(row) && !c.eof {
			if row, err = c.fill(pos); err != nil {
				return nil, 0, false, err
			}
		}
		stop := at
		switch {
		case at >= len(row):
			// Nothing tells a whole value from a cut one here.
			return nil, 0, false, c.fail(c.column(), "", ErrTruncated)
		case row[at] == ',':
			next = at + 1
		case row[at] == '\n':
			last, next = true, at+1
		case row[at] == '"':
			return nil, 0, false, c.fail(c.column(), "a quote stands inside a value without quotes", nil)
		default:
			continue
		}
		if last && stop > pos && row[stop-1] == '\r' {
			stop--
		}
		c.add(row, pos, stop, false)
		return row, next, last, nil
	}
}

// column is the number of the field that is being read.
func (c *CSVReader) column() int { return len(c.bounds)/2 + 1 }

// add notes a finished field and halves its doubled quotes in place.
func (c *CSVReader) add(row []byte, begin, end int, doubled bool) {
	if doubled {
		to := begin
		for from := begin; from < end; {
			i := bytes.IndexByte(row[from:end], '"')
			if i < 0 {
				to += copy(row[to:], row[from:end])
				break
			}
			to += copy(row[to:], row[from:from+i+1])
			from += i + 2
		}
		end = to
	}
	c.bounds = append(c.bounds, begin, end)
}

// skipEmptyLines moves start to the next row, or returns io.EOF. A row of one empty value is written "" by Salesforce, never as an empty line.
func (c *CSVReader) skipEmptyLines() error {
	for {
		switch data := c.buf[c.start:c.end]; {
		case len(data) > 0 && data[0] == '\n':
			c.start++
		case len(data) > 1 && data[0] == '\r' && data[1] == '\n':
			c.start += 2
		case len(data) > 1 || len(data) == 1 && data[0] != '\r':
			return nil
		case c.eof:
			return io.EOF
		default:
			if _, err := c.fill(0); err != nil {
				return err
			}
		}
	}
}

// fill reads more bytes and returns the row as far as it is there. field is where the field being read begins. The row moves to the beginning of the
// buffer, which grows up to the limits.
func (c *CSVReader) fill(field int) ([]byte, error) {
	n := c.end - c.start
	switch {
	case n-field > c.MaxField+2:
		return nil, c.fail(c.column(), fmt.Sprintf("the field is longer than %d bytes", c.MaxField), ErrTooLarge)
	case n > c.MaxRow:
		return nil, c.fail(0, fmt.Sprintf("the row is longer than %d bytes", c.MaxRow), ErrTooLarge)
	case c.buf == nil:
		c.buf = make([]byte, csvBuffer)
	case n > len(c.buf)/2:
		grown := make([]byte, 2*len(c.buf))
		copy(grown, c.buf[c.start:c.end])
		c.buf, c.start, c.end = grown, 0, n
	case c.start > 0:
		copy(c.buf, c.buf[c.start:c.end])
		c.start, c.end = 0, n
	}
	for range 100 {
		n, err := c.r.Read(c.buf[c.end:])
		c.end += n
		if err == io.EOF {
			c.eof = true
		} else if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = ErrTruncated
			}
			return nil, c.fail(0, "", err)
		}
		if n > 0 || c.eof {
			return c.buf[c.start:c.end], nil
		}
	}
	return nil, c.fail(0, "", io.ErrNoProgress)
}
