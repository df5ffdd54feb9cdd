package sim_test

import (
	"strings"
	"testing"

	"millrace/salesforce/sim"
)

// TestSeedsMakeDifferentOrgs compares orgs of several seeds: each has its own org id everywhere that one is shown, and its records are found by it.
func TestSeedsMakeDifferentOrgs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, seed := range []int64{0, 1, 2, 8, -3, 1 << 40} {
		org := newOrg(t, sim.Options{Accounts: 2, Seed: seed})
		id := org.Credentials().OrgID
		if seen[id] {
			t.Errorf("seed %d has the org id of another", seed)
		}
		seen[id] = true
		c := serve(t, org)
		if !strings.Contains(c.get("/services/oauth2/userinfo").body, id) {
			t.Errorf("userinfo does not say %s", id)
		}
		rows, err := org.Eval("SELECT Id, Name FROM Organization WHERE Id = '" + id + "'")
		if err != nil || len(rows) != 1 || rows[0]["Id"] != id {
			t.Errorf("Organization: %v %v", rows, err)
		}
		if a := c.get("/services/data/v66.0/sobjects/Organization/" + id); a.status != 200 || !strings.Contains(a.body, `"Id":"`+id+`"`) {
			t.Errorf("Organization by id: %v", a)
		}
		if org.Record(id)["Name"] != sim.DefaultOrgName {
			t.Errorf("record %v", org.Record(id))
		}
	}
	if org := newOrg(t, sim.Options{Seed: sim.DefaultSeed}); !seen[org.Credentials().OrgID] {
		t.Error("the default seed is not that of the zero value")
	}
}
