package sim

import "strings"

// person is one of the company's own users.
type person struct{ given, family, title string }

var people = func() (out []person) {
	given := split("Ingrid,Tom,Amara,Luis,Chen,Fatima,Björn,Aoife,Rafael,Yuki,Nadia,Sam,Elena,Kofi,Mira,Hugo,Zoë,Dmitri,Leila,Patrick")
	family := split("Andersson,Becker,Okafor,Mendoza,Wei,Rahman,Lindqvist,Byrne,Costa,Tanaka,Haddad,Parker,Popescu,Mensah,Kowalczyk,Laurent,Van Dijk,Sokolov,Amiri,O'Hara")
	roles := split("Account Executive,Customer Success Manager,Sales Development Rep,Account Executive,Customer Success Manager,Solutions Engineer,Support Engineer,VP Sales")
	for i := range 400 {
		out = append(out, person{given[i%len(given)], family[(i*7+i/len(given)*3)%len(family)], roles[i%len(roles)]})
	}
	return out
}()

func (g *gen) user(row int) person {
	if row == userIntegration {
		return person{"Integration", "User", "API"}
	}
	return people[(row-1)%len(people)]
}

// profileOf is a user's row in the table of profiles.
func profileOf(user int) int {
	switch user {
	case userIntegration:
		return profileAdmin
	case userRestricted:
		return profileMinimum
	}
	return profileStandard
}

// username is that of a user, and the address too; the integration user's is given.
func (g *gen) username(row int, integration string) string {
	if row == userIntegration {
		return integration
	}
	p := g.user(row)
	return words(p.given)[0].ascii + "." + words(p.family)[0].ascii + intValue(int64(row)).text() + "@" + orgDomain
}

func (g *gen) users(opt *Options) *object {
	n := g.n.users
	o := newObject("005", "User", "User", "Users", g.systemFields("user", n, false)...)
	o.fields, o.cols, o.byName = nil, 0, nil
	for _, f := range g.systemFields("user", n, false) {
		if f.name != "IsDeleted" { // users cannot be deleted
			o.add(f)
		}
	}
	str := func(of func(person) string) func(int) value {
		return func(row int) value { return textValue(of(g.user(row))) }
	}
	address := func(row int) string { return g.username(row, opt.Username) }
	o.add(textField("Username", "Username", 80).required().lookup().from(func(row int) value { return textValue(address(row)) }))
	last := textField("LastName", "Last Name", 80).required().as("Name").from(str(func(p person) string { return p.family }))
	first := textField("FirstName", "First Name", 40).as("Name").from(str(func(p person) string { return p.given }))
	o.add(last)
	o.add(first)
	o.add(personName(o, first, last))
	o.add(textField("CompanyName", "Company Name", 80).from(func(int) value { return textValue(opt.OrgName) }))
	o.add(textField("Division", "Division", 80))
	o.add(textField("Department", "Department", 80))
	o.add(textField("Title", "Title", 80).from(str(func(p person) string { return p.title })))
	o.add(typedText("email", "Email", "Email", 128).required().lookup().from(func(row int) value { return textValue(address(row)) }))
	o.add(textField("Alias", "Alias", 8).required().from(func(row int) value { return textValue("user" + intValue(int64(row)).text()) }))
	o.add(textField("CommunityNickname", "Nickname", 40).required().from(func(row int) value { return textValue("user" + intValue(int64(row)).text()) }))
	o.add(checkField("IsActive", "Active").from(func(row int) value { return boolValue(row != userInactive) }))
	o.add(pickField("TimeZoneSidKey", "Time Zone", "America/Los_Angeles", "America/New_York", "Europe/Berlin", "Europe/London", "Asia/Tokyo", "GMT").required().
		from(func(int) value { return textValue(opt.TimeZone) }))
	o.add(refField("UserRoleId", "Role ID", "UserRole", "UserRole").children("Users").from(func(row int) value {
		if row == userIntegration {
			return null
		}
		return idValue(rowID(prefixRole, row%3))
	}))
	o.add(pickField("LocaleSidKey", "Locale", "en_US", "de_DE", "en_GB").required().from(func(int) value { return textValue("en_US") }))
	o.add(refField("ProfileId", "Profile ID", "Profile", "Profile").required().children("Users").from(func(row int) value {
		return idValue(rowID(prefixProfile, profileOf(row)))
	}))
	o.add(pickField("UserType", "User Type", "Standard", "Guest").readonly().from(func(int) value { return textValue("Standard") }))
	o.add(pickField("LanguageLocaleKey", "Language", "en_US", "de").required().from(func(int) value { return textValue("en_US") }))
	o.add(pickField("EmailEncodingKey", "Email Encoding", "UTF-8").required().from(func(int) value { return textValue("UTF-8") }))
	o.add(refField("ManagerId", "Manager ID", "Manager", "User").children("ManagedUsers").from(func(row int) value {
		if row < 9 {
			return null
		}
		return idValue(rowID(prefixUser, 8))
	}))
	o.add(textField("FederationIdentifier", "SAML Federation ID", 512))
	o.add(typedText("phone", "Phone", "Phone", 40))
	o.add(typedText("url", "SmallPhotoUrl", "Small Photo", 1024).readonly())
	o.add(typedText("url", "FullPhotoUrl", "Full Photo", 1024).readonly())
	o.size, o.setup = n, true
	return o
}

