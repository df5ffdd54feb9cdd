// Package settings holds a connection's settings as plain types: their defaults, their validation and the difference between two versions. It
// knows neither SQL nor HTTP; db stores these types, pipeline plans from them and web edits them.
package settings

import (
	"strings"
	"unicode/utf8"
)

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

// Settings is everything that an admin decides about a connection. A saved copy is a version.
type Settings struct {
	Accounts AccountFiltering `json:"accounts"`
}

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

// Defaults returns the settings of a connection that nobody has configured yet.
func Defaults() Settings {
	return Settings{Accounts: AccountFiltering{Mode: SingleFilter}}
}

// FieldErrors maps a field path to the sentences about it.
type FieldErrors map[string][]string

// Add notes a sentence about the field at path.
func (e FieldErrors) Add(path, sentence string) { e[path] = append(e[path], sentence) }

// Validate checks everything that can be known without Salesforce and returns all findings at once; it is empty when there are none. The SOQL
// itself is checked by salesforce/soql, against the org's schema.
func (s Settings) Validate() FieldErrors {
	errs := s.CheckTexts("")
	a := s.Accounts
	switch a.Mode {
	case SingleFilter:
		if strings.TrimSpace(a.Single) == "" {
			errs.Add(PathSingle, "Enter a filter: it decides which accounts are synced.")
		}
	case TypedFilters:
		if len(a.Filters()) == 0 {
			errs.Add(PathCustomer, "Enter at least one of the three filters: accounts that match none of them are not synced.")
		}
	default:
		errs.Add(PathMode, "Choose a single filter or typed filters.")
	}
	return errs
}

// PathNote is the field path of the note that goes with a version.
const PathNote = "note"

// CheckTexts returns a finding for each text of the settings and for the note of a version that cannot be stored: a text holds no zero characters and no
// broken ones. It is part of Validate, but for the note.
func (s Settings) CheckTexts(note string) FieldErrors {
	errs := FieldErrors{}
	a := s.Accounts
	for _, f := range []struct{ path, text string }{
		{PathMode, string(a.Mode)}, {PathSingle, a.Single}, {PathCustomer, a.Customer}, {PathProspect, a.Prospect}, {PathPartner, a.Partner}, {PathNote, note},
	} {
		if !utf8.ValidString(f.text) || strings.Contains(f.text, "\x00") {
			errs.Add(f.path, "The text holds a character that cannot be stored. Type it again instead of pasting it.")
		}
	}
	return errs
}

// Normalize returns s with line ends unified and surrounding blanks removed, the form in which settings are stored and compared.
func (s Settings) Normalize() Settings {
	clean := func(t string) string {
		return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(t, "\r\n", "\n"), "\r", "\n"))
	}
	a := &s.Accounts
	a.Single, a.Customer, a.Prospect, a.Partner = clean(a.Single), clean(a.Customer), clean(a.Prospect), clean(a.Partner)
	return s
}

// Change is one setting that differs between two versions.
type Change struct {
	Path, Label, Before, After string
}

// Diff lists what differs from old to new, in the order of the screens; it is empty when nothing does.
func Diff(old, new Settings) []Change {
	old, new = old.Normalize(), new.Normalize()
	var out []Change
	add := func(path, label, before, after string) {
		if before != after {
			out = append(out, Change{path, label, before, after})
		}
	}
	add(PathMode, "Filter mode", string(old.Accounts.Mode), string(new.Accounts.Mode))
	add(PathSingle, "Account filter", old.Accounts.Single, new.Accounts.Single)
	add(PathCustomer, "Customer filter", old.Accounts.Customer, new.Accounts.Customer)
	add(PathProspect, "Prospect filter", old.Accounts.Prospect, new.Accounts.Prospect)
	add(PathPartner, "Partner filter", old.Accounts.Partner, new.Accounts.Partner)
	return out
}
