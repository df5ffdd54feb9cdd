package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"millrace/db"
)

// canaries are names that would do harm if a page took them for markup.
var canaries = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`, `' hx-get="/sign-out" hx-trigger="load`, `<div hx-get=/x hx-trigger=load>`, `{{.}} ${7*7} %3Cscript%3E`,
}

// fill stores accounts as a run would have left them: those with canaries for names first, then n ordinary ones.
func (a *app) fill(c db.Connection, n int) {
	a.t.Helper()
	err := a.db.Transact(a.t.Context(), func(tx *sqlx.Tx) error {
		exec := func(query string, args ...any) error { _, err := tx.Exec(query, args...); return err }
		if err := exec(`INSERT INTO millrace.sf_users (connection_id, sf_id, name, first_seen_run, last_seen_run) VALUES ($1, '005000000000001AAA', '<b>Owner</b>', 1, 1)`, c.ID); err != nil {
			return err
		}
		for i, name := range canaries {
			id := fmt.Sprintf("0010000000000c%dAAA", i)
			if err := exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, website, domain, industry, description, owner_id, first_seen_run, last_seen_run)
				VALUES ($1, $2, 'partner', $3, $3, $3, $3, $3, '005000000000001AAA', 1, 1)`, c.ID, id, name); err != nil {
				return err
			}
			if err := exec(`INSERT INTO millrace.contacts (connection_id, sf_id, account_id, last_name, email, phone, title, first_seen_run, last_seen_run)
				VALUES ($1, $2, $3, $4, $4, $4, $4, 1, 1)`, c.ID, fmt.Sprintf("0030000000000c%dAAA", i), id, name); err != nil {
				return err
			}
			if err := exec(`INSERT INTO millrace.opportunities (connection_id, sf_id, account_id, name, stage, amount, currency, close_date, first_seen_run, last_seen_run)
				VALUES ($1, $2, $3, $4, $4, 1234567.5, 'EUR', '2027-03-31', 1, 1)`, c.ID, fmt.Sprintf("0060000000000c%dAAA", i), id, name); err != nil {
				return err
			}
		}
		return exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, website, domain, first_seen_run, last_seen_run, left_filter_at)
			SELECT $1, '00100000000' || lpad(i::text, 4, '0') || 'AAA', CASE WHEN i % 3 = 0 THEN 'customer' ELSE 'prospect' END, 'Account ' || lpad(i::text, 4, '0'),
			       'www.a' || i || '.example', 'a' || i || '.example', 1, 1, CASE WHEN i = 1 THEN now() END FROM generate_series(1, $2) i`, c.ID, n)
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

func TestAccountsList(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 60)
	b := a.as(a.viewer)
	list := orgPath(c.ID, "/accounts")

	first := b.get(list).is(http.StatusOK)
	if n := len(first.all("#account-list tbody tr")); n != 25 {
		t.Errorf("%d rows", n)
	}
	first.says("nav[aria-label=Pages]", "1–25 of 66 accounts")
	first.has("th[aria-sort=ascending] a[href$='sort=name&dir=desc'], th[aria-sort=ascending] a[href*='dir=desc']")
	if n := len(first.all("thead .sort-link")); n != 6 {
		t.Errorf("%d sortable columns", n)
	}
	b.get(list+"?per=50&page=2").says("nav[aria-label=Pages]", "51–66 of 66 accounts")
	b.follow(b.get(list+"?per=50&page=9").is(http.StatusSeeOther)).says("nav[aria-label=Pages]", "51–66 of 66")
	b.get(list+"?type=customer").says("nav[aria-label=Pages]", "20 accounts")
	found := b.get(list + "?q=" + url.QueryEscape("Account 0001"))
	found.says("#account-list tbody", "Account 0001", "No longer updated since")
	if n := len(found.all("#account-list tbody tr")); n != 1 {
		t.Errorf("the search finds %d", n)
	}
	found.has("#q[value='Account 0001']")
	b.get(list+"?q=nosuchthing").says("#account-list", "No account matches", "Show all accounts")
	down := b.get(list + "?sort=name&dir=desc")
	down.has("th[aria-sort=descending]")
	for _, odd := range []string{"?page=-1", "?page=x", "?per=7", "?sort=password_hash", "?type=%27", "?dir=;drop", "?page=99999999999"} {
		if p := b.get(list + odd); p.Status != http.StatusOK && p.Status != http.StatusSeeOther {
			t.Errorf("%s: %d", odd, p.Status)
		}
	}
}

// TestAccountsListShowsLabels shows industries by their labels, as an account's page does, also once a value was given another one.
func TestAccountsListShowsLabels(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c, other := a.connection("acme"), a.connection("bolt")
	a.fill(c, 3)
	a.exec(`UPDATE millrace.accounts SET industry = CASE name WHEN 'Account 0001' THEN 'FIN' WHEN 'Account 0002' THEN 'Energy' END WHERE connection_id = $1 AND name LIKE 'Account%'`, c.ID)
	a.exec(`INSERT INTO millrace.picklist_labels VALUES ($1, 'Account', 'Industry', 'FIN', 'Financial services'), ($1, 'Account', 'Type', 'Energy', 'Not an industry'), ($2, 'Account', 'Industry', 'FIN', 'Of another org')`,
		c.ID, other.ID)
	b := a.as(a.viewer)
	industry := func(want ...string) {
		t.Helper()
		list := b.get(orgPath(c.ID, "/accounts?q=Account")).is(http.StatusOK)
		for i, want := range want {
			if got := list.text(fmt.Sprintf("#account-list tbody tr:nth-child(%d) [data-label=Industry]", i+1)); got != want {
				t.Errorf("the industry of row %d is %q, want %q", i+1, got, want)
			}
		}
		b.get(orgPath(c.ID, "/accounts/001000000000001AAA")).says("dl", want[0])
	}
	industry("Financial services", "Energy", "– none")
	a.exec(`UPDATE millrace.picklist_labels SET label = 'Banks and insurers' WHERE connection_id = $1 AND value = 'FIN'`, c.ID)
	industry("Banks and insurers", "Energy", "– none")
}

func TestEmptyListsNameTheCause(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	list := orgPath(c.ID, "/accounts")
	a.as(a.viewer).get(list).says("#account-list", "Nothing was synced yet", "when an admin saves")
	a.as(a.admin).get(list).has("#account-list a[href$='/settings/account-filtering']")
	a.as(a.viewer).get(list+"?left=only").says("#account-list", "Nothing was synced yet")
	a.configure(c, "Id != null")
	a.as(a.admin).get(list).says("#account-list", "The sync is under way")
}

// TestRecordsCannotSpeakForThePage puts markup into every text of a record and looks for it on every page that shows one.
func TestRecordsCannotSpeakForThePage(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection(`<i>acme</i>`)
	a.fill(c, 0)
	b := a.as(a.admin)
	paths := []string{"/integrations", overviewPath(c.ID), orgPath(c.ID, "/accounts"), orgPath(c.ID, "/accounts?q="+url.QueryEscape(canaries[1])), orgPath(c.ID, "/runs"), orgPath(c.ID, "/disconnect"), "/sign-in?next=" + url.QueryEscape(canaries[0])}
	for i := range canaries {
		paths = append(paths, orgPath(c.ID, fmt.Sprintf("/accounts/0010000000000c%dAAA", i)))
	}
	for _, path := range paths {
		p := b.get(path)
		p.lacks("script:not([src^='/static/'])")
		p.lacks("img:not([src^='/static/'])")
		p.lacks("[onerror], a[href^='javascript:'], main i, main b, [hx-get='/x'], [hx-get='/sign-out']")
	}
	for i, name := range canaries {
		p := b.get(orgPath(c.ID, fmt.Sprintf("/accounts/0010000000000c%dAAA", i))).is(http.StatusOK)
		want := strings.Join(strings.Fields(name), " ")
		p.says("h1", want)
		p.says("#contacts", want)
		p.says("#opportunities", want, "EUR 1,234,567.50", "2027-03-31")
		p.says("dl", "<b>Owner</b>")
	}
}

func TestAccountPage(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c, other := a.connection("acme"), a.connection("bolt")
	a.fill(c, 2)
	b := a.as(a.viewer)
	p := b.get(orgPath(c.ID, "/accounts/001000000000001AAA")).is(http.StatusOK)
	p.says("main", "Account 0001", "Salesforce no longer returns this account", "was deleted", "lost access", "Contacts of this account have not been synced yet.")
	p.has("a[href='https://acme.my.salesforce.com/001000000000001AAA'][target=_blank][rel~=noopener]")
	p.has("[data-copy='001000000000001AAA']")
	if got := b.get(orgPath(c.ID, "/accounts/001000000000001")).is(http.StatusSeeOther).Header.Get("Location"); got != orgPath(c.ID, "/accounts/001000000000001AAA") {
		t.Errorf("the short Id leads to %q", got)
	}
	b.get(orgPath(other.ID, "/accounts/001000000000001AAA")).is(http.StatusNotFound)
	b.get(orgPath(c.ID, "/accounts/nonsense")).is(http.StatusNotFound)
	b.get(orgPath(99999, "/accounts")).is(http.StatusNotFound)
	b.get("/connections/x/accounts").is(http.StatusNotFound)
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0.00", "-0.5": "-0.50", "1234567.5": "1,234,567.50", "-1200": "-1,200.00", "99999999999999999999.5": "99,999,999,999,999,999,999.50",
		"10869.565217": "10,869.57", "12.345": "12.35", "-12.345": "-12.35", "12.3449999999999999999": "12.34", "0.994": "0.99", "0.995": "1.00", "999999.995": "1,000,000.00", "-999.999": "-1,000.00",
		"0.004": "0.00", "-0.004": "0.00", "-0.005": "-0.01", "-0.006": "-0.01", "-0.00": "0.00", "1.005": "1.01", "0.05": "0.05", "7.": "7.00",
		"NaN": "NaN", "Infinity": "Infinity",
	} {
		if got := money(&in, ""); got != want {
			t.Errorf("money(%s) = %q, want %q", in, got, want)
		}
	}
	amount := "5"
	if got := money(&amount, "EUR"); got != "EUR 5.00" {
		t.Errorf("with a currency: %q", got)
	}
	if got := money(nil, "EUR"); got != "" {
		t.Errorf("without an amount: %q", got)
	}
}