const orgDomain = "millrace-demo.example"

// fixed makes a small object of constant rows; each row lists the values of the fields after the system fields.
func (g *gen) fixed(prefix, name, label string, fields []*field, rows [][]value) *object {
	o := newObject(prefix, name, label, label, g.systemFields(name, max(len(rows), 1), false)...)
	for i, f := range fields {
		o.add(f.from(func(row int) value {
			if i < len(rows[row]) {
				return rows[row][i]
			}
			return null
		}))
	}
	o.size, o.setup = len(rows), true
	return o
}

func named(f *field) *field {
	f.nameField = true
	return f
}

// setupObjects are the org itself, its profiles, roles, permission sets and record types.
func (g *gen) setupObjects(opt *Options, secured ...*object) []*object {
	t := textValue
	user := func(row int) value { return idValue(rowID(prefixUser, row)) }
	kind := "Enterprise Edition"
	instance := "USA42"
	org := g.fixed("00D", "Organization", "Organization", []*field{
		named(textField("Name", "Name", 80)), textField("Division", "Division", 80), textField("Street", "Street", 255), textField("City", "City", 40),
		textField("Country", "Country", 80), typedText("phone", "Phone", "Phone", 40), textField("PrimaryContact", "Primary Contact", 80),
		pickField("DefaultLocaleSidKey", "Locale", "en_US"), pickField("TimeZoneSidKey", "Time Zone"), pickField("LanguageLocaleKey", "Language", "en_US"),
		numberField("int", "FiscalYearStartMonth", "Fiscal Year Starts In", 9, 0), checkField("UsesStartDateAsFiscalYearName", "Fiscal Year Name by Start"),
		textField("NamespacePrefix", "Namespace Prefix", 15), pickField("OrganizationType", "Edition"), textField("InstanceName", "Instance Name", 5),
		checkField("IsSandbox", "Is Sandbox"), dateTimeField("TrialExpirationDate", "Trial Expiration Date"), checkField("IsReadOnly", "Is Read Only"),
	}, [][]value{{
		t(opt.OrgName), null, t("1 Market Street"), t("San Francisco"), t("US"), null, t("Integration User"), t("en_US"), t(opt.TimeZone), t("en_US"), intValue(int64(opt.FiscalYearStart)),
		boolValue(false), null, t(kind), t(instance), boolValue(opt.Sandbox), null, boolValue(false),
	}})
	org.readOnly, org.first = true, orgRow(opt.Seed)
	profile := g.fixed("00e", "Profile", "Profile", []*field{
		named(textField("Name", "Name", 255)), pickField("UserType", "User Type", "Standard"), textField("Description", "Description", 255),
	}, [][]value{{t("System Administrator"), t("Standard")}, {t("Standard User"), t("Standard")}, {t("Minimum Access - Salesforce"), t("Standard")}})
	profile.readOnly = true
	role := g.fixed("00E", "UserRole", "Role", []*field{
		named(textField("Name", "Name", 80)), textField("DeveloperName", "Developer Name", 80), refField("ParentRoleId", "Parent Role ID", "", "UserRole"),
	}, [][]value{{t("CEO"), t("CEO")}, {t("Sales"), t("Sales"), idValue(rowID(prefixRole, 0))}, {t("Customer Success"), t("Customer_Success"), idValue(rowID(prefixRole, 0))}})
	permSet := g.fixed("0PS", "PermissionSet", "Permission Set", []*field{
		named(textField("Name", "Permission Set Name", 80)).required(), textField("Label", "Permission Set Label", 80).required(), textField("Description", "Description", 255),
		refField("ProfileId", "Profile ID", "Profile", "Profile"), checkField("IsOwnedByProfile", "Is Owned By Profile").readonly(), checkField("IsCustom", "Is Custom").readonly(),
		checkField("PermissionsViewAllData", "View All Data").readonly(),
	}, [][]value{
		{t("X00e_System_Administrator"), t("System Administrator"), null, idValue(rowID(prefixProfile, profileAdmin)), boolValue(true), boolValue(false), boolValue(true)},
		{t("Sales_Reader"), t("Sales: read"), t("Reads accounts and opportunities, edits contacts, and does not see amounts or scores."), null, boolValue(false), boolValue(true), boolValue(false)},
	})
	reader := idValue(rowID(permSet.packed, 1))
	objectRows, fieldRows := readerPermissions(reader, secured)
	set := func() *field {
		return refField("ParentId", "Parent ID", "Parent", "PermissionSet").required()
	}
	objectPerms := g.fixed("110", "ObjectPermissions", "Object Permissions", []*field{
		set().children("ObjectPerms"), textField("SobjectType", "SObject Type Name", 40).required(), checkField("PermissionsCreate", "Create Records"),
		checkField("PermissionsRead", "Read Records"), checkField("PermissionsEdit", "Edit Records"), checkField("PermissionsDelete", "Delete Records"),
		checkField("PermissionsViewAllRecords", "Read All Records"), checkField("PermissionsModifyAllRecords", "Edit All Records"),
	}, objectRows)
	fieldPerms := g.fixed("01k", "FieldPermissions", "Field Permissions", []*field{
		set().children("FieldPerms"), textField("SobjectType", "SObject Type Name", 40).required(), textField("Field", "Field Name", 255).required(),
		checkField("PermissionsEdit", "Edit Field"), checkField("PermissionsRead", "Read Field"),
	}, fieldRows)
	assignment := g.fixed("0Pa", "PermissionSetAssignment", "Permission Set Assignment", []*field{
		refField("PermissionSetId", "PermissionSet ID", "PermissionSet", "PermissionSet").required().children("Assignments"),
		refField("AssigneeId", "Assignee ID", "Assignee", "User").required().children("PermissionSetAssignments"),
	}, [][]value{{idValue(rowID(permSet.packed, 0)), user(userIntegration)}, {reader, user(userRestricted)}})
	recordType := g.fixed("012", "RecordType", "Record Type", []*field{
		named(textField("Name", "Name", 80)).required(), textField("DeveloperName", "Record Type Name", 80).required(), textField("Description", "Description", 255),
		textField("SobjectType", "SObject Type Name", 40).required(), checkField("IsActive", "Active"), textField("NamespacePrefix", "Namespace Prefix", 15),
	}, [][]value{
		{t("New Business"), t("New_Business"), t("Sales to new customers and new products."), t("Opportunity"), boolValue(true)},
		{t("Renewal"), t("Renewal"), t("Contracts that are renewed."), t("Opportunity"), boolValue(true)},
		{t("Support"), t("Support"), t("Questions and problems."), t("Case"), boolValue(true)},
		{t("Billing"), t("Billing"), t("Invoices and payments."), t("Case"), boolValue(true)},
	})
	group := g.fixed("00G", "Group", "Group", []*field{
		named(textField("Name", "Name", 40)).required(), textField("DeveloperName", "Developer Name", 80), pickField("Type", "Type", "Regular", "Queue"),
	}, [][]value{{t("Support Queue"), t("Support_Queue"), t("Queue")}})
	currency := g.fixed("01L", "CurrencyType", "Currency Type", []*field{
		named(textField("IsoCode", "Currency ISO Code", 3)).required(), numberField("double", "ConversionRate", "Conversion Rate", 18, 6),
		numberField("int", "DecimalPlaces", "Decimal Places", 9, 0), checkField("IsActive", "Active"), checkField("IsCorporate", "Is Corporate Currency"),
	}, [][]value{
		{t("USD"), decimalValue(10, 1), intValue(2), boolValue(true), boolValue(true)},
		{t("EUR"), decimalValue(92, 2), intValue(2), boolValue(true), boolValue(false)},
		{t("GBP"), decimalValue(79, 2), intValue(2), boolValue(true), boolValue(false)},
		{t("JPY"), decimalValue(1502, 1), intValue(0), boolValue(true), boolValue(false)},
	})
	return []*object{org, profile, role, permSet, objectPerms, fieldPerms, assignment, recordType, group, currency}
}

// withheld are the fields that the restricted user does not see.
var withheld = map[string]bool{"AnnualRevenue": true, "ARR__c": true, "Health_Score__c": true, "Success_Notes__c": true, "Birthdate": true, "Amount": true, "Loss_Reason__c": true}

// readerPermissions are the rows of ObjectPermissions and FieldPermissions of the restricted user's permission set: it reads the given objects without
// the withheld fields and may write contacts.
func readerPermissions(set value, secured []*object) (objects, fields [][]value) {
	for _, o := range secured {
		write := boolValue(o.name == "Contact")
		objects = append(objects, []value{set, textValue(o.name), write, boolValue(true), write, boolValue(false), boolValue(true), boolValue(false)})
		for _, f := range o.fields {
			if f.permissionable() && !withheld[f.name] && !strings.HasSuffix(f.compound, "Address") {
				edit := boolValue(o.name == "Contact" && f.updateable)
				fields = append(fields, []value{set, textValue(o.name), textValue(o.name + "." + f.name), edit, boolValue(true)})
			}
		}
	}
	return objects, fields
}
