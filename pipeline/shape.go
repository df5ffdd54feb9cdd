package pipeline

import (
	"slices"
	"strings"

	"millrace/settings"
)

// always names the fields that no allowlist leaves out: the sync itself needs them.
var always = []string{"Id", "Name", "SystemModstamp", "AccountId", "CurrencyIsoCode"}

// allow leaves of the table only the listed fields and those that are always kept; an empty list leaves all. A listed field that is no column of the table
// becomes a further one.
func (t Table) allow(list []string, kept ...string) Table {
	if len(list) == 0 {
		return t
	}
	in := func(c Column) bool {
		same := func(name string) bool { return strings.EqualFold(name, c.Field) }
		return slices.ContainsFunc(list, same) || slices.ContainsFunc(kept, same) || slices.ContainsFunc(always, same)
	}
	t = t.without(func(c Column) bool { return !in(c) })
	t.Extra = slices.DeleteFunc(slices.Clone(t.Extra), func(c Column) bool { return !in(c) })
	return t.with(named(t.missing(list))...)
}

// missing returns those of the fields that no column of the table comes from.
func (t Table) missing(fields []string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return t.has(f) || strings.EqualFold(f, "Id") })
}

// accountTable returns the accounts as the settings want them.
func accountTable(s settings.Settings) Table {
	t := accounts
	t.Columns = slices.Clone(t.Columns)
	for i := range t.Columns {
		if t.Columns[i].Name == "owner_id" {
			t.Columns[i].Field = s.Owners.AccountOwner
		}
	}
	t = t.with(named(accounts.missing(s.AccountFields))...)
	return t.allow(s.Advanced.AccountAllowlist, s.Owners.AccountOwner)
}

// contactTable returns the contacts as the settings want them.
func contactTable(s settings.Settings) Table {
	excluded := func(c Column) bool {
		return slices.ContainsFunc(s.Advanced.ExcludedContact, func(name string) bool { return strings.EqualFold(name, c.Field) })
	}
	return contacts.without(excluded).with(s.Advanced.ContactFields...)
}

// opportunityTable returns the opportunities as the settings want them.
func opportunityTable(s settings.Settings) Table {
	return opportunities.allow(s.Advanced.OpportunityAllowlist)
}
