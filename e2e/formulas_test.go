package e2e

import (
	"testing"
	"time"
)

// TestFormulaAges looks at an account whose further fields, ARR and related records come from formulas: each value says when it was read, in every look and without scripts.
func TestFormulaAges(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	db := open(t, d)
	execute(t, db, `UPDATE millrace.settings_versions SET body = body || '{"accounts": {"mode": "single", "single": "Name != null"}, "account_fields": ["Days_To_Renewal__c"],
		"arr": {"mode": "calculated", "object": "Subscription__c", "link": "Account__c", "value": "MRR__c", "combine": "sum"},
		"custom_objects": [{"object": "Subscription__c", "name": "Subscriptions", "parent": "account", "match": "Account__c", "fields": ["MRR__c", "Status__c"]}]}'`)
	execute(t, db, `INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, settings_version, state) VALUES ('formulas', 1, 'accounts', 'manual', 1, 'queued')`)
	for state := ""; state != "completed"; time.Sleep(100 * time.Millisecond) {
		if err := db.QueryRow(`SELECT state FROM millrace.runs WHERE short_id = 'formulas'`).Scan(&state); err != nil {
			t.Fatal(err)
		}
		if t.Context().Err() != nil || state == "failed" {
			t.Fatalf("the run is %s", state)
		}
	}
	execute(t, db, `UPDATE millrace.read_states SET silent_read_at = silent_read_at - interval '3 hours 1 minute'`)
	execute(t, db, `UPDATE millrace.accounts SET entered_run = NULL, system_modstamp = system_modstamp - interval '1 day'`)
	var account string
	if err := db.QueryRow(`
		SELECT a.sf_id FROM millrace.accounts a
		 WHERE a.arr > 0 AND a.fields ? 'Days_To_Renewal__c' AND EXISTS (SELECT FROM millrace.custom_records r WHERE r.account_id = a.sf_id) ORDER BY 1 LIMIT 1`).Scan(&account); err != nil {
		t.Fatal(err)
	}
	page := d.app + "/connections/1/accounts/" + account
	badges := func(b *browser) {
		b.waitText("#fields", "read 3 h ago")
		b.waitText("#records-Subscription__c", "read 3 h ago")
		b.waitText("dl.stacked", "read 3 h ago")
		b.waitText("#fields [data-formula-note]", "read again of all accounts")
	}
	b := newBrowser(t)
	signIn(d, b)
	b.open(page)
	badges(b)
	b.lookAround("formulas")
	b.noComplaints()

	plain := newBrowser(t, withoutJS)
	signIn(d, plain)
	plain.open(page)
	badges(plain)
}
