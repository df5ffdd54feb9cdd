package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"golang.org/x/sync/errgroup"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// customObjectsSection says which further objects are synced as records of accounts and contacts.
func customObjectsSection() section {
	return section{key: settings.SectionCustomObjects, read: readCustomObjects, act: actCustomObjects, draw: drawCustomObjects, check: checkCustomObjects}
}

// maxReadObjects bounds how many objects a form is read for; that there are too many is said by the settings.
const maxReadObjects = 200

// Buttons of the section, each followed by a colon and what it is about.
const (
	doAdd          = "add-object"
	doRemove       = "remove-object"  // place in the list
	doRestore      = "restore-object" // API name
	doFollowObject = "follow-object"  // these three: the object's field path
	doFollowParent = "follow-parent"
	doFollowMatch  = "follow-match"
	doPreview      = "preview-object"
)

func readCustomObjects(p *settingsPage, form url.Values) {
	p.shown.CustomObjects = nil
	for i := range maxReadObjects {
		path := settings.PathCustomObject(i)
		if !form.Has(path + settings.PartObject) {
			return
		}
		text := func(part string) string { return strings.TrimSpace(form.Get(path + part)) }
		p.shown.CustomObjects = append(p.shown.CustomObjects, settings.CustomObject{
			Object: text(settings.PartObject), Name: text(settings.PartName), Parent: settings.Parent(text(settings.PartParent)), Match: text(settings.PartMatch),
			To: text(settings.PartTo), Filter: unixLines(form.Get(path + settings.PartFilter)), Fields: readMany(form, path+settings.PartFields),
		})
	}
}

// parentObject returns the API name of a parent's object.
func parentObject(p settings.Parent) string {
	if p == settings.ParentContact {
		return "Contact"
	}
	return "Account"
}

// linkTo is the use of a field that links to a parent.
func linkTo(p settings.Parent) string {
	if p == settings.ParentContact {
		return forContact
	}
	return forAccount
}

// actCustomObjects carries out the section's buttons: add, remove and put back an object, have what follows from a choice follow it, Preview of an object
// and Validate of its filter.
func actCustomObjects(s *Server, r *http.Request, p *settingsPage, do string) error {
	verb, rest, _ := strings.Cut(do, ":")
	unknown := badForm(errors.New("no such button: " + strconv.Quote(do)))
	all := &p.shown.CustomObjects
	switch verb {
	case doAdd:
		*all = append(*all, settings.CustomObject{Parent: settings.ParentAccount})
		return nil
	case doRemove:
		i, err := strconv.Atoi(rest)
		if err != nil || i < 0 || i >= len(*all) {
			return unknown
		}
		*all = slices.Delete(*all, i, i+1)
		return nil
	case doRestore:
		i := slices.IndexFunc(removedObjects(p), func(c settings.CustomObject) bool { return c.Object == rest })
		if i < 0 {
			return unknown
		}
		*all = append(*all, removedObjects(p)[i])
		return nil
	}
	i := p.objectAt(rest)
	if i < 0 {
		return unknown
	}
	path, c := settings.PathCustomObject(i), &(*all)[i]
	switch verb {
	case doFollowObject, doFollowParent, doFollowMatch:
		if rest != path {
			return unknown
		}
		s.follow(s.catalog(r.Context(), p.connection), c, verb == doFollowObject)
		return nil
	}
	_, box, at, isBox := boxButton(do)
	isBox = isBox && box == path+settings.PartFilter
	if !isBox && (verb != doPreview || rest != path) {
		return unknown
	}
	o, err := s.openOrg(r.Context(), p.connection)
	if err != nil {
		return err
	}
	defer o.close()
	if isBox {
		if verb == "fix" {
			c.Filter = repair(c.Object, c.Filter, at, o.schema)
		}
		p.results[box] = o.tryObject(r.Context(), c.Object, nil, c.Filter)
		return nil
	}
	p.results[path], err = s.previewObject(r.Context(), o, p, i)
	return err
}

// objectAt returns the place of the object that a field path belongs to, or -1.
func (p *settingsPage) objectAt(path string) int {
	rest, ok := strings.CutPrefix(path, settings.PathCustomObjects+".")
	place, _, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(place)
	if !ok || err != nil || i < 0 || i >= len(p.shown.CustomObjects) {
		return -1
	}
	return i
}

// removedObjects lists the objects of the saved settings that the page no longer has.
func removedObjects(p *settingsPage) []settings.CustomObject {
	var out []settings.CustomObject
	for _, c := range p.saved.CustomObjects {
		if !slices.ContainsFunc(p.shown.CustomObjects, func(o settings.CustomObject) bool { return strings.EqualFold(o.Object, c.Object) }) {
			out = append(out, c)
		}
	}
	return out
}

