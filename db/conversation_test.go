package db_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"millrace/db"
	"millrace/pipeline"
)

// TestLongConversations reads conversations of several lengths: of each no more than 100,000 characters, the newest, with the message cut that is only partly within them. A further message has it read anew, whatever of it
// is looked at.
func TestLongConversations(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	if _, _, err := d.RequestRun(t.Context(), c.ID, pipeline.EntityCases, db.TriggerManual, &u.ID); err != nil {
		t.Fatal(err)
	}
	run, err := d.Claim(t.Context(), "test", time.Hour)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	store := d.RunStore(run)
	type message struct {
		text     string
		length   int // so often the text
		incoming bool
	}
	type said struct {
		text   string
		length int
	}
	talks := []struct {
		name     string
		messages []message // oldest first
		want     []said
	}{
		{"short", []message{{"a", 10, false}, {"", 0, false}, {"b", 20, false}}, []said{{"a", 10}, {"", 0}, {"b", 20}}},
		{"one of more than all", []message{{"a", 150_000, false}}, []said{{"a", 100_000}}},
		{"the oldest is cut", []message{{"a", 60_000, false}, {"b", 70_000, false}, {"c", 10_000, false}}, []said{{"a", 20_000}, {"b", 70_000}, {"c", 10_000}}},
		{"just within", []message{{"a", 40_000, false}, {"b", 60_000, false}}, []said{{"a", 40_000}, {"b", 60_000}}},
		{"older ones are left out", []message{{"a", 5, false}, {"b", 60_000, false}, {"c", 100_000, false}}, []said{{"c", 100_000}}},
		{"many", []message{{"a", 100_000, false}, {"b", 100_000, false}, {"c", 100_000, false}, {"d", 99_999, false}}, []said{{"c", 1}, {"d", 99_999}}},
		{"characters, not bytes", []message{{"ü", 70_000, false}, {"€", 70_000, false}}, []said{{"ü", 30_000}, {"€", 70_000}}},
		{"customers' own", []message{{"a", 60_000, true}, {"b", 90_000, false}, {"c", 60_000, true}, {"d", 90_000, false}}, []said{{"a", 40_000}, {"c", 60_000}}},
	}
	say := func(talk, number int, m message) {
		exec(t, d, `INSERT INTO millrace.case_messages (connection_id, sf_id, source, case_id, body, is_incoming, sent_at, first_seen_run, last_seen_run)
			VALUES ($1, $2, 'email', $3, nullif(repeat($4, $5), ''), $6, '2026-01-01'::timestamptz + $7 * interval '1 minute', 1, 1)`,
			c.ID, fmt.Sprintf("02s0000%02d%06dAAA", talk, number), fmt.Sprintf("5000000000000%02dAAA", talk), m.text, m.length, m.incoming, number)
	}
	for i, talk := range talks {
		exec(t, d, `INSERT INTO millrace.cases (connection_id, sf_id, first_seen_run, last_seen_run) VALUES ($1, $2, 1, 1)`, c.ID, fmt.Sprintf("5000000000000%02dAAA", i))
		for number, m := range talk.messages {
			say(i, number, m)
		}
	}
	read := func() []pipeline.Conversation {
		t.Helper()
		found, err := store.Conversations(t.Context(), pipeline.WantedConversations{Methods: []string{pipeline.SentimentMethod}, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	found := read()
	if len(found) != len(talks) {
		t.Fatalf("%d of %d conversations were read", len(found), len(talks))
	}
	var all []pipeline.Sentiment
	for i, talk := range talks {
		var got, want []string
		for _, text := range found[i].Texts {
			first, _ := utf8.DecodeRuneInString(text)
			got = append(got, fmt.Sprintf("%d of %q", utf8.RuneCountInString(text), strings.Trim(string(first), "\uFFFD")))
		}
		for _, w := range talk.want {
			want = append(want, fmt.Sprintf("%d of %q", w.length, w.text))
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") || found[i].Messages != len(talk.messages) {
			t.Errorf("%s: of %d messages %v, want %v", talk.name, found[i].Messages, got, want)
		}
		all = append(all, pipeline.Sounds(found[i]))
	}
	if err := store.SaveSentiments(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if again := read(); len(again) != 0 {
		t.Errorf("%d conversations are read again", len(again))
	}
	// An older message that is beyond what is looked at, and one that is new.
	say(6, 9, message{"n", 5, false})
	exec(t, d, `UPDATE millrace.case_messages SET last_seen_run = $1 WHERE sf_id = '02s000004000000AAA'`, run.ID+1)
	if again := read(); len(again) != 2 || again[0].CaseID != "500000000000004AAA" || again[1].Messages != 3 || !strings.HasPrefix(again[1].Texts[len(again[1].Texts)-1], "nnnnn") {
		t.Errorf("of a message that has changed and one that is new %d conversations are read again", len(again))
	}
}
