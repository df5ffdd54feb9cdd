package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"millrace/db"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// choiceQuery names everything that a picker could offer: the fields of an object for a use, or the objects for a use.
type choiceQuery struct {
	object string // whose fields are offered; empty where objects are
	use    string
	taken  []string // objects that the page has chosen elsewhere
}

// choiceUses says of each use what is chosen, as the middle of a sentence.
var choiceUses = map[string]string{
	forAny: "a field to sync", forAdditional: "a further field to sync", forOwner: "an owner", forAmount: "an amount", forDay: "a date, with or without a time", forDate: "a date",
	forLink: "the link to an account", forAccount: "the link to an account", forContact: "the link to a contact", forExternalID: "an External ID", forFilter: "a filter",
	forAllowlist: "an allowlist", forRelated: "the related object", forCustomObject: "a custom object",
}

// path is an address below that of the choices; a field path says which picker leads there.
func (q choiceQuery) path(c db.Connection, below, from string) string {
	in := url.Values{"for": {q.use}}
	if q.object != "" {
		in.Set("object", q.object)
	}
	if len(q.taken) > 0 {
		in["taken"] = q.taken
	}
	if from != "" {
		in.Set("path", from)
	}
	return withQuery(orgPath(c.ID, "/settings/choices"+below), in)
}

// readChoices reads what path has written; it refuses a use that there is none of.
func readChoices(r *http.Request) (choiceQuery, error) {
	in := r.URL.Query()
	q := choiceQuery{object: in.Get("object"), use: in.Get("for"), taken: in["taken"]}
	ofObjects := q.use == forRelated || q.use == forCustomObject
	if choiceUses[q.use] == "" || ofObjects != (q.object == "") {
		return q, notFound()
	}
	return q, nil
}

// offered returns what a picker could offer, in groups, each item with the reason why it cannot be chosen. Fields that the connected user cannot read are
// not among them: withHidden adds those.
func (k *catalog) offered(q choiceQuery) (groups []ui.ChoiceGroup, unanswered string) {
	switch q.use {
	case forRelated:
		account, _ := k.object("Account")
		return k.objects(childrenOf(account))
	case forCustomObject:
		return k.customObjects(q.taken)
	case forAccount, forContact:
		return k.links(q.object, q.use)
	}
	described, unanswered := k.object(q.object)
	return k.s.lists.choices(k.c.ID, described, q.use), unanswered
}

// fitting leaves of the groups what can be chosen, and what is chosen.
func fitting(groups []ui.ChoiceGroup, value string) []ui.ChoiceGroup {
	return keep(groups, func(i ui.Item) bool { return i.Why == "" || value != "" && strings.EqualFold(i.Name, value) })
}

// unfit leaves of the groups what cannot be chosen.
func unfit(groups []ui.ChoiceGroup) []ui.ChoiceGroup {
	return keep(groups, func(i ui.Item) bool { return i.Why != "" })
}

