package sim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
)

// caller is a client without any cleverness: it sends what it is told and shows what came back.
type caller struct {
	t     *testing.T
	org   *sim.Org
	url   string
	token string
}

type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// serve starts an org over HTTP and signs in.
func serve(t *testing.T, org *sim.Org) *caller {
	t.Helper()
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	c := &caller{t: t, org: org, url: server.URL}
	cred := org.Credentials()
	a := c.askToken(url.Values{"grant_type": {"client_credentials"}, "client_id": {cred.ClientID}, "client_secret": {cred.ClientSecret}})
	c.token = a.json()["access_token"].(string)
	return c
}

// askToken posts to the token endpoint.
func (c *caller) askToken(form url.Values) answer {
	c.t.Helper()
	return c.do("POST", "/services/oauth2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func (c *caller) do(method, path, body string, headers ...string) answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

func (c *caller) get(path string, headers ...string) answer {
	c.t.Helper()
	return c.do("GET", path, "", headers...)
}

// soql runs a query over REST.
func (c *caller) soql(q string) answer {
	c.t.Helper()
	return c.get("/services/data/v66.0/query?q=" + url.QueryEscape(q))
}

func (a answer) json() map[string]any {
	m := map[string]any{}
	_ = json.Unmarshal([]byte(a.body), &m) // what is not an object shows as an empty one
	return m
}

func (a answer) String() string { return fmt.Sprint(a.status, " ", a.body) }

// TestPaths sends the odd addresses that real clients send.
func TestPaths(t *testing.T) {
	t.Parallel()
	c := serve(t, newOrg(t, sim.Options{Accounts: 3}))
	for path, status := range map[string]int{
		"/services/data": 200,
		"//services/data/v51.0/query/?q=SELECT+Id+FROM+Account": 200,
		"/services/data/V66.0/SOBJECTS/account/Describe/":       200,
		"/services/data/v66.0/sobjects/Nope/describe":           404,
		"/services/data/v99.0/limits":                           404,
		"/services/data/v29.0/limits":                           410,
		"/services/data/v66.0/nothing":                          404,
		"/services/data/v66.0/query?q=":                         400,
		"/services/data/v66.0/query/01g000000000000AAA-2000":    400,
		"/services/data/v66.0/recent":                           200,
	} {
		a := c.get(path)
		if a.status != status {
			t.Errorf("%s: %v", path, a)
		}
		if status >= 400 && !strings.HasPrefix(a.body, "[{") {
			t.Errorf("%s: the error is not an array: %s", path, a.body)
		}
	}
	if a := c.do("PUT", "/services/data/v66.0/sobjects/Account/001000000000001AAA", "{}"); a.status != 405 || !strings.Contains(a.body, "HTTP Method 'PUT' not allowed. Allowed are HEAD,GET,PATCH,DELETE") {
		t.Errorf("PUT: %v", a)
	}
	if a := c.get("/services/data/v58.0/query?q=SELECT+Id+FROM+Account"); !strings.Contains(a.body, `"/services/data/v58.0/sobjects/Account/`) {
		t.Errorf("the caller's version is not echoed: %s", a.body)
	}
}

// TestLimit counts calls and refuses them beyond the limit, until a day has passed.
func TestLimit(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 3, DailyAPILimit: 50})
	c := serve(t, org)
	a := c.get("/services/data/v66.0/limits")
	if a.header.Get("Sforce-Limit-Info") != "api-usage=1/50" {
		t.Errorf("limit header %q", a.header.Get("Sforce-Limit-Info"))
	}
	org.SetAPILimit(50, 50)
	if a := c.get("/services/data/v66.0/limits"); a.status != 403 || a.body != `[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`+"\n" {
		t.Errorf("beyond the limit: %v", a)
	}
	org.Advance(24 * 3600e9)
	c = &caller{t: t, org: org, url: c.url}
	c.token = c.askToken(url.Values{"grant_type": {"password"}, "client_id": {sim.DefaultClientID}, "client_secret": {sim.DefaultClientSecret},
		"username": {sim.DefaultUsername}, "password": {sim.DefaultPassword + "TOKEN"}}).json()["access_token"].(string)
	if a := c.get("/services/data/v66.0/limits"); a.status != 200 {
		t.Errorf("a day later: %v", a)
	}
}

