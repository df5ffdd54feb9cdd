package salesforce

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// readCSV reads all rows, the header first, copied.
func readCSV(c *CSVReader) ([][]string, error) {
	header, err := c.Header()
	if err != nil {
		return nil, err
	}
	rows := [][]string{header}
	for {
		fields, err := c.Next()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		row := make([]string, len(fields))
		for i, f := range fields {
			row[i] = string(f)
		}
		rows = append(rows, row)
	}
}

func TestCSVReaderValid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     [][]string
	}{
		{"header only", "\"Id\",\"Name\"\n", [][]string{{"Id", "Name"}}},
		{"quoted", "\"Id\",\"Name\"\n\"1\",\"a\"\n\"2\",\"\"\n", [][]string{{"Id", "Name"}, {"1", "a"}, {"2", ""}}},
		{"carriage returns", "\"Id\",\"Name\"\r\n\"1\",\"a\"\r\n", [][]string{{"Id", "Name"}, {"1", "a"}}},
		{"line breaks inside values are kept", "\"Id\",\"N\"\n\"1\",\"a\r\nb\nc\"\n", [][]string{{"Id", "N"}, {"1", "a\r\nb\nc"}}},
		{"doubled quotes", "\"I\"\n\"\"\"\"\n\"a\"\"b\"\"\"\"c\"\n", [][]string{{"I"}, {`"`}, {`a"b""c`}}},
		{"commas inside values", "\"A\",\"B\"\n\"1,2\",\",\"\n", [][]string{{"A", "B"}, {"1,2", ","}}},
		{"bare values", "A,B\n1,\n,2\r\n", [][]string{{"A", "B"}, {"1", ""}, {"", "2"}}},
		{"no line break at the end", "\"A\",\"B\"\n\"1\",\"2\"", [][]string{{"A", "B"}, {"1", "2"}}},
		{"empty lines are skipped", "\"A\"\n\n\"1\"\n\r\n\"2\"\n\n", [][]string{{"A"}, {"1"}, {"2"}}},
		{"one empty value", "\"A\"\n\"\"\n", [][]string{{"A"}, {""}}},
		{"bytes that are no text", "\"A\"\n\"\x00\xff\xfe\\.\"\n", [][]string{{"A"}, {"\x00\xff\xfe\\."}}},
		{"parent path in the header", "\"Account.Name\"\n\"x\"\n", [][]string{{"Account.Name"}, {"x"}}},
	}
	for _, tt := range tests {
		for chunk, r := range map[string]io.Reader{"whole": strings.NewReader(tt.in), "bytewise": iotest.OneByteReader(strings.NewReader(tt.in)),
			"data with EOF": iotest.DataErrReader(strings.NewReader(tt.in))} {
			got, err := readCSV(NewCSVReader(r))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s, %s: got %q, %v; want %q", tt.name, chunk, got, err, tt.want)
			}
		}
	}
}

func TestCSVReaderMalformed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		row      int64
		column   int
		is       error // nil for wrong syntax
	}{
		{"nothing", "", 0, 0, ErrTruncated},
		{"ends in the header", "\"Id\",\"Na", 0, 2, ErrTruncated},
		{"ends inside quotes", "\"A\",\"B\"\n\"1\",\"2\"\n\"3\",\"4", 2, 2, ErrTruncated},
		{"ends between values", "\"A\",\"B\",\"C\"\n\"1\",\"2\"", 1, 0, ErrTruncated},
		{"ends inside quotes after a line break", "\"A\"\n\"1\n", 1, 1, ErrTruncated},
		{"ends behind a comma", "\"A\",\"B\"\n\"1\",", 1, 2, ErrTruncated},
		{"ends behind a bare value", "A,B\n1,2", 1, 2, ErrTruncated},
		{"too few fields", "\"A\",\"B\"\n\"1\"\n\"1\",\"2\"\n", 1, 0, nil},
		{"too many fields", "\"A\"\n\"1\",\"2\"\n\"3\"\n", 1, 0, nil},
		{"quote not doubled", "\"A\"\n\"a\"b\"\n", 1, 1, nil},
		{"quote not doubled before a lone carriage return", "\"A\"\n\"a\"\rb\n", 1, 1, nil},
		{"quote in a bare value", "\"A\"\na\"b\n", 1, 1, nil},
		{"blank before the quote", "\"A\",\"B\"\n\"1\", \"2\"\n", 1, 2, nil},
	}
	for _, tt := range tests {
		for chunk, r := range map[string]io.Reader{"whole": strings.NewReader(tt.in), "bytewise": iotest.OneByteReader(strings.NewReader(tt.in))} {
			c := NewCSVReader(r)
			_, err := readCSV(c)
			var e *CSVError
			if !errors.As(err, &e) || e.Row != tt.row || e.Column != tt.column {
				t.Errorf("%s, %s: got %v; want row %d, column %d", tt.name, chunk, err, tt.row, tt.column)
				continue
			}
			if tt.is == nil && e.Err != nil || tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%s, %s: cause %v; want %v", tt.name, chunk, e.Err, tt.is)
			}
			if _, again := c.Next(); again != err {
				t.Errorf("%s, %s: the error is not final: %v", tt.name, chunk, again)
			}
		}
	}
}

