package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"millrace/settings"
)

// mails is an answer with emails, the org that is asked for their HTML, and the store that takes them over. It notes the most that is held of them.
type mails struct {
	Source
	Store
	count, every        int    // every so many has no text
	subject, text, html string // of each
	sent, taken         int    // bytes that were read of the answer, and that came to the store
	read, stored        int
	mostHeld, mostAsked int
	queries, whileOpen  int
	closed              bool
	refuse              func(ids int) error
	afford              func(context.Context, int64) error
	seen                map[string]string
	fields, written     [][]byte
}

func (m *mails) Next() ([][]byte, error) {
	if m.read == m.count {
		return nil, io.EOF
	}
	m.read++
	text := []byte(m.text)
	if m.every > 0 && m.read%m.every == 0 {
		text = nil
	}
	m.fields = append(m.fields[:0], fmt.Appendf(nil, "02s%012d", m.read), []byte("500000000000001AAA"), []byte(m.subject), text)
	m.sent += sizeOf(m.fields)
	return m.fields, nil
}

func (m *mails) Rows(_ context.Context, query string) (*Rows, error) {
	ids := regexp.MustCompile(`02s\w{15}`).FindAllString(query, -1)
	if m.queries++; !m.closed {
		m.whileOpen++
	}
	if m.refuse != nil {
		if err := m.refuse(len(ids)); err != nil {
			return nil, err
		}
	}
	m.mostAsked = max(m.mostAsked, len(ids)*len(m.html))
	out := &Rows{}
	for _, id := range ids {
		out.Records = append(out.Records, map[string]any{"Id": id, "HtmlBody": m.html + id})
	}
	return out, nil
}

func (m *mails) CommitPage(ctx context.Context, _ Step, p *Page) error {
	_, err := p.Copy(ctx, m)
	return err
}

func (m *mails) Null()           { m.written = append(m.written, nil) }
func (m *mails) String(s string) { m.Bytes([]byte(s)) }
func (m *mails) Bytes(b []byte)  { m.written = append(m.written, b) }

func (m *mails) EndRow() error {
	m.stored++
	m.mostHeld = max(m.mostHeld, m.sent-m.taken)
	id, text := string(m.written[0]), string(m.written[3])
	if text != m.text {
		m.taken -= len(text) // it did not come with the answer
	}
	m.taken += sizeOf(m.written)
	m.seen[id] = text
	m.written = m.written[:0]
	return nil
}

func sizeOf(fields [][]byte) (size int) {
	for _, f := range fields {
		size += len(f)
	}
	return size
}

// load brings the emails over as one page.
func (m *mails) load(t *testing.T) error {
	t.Helper()
	m.seen = map[string]string{}
	table := messagesOf(settings.EmailMessages, 30)
	p, err := newPage([]string{"Id", "ParentId", "Subject", "TextBody"}, table, m)
	if err != nil {
		t.Fatal(err)
	}
	p.Declared, p.close = int64(m.count), func() error { m.closed = true; return nil }
	j := Work{Source: m, Store: m, Log: slog.New(slog.DiscardHandler), InFlight: new(atomic.Int64), poisoned: new(sync.Map), Afford: m.afford}
	return j.commit(t.Context(), Step{Name: "case_messages", Table: table}, p)
}

