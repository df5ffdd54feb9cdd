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
	ask(b, "006000000000000AAA").says("#answer", "another kind of record")
	list := b.get(orgPath(c.ID, "/accounts?q=nobody+here")).is(http.StatusOK)
	list.has("#account-list a[href$='/accounts/why?q=nobody+here']")
	b.get(orgPath(c.ID, "/accounts")).has("a[href$='/accounts/why']")

	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, "revoked"); err != nil {
		t.Fatal(err)
	}
	ask(b, good).says("main", "Salesforce was not asked", "Reconnect", "Last seen by")
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
