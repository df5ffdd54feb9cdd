package web

import (
	"net/http"
	"net/url"
	"testing"

	"millrace/salesforce/sim"
)

// unfinished is a form whose second row lacks its value.
func unfinished(base string) url.Values {
	return rows(base, "Type", "equals", "Customer", "AnnualRevenue", "greater-than", "")
}

// holdsRows checks that a page shows the rows of unfinished.
func (p *page) holdsRows() {
	p.t.Helper()
	p.is(http.StatusOK)
	p.lacks("textarea#accounts-single")
	if n := len(p.all("#accounts-single .builder-row")); n != 2 {
		p.t.Fatalf("%d rows: %s", n, p.text("#box-accounts-single"))
	}
	if got := p.attr("#accounts-single-row-1-field", "value"); got != "AnnualRevenue" {
		p.t.Errorf("the second row is about %q", got)
	}
	if got := p.attr("#accounts-single-row-1-op option[selected]", "value"); got != "greater-than" {
		p.t.Errorf("its operator is %q", got)
	}
	p.says("#stands-accounts-single pre", "Type = 'Customer'")
}

func TestRowsAreDraftedAsTyped(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	filtering, owners := orgPath(c.ID, "/settings/account-filtering"), orgPath(c.ID, "/settings/owner-mapping")

	for _, way := range []string{"/keep", "/builder", "/validate", ""} { // a script; and without scripts each of the form's own buttons
		b.post(filtering+"/discard", url.Values{}).is(http.StatusSeeOther)
		form := unfinished("0")
		switch way {
		case "/validate":
			form.Set("validate", "accounts.single")
		case "":
			form.Set("do", "keep")
		}
		b.post(filtering+way, form)
		b.get(filtering).holdsRows()
		if err := o.db.EndUserSessions(t.Context(), o.admin.ID, ""); err != nil {
			t.Fatal(err)
		}
		b = o.as(o.admin)
		b.get(owners).is(http.StatusOK).says("#unsaved", "Account Filtering: Account filter")
		b.post(owners+"/keep", b.form(owners, nil)).is(http.StatusOK)
		b.get(filtering).holdsRows()
	}

	// They stand in the way of a save from any section, and of nobody else's work.
	p := b.post(owners, b.form(owners, nil)).is(http.StatusUnprocessableEntity)
	p.says("#summary a[href='"+filtering+"#accounts-single']", "Complete the rows, or remove them")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); v != nil || err != nil {
		t.Fatalf("saved: %+v, %v", v, err)
	}
	if d := o.draft(c, o.viewer); d != nil {
		t.Errorf("somebody else has a draft: %+v", d)
	}

	// Finished they are saved, and the box is a text again.
	b.follow(b.post(filtering, rows("0", "Type", "equals", "Customer")).is(http.StatusSeeOther)).has("textarea#accounts-single")
	if d := o.draft(c, o.admin); d != nil {
		t.Errorf("a draft is left: %+v", d)
	}

	// Rows that lack something are unsaved, though they change no setting yet; discarding drops them.
	b.post(filtering+"/keep", unfinished("1")).is(http.StatusOK).says("#unsaved", "1 unsaved change", "rows that are not finished")
	b.post(filtering, unfinished("1")).is(http.StatusUnprocessableEntity).says("#summary", "Complete the rows")
	b.get(filtering).holdsRows()
	b.follow(b.post(owners+"/discard", url.Values{}).is(http.StatusSeeOther)).says("#unsaved", "No unsaved changes")
	b.get(filtering).has("textarea#accounts-single")

	// Going back to SOQL lets them go.
	b.post(filtering+"/keep", unfinished("1")).is(http.StatusOK)
	b.post(filtering+"/builder", with(unfinished("1"), "open", "accounts.single:soql")).is(http.StatusOK)
	b.get(filtering).has("textarea#accounts-single")
}

func TestRowsWaitForTheOrg(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	filtering := orgPath(c.ID, "/settings/account-filtering")
	b.post(filtering+"/keep", unfinished("0")).is(http.StatusOK)
	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "revoked"); err != nil {
		t.Fatal(err)
	}
	p := b.get(filtering).is(http.StatusOK)
	p.says("#box-accounts-single", "Reconnect", "put by")
	if got := p.text("textarea#accounts-single"); got != "Type = 'Customer'" {
		t.Errorf("without the org the box holds %q", got)
	}
	form := p.again("form[data-guard]")
	form.Set("note", "meanwhile")
	b.post(filtering+"/keep", form).is(http.StatusOK).says("#unsaved", "1 unsaved change")
	o.connected(b)
	b.get(filtering).holdsRows()

	// A text typed in their place counts instead.
	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "revoked"); err != nil {
		t.Fatal(err)
	}
	form = b.get(filtering).again("form[data-guard]")
	form.Set("accounts.single", "Type = 'Prospect'")
	b.post(filtering+"/keep", form).is(http.StatusOK)
	o.connected(b)
	b.get(filtering).is(http.StatusOK).says("textarea#accounts-single", "Type = 'Prospect'")
}

func TestRowsGoOnFromANewerVersion(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	ana := o.as(o.admin)
	c := o.connected(ana)
	filtering := orgPath(c.ID, "/settings/account-filtering")
	ana.post(filtering, single("0", "Type = 'Customer'")).is(http.StatusSeeOther)
	ana.post(filtering+"/keep", unfinished("1")).is(http.StatusOK)
	// Somebody saves another section: nothing is to be put together.
	other := o.newest(c).Settings
	other.Sync.Accounts.Hours = 4
	if _, _, err := o.db.SaveSettings(t.Context(), c.ID, 1, other, "", o.viewer.ID); err != nil {
		t.Fatal(err)
	}
	p := ana.get(filtering)
	p.holdsRows()
	if got := p.attr("input[name=base]", "value"); got != "2" {
		t.Errorf("the form goes on from v%s", got)
	}
	// Somebody saves this filter: theirs is shown.
	other.Accounts.Single = "Type = 'Partner'"
	if _, _, err := o.db.SaveSettings(t.Context(), c.ID, 2, other, "", o.viewer.ID); err != nil {
		t.Fatal(err)
	}
	ana.get(filtering).is(http.StatusOK).says("textarea#accounts-single", "Type = 'Partner'")
	ana.post(filtering+"/keep", unfinished("2")).is(http.StatusOK)
	if d := o.draft(c, o.admin); d == nil || len(d.Forms) != 1 {
		t.Errorf("the draft is %+v", d)
	}
}

func TestRowsComeBackAfterSigningIn(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	filtering := orgPath(c.ID, "/settings/account-filtering")
	if err := o.db.EndUserSessions(t.Context(), o.admin.ID, ""); err != nil {
		t.Fatal(err)
	}
	p := b.post(filtering, unfinished("0")).is(http.StatusUnauthorized)
	carried := p.again("form")
	carried.Set("email", o.admin.Email)
	carried.Set("password", password)
	p = b.post(p.attr("form", "action"), carried)
	p.holdsRows()
	p.says("#unsaved", "1 unsaved change")
	// What the page then sends is drafted like any other.
	form := p.again("form[data-guard]")
	form.Set("accounts.single.row.0.value", "Customer") // lists are not gathered
	form.Set("accounts.single.row.1.op", "greater-than")
	b.post(filtering+"/keep", form).is(http.StatusOK)
	b.get(filtering).holdsRows()
}
