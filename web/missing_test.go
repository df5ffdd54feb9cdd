package web

import (
	"net/http"
	"strings"
	"testing"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// TestWhatIsMissingOnAnAccount tells on the account's page what keeps things away, as the settings change, and leads to where each is mended.
func TestWhatIsMissingOnAnAccount(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	version := 0
	save := func(change func(*settings.Settings)) {
		t.Helper()
		s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Id != null"}}
		change(&s)
		v, _, err := a.db.SaveSettings(t.Context(), c.ID, version, s, "", a.admin.ID)
		if err != nil {
			t.Fatal(err)
		}
		version = v.Version
	}
	save(func(*settings.Settings) {})
	a.exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run) VALUES ($1, '001000000000001AAA', 'customer', 'Acme', 1, 1)`, c.ID)
	page := orgPath(c.ID, "/accounts/001000000000001AAA")
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	p := admin.get(page).is(http.StatusOK)
	p.says("#missing", "Support cases are switched off in the settings", "Chatter is switched off in the settings", "In the way", "Records of a new object appear after the next sync", "No further field is chosen")
	p.has("#missing a[href='" + orgPath(c.ID, "/settings/support-cases") + "']")
	p.has("#missing a[href='" + orgPath(c.ID, "/audit?q=001000000000001AAA") + "']")
	p = viewer.get(page)
	p.says("#missing", "Support cases are switched off")
	p.lacks("#missing a[href*='/settings/']")
	p.has("#missing a[href='" + orgPath(c.ID, "/accounts/why?q=001000000000001AAA") + "']")

	save(func(s *settings.Settings) {
		s.Cases = settings.Cases{Enabled: true, LookbackDays: 30, Conversation: settings.CaseComments, Filter: "Priority = 'High'"}
		s.Chatter = settings.Chatter{Enabled: true, Accounts: true, LookbackDays: 45}
		s.Sync.Contacts.Off = true
		s.ARR = settings.ValueRule{Mode: settings.DirectValue, Field: "AnnualRevenue"}
		s.Renewal = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "End_Date__c", Combine: settings.Latest}
		s.CustomObjects = []settings.CustomObject{{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "Account__c", Filter: "Active__c = true"}}
	})
	p = admin.get(page)
	p.says("#missing", "within the last 30 days", "can reach back 365", "Priority = 'High'", "in the other source: switch it", "switched on, but never runs", "currently scheduled: not at all",
		"Contacts are switched off in the settings", "It is the account's field AnnualRevenue: look at its value in Salesforce", "Validate shows which of them count",
		"None belongs to this account. They are linked by Account__c", "Active__c = true")
	if err := a.db.SaveChatterSchedule(t.Context(), c.ID, settings.Hourly, "UTC", a.admin.ID); err != nil {
		t.Fatal(err)
	}
	admin.get(page).says("#missing", "Currently scheduled: every hour", "written or changed in the last 45 days")
	save(func(*settings.Settings) {})
	a.exec(`INSERT INTO millrace.skipped_records (connection_id, object, sf_id, account_id, reason, since_run) VALUES ($1, 'Contact', '003000000000001AAA', '001000000000001AAA', 'The contact has no Email', 1)`, c.ID)
	p = admin.get(page)
	p.says("#missing", "1 contact is skipped: the contact has no Email.")
	p.has("#missing a[href='" + orgPath(c.ID, "/errors") + "']")
}

// TestTroubleIsExplainedWhereItShows says what to do about a connection that loops and about a filter that Salesforce does not accept.
func TestTroubleIsExplainedWhereItShows(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	b.get("/integrations/salesforce/connect").says("#loops", "test.salesforce.com", "Salesforce admin", "No pop-up is needed", "Connected Apps OAuth Usage")
	c := o.connected(b)
	for _, wrong := range []string{"Nonsense__c = 'A'", "(Type = 'Customer'"} {
		p := b.post(orgPath(c.ID, "/settings/account-filtering/validate"), validating(wrong))
		if text := p.text("main"); !strings.Contains(text, "SOQL validation failed") || !strings.Contains(text, "copy the names of fields from the lists") {
			t.Errorf("%s: %d %s", wrong, p.Status, p.text("#result-accounts-single"))
		}
	}
}
