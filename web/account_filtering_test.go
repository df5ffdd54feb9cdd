package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
	"millrace/views"
)

func single(base, text string) url.Values {
	return url.Values{"base": {base}, "accounts.mode": {"single"}, "accounts.single": {text}}
}

func validating(text string) url.Values {
	form := single("0", text)
	form.Set("validate", "accounts.single")
	return form
}

func TestValidate(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 60})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/account-filtering")

	n, err := o.org.EvalCount("SELECT COUNT() FROM Account WHERE Type = 'Customer - Direct' OR Id != null")
	if err != nil {
		t.Fatal(err)
	}
	p := b.post(path+"/validate", validating("Type = 'Customer - Direct' OR Id != null")).is(http.StatusOK)
	p.says("#result-accounts-single", itoa(int64(n))+" accounts match", "in ", "Query as sent", "SELECT Id", "looks at all 60 accounts")
	if got := len(p.all("#result-accounts-single tbody tr")); got != 5 {
		t.Errorf("%d samples", got)
	}
	if href := p.attr("#result-accounts-single tbody a", "href"); !strings.HasPrefix(href, o.host+"/001") {
		t.Errorf("a sample leads to %q", href)
	}
	p.has("#result-accounts-single tbody a[target=_blank][rel~=noopener]")
	p.lacks("#result-accounts-customer .result")

	// The filtered fields are the columns, over relationships too.
	p = b.post(path+"/validate", validating("Owner.Name != null AND AnnualRevenue >= 0 AND Name != 'x'")).is(http.StatusOK)
	p.says("#result-accounts-single thead", "Owner: Full Name", "Annual Revenue")
	if cells := p.all("#result-accounts-single tbody tr:first-child td"); len(cells) != 4 {
		t.Errorf("%d columns instead of name, id and the two filtered fields", len(cells))
	}
	if got := p.text("#result-accounts-single tbody tr:first-child td:nth-child(3)"); got == "" || strings.Contains(got, "none") {
		t.Errorf("the owner's name is %q", got)
	}
	b.post(path+"/validate", validating("Id = '"+p.text("#result-accounts-single tbody tr:first-child code")+"'")).says("#result-accounts-single", "Selective: an index")

	b.post(path+"/validate", validating("Name = 'nobody at all'")).is(http.StatusOK).says("#result-accounts-single", "0 accounts match", "too narrow")

	for text, want := range map[string][]string{
		"":                              {"empty"},
		"Name = 'x":                     {"SOQL validation failed", "Line 1"},
		"Nmae = 'x'":                    {"SOQL validation failed", "Nmae", "Nearest names", "Name"},
		"a = 1 OR b = 2 AND c = 3":      {"SOQL validation failed", "parenthes"},
		"Name = 'x') OR (Id != null":    {"SOQL validation failed"},
		"Name = 'x' LIMIT 1":            {"SOQL validation failed", "LIMIT"},
		"Name = 'x' -- all":             {"SOQL validation failed"},
		"Name = '😀' AND Nmae = 'it''s'": {"SOQL validation failed"},
		"StageName = 'Closed Won'":      {"SOQL validation failed", "StageName"},
		"NumberOfEmployees = 'many'":    {"SOQL validation failed"},
		strings.Repeat("x", 100_001):    {"SOQL validation failed", "100,000"},
	} {
		p := b.post(path+"/validate", validating(text)).is(http.StatusOK)
		p.says("#result-accounts-single", want...)
		if got := strings.TrimPrefix(p.text("#accounts-single"), "\n"); got != strings.TrimSpace(text) {
			t.Errorf("what was typed, %.40q, became %.40q", text, got)
		}
	}
	caret := b.post(path+"/validate", validating("Id != null AND\n  Nmae = 'x'"))
	caret.says("#result-accounts-single .caret-text mark", "Nmae")
	caret.says("#result-accounts-single", "Line 2, character 3")
	b.post(path+"/validate", url.Values{"base": {"0"}, "validate": {"accounts.nothing"}}).is(http.StatusBadRequest)
}

func TestCertainRepairIsApplied(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 20})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/account-filtering/validate")
	p := b.post(path, validating("Id == null"))
	p.has("#result-accounts-single button[name=fix][value='accounts.single:3']")
	form := single("0", "Id == null")
	form.Set("fix", "accounts.single:3")
	fixed := b.post(path, form).is(http.StatusOK)
	if got := fixed.text("#accounts-single"); got != "Id = null" {
		t.Errorf("the box became %q", got)
	}
	fixed.says("#result-accounts-single", "0 accounts match")

	// A repair that the text no longer needs leaves it alone.
	form.Set("accounts.single", "Id != null")
	if got := b.post(path, form).text("#accounts-single"); got != "Id != null" {
		t.Errorf("a repair that does not fit made %q", got)
	}
	form.Set("fix", "accounts.single:x")
	b.post(path, form).is(http.StatusBadRequest)
}

