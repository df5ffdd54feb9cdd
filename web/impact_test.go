package web

import (
	"net/http"
	"net/url"
	"testing"

	"millrace/salesforce/sim"
)

func TestImpactIsAskedForAndCancelled(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 10})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	path, filtering := orgPath(c.ID, "/settings/impact"), orgPath(c.ID, "/settings/account-filtering")
	do := func(what string) url.Values { return url.Values{"do": {what}} }

	b.get(path).is(http.StatusOK).says("main", "Nothing is changed")
	b.follow(b.post(path, do("start")).is(http.StatusSeeOther)).says("#flash", "nothing to work out")

	// The button in a section keeps what is typed and leads there.
	form := single("1", "Type = 'Customer'")
	form.Set("do", "impact")
	p := b.follow(b.post(filtering, form).is(http.StatusSeeOther))
	p.says("main", "1 unsaved change", "Type = 'Customer'", "nothing is written")
	started := b.follow(b.post(path, do("start")).is(http.StatusSeeOther))
	started.says("#impact", "Waiting for its turn")
	started.has("#impact[hx-get='" + path + "/progress']")
	b.follow(b.post(path, do("start"))).says("#flash", "worked out already")
	b.get(path+"/progress").is(http.StatusOK).says("#impact", "Working it out")
	b.follow(b.post(path, do("cancel"))).says("#impact", "It was cancelled")
	if runs, total, err := o.db.Runs(t.Context(), runFilter(c.ID)); err != nil || total != 1 {
		t.Errorf("Sync Status lists %d runs, the impact among them: %v %v", total, runs, err)
	}

	// What cannot be saved cannot be tried.
	form = single("1", "Nmae = 'x'")
	form.Set("do", "keep")
	b.post(filtering, form).is(http.StatusSeeOther)
	b.post(path, do("start")).is(http.StatusUnprocessableEntity).says("#summary", "cannot be worked out", "SOQL is not valid")

	form = single("1", "Type = 'Partner'")
	form.Set("do", "keep")
	b.post(filtering, form).is(http.StatusSeeOther)
	b.follow(b.post(path, do("save")).is(http.StatusSeeOther)).says("#version", "v2")
}
