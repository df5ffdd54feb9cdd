package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// take saves settings from a file by the page that imports them; what is left out of it stays as it is.
func (d *demo) take(b *browser, settings string) {
	b.t.Helper()
	b.open(d.app + "/connections/1/settings/import")
	b.fill("#text", "format: millrace-settings/1\nsettings: "+strings.Join(strings.Fields(settings), " "))
	b.follow("button[value=check]")
	b.follow("button[value=draft]")
	b.follow("[data-save]")
	b.waitText("#flash", "Saved as v")
}

// says waits until the text of the first match, folded parts too, has all of the wants.
func (b *browser) says(selector string, wants ...string) {
	b.t.Helper()
	for _, want := range wants {
		b.waitFor(selector+" to say "+want, `(document.querySelector(`+quoteJS(selector)+`)?.textContent ?? "").replace(/\s+/g, " ").includes(`+quoteJS(want)+`)`)
	}
}

// TestTroubleInTheOrgIsSaidWhereItShows provokes by the control page of the simulated org what people do there, and reads what the app says at the very place where it shows.
func TestTroubleInTheOrgIsSaidWhereItShows(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	const place = "/connections/1"
	contact := d.rows(t, "SELECT Id, AccountId FROM Contact WHERE Email != null AND Account.Type = 'Customer' ORDER BY Id LIMIT 1")[0]
	account, person := fmt.Sprint(contact["AccountId"]), fmt.Sprint(contact["Id"])
	others := d.rows(t, "SELECT Id FROM Account WHERE Type = 'Customer' AND Id != '"+account+"' ORDER BY Id LIMIT 2")
	left, gone := fmt.Sprint(others[0]["Id"]), fmt.Sprint(others[1]["Id"])
	why := func(id string, wants ...string) {
		t.Helper()
		b.open(d.app + place + "/accounts/why?q=" + id)
		b.says("main", wants...)
	}

	// A contact loses its Email, an account its type, and another is deleted.
	d.steer(b, "update", "object", "Contact", "id", person, "field", "Email", "value", "")
	d.steer(b, "update", "id", left, "field", "Type", "value", "Prospect")
	d.control(t, "delete", "object", "Account", "id", gone)
	d.sync(b)
	awaitSync(b, "Completed")
	b.says("#skipped", "they lack something that is required here", person, "New in this run")
	b.open(d.app + place + "/accounts/" + account)
	b.says("#missing", "Fill in Email in Salesforce; the next sync brings them.", "See them in the error inbox")
	b.open(d.app + place + "/errors")
	b.says("#open", "without Email", "Fill in Email in Salesforce")
	why(person, "The contact has no Email; such contacts are not synced.")
	why(left, "does not match the filter", "Type = 'Customer'")
	why(gone, "deleted in Salesforce")

	// The connected user may not see an object any more, and not a field that the filter needs.
	d.steer(b, "hide", "object", "Opportunity")
	d.syncWhole(b)
	b.says("#run-live", "with errors", "read access")
	b.open(d.app + place + "/errors")
	b.says("#open", "Opportunities cannot be read", "Let the connected user read it", "Permission Sets")
	b.lookAround("object-hidden")
	d.control(t, "show", "object", "Opportunity")
	d.steer(b, "hide", "object", "Account", "field", "Type")
	d.syncWhole(b)
	b.says("#run-live", "The account filter no longer fits the org", "Type")
	b.open(d.app + filterPage)
	b.click("#validate-accounts-single")
	b.says(result, "SOQL validation failed", "Type is not on Account")
	d.control(t, "show", "object", "Account", "field", "Type")

	// All accounts that matched have become something else: the sync completes, brings nothing, and says so.
	b.open(d.app + filterPage)
	b.fill("#accounts-single", "Name = 'The only one'")
	d.control(t, "update", "object", "Account", "id", account, "field", "Name", "value", "The only one")
	b.follow("[data-save]")
	b.waitText("body", "Saved as v2")
	d.control(t, "update", "object", "Account", "id", account, "field", "Name", "value", "Another now")
	d.sync(b)
	awaitSync(b, "Completed")
	b.says("#run-live", "no account in Salesforce matches the filter")
	b.open(d.app + place + "/errors")
	b.says("#open", "no account in Salesforce matches the filter")
	b.lookAround("nothing-matched")
	b.noComplaints()
}