func keep(groups []ui.ChoiceGroup, wanted func(ui.Item) bool) []ui.ChoiceGroup {
	var out []ui.ChoiceGroup
	for _, g := range groups {
		g.Items = slices.DeleteFunc(slices.Clone(g.Items), func(i ui.Item) bool { return !wanted(i) })
		if len(g.Items) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// hiddenLimit bounds how long a list waits for the fields that the connected user cannot read.
const hiddenLimit = 4 * time.Second

// notReadable is why a field of which only its definition is known cannot be chosen.
const notReadable = "Not readable by the connected user: the field doctor has the cure"

// hidden lists the fields of an object that the connected user cannot read; known is false when the org does not say.
func (k *catalog) hidden(object string) (items []ui.Item, known bool) {
	described, unanswered := k.object(object)
	if described == nil || unanswered != "" {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(k.ctx, hiddenLimit)
	defer cancel()
	client, err := k.s.Client(ctx, k.c.ID)
	var all []salesforce.FieldDefinition
	if err == nil {
		all, err = client.FieldDefinitions(ctx, described.Name)
	}
	if err != nil {
		return nil, false
	}
	readable := make(map[string]bool, len(described.Fields))
	for i := range described.Fields {
		readable[strings.ToLower(described.Fields[i].Name)] = true
	}
	for _, d := range all {
		if !readable[strings.ToLower(d.Name)] {
			items = append(items, ui.Item{Name: d.Name, Label: d.Label, Type: d.DataType, Why: notReadable})
		}
	}
	return items, true
}

// withHidden adds the fields of an object that the connected user cannot read to the groups, each to its own, where the org says which they are.
func (k *catalog) withHidden(groups []ui.ChoiceGroup, object string) []ui.ChoiceGroup {
	items, _ := k.hidden(object)
	return mixed(groups, items)
}

func mixed(groups []ui.ChoiceGroup, items []ui.Item) []ui.ChoiceGroup {
	if len(items) == 0 {
		return groups
	}
	var sorted grouped
	for _, i := range items {
		sorted.add(strings.Contains(i.Name, "__"), i)
	}
	out := slices.Clone(groups)
	for _, g := range sorted.groups("fields") {
		at := slices.IndexFunc(out, func(o ui.ChoiceGroup) bool { return o.Title == g.Title })
		if at < 0 {
			out = append(out, g)
			continue
		}
		out[at].Items = append(slices.Clone(out[at].Items), g.Items...)
	}
	return out
}

// links offers the fields of an object that can link to an account or a contact, first those that point to it. A text can where the parent has an External
// ID that it could hold.
func (k *catalog) links(object, use string) (groups []ui.ChoiceGroup, unanswered string) {
	parent := settings.ParentAccount
	if use == forContact {
		parent = settings.ParentContact
	}
	byText := len(k.externalIDs(parent)) > 0
	described, unanswered := k.object(object)
	groups = fieldChoices(described, fitOf(use, object))
	for _, g := range groups {
		for i, item := range g.Items {
			if item.Why == "" && !byText && described.Field(item.Name).Type != "reference" {
				g.Items[i].Why = "A text, and " + parentObject(parent) + " has no External ID that it could hold"
			}
		}
		slices.SortStableFunc(g.Items, func(a, b ui.Item) int {
			points := func(i ui.Item) int {
				if described.Field(i.Name).Type == "reference" {
					return 0
				}
				return 1
			}
			return cmp.Compare(points(a), points(b))
		})
	}
	return groups, unanswered
}

// customObjects offers the objects whose records can belong to an account or a contact, but for those that are taken.
func (k *catalog) customObjects(taken []string) (groups []ui.ChoiceGroup, unanswered string) {
	points := map[string][]string{}
	for _, parent := range []string{"Account", "Contact"} {
		d, _ := k.object(parent)
		if d == nil {
			continue
		}
		for _, child := range d.Children {
			key := strings.ToLower(child.Object)
			if !slices.Contains(points[key], parent) {
				points[key] = append(points[key], parent)
			}
		}
	}
	byText := len(k.externalIDs(settings.ParentAccount))+len(k.externalIDs(settings.ParentContact)) > 0
	groups, unanswered = k.objects(func(o salesforce.ObjectSummary) string {
		switch {
		case slices.ContainsFunc(taken, func(name string) bool { return strings.EqualFold(name, o.Name) }):
			return "Configured already"
		case syncedAnyway(o.Name):
			return "Synced anyway"
		case len(points[strings.ToLower(o.Name)]) > 0, o.Custom && byText:
			return ""
		}
		return "Has no field that points to Account or Contact"
	})
	for _, g := range groups {
		for i, item := range g.Items {
			if to := points[strings.ToLower(item.Name)]; len(to) > 0 {
				g.Items[i].Type = "points to " + strings.Join(to, " and ")
			} else if item.Why == "" {
				g.Items[i].Type = "by an External ID only"
			}
		}
	}
	return groups, unanswered
}

// choiceOptions answers with everything that a picker could offer, as the options of a list: first what can be chosen. A picker fetches it when it is
// opened.
func (s *Server) choiceOptions(w http.ResponseWriter, r *http.Request) error {
	_, q, k, err := s.choicesOf(r)
	if err != nil {
		return err
	}
	groups, unanswered := k.offered(q)
	if len(groups) == 0 && unanswered == "" {
		return notFound()
	}
	if q.object != "" {
		groups = k.withHidden(groups, q.object)
	}
	out := fitting(groups, "")
	for _, g := range unfit(groups) {
		g.Title += " that cannot be chosen here"
		out = append(out, g)
	}
	if r.Context().Err() != nil {
		return r.Context().Err()
	}
	return s.render(w, r, http.StatusOK, ui.Options(out))
}

func (s *Server) choicesOf(r *http.Request) (db.Connection, choiceQuery, *catalog, error) {
	c, err := s.connection(r)
	if err != nil {
		return c, choiceQuery{}, nil, err
	}
	q, err := readChoices(r)
	return c, q, s.catalog(r.Context(), c), err
}

// choices is the page of what a picker offers and what it does not, and why: what scripts show in the picker itself.
func (s *Server) choices(w http.ResponseWriter, r *http.Request) error {
	c, q, k, err := s.choicesOf(r)
	if err != nil {
		return err
	}
	in := r.URL.Query()
	view := views.Choices{
		Back: orgPath(c.ID, "/settings"), BackTo: "Salesforce settings", Action: orgPath(c.ID, "/settings/choices"), Object: q.object, Use: q.use, Taken: q.taken, Path: in.Get("path"),
		About: choiceUses[q.use], Search: strings.TrimSpace(in.Get("q")),
	}
	if key := settings.SectionOf(view.Path); key != "" {
		view.Back, view.BackTo = orgPath(c.ID, "/settings/"+string(key))+"#"+views.BoxID(view.Path), key.Label()
	}
	if view.Shell, err = s.shell(w, r, "Choices", "settings"); err != nil {
		return err
	}
	groups, unanswered := k.offered(q)
	view.Unanswered = unanswered
	if len(groups) == 0 && unanswered == "" {
		return notFound()
	}
	if q.object != "" {
		view.Doctor = doctorPath(c, q.object)
		hidden, known := k.hidden(q.object)
		groups, view.HiddenUnknown = mixed(groups, hidden), !known
	}
	if words := strings.Fields(strings.ToLower(view.Search)); len(words) > 0 {
		groups = keep(groups, func(i ui.Item) bool {
			names := strings.ToLower(i.Label + " " + i.Name)
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(names, w) })
		})
	}
	view.Fitting, view.Unfit = fitting(groups, ""), unfit(groups)
	if r.Context().Err() != nil {
		return r.Context().Err()
	}
	return s.render(w, r, http.StatusOK, views.ChoicesPage(view))
}
