package pipeline

// Kind is how a column's values are checked and stored.
type Kind int

// The kinds of columns.
const (
	Text     Kind = iota
	ID            // a record id, stored with 18 characters
	Number        // an exact decimal
	Date          // a calendar day
	DateTime      // an instant
	Bool          // true or false
	Domain        // the host name of a web address, without www
)

// Column is one typed column of a table and the Salesforce field that it comes from.
type Column struct {
	Field string // API name, such as "SystemModstamp"
	Name  string // such as "system_modstamp"
	Kind  Kind
}

// Table says where the records of one Salesforce object are kept.
type Table struct {
	Object  string   // API name of the object
	Name    string   // of the table in schema millrace
	Entity  string   // name of one record in the audit log
	Label   string   // name of the records for people
	Columns []Column // besides the record id
	Require string   // a column without which a record is skipped; empty for none
	Lacking string   // why such a record is skipped, for people
	Parent  string   // the column with the account that must be here; empty for none
	Typed   bool     // records carry an account type
}

var (
	users = Table{
		Object: "User", Name: "sf_users", Entity: "user", Label: "Users",
		Columns: []Column{
			{"Name", "name", Text}, {"Email", "email", Text}, {"Username", "username", Text}, {"Title", "title", Text},
			{"IsActive", "is_active", Bool}, {"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	accounts = Table{
		Object: "Account", Name: "accounts", Entity: "account", Label: "Accounts", Typed: true,
		Columns: []Column{
			{"Name", "name", Text}, {"Website", "website", Text}, {"Website", "domain", Domain}, {"Type", "sf_type", Text},
			{"Industry", "industry", Text}, {"Description", "description", Text}, {"OwnerId", "owner_id", ID},
			{"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	contacts = Table{
		Object: "Contact", Name: "contacts", Entity: "contact", Label: "Contacts", Parent: "account_id",
		Require: "email", Lacking: "The contact has no Email",
		Columns: []Column{
			{"AccountId", "account_id", ID}, {"FirstName", "first_name", Text}, {"LastName", "last_name", Text}, {"Email", "email", Text},
			{"Phone", "phone", Text}, {"Title", "title", Text}, {"Department", "department", Text}, {"OwnerId", "owner_id", ID},
			{"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	opportunities = Table{
		Object: "Opportunity", Name: "opportunities", Entity: "opportunity", Label: "Opportunities", Parent: "account_id",
		Columns: []Column{
			{"AccountId", "account_id", ID}, {"Name", "name", Text}, {"StageName", "stage", Text}, {"Amount", "amount", Number},
			{"CurrencyIsoCode", "currency", Text}, {"CloseDate", "close_date", Date}, {"Probability", "probability", Number},
			{"IsClosed", "is_closed", Bool}, {"IsWon", "is_won", Bool}, {"Type", "sf_type", Text}, {"OwnerId", "owner_id", ID},
			{"SystemModstamp", "system_modstamp", DateTime},
		},
	}
)

// TableOf returns the table of a Salesforce object; ok is false for an object that is not synced.
func TableOf(object string) (t Table, ok bool) {
	for _, t := range []Table{users, accounts, contacts, opportunities} {
		if t.Object == object {
			return t, true
		}
	}
	return Table{}, false
}

// Objects returns the API names of the objects that are synced.
func Objects() []string {
	return []string{users.Object, accounts.Object, contacts.Object, opportunities.Object}
}

// optional names fields that many orgs do not have at all; their absence is not worth telling.
var optional = map[string]bool{"CurrencyIsoCode": true}
