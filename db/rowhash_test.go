package db_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lib/pq"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/pipeline"
)

// TestRowHash has Postgres hash the same rows: texts of all lengths, nothing, and times.
func TestRowHash(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "abcdefghijklmnopqrstuvwxyzäöü€ \\\t{}\""
	for n := range 60 {
		seed := random.Uint64() * uint64(min(n, 1)) // the first is 0
		var text []byte
		for len(text) < n {
			text = append(text, letters[random.IntN(26)])
		}
		text = append(text, letters[26:]...)
		text = text[len(text)-len(letters[26:])-n:]
		if n%2 == 0 {
			text = text[:n]
		}
		got := db.HashRow(seed, text, nil, []byte("x"), text)
		if want := get[int64](t, d, `SELECT hash_record_extended(ROW($1::text COLLATE "C", NULL::text, 'x'::text, $1::text), $2)`, string(text), int64(seed)); int64(got) != want {
			t.Errorf("%q with seed %d: %d, want %d", text, int64(seed), int64(got), want)
		}
	}
	for text, ok := range map[string]bool{
		"2026-11-28T14:05:59.123Z": true, "1969-12-31T23:59:59.999999+0000": true, "2000-01-01T00:00:00+00:00": true, "0001-01-01T00:00:00Z": true, "9999-12-31T23:59:59.9Z": true,
		"2024-02-29T12:00:00.000+0000": true, "2024-02-29T12:00:00+0200": false, "2024-02-29T12:00:00.1234567Z": false, "2024-02-29T12:00": false,
	} {
		sent, is := db.SentTime(text)
		if is != ok {
			t.Errorf("%s: ok is %t", text, is)
		}
		if !ok {
			continue
		}
		got := db.HashRow(7, sent)
		if want := get[int64](t, d, `SELECT hash_record_extended(ROW(timestamptz_send($1::text::timestamptz)), 7)`, text); int64(got) != want {
			t.Errorf("%s: %d, want %d", text, int64(got), want)
		}
	}
}

// TestHashOfLine has Postgres hash a row that came as a line.
func TestHashOfLine(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	line := []byte(`0015g00000ordt1AAA` + "\t" + `back\\slash\tand\nline` + "\t" + `\N` + "\t" + `2026-11-28T14:05:59.123Z` + "\t" + `12.50` + "\t" + `t` + "\t")
	got, ok := db.HashLine(9, line, pipeline.Text, pipeline.Text, pipeline.DateTime, pipeline.Number, pipeline.Text, pipeline.Text)
	want := get[int64](t, d, `SELECT hash_record_extended(ROW($1::text, NULL::text, timestamptz_send('2026-11-28 14:05:59.123+00'), 12.50::numeric::text, 't'::text, ''::text), 9)`, "back\\slash\tand\nline")
	if !ok || int64(got) != want {
		t.Errorf("the hash is %d (%t), want %d", int64(got), ok, want)
	}
	if _, ok := db.HashLine(9, []byte("0015g00000ordt1AAA\t2026-11-28"), pipeline.DateTime); ok {
		t.Error("a time that is written in an unusual way has a hash")
	}
}

// TestIDSum has Postgres sum the hashes of the same ids.
func TestIDSum(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var ids []string
	for n := range 500 {
		ids = append(ids, fmt.Sprintf("0015g0000%06dAAA", n*n*7919%1_000_000))
		if n != 0 && n != 1 && n != 499 {
			continue
		}
		if got, want := db.SumOfIDs(ids...), get[string](t, d, `SELECT sum(hashtextextended(id, 0))::text FROM unnest($1::text[]) AS i (id)`, pq.Array(ids)); got != want {
			t.Errorf("the sum of %d ids is %s, want %s", len(ids), got, want)
		}
	}
	if got := db.SumOfIDs(); got != "0" {
		t.Errorf("the sum of no ids is %s", got)
	}
}