// follow makes the rest of an object's settings those of its object, parent and matching field: what no longer fits is forgotten, and what can only be one
// thing is chosen. With another object the name is its label, unless somebody has typed one.
func (s *Server) follow(known *catalog, c *settings.CustomObject, another bool) {
	d, _ := known.object(c.Object)
	if d == nil {
		return
	}
	c.Object = d.Name
	if another {
		if all, _ := known.summaries(); c.Name == "" || slices.ContainsFunc(all, func(o salesforce.ObjectSummary) bool { return c.Name == o.Label || c.Name == o.LabelPlural }) {
			c.Name = d.LabelPlural
			if c.Name == "" {
				c.Name = d.Label
			}
		}
		other := settings.ParentContact
		if c.Parent == other {
			other = settings.ParentAccount
		}
		if len(linksTo(d, parentObject(c.Parent))) == 0 && len(linksTo(d, parentObject(other))) > 0 {
			c.Parent = other
		}
	}
	if f := d.Field(c.Match); f == nil || fitOf(linkTo(c.Parent), "")(f.Field) != "" {
		c.Match = ""
	}
	if links := linksTo(d, parentObject(c.Parent)); c.Match == "" && len(links) == 1 {
		c.Match = links[0]
	}
	c.Fields = slices.DeleteFunc(c.Fields, func(name string) bool { return d.Field(name) == nil })
	keys := known.externalIDs(c.Parent)
	if f := d.Field(c.Match); f == nil || f.Type == "reference" || !slices.Contains(keys, c.To) {
		c.To = ""
	}
	if f := d.Field(c.Match); f != nil && f.Type != "reference" && len(keys) == 1 {
		c.To = keys[0]
	}
}

// linksTo lists the fields of an object that point to another.
func linksTo(d *salesforce.Describe, object string) []string {
	var out []string
	fit := pipeline.LinksTo(object)
	for i := range d.Fields {
		if fit(d.Fields[i].Field) == "" {
			out = append(out, d.Fields[i].Name)
		}
	}
	return out
}

// externalIDs lists the fields of a parent by whose text a record can find it.
func (k *catalog) externalIDs(p settings.Parent) []string {
	d, _ := k.object(parentObject(p))
	if d == nil {
		return nil
	}
	var out []string
	for i := range d.Fields {
		if pipeline.ExternalID(d.Fields[i].Field) == "" {
			out = append(out, d.Fields[i].Name)
		}
	}
	return out
}