// Every proper prefix of a stream either is an error or ends where a row ends. A cut between two names of the header cannot be told from a shorter header;
// the number of rows that Salesforce announces does.
func TestCSVReaderCutAnywhere(t *testing.T) {
	t.Parallel()
	const whole = "\"Id\",\"Name\",\"Note\"\n\"1\",\"a\"\"b\",\"x\ny\"\n\"2\",\"\",\"z\"\n"
	want, err := readCSV(NewCSVReader(strings.NewReader(whole)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		got, err := readCSV(NewCSVReader(strings.NewReader(whole[:n])))
		if err != nil {
			if !errors.Is(err, ErrTruncated) {
				t.Errorf("cut at %d: %v is not ErrTruncated", n, err)
			}
			continue
		}
		if len(got) > 1 && !reflect.DeepEqual(got, want[:len(got)]) {
			t.Errorf("cut at %d: read %q", n, got)
		}
	}
}

func TestCSVReaderLimits(t *testing.T) {
	t.Parallel()
	field := strings.Repeat("x", 1000)
	long := "\"A\",\"B\"\n\"" + field + "\",\"" + field + "\"\n"
	endless := func() io.Reader {
		return io.MultiReader(strings.NewReader("\"A\"\n\""), &repeating{text: strings.Repeat("x", 4096)})
	}
	wide := func() io.Reader {
		return io.MultiReader(strings.NewReader("\"A\"\n"), &repeating{text: strings.Repeat(`"xxxxxxxx",`, 400)})
	}
	tests := []struct {
		name            string
		in              io.Reader
		field, row      int
		wantErr, column bool
	}{
		{"at the limits", strings.NewReader(long), 1000, len(long), false, false},
		{"field above its limit", strings.NewReader(long), 999, DefaultMaxRow, true, true},
		{"row above its limit", strings.NewReader(long), DefaultMaxField, 1500, true, false},
		{"field without end", endless(), DefaultMaxField, DefaultMaxRow, true, true},
		{"row without end", wide(), DefaultMaxField, DefaultMaxRow, true, false},
	}
	for _, tt := range tests {
		c := NewCSVReader(tt.in)
		c.MaxField, c.MaxRow = tt.field, tt.row
		_, err := readCSV(c)
		var e *CSVError
		if tt.wantErr != errors.Is(err, ErrTooLarge) || tt.wantErr && (!errors.As(err, &e) || (e.Column > 0) != tt.column || e.Row != 1) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if len(c.buf) > 2*(DefaultMaxRow+csvBuffer) {
			t.Errorf("%s: the buffer grew to %d bytes", tt.name, len(c.buf))
		}
	}
}

// repeating is a text without end.
type repeating struct {
	text string
	at   int
}

func (r *repeating) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	return n, nil
}

func TestCSVReaderPassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := &NetworkError{Method: "GET", Path: "/x", Err: ErrStalled}
	c := NewCSVReader(io.MultiReader(strings.NewReader("\"A\"\n\"1\"\n\"2"), iotest.ErrReader(broken)))
	rows, err := readCSV(c)
	if len(rows) != 2 || c.Row() != 1 || !errors.Is(err, ErrStalled) || !IsTransient(err) {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	_, err = readCSV(NewCSVReader(io.MultiReader(strings.NewReader("\"A\"\n\"1\"\n"), iotest.ErrReader(io.ErrUnexpectedEOF))))
	if !errors.Is(err, ErrTruncated) {
		t.Errorf("unexpected end is %v", err)
	}
}

// reluctant returns nothing a few times before each read, as io.Reader permits.
type reluctant struct {
	r     io.Reader
	empty int
}

func (r *reluctant) Read(p []byte) (int, error) {
	if r.empty++; r.empty%4 != 0 {
		return 0, nil
	}
	return r.r.Read(p)
}

