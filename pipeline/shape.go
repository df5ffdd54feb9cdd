package pipeline

import (
	"slices"
	"strings"

	"millrace/settings"
)

// always names the fields that no allowlist leaves out: the sync itself needs them.
var always = []string{"Id", "Name", "SystemModstamp", "AccountId", "CurrencyIsoCode"}

// allow leaves of the table only the listed fields, those that other settings use and those that are always kept; an empty list leaves all. A listed field
// that is no column of the table becomes a further one.
func (t Table) allow(list []string, used ...string) Table {
	if len(list) == 0 {
		return t
	}
	among := func(c Column, names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, c.Field) })
	}
	t = t.without(func(c Column) bool { return !among(c, slices.Concat(list, used, always)...) })
	t.Extra = slices.DeleteFunc(slices.Clone(t.Extra), func(c Column) bool { return !among(c, list...) })
	return t.with(named(t.missing(list))...)
}

// missing returns those of the fields that no column of the table comes from.
func (t Table) missing(fields []string) []string {
	return slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return t.has(f) || strings.EqualFold(f, "Id") })
}

// ownerColumns are the columns of accounts with the ids of the people who look after them. Where a field can hold a queue too, its id stays an id.
var ownerColumns = map[settings.OwnerType]string{
	settings.AccountOwner: "owner_id", settings.CSM: "csm_id", settings.SalesRep: "sales_rep_id", settings.SupportOwner: "support_owner_id",
	settings.TAM: "tam_id", settings.SuccessManager: "success_manager_id",
}

// OwnerColumn returns the column of accounts with the id of an owner.
func OwnerColumn(t settings.OwnerType) string { return ownerColumns[t] }

// OwnerColumns lists the columns of accounts with the ids of the people who look after them, in the order of settings.OwnerTypes.
func OwnerColumns() []string {
	var out []string
	for _, t := range settings.OwnerTypes {
		out = append(out, ownerColumns[t])
	}
	return out
}

// accountTable returns the accounts as the settings want them.
func accountTable(s settings.Settings) Table {
	t := accounts.without(func(c Column) bool { return c.Name == "owner_id" })
	t.Cleared = nil
	var used []string
	for _, o := range settings.OwnerTypes {
		if field := *s.Owners.Field(o); field != "" {
			t.Columns = append(t.Columns, Column{field, ownerColumns[o], ID})
			used = append(used, field)
		} else {
			t.Cleared = append(t.Cleared, ownerColumns[o])
		}
	}
	t = accountValues(t, s).with(named(accounts.missing(s.AccountFields))...)
	t = t.allow(s.Advanced.AccountAllowlist, append(used, s.ARR.Field, s.Renewal.Field)...)
	return t.with(externalKeys(s, settings.ParentAccount)...)
}

// contactTable returns the contacts as the settings want them.
func contactTable(s settings.Settings) Table {
	excluded := func(c Column) bool {
		return slices.ContainsFunc(s.Advanced.ExcludedContact, func(name string) bool { return strings.EqualFold(name, c.Field) })
	}
	return contacts.without(excluded).with(s.Advanced.ContactFields...).with(externalKeys(s, settings.ParentContact)...)
}

// opportunityTable returns the opportunities as the settings want them.
func opportunityTable(s settings.Settings) Table {
	return opportunities.allow(s.Advanced.OpportunityAllowlist)
}
