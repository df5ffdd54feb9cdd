package web

import (
	"net/http"
	"testing"

	"millrace/salesforce/sim"
)

func TestBaseThatNeverExisted(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/account-filtering")
	stale := func(base, now string) {
		t.Helper()
		p := b.post(path, single("99", "Name != 'x'")).is(http.StatusConflict)
		p.says("#summary", "out of date", "does not exist here", now)
		p.lacks("#conflict")
		if got := p.attr("[name=base]", "value"); got != base {
			t.Errorf("the form goes on from %q, want %q", got, base)
		}
		if got := p.text("#accounts-single"); got != "Name != 'x'" {
			t.Errorf("the box holds %q", got)
		}
	}
	stale("0", "there is no version yet")
	o.configure(c, "Name != null")
	stale("1", "v1 is the current one")
	b.post(path, single("1", "Name != 'x'")).is(http.StatusSeeOther)
}
