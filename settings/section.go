package settings

import (
	"slices"
	"strings"
)

// Section is one page of the settings, named as in its address.
type Section string

// The sections in the order of the screens. Account Filtering and Account and Contact Fields share the first place of the wizard.
const (
	SectionFiltering     Section = "account-filtering"
	SectionFields        Section = "fields-and-frequency"
	SectionOwners        Section = "owner-mapping"
	SectionValue         Section = "arr-and-renewal"
	SectionCustomObjects Section = "custom-objects"
	SectionCases         Section = "support-cases"
	SectionChatter       Section = "chatter"
	SectionAdvanced      Section = "advanced"
)

// Sections lists every section in order.
var Sections = []Section{SectionFiltering, SectionFields, SectionOwners, SectionValue, SectionCustomObjects, SectionCases, SectionChatter, SectionAdvanced}

// Label returns the section's name as people read it.
func (s Section) Label() string {
	switch s {
	case SectionFiltering:
		return "Account Filtering"
	case SectionFields:
		return "Fields & Frequency"
	case SectionOwners:
		return "Owner Mapping"
	case SectionValue:
		return "ARR & Renewal"
	case SectionCustomObjects:
		return "Custom Objects"
	case SectionCases:
		return "Support Cases"
	case SectionChatter:
		return "Chatter"
	case SectionAdvanced:
		return "Advanced"
	}
	return string(s)
}

// prefixes are the beginnings of the field paths of each section.
var prefixes = map[Section][]string{
	SectionFiltering:     {"accounts."},
	SectionFields:        {"account_fields", "sync."},
	SectionOwners:        {"owners."},
	SectionValue:         {"arr.", "renewal."},
	SectionCustomObjects: {"custom_objects"},
	SectionCases:         {"cases."},
	SectionChatter:       {"chatter."},
	SectionAdvanced:      {"advanced."},
}

// SectionOf returns the section in which the field at path is edited; "" for a path of no section. A section's own key is the path of what is about it as
// a whole.
func SectionOf(path string) Section {
	for _, s := range Sections {
		if path == string(s) || slices.ContainsFunc(prefixes[s], func(p string) bool { return strings.HasPrefix(path, p) }) {
			return s
		}
	}
	return ""
}

// Take returns s with one section as it is in from.
func (s Settings) Take(section Section, from Settings) Settings {
	switch section {
	case SectionFiltering:
		s.Accounts = from.Accounts
	case SectionFields:
		s.AccountFields, s.Sync = from.AccountFields, from.Sync
	case SectionOwners:
		s.Owners = from.Owners
	case SectionValue:
		s.ARR, s.Renewal = from.ARR, from.Renewal
	case SectionCustomObjects:
		s.CustomObjects = from.CustomObjects
	case SectionCases:
		s.Cases = from.Cases
	case SectionChatter:
		s.Chatter = from.Chatter
	case SectionAdvanced:
		s.Advanced = from.Advanced
	}
	return s
}

// Changed lists the sections in which a and b differ, in order.
func Changed(a, b Settings) []Section {
	var out []Section
	for _, c := range Diff(a, b) {
		if !slices.Contains(out, c.Section) {
			out = append(out, c.Section)
		}
	}
	return out
}
