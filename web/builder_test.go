package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
)

// rows makes the form of a single filter that is edited as rows: field, operator and value of each.
func rows(base string, cells ...string) url.Values {
	form := single(base, "")
	form.Set("accounts.single.view", "builder")
	for i := 0; i+2 < len(cells); i += 3 {
		at := "accounts.single.row." + itoa(int64(i/3)) + "."
		form.Set(at+"field", cells[i])
		form.Set(at+"op", cells[i+1])
		form.Set(at+"value", cells[i+2])
	}
	return form
}

func with(form url.Values, name string, values ...string) url.Values {
	form[name] = values
	return form
}

func TestBuilder(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 40})
	b := o.as(o.admin)
	c := o.connected(b)
	section := orgPath(c.ID, "/settings/account-filtering")
	edit := func(form url.Values) *page { t.Helper(); return b.post(section+"/builder", form).is(http.StatusOK) }
	const stands = "#stands-accounts-single pre"

	page := b.get(section).is(http.StatusOK)
	page.says("details", "Has property")
	page.has("header a[href='" + o.host + "/control']")

	// A filter opens as rows, and goes back.
	p := edit(with(single("0", "AnnualRevenue > 1000 AND Type IN ('Customer', 'Prospect') AND Name LIKE '%it\\'s%'"), "open", "accounts.single:builder"))
	if n := len(p.all("#accounts-single .builder-row")); n != 3 {
		t.Fatalf("%d rows: %s", n, p.text("#box-accounts-single"))
	}
	if got := p.attr("#accounts-single-row-0-op option[selected]", "value"); got != "greater-than" {
		t.Errorf("the first operator is %q", got)
	}
	if n := len(p.all("#accounts-single-row-1 input[type=checkbox][checked]")); n != 2 {
		t.Errorf("%d values are ticked", n)
	}
	if got := p.attr("#accounts-single-row-2-value", "value"); got != "it's" {
		t.Errorf("the text to contain is %q", got)
	}
	p.says(stands, "AnnualRevenue > 1000 AND Type IN ('Customer', 'Prospect') AND Name LIKE '%it\\'s%'")
	p.says("#box-accounts-single", "joined by AND")
	p.lacks("#box-accounts-single textarea")

	// One that cannot be shown says why, and stays.
	p = edit(with(single("0", "Type = 'a' OR Rating = 'b'"), "open", "accounts.single:builder"))
	p.says("#box-accounts-single", "The builder cannot show this filter.", "line 1")
	if got := p.text("textarea#accounts-single"); got != "Type = 'a' OR Rating = 'b'" {
		t.Errorf("the box became %q", got)
	}

	// Rows are added, removed and understood by label; the operator follows the type of the field.
	p = edit(with(rows("0", "annual revenue", "contains", "5"), "add", "accounts.single"))
	if got := p.attr("#accounts-single-row-0-field", "value"); got != "AnnualRevenue" {
		t.Errorf("a label was read as %q", got)
	}
	p.says(stands, "AnnualRevenue = 5")
	p.has("#accounts-single-row-1-field")
	p = edit(with(rows("0", "Name", "equals", "a", "Industry", "is-empty", ""), "remove", "accounts.single:0"))
	p.says(stands, "Industry = NULL")
	p.lacks("#accounts-single-row-1")
	p.says("#accounts-single-row-0", "takes no value", "holds nothing")
	p = edit(with(rows("0", "Industry", "equals", "Banking"), "open", "accounts.single:soql"))
	if got := p.text("textarea#accounts-single"); got != "Industry = 'Banking'" {
		t.Errorf("back in SOQL the box holds %q", got)
	}
	edit(with(rows("0", "AnnualRevenue", "equals", "many"), "show", "1")).says("#accounts-single-row-0", "is not a number")
	edit(rows("0", "Nmae", "equals", "x")).says("#accounts-single-row-0", "Nmae is not on Account", "Name")
	b.post(section+"/builder", with(single("0", ""), "open", "accounts.x:builder")).is(http.StatusBadRequest)

	// Each operator is offered for the type that it goes with, and only there.
	ops := func(field string) string {
		return edit(rows("0", field, "", "")).text("#accounts-single-row-0-op option")
	}
	for field, want := range map[string]string{
		"AnnualRevenue": "Equals Not equals Greater than Less than Greater than or equal Less than or equal Is one of Is not one of Is empty Is not empty Has property Does not have property",
		"Name":          "Equals Not equals Contains Does not contain Starts with Ends with Is one of Is not one of Is empty Is not empty Has property Does not have property",
		"IsDeleted":     "Is true Is false",
	} {
		if got := ops(field); got != want {
			t.Errorf("%s has the operators %s", field, got)
		}
	}

	// Validate and Save use the rows.
	n, err := o.org.EvalCount("SELECT COUNT() FROM Account WHERE Type IN ('Customer', 'Prospect')")
	if err != nil {
		t.Fatal(err)
	}
	picked := with(rows("0", "Type", "is-one-of", ""), "accounts.single.row.0.pick", "Customer", "Prospect")
	b.post(section+"/validate", with(picked, "validate", "accounts.single")).is(http.StatusOK).says("#result-accounts-single", itoa(int64(n))+" accounts match")
	bad := rows("0", "Type", "is-one-of", "", "AnnualRevenue", "equals", "x")
	b.post(section+"/validate", with(bad, "validate", "accounts.single")).says("#result-accounts-single", "Complete the rows")
	b.post(section, bad).is(http.StatusUnprocessableEntity).says("#summary", "Complete the rows")
	delete(picked, "validate")
	b.follow(b.post(section, picked).is(http.StatusSeeOther)).says("textarea#accounts-single", "Type IN ('Customer', 'Prospect')")

	// Without the org's fields the rows go on as what they stood for last.
	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "revoked"); err != nil {
		t.Fatal(err)
	}
	kept := with(rows("1", "Type", "equals", "Customer"), "accounts.single", "Type = 'Customer'")
	p = edit(kept)
	if got := p.text("textarea#accounts-single"); got != "Type = 'Customer'" {
		t.Errorf("without the org the box holds %q", got)
	}
	p.says("#box-accounts-single", "Reconnect")
	if strings.Contains(p.Body, "builder-row") {
		t.Error("rows are shown without the org's fields")
	}
}
