package soql

import "strings"

// mapSchema is a Schema of the objects in it, by lower-case name.
type mapSchema map[string]*Object

func (m mapSchema) Object(name string) *Object { return m[strings.ToLower(name)] }

// testSchema is a small org: an account with a field of every type, its children, and users behind a polymorphic owner.
var testSchema = func() mapSchema {
	field := func(name, label, typ string) Field {
		plain := typ != "textarea" && typ != "address" && typ != "location" && typ != "base64"
		return Field{Name: name, Label: label, Type: typ, Filterable: plain, Sortable: plain && typ != "multipicklist", Groupable: plain && !isNumber(typ) && typ != "datetime", Aggregatable: plain && typ != "boolean"}
	}
	lookup := func(name, label, relationship string, to ...string) Field {
		f := field(name, label, "reference")
		f.RelationshipName, f.ReferenceTo = relationship, to
		return f
	}
	m := mapSchema{}
	add := func(name string, children []ChildRelationship, fields ...Field) {
		fields = append([]Field{field("Id", name+" ID", "id"), field("Name", "Name", "string"), field("CreatedDate", "Created Date", "datetime")}, fields...)
		m[strings.ToLower(name)] = &Object{Name: name, Label: name, Queryable: name != "Hidden__c", Fields: fields, Children: children}
	}
	add("Account", []ChildRelationship{{"Contacts", "Contact", "AccountId"}, {"Opportunities", "Opportunity", "AccountId"}, {"ChildAccounts", "Account", "ParentId"}},
		field("Type", "Account Type", "picklist"), field("Industry", "Industry", "picklist"), field("Description", "Account Description", "textarea"),
		field("AnnualRevenue", "Annual Revenue", "currency"), field("Annual_Revenue_ARR__c", "ARR", "currency"), field("NumberOfEmployees", "Employees", "int"),
		field("Score__c", "Score", "double"), field("Share__c", "Share", "percent"), field("Active__c", "Active", "boolean"),
		field("Renewal__c", "Renewal Date", "date"), field("Opens__c", "Opens", "time"), field("Tags__c", "Tags", "multipicklist"),
		field("Website", "Website", "url"), field("Phone", "Phone", "phone"), field("BillingCity", "Billing City", "string"), field("BillingAddress", "Billing Address", "address"),
		field("Site__c", "Location", "location"), lookup("ParentId", "Parent Account ID", "Parent", "Account"), lookup("OwnerId", "Owner ID", "Owner", "User"))
	add("Contact", nil, field("Email", "Email", "email"), field("LastName", "Last Name", "string"), lookup("AccountId", "Account ID", "Account", "Account"), lookup("OwnerId", "Owner ID", "Owner", "User"))
	add("Opportunity", nil, field("StageName", "Stage", "picklist"), field("Amount", "Amount", "currency"), field("CloseDate", "Close Date", "date"), lookup("AccountId", "Account ID", "Account", "Account"))
	add("Case", nil, field("Status", "Status", "picklist"), lookup("AccountId", "Account ID", "Account", "Account"), lookup("OwnerId", "Owner ID", "Owner", "Group", "User"))
	add("User", nil, field("Email", "Email", "email"), field("Username", "Username", "string"), field("IsActive", "Active", "boolean"), lookup("ManagerId", "Manager ID", "Manager", "User"))
	add("Hidden__c", nil)
	return m
}()
