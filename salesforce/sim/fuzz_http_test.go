package sim

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// fuzzOrg makes a small org and an access token for it.
func fuzzOrg(f *testing.F) (*Org, string) {
	f.Helper()
	o, err := New(Options{Accounts: 5})
	if err != nil {
		f.Fatal(err)
	}
	o.SetAPILimit(0, 1<<40)
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	return o, o.openSession(userIntegration, o.opt.ClientID, "api", nil).token
}

// FuzzIngestCSV loads any text as the rows of a job: each row is accounted for, as done, failed or never tried, and the results are CSV again.
func FuzzIngestCSV(f *testing.F) {
	for _, seed := range []string{"", "Name\nA\n", "Name,Site\r\nA,B\r\n", "Id,Name\n,x\n", "Name\n\"a\nb\"\n\"\"\"\"\n", "\xef\xbb\xbfName\n#N/A\n", "Owner.Username,Name\nnobody,x\n", "Name,Name\n1,2\n",
		"\"Name\n", "Name;Site\na\n", "Parent:Account.ERP_Number__c,Name\n1,x\n", ",\n,\n", "ERP_Number__c,Name\nE1,a\nE1,b\n"} {
		for _, operation := range []string{"insert", "update", "upsert", "delete"} {
			f.Add(operation, seed)
		}
	}
	o, token := fuzzOrg(f)
	f.Fuzz(func(t *testing.T, operation, text string) {
		do := func(method, path, contentType, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, "/services/data/v66.0/jobs/ingest"+path, strings.NewReader(body))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			o.ServeHTTP(w, r)
			return w
		}
		asked, _ := json.Marshal(map[string]string{"object": "Account", "operation": operation, "externalIdFieldName": "ERP_Number__c"}) // of plain texts
		var job struct {
			ID                                          string
			State                                       string
			NumberRecordsProcessed, NumberRecordsFailed int
		}
		read := func(w *httptest.ResponseRecorder) {
			if err := json.Unmarshal(w.Body.Bytes(), &job); err != nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		}
		w := do("POST", "", "application/json", string(asked))
		if w.Code == http.StatusBadRequest {
			return // no such operation
		}
		read(w)
		if w := do("PUT", "/"+job.ID+"/batches", "text/csv", text); w.Code != http.StatusCreated {
			t.Fatalf("upload: %d %s", w.Code, w.Body)
		}
		do("PATCH", "/"+job.ID, "application/json", `{"state":"UploadComplete"}`)
		read(do("GET", "/"+job.ID, "", ""))
		rows := func(kind string) int {
			r := csv.NewReader(strings.NewReader(do("GET", "/"+job.ID+"/"+kind, "", "").Body.String()))
			r.FieldsPerRecord = -1
			list, err := r.ReadAll()
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			return max(len(list)-1, 0)
		}
		done, failed := rows("successfulResults"), rows("failedResults")
		if done+failed != job.NumberRecordsProcessed || failed != job.NumberRecordsFailed {
			t.Errorf("%d done and %d failed of %d processed and %d failed", done, failed, job.NumberRecordsProcessed, job.NumberRecordsFailed)
		}
		if job.State != stateComplete && job.State != stateFailed {
			t.Errorf("the job ended as %s", job.State)
		}
	})
}

