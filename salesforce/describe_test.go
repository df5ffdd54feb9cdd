package salesforce

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const accountDescribe = `{"name":"Account","label":"Account","labelPlural":"Accounts","keyPrefix":"001","custom":false,"queryable":true,
 "childRelationships":[{"childSObject":"Contact","field":"AccountId","relationshipName":"Contacts"},{"childSObject":"Secret__c","field":"A__c","relationshipName":null}],
 "fields":[
 {"name":"OwnerId","label":"Owner ID","type":"reference","referenceTo":["User"],"relationshipName":"Owner","length":18,"filterable":true,"sortable":true,"groupable":true,"nillable":false,"createable":true,"updateable":true},
 {"name":"ARR__c","label":"ARR","type":"currency","precision":18,"scale":2,"custom":true,"calculated":true,"nillable":true,"externalId":false,"inlineHelpText":"per year"},
 {"name":"Type","label":"Account Type","type":"picklist","picklistValues":[{"active":true,"label":"Customer","value":"C","validFor":null},{"active":false,"label":"Old","value":"O"}]},
 {"name":"Name","label":"Account Name","type":"string","nameField":true,"length":255,"htmlFormatted":false,"compoundFieldName":null,"extraTypeInfo":null}]}`

// describing serves describes of Account and User, and counts them by object and status.
type describing struct {
	mu     sync.Mutex
	counts map[string]int
	broken atomic.Bool
}

