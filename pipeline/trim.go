package pipeline

import (
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Trim is what an allowlist makes of the fields of an object.
type Trim struct {
	Locked  []string   // synced whatever the list says: the sync itself needs them
	Anyway  []FieldUse // not listed, and synced all the same: other settings use them
	LeftOut []FieldUse // not listed, and so not synced
}

// FieldUse is a field with the setting that asks for it.
type FieldUse struct {
	Field string
	Place string // empty for a field that is synced by default
}

// TrimOf returns what the allowlists of the settings do to accounts and to opportunities, by the tables that a plan from them has.
func TrimOf(s settings.Settings) (ofAccounts, ofOpportunities Trim) {
	s = s.Normalize()
	all := s
	all.Advanced = settings.Advanced{}
	place := func(field string) string {
		for _, t := range settings.OwnerTypes {
			if strings.EqualFold(*s.Owners.Field(t), field) {
				return t.Label()
			}
		}
		for _, k := range ValueKinds {
			if rule := k.Rule(s); rule.Mode == settings.DirectValue && strings.EqualFold(rule.Field, field) {
				return k.Label()
			}
		}
		if containsFold(s.AccountFields, field) {
			return "further Account fields"
		}
		return ""
	}
	return trim(s.Advanced.AccountAllowlist, accountTable(s), accountTable(all), place),
		trim(s.Advanced.OpportunityAllowlist, opportunityTable(s), opportunityTable(all), func(string) string { return "" })
}

func trim(list []string, now, without Table, place func(string) string) (out Trim) {
	locked := Locked(now.Object)
	for _, f := range now.fieldNames() {
		if len(list) > 0 && !containsFold(list, f) && !containsFold(always, f) {
			out.Anyway = append(out.Anyway, FieldUse{f, place(f)})
		}
	}
	for _, f := range without.fieldNames() {
		if !containsFold(now.fieldNames(), f) {
			out.LeftOut = append(out.LeftOut, FieldUse{f, place(f)})
		}
	}
	out.Locked = locked
	return out
}

// Locked lists the fields of a core object that no allowlist leaves out, because the sync itself needs them.
func Locked(object string) []string {
	t, _ := TableOf(object)
	return slices.DeleteFunc(t.fieldNames(), func(f string) bool { return !containsFold(always, f) })
}

// Listable accepts the fields that an allowlist of a core object can be about.
func Listable(object string) Fit {
	locked := Locked(object)
	return func(f soql.Field) string {
		if containsFold(locked, f.Name) {
			return "Always synced"
		}
		return Syncable(f)
	}
}

// fieldNames lists the fields that the table is read from, each once.
func (t Table) fieldNames() []string {
	out := []string{"Id"}
	for _, c := range slices.Concat(t.Columns, t.Extra) {
		if !containsFold(out, c.Field) {
			out = append(out, c.Field)
		}
	}
	return out
}

func containsFold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
