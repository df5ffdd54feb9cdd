package web

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/jmoiron/sqlx"

	"millrace/db"
)

// TestLeavers lists accounts that left the filter, archives them and takes that back.
func TestLeavers(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 30)
	a.exec(`UPDATE millrace.accounts SET left_filter_at = now() - interval '3 hours' WHERE connection_id = $1 AND name IN ('Account 0001', 'Account 0002')`, c.ID)
	a.exec(`UPDATE millrace.accounts SET deleted_in_salesforce_at = now() WHERE connection_id = $1 AND name = 'Account 0002'`, c.ID)
	list := orgPath(c.ID, "/accounts")
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	viewed := func() (accounts, contacts int) {
		err := a.db.Transact(t.Context(), func(tx *sqlx.Tx) error {
			return tx.QueryRow(`SELECT (SELECT count(*) FROM salesforce.account), (SELECT count(*) FROM salesforce.contact)`).Scan(&accounts, &contacts)
		})
		if err != nil {
			t.Fatal(err)
		}
		return accounts, contacts
	}
	every, people := viewed()

	only := viewer.get(list + "?left=only").is(http.StatusOK)
	only.says("#account-list", "Account 0001", "No longer updated since", "Account 0002", "Deleted in Salesforce", "1–2 of 2 accounts")
	if rows := len(only.all("#account-list tbody tr")); rows != 2 {
		t.Errorf("%d leavers are listed", rows)
	}
	only.lacks("form[action$='/leavers']")
	viewer.get(list+"?left=none&q=Account").says("#account-list", "of 28 accounts")
	viewer.get(list).says("#account-list", "2 accounts left the filter or no longer exist in Salesforce: kept and shown here")

	admin.get(list).has("form[action='" + orgPath(c.ID, "/leavers") + "'] button[value=archive]")
	done := admin.post(orgPath(c.ID, "/leavers"), url.Values{"policy": {"archive"}}).is(http.StatusSeeOther)
	admin.follow(done).says("main", "Nothing was deleted", "2 accounts left the filter and are archived")
	viewer.get(list+"?q=Account").says("#account-list", "of 28 accounts")
	viewer.get(list+"?left=all&q=Account").says("#account-list", "of 30 accounts")
	if now, same := viewed(); now != every-2 || same != people {
		t.Errorf("the views show %d of %d accounts, %d of %d contacts", now, every, same, people)
	}
	admin.get(list).has("button[value=keep]")
	admin.post(orgPath(c.ID, "/leavers"), url.Values{"policy": {"keep"}}).is(http.StatusSeeOther)
	if now, _ := viewed(); now != every {
		t.Errorf("shown again, the views show %d of %d accounts", now, every)
	}
	admin.post(orgPath(c.ID, "/leavers"), url.Values{"policy": {"delete"}}).is(http.StatusBadRequest)
	got, err := a.db.Connection(t.Context(), c.ID)
	if err != nil || got.Leavers != db.LeaversKeep {
		t.Errorf("the connection does %q: %v", got.Leavers, err)
	}
}
