package web

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"millrace/pipeline"
	"millrace/salesforce/soql"
	"millrace/views"
)

// mostOptions is how many suggestions one list holds.
const mostOptions = 30

// suggest offers what can stand where somebody types in a filter. An object that the typed path leads to is read when it is not known yet; else
// nothing is asked of Salesforce.
func (s *Server) suggest(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	before := unixLines(r.PostForm.Get("before"))
	at := spotAt(before)
	if r.PostForm.Get("field") != "" { // an input for a field alone
		at = spot{want: wantField, partial: strings.TrimSpace(before)}
	}
	object, err := objectOf(r)
	if err != nil {
		return err
	}
	if o, known := s.known.find(c.ID, object); o == nil && !known && object != "Account" {
		if err := s.learn(r.Context(), c, object); err != nil {
			s.unanswered(r.Context(), c, err)
		}
	}
	local := s.known.local(c.ID, object)
	// Right behind a value nothing follows without a blank.
	if local == nil || at.want == wantJoiner && at.partial == "" && strings.TrimRight(before, " \n\t") == before {
		return noContent(w)
	}
	if at.want == wantOperator && !isField(local, at.field) {
		// Not a field yet, so the first two words of a label are.
		at = spot{want: wantField, partial: strings.TrimLeft(before[strings.LastIndex(before, at.field):], " ")}
	}
	options, err := s.options(r, local, at)
	if err != nil {
		return err
	}
	if len(options) == 0 {
		return noContent(w)
	}
	for i := range options {
		options[i].Replace = units(at.partial)
		if r.PostForm.Get("field") != "" {
			options[i].Insert, options[i].More = strings.TrimSpace(options[i].Insert), strings.HasSuffix(options[i].Insert, ".")
		}
	}
	// The first is marked only where Enter and Tab would otherwise end a word: never a word that is complete already.
	marked := at.partial != "" && !strings.EqualFold(at.partial, strings.TrimSpace(options[0].Insert))
	return s.render(w, r, http.StatusOK, views.Suggestions(options, marked))
}

func isField(local *localSchema, path string) bool {
	_, _, problem := soql.FieldAt(path, local.root, local)
	return problem == ""
}

func noContent(w http.ResponseWriter) error {
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// options are the suggestions for a place, best first.
func (s *Server) options(r *http.Request, local *localSchema, at spot) ([]views.Option, error) {
	switch at.want {
	case wantField:
		return s.fieldOptions(r, local, at.partial)
	case wantOperator:
		_, f, problem := soql.FieldAt(at.field, local.root, local)
		if problem != "" {
			return nil, nil
		}
		return startingWith(operatorOptions(f), at.partial), nil
	case wantList:
		return startingWith([]views.Option{{Text: "(", Insert: "(", Label: "opens the list of values", More: true}}, at.partial), nil
	case wantValue, wantListed:
		_, f, problem := soql.FieldAt(at.field, local.root, local)
		if problem != "" {
			return nil, nil
		}
		return valueOptions(f, at), nil
	case wantJoiner:
		return startingWith([]views.Option{
			{Text: "AND", Insert: "AND ", Label: "this and the next condition must hold", More: true},
			{Text: "OR", Insert: "OR ", Label: "one of the two is enough", More: true},
		}, at.partial), nil
	}
	return nil, nil
}

// fieldOptions are the fields that fit what is typed of a path, by API name or label.
func (s *Server) fieldOptions(r *http.Request, local *localSchema, partial string) ([]views.Option, error) {
	via, name := "", partial
	if i := strings.LastIndexByte(partial, '.'); i >= 0 {
		via, name = partial[:i], partial[i+1:]
	}
	object, via, err := s.objectVia(r, local, via)
	if object == nil || err != nil {
		return nil, err
	}
	if via != "" {
		via += "."
	}
	type ranked struct {
		views.Option
		rank int
	}
	var found []ranked
	for _, f := range object.Fields {
		rank := max(fit(f.Name, name), fit(f.Label, name))
		if rank > 0 {
			found = append(found, ranked{views.Option{Text: via + f.Name, Insert: via + f.Name + " ", Label: f.Label, Kind: pipeline.TypeLabel(f), Why: pipeline.Filterable(f), More: true}, rank})
		}
		if f.RelationshipName != "" && len(f.ReferenceTo) == 1 && strings.Count(via, ".") < 5 {
			if rank := max(fit(f.RelationshipName, name), fit(f.Label, name)); rank > 0 {
				found = append(found, ranked{views.Option{Text: via + f.RelationshipName + ".", Insert: via + f.RelationshipName + ".", Label: "a field of " + f.ReferenceTo[0], Kind: "Relationship", More: true}, rank - 1})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b ranked) int {
		usable := func(o ranked) int {
			if o.Why == "" {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(usable(b), usable(a)), cmp.Compare(b.rank, a.rank), cmp.Compare(strings.ToLower(a.Text), strings.ToLower(b.Text)))
	})
	out := make([]views.Option, 0, mostOptions)
	for _, f := range found[:min(len(found), mostOptions)] {
		out = append(out, f.Option)
	}
	return out, nil
}

// objectVia follows relationships from the object that is filtered, reads what is not known on the way, and returns the object with the path in the describe's own case;
// no object when there is none.
func (s *Server) objectVia(r *http.Request, local *localSchema, via string) (*soql.Object, string, error) {
	object := local.Object(local.root)
	if via == "" || object == nil {
		return object, "", nil
	}
	var names []string
	for name := range strings.SplitSeq(via, ".") {
		i := slices.IndexFunc(object.Fields, func(f soql.Field) bool {
			return f.RelationshipName != "" && strings.EqualFold(f.RelationshipName, name)
		})
		if i < 0 || len(object.Fields[i].ReferenceTo) == 0 || len(names) == 5 {
			return nil, "", nil
		}
		f := object.Fields[i]
		target := f.ReferenceTo[0]
		if len(f.ReferenceTo) > 1 { // through a lookup to several objects only the fields that all of them have can be reached
			target = "Name"
		}
		known := false
		if object, known = local.shelf.find(local.connection, target); !known {
			c, err := s.connection(r)
			if err != nil {
				return nil, "", err
			}
			if err := s.learn(r.Context(), c, target); err != nil {
				s.unanswered(r.Context(), c, err)
				return nil, "", nil
			}
			object = local.Object(target)
		}
		if object == nil {
			return nil, "", nil
		}
		names = append(names, f.RelationshipName)
	}
	return object, strings.Join(names, "."), nil
}

// fit says how well a name fits what is typed of it: 0 for not at all.
func fit(name, typed string) int {
	name, typed = strings.ToLower(name), strings.ToLower(typed)
	switch {
	case typed == "":
		return 1
	case name == typed:
		return 9
	case strings.HasPrefix(name, typed):
		return 7
	}
	for i := 1; i < len(name); i++ {
		if (name[i-1] == ' ' || name[i-1] == '_') && strings.HasPrefix(name[i:], typed) {
			return 5
		}
	}
	if len(typed) > 1 && strings.Contains(name, typed) {
		return 3
	}
	return 0
}

// startingWith keeps the options that what is typed is the beginning of.
func startingWith(options []views.Option, partial string) []views.Option {
	return slices.DeleteFunc(options, func(o views.Option) bool {
		return len(o.Text) < len(partial) || !strings.EqualFold(o.Text[:len(partial)], partial)
	})
}
