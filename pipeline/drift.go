package pipeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// SeenObject is what an object of the org looked like when settings that use it were saved.
type SeenObject struct {
	Name   string      `json:"name"`
	Label  string      `json:"label"`
	Fields []SeenField `json:"fields"` // those that the settings use
}

// SeenField is a field of a SeenObject.
type SeenField struct {
	Name  string `json:"name"`
	Label string `json:"label"`
	Type  string `json:"type"` // as TypeLabel names it
}

// DriftFinding is a change in the org that touches the settings.
type DriftFinding struct {
	Section  settings.Section
	Path     string // the setting that uses what has changed
	Sentence string // what has changed and where it is used, without its full stop
}

// Look returns an object as the org is known to have it now: nil where it has none, and known false where that is not known.
type Look func(object string) (o *soql.Object, known bool)

// SeenBy returns what the settings use of the org as it is now, to be compared with later. Objects that are not known are left out.
func SeenBy(s settings.Settings, now Look) []SeenObject {
	var out []SeenObject
	for _, u := range usesOf(s, now) {
		o, known := now(u.object)
		if !known || o == nil {
			continue
		}
		i := slices.IndexFunc(out, func(x SeenObject) bool { return strings.EqualFold(x.Name, o.Name) })
		if i < 0 {
			i, out = len(out), append(out, SeenObject{Name: o.Name, Label: o.Label})
		}
		f := fieldOf(o, u.field)
		if f == nil || seenField(out[i], f.Name) != nil {
			continue
		}
		out[i].Fields = append(out[i].Fields, SeenField{Name: f.Name, Label: f.Label, Type: TypeLabel(*f)})
	}
	return out
}

// UsedObjects returns the API names of the objects that the settings name, in order, Account first; those that filters lead to are among them as far as
// they are known.
func UsedObjects(s settings.Settings, now Look) []string {
	out := []string{accounts.Object}
	for _, u := range usesOf(s, now) {
		if !slices.ContainsFunc(out, func(name string) bool { return strings.EqualFold(name, u.object) }) {
			out = append(out, u.object)
		}
	}
	return out
}

// Drift compares what the settings use with what it was when they were saved, and returns what has changed, once for each setting that it touches, in the
// order of the screens. What is not known now, and what was not seen then, is no change.
func Drift(before []SeenObject, now Look, s settings.Settings) []DriftFinding {
	type change struct {
		text string
		uses []use
	}
	var changes []change
	for _, u := range usesOf(s, func(object string) (*soql.Object, bool) {
		if o, known := now(object); known && o != nil {
			return o, true
		}
		return nil, false
	}) {
		text := drifted(before, now, u)
		if text == "" {
			continue
		}
		i := slices.IndexFunc(changes, func(c change) bool { return c.text == text })
		if i < 0 {
			i, changes = len(changes), append(changes, change{text: text})
		}
		if !slices.ContainsFunc(changes[i].uses, func(x use) bool { return x.path == u.path }) {
			changes[i].uses = append(changes[i].uses, u)
		}
	}
	var out []DriftFinding
	for _, c := range changes {
		var places []string
		for _, u := range c.uses {
			if !slices.Contains(places, u.place) {
				places = append(places, u.place)
			}
		}
		for _, u := range c.uses {
			out = append(out, DriftFinding{Section: settings.SectionOf(u.path), Path: u.path, Sentence: c.text + "; used by " + inWords(places)})
		}
	}
	slices.SortStableFunc(out, func(a, b DriftFinding) int {
		return cmp.Compare(slices.Index(settings.Sections, a.Section), slices.Index(settings.Sections, b.Section))
	})
	return out
}

// drifted says what has become of a used object or field, or "".
func drifted(before []SeenObject, now Look, u use) string {
	i := slices.IndexFunc(before, func(x SeenObject) bool { return strings.EqualFold(x.Name, u.object) })
	if i < 0 {
		return ""
	}
	then := before[i]
	o, known := now(u.object)
	switch {
	case !known:
		return ""
	case o == nil:
		return fmt.Sprintf("The object %s (%s) was deleted or hidden", then.Label, then.Name)
	case u.field == "" && o.Label != then.Label:
		return fmt.Sprintf("The object %s is now called “%s”; it was “%s”", then.Name, o.Label, then.Label)
	}
	was := seenField(then, u.field)
	if was == nil {
		return ""
	}
	f := fieldOf(o, u.field)
	name := was.Name
	if !strings.EqualFold(then.Name, accounts.Object) {
		name = then.Name + "." + name
	}
	switch {
	case f == nil:
		return name + " was deleted or hidden"
	case TypeLabel(*f) != was.Type:
		return fmt.Sprintf("%s is now of type %s; it was %s", name, TypeLabel(*f), was.Type)
	case f.Label != was.Label:
		return fmt.Sprintf("%s is now labelled “%s”; it was “%s”", name, f.Label, was.Label)
	}
	return ""
}

func seenField(o SeenObject, name string) *SeenField {
	for i := range o.Fields {
		if strings.EqualFold(o.Fields[i].Name, name) {
			return &o.Fields[i]
		}
	}
	return nil
}

// use is a setting that names an object, or a field of one.
type use struct {
	path, place   string // the setting, and how it is called in a sentence
	object, field string // field is empty for the object as such
}

