package pipeline

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// orgSchema is a schema of a few objects.
type orgSchema map[string]*soql.Object

func (s orgSchema) Object(name string) *soql.Object { return s[strings.ToLower(name)] }

func objectsSchema() orgSchema {
	text := func(names ...string) (out []soql.Field) {
		for _, n := range names {
			out = append(out, soql.Field{Name: n, Label: n, Type: "string", Filterable: true})
		}
		return out
	}
	link := func(name, relationship string, to ...string) soql.Field {
		return soql.Field{Name: name, Label: name, Type: "reference", RelationshipName: relationship, ReferenceTo: to, Filterable: true, Nillable: true}
	}
	s := orgSchema{}
	add := func(name string, fields ...soql.Field) {
		s[strings.ToLower(name)] = &soql.Object{Name: name, Label: name, Queryable: true, Fields: append(text("Id", "Name", "SystemModstamp"), fields...)}
	}
	add("User")
	add("Account", append(text("Industry", "Key__c"), link("ParentId", "Parent", "Account"), link("OwnerId", "Owner", "User"))...)
	add("Contact", append(text("Email"), link("AccountId", "Account", "Account"))...)
	add("Opportunity", link("AccountId", "Account", "Account"))
	add("Case", append(text("Status", "Subject"), link("AccountId", "Account", "Account"), link("ParentId", "Parent", "Case"))...)
	add("CaseComment", append(text("CommentBody"), link("ParentId", "Parent", "Case"))...)
	add("EmailMessage", append(text("TextBody", "Status"), link("ParentId", "Parent", "Case"))...)
	add("AccountFeed", append(text("Type", "Body"), link("ParentId", "Parent", "Account"))...)
	add("FeedComment", append(text("CommentBody"), link("FeedItemId", "", "FeedItem"))...)
	add("Order__c", append(text("Status__c", "Account_Key__c"), link("Account__c", "Account__r", "Account"), link("Contact__c", "Contact__r", "Contact"),
		link("Any__c", "Any__r", "Account", "Contact"))...)
	return s
}

// condition returns what is behind WHERE in the query of a step.
func condition(t *testing.T, p Plan, name string) string {
	t.Helper()
	for _, s := range p.Steps {
		if s.Name == name {
			_, where, _ := strings.Cut(s.Query, " WHERE ")
			return where
		}
	}
	t.Fatalf("no step %s in %+v", name, p.Steps)
	return ""
}

// TestLinkByFormulaIsReadInFull matches records of a custom object by a text that is a formula: which parent they belong to can change although they do not.
func TestLinkByFormulaIsReadInFull(t *testing.T) {
	t.Parallel()
	for _, formula := range []bool{false, true} {
		schema := objectsSchema()
		for i := range schema["order__c"].Fields {
			if f := &schema["order__c"].Fields[i]; f.Name == "Account_Key__c" {
				f.Calculated = formula
			}
		}
		p, err := MakePlan(settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Industry = 'Energy'"},
			CustomObjects: []settings.CustomObject{{Object: "Order__c", Name: "Orders", Parent: settings.ParentAccount, Match: "Account_Key__c", To: "Key__c", Filter: "Status__c = 'Open'"}}}, schema, EntityAll)
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "they are linked by the formula or roll-up field Account_Key__c, whose changes do not show on the record"}[formula]
		if s := p.Steps[slices.IndexFunc(p.Steps, func(s Step) bool { return s.Name == "custom:Order__c" })]; s.unsteady != want {
			t.Errorf("linked by a formula: %t; read in full because %q, want %q", formula, s.unsteady, want)
		}
	}
}