func TestSaveMakesVersions(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 30})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/account-filtering")
	b.get(path).is(http.StatusOK).says("nav[aria-label='Settings sections']", "Required", "Owner Mapping", "Advanced")

	bad := b.post(path, url.Values{"base": {"0"}, "accounts.mode": {"typed"}, "accounts.customer": {"Nmae = 'x'"}, "accounts.prospect": {"Id != null"}, "note": {"mine"}})
	bad.is(http.StatusUnprocessableEntity).says("#summary", "SOQL validation failed", "Customer filter")
	bad.has("#summary a[href='#accounts-customer']")
	bad.has("#accounts-customer[aria-invalid=true]")
	// The field says what is wrong, once; the summary leads there, and below stands only where it is and what may help.
	if n := strings.Count(bad.text("main"), "Nmae is not on Account"); n != 1 {
		t.Errorf("the page says %d times what is wrong", n)
	}
	bad.says("#accounts-customer-error", "Nmae is not on Account")
	if by := bad.attr("#accounts-customer", "aria-describedby"); !strings.Contains(by, "accounts-customer-error") {
		t.Errorf("the box is described by %q", by)
	}
	bad.says("#result-accounts-customer", "Line 1, character 1", "Nearest names", "Name")
	bad.has("#result-accounts-customer [data-edit='accounts-customer']")
	bad.has("#accounts-mode-typed[checked]")
	bad.says("#result-accounts-prospect", "30 accounts match")
	if bad.text("#accounts-customer") != "Nmae = 'x'" || bad.attr("#note", "value") != "mine" {
		t.Error("what was typed is lost")
	}
	b.post(path, single("0", "  ")).is(http.StatusUnprocessableEntity).has("#accounts-single[aria-invalid=true]")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v != nil {
		t.Fatalf("a refused save stored %v: %v", v, err)
	}

	form := single("0", "Id != null")
	form.Set("note", "Everything")
	first := b.follow(b.post(path, form).is(http.StatusSeeOther))
	first.says("#flash", "Saved as v1. The first sync has started.")
	first.says("#version", "v1", "by Ana Ruiz")
	first.says("header", "Everything")
	first.says("#sync-banner", "Queued")
	first.has("#run-sync[disabled]")

	b.follow(b.post(path, single("1", "Id != null\r\n"))).says("#flash", "Nothing has changed")
	b.follow(b.post(path, single("1", "Name != null"))).says("#version", "v2")

	late := b.post(path, single("1", "Type != null")).is(http.StatusConflict)
	late.says("#conflict", "You saved v2")
	late.says("main", "Id != null", "Name != null", "Type != null")
	merge := orgPath(c.ID, "/settings/merge")
	b.post(merge, url.Values{"theirs": {"2"}}).is(http.StatusUnprocessableEntity).says("#summary", "Choose one of the two")
	b.post(merge, url.Values{"theirs": {"1"}, "merge.account-filtering": {"mine"}}).is(http.StatusConflict)
	merged := b.follow(b.post(merge, url.Values{"theirs": {"2"}, "merge.account-filtering": {"mine"}}).is(http.StatusSeeOther))
	if merged.text("#accounts-single") != "Type != null" || merged.attr("[name=base]", "value") != "2" {
		t.Errorf("after a merge the form holds %q on %q", merged.text("#accounts-single"), merged.attr("[name=base]", "value"))
	}
	b.follow(b.post(path, single("2", "Type != null"))).says("#version", "v3")
	if runs, total, err := o.db.Runs(t.Context(), runFilter(c.ID)); err != nil || total != 1 || len(runs) != 1 {
		t.Errorf("%d runs: %v", total, err)
	}
}

func TestNothingIsSavedWhileTheOrgCannotBeAsked(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	if err := a.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "The token was revoked."); err != nil {
		t.Fatal(err)
	}
	b := a.as(a.admin)
	path := orgPath(c.ID, "/settings/account-filtering")
	b.get(path).is(http.StatusOK).says("main", "The org cannot be asked")
	b.post(path+"/validate", validating("Name = 'x")).says("#result-accounts-single", "SOQL validation failed")
	b.post(path+"/validate", validating("Name = 'x'")).says("#result-accounts-single", "Not validated", "Reconnect")
	b.post(path, single("0", "Name = 'x'")).is(http.StatusUnprocessableEntity).says("#summary", "could not be validated")
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text       string
		start, end int
		want       views.FilterProblem
	}{
		{"Nmae = 'x'", 0, 4, views.FilterProblem{Line: 1, Column: 1, Marked: "Nmae", After: " = 'x'", Caret: "^"}},
		{"a = 1\nAND\tb = 2", 10, 11, views.FilterProblem{Line: 2, Column: 5, Before: "AND\t", Marked: "b", After: " = 2", Caret: "   \t^"}},
		{"a = '😀' b", 11, 12, views.FilterProblem{Line: 1, Column: 9, Before: "a = '😀' ", Marked: "b", Caret: "         ^"}},
		{"abc", 3, 3, views.FilterProblem{Line: 1, Column: 4, Before: "abc", Caret: "   ^"}},
		{"abc", 99, 98, views.FilterProblem{Line: 1, Column: 4, Before: "abc", Caret: "   ^"}},
		{"a\nb", 0, 3, views.FilterProblem{Line: 1, Column: 1, Marked: "a", Caret: "^"}},
	} {
		got := place(c.text, c.start, c.end)
		if got.Line != c.want.Line || got.Column != c.want.Column || got.Before != c.want.Before || got.Marked != c.want.Marked || got.After != c.want.After || got.Caret != c.want.Caret {
			t.Errorf("place(%q, %d, %d) = %+v", c.text, c.start, c.end, got)
		}
	}
	long := place(strings.Repeat("x", 100_000)+"!", 100_000, 100_001)
	if len(long.Before) > 100 || long.Marked != "!" || long.Column != 100_001 {
		t.Errorf("a long line is shown with %d characters before %q at %d", len(long.Before), long.Marked, long.Column)
	}
}
