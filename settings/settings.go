// Package settings holds a connection's settings as plain types: their defaults, their validation and the difference between two versions. It
// knows neither SQL nor HTTP; db stores these types, pipeline plans from them and web edits them. Each file but this one is one section.
package settings

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Settings is everything that an admin decides about a connection, but for the schedule of Chatter. A saved copy is a version. The zero value stands for
// the defaults in everything but the account filter, which has none; Normalize spells them out.
type Settings struct {
	Accounts      AccountFiltering `json:"accounts"`
	AccountFields []string         `json:"account_fields,omitempty"` // API names of Account fields that are synced besides the default ones
	Sync          Frequencies      `json:"sync"`
	Owners        OwnerMapping     `json:"owners"`
	ARR           ValueRule        `json:"arr"`
	Renewal       ValueRule        `json:"renewal"`
	CustomObjects []CustomObject   `json:"custom_objects,omitempty"`
	Cases         Cases            `json:"cases"`
	Chatter       Chatter          `json:"chatter"`
	Advanced      Advanced         `json:"advanced"`
}

// Defaults returns the settings of a connection that nobody has configured yet.
func Defaults() Settings {
	return Settings{
		Accounts: AccountFiltering{Mode: SingleFilter},
		Sync:     Frequencies{Accounts: Frequency{Hours: DefaultHours}, Contacts: Frequency{Hours: DefaultHours}, Start: DefaultStart, TimeZone: "UTC"},
		Owners:   OwnerMapping{AccountOwner: "OwnerId"},
		ARR:      ValueRule{Mode: NoValue},
		Renewal:  ValueRule{Mode: NoValue},
		Cases:    Cases{LookbackDays: DefaultLookback, Conversation: CaseComments},
		Chatter:  Chatter{Accounts: true, Opportunities: true, Comments: true, LookbackDays: DefaultLookback},
	}
}

// FieldErrors maps a field path to the sentences about it.
type FieldErrors map[string][]string

// Add notes a sentence about the field at path.
func (e FieldErrors) Add(path, sentence string) { e[path] = append(e[path], sentence) }

// Validate checks everything that can be known without Salesforce and returns all findings at once; it is empty when there are none. SOQL and the names
// of fields and objects are checked against the org's schema by pipeline.
func (s Settings) Validate() FieldErrors {
	errs := s.CheckTexts("")
	s = s.Normalize()
	s.Accounts.validate(errs)
	validateNames(errs, PathAccountFields, s.AccountFields)
	s.Sync.validate(errs)
	s.Owners.validate(errs)
	s.ARR.validate(errs, PathARR)
	s.Renewal.validate(errs, PathRenewal)
	validateCustomObjects(errs, s.CustomObjects)
	s.Cases.validate(errs)
	s.Chatter.validate(errs)
	s.Advanced.validate(errs)
	return errs
}

// PathNote is the field path of the note that goes with a version.
const PathNote = "note"

// CheckTexts returns a finding for each text of the settings and for the note of a version that cannot be stored: a text holds no zero characters and no
// broken ones. It is part of Validate, but for the note.
func (s Settings) CheckTexts(note string) FieldErrors {
	errs := FieldErrors{}
	check := func(path, text string) {
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			errs.Add(path, "The text holds a character that cannot be stored. Type it again instead of pasting it.")
		}
	}
	for _, e := range s.entries() {
		check(e.path, e.value)
	}
	check(PathNote, note)
	return errs
}

// Normalize returns s with line ends unified, surrounding blanks removed, lists without blanks and repetitions, and defaults spelled out: the form in
// which settings are stored and compared.
func (s Settings) Normalize() Settings {
	d := Defaults()
	s.Accounts.normalize()
	s.AccountFields = cleanNames(s.AccountFields)
	s.Sync.normalize(d.Sync)
	s.Owners.normalize(d.Owners)
	s.ARR.normalize()
	s.Renewal.normalize()
	s.CustomObjects = slices.Clone(s.CustomObjects)
	for i := range s.CustomObjects {
		s.CustomObjects[i].normalize()
	}
	if len(s.CustomObjects) == 0 {
		s.CustomObjects = nil
	}
	s.Cases.normalize(d.Cases)
	s.Chatter.normalize()
	s.Advanced.normalize()
	return s
}

// clean unifies line ends and drops surrounding blanks.
func clean(text string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n"))
}

// cleanNames drops blanks and repeated names, in whatever case of letters they are repeated. It returns nil for an empty list.
func cleanNames(names []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, n := range names {
		n = strings.TrimSpace(n)
		if key := strings.ToLower(n); n != "" && !seen[key] {
			seen[key] = true
			out = append(out, n)
		}
	}
	return out
}

// maxNames bounds the length of a list of fields; Salesforce allows 800 custom fields on an object.
const maxNames = 800

func validateNames(errs FieldErrors, path string, names []string) {
	if len(names) > maxNames {
		errs.Add(path, "More than 800 fields cannot be listed: no object has so many of its own.")
	}
	for _, n := range names {
		if !IsName(n) {
			errs.Add(path, "“"+n+"” is not the API name of a field. Choose fields from the list.")
		}
	}
}

// IsName reports whether s has the form of an API name of an object or field.
func IsName(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for i, c := range s {
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// validateName checks one optional API name.
func validateName(errs FieldErrors, path, name string) {
	if name != "" && !IsName(name) {
		errs.Add(path, "“"+name+"” is not the API name of a field. Choose one from the list.")
	}
}
