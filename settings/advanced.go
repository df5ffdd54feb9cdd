package settings

import (
	"fmt"
	"slices"
	"strings"
)

// Advanced trims what is synced and adds to it. An allowlist that is not empty leaves only its fields, the keys that the sync itself needs, and the
// fields that other settings use.
type Advanced struct {
	AccountAllowlist     []string       `json:"account_allowlist,omitempty"`
	OpportunityAllowlist []string       `json:"opportunity_allowlist,omitempty"`
	ContactFields        []FieldMapping `json:"contact_fields,omitempty"`          // Contact fields besides the predefined ones
	ExcludedContact      []string       `json:"excluded_contact_fields,omitempty"` // predefined Contact fields that are not synced
}

// FieldMapping is a Salesforce field and the name under which it is kept here.
type FieldMapping struct {
	Field string `json:"field"`          // API name
	Name  string `json:"name,omitempty"` // empty for the API name
}

// As returns the name under which the field is kept.
func (m FieldMapping) As() string { return orElse(m.Name, m.Field) }

// PredefinedContactFields are the Contact fields that are always synced unless they are excluded, but for the first four, which cannot be.
var PredefinedContactFields = []string{"Id", "AccountId", "Email", "LastName", "FirstName", "Phone", "Title", "Department"}

// Excludable lists the Contact fields that can be excluded.
func Excludable() []string { return PredefinedContactFields[4:] }

// Field paths of the advanced settings. The mappings are followed by a dot, their place in the list and the part.
const (
	PathAccountAllowlist     = "advanced.account_allowlist"
	PathOpportunityAllowlist = "advanced.opportunity_allowlist"
	PathContactFields        = "advanced.contact_fields"
	PathExcludedContact      = "advanced.excluded_contact_fields"
)

// PathContactField returns the field path of the mapping at place i of the list.
func PathContactField(i int) string { return fmt.Sprintf("%s.%d", PathContactFields, i) }

func (a Advanced) validate(errs FieldErrors) {
	validateNames(errs, PathAccountAllowlist, a.AccountAllowlist)
	validateNames(errs, PathOpportunityAllowlist, a.OpportunityAllowlist)
	if len(a.ContactFields) > maxNames {
		errs.Add(PathContactFields, "More than 800 fields cannot be listed: no object has so many of its own.")
	}
	fields, names := map[string]bool{}, map[string]bool{}
	for i, m := range a.ContactFields {
		path := PathContactField(i)
		field, name := strings.ToLower(m.Field), strings.ToLower(m.As())
		switch {
		case field == "":
			errs.Add(path+PartField, "Choose a field, or remove the row.")
		case !IsName(m.Field):
			errs.Add(path+PartField, "“"+m.Field+"” is not the API name of a field. Choose one from the list.")
		case fields[field]:
			errs.Add(path+PartField, m.Field+" is listed twice.")
		case slices.ContainsFunc(PredefinedContactFields, func(p string) bool { return strings.EqualFold(p, m.Field) }):
			errs.Add(path+PartField, m.Field+" is synced anyway.")
		}
		if m.Name != "" && !IsName(m.Name) {
			errs.Add(path+PartName, "Use letters, digits and underscores, beginning with a letter.")
		} else if field != "" && names[name] {
			errs.Add(path+PartName, "Another field is kept as "+m.As()+" too.")
		}
		fields[field], names[name] = true, true
	}
	for _, n := range a.ExcludedContact {
		if !slices.ContainsFunc(Excludable(), func(e string) bool { return strings.EqualFold(e, n) }) {
			errs.Add(PathExcludedContact, n+" cannot be excluded. These can: "+strings.Join(Excludable(), ", ")+".")
		}
	}
}

func (a *Advanced) normalize() {
	a.AccountAllowlist, a.OpportunityAllowlist, a.ExcludedContact = cleanNames(a.AccountAllowlist), cleanNames(a.OpportunityAllowlist), cleanNames(a.ExcludedContact)
	a.ContactFields = slices.Clone(a.ContactFields)
	for i := range a.ContactFields {
		m := &a.ContactFields[i]
		m.Field, m.Name = clean(m.Field), clean(m.Name)
		if m.Name == m.Field {
			m.Name = ""
		}
	}
	if len(a.ContactFields) == 0 {
		a.ContactFields = nil
	}
}

func (a Advanced) entries() []entry {
	var mapped []string
	for _, m := range a.ContactFields {
		text := m.Field
		if m.Name != "" {
			text += " as " + m.Name
		}
		mapped = append(mapped, text)
	}
	return []entry{
		{PathAccountAllowlist, "Account allowlist", strings.Join(a.AccountAllowlist, ", ")},
		{PathOpportunityAllowlist, "Opportunity allowlist", strings.Join(a.OpportunityAllowlist, ", ")},
		{PathContactFields, "Further Contact fields", strings.Join(mapped, ", ")},
		{PathExcludedContact, "Excluded Contact fields", strings.Join(a.ExcludedContact, ", ")},
	}
}
