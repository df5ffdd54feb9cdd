package sim_test

import (
	"context"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// TestJsforce runs an unmodified jsforce against the org: sign-in, refresh, describes, queries in pages, bulk jobs both ways, writes, metadata.
func TestJsforce(t *testing.T) {
	t.Parallel()
	org, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org)
	defer server.Close()
	c := org.Credentials()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", "testdata/jsforce.mjs", server.URL, c.ClientID, c.ClientSecret, c.Username, c.Password).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("jsforce: %v", err)
	}
}
