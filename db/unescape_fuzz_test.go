package db_test

import (
	"bytes"
	"testing"

	"millrace/db"
)

// FuzzUnescape writes two fields as COPY text and reads them from their line again.
func FuzzUnescape(f *testing.F) {
	for _, field := range []string{"", "plain", `\N`, `back\slash`, "tab\tand\r\nlines", `\\t is no tab`, "end\\", "žluťoučký kůň \U0001F40E", "\v\b\f"} {
		f.Add([]byte(field), []byte("second"))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		line, err := db.CopyLine(a, b)
		if err != nil {
			t.Skip("Postgres cannot hold it")
		}
		first, second, ok := bytes.Cut(line, []byte{'\t'})
		if !ok || bytes.ContainsAny(line, "\n\r") || bytes.Count(line, []byte{'\t'}) != 1 {
			t.Fatalf("%q and %q are the line %q", a, b, line)
		}
		if string(first) == `\N` || string(second) == `\N` {
			t.Errorf("%q and %q are the line %q, with a field that is NULL", a, b, line)
		}
		if got := db.Unescape(first); !bytes.Equal(got, a) {
			t.Errorf("%q comes back as %q", a, got)
		}
		if got := db.Unescape(second); !bytes.Equal(got, b) {
			t.Errorf("%q comes back as %q", b, got)
		}
	})
}