// FuzzRouting sends any method, path and body: the org always answers, and every refusal of the data API is an array of errors with a code and a message.
func FuzzRouting(f *testing.F) {
	for _, p := range []string{"/", "//services/data/v66.0/limits/", "/services/data", "/services/data/v66.0/sobjects/Account/describe", "/services/data/v66.0/query?q=SELECT Id FROM Account",
		"/services/data/v66.0/query/01g5g00003nWwPWAA0-2000", "/services/data/v66.0/sobjects/Account/ERP_Number__c/E1", "/services/data/v66.0/search?q=FIND {acme}", "/services/data/v66.0/jobs/query/750/results?locator=MQ",
		"/services/data/v66.0/composite/tree/Account", "/services/data/v66.0/composite", "/services/data/v66.0/chatter/feed-elements", "/services/data/v66.0/sobjects/Account/updated?start=1&end=2",
		"/services/oauth2/token", "/services/oauth2/authorize?client_id=x", "/services/Soap/u/60.0", "/services/Soap/m/60.0", "/id/00D/005", "/control", "/control/records?object=Account", "/setup/connect",
		"/services/data/v66.0/tooling/query?q=SELECT Id FROM CustomField", "/services/data/v66.0/parameterizedSearch?q=ac&sobject=Account", "/%2e%2e/x", "/lightning/r/Account/001/view"} {
		f.Add("GET", p, "")
		f.Add("POST", p, `{"records":[{"attributes":{"type":"Account"},"Name":"x"}],"compositeRequest":[{"method":"GET","url":"/services/data/v66.0/limits","referenceId":"a"}]}`)
	}
	f.Add("PATCH", "/services/data/v66.0/composite/sobjects", `{"records":[{}]}`)
	f.Add("DELETE", "/services/data/v66.0/composite/sobjects?ids=001", "")
	o, token := fuzzOrg(f)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || strings.Contains(path, "/control/") {
			return // the control API may change what the other inputs find
		}
		r, err := http.NewRequest(method, "http://org.example/", strings.NewReader(body))
		if err != nil {
			return // not a method
		}
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.RequestURI = u.Path, u.RawPath, u.RawQuery, path
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		o.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError && !strings.HasPrefix(lower(cleanPath(u.Path)), "/services/soap") {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
		if w.Code >= 400 && method != http.MethodHead && strings.HasPrefix(lower(cleanPath(u.Path)), "/services/data/") &&
			!strings.Contains(lower(u.Path), "/tree/") { // a tree that fails answers with its own results
			var errs []struct{ ErrorCode, Message string }
			if err := json.Unmarshal(w.Body.Bytes(), &errs); err != nil || len(errs) == 0 || errs[0].ErrorCode == "" {
				t.Errorf("%s %s: %d %s", method, path, w.Code, fmt.Sprint(w.Body))
			}
		}
	})
}

// FuzzPackage deploys any text as the files of a package: each part is told of once, and what fails leaves the org as it was.
func FuzzPackage(f *testing.F) {
	for _, seed := range [...][2]string{
		{"<Package><types><members>A__c</members><name>CustomObject</name></types></Package>", "<CustomObject><label>A</label><pluralLabel>As</pluralLabel><nameField><label>N</label></nameField></CustomObject>"},
		{"<Package><types><members>*</members><name>CustomObject</name></types></Package>", "<CustomObject><fields><fullName>X__c</fullName><type>Picklist</type></fields></CustomObject>"},
		{"<Package><types><members>A__c.X__c</members><name>CustomField</name></types></Package>", "<CustomObject><fields><fullName>X__c</fullName><type>MasterDetail</type><referenceTo>Account</referenceTo></fields></CustomObject>"},
		{"<Package/>", "<"}, {"", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	o, _ := fuzzOrg(f)
	f.Fuzz(func(t *testing.T, manifest, object string) {
		d := &deployment{user: userIntegration, status: deployPending, options: deployOptions{RollbackOnError: true, CheckOnly: true}}
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for name, text := range map[string]string{"package.xml": manifest, "objects/A__c.object": object, "destructiveChanges.xml": manifest} {
			w, _ := z.Create(name)       // a Buffer never fails
			_, _ = w.Write([]byte(text)) // nor here
		}
		_ = z.Close() // nor here
		before := o.world.Load()
		d.readPackage(b.Bytes())
		o.run(d)
		if o.world.Load() != before {
			t.Error("a validation changed the org")
		}
		if len(d.messages) != len(d.parts)+len(d.problems) {
			t.Errorf("%d messages about %d parts and %d problems", len(d.messages), len(d.parts), len(d.problems))
		}
	})
}
