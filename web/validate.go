package web

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// askLimit bounds the time that one page waits for Salesforce.
const askLimit = 40 * time.Second

// org is what filters are tried against. Without a source only their form is checked, and why says so.
type org struct {
	connection db.Connection
	source     *remote.Source
	schema     soql.Schema
	why        string
	close      func()
}

// offline says why the org of a connection cannot be asked, or "" when it can.
func offline(c db.Connection) string {
	switch c.Status {
	case db.StatusNeedsReconnect:
		return "Salesforce no longer accepts this connection. Reconnect it on the Integrations page; until then only the form of a filter is checked, and nothing can be saved."
	case db.StatusDisconnected:
		return "The org is disconnected. Connect it again on the Integrations page; until then only the form of a filter is checked, and nothing can be saved."
	}
	return ""
}

// openOrg makes the connection's org ready to be asked. The caller closes it.
func (s *Server) openOrg(ctx context.Context, c db.Connection) (*org, error) {
	o := &org{connection: c, why: offline(c), close: func() {}}
	if o.why != "" {
		return o, nil
	}
	select {
	case s.asking <- struct{}{}:
		o.close = func() { <-s.asking }
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	client, err := s.Client(ctx, c.ID)
	if errors.Is(err, db.ErrDisconnected) {
		c.Status = db.StatusDisconnected
		o.why = offline(c)
		return o, nil
	}
	if err != nil {
		o.close()
		return nil, err
	}
	source := remote.New(client)
	schema, err := source.Schema(ctx, false)
	if err != nil {
		o.why = s.unanswered(ctx, c, err)
		return o, nil
	}
	o.source, o.schema = source, schema
	return o, nil
}

// unanswered is what to say of a failure on the way to Salesforce; its cause goes to the log.
func (s *Server) unanswered(ctx context.Context, c db.Connection, err error) string {
	f := pipeline.FaultOf(err)
	s.Log.WarnContext(ctx, "salesforce could not be asked", "connection_id", c.ID, "code", f.Code, "error", err)
	return faultSentence(err)
}

func faultSentence(err error) string {
	f := pipeline.FaultOf(err)
	switch {
	case f.Kind == pipeline.NeedsReconnect:
		return "Salesforce no longer accepts this connection. Reconnect it on the Integrations page."
	case f.Kind == pipeline.DailyLimit:
		return "The org's daily API requests are used up, so Salesforce answers no more for now. They come back over the next 24 hours."
	case f.Message != "":
		return f.Message
	}
	return "Salesforce could not be reached, or did not answer as expected. Try again in a moment."
}

// try checks a filter as it stands in its box, text, and asks the org what it matches.
func (o *org) try(ctx context.Context, f settings.Filter, text string, prior []settings.Filter) *views.FilterResult {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	out := &views.FilterResult{}
	for _, finding := range pipeline.CheckFilter(text, o.schema) {
		problem := problemAt(text, finding)
		if finding.Warning {
			out.Warnings = append(out.Warnings, problem)
		} else {
			out.Problems = append(out.Problems, problem)
		}
	}
	if o.schema != nil {
		// What the checker could not look up it took for unknown: its findings would be wrong.
		if err := salesforce.SchemaErr(o.schema); err != nil {
			return &views.FilterResult{Unanswered: faultSentence(err)}
		}
	}
	if len(out.Problems) > 0 {
		return out
	}
	if o.source == nil {
		out.Unanswered = o.why
		return out
	}
	found, err := pipeline.Preview(ctx, o.source, f, o.schema, prior)
	var refused *pipeline.QueryRefused
	switch {
	case errors.As(err, &refused):
		out.Problems = []views.FilterProblem{refusedAt(text, f.SOQL, refused)}
		out.Details = strings.TrimPrefix(refused.Code+": "+refused.Message, ": ")
	case err != nil:
		out.Unanswered = faultSentence(err)
	default:
		out.Count, out.Taken, out.Query, out.Note, out.Took = found.Count, found.Taken, found.Query, found.Note, ui.Duration(found.Took)
		for _, a := range found.Samples {
			out.Samples = append(out.Samples, views.SampleAccount{ID: a.ID, Name: a.Name, Href: recordURL(o.connection, a.ID), Type: a.Type, Industry: a.Industry, Website: a.Website})
		}
	}
	return out
}

// repair applies the first certain repair that the checker knows for text.
func (o *org) repair(text string) string {
	for _, finding := range pipeline.CheckFilter(text, o.schema) {
		if fix := finding.Fix; fix != nil && !finding.Warning && 0 <= fix.Start && fix.Start <= fix.End && fix.End <= len(text) {
			return text[:fix.Start] + fix.Text + text[fix.End:]
		}
	}
	return text
}

func problemAt(text string, f soql.Finding) views.FilterProblem {
	p := place(text, f.Pos.Offset, f.End.Offset)
	p.Message = f.Message
	for _, s := range f.Suggestions {
		p.Suggestions = append(p.Suggestions, views.Suggestion{Name: s.Name, Label: s.Label})
	}
	if f.Fix != nil && !f.Warning {
		p.FixLabel = f.Fix.Label
	}
	return p
}

// refusedAt places Salesforce's refusal of soql, the trimmed text, in the text of the box.
func refusedAt(text, sent string, r *pipeline.QueryRefused) views.FilterProblem {
	var p views.FilterProblem
	if r.Pos != (soql.Pos{}) {
		lead := max(strings.Index(text, sent), 0)
		p = place(text, lead+r.Pos.Offset, lead+r.Pos.Offset)
	}
	p.Message = r.Message
	return p
}

// shownAround is how many characters of a long line are shown on each side of the place.
const shownAround = 60

// place cuts the line around the bytes from start to end out of text, and draws a caret to stand under it.
func place(text string, start, end int) views.FilterProblem {
	start = min(max(start, 0), len(text))
	end = min(max(end, start), len(text))
	from := strings.LastIndexByte(text[:start], '\n') + 1
	to := len(text)
	if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
		to = start + i
	}
	end = min(end, to)
	if end == start && start < to { // a point: mark the character there
		_, size := utf8.DecodeRuneInString(text[start:])
		end = start + size
	}
	before, marked, after := text[from:start], text[start:end], text[end:to]
	p := views.FilterProblem{Line: strings.Count(text[:start], "\n") + 1, Column: utf8.RuneCountInString(before) + 1}
	if runes := []rune(before); len(runes) > shownAround {
		before = "…" + string(runes[len(runes)-shownAround:])
	}
	if runes := []rune(marked); len(runes) > shownAround {
		marked, after = string(runes[:shownAround])+"…", ""
	}
	if runes := []rune(after); len(runes) > shownAround {
		after = string(runes[:shownAround]) + "…"
	}
	p.Before, p.Marked, p.After = before, marked, after
	p.Caret = under(before) + "^"
	return p
}

// under returns blanks as wide as text in a monospaced font.
func under(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case r >= 0x300 && r <= 0x36F, r == 0x200D, r >= 0xFE00 && r <= 0xFE0F: // marks that join the character before
		case r >= 0x1100 && r <= 0x115F, r >= 0x2E80 && r <= 0xA4CF, r >= 0xAC00 && r <= 0xD7A3, r >= 0xF900 && r <= 0xFAFF, r >= 0xFF00 && r <= 0xFF60, r >= 0x1F000:
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}
