package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/views/ui"
)

// What the fields of a picker are for; a search names it in its address.
const (
	forAny        = "any"         // whatever can be synced
	forAdditional = "additional"  // whatever can be synced and is not synced anyway
	forOwner      = "owner"       // points to a user
	forAmount     = "amount"      // a number or an amount of money
	forDay        = "day"         // a date, with or without a time
	forDate       = "date"        // a date without a time
	forLink       = "link"        // points to an account
	forAccount    = "account"     // points to an account, or can hold its External ID
	forContact    = "contact"     // points to a contact, or can hold its External ID
	forExternalID = "external-id" // an External ID that a text can hold
	forFilter     = "filter"      // can be filtered by
	forAllowlist  = "allowlist"   // can be left out by an allowlist, and so listed in it
)

// What the objects of a picker are for.
const (
	forRelated      = "related"       // has a field that points to an account
	forCustomObject = "custom-object" // its records can belong to an account or a contact
)

// fitOf returns what the fields of an object must be for a use; nil for a use that there is none of.
func fitOf(use, object string) pipeline.Fit {
	switch use {
	case forAny:
		return pipeline.Syncable
	case forAdditional:
		return pipeline.Additional(object)
	case forOwner:
		return pipeline.UserReference
	case forAmount:
		return pipeline.Amount
	case forDay:
		return pipeline.Day
	case forDate:
		return pipeline.CalendarDay
	case forLink:
		return pipeline.LinksTo("Account")
	case forAccount:
		return pipeline.Matches("Account")
	case forContact:
		return pipeline.Matches("Contact")
	case forExternalID:
		return pipeline.ExternalID
	case forFilter:
		return pipeline.Filterable
	case forAllowlist:
		return pipeline.Listable(object)
	}
	return nil
}

// fieldChoices sorts the fields of an object into the groups of a picker, each with the reason why it does not fit. There are no choices of an object
// that is not known.
func fieldChoices(object *salesforce.Describe, fit pipeline.Fit) []ui.ChoiceGroup {
	if object == nil {
		return nil
	}
	var sorted grouped
	for i := range object.Fields {
		f := object.Fields[i].Field
		sorted.add(f.Custom, ui.Item{Name: f.Name, Label: f.Label, Type: pipeline.TypeLabel(f), Why: fit(f)})
	}
	return sorted.groups("fields")
}

// fieldLists keeps what fieldChoices made of each describe, for as long as that is the one in use: a describe never changes.
type fieldLists struct {
	mu sync.Mutex
	of map[fieldList]madeList
}

type fieldList struct {
	connection int64
	object     string // lower-case name
	use        string
}

type madeList struct {
	from   *salesforce.Describe
	groups []ui.ChoiceGroup
}

// mostLists bounds how many lists are kept. The pages of one connection use about twenty.
const mostLists = 200

// choices is fieldChoices for a use. The groups and their items are shared: do not change them.
func (l *fieldLists) choices(connection int64, object *salesforce.Describe, use string) []ui.ChoiceGroup {
	if object == nil {
		return nil
	}
	key := fieldList{connection, strings.ToLower(object.Name), use}
	l.mu.Lock()
	kept := l.of[key]
	l.mu.Unlock()
	if kept.from == object {
		return kept.groups
	}
	made := madeList{object, fieldChoices(object, fitOf(use, object.Name))}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil || len(l.of) >= mostLists {
		l.of = map[fieldList]madeList{}
	}
	l.of[key] = made
	return made.groups
}

// objectChoices sorts objects into the groups of a picker; fit says why one cannot be chosen, and may be nil. Objects that cannot be queried never can.
func objectChoices(objects []salesforce.ObjectSummary, fit func(salesforce.ObjectSummary) string) []ui.ChoiceGroup {
	var sorted grouped
	for _, o := range objects {
		item := ui.Item{Name: o.Name, Label: o.Label}
		switch {
		case !o.Queryable:
			item.Why = "Salesforce does not let this object be queried"
		case fit != nil:
			item.Why = fit(o)
		}
		sorted.add(o.Custom, item)
	}
	return sorted.groups("objects")
}

// childrenOf accepts the objects of which a field points to the parent.
func childrenOf(parent *salesforce.Describe) func(salesforce.ObjectSummary) string {
	links := map[string]bool{}
	name := "the parent"
	if parent != nil {
		name = parent.Name
		for _, c := range parent.Children {
			links[strings.ToLower(c.Object)] = true
		}
	}
	return func(o salesforce.ObjectSummary) string {
		if links[strings.ToLower(o.Name)] {
			return ""
		}
		return "Has no field that points to " + name
	}
}

// grouped collects the items of a picker.
type grouped struct {
	standard, custom []ui.Item
	managed          map[string][]ui.Item // by namespace
}

// add puts an item into its group; the API name of what came with a managed package begins with the package's namespace.
func (g *grouped) add(custom bool, item ui.Item) {
	switch space := namespace(item.Name); {
	case space != "":
		if g.managed == nil {
			g.managed = map[string][]ui.Item{}
		}
		g.managed[space] = append(g.managed[space], item)
	case custom:
		g.custom = append(g.custom, item)
	default:
		g.standard = append(g.standard, item)
	}
}