// TestConditionsOfRelatedObjects look at the account through the record where SOQL can say that, and otherwise read what has any parent.
func TestConditionsOfRelatedObjects(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filter, match, parent, own, want string }{
		{"Industry = 'Energy'", "Account__c", "account", "", "Account__r.Industry = 'Energy' AND Account__c != NULL"},
		{"Industry = 'Energy'", "Account__c", "account", "Status__c = 'Open' OR Name = 'x'", "(Status__c = 'Open' OR Name = 'x') AND Account__r.Industry = 'Energy' AND Account__c != NULL"},
		{"Industry = 'Energy'", "Contact__c", "contact", "", "Contact__r.Account.Industry = 'Energy' AND Contact__r.AccountId != NULL"},
		{"Account.Industry = 'Energy'", "Account__c", "account", "", "Account__c != NULL"},
		{"Id IN (SELECT AccountId FROM Contact)", "Account__c", "account", "", "Account__c != NULL"},
		{"Industry = 'Energy'", "Any__c", "account", "", "Any__c != NULL"},
		{"Industry = 'Energy'", "Account_Key__c", "account", "", "Account_Key__c != NULL"},
	} {
		s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: c.filter},
			CustomObjects: []settings.CustomObject{{Object: "order__c", Name: "Orders", Parent: settings.Parent(c.parent), Match: c.match, Filter: c.own}}}
		if c.match == "Account_Key__c" {
			s.CustomObjects[0].To = "Key__c"
		}
		p, err := MakePlan(s, objectsSchema(), EntityAll)
		if err != nil {
			t.Fatal(err)
		}
		if got := condition(t, p, "custom:Order__c"); got != c.want {
			t.Errorf("%s through %s:\n%s, want\n%s", c.filter, c.match, got, c.want)
		}
	}
	for _, c := range []struct{ accounts, cases, want string }{
		{"Industry = 'Energy'", "Status = 'New'", "Parent.Status = 'New' AND Parent.Account.Industry = 'Energy' AND Parent.AccountId != NULL AND Parent.SystemModstamp >= LAST_N_DAYS:30"},
		{"Industry = 'Energy'", "Parent.Status = 'New'", "Parent.Account.Industry = 'Energy' AND Parent.AccountId != NULL AND Parent.SystemModstamp >= LAST_N_DAYS:30"},
	} {
		s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: c.accounts},
			Cases: settings.Cases{Enabled: true, Filter: c.cases, LookbackDays: 30, Conversation: settings.CaseComments}}
		p, err := MakePlan(s, objectsSchema(), EntityCases)
		if err != nil {
			t.Fatal(err)
		}
		if got := condition(t, p, "case_messages"); got != c.want {
			t.Errorf("messages of cases with %s:\n%s, want\n%s", c.cases, got, c.want)
		}
	}
	// A filter that speaks of the account's own parent is not one of the post's.
	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Parent.Industry = 'Energy'"},
		Chatter: settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true}}
	p, err := MakePlan(s, objectsSchema(), EntityChatter)
	if err != nil {
		t.Fatal(err)
	}
	if got := condition(t, p, "AccountFeed"); got != "Type != 'TrackedChange' AND ParentId != NULL" {
		t.Errorf("posts: %s", got)
	}
	for _, step := range p.Steps {
		if step.Name == "OpportunityFeed" && (step.Query != "" || !strings.Contains(step.Note, "no OpportunityFeed")) {
			t.Errorf("a feed that is not there: %+v", step)
		}
	}
}

// TestObjectsThatCannotWork are refused with a sentence that names the setting.
func TestObjectsThatCannotWork(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]settings.CustomObject{
		"points to Contact, not to Account":  {Match: "Contact__c", Parent: settings.ParentAccount},
		"External ID field of Account":       {Match: "Account_Key__c", Parent: settings.ParentAccount},
		"The filter of Orders is not valid:": {Match: "Account__c", Parent: settings.ParentAccount, Filter: "Status__c ="},
	} {
		c.Object, c.Name = "Order__c", "Orders"
		s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Industry != null"}, CustomObjects: []settings.CustomObject{c}}
		if _, err := MakePlan(s, objectsSchema(), EntityAll); err == nil || !strings.Contains(FaultOf(err).Message, says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestOnlyEmailsHaveSomethingInstead looks that what is kept in place of an empty field is part of what is told of emails, and of no other table: every set whose table is told differently is read in full.
func TestOnlyEmailsHaveSomethingInstead(t *testing.T) {
	t.Parallel()
	told := func(table Table) bool {
		text, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), "Instead")
	}
	for _, table := range []Table{users, accounts, contacts, opportunities, cases, messagesOf(settings.CaseComments, 30), feedComments} {
		if told(table) {
			t.Errorf("%s are told differently", table.Label)
		}
	}
	if !told(messagesOf(settings.EmailMessages, 30)) {
		t.Error("emails are told as before")
	}
}

// TestSounds works out sentiments without what is quoted, and leaves one empty where nothing is said.
func TestSounds(t *testing.T) {
	t.Parallel()
	for label, texts := range map[string][]string{
		Positive: {"Thank you, this works perfectly. Great support!"},
		Negative: {"This is terrible and we are very disappointed.", "Still broken, an awful experience."},
		Neutral:  {"The export runs at noon.\nIt has two columns."},
	} {
		if got := Sounds(Conversation{CaseID: "x", Messages: len(texts), Texts: texts}); got.Label != label || got.Messages != len(texts) {
			t.Errorf("%v: %+v, want %s", texts, got, label)
		}
	}
	quoted := Sounds(Conversation{Texts: []string{"It runs at noon.\nOn Mon, Jan 2, 2026 Ada wrote:\n> This is terrible, horrible and awful!"}})
	if quoted.Label != Neutral {
		t.Errorf("what is quoted counts: %+v", quoted)
	}
	if none := Sounds(Conversation{Texts: []string{"", " -- "}}); none.Label != "" || !math.IsNaN(none.Compound) {
		t.Errorf("nothing sounds as %+v", none)
	}
}
