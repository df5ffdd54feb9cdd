package sim_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"maps"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

const invoiceObject = `<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">
	<fields><fullName>Account__c</fullName><label>Account</label><type>Lookup</type><referenceTo>Account</referenceTo><relationshipName>Invoices</relationshipName></fields>
	<fields><fullName>Total__c</fullName><label>Total</label><type>Currency</type><precision>16</precision><scale>2</scale></fields>
	<label>Invoice</label><pluralLabel>Invoices</pluralLabel><nameField><label>Invoice Name</label><type>Text</type></nameField>
	<deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel></CustomObject>`

const invoiceReaders = `<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata"><label>Invoice readers</label>
	<objectPermissions><object>Invoice__c</object><allowRead>true</allowRead></objectPermissions>
	<fieldPermissions><field>Invoice__c.Total__c</field><readable>true</readable><editable>true</editable></fieldPermissions></PermissionSet>`

const invoiceManifest = `<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>Invoice__c</members><name>CustomObject</name></types>
	<types><members>Invoice_Readers</members><name>PermissionSet</name></types><version>60.0</version></Package>`

// invoicePackage is a sound package; each test spoils its own.
func invoicePackage() map[string]string {
	return map[string]string{"package.xml": invoiceManifest, "objects/Invoice__c.object": invoiceObject, "permissionsets/Invoice_Readers.permissionset": invoiceReaders}
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// deploy hands a package in over REST and returns the answer.
func (c *caller) deploy(files map[string]string, options string) answer {
	c.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, part := range [...]struct{ name, typ, content string }{
		{"entity_content", "application/json", `{"deployOptions":` + options + `}`}, {"file", "application/zip", string(zipped(c.t, files))},
	} {
		head := textproto.MIMEHeader{"Content-Type": {part.typ}, "Content-Disposition": {`form-data; name="` + part.name + `"; filename="x"`}}
		w, err := form.CreatePart(head)
		if err != nil {
			c.t.Fatal(err)
		}
		_, _ = w.Write([]byte(part.content)) // a Buffer never fails
	}
	_ = form.Close() // nor here
	return c.do("POST", "/services/data/v60.0/metadata/deployRequest", body.String(), "Content-Type", form.FormDataContentType())
}

type deployed struct {
	ID           string
	DeployResult struct {
		Status                                                                 string
		Done, Success                                                          bool
		NumberComponentsTotal, NumberComponentsDeployed, NumberComponentErrors int
		ErrorMessage                                                           string
		Details                                                                struct {
			ComponentSuccesses, ComponentFailures []struct{ FullName, Problem, ProblemType string }
		}
	}
}

func (a answer) deployed(t *testing.T) deployed {
	t.Helper()
	var d deployed
	if err := json.Unmarshal([]byte(a.body), &d); err != nil || d.ID == "" {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return d
}

// check polls a deployment with its details.
func (c *caller) check(id string) deployed {
	c.t.Helper()
	return c.do("GET", "/services/data/v60.0/metadata/deployRequest/"+id+"?includeDetails=true", "").deployed(c.t)
}

func (c *caller) status(path string) int {
	c.t.Helper()
	return c.do("GET", "/services/data/v60.0"+path, "").status
}

// TestDeployment puts a package in over REST: it waits, is under way and then there, with fields that nobody sees before a permission set is assigned.
func TestDeployment(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 3, JobDelay: time.Hour})
	c := serve(t, org)
	a := c.deploy(invoicePackage(), `{"rollbackOnError":true,"singlePackage":true}`)
	d := a.deployed(t)
	if a.status != 201 || d.DeployResult.Status != "Pending" || d.DeployResult.Done {
		t.Fatalf("handed in: %d %s", a.status, a.body)
	}
	if s := c.status("/sobjects/Invoice__c"); s != 404 {
		t.Errorf("the object is there before its time: %d", s)
	}
	org.Advance(40 * time.Minute)
	if s := c.check(d.ID).DeployResult.Status; s != "InProgress" {
		t.Errorf("after two thirds: %s", s)
	}
	org.Advance(20 * time.Minute)
	got := c.check(d.ID).DeployResult
	if got.Status != "Succeeded" || !got.Success || got.NumberComponentsTotal != 4 || got.NumberComponentsDeployed != 4 || len(got.Details.ComponentSuccesses) != 4 {
		t.Errorf("done: %+v", got)
	}
	query := "/query?q=SELECT+Total__c+FROM+Invoice__c"
	if s := c.status(query); s != 400 {
		t.Errorf("a deployed field is seen without a grant: %d", s)
	}
	set, err := org.Eval("SELECT Id FROM PermissionSet WHERE Name = 'Invoice_Readers'")
	if err != nil || len(set) != 1 {
		t.Fatal(set, err)
	}
	insert(t, org, "PermissionSetAssignment", row{"AssigneeId": org.Credentials().UserID, "PermissionSetId": set[0]["Id"]})
	if s := c.status(query); s != 200 {
		t.Errorf("a granted field is not seen: %d", s)
	}
}

