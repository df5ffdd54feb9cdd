package pipeline

// Kind is how a column's values are checked and stored.
type Kind int

// The kinds of columns. They are stored with the steps of a run: new ones go to the end.
const (
	Text     Kind = iota
	ID            // a record id, stored with 18 characters
	Number        // an exact decimal
	Date          // a calendar day
	DateTime      // an instant
	Bool          // true or false
	Domain        // the host name of a web address, without www
	Moment        // a date and time, or a calendar day, which stands for its beginning in UTC
)

// Column is one typed column of a table and the Salesforce field that it comes from.
type Column struct {
	Field string // API name, such as "SystemModstamp"
	Name  string // such as "system_modstamp"
	Kind  Kind
}

// Table says where the records of one Salesforce object are kept, and what is kept of them. It is stored with the steps of a run.
type Table struct {
	Object  string // API name of the object
	Name    string // of the table in schema millrace
	Set     string // names the table's records within a run; steps with the same set fill it together. Empty for Object
	Entity  string // name of one record in the audit log
	Label   string // name of the records for people
	Keys    []Key  // columns of the primary key, between the connection and the record id, that are the same in all records of the set
	Columns []Column
	Cleared []string // names of columns that the settings leave out: empty in every record that is read
	Beside  []Beside
	Open    bool     // the table has the column fields
	Extra   []Column // kept in the column fields, by their Name
	Require string   // a column without which a record is skipped; empty for none
	Lacking string   // why such a record is skipped, for people
	Lookups []Lookup // columns that are found out from records here
	Parent  string   // the column with the record that must be here; empty for none
	Under   string   // the table of that record; empty for accounts
	Typed   bool     // records carry an account type
	Aside   bool     // records are kept beside those that are synced, to be compared with them
	Quiet   bool     // records are working data: neither audited nor counted, and removed when they are not met any more
	Paged   bool     // the Bulk API does not know the object: it is always read page by page
	Window  *Window  // only records of a window of time are read; nil for all
	Instead *Instead `json:",omitempty"` // what a column holds where its own field is empty; nil for nothing. It stays out of what is said of other tables, which would be read in full for it
}

// Key is a column with the same value in all records of a set.
type Key struct{ Name, Value string }

// Lookup fills Column, an id, from a record of another table here: of the one whose Key equals the text in the column By, the column Take. A text that several
// records have leads to none of them.
type Lookup struct {
	Column string
	Table  string // such as "contacts"
	By     string // a column of the record that is looked up from
	Key    string // a name in the other table's further fields; empty for its record id
	Take   string // such as "sf_id"
}

// Window says that records which have not been changed for Days days are not read: that a run does not meet them says nothing about them.
type Window struct {
	Days  int
	Under string // the table of the parent whose time of change counts; empty for the record's own
}

// Beside is a column that says something about a field, and is empty where the field is.
type Beside struct{ Column, Field string }

// Instead is what a column holds where its own field is empty: the text of a field with HTML, which is asked for of those records only.
type Instead struct{ Column, Field string }

// Records names the table's records within a run.
func (t Table) Records() string {
	if t.Set != "" {
		return t.Set
	}
	return t.Object
}

// ParentTable returns the table of the record that must be here.
func (t Table) ParentTable() string {
	if t.Under != "" {
		return t.Under
	}
	return accounts.Name
}

// Mortal reports whether the table's records can be deleted in Salesforce, which users cannot, and are told apart by that, which working data is not.
func (t Table) Mortal() bool { return t.Object != users.Object && !t.Quiet }

var (
	users = Table{
		Object: "User", Name: "sf_users", Entity: "user", Label: "Users",
		Columns: []Column{
			{"Name", "name", Text}, {"Email", "email", Text}, {"Username", "username", Text}, {"Title", "title", Text},
			{"IsActive", "is_active", Bool}, {"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	accounts = Table{
		Object: "Account", Name: "accounts", Entity: "account", Label: "Accounts", Typed: true, Open: true,
		Columns: []Column{
			{"Name", "name", Text}, {"Website", "website", Text}, {"Website", "domain", Domain}, {"Type", "sf_type", Text},
			{"Industry", "industry", Text}, {"Description", "description", Text}, {"OwnerId", "owner_id", ID},
			{"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	contacts = Table{
		Object: "Contact", Name: "contacts", Entity: "contact", Label: "Contacts", Parent: "account_id", Open: true,
		Require: "email", Lacking: "The contact has no Email",
		Columns: []Column{
			{"AccountId", "account_id", ID}, {"FirstName", "first_name", Text}, {"LastName", "last_name", Text}, {"Email", "email", Text},
			{"Phone", "phone", Text}, {"Title", "title", Text}, {"Department", "department", Text}, {"OwnerId", "owner_id", ID},
			{"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	opportunities = Table{
		Object: "Opportunity", Name: "opportunities", Entity: "opportunity", Label: "Opportunities", Parent: "account_id", Open: true,
		Columns: []Column{
			{"AccountId", "account_id", ID}, {"Name", "name", Text}, {"StageName", "stage", Text}, {"Amount", "amount", Number},
			{"CurrencyIsoCode", "currency", Text}, {"CloseDate", "close_date", Date}, {"Probability", "probability", Number},
			{"IsClosed", "is_closed", Bool}, {"IsWon", "is_won", Bool}, {"Type", "sf_type", Text}, {"OwnerId", "owner_id", ID},
			{"SystemModstamp", "system_modstamp", DateTime},
		},
	}
)

// TableOf returns the table of one of the core objects as it is with default settings; ok is false for any other object.
func TableOf(object string) (t Table, ok bool) {
	for _, t := range []Table{users, accounts, contacts, opportunities} {
		if t.Object == object {
			return t, true
		}
	}
	return Table{}, false
}

// Objects returns the API names of the core objects, which are synced whatever the settings say.
func Objects() []string {
	return []string{users.Object, accounts.Object, contacts.Object, opportunities.Object}
}

// optional names fields that many orgs do not have at all; their absence is not worth telling.
var optional = map[string]bool{"CurrencyIsoCode": true}
