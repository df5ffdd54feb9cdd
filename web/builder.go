package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/soql"
	"millrace/views"
	"millrace/views/ui"
)

// mostRows bounds the rows that a form may send for one builder.
const mostRows = 100

// builder is a filter box while it is edited as rows.
type builder struct {
	rows     []typedRow
	problems []soql.RowProblem // by position in rows
}

// typedRow is a row as it was typed.
type typedRow struct {
	field, value string
	operator     soql.Operator
	picks        []string // the ticked values
}

func (t typedRow) blank() bool { return t.field == "" && t.value == "" && len(t.picks) == 0 }

// readBuilder takes the rows of a box out of a form, or returns nil when the box is edited as SOQL.
func readBuilder(form url.Values, path string) *builder {
	if form.Get(path+".view") != "builder" {
		return nil
	}
	b := &builder{}
	for i := range mostRows {
		at := path + ".row." + strconv.Itoa(i) + "."
		if !form.Has(at + "field") {
			break
		}
		b.rows = append(b.rows, typedRow{
			field: strings.TrimSpace(form.Get(at + "field")), operator: soql.Operator(form.Get(at + "op")), value: form.Get(at + "value"), picks: form[at+"pick"],
		})
	}
	return b
}

// openBuilder makes the rows that show a filter, or says why there are none.
func openBuilder(text string, schema soql.Schema) (b *builder, reason string) {
	shown, reason, ok := soql.FromFilter(text, "Account", schema)
	if !ok {
		return nil, reason
	}
	b = &builder{}
	for _, row := range shown.Rows {
		t := typedRow{field: row.Field, operator: row.Operator}
		_, f, _ := soql.FieldAt(row.Field, "Account", schema)
		switch in := soql.InputOf(f, row.Operator); {
		case ticked(in):
			t.picks = row.Values
		case in.Many:
			t.value = soql.JoinList(row.Values)
		case len(row.Values) > 0:
			t.value = row.Values[0]
		}
		b.rows = append(b.rows, t)
	}
	if len(b.rows) == 0 {
		b.rows = []typedRow{{}}
	}
	return b, ""
}

// ticked says whether several values of an input are ticked rather than typed.
func ticked(in soql.Input) bool { return in.Many && len(in.Options) > 0 }

// write returns the SOQL of the rows that are complete, and keeps what is wrong with the others. Rows without anything in them do not count.
func (b *builder) write(schema soql.Schema) string {
	b.problems = nil
	var complete soql.Builder
	for i := range b.rows {
		t := &b.rows[i]
		if t.blank() {
			continue
		}
		row, problems := t.row(schema)
		if len(problems) == 0 {
			_, problems = soql.Builder{Rows: []soql.Row{row}}.SOQL("Account", schema)
		}
		for _, p := range problems {
			p.Row = i
			b.problems = append(b.problems, p)
		}
		if len(problems) == 0 {
			complete.Rows = append(complete.Rows, row)
		}
	}
	text, problems := complete.SOQL("Account", schema)
	b.problems = append(b.problems, problems...)
	return text
}

// row makes of what was typed what the builder takes. A field may be typed by its label; an operator that the field does not have becomes its first.
func (t *typedRow) row(schema soql.Schema) (soql.Row, []soql.RowProblem) {
	path, f, problem := soql.FieldAt(t.field, "Account", schema)
	if problem != "" {
		if named := byLabel(t.field, schema); named != "" {
			path, f, problem = soql.FieldAt(named, "Account", schema)
		}
	}
	if problem != "" {
		return soql.Row{Field: t.field, Operator: t.operator}, []soql.RowProblem{{Part: soql.PartField, Message: problem}}
	}
	t.field = path
	if offered := soql.Operators(f); len(offered) > 0 && !slices.Contains(offered, t.operator) {
		t.operator = offered[0]
	}
	row := soql.Row{Field: path, Operator: t.operator}
	in := soql.InputOf(f, t.operator)
	switch {
	case ticked(in):
		if t.value != "" { // what was typed for an operator of one value
			t.picks, t.value = append(t.picks, t.value), ""
		}
		row.Values = t.picks
	case in.Many:
		t.join()
		values, problem := soql.SplitList(t.value)
		if problem != "" {
			return row, []soql.RowProblem{{Part: soql.PartValue, Message: problem}}
		}
		row.Values = values
	case in.Kind != soql.InputNone:
		t.join()
		row.Values = []string{t.value}
	}
	return row, nil
}