// usesOf lists what the settings use of the org, in the order of the screens.
func usesOf(s settings.Settings, now Look) []use {
	s = s.Normalize()
	u := uses{now: now}
	for _, f := range s.Accounts.Filters() {
		place := "the account filter"
		if s.Accounts.Mode == settings.TypedFilters {
			place = "the " + f.Type.Label() + " filter"
		}
		u.filter(f.Path, place, accounts.Object, f.SOQL)
	}
	u.fields(settings.PathAccountFields, "Account fields", accounts.Object, s.AccountFields...)
	for _, t := range settings.OwnerTypes {
		u.fields(settings.PathOwner(t), "Owner Mapping", accounts.Object, *s.Owners.Field(t))
	}
	u.rule(settings.PathARR, "ARR", s.ARR)
	u.rule(settings.PathRenewal, "Renewal date", s.Renewal)
	for i, c := range s.CustomObjects {
		path := settings.PathCustomObject(i)
		u.add(path+settings.PartObject, c.Name, c.Object, "")
		u.fields(path+settings.PartMatch, c.Name, c.Object, c.Match)
		parent := accounts.Object
		if c.Parent == settings.ParentContact {
			parent = contacts.Object
		}
		u.fields(path+settings.PartTo, c.Name, parent, c.To)
		u.filter(path+settings.PartFilter, "the filter of "+c.Name, c.Object, c.Filter)
		u.fields(path+settings.PartFields, c.Name, c.Object, c.Fields...)
	}
	if s.Cases.Enabled {
		u.add(settings.PathCasesEnabled, "Support Cases", "Case", "")
		u.filter(settings.PathCasesFilter, "the case filter", "Case", s.Cases.Filter)
		u.fields(settings.PathCasesFields, "Support Cases", "Case", s.Cases.Fields...)
	}
	if s.Chatter.Enabled {
		for _, feed := range []struct {
			on                   bool
			object, path, filter string
		}{
			{s.Chatter.Accounts, "AccountFeed", settings.PathChatterAccountFilter, s.Chatter.AccountFilter},
			{s.Chatter.Opportunities, "OpportunityFeed", settings.PathChatterOpportunityFilter, s.Chatter.OpportunityFilter},
		} {
			if feed.on {
				u.add(feed.path, "Chatter", feed.object, "")
				u.filter(feed.path, "a Chatter filter", feed.object, feed.filter)
				u.fields(settings.PathChatterFields, "Chatter", feed.object, s.Chatter.Fields...)
			}
		}
	}
	u.fields(settings.PathAccountAllowlist, "Advanced", accounts.Object, s.Advanced.AccountAllowlist...)
	u.fields(settings.PathOpportunityAllowlist, "Advanced", opportunities.Object, s.Advanced.OpportunityAllowlist...)
	for i, m := range s.Advanced.ContactFields {
		u.fields(settings.PathContactField(i)+settings.PartField, "Advanced", contacts.Object, m.Field)
	}
	return u.list
}

// uses collects uses.
type uses struct {
	now  Look
	list []use
}

func (u *uses) add(path, place, object, field string) {
	u.list = append(u.list, use{path: path, place: place, object: object, field: field})
}

func (u *uses) fields(path, place, object string, names ...string) {
	for _, name := range names {
		if name != "" && object != "" {
			u.add(path, place, object, name)
		}
	}
}

func (u *uses) rule(path, place string, r settings.ValueRule) {
	switch r.Mode {
	case settings.DirectValue:
		u.fields(path+settings.PartField, place, accounts.Object, r.Field)
	case settings.CalculatedValue:
		u.add(path+settings.PartObject, place, r.Object, "")
		u.fields(path+settings.PartLink, place, r.Object, r.Link)
		u.fields(path+settings.PartValue, place, r.Object, r.Value)
		if r.Combine == settings.Latest {
			u.fields(path+settings.PartLatestBy, place, r.Object, r.LatestBy)
		}
		u.filter(path+settings.PartFilter, "the filter of "+place, r.Object, r.Filter)
	}
}

// filter adds the fields that a condition compares. Relationships are followed through what is known; what lies beyond is left out.
func (u *uses) filter(path, place, object, condition string) {
	if condition == "" {
		return
	}
	e, findings := soql.ParseFilter(condition)
	if soql.Refused(findings) {
		return
	}
	for _, p := range soql.Paths(e) {
		names, at := p.Relationships(), object
		if len(names) > 0 && strings.EqualFold(names[0], object) {
			names = names[1:] // the object's own name may begin a path
		}
		for _, name := range names {
			o, known := u.now(at)
			if at = ""; !known || o == nil {
				break
			}
			for _, f := range o.Fields {
				if strings.EqualFold(f.RelationshipName, name) && len(f.ReferenceTo) > 0 {
					u.add(path, place, o.Name, f.Name)
					at = f.ReferenceTo[0]
				}
			}
			if at == "" {
				if custom, ok := strings.CutSuffix(strings.ToLower(name), "__r"); ok { // of a lookup that is gone
					u.add(path, place, o.Name, custom+"__c")
				}
				break
			}
		}
		if at != "" {
			u.add(path, place, at, p.Field())
		}
	}
}

// inWords joins places to a phrase.
func inWords(places []string) string {
	if len(places) < 2 {
		return strings.Join(places, "")
	}
	return strings.Join(places[:len(places)-1], ", ") + " and " + places[len(places)-1]
}