// TestDescribe expects every key of a field, and 304 until the schema changes.
func TestDescribe(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 3})
	c := serve(t, org)
	a := c.get("/services/data/v66.0/sobjects/Account/describe")
	keys := strings.Fields(`aggregatable aiPredictionField autoNumber byteLength calculated calculatedFormula cascadeDelete caseSensitive compoundFieldName controllerName createable
		custom defaultValue defaultValueFormula defaultedOnCreate dependentPicklist deprecatedAndHidden digits displayLocationInDecimal encrypted externalId extraTypeInfo filterable
		filteredLookupInfo formulaTreatNullNumberAsZero groupable highScaleNumber htmlFormatted idLookup inlineHelpText label length mask maskType name nameField namePointing nillable
		permissionable picklistValues polymorphicForeignKey precision queryByDistance referenceTargetField referenceTo relationshipName relationshipOrder restrictedDelete
		restrictedPicklist scale searchPrefilterable soapType sortable type unique updateable writeRequiresMasterRead`)
	for _, f := range a.json()["fields"].([]any) {
		f := f.(map[string]any)
		for _, k := range keys {
			if _, ok := f[k]; !ok {
				t.Errorf("%s has no key %s", f["name"], k)
			}
		}
		if len(f) != len(keys) {
			t.Errorf("%s has %d keys, not %d", f["name"], len(f), len(keys))
		}
	}
	since := a.header.Get("Last-Modified")
	if a := c.get("/services/data/v66.0/sobjects/Account/describe", "If-Modified-Since", since); a.status != 304 || a.body != "" {
		t.Errorf("unchanged: %v", a)
	}
	org.HideField("Account", "ARR__c")
	a = c.get("/services/data/v66.0/sobjects/Account/describe", "If-Modified-Since", since)
	if a.status != 200 || strings.Contains(a.body, `"ARR__c"`) {
		t.Errorf("after hiding: %d, with the field: %v", a.status, strings.Contains(a.body, `"ARR__c"`))
	}
	if a := c.soql("SELECT ARR__c FROM Account"); !strings.Contains(a.body, "INVALID_FIELD") {
		t.Errorf("hidden field: %v", a)
	}
	org.HideObject("Contact")
	for _, q := range []string{"SELECT Id FROM Contact", "SELECT Id, (SELECT Id FROM Contacts) FROM Account"} {
		if a := c.soql(q); !strings.Contains(a.body, "INVALID_TYPE") {
			t.Errorf("%s: %v", q, a)
		}
	}
}

// TestCursors reads pages of one query while the org changes: the pages stay as they were.
func TestCursors(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 450})
	c := serve(t, org)
	a := c.get("/services/data/v66.0/query?q=SELECT+Id,Name+FROM+Account+ORDER+BY+Id", "sforce-query-options", "batchsize=10")
	if n := len(a.json()["records"].([]any)); n != 200 { // fewer than 200 are never sent
		t.Fatalf("%d records in the first page", n)
	}
	var last string
	for rec := range org.Records("Account") {
		last = rec["Id"].(string)
	}
	if err := org.Update("Account", last, row{"Name": "changed"}); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for {
		for _, r := range a.json()["records"].([]any) {
			r := r.(map[string]any)
			seen[r["Id"].(string)] = true
			if r["Name"] == "changed" {
				t.Error("a page shows what happened after the query")
			}
		}
		next, ok := a.json()["nextRecordsUrl"].(string)
		if !ok {
			break
		}
		a = c.get(next, "sforce-query-options", "batchSize=200")
	}
	if len(seen) != 450 {
		t.Errorf("%d of 450 records in the pages", len(seen))
	}
}

