package web

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// A browser that goes away, as one does that cancels or types on, ends the call to Salesforce and frees its place.
func TestValidateEndsWithItsBrowser(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	c := o.connected(b)
	section := orgPath(c.ID, "/settings/account-filtering")
	b.get(section + "/schema").is(http.StatusNoContent)
	o.org.Fail(sim.Fault{Match: "/services/data/*/query", Stall: time.Hour, Count: -1})

	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+section+"/validate", strings.NewReader(validating("Name != null").Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	gone := make(chan error, 1)
	go func() {
		resp, err := b.client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		gone <- err
	}()
	for len(o.server.asking) == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	if err := <-gone; err == nil {
		t.Fatal("the validation was answered")
	}
	for deadline := time.Now().Add(askLimit / 2); len(o.server.asking) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("the call to Salesforce goes on after its browser has gone")
		}
		time.Sleep(5 * time.Millisecond)
	}
}