// TestEmailsAreNotHeld loads pages of large emails, with and without text: each goes on as it comes but for those that lack it, and no more is held or asked for at a time than some MB, whatever they are. The answer is closed
// before more is asked, unless there is too much to hold.
func TestEmailsAreNotHeld(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 131_000)
	const most = 5 << 20
	for name, m := range map[string]*mails{
		"all have their text":     {count: 200, text: large},
		"few lack it":             {count: 400, every: 50, text: large, html: "<p>Hello</p>"},
		"large HTML":              {count: 300, every: 2, text: "short", html: large},
		"many lack it":            {count: 10_000, every: 1, text: "short", html: "<p>Hello</p>"},
		"many with long subjects": {count: 9_000, every: 1, subject: large[:3_000], html: "<p>Hello</p>"},
	} {
		if err := m.load(t); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if m.mostHeld > most || m.mostAsked > most {
			t.Errorf("%s: %d bytes of emails were held, and %d of HTML asked for at a time", name, m.mostHeld, m.mostAsked)
		}
		if open := m.subject != ""; open != (m.whileOpen > 0) || !m.closed && m.queries > 0 {
			t.Errorf("%s: %d of %d queries were made while the answer was open", name, m.whileOpen, m.queries)
		}
		lacking := 0
		if m.every > 0 {
			lacking = m.count / m.every
		}
		if enough := (lacking + insteadAtOnce - 1) / insteadAtOnce; len(m.html) < 100 && m.queries > enough+1 {
			t.Errorf("%s: %d queries for %d emails", name, m.queries, lacking)
		}
		if m.stored != m.count || len(m.seen) != m.count {
			t.Errorf("%s: %d of %d emails were stored", name, len(m.seen), m.count)
		}
		for id, text := range m.seen {
			n := 0
			if _, err := fmt.Sscanf(id[3:15], "%d", &n); err != nil {
				t.Fatal(err)
			}
			want := m.text
			if m.every > 0 && n%m.every == 0 {
				want = PlainText(m.html + id)
			}
			if text != want {
				t.Fatalf("%s: email %d says %q", name, n, excerpt([]byte(text)))
			}
		}
	}
}

// TestAskingForHTMLFails ends the page with the fault, unless the answer is too large: fewer are asked for then.
func TestAskingForHTMLFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault *Fault
		above int // it comes where more are asked for
		fails bool
	}{
		"refused":          {&Fault{Kind: Refused, Code: "INVALID_FIELD"}, 0, true},
		"no room":          {&Fault{Kind: OverBudget, Code: "api_budget"}, 30, true},
		"large answers":    {&Fault{Kind: Fatal, Code: "too_large"}, 7, false},
		"one is too large": {&Fault{Kind: Fatal, Code: "too_large"}, 0, true},
	} {
		m := &mails{count: 250, every: 1, html: "<p>Hello</p>", refuse: func(ids int) error {
			if ids > c.above {
				return c.fault
			}
			return nil
		}}
		err := m.load(t)
		if !c.fails && m.queries > 2*m.count/c.above {
			t.Errorf("%s: %d queries for %d emails", name, m.queries, m.count)
		}
		if c.fails != errors.Is(err, c.fault) || !c.fails && (err != nil || len(m.seen) != m.count) {
			t.Errorf("%s: %v, and %d of %d emails came", name, err, len(m.seen), m.count)
		}
	}
}

// TestHTMLIsAffordedTogether asks, before any HTML is asked for, whether there is room for all that a page lacks, and asks for none where there is not; a page that lacks nothing asks nothing.
func TestHTMLIsAffordedTogether(t *testing.T) {
	t.Parallel()
	full := &Fault{Kind: OverBudget, Code: "api_budget"}
	for name, c := range map[string]struct {
		every int
		need  int64
		room  error
	}{
		"room":            {2, 2, nil},
		"no room":         {1, 4, full},
		"nothing to ask":  {0, 0, full},
		"a few are asked": {50, 1, nil},
	} {
		asked := int64(0)
		m := &mails{count: 250, every: c.every, text: "Hello", html: "<p>Hello</p>", afford: func(_ context.Context, need int64) error {
			asked += need
			return c.room
		}}
		err := m.load(t)
		refused := c.room != nil && c.need > 0
		if refused != errors.Is(err, full) || !refused && err != nil || refused && m.queries > 0 || !refused && int64(m.queries) != c.need || asked != c.need {
			t.Errorf("%s: room for %d was asked for, want %d; %d queries, %v", name, asked, c.need, m.queries, err)
		}
	}
}