// TestComposite covers references between subrequests and a transaction that is rolled back.
func TestComposite(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 2})
	c := serve(t, org)
	run := func(last string) answer {
		return c.do("POST", "/services/data/v66.0/composite", `{"allOrNone":true,"compositeRequest":[
			{"method":"POST","url":"/services/data/v66.0/sobjects/Account","referenceId":"a","body":{"Name":"Composite"}},
			{"method":"GET","url":"/services/data/v66.0/query?q=SELECT+Id+FROM+Account+WHERE+Id='@{a.id}'","referenceId":"q"},
			{"method":"PATCH","url":"/services/data/v66.0/sobjects/Account/@{q.records[0].Id}","referenceId":"p","body":`+last+`}]}`)
	}
	if a := run(`{"Nope":1}`); a.status != 200 || strings.Count(a.body, "PROCESSING_HALTED") != 2 || !strings.Contains(a.body, "No such column 'Nope' on sobject of type Account") {
		t.Errorf("a failure at the end: %v", a)
	}
	if n := org.Count("Account"); n != 2 {
		t.Errorf("%d accounts after the rollback", n)
	}
	if a := run(`{"Site":"here"}`); !strings.Contains(a.body, `"httpStatusCode":204`) {
		t.Errorf("success: %v", a)
	}
	if got := eval(t, org, "SELECT Site FROM Account WHERE Name = 'Composite'"); got != "[map[Site:here]]" {
		t.Errorf("stored: %s", got)
	}
	if a := c.do("POST", "/services/data/v66.0/composite/tree/Account", `{"records":[{"attributes":{"type":"Account","referenceId":"t1"},"Name":"Tree",
		"Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"t2"},"LastName":"Leaf"},{"attributes":{"type":"Contact","referenceId":"t3"}}]}}]}`); a.status != 400 ||
		!strings.Contains(a.body, `"referenceId":"t3"`) || org.Count("Account") != 3 {
		t.Errorf("tree with a bad leaf: %v", a)
	}
	if a := c.do("POST", "/services/data/v66.0/composite/tree/Account", `{"records":[{"attributes":{"type":"Account","referenceId":"t1"},"Name":"Tree",
		"Contacts":{"records":[{"attributes":{"type":"Contact","referenceId":"t2"},"LastName":"Leaf"}]}}]}`); a.status != 201 {
		t.Errorf("tree: %v", a)
	}
	if got := eval(t, org, "SELECT Account.Name FROM Contact WHERE LastName = 'Leaf'"); got != "[map[Account:map[Name:Tree]]]" {
		t.Errorf("leaf: %s", got)
	}
}

// TestFaultsOfSubrequests has faults meet subrequests, with JSON and with something else; the others and the answer as a whole are as they should be.
func TestFaultsOfSubrequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault sim.Fault
		want  string
	}{
		"an error":   {sim.Fault{Status: 400, Code: "QUERY_TIMEOUT"}, `{"body":[{"errorCode":"QUERY_TIMEOUT"`},
		"a page":     {sim.Fault{Status: 503, Body: "<html>no</html>"}, `{"body":"<html>no</html>"`},
		"cut bodies": {sim.Fault{TruncateAfter: 3}, `{"body":{"totalSize":2,`},
	} {
		org := newOrg(t, sim.Options{Accounts: 2})
		client := serve(t, org)
		c.fault.Match = "/services/data/*/query"
		org.Fail(c.fault)
		a := client.do("POST", "/services/data/v66.0/composite", `{"compositeRequest":[
			{"method":"GET","url":"/services/data/v66.0/query?q=SELECT+COUNT()+FROM+Account","referenceId":"hit"},
			{"method":"GET","url":"/services/data/v66.0/query?q=SELECT+COUNT()+FROM+Account","referenceId":"spared"}]}`)
		if a.status != 200 || !strings.Contains(a.body, c.want) || strings.Count(a.body, `"totalSize":2`) < 1 || !strings.Contains(a.body, `"referenceId":"spared"`) {
			t.Errorf("%s: %v", name, a)
		}
	}
}
