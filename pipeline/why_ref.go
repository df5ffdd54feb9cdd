package pipeline

import (
	"net/url"
	"strings"

	"millrace/salesforce/soql"
)

// RecordRef is a record as a person points to it: by its id or by its name.
type RecordRef struct{ ID, Name string }

// The first characters of the ids of accounts and contacts.
const (
	accountPrefix = "001"
	contactPrefix = "003"
)

// ParseRecordRef reads a record's name, its 15- or 18-character id, or the address of its page in Lightning Experience or Salesforce Classic. The problem is a
// sentence for people, and empty when the text could be read.
func ParseRecordRef(text string) (ref RecordRef, problem string) {
	text = strings.Trim(strings.TrimSpace(text), `"'`)
	if text == "" {
		return RecordRef{}, "Write the name, the id or the address of an account."
	}
	if host, _, isAddress := strings.Cut(text, "/"); isAddress && (strings.Contains(text, "://") || strings.Contains(host, ".") && !strings.ContainsAny(host, " \t")) {
		return parseAddress(text)
	}
	switch {
	case soql.ValidID(text) && (len(text) == 18 || text[0] >= '0' && text[0] <= '9'):
		return RecordRef{ID: text}, ""
	case len(text) == 18 && soql.ValidID(text[:15]) && strings.HasPrefix(text, "00"):
		return RecordRef{}, "This looks like an id, but its last three characters do not fit the others. Was the case of a letter changed? Copy it again."
	}
	return RecordRef{Name: text}, ""
}

// parseAddress finds the id in the address of a record page: of /lightning/r/Account/001…/view, of /001…, or in a parameter such as id=001…. That of an
// account or contact goes before any other.
func parseAddress(text string) (RecordRef, string) {
	u, err := url.Parse(text)
	if err != nil {
		return RecordRef{}, "This address cannot be read. Copy it again from the account's page."
	}
	parts := strings.Split(u.Path, "/")
	parts = append(parts, strings.FieldsFunc(u.Fragment, func(r rune) bool { return strings.ContainsRune("/?&=", r) })...)
	for _, values := range u.Query() {
		parts = append(parts, values...)
	}
	var found string
	for _, part := range parts {
		if !soql.ValidID(part) || part[0] < '0' || part[0] > '9' {
			continue
		}
		if strings.HasPrefix(part, accountPrefix) {
			return RecordRef{ID: part}, ""
		}
		if found == "" || strings.HasPrefix(part, contactPrefix) {
			found = part
		}
	}
	if found == "" {
		return RecordRef{}, "This address holds no record id. Open the account in Salesforce and copy the address of its page."
	}
	return RecordRef{ID: found}, ""
}
