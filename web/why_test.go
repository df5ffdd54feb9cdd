package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"millrace/db"
	"millrace/salesforce/sim"
)

func TestWhyIsThisAccountNotHere(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 30})
	b := o.as(o.admin)
	c := o.connected(b)
	address := orgPath(c.ID, "/accounts/why")
	ask := func(b *browser, text string) *page {
		t.Helper()

		return b.get(address + "?" + url.Values{"q": {text}}.Encode()).is(http.StatusOK)
	}
	first := b.get(address).is(http.StatusOK)
	first.has("input[name=q][autofocus]")
	first.lacks("#answer")
	ask(b, "anything").says("main", "No account filter is saved yet")

	o.configure(c, "Type = 'Customer' AND (AnnualRevenue > 5 OR Industry = 'Nothing of the kind')")
	records, err := o.server.Client(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	one := func(where string) (id, name string) {
		t.Helper()
		r, err := records.Query(t.Context(), "SELECT Id, Name FROM Account WHERE "+where+" LIMIT 1")
		if err != nil || len(r.Records) == 0 {
			t.Fatalf("no account with %s: %v", where, err)
		}
		return r.Records[0]["Id"].(string), r.Records[0]["Name"].(string)
	}

	id, name := one("Type = 'Prospect'")
	p := ask(b, id)
	p.says("#answer", name, "Account filter (v1)", "All of these must hold", "One of these must hold", "Type = 'Customer'")
	p.says("#answer tbody tr:nth-child(2)", "Prospect", "Fails")
	p.says("#here", "not in Postgres", "Look at the account filters")
	for _, same := range []string{id[:15], "https://acme.lightning.force.com/lightning/r/Account/" + id + "/view", " " + id + " "} {
		if got := ask(b, same).text("#answer .note .font-medium"); !strings.Contains(got, name) {
			t.Errorf("%q is answered for %q", same, got)
		}
	}
	// Viewers may ask too, but are not sent to the settings.
	viewer := ask(o.as(o.viewer), id)
	viewer.says("#answer", name)
	viewer.lacks("#here a[href*='/settings/']")

	good, _ := one("Type = 'Customer' AND AnnualRevenue > 5")
	ask(b, good).says("#here", "the next sync brings it")
	o.stored(c, good)
	here := ask(b, good)
	here.has("#here a[href*='/runs/R-']")
	here.has("#here a[href$='/accounts/" + good + "']")

	ask(b, "e").says("#answer", "Which one?")
	ask(b, "001000000000000AAA").says("#answer", "Not visible to the connected user")
	ask(b, "005000000000000AAA").says("#answer", "another kind of record")
	list := b.get(orgPath(c.ID, "/accounts?q=nobody+here")).is(http.StatusOK)
	list.has("#account-list a[href$='/accounts/why?q=nobody+here']")
	b.get(orgPath(c.ID, "/accounts")).has("a[href$='/accounts/why']")

	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "revoked"); err != nil {
		t.Fatal(err)
	}
	ask(b, good).says("main", "Salesforce was not asked", "Reconnect", "Last seen by")
}

// TestWhyIsThisRecordNotHere answers for contacts, opportunities and support cases as for accounts: what keeps the record itself away, what is known of it here, and whether
// another connection has it.
func TestWhyIsThisRecordNotHere(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 30})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Type = 'Customer'")
	address := orgPath(c.ID, "/accounts/why")
	ask := func(text string) *page {
		t.Helper()
		return b.get(address + "?" + url.Values{"q": {text}}.Encode()).is(http.StatusOK)
	}
	insert := func(object string, fields map[string]any) string {
		t.Helper()
		id, err := o.org.Insert(object, fields)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	account := insert("Account", map[string]any{"Name": "Known Ltd", "Type": "Customer"})
	silent := insert("Contact", map[string]any{"LastName": "Silent", "AccountId": account})
	p := ask(silent)
	p.says("#answer", "The contact has no Email; such contacts are not synced", "Known Ltd", "Open the account in Salesforce")
	p.lacks("#known")

	// The causes of the error inbox are told, with the way there.
	latest, err := o.db.LatestRun(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	o.exec(`INSERT INTO millrace.skipped_records (connection_id, object, sf_id, account_id, reason, since_run) VALUES ($1, 'Contact', $2, $3, 'The contact has no Email', $4)`, c.ID, silent, account, latest.ID)
	o.exec(`INSERT INTO millrace.error_groups (connection_id, kind, subject, cause, records, run_id) VALUES ($1, 'skip', 'Contact', 'The contact has no Email', 1, $2)`, c.ID, latest.ID)
	p = ask("Silent")
	p.says("#known", "The syncs skip it: the contact has no Email.")
	p.has("#known a[href*='/errors/']")

	deal := insert("Opportunity", map[string]any{"Name": "Big deal", "AccountId": account, "StageName": "Prospecting", "CloseDate": "2030-01-01"})
	ask("Big deal").says("#known", "not here yet", "The next sync does")
	o.exec(`INSERT INTO millrace.run_errors (run_id, position, object, sf_id, cause, message, connection_id, records) VALUES ($1, 1, 'Opportunity', $2, 'Amount', '"much" is not a number.', $3, 'Opportunity')`, latest.ID, deal, c.ID)
	ask(deal).says("#known", "could not store it", "is not a number")
	o.exec(`INSERT INTO millrace.opportunities (connection_id, sf_id, name, left_filter_at, first_seen_run, last_seen_run) VALUES ($1, $2, 'Big deal', now(), $3, $3)`, c.ID, deal, latest.ID)
	p = ask(deal)
	p.says("#known", "no longer belongs to what is synced")
	p.has("#known a[href='" + orgPath(c.ID, "/opportunities/"+deal) + "']")

	ticket := insert("Case", map[string]any{"Subject": "Help", "AccountId": account})
	ask(ticket).says("#answer", "Support cases are switched off in the settings.")

	o.org.HideObject("Contact")
	o.server.known.drop(c.ID)
	ask(silent).says("#answer", "cannot see contacts at all", "Setup → Permission Sets")
	o.org.ShowObject("Contact")

	if err := o.org.Delete("Account", account); err != nil {
		t.Fatal(err)
	}
	ask(account).says("#answer", "was deleted in Salesforce", "Recycle Bin")

	// Another connection has the record, or an account of the name.
	other := o.connection("other")
	o.configure(other, "Type = 'Customer'")
	o.stored(other, "001000000000001AAA")
	p = ask("001000000000001AAA")
	p.says("#known", "in the copy of another connection", ConnectionName(other))
	p.has("#known a[href='" + orgPath(other.ID, "/accounts/why?q=001000000000001AAA") + "']")
	ask("stored").says("#known", "An account of this name is in the copy of another connection")

	// Each search that finds nothing leads here.
	for _, search := range []string{"/accounts?q=nobody+here", "/audit?q=nobody+here"} {
		b.get(orgPath(c.ID, search)).has("a[href$='/accounts/why?q=nobody+here']")
	}
}

// stored stores an account as the latest run of the connection would.
func (o *orgApp) stored(c db.Connection, id string) {
	o.t.Helper()
	latest, err := o.db.LatestRun(o.t.Context(), c.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	err = o.db.Transact(o.t.Context(), func(tx *sqlx.Tx) error {
		_, err := tx.Exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run) VALUES ($1, $2, 'customer', 'Stored', $3, $3)`, c.ID, id, latest.ID)
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}