func (g *grouped) groups(noun string) []ui.ChoiceGroup {
	out := []ui.ChoiceGroup{{Title: "Standard " + noun, Items: g.standard}, {Title: "Custom " + noun, Items: g.custom}}
	var spaces []string
	for space := range g.managed {
		spaces = append(spaces, space)
	}
	slices.Sort(spaces)
	for _, space := range spaces {
		out = append(out, ui.ChoiceGroup{Title: "Managed package " + space, Items: g.managed[space]})
	}
	out = slices.DeleteFunc(out, func(c ui.ChoiceGroup) bool { return len(c.Items) == 0 })
	for _, c := range out {
		sortByLabel(c.Items)
	}
	return out
}

// sortByLabel sorts items by their labels, in any case of letters.
func sortByLabel(items []ui.Item) {
	type keyed struct {
		key  string
		item ui.Item
	}
	all := make([]keyed, len(items))
	for i, item := range items {
		all[i] = keyed{strings.ToLower(item.Label), item}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.item.Name, b.item.Name))
	})
	for i := range all {
		items[i] = all[i].item
	}
}

// namespace returns the namespace of a managed package that an API name begins with, or "".
func namespace(name string) string {
	if !managed.MatchString(name) {
		return ""
	}
	space, _, _ := strings.Cut(name, "__")
	return space
}

// describeLimit bounds how long a page waits for a describe before it shows what was known.
const describeLimit = 10 * time.Second

// catalog is what one page knows of a connection's schema. It asks for each object once, and for nothing more once the org did not answer.
type catalog struct {
	s    *Server
	ctx  context.Context // of the request that the page answers; a catalog lives no longer
	c    db.Connection
	seen map[string]*salesforce.Describe // by lower-case name; nil for what the org does not have
	// unanswered says why the org did not answer; what is seen is then as it was last known.
	unanswered string
}

func (s *Server) catalog(ctx context.Context, c db.Connection) *catalog {
	return &catalog{s: s, ctx: ctx, c: c, seen: map[string]*salesforce.Describe{}, unanswered: offline(c)}
}

// object returns an object: from the client's cache where that is fresh, else from the org, else as it was last seen. Nil is what the org does not have
// or does not show to the connected user, or, when unanswered says why, what is not known.
func (k *catalog) object(name string) (d *salesforce.Describe, unanswered string) {
	key := strings.ToLower(name)
	if d, ok := k.seen[key]; ok {
		return d, k.unanswered
	}
	if k.c.Status != db.StatusConnected {
		return nil, k.unanswered
	}
	ctx, cancel := context.WithTimeout(k.ctx, describeLimit)
	defer cancel()
	client, err := k.s.Client(ctx, k.c.ID)
	if err == nil {
		if d, _ = client.Known(name); k.unanswered == "" {
			var now *salesforce.Describe
			if now, err = client.Describe(ctx, name); err == nil || isNotFound(err) {
				d, err = now, nil
			}
		}
	}
	if err != nil && k.ctx.Err() == nil {
		k.unanswered = k.s.unanswered(k.ctx, k.c, err)
	}
	k.seen[key] = d
	return d, k.unanswered
}

// summaries lists the org's objects, or says why they are not known.
func (k *catalog) summaries() (all []salesforce.ObjectSummary, unanswered string) {
	if k.unanswered != "" {
		return nil, k.unanswered
	}
	ctx, cancel := context.WithTimeout(k.ctx, describeLimit)
	defer cancel()
	client, err := k.s.Client(ctx, k.c.ID)
	if err == nil {
		all, err = client.DescribeGlobal(ctx)
	}
	if err != nil && k.ctx.Err() == nil {
		k.unanswered = k.s.unanswered(k.ctx, k.c, err)
	}
	return all, k.unanswered
}

// objects offers the org's objects; fit says why one cannot be chosen, and may be nil.
func (k *catalog) objects(fit func(salesforce.ObjectSummary) string) (groups []ui.ChoiceGroup, unanswered string) {
	all, unanswered := k.summaries()
	return objectChoices(all, fit), unanswered
}

func isNotFound(err error) bool {
	var refused *salesforce.APIError
	return errors.As(err, &refused) && refused.Status == http.StatusNotFound
}

// mostFound is how many results one search shows.
const mostFound = 40

// searchChoices narrows choices to those that have every word of the text in their label or API name: first those that begin with it. It returns
// nothing for a text that is too short.
func searchChoices(groups []ui.ChoiceGroup, text string) (narrowed []ui.ChoiceGroup, shown, found int) {
	text = strings.ToLower(strings.TrimSpace(text))
	if len([]rune(text)) < ui.MinSearch {
		return nil, 0, 0
	}
	words := strings.Fields(text)
	for _, g := range groups {
		var items []ui.Item
		for _, i := range g.Items {
			names := strings.ToLower(i.Label + " " + i.Name)
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(names, w) }) {
				items = append(items, i)
			}
		}
		slices.SortStableFunc(items, func(a, b ui.Item) int {
			return cmp.Compare(max(fit(b.Name, text), fit(b.Label, text)), max(fit(a.Name, text), fit(a.Label, text)))
		})
		found += len(items)
		if items = items[:min(len(items), mostFound-shown)]; len(items) > 0 {
			narrowed = append(narrowed, ui.ChoiceGroup{Title: g.Title, Items: items})
			shown += len(items)
		}
	}
	return narrowed, shown, found
}