// join keeps ticked values when they are typed from now on.
func (t *typedRow) join() {
	if len(t.picks) > 0 && t.value == "" {
		t.value = soql.JoinList(t.picks)
	}
	t.picks = nil
}

// byLabel returns the one field of Account with that label, or nothing.
func byLabel(label string, schema soql.Schema) string {
	var found []string
	if o := schema.Object("Account"); o != nil {
		for _, f := range o.Fields {
			if strings.EqualFold(f.Label, label) {
				found = append(found, f.Name)
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// assemble writes the SOQL of every box that is edited as rows. When the org's fields cannot be had, those boxes go on as SOQL with what their rows stood
// for last, and the rows wait.
func (s *Server) assemble(ctx context.Context, p *filteringPage) error {
	if len(p.builders) == 0 {
		return nil
	}
	var reason string
	if p.schema, reason = s.builderSchema(ctx, p.connection); reason != "" {
		for path, b := range p.builders {
			p.away[path], p.whyNot[path] = b.form(p.forms[path].Unfinished), reason+" Until then its rows are put by."
		}
		clear(p.builders)
		return ctx.Err()
	}
	for path, b := range p.builders {
		*p.text(path) = b.write(p.schema)
	}
	return nil
}

// builderSchema returns what the builder needs to know of the org, or why it cannot.
func (s *Server) builderSchema(ctx context.Context, c db.Connection) (schema soql.Schema, reason string) {
	if reason = offline(c); reason != "" {
		return nil, reason
	}
	client, err := s.Client(ctx, c.ID)
	if err == nil {
		schema, err = client.Schema(ctx, "Account")
	}
	if err != nil {
		return nil, s.unanswered(ctx, c, err)
	}
	return schema, ""
}

// editRows answers the builder's own buttons: open a box in it, go back to SOQL, add or remove a row, or just show what the rows stand for now. Nothing is
// saved, but the draft is kept.
func (s *Server) editRows(w http.ResponseWriter, r *http.Request) error {
	p, err := s.changeRows(r)
	if err != nil {
		return err
	}
	if err := s.keepFiltering(r, p); err != nil {
		return err
	}
	return s.renderFiltering(w, r, http.StatusOK, p)
}

// changeRows reads the form and does to it what the pressed button says.
func (s *Server) changeRows(r *http.Request) (*filteringPage, error) {
	p, err := s.loadFiltering(r)
	if err != nil {
		return nil, err
	}
	if err := p.read(r); err != nil {
		return nil, err
	}
	form := r.PostForm
	if path, index, ok := strings.Cut(form.Get("remove"), ":"); ok {
		i, err := strconv.Atoi(index)
		if b := p.builders[path]; err == nil && b != nil && i >= 0 && i < len(b.rows) {
			b.rows = slices.Delete(b.rows, i, i+1)
		}
	}
	if b := p.builders[form.Get("add")]; b != nil && len(b.rows) < mostRows {
		b.rows = append(b.rows, typedRow{})
	}
	if err := s.assemble(r.Context(), p); err != nil {
		return nil, err
	}
	if path, view, ok := strings.Cut(form.Get("open"), ":"); ok {
		if !slices.Contains(filterPaths, path) {
			return nil, badForm(errors.New("no such filter: " + strconv.Quote(path)))
		}
		s.switchView(r.Context(), p, path, view)
	}
	return p, nil
}

// switchView shows a box as rows or as SOQL.
func (s *Server) switchView(ctx context.Context, p *filteringPage, path, view string) {
	if view != "builder" {
		if b := p.builders[path]; b != nil && len(b.problems) > 0 {
			p.whyNot[path] = "Rows that were not complete are left out of the SOQL."
		}
		delete(p.builders, path)
		delete(p.away, path)
		return
	}
	if p.builders[path] != nil {
		return
	}
	reason := ""
	if p.schema == nil {
		p.schema, reason = s.builderSchema(ctx, p.connection)
	}
	if rows, ok := p.away[path]; ok && reason == "" {
		p.builders[path] = builderOf(rows)
		*p.text(path) = p.builders[path].write(p.schema)
		delete(p.away, path)
		return
	}
	if reason == "" {
		p.builders[path], reason = openBuilder(*p.text(path), p.schema)
	}
	if reason != "" {
		delete(p.builders, path)
		p.whyNot[path] = "The builder cannot show this filter. " + reason
	}
}

// builderView draws the rows.
func (p *filteringPage) builderView(path string) *views.Builder {
	b := p.builders[path]
	if b == nil {
		return nil
	}
	out := &views.Builder{SOQL: *p.text(path), Incomplete: len(b.problems) > 0}
	for i, t := range b.rows {
		row := views.BuilderRow{Field: t.field, Value: t.value}
		if path, f, problem := soql.FieldAt(t.field, "Account", p.schema); t.field != "" && problem == "" {
			row.Field, row.Note = path, f.Label+" · "+pipeline.TypeLabel(f)
			fillRow(&row, t, f)
		}
		for _, problem := range b.problems {
			if problem.Row == i {
				row.Errors = append(row.Errors, problem.Message)
				row.Wrong = string(problem.Part)
			}
		}
		out.Rows = append(out.Rows, row)
	}
	if o := p.schema.Object("Account"); o != nil {
		for _, f := range o.Fields {
			if f.Filterable {
				out.Fields = append(out.Fields, ui.Option{Value: f.Name, Label: f.Label})
			}
		}
	}
	return out
}

// fillRow offers the operators and the input that fit the field of a row.
func fillRow(row *views.BuilderRow, t typedRow, f soql.Field) {
	for _, op := range soql.Operators(f) {
		row.Operators = append(row.Operators, ui.Option{Value: string(op), Label: op.Label()})
	}
	in := soql.InputOf(f, t.operator)
	row.Operator, row.Help, row.Hint, row.Input = string(t.operator), t.operator.Help(f), in.Hint, views.InputText
	switch {
	case in.Kind == soql.InputNone:
		row.Input, row.Value = views.InputNone, ""
	case ticked(in):
		row.Input, row.Hint = views.InputTicks, ""
	case len(in.Options) > 0:
		row.Input, row.Hint = views.InputSelect, ""
	case in.Kind == soql.InputNumber:
		row.Decimal = true
	}
	if row.Input != views.InputSelect && row.Input != views.InputTicks {
		return
	}
	chosen := t.picks
	if row.Input == views.InputSelect {
		chosen = []string{t.value}
	}
	known := map[string]bool{}
	for _, o := range in.Options {
		is := slices.Contains(chosen, o.Value)
		if !o.Active && !is {
			continue
		}
		known[o.Value] = true
		row.Values = append(row.Values, views.BuilderValue{Value: o.Value, Label: pickLabel(o), Chosen: is})
	}
	for _, v := range chosen {
		if v != "" && !known[v] {
			row.Values = append(row.Values, views.BuilderValue{Value: v, Label: v + " (not in the picklist)", Chosen: true})
		}
	}
}

func pickLabel(o soql.PicklistValue) string {
	switch {
	case o.Label == "" || o.Label == o.Value:
		return o.Value
	case !o.Active:
		return o.Label + " (inactive)"
	}
	return o.Label + " (" + o.Value + ")"
}