// checkCustomObjects finds what does not fit the org in the configured objects.
func checkCustomObjects(ctx context.Context, o *org, all settings.Settings) (settings.FieldErrors, error) {
	found := make([]settings.FieldErrors, len(all.CustomObjects))
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(checksAtOnce)
	for i, c := range all.CustomObjects {
		group.Go(func() (err error) {
			found[i], err = checkCustomObject(asking, o, i, c)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	errs := settings.FieldErrors{}
	for _, of := range found {
		for path, sentences := range of {
			errs[path] = append(errs[path], sentences...)
		}
	}
	return errs, nil
}

// checksAtOnce is how many custom objects are checked against the org at the same time.
const checksAtOnce = 4

func checkCustomObject(ctx context.Context, o *org, i int, c settings.CustomObject) (settings.FieldErrors, error) {
	errs, err := o.objectProblems(ctx, i, c)
	if err != nil || len(errs) > 0 || strings.TrimSpace(c.Filter) == "" || !settings.IsName(c.Object) {
		return errs, err
	}
	path := settings.PathCustomObject(i) + settings.PartFilter
	switch res := o.tryObject(ctx, c.Object, nil, c.Filter); {
	case len(res.Problems) > 0:
		errs.Add(path, "SOQL validation failed: "+res.Problems[0].Message)
	case res.Unanswered != "":
		errs.Add(path, "It could not be validated. "+res.Unanswered)
	}
	return errs, nil
}

// objectProblems says what of the object at place i does not fit the org, by the describes alone.
func (o *org) objectProblems(ctx context.Context, i int, c settings.CustomObject) (settings.FieldErrors, error) {
	errs, path := settings.FieldErrors{}, settings.PathCustomObject(i)
	if !settings.IsName(c.Object) {
		return errs, nil // validation says so
	}
	d, err := o.client.Describe(ctx, c.Object)
	switch {
	case isNotFound(err):
		errs.Add(path+settings.PartObject, "The connected user cannot see the object "+c.Object+". Choose another, or give that user read access to it.")
		return errs, nil
	case err != nil:
		return nil, err
	case !d.Queryable:
		errs.Add(path+settings.PartObject, "Salesforce does not let "+d.Label+" ("+d.Name+") be queried. Choose another object.")
		return errs, nil
	case syncedAnyway(d.Name):
		errs.Add(path+settings.PartObject, d.Label+" is synced anyway. Choose another object; its further fields are chosen in the other sections.")
		return errs, nil
	}
	parent := parentObject(c.Parent)
	field := func(part, object, name, use string) *soql.Field {
		if name == "" {
			return nil
		}
		_, f, problem := soql.FieldAt(name, object, o.schema)
		if problem == "" {
			if why := fitOf(use, object)(f); why != "" {
				problem = f.Label + " (" + f.Name + ") cannot be used here: " + why + "."
			}
		}
		if problem != "" {
			errs.Add(path+part, problem)
			return nil
		}
		return &f
	}
	if match := field(settings.PartMatch, d.Name, c.Match, linkTo(c.Parent)); match != nil && match.Type != "reference" {
		field(settings.PartTo, parent, c.To, forExternalID)
		if c.To == "" {
			errs.Add(path+settings.PartTo, match.Label+" ("+match.Name+") is a text. Choose the External ID field of "+parent+" that it holds, or a matching field that points to "+parent+".")
		}
	}
	checkFields(errs, path+settings.PartFields, d, c.Fields, pipeline.Syncable)
	for _, f := range pipeline.CheckFilterOf(d.Name, c.Filter, o.schema) {
		if !f.Warning && strings.TrimSpace(c.Filter) != "" {
			errs.Add(path+settings.PartFilter, "SOQL validation failed: "+f.Message)
			break
		}
	}
	return errs, salesforce.SchemaErr(o.schema)
}

// syncedAnyway reports whether an object is among those that are read whatever the settings say.
func syncedAnyway(object string) bool {
	return slices.ContainsFunc(pipeline.Objects(), func(name string) bool { return strings.EqualFold(name, object) })
}

// previewObject shows what the object at place i selects, or says why it cannot.
func (s *Server) previewObject(ctx context.Context, o *org, p *settingsPage, i int) (*views.ObjectResult, error) {
	c, path := p.shown.CustomObjects[i], settings.PathCustomObject(i)
	out := &views.ObjectResult{Object: c}
	if o.source == nil {
		out.Unanswered = o.why
		return out, nil
	}
	found := settings.FieldErrors{}
	for at, sentences := range p.shown.Validate() {
		if strings.HasPrefix(at, path+".") {
			found[at] = sentences
		}
	}
	var err error
	if len(found) == 0 {
		found, err = o.objectProblems(ctx, i, c)
	}
	p.found(found)
	labels := p.labels()
	for _, at := range sortedPaths(found) {
		for _, text := range found[at] {
			out.Problems = append(out.Problems, ui.Problem{FieldID: views.BoxID(at), Text: strings.TrimPrefix(labels[at]+": "+text, ": ")})
		}
	}
	if err == nil && len(out.Problems) > 0 {
		return out, nil
	}
	if out.Unanswered = o.filtersReady(p.shown); err == nil && out.Unanswered != "" {
		return out, nil
	}
	asking, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var preview pipeline.ObjectPreview
	if err == nil {
		preview, err = pipeline.PreviewCustomObject(asking, o.source, p.shown, c, o.schema)
	}
	if err != nil {
		out.Unanswered, err = s.valueUnanswered(ctx, o, err)
		return out, err
	}
	out.Preview, out.Took = &preview, ui.Duration(preview.Took)
	for _, r := range preview.Records {
		row := views.ObjectRecord{Name: r.Name, Href: recordURL(o.connection, r.ID), Key: r.Key, Parents: len(r.Parents)}
		if row.Name == "" {
			row.Name = r.ID
		}
		if len(r.Parents) == 1 {
			row.Parent, row.ParentHref = r.Parents[0].Name, recordURL(o.connection, r.Parents[0].ID)
		}
		out.Records = append(out.Records, row)
	}
	return out, nil
}

func drawCustomObjects(s *Server, r *http.Request, p *settingsPage, frame views.SettingsFrame) (templ.Component, error) {
	known := s.catalog(r.Context(), p.connection)
	view := views.CustomObjects{Frame: frame, Errors: p.errs[settings.PathCustomObjects]}
	for _, c := range removedObjects(p) {
		view.Removed = append(view.Removed, views.RemovedObject{Name: c.Name, Do: doRestore + ":" + c.Object})
	}
	for i, c := range p.shown.CustomObjects {
		view.Objects = append(view.Objects, drawCustomObject(known, r, p, i, c))
	}
	return views.CustomObjectsPage(view), nil
}

func drawCustomObject(known *catalog, r *http.Request, p *settingsPage, i int, c settings.CustomObject) views.CustomObject {
	path := settings.PathCustomObject(i)
	id, parent := views.BoxID(path), parentObject(c.Parent)
	result := templ.Attributes{"data-result": id + "-result"}
	// Where scripts run, a choice brings what follows from it.
	brings := func(do, place string) templ.Attributes {
		return templ.Attributes{
			"data-result": id + "-result", "hx-post": p.path(p.section), "hx-trigger": "change", "hx-vals": fmt.Sprintf(`{"do":"%s:%s"}`, do, path), "hx-target": "#" + place,
			"hx-select": "#" + place, "hx-swap": "outerHTML", "hx-sync": "this:replace",
		}
	}
	v := views.CustomObject{
		Path: path, ID: id, Place: i, Settings: c, ParentLabel: parent, Remove: doRemove + ":" + strconv.Itoa(i), Follow: doFollowObject + ":" + path, Preview: doPreview + ":" + path,
		ParentErrors: p.errs[path+settings.PartParent], ParentAttrs: brings(doFollowParent, id+"-link"),
		Object: known.picker(path+settings.PartObject, choiceQuery{use: forCustomObject, taken: chosenElsewhere(p, i)}, c.Object),
		Name: ui.Field{ID: ui.PathID(path + settings.PartName), Name: path + settings.PartName, Label: "Display name", Value: c.Name, Errors: p.errs[path+settings.PartName], Required: true,
			MaxLength: 80, Hint: "What its records are called here.", Autocomplete: "off"},
	}
	v.Object.Label, v.Object.Errors, v.Object.Required, v.Object.Attrs = "Object", p.errs[path+settings.PartObject], true, brings(doFollowObject, id+"-rest")
	v.Object.Attrs["hx-select-oob"] = "#" + id + "-title,#" + id + "-remove"
	if c.Object == "" {
		return v
	}
	d, _ := known.object(c.Object)
	v.Match = known.one(path+settings.PartMatch, c.Object, linkTo(c.Parent), c.Match)
	v.Match.Label, v.Match.Errors, v.Match.Required, v.Match.Attrs = "Matching field", p.errs[path+settings.PartMatch], true, brings(doFollowMatch, id+"-key")
	v.Match.Hint = "The field that says which " + parent + " a record belongs to."
	v.To = known.one(path+settings.PartTo, parent, forExternalID, c.To)
	v.To.Label, v.To.Errors, v.To.Attrs = "External ID of "+parent, p.errs[path+settings.PartTo], result
	v.To.Hint = "The External ID field of " + parent + " whose value the matching field holds."
	v.ByText = c.To != "" || len(v.To.Errors) > 0
	if d != nil {
		if f := d.Field(c.Match); f != nil {
			v.ByText = v.ByText || f.Type != "reference"
		}
		for j := range d.Fields {
			if f := d.Fields[j].Field; pipeline.Worthwhile(f) == "" {
				v.All = append(v.All, ui.Item{Name: f.Name, Label: f.Label, Type: pipeline.TypeLabel(f)})
			}
		}
	}
	v.Filter = p.filterBox(path+settings.PartFilter, c.Object, "Filter", c.Filter)
	v.Fields = known.many(path+settings.PartFields, c.Object, forAny, c.Fields, r.PostForm)
	v.Fields.Label, v.Fields.Errors = "Fields", p.errs[path+settings.PartFields]
	v.Fields.Empty = "All readable fields are synced."
	if len(v.All) > 0 {
		v.Fields.Empty = "All " + ui.Plural(int64(len(v.All)), "readable field is", "readable fields are") + " synced."
	}
	v.Result, _ = p.results[path].(*views.ObjectResult)
	return v
}

// chosenElsewhere lists the objects of the other cards.
func chosenElsewhere(p *settingsPage, place int) []string {
	var out []string
	for i, c := range p.shown.CustomObjects {
		if i != place && c.Object != "" {
			out = append(out, c.Object)
		}
	}
	return out
}

// customObjectLabels names the parts of the configured objects by their field paths.
func customObjectLabels(all []settings.CustomObject) map[string]string {
	out := map[string]string{}
	for i, c := range all {
		name := c.Name
		if name == "" {
			name = c.Object
		}
		if name == "" {
			name = "Custom object " + strconv.Itoa(i+1)
		}
		for part, label := range map[string]string{
			settings.PartObject: "object", settings.PartName: "display name", settings.PartParent: "parent", settings.PartMatch: "matching field", settings.PartTo: "External ID",
			settings.PartFilter: "filter", settings.PartFields: "fields",
		} {
			out[settings.PathCustomObject(i)+part] = name + ", " + label
		}
	}
	return out
}