func (d *describing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	object := strings.ToLower(strings.Split(r.URL.Path, "/")[5])
	status := 200
	switch {
	case d.broken.Load():
		status = 403
		writeJSON(w, 403, errorJSON("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."))
	case object == "account" && r.Header.Get("If-Modified-Since") == "Tue, 10 Nov 2026 10:00:00 GMT":
		status = 304
		w.WriteHeader(304)
	case object == "account":
		w.Header().Set("Last-Modified", "Tue, 10 Nov 2026 10:00:00 GMT")
		writeJSON(w, 200, accountDescribe)
	case object == "user":
		writeJSON(w, 200, `{"name":"User","queryable":true,"fields":[{"name":"Name","type":"string"}]}`)
	default:
		status = 404
		writeJSON(w, 404, errorJSON("NOT_FOUND", "The requested resource does not exist"))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts[fmt.Sprint(object, " ", status)]++
}

func newDescribing(t *testing.T) (*stand, *describing, *atomic.Int64) {
	d := &describing{counts: map[string]int{}}
	var clock atomic.Int64
	s := newStand(t, d.ServeHTTP, func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	return s, d, &clock
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	s, _, _ := newDescribing(t)
	d, err := s.Describe(t.Context(), "account")
	if err != nil {
		t.Fatal(err)
	}
	if d.Name != "Account" || d.KeyPrefix != "001" || !d.Queryable || len(d.Fields) != 4 || len(d.Children) != 1 || d.Children[0].Name != "Contacts" {
		t.Errorf("%+v", d)
	}
	arr, owner, kind := d.Field("arr__C"), d.Field("OwnerId"), d.Field("Type")
	if arr == nil || arr.Precision != 18 || arr.Scale != 2 || !arr.Calculated || arr.InlineHelpText != "per year" {
		t.Errorf("ARR__c: %+v", arr)
	}
	if owner.RelationshipName != "Owner" || owner.ReferenceTo[0] != "User" || !owner.Filterable || owner.Nillable {
		t.Errorf("OwnerId: %+v", owner)
	}
	if len(kind.Picklist) != 2 || kind.Picklist[0].Label != "Customer" || kind.Picklist[1].Active {
		t.Errorf("Type: %+v", kind)
	}
	if d.Field("Nope") != nil {
		t.Error("an unknown field was found")
	}
	for _, name := range []string{"", "../limits", "Account/describe", "Account?x", strings.Repeat("a", 200), "Nope__c"} {
		if _, err := s.Describe(t.Context(), name); !isNotFound(err) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestDescribeGlobalIsKept(t *testing.T) {
	t.Parallel()
	var full, unchanged atomic.Int64
	var clock atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Modified-Since") == "Tue, 10 Nov 2026 10:00:00 GMT" {
			unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		full.Add(1)
		w.Header().Set("Last-Modified", "Tue, 10 Nov 2026 10:00:00 GMT")
		writeJSON(w, 200, `{"sobjects":[{"name":"Account","label":"Account","queryable":true}]}`)
	}, func(c *Config) { c.Now = func() time.Time { return time.Unix(clock.Load(), 0) } })
	list := func(wantFull, wantUnchanged int64) {
		t.Helper()
		all, err := s.DescribeGlobal(t.Context())
		if err != nil || len(all) != 1 || !all[0].Queryable {
			t.Errorf("%v %v", all, err)
		}
		if full.Load() != wantFull || unchanged.Load() != wantUnchanged {
			t.Errorf("%d full and %d unchanged answers, want %d and %d", full.Load(), unchanged.Load(), wantFull, wantUnchanged)
		}
	}
	list(1, 0)
	list(1, 0)
	clock.Add(int64(schemaTTL / time.Second))
	list(1, 1)
	list(1, 1)
	s.RefreshSchema()
	list(2, 1)
}

func TestKnownNeverAsks(t *testing.T) {
	t.Parallel()
	s, _, _ := newDescribing(t)
	if d, known := s.Known("Account"); d != nil || known {
		t.Errorf("before any describe: %v %v", d, known)
	}
	for _, name := range []string{"account", "Nope__c"} {
		if _, err := s.Describe(t.Context(), name); err != nil && !isNotFound(err) {
			t.Fatal(err)
		}
	}
	before := s.Calls()
	if d, known := s.Known("ACCOUNT"); d == nil || !known {
		t.Errorf("a described object: %v %v", d, known)
	}
	if d, known := s.Known("nope__C"); d != nil || !known {
		t.Errorf("an object that the org does not have: %v %v", d, known)
	}
	if s.Calls() != before {
		t.Error("the org was asked")
	}
}

func TestDescribeCache(t *testing.T) {
	t.Parallel()
	s, d, clock := newDescribing(t)
	describe := func() {
		t.Helper()
		if got, err := s.Describe(t.Context(), "Account"); err != nil || got.Name != "Account" {
			t.Fatal(got, err)
		}
	}
	expect := func(full, unchanged int) {
		t.Helper()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.counts["account 200"] != full || d.counts["account 304"] != unchanged {
			t.Errorf("%v; want %d full and %d unchanged answers", d.counts, full, unchanged)
		}
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(describe)
	}
	wg.Wait()
	expect(1, 0)
	clock.Add(int64(schemaTTL / time.Second))
	describe()
	expect(1, 1)
	describe()
	expect(1, 1)
	s.RefreshSchema()
	describe()
	expect(2, 1)
}

func TestSchemaDescribesOnDemand(t *testing.T) {
	t.Parallel()
	s, d, _ := newDescribing(t)
	schema, err := s.Schema(t.Context(), "Account", "Nope__c")
	if err != nil {
		t.Fatal(err)
	}
	before := s.Calls()
	if o := schema.Object("ACCOUNT"); o == nil || o.Name != "Account" || len(o.Fields) != 4 || o.Children[0].Object != "Contact" {
		t.Errorf("%+v", o)
	}
	if schema.Object("nope__c") != nil || s.Calls() != before {
		t.Errorf("what was described is asked for again: %d calls", s.Calls()-before)
	}
	if schema.Object("User") == nil || schema.Object("Other__c") != nil || SchemaErr(schema) != nil {
		t.Errorf("on demand: %v", SchemaErr(schema))
	}
	d.broken.Store(true)
	if schema.Object("Lead") != nil || !IsDailyLimit(SchemaErr(schema)) {
		t.Errorf("a failure on demand is not told: %v", SchemaErr(schema))
	}
	if _, err := s.Schema(t.Context(), "Lead"); !IsDailyLimit(err) {
		t.Errorf("a failure at once is not told: %v", err)
	}
	if SchemaErr(nil) != nil {
		t.Error("no schema, no error")
	}
}

func TestDescribeFailureKeepsNothing(t *testing.T) {
	t.Parallel()
	s, d, _ := newDescribing(t)
	d.broken.Store(true)
	if _, err := s.Describe(t.Context(), "Account"); !IsDailyLimit(err) {
		t.Fatal(err)
	}
	d.broken.Store(false)
	if _, err := s.Describe(t.Context(), "Account"); err != nil {
		t.Error(err)
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	const user = `{"user_id":"005000000000001AAA","organization_id":"00D000000000001AAA","username":"a@b.example","display_name":"Ada","email":"a@c.example","timezone":"Europe/Paris","locale":"fr_FR"}`
	var expired atomic.Bool
	expired.Store(true)
	s := newStand(t, nil)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/services/oauth2/token":
			expired.Store(false)
			writeJSON(w, 200, fmt.Sprintf(`{"access_token":"00D000000000001!second","instance_url":%q,"issued_at":"1"}`, s.url))
		case r.URL.Path == "/id/00D000000000001AAA/005000000000001AAA" && expired.Load():
			w.WriteHeader(403)
			fmt.Fprint(w, "Bad_OAuth_Token")
		case r.URL.Path == "/id/00D000000000001AAA/005000000000001AAA":
			writeJSON(w, 200, user)
		default:
			writeJSON(w, 200, `{"totalSize":1,"done":true,"records":[{"Name":"Acme","OrganizationType":"Developer Edition","InstanceName":"EU1","IsSandbox":true}]}`)
		}
	})
	// The identity URL names another host; the token must not go there.
	s.tokens.token.IdentityURL = "https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA"
	want := Identity{OrgID: "00D000000000001AAA", OrgName: "Acme", OrgType: "Developer Edition", InstanceName: "EU1", IsSandbox: true,
		UserID: "005000000000001AAA", Username: "a@b.example", DisplayName: "Ada", Email: "a@c.example", TimeZone: "Europe/Paris", Locale: "fr_FR"}
	if got, err := s.Identity(t.Context()); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	s.tokens.token.IdentityURL = "https://login.salesforce.com/id/../services/data"
	var answer *AnswerError
	before := s.Calls()
	if _, err := s.Identity(t.Context()); !errors.As(err, &answer) || s.Calls() != before {
		t.Errorf("a strange identity URL gave %d calls, %v", s.Calls()-before, err)
	}
}