// readMany reads the chosen names of a PickMany, with what its buttons do to them.
func readMany(form url.Values, path string) (chosen []string) {
	add := func(name string) {
		name = strings.TrimSpace(name)
		if name != "" && !slices.ContainsFunc(chosen, func(c string) bool { return strings.EqualFold(c, name) }) {
			chosen = append(chosen, name)
		}
	}
	for _, name := range form[path] {
		add(name)
	}
	do := form.Get("do")
	if name, ok := strings.CutPrefix(do, "add:"+path+":"); ok {
		add(name)
	} else if name, ok := strings.CutPrefix(do, "remove:"+path+":"); ok {
		chosen = slices.DeleteFunc(chosen, func(c string) bool { return strings.EqualFold(c, name) })
	}
	return chosen
}

// picks reports whether a form was sent by a button of a PickMany, or by Enter in its search: what it asks for is done by readMany, and the page is shown
// again.
func picks(form url.Values) bool {
	do := form.Get("do")
	if do == "" {
		for name, values := range form {
			if strings.HasSuffix(name, ".search") && strings.TrimSpace(strings.Join(values, "")) != "" {
				return true
			}
		}
	}
	verb, _, _ := strings.Cut(do, ":")
	return verb == "add" || verb == "remove" || verb == "search"
}

// one fills a PickOne for a field of an object; the caller adds its label, hint, errors and what None means.
func (k *catalog) one(path, object, use, value string) ui.Picker {
	return k.picker(path, choiceQuery{object: object, use: use}, value)
}

// picker fills a PickOne with what can be chosen, and with the addresses of what cannot.
func (k *catalog) picker(path string, q choiceQuery, value string) ui.Picker {
	groups, unanswered := k.offered(q)
	p := ui.Picker{Field: ui.Field{ID: ui.PathID(path), Name: path, Value: value}, Groups: fitting(groups, value), Unanswered: unanswered}
	if len(groups) > 0 {
		p.More, p.Explained = q.path(k.c, "/options", ""), q.path(k.c, "", path)
	}
	return p
}

// many fills a PickMany for fields of an object; the caller adds its label, hint, errors and what an empty list means. The form is what was posted, nil
// for a page that is opened.
func (k *catalog) many(path, object, use string, chosen []string, form url.Values) ui.ManyPicker {
	described, unanswered := k.object(object)
	groups := k.s.lists.choices(k.c.ID, described, use)
	if typed := form.Get(path + ".search"); len([]rune(typed)) >= ui.MinSearch {
		groups = k.withHidden(groups, object)
	}
	m := ui.ManyPicker{
		Field: ui.Field{ID: ui.PathID(path), Name: path}, Of: object,
		Source:  withQuery(orgPath(k.c.ID, "/settings/pick"), url.Values{"object": {object}, "path": {path}, "for": {use}}),
		Results: findFields(groups, form.Get(path+".search")),
	}
	for _, name := range chosen {
		item, found := ui.FindChoice(groups, name)
		switch {
		case found:
		case unanswered != "" && described == nil:
			item = ui.Item{Name: name}
		default:
			item = ui.Gone(name)
		}
		m.Chosen = append(m.Chosen, item)
	}
	m.Results.Path, m.Results.Of, m.Results.Chosen, m.Results.Unanswered, m.Results.Doctor = path, object, chosen, unanswered, doctorPath(k.c, object)
	return m
}

func findFields(groups []ui.ChoiceGroup, text string) ui.PickResults {
	r := ui.PickResults{Search: strings.TrimSpace(text)}
	r.Groups, r.Shown, r.Found = searchChoices(groups, text)
	return r
}

// pick answers a search of a PickMany with what it found.
func (s *Server) pick(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	in := r.URL.Query()
	object, path := in.Get("object"), in.Get("path")
	fit := fitOf(in.Get("for"), object)
	if fit == nil || object == "" || path == "" {
		return notFound()
	}
	known := s.catalog(r.Context(), c)
	described, unanswered := known.object(object)
	if described == nil && unanswered == "" {
		return notFound()
	}
	text := cmp.Or(in.Get("q"), in.Get(path+".search"))
	groups := fieldChoices(described, fit)
	if len([]rune(text)) >= ui.MinSearch {
		groups = known.withHidden(groups, object)
	}
	results := findFields(groups, text)
	results.Path, results.Of, results.Chosen, results.Unanswered, results.Doctor = path, object, in[path], unanswered, doctorPath(c, object)
	return s.render(w, r, http.StatusOK, ui.Results(results))
}
