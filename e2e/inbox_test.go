package e2e

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
)

// TestErrorInbox has two accounts that cannot be stored, finds them in the inbox, mends one, reads it once more, mutes what is to stay as it is, and sees the cause go when
// the other is mended too. Without scripts the forms work as well.
func TestErrorInbox(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	execute(t, open(t, d), `ALTER TABLE millrace.accounts ADD CONSTRAINT poison CHECK (name NOT LIKE 'poison%')`)
	var ids []string
	for i, account := range d.rows(t, "SELECT Id FROM Account WHERE Type = 'Customer' ORDER BY Id LIMIT 2") {
		ids = append(ids, fmt.Sprint(account["Id"]))
		d.control(t, "update", "object", "Account", "id", ids[i], "field", "Name", "value", fmt.Sprintf("poison %d", i+1))
	}
	b := newBrowser(t)
	signIn(d, b)
	d.sync(b)
	b.open(d.app + "/connections/1/errors")
	b.waitText("#open", "2 accounts that Postgres does not accept")
	b.waitText("#open", "contacts without Email")
	b.lookAround("inbox")

	b.follow("#open li a.link")
	b.waitText("#records", "Records (2)")
	b.lookAround("group")
	text := value[string](b, `(async () => {
		const form = document.querySelector("form[data-download]");
		return (await fetch(form.getAttribute("action"), { method: "POST", body: new URLSearchParams(new FormData(form)) })).text();
	})()`)
	if lines, err := csv.NewReader(strings.NewReader(text)).ReadAll(); err != nil || len(lines) != 3 || lines[0][2] != "record_id" || lines[1][2] != ids[0] {
		t.Errorf("the export: %q, %v", text, err)
	}
	d.control(t, "update", "object", "Account", "id", ids[0], "field", "Name", "value", "Mended")
	b.click(`#records input[value="` + ids[0] + `"]`)
	b.follow(`#records button[value="selected"]`)
	b.waitText("#last-retry", "Retry: 1 taken over")
	b.open(b.location())
	b.waitText("#records", "Records (1)")
	b.look("after-retry")

	b.open(d.app + "/connections/1/errors")
	b.follow(`#open li:last-child a.link`)
	b.follow(`form[action$="/mute"] button`)
	b.waitText("#muted", "contacts without Email")
	b.look("muted")

	d.control(t, "update", "object", "Account", "id", ids[1], "field", "Name", "value", "Mended too")
	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.open(d.app + "/connections/1/errors")
		b.follow(`#muted form[action$="/unmute"] button`)
		b.waitText("#open", "contacts without Email")
		b.follow("#open li a.link")
		b.follow(`#records button[value="all"]`)
		b.waitText("#last-retry", "Last retry")
	})
	b.open(d.app + "/connections/1/errors")
	b.waitFor("the cause to go", `document.querySelector("#cured")?.textContent.includes("that Postgres does not accept")`)
	b.look("over")
	b.noComplaints()
}