// TestDeploymentsThatFail holds each option to what it promises when a package is not sound.
func TestDeploymentsThatFail(t *testing.T) {
	t.Parallel()
	for _, tc := range [...]struct {
		name, options string
		spoil         func(map[string]string)
		status        string
		problem       string
		there         bool // the object afterwards
	}{
		{name: "rolled back", options: `{"rollbackOnError":true}`, status: "Failed", problem: "referenceTo value of 'Nope__c' does not resolve", spoil: func(f map[string]string) {
			f["objects/Invoice__c.object"] = strings.Replace(invoiceObject, "<referenceTo>Account", "<referenceTo>Nope__c", 1)
		}},
		{name: "in part", options: `{"rollbackOnError":false}`, status: "SucceededPartial", problem: "referenceTo value of 'Nope__c' does not resolve", there: true, spoil: func(f map[string]string) {
			f["objects/Invoice__c.object"] = strings.Replace(invoiceObject, "<referenceTo>Account", "<referenceTo>Nope__c", 1)
		}},
		{name: "only checked", options: `{"checkOnly":true}`, status: "Succeeded"},
		{name: "no manifest", options: `{}`, status: "Failed", problem: "No package.xml found", spoil: func(f map[string]string) { delete(f, "package.xml") }},
		{name: "missing file", options: `{"rollbackOnError":true}`, status: "Failed", problem: "was named in package.xml, but was not found in zipped directory", spoil: func(f map[string]string) {
			delete(f, "permissionsets/Invoice_Readers.permissionset")
		}},
		{name: "missing file allowed", options: `{"rollbackOnError":true,"allowMissingFiles":true}`, status: "Succeeded", there: true, spoil: func(f map[string]string) {
			delete(f, "permissionsets/Invoice_Readers.permissionset")
		}},
		{name: "unlisted file", options: `{"rollbackOnError":true}`, status: "Failed", problem: "Not in package.xml", spoil: func(f map[string]string) {
			f["permissionsets/Other.permissionset"] = invoiceReaders
		}},
		{name: "unlisted file, warnings ignored", options: `{"rollbackOnError":true,"ignoreWarnings":true}`, status: "Succeeded", problem: "Not in package.xml", there: true, spoil: func(f map[string]string) {
			f["permissionsets/Other.permissionset"] = invoiceReaders
		}},
		{name: "unknown field in a permission set", options: `{"rollbackOnError":true}`, status: "Failed", problem: "no CustomField named Invoice__c.Nope__c found", spoil: func(f map[string]string) {
			f["permissionsets/Invoice_Readers.permissionset"] = strings.Replace(invoiceReaders, "Total__c", "Nope__c", 1)
		}},
		{name: "broken file", options: `{"rollbackOnError":true}`, status: "Failed", problem: "Error parsing file", spoil: func(f map[string]string) { f["objects/Invoice__c.object"] = "<CustomObject>" }},
		{name: "other metadata", options: `{"rollbackOnError":true}`, status: "Failed", problem: "Unknown file type", spoil: func(f map[string]string) { f["classes/A.cls"] = "class A {}" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			org := newOrg(t, sim.Options{Accounts: 3})
			c := serve(t, org)
			files := invoicePackage()
			if tc.spoil != nil {
				tc.spoil(files)
			}
			got := c.check(c.deploy(files, tc.options).deployed(t).ID).DeployResult
			if got.Status != tc.status || !got.Done {
				t.Errorf("status %s, want %s: %+v", got.Status, tc.status, got)
			}
			told := slices.ContainsFunc(got.Details.ComponentFailures, func(f struct{ FullName, Problem, ProblemType string }) bool {
				return strings.Contains(f.Problem, tc.problem)
			})
			if told != (tc.problem != "") {
				t.Errorf("want %q among %+v", tc.problem, got.Details.ComponentFailures)
			}
			if there := c.status("/sobjects/Invoice__c") == 200; there != tc.there {
				t.Errorf("the object is there: %t", there)
			}
		})
	}
}