type silent struct{}

func (silent) Read([]byte) (int, error) { return 0, nil }

func TestCSVReaderOfReluctantReader(t *testing.T) {
	t.Parallel()
	rows, err := readCSV(NewCSVReader(&reluctant{r: strings.NewReader("\"A\"\n\"1\"\n")}))
	if err != nil || len(rows) != 2 {
		t.Errorf("%q, %v", rows, err)
	}
	if _, err := readCSV(NewCSVReader(silent{})); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never gives anything: %v", err)
	}
}

func TestCSVReaderAllocatesNothingPerRow(t *testing.T) {
	c := NewCSVReader(&repeating{text: benchmarkRows(100)})
	if _, err := c.Header(); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(5000, func() {
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per row", n)
	}
}

// FuzzCSVReader holds three laws over any bytes: reading in other chunks changes nothing; what both this reader and encoding/csv accept they read alike;
// and what was written with every value quoted is read back.
func FuzzCSVReader(f *testing.F) {
	for _, s := range []string{"\"Id\",\"Name\"\n\"1\",\"a\"\"b\"\n", "a,b\r\n1,2\r\n", "\"x\ny\"\n\"\"\n", "\"A\"\n\"", "\"a\"\r", "a\r", "\"a\",\n", "\n\n\"a\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readCSV(NewCSVReader(bytes.NewReader(in)))
		slow, slowErr := readCSV(NewCSVReader(iotest.OneByteReader(bytes.NewReader(in))))
		if !reflect.DeepEqual(got, slow) || fmt.Sprint(err) != fmt.Sprint(slowErr) {
			t.Fatalf("whole: %q, %v; bytewise: %q, %v", got, err, slow, slowErr)
		}
		peer, peerErr := csv.NewReader(bytes.NewReader(in)).ReadAll()
		if err == nil && peerErr == nil && !reflect.DeepEqual(breaks(got), peer) {
			t.Fatalf("got %q, encoding/csv %q", got, peer)
		}
		if err != nil && peerErr == nil && len(peer) > 0 && !errors.Is(err, ErrTruncated) {
			t.Fatalf("refused with %v what encoding/csv reads as %q", err, peer)
		}

		want := records(in)
		var text bytes.Buffer
		for _, row := range want {
			for i, v := range row {
				if i > 0 {
					text.WriteByte(',')
				}
				text.WriteString(`"` + strings.ReplaceAll(v, `"`, `""`) + `"`)
			}
			text.WriteByte('\n')
		}
		back, err := readCSV(NewCSVReader(iotest.HalfReader(bytes.NewReader(text.Bytes()))))
		if err != nil || !reflect.DeepEqual(back, want) {
			t.Fatalf("wrote %q, read %q, %v", want, back, err)
		}
	})
}

// records makes a table of two columns out of any bytes.
func records(in []byte) [][]string {
	rows := [][]string{}
	for len(rows) == 0 || len(in) > 0 {
		a := min(len(in), 1+len(in)%7)
		b := min(len(in), a+len(in)%5)
		rows = append(rows, []string{string(in[:a]), string(in[a:b])})
		in = in[b:]
	}
	return rows
}

// breaks undoes the one thing that encoding/csv does to values.
func breaks(rows [][]string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		out[i] = make([]string, len(row))
		for j, v := range row {
			out[i][j] = strings.ReplaceAll(v, "\r\n", "\n")
		}
	}
	return out
}

// benchmarkRows is CSV of 20 columns as the Bulk API writes accounts, about 277 bytes a row.
func benchmarkRows(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\"001D0000%07dIAA\",\"Meridian Logistics %d\",\"Customer\",\"Transportation\",\"%d.0\",\"%d\",\"+1 555 %07d\",\"\",\"https://www.meridian-%d.example\",\"%d Harbour Road\","+
			"\"Rotterdam\",\"\",\"%05d\",\"Netherlands\",\"005D0000000a1b2IAA\",\"false\",\"2026-01-%02dT10:00:00.000Z\",\"2026-02-%02dT11:30:15.000Z\",\"\",\"Hot\"\n",
			i, i, i*1000, i%900, i, i, i%200, i%99999, i%28+1, i%28+1)
	}
	return b.String()
}

func BenchmarkCSVReader(b *testing.B) {
	text := benchmarkRows(100_000)
	b.Run("this", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			c := NewCSVReader(strings.NewReader(text))
			for {
				if _, err := c.Next(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("encoding-csv", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			r := csv.NewReader(strings.NewReader(text))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
