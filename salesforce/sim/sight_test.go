package sim_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
)

// as signs in another user of the same org by name and password.
func (c *caller) as(username string) *caller {
	c.t.Helper()
	cred := c.org.Credentials()
	a := c.askToken(url.Values{"grant_type": {"password"}, "client_id": {cred.ClientID}, "client_secret": {cred.ClientSecret}, "username": {username}, "password": {cred.Password}})
	token, ok := a.json()["access_token"].(string)
	if !ok {
		c.t.Fatalf("%s cannot sign in: %v", username, a)
	}
	return &caller{t: c.t, org: c.org, url: c.url, token: token}
}

// field finds a field of a describe; nil when it is not there.
func (c *caller) field(object, name string) map[string]any {
	c.t.Helper()
	var d struct{ Fields []map[string]any }
	_ = json.Unmarshal([]byte(c.get("/services/data/v66.0/sobjects/"+object+"/describe").body), &d) // an error shows as no fields
	for _, f := range d.Fields {
		if f["name"] == name {
			return f
		}
	}
	return nil
}

// TestRestrictedUser signs in as the integration user and as one with little access: each sees the org by its own permissions.
func TestRestrictedUser(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 20})
	full := serve(t, org)
	less := full.as(org.Credentials().RestrictedUsername)
	const data = "/services/data/v66.0"
	for _, q := range []string{"SELECT ARR__c FROM Account", "SELECT Id FROM Case", "SELECT Name FROM Account WHERE Health_Score__c > 1", "SELECT Account.ARR__c FROM Contact",
		"SELECT Id FROM Account ORDER BY AnnualRevenue", "SELECT Id, (SELECT Amount FROM Opportunities) FROM Account", "SELECT Id FROM CaseComment"} {
		if a := full.soql(q); a.status != 200 {
			t.Errorf("the integration user: %s: %v", q, a)
		}
		if a := less.soql(q); a.status != 400 || !strings.Contains(a.body, "INVALID_FIELD") && !strings.Contains(a.body, "INVALID_TYPE") {
			t.Errorf("the restricted user: %s: %v", q, a)
		}
	}
	for _, q := range []string{"SELECT Id, Name, Industry, BillingCity, BillingAddress FROM Account", "SELECT Id, StageName, (SELECT Id FROM OpportunityContactRoles) FROM Opportunity",
		"SELECT Id FROM OpportunityHistory", "SELECT Name, Owner.Name FROM Account", "SELECT Id FROM AccountFeed", "SELECT Id FROM User"} {
		if a := less.soql(q); a.status != 200 {
			t.Errorf("the restricted user: %s: %v", q, a)
		}
	}
	if full.field("Account", "ARR__c") == nil || less.field("Account", "ARR__c") != nil || less.field("Account", "Name") == nil {
		t.Error("the describes do not differ as they should")
	}
	if f := less.field("Account", "Industry"); f["updateable"] != false || full.field("Account", "Industry")["updateable"] != true {
		t.Errorf("Industry of the restricted user: %v", f["updateable"])
	}
	if strings.Contains(less.get(data+"/sobjects").body, `"name":"Case"`) || less.get(data+"/sobjects/Case/describe").status != 404 {
		t.Error("Case is described to who may not see it")
	}
	account := ids(t, org, "Account")[0]
	if a := less.get(data + "/sobjects/Account/" + account); a.status != 200 || strings.Contains(a.body, "ARR__c") {
		t.Errorf("record: %v", a)
	}
	contact := ids(t, org, "Contact")[0]
	for _, tt := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"PATCH", "/sobjects/Contact/" + contact, `{"Title":"CEO"}`, 204, ""},
		{"POST", "/sobjects/Contact", `{"LastName":"New"}`, 201, ""},
		{"DELETE", "/sobjects/Contact/" + contact, "", 403, "INSUFFICIENT_ACCESS_OR_READONLY"},
		{"PATCH", "/sobjects/Account/" + account, `{"Name":"x"}`, 403, "INSUFFICIENT_ACCESS_OR_READONLY"},
		{"POST", "/sobjects/Account", `{"Name":"x"}`, 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"},
		{"PATCH", "/sobjects/Contact/" + contact, `{"Birthdate":"2000-01-01"}`, 400, "INVALID_FIELD"},
		{"POST", "/sobjects/PermissionSet", `{"Name":"Me","Label":"Me"}`, 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"},
		{"POST", "/tooling/sobjects/CustomField", `{"FullName":"Account.X__c","Metadata":{"type":"Text","label":"X","length":10}}`, 403, "INSUFFICIENT_ACCESS"},
		{"DELETE", "/composite/sobjects?ids=" + account, "", 200, "INSUFFICIENT_ACCESS_OR_READONLY"},
	} {
		if a := less.do(tt.method, data+tt.path, tt.body); a.status != tt.status || !strings.Contains(a.body, tt.text) {
			t.Errorf("%s %s %s: %v", tt.method, tt.path, tt.body, a)
		}
	}
}

// TestPermissionSets grants and takes back what a user sees, through the API, while a session goes on.
func TestPermissionSets(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 3})
	full := serve(t, org)
	less := full.as(org.Credentials().RestrictedUsername)
	users, err := org.Eval("SELECT Id FROM User WHERE Username = '" + org.Credentials().RestrictedUsername + "'")
	if err != nil || len(users) != 1 {
		t.Fatal(users, err)
	}
	set := insert(t, org, "PermissionSet", row{"Name": "Support", "Label": "Support"})
	insert(t, org, "ObjectPermissions", row{"ParentId": set, "SobjectType": "Case", "PermissionsRead": true})
	insert(t, org, "FieldPermissions", row{"ParentId": set, "SobjectType": "Case", "Field": "Case.Subject", "PermissionsRead": true})
	insert(t, org, "FieldPermissions", row{"ParentId": set, "SobjectType": "Account", "Field": "Account.ARR__c", "PermissionsRead": true})
	if less.soql("SELECT Subject FROM Case").status != 400 {
		t.Error("an unassigned permission set opens something")
	}
	assigned := insert(t, org, "PermissionSetAssignment", row{"AssigneeId": users[0]["Id"], "PermissionSetId": set})
	for q, status := range map[string]int{"SELECT Subject FROM Case": 200, "SELECT Priority FROM Case": 400, "SELECT ARR__c FROM Account": 200} {
		if a := less.soql(q); a.status != status {
			t.Errorf("assigned: %s: %v", q, a)
		}
	}
	if err := org.Delete("PermissionSetAssignment", assigned); err != nil {
		t.Fatal(err)
	}
	if less.soql("SELECT Subject FROM Case").status != 400 {
		t.Error("what was taken back is still seen")
	}
}

// ids are those of the first page of an object's records.
func ids(t *testing.T, org *sim.Org, object string) []string {
	t.Helper()
	rows, err := org.Eval("SELECT Id FROM " + object + " ORDER BY Id LIMIT 10")
	if err != nil || len(rows) == 0 {
		t.Fatal(object, err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, r["Id"].(string))
	}
	return out
}
