package web

import (
	"context"
	"errors"
	"strings"
	"time"

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
	client     *salesforce.Client
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
	describing, cancel := context.WithTimeout(ctx, askLimit) // the schema reads further objects as they are asked for
	leave := o.close
	o.close = func() { cancel(); leave() }
	schema, err := source.Schema(describing, false, pipeline.Objects()...)
	if err == nil {
		err = s.keepKnown(c, schema, pipeline.Objects()...)
	}
	if err != nil {
		o.why = s.unanswered(ctx, c, err)
		return o, nil
	}
	o.client, o.source, o.schema = client, source, schema
	return o, nil
}

// unanswered is what to say of a failure on the way to Salesforce; its cause goes to the log.
func (s *Server) unanswered(ctx context.Context, c db.Connection, err error) string {
	f := pipeline.FaultOf(err)
	s.Log.WarnContext(ctx, "salesforce could not be asked", "connection_id", c.ID, "code", f.Code, "err", err)
	return faultSentence(err)
}

func faultSentence(err error) string {
	f := pipeline.FaultOf(err)
	switch {
	case f.Kind == pipeline.NeedsReconnect:
		return "Salesforce no longer accepts this connection. Reconnect it on the Integrations page."
	case f.Kind == pipeline.DailyLimit:
		return "The org's daily API requests are used up, so Salesforce answers no more for now. They come back over the next 24 hours."
	case f.Kind == pipeline.Transient && f.Message != "":
		return f.Message + " Try again in a moment."
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
	o.checkText("Account", text, out)
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
		o.elaborate(ctx, f, found, out)
	}
	return out
}

func problemAt(text string, f soql.Finding) views.FilterProblem {
	p := place(text, f.Pos.Offset, f.End.Offset)
	p.Message = f.Message
	for _, s := range f.Suggestions {
		suggestion := views.Suggestion{Name: s.Name, Label: s.Label}
		// Where the finding is about the name itself, a name can take its place.
		if strings.EqualFold(text[f.Pos.Offset:f.End.Offset], s.Name) || f.Kind == soql.KindUnknownField {
			edit := editOf(text, f.Pos.Offset, f.End.Offset, s.Name)
			suggestion.Edit = &edit
		}
		p.Suggestions = append(p.Suggestions, suggestion)
	}
	if f.Fix != nil && fits(text, f.Fix) {
		edit := editOf(text, f.Fix.Start, f.Fix.End, f.Fix.Text)
		p.Fix, p.FixLabel = &edit, f.Fix.Label
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