// TestDeployedAgain deploys a validated package by its id, deploys over what is there, takes it out again, and cancels.
func TestDeployedAgain(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 3, JobDelay: time.Minute})
	c := serve(t, org)
	settle := func(a answer) deployed {
		t.Helper()
		id := a.deployed(t).ID
		org.Advance(time.Minute)
		return c.check(id)
	}
	checked := settle(c.deploy(invoicePackage(), `{"checkOnly":true,"rollbackOnError":true}`))
	quick := settle(c.do("POST", "/services/data/v60.0/metadata/deployRequest", `{"validatedDeployRequestId":"`+checked.ID+`"}`, "Content-Type", "application/json"))
	if quick.DeployResult.Status != "Succeeded" || c.status("/sobjects/Invoice__c") != 200 {
		t.Errorf("a validated package: %+v", quick)
	}
	files := invoicePackage()
	files["objects/Invoice__c.object"] = strings.Replace(invoiceObject, "<label>Total", "<label>Sum", 1)
	if d := settle(c.deploy(files, `{"rollbackOnError":true}`)); d.DeployResult.Status != "Succeeded" {
		t.Errorf("over itself: %+v", d)
	}
	gone := map[string]string{"package.xml": `<Package><version>60.0</version></Package>`, "destructiveChanges.xml": `<Package>
		<types><members>Invoice_Readers</members><name>PermissionSet</name></types><types><members>Invoice__c.Total__c</members><name>CustomField</name></types>
		<types><members>Invoice__c</members><name>CustomObject</name></types></Package>`}
	if d := settle(c.deploy(gone, `{"rollbackOnError":true}`)); d.DeployResult.Status != "Succeeded" || c.status("/sobjects/Invoice__c") != 404 {
		t.Errorf("taken out: %+v", d)
	}
	if d := settle(c.deploy(gone, `{"rollbackOnError":true}`)); d.DeployResult.Status != "Failed" || d.DeployResult.NumberComponentErrors != 3 {
		t.Errorf("taken out twice: %+v", d)
	}
	path := "/services/data/v60.0/metadata/deployRequest/"
	late := c.deploy(invoicePackage(), `{}`).deployed(t)
	if a := c.do("PATCH", path+late.ID, `{"deployResult":{"status":"Canceling"}}`); a.status != 202 {
		t.Errorf("canceling: %d %s", a.status, a.body)
	}
	org.Advance(time.Hour)
	if d := c.check(late.ID); d.DeployResult.Status != "Canceled" || c.status("/sobjects/Invoice__c") != 404 {
		t.Errorf("canceled: %+v", d)
	}
	if a := c.do("PATCH", path+late.ID, `{"deployResult":{"status":"Canceling"}}`); a.status != 400 {
		t.Errorf("canceling twice: %d", a.status)
	}
	if s := c.status("/metadata/deployRequest/0Af000000000000AAA"); s != 404 {
		t.Errorf("a deployment that there is none of: %d", s)
	}
}

// TestPackageLimits refuses a package that is not sound as a whole, without running it.
func TestPackageLimits(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 3})
	c := serve(t, org)
	path := "/services/data/v60.0/metadata/deployRequest"
	if a := c.do("POST", path, "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--b--\r\n", "Content-Type", "multipart/form-data; boundary=b"); a.status != 400 {
		t.Errorf("without options: %d %s", a.status, a.body)
	}
	if a := c.do("POST", path, "--b\r\ntorn", "Content-Type", "multipart/form-data; boundary=b"); a.status != 400 {
		t.Errorf("torn: %d %s", a.status, a.body)
	}
	body := "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nno zip\r\n--b\r\nContent-Disposition: form-data; name=\"entity_content\"\r\n\r\n{\"deployOptions\":{}}\r\n--b--\r\n"
	d := c.do("POST", path, body, "Content-Type", "multipart/form-data; boundary=b").deployed(t)
	if got := c.check(d.ID).DeployResult; got.Status != "Failed" || !strings.Contains(got.ErrorMessage, "could not be read") {
		t.Errorf("no zip: %+v", got)
	}
	// The user who sees less may not deploy.
	cred := org.Credentials()
	restricted := c.askToken(url.Values{"grant_type": {"password"}, "client_id": {cred.ClientID}, "client_secret": {cred.ClientSecret}, "username": {cred.RestrictedUsername}, "password": {cred.Password}})
	c.token = restricted.json()["access_token"].(string)
	if a := c.deploy(invoicePackage(), `{}`); a.status != 403 {
		t.Errorf("without permission: %d %s", a.status, a.body)
	}
}
