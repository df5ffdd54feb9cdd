package web

import (
	"context"
	"net/http"

	"millrace/db"
	"millrace/salesforce/soql"
)

// The rows of a builder are part of the draft as they were typed, finished or not, and so is the fact that a box is shown as rows.

// awayView is how a form says that a box shows SOQL only because its rows could not be drawn.
const awayView = "away"

// form is the builder as a draft keeps it. Where its rows could not be looked at, unfinished says what they lacked last.
func (b *builder) form(unfinished string) db.DraftForm {
	out := db.DraftForm{Unfinished: unfinished}
	for _, t := range b.rows {
		out.Rows = append(out.Rows, db.DraftRow{Field: t.field, Operator: string(t.operator), Value: t.value, Picks: t.picks})
	}
	return out
}

// builderOf is the builder that a draft keeps.
func builderOf(form db.DraftForm) *builder {
	b := &builder{}
	for _, row := range form.Rows {
		b.rows = append(b.rows, typedRow{field: row.Field, operator: soql.Operator(row.Operator), value: row.Value, picks: row.Picks})
	}
	return b
}

// noteRows takes the rows of all boxes over into what the draft keeps.
func (p *filteringPage) noteRows() {
	p.forms = map[string]db.DraftForm{}
	for path, form := range p.away {
		p.forms[path] = form
	}
	for path, b := range p.builders {
		unfinished := ""
		if len(b.problems) > 0 {
			unfinished = b.problems[0].Message
		}
		p.forms[path] = b.form(unfinished)
	}
}

// isAway reports whether a box has rows that cannot be drawn now.
func (p *filteringPage) isAway(path string) bool {
	_, ok := p.away[path]
	return ok
}

// keepFiltering stores the section in the viewer's draft, with its rows.
func (s *Server) keepFiltering(r *http.Request, p *filteringPage) error {
	p.noteRows()
	if err := s.keep(r, p.settingsPage); err != nil {
		return err
	}
	for path := range p.builders {
		if _, ok := p.forms[path]; !ok {
			delete(p.builders, path) // somebody has changed the box since
		}
	}
	return nil
}

// reopen shows the boxes that a draft keeps as rows.
func (s *Server) reopen(ctx context.Context, p *filteringPage) error {
	for path, form := range p.forms {
		p.builders[path] = builderOf(form)
	}
	return s.assemble(ctx, p)
}

// resumeRows shows the section as it was posted before its sender had to sign in.
func (s *Server) resumeRows(w http.ResponseWriter, r *http.Request) error {
	p, err := s.changeRows(r)
	if err != nil {
		return err
	}
	p.noteRows()
	p.unkept = true
	return s.renderFiltering(w, r, http.StatusOK, p)
}