func TestRecordURL(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(http.ResponseWriter, *http.Request) {})
	for id, want := range map[string]string{"001D000000IRFma": s.url + "/001D000000IRFma", "001D000000IRFmaIAH": s.url + "/001D000000IRFmaIAH", "": "", "../x": "",
		"001D000000IRFmaI": "", "javascript:alert": ""} {
		if got := s.RecordURL(id); got != want {
			t.Errorf("%q: %q", id, got)
		}
	}
	unknown := newStand(t, func(http.ResponseWriter, *http.Request) {})
	unknown.tokens.token.InstanceURL = ""
	if got := unknown.RecordURL("001D000000IRFma"); got != "" {
		t.Errorf("without an instance: %q", got)
	}
}

// TestAnswersThatDescribeNothing has something before the org answer with JSON of another kind. That is no object without fields, and no org without objects.
func TestAnswersThatDescribeNothing(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"status":"maintenance"}`, `{"name":"Account"}`, `{"name":"Account","fields":[]}`} {
		s := newStand(t, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, body) })
		var answer *AnswerError
		if _, err := s.Describe(t.Context(), "Account"); !errors.As(err, &answer) {
			t.Errorf("%s is a describe: %v", body, err)
		}
		if _, err := s.DescribeGlobal(t.Context()); !errors.As(err, &answer) {
			t.Errorf("%s lists objects: %v", body, err)
		}
		if d, known := s.Known("Account"); d != nil || known {
			t.Errorf("%s is kept as a describe", body)
		}
	}
}
