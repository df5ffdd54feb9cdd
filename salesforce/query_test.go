package salesforce

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestLongQueryIsPosted(t *testing.T) {
	t.Parallel()
	long := "SELECT Id FROM Account WHERE Name IN ('" + strings.Repeat("é", 5000) + "')"
	var refuse bool
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > longURI {
			w.WriteHeader(http.StatusRequestURITooLong)
			return
		}
		if r.Method != http.MethodPost || r.URL.Path != "/services/data/v66.0/composite/batch" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		var body struct {
			BatchRequests []struct{ Method, URL string }
		}
		b, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(b, &body); err != nil || len(body.BatchRequests) != 1 {
			t.Errorf("%v in %.100s", err, b)
		}
		u, err := url.Parse(body.BatchRequests[0].URL)
		if err != nil || u.Path != "v66.0/query" || u.Query().Get("q") != long {
			t.Errorf("subrequest %.100s, %v", body.BatchRequests[0].URL, err)
		}
		if refuse {
			writeJSON(w, 200, `{"hasErrors":true,"results":[{"statusCode":400,"result":`+errorJSON("MALFORMED_QUERY", "\nx\n^\nERROR at Row:1:Column:5\nno")+`}]}`)
			return
		}
		writeJSON(w, 200, `{"hasErrors":false,"results":[{"statusCode":200,"result":`+onePage+`}]}`)
	})
	r, err := s.Query(t.Context(), long)
	if err != nil || r.TotalSize != 1 || r.Records[0]["AnnualRevenue"] != json.Number("12345678901234567.89") {
		t.Errorf("%+v, %v", r, err)
	}
	refuse = true
	_, err = s.Query(t.Context(), long)
	if _, col, _, ok := QueryPosition(err); !ok || col != 5 {
		t.Errorf("%v", err)
	}
}

func TestNextPage(t *testing.T) {
	t.Parallel()
	const next = "/services/data/v66.0/query/01gRO0000016PIAYA2-500"
	for raw, want := range map[string]string{
		next:                           next,
		"https://other.example" + next: next, // only the path is used
		"/services/data/v66.0/queryAll/01gRO0000016PIAYA2-500": "/services/data/v66.0/queryAll/01gRO0000016PIAYA2-500",
		"":                              "",
		"/services/data/v66.0/query/":   "",
		"/services/data/v66.0/limits/x": "",
		"/services/data/v66.0/query/../sobjects/Account": "",
		"/services/data/v66.0/x/../query/01g":            "",
		"/services/data/v66.0/query/%2e%2e/limits":       "",
		"//evil.example/query/x":                         "",
		"https://user@other.example" + next:              "",
		next + "?x=y":                                    "",
		"/services/oauth2/revoke/query/x":                "",
	} {
		got, err := nextPath(raw)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", raw, got, err)
		}
	}
}

func TestPagesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	const next = "/services/data/v66.0/query/01gRO0000016PIAYA2-500"
	for name, body := range map[string]string{
		"itself":      `{"totalSize":9,"done":false,"nextRecordsUrl":"` + next + `","records":[]}`,
		"nothing":     `{"totalSize":9,"done":false,"records":[]}`,
		"an intruder": `{"totalSize":9,"done":false,"nextRecordsUrl":"https://evil.example/x","records":[]}`,
	} {
		s := newStand(t, func(w http.ResponseWriter, r *http.Request) { writeJSON(w, 200, body) })
		var e *AnswerError
		if r, err := s.QueryMore(t.Context(), next); !errors.As(err, &e) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("explain") != "SELECT Id FROM Account" {
			t.Errorf("%s", r.URL)
		}
		writeJSON(w, 200, `{"plans":[{"cardinality":2843,"fields":[],"leadingOperationType":"TableScan","notes":[{"description":"Not considering filter for optimization because unindexed","fields":["IsDeleted"],"tableEnumOrId":"Account"}],"relativeCost":1.65,"sobjectCardinality":28430,"sobjectType":"Account"},{"cardinality":1}]}`)
	})
	p, err := s.Explain(t.Context(), "SELECT Id FROM Account")
	if err != nil || p.Object != "Account" || p.LeadingOperation != "TableScan" || p.Cardinality != 2843 || p.ObjectRows != 28430 || p.RelativeCost != 1.65 || len(p.Notes) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}
