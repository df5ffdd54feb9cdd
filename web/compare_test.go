package web

import (
	"net/http"
	"net/url"
	"testing"

	"millrace/salesforce/sim"
)

func TestCompareFilters(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 60})
	b := o.as(o.admin)
	c := o.connected(b)
	section := orgPath(c.ID, "/settings/account-filtering")
	typed := func(customer, prospect, partner string) url.Values {
		return url.Values{"base": {"0"}, "accounts.mode": {"typed"}, "accounts.customer": {customer}, "accounts.prospect": {prospect}, "accounts.partner": {partner}}
	}
	count := func(where string) string {
		t.Helper()
		n, err := o.org.EvalCount("SELECT COUNT() FROM Account WHERE " + where)
		if err != nil {
			t.Fatal(err)
		}
		return itoa(int64(n))
	}
	p := b.post(section+"/compare", typed("Type = 'Customer'", "AnnualRevenue != null", "")).is(http.StatusOK)
	p.says("#overlap tbody tr:nth-child(1)", "Customer", count("Type = 'Customer'"))
	p.says("#overlap tbody tr:nth-child(2)", "Prospect", count("AnnualRevenue != null"), count("AnnualRevenue != null AND (NOT Type = 'Customer')"))
	p.says("#overlap tbody tr:nth-child(3)", "not synced", count("AnnualRevenue = null AND (NOT Type = 'Customer')"))
	p.says("#overlap li", count("AnnualRevenue != null AND Type = 'Customer'")+" match Customer and Prospect → Customer")
	if got := p.text("#accounts-prospect"); got != "AnnualRevenue != null" {
		t.Errorf("what was typed became %q", got)
	}
	b.post(section+"/compare", typed("Id = null", "Id = null", "")).says("#overlap", "No account matches more than one filter.")
	b.post(section+"/compare", typed("", " ", "")).says("#overlap", "All three filters are empty.")
	b.post(section+"/compare", typed("Nmae = 'x'", "Id != null", "")).is(http.StatusOK).says("#overlap", "not known")
	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "revoked"); err != nil {
		t.Fatal(err)
	}
	b.post(section+"/compare", typed("Id != null", "", "")).says("#overlap", "Not compared", "Reconnect")
}