// TestTroubleIsSaidWhereItShows provokes one trouble after the other that people have with the settings of a sync, and reads what the app says at the very place where it shows.
// docs/troubleshooting.md lists them.
func TestTroubleIsSaidWhereItShows(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	says := b.says
	const place = "/connections/1"

	// The filter box: a misspelled field, one of another object, a bracket too few, and nothing that matches.
	for _, c := range [][]string{
		{"Industri = 'Banking'", "SOQL validation failed", "Industri", "Industry", "copy the names of fields from the lists"},
		{"StageName = 'Closed Won'", "SOQL validation failed", "StageName"},
		{"(Industry = 'Banking'", "SOQL validation failed"},
		{"Name = 'Nobody at all'", "0 accounts match"},
	} {
		b.open(d.app + filterPage) // with a result of its own
		b.fill("#accounts-single", c[0])
		b.click("#validate-accounts-single")
		says(result, c[1:]...)
	}

	// An account's page, as the settings stand: everything off.
	b.open(d.app + place + "/accounts")
	account := value[string](b, `document.querySelector("#account-list tbody a").href`)
	b.open(account)
	says("#missing", "Support cases are switched off", "Chatter is switched off", "what was set up was not saved", "Records of a new object appear after the next sync", "No further field is chosen",
		"Look at its log", "Why is a record not here?")

	// Chatter with its switch on and no schedule; cases within a lookback and a filter, without conversation; an object that links nothing; ARR from a field, and renewal calculated.
	d.take(b, `{"chatter": {"enabled": true, "accounts": true}, "cases": {"enabled": true, "lookback_days": 30, "conversation": "case_comments", "filter": "Priority = 'High'"},
		"arr": {"mode": "direct", "field": "AnnualRevenue"}, "renewal": {"mode": "calculated", "object": "Subscription__c", "link": "Account__c", "value": "End_Date__c", "combine": "max"},
		"custom_objects": [{"object": "Subscription__c", "name": "Subscriptions", "parent": "account", "match": "Account__c", "filter": "Auto_Renew__c = true"}]}`)
	b.open(account)
	says("#missing", "never runs: currently scheduled: not at all", "press Save Schedule", "within the last 30 days", "can reach back 365", "Priority = 'High'", "in the other source: switch it",
		"Not synced yet since it was set up", "It is the account's field AnnualRevenue: look at its value in Salesforce",
		"Validate shows which of them count")
	b.click("#missing summary")
	b.shot("missing")
	b.axe()
	b.open(d.app + place + "/settings/chatter")
	says("main", "Currently scheduled")

	// A connection that loops, or is refused.
	b.open(d.app + "/integrations/salesforce/connect")
	says("#loops", "A sandbox signs in at test.salesforce.com", "sign in as a Salesforce admin", "No pop-up is needed", "need an admin to approve this one first")
	says("#refusals", "OAUTH_APPROVAL_ERROR_GENERIC", "Approve Uninstalled Connected Apps")

	// A record that cannot be found here: the filter leaves it out.
	d.take(b, `{"chatter": {"enabled": false}, "cases": {"enabled": false}, "arr": {"mode": ""}, "renewal": {"mode": ""}, "custom_objects": [],
		"accounts": {"mode": "single", "single": "Name = 'Nobody at all'"}}`)
	b.open(d.app + place + "/accounts/why?q=" + account[strings.LastIndex(account, "/")+1:])
	says("main", "Name = 'Nobody at all'")

	// A sync that completes and brings nothing says why, with an id and a time that people can pass on.
	d.syncWhole(b)
	b.waitText("#run-live", "Completed")
	says("#run-live", "no account in Salesforce matches the filter")
	run := b.location()[strings.LastIndex(b.location(), "/")+1:]
	says("h1", run)
	says("main", "Finished")
	b.shot("nothing")
	b.open(d.app + place + "/errors")
	b.shot("inbox")
	b.noComplaints()
}
