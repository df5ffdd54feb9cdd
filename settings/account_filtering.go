package settings

import "strings"

// AccountType is what an account is to the company: the type of the first filter that it matches.
type AccountType string

// The account types, in the order in which their filters are tried.
const (
	Customer AccountType = "customer"
	Prospect AccountType = "prospect"
	Partner  AccountType = "partner"
)

// AccountTypes lists every type in match order.
var AccountTypes = []AccountType{Customer, Prospect, Partner}

// Label returns the type's name as people read it.
func (t AccountType) Label() string {
	switch t {
	case Customer:
		return "Customer"
	case Prospect:
		return "Prospect"
	case Partner:
		return "Partner"
	}
	return string(t)
}

// FilterMode says whether one filter selects all accounts or each type has its own.
type FilterMode string

// The two filter modes.
const (
	SingleFilter FilterMode = "single"
	TypedFilters FilterMode = "typed"
)

// AccountFiltering selects the accounts to keep in step. Each filter is the text of a SOQL WHERE condition on Account, without the word WHERE.
type AccountFiltering struct {
	Mode     FilterMode `json:"mode"`
	Single   string     `json:"single"`
	Customer string     `json:"customer"`
	Prospect string     `json:"prospect"`
	Partner  string     `json:"partner"`
}

// Filter is one filter in use.
type Filter struct {
	Type AccountType // the type its accounts get
	Path string      // the field path of its box, such as "accounts.single"
	SOQL string      // the condition, trimmed
}

// Filters returns the filters in use in match order. In typed mode an empty filter means that the type is not synced.
func (a AccountFiltering) Filters() []Filter {
	if a.Mode != TypedFilters {
		return []Filter{{Customer, PathSingle, strings.TrimSpace(a.Single)}}
	}
	var out []Filter
	for _, f := range []Filter{{Customer, PathCustomer, a.Customer}, {Prospect, PathProspect, a.Prospect}, {Partner, PathPartner, a.Partner}} {
		if f.SOQL = strings.TrimSpace(f.SOQL); f.SOQL != "" {
			out = append(out, f)
		}
	}
	return out
}

// Field paths of the account filters, as used in FieldErrors, form names and Change.
const (
	PathMode     = "accounts.mode"
	PathSingle   = "accounts.single"
	PathCustomer = "accounts.customer"
	PathProspect = "accounts.prospect"
	PathPartner  = "accounts.partner"
)

func (a AccountFiltering) validate(errs FieldErrors) {
	switch a.Mode {
	case SingleFilter:
		if a.Single == "" {
			errs.Add(PathSingle, "Enter a filter: it decides which accounts are synced.")
		}
	case TypedFilters:
		if len(a.Filters()) == 0 {
			errs.Add(PathCustomer, "Enter at least one of the three filters: accounts that match none of them are not synced.")
		}
	default:
		errs.Add(PathMode, "Choose a single filter or typed filters.")
	}
}

func (a *AccountFiltering) normalize() {
	a.Single, a.Customer, a.Prospect, a.Partner = clean(a.Single), clean(a.Customer), clean(a.Prospect), clean(a.Partner)
}

func (a AccountFiltering) entries() []entry {
	return []entry{
		{PathMode, "Filter mode", string(a.Mode)},
		{PathSingle, "Account filter", a.Single},
		{PathCustomer, "Customer filter", a.Customer},
		{PathProspect, "Prospect filter", a.Prospect},
		{PathPartner, "Partner filter", a.Partner},
	}
}
