package e2e

import (
	"fmt"
	"testing"
)

// TestChangesInTheOrgAreSaidInTheApp changes records and fields of the simulated org by its control page, syncs, and reads what the app says.
func TestChangesInTheOrgAreSaidInTheApp(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	signIn(d, b)
	customers := d.rows(t, "SELECT Id, Name FROM Account WHERE Type = 'Customer' ORDER BY Name LIMIT 3")
	id := func(i int) string { return fmt.Sprint(customers[i]["Id"]) }
	account := func(id string) { b.open(d.app + "/connections/1/accounts/" + id) }
	record := func(action, id string) {
		b.open(d.org + "/control")
		b.fill(`form[action="/control/update"] input[name=id]`, id)
		b.follow(`form[action="/control/update"] button[formaction="/control/` + action + `"]`)
		b.waitText("[role=status].good", "The record is")
	}
	ran := func(says string) {
		d.sync(b)
		awaitSync(b, "Completed")
		b.waitText("#run-live", says)
	}

	t.Run("a deleted account", func(t *testing.T) {
		b.t = t
		record("delete", id(0))
		ran("found deleted in Salesforce")
		account(id(0))
		b.waitText("main", "Deleted in Salesforce")
		b.shot("deleted")
	})

	t.Run("brought back from the Recycle Bin", func(t *testing.T) {
		b.t = t
		record("undelete", id(0))
		ran("updated")
		account(id(0))
		b.waitText("#contacts", "Contacts")
		b.waitFor("an account like any other", `![...document.querySelectorAll("main *")].some((e) => e.children.length === 0 && !e.closest("#timeline") && e.textContent.includes("Deleted in Salesforce"))`)
	})

	t.Run("merged accounts", func(t *testing.T) {
		b.t = t
		people := d.rows(t, "SELECT LastName FROM Contact WHERE Email != null AND AccountId = '"+id(2)+"'")
		d.steer(b, "merge", "master", id(1), "losers", id(2))
		ran("found deleted in Salesforce")
		account(id(2))
		b.waitText("main", "Deleted in Salesforce")
		b.waitText("main", "It was merged into "+fmt.Sprint(customers[1]["Name"]))
		b.shot("merged")
		account(id(1))
		b.waitText("h1", fmt.Sprint(customers[1]["Name"]))
		b.waitText("#contacts", fmt.Sprint(people[0]["LastName"]))
	})

	t.Run("a deal that moves on", func(t *testing.T) {
		b.t = t
		deal := d.rows(t, "SELECT Id, Name, AccountId FROM Opportunity WHERE IsClosed = false AND Account.Type = 'Customer' ORDER BY CloseDate LIMIT 1")[0]
		d.control(t, "move-stage", "id", fmt.Sprint(deal["Id"]), "stage", "Closed Won")
		ran("1 updated")
		account(fmt.Sprint(deal["AccountId"]))
		b.waitFor("the deal's new stage", `[...document.querySelectorAll("#opportunities tr")].some((r) => r.innerText.includes(`+
			quoteJS(fmt.Sprint(deal["Name"]))+`) && r.innerText.includes("Closed Won"))`)
		b.shot("stage")
	})

	t.Run("a renamed field", func(t *testing.T) {
		b.t = t
		b.open(d.app + filterPage)
		b.fill("#accounts-single", "Tier__c != null")
		b.follow("[data-save]")
		b.waitText("body", "Saved as v2")
		d.steer(b, "rename-field", "field", "Tier__c", "to", "Account_Tier__c")
		d.sync(b)
		awaitSync(b, "Failed")
		b.waitText("#run-live", "Tier__c is not on Account")
		b.waitText("#run-live", "Account_Tier__c")
		b.shot("failed-run")
		b.open(d.app + filterPage)
		b.click("#validate-accounts-single")
		b.waitText(result, "Tier__c is not on Account")
		b.waitText(result, "Account_Tier__c")
		b.click(result + " [data-problem] button[data-edit]") // the nearest name takes its place
		b.waitFor("the new name in the box", `document.getElementById("accounts-single").value === "Account_Tier__c != null"`)
		b.follow("[data-save]")
		b.waitText("body", "Saved as v3")
		d.sync(b)
		awaitSync(b, "Completed")
	})

	t.Run("a dropped field", func(t *testing.T) {
		b.t = t
		d.control(t, "drop-field", "object", "Account", "field", "Account_Tier__c")
		d.sync(b)
		awaitSync(b, "Failed")
		b.waitText("#run-live", "Account_Tier__c is not on Account")
		b.open(d.app + filterPage)
		b.click("#validate-accounts-single")
		b.waitText(result, "Account_Tier__c is not on Account")
		b.shot("dropped")
	})
	b.t = t
	b.noComplaints()
}
