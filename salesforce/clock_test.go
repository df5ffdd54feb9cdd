package salesforce

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestClockOfErrorsIsNotTheOrgs answers an error under another date, as a machine before the org might: the org's clock stays what its last good answer said.
func TestClockOfErrorsIsNotTheOrgs(t *testing.T) {
	t.Parallel()
	org := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for status, counts := range map[int]bool{http.StatusOK: true, http.StatusNotFound: false, http.StatusForbidden: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", org.Format(http.TimeFormat))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{}`)) // the caller reads it
		}))
		t.Cleanup(server.Close)
		c := New(Config{Hosts: HostPolicy{Extra: []string{server.URL}}, Now: func() time.Time { return org }, Token: staticToken(server.URL)})
		_, _ = c.Limits(t.Context()) // what comes of it does not matter
		if known := !c.Clock().IsZero(); known != counts {
			t.Errorf("after HTTP %d the clock is %v", status, c.Clock())
		}
	}
}

func staticToken(instance string) func(context.Context) (Token, error) {
	return func(context.Context) (Token, error) { return Token{Access: "t", InstanceURL: instance}, nil }
}
