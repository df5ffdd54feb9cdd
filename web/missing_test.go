package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/db"
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
	admin.get(page).says("#missing", "Subscriptions", "Not synced yet since it was set up")
	run, err := a.db.Claim(t.Context(), "test", time.Hour)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	a.exec(`INSERT INTO millrace.run_steps (run_id, position, name, label, object, query, records, state) VALUES ($1, 1, 'custom:Subscription__c', 'Subscriptions', 'Subscription__c', '', 'custom:Subscription__c', 'done')`, run.ID)
	a.finish(run, db.Ending{State: db.RunCompleted, Outcome: "Done"})
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

// TestWhyAnAccountHasNoContacts shows an account without contacts and opportunities as its runs go on: what was not synced since it came is not said to be missing in Salesforce, and neither is what is switched off.
func TestWhyAnAccountHasNoContacts(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	viewer := a.as(a.viewer)
	a.exec(`INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run) VALUES ($1, '001000000000001AAA', 'customer', 'Acme', 1, 1)`, c.ID)
	says := func(contacts, opportunities string) {
		t.Helper()
		p := viewer.get(orgPath(c.ID, "/accounts/001000000000001AAA")).is(http.StatusOK)
		p.says("#contacts > p", contacts)
		p.says("#opportunities > p", opportunities)
	}
	ended := func(entity, state string, steps ...string) {
		t.Helper()
		a.exec(`INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, settings_version, state, started_at, finished_at)
			VALUES ('R-' || substr(md5(random()::text), 1, 6), $1, $2, 'manual', 1, $3, now(), now())`, c.ID, entity, state)
		for i, step := range steps {
			name, reading, _ := strings.Cut(step, " ")
			a.exec(`INSERT INTO millrace.run_steps (run_id, position, name, label, object, query, records, state, reading, note)
				SELECT max(id), $1, $2, $2, $2, '', $2, 'done', $3, '' FROM millrace.runs`, i, name, reading)
		}
	}
	const (
		noContacts, noOpportunities       = "This account has no contacts in Salesforce that the connected user can see.", "This account has no opportunities in Salesforce that the connected user can see."
		contactsToCome, opportunitiesSoon = "Contacts of this account have not been synced yet.", "Opportunities of this account have not been synced yet."
	)
	says(contactsToCome, opportunitiesSoon)
	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Id != null"}}
	save := func(version int) {
		t.Helper()
		if _, _, err := a.db.SaveSettings(t.Context(), c.ID, version, s, "", a.admin.ID); err != nil {
			t.Fatal(err)
		}
		a.exec(`UPDATE millrace.runs SET state = 'cancelled', finished_at = now() WHERE state = 'queued'`)
	}
	save(0)
	ended("accounts", "completed", "accounts:customer whole", "opportunities whole")
	says(contactsToCome, noOpportunities)
	ended("contacts", "completed_with_errors", "contacts none") // it was not read, as the connected user may not see the field Email
	says(contactsToCome, noOpportunities)
	ended("contacts", "completed", "contacts changes")
	says(noContacts, noOpportunities)

	// It leaves, and comes again with a later sync of accounts.
	ended("accounts", "completed", "accounts:customer changes", "opportunities none")
	a.exec(`UPDATE millrace.accounts SET entered_run = (SELECT max(id) FROM millrace.runs)`)
	says(contactsToCome, opportunitiesSoon)
	ended("all", "completed", "accounts:customer changes", "contacts changes", "opportunities changes")
	says(noContacts, noOpportunities)

	s.Sync.Contacts.Off = true
	save(1)
	says("Contacts are switched off in the settings.", noOpportunities)
	s.Sync.Contacts.Off, s.Sync.Accounts.Off = false, true
	save(2)
	says(noContacts, "Accounts are switched off in the settings. Opportunities come with them.")
}
