package e2e

import (
	"database/sql"
	"testing"
	"time"
)

// TestActivities looks at an account with records of custom objects, cases in conversation and Chatter, in each of the ways in which a screen is looked at.
func TestActivities(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	db := open(t, d)
	execute(t, db, `UPDATE millrace.settings_versions SET body = body || '{"accounts": {"mode": "single", "single": "Name != null"},
		"custom_objects": [{"object": "Subscription__c", "name": "Subscriptions", "parent": "account", "match": "Account__c"},
		                   {"object": "Success_Plan__c", "name": "Success plans", "parent": "contact", "match": "Sponsor__c"}],
		"cases": {"enabled": true, "lookback_days": 365, "conversation": "email_messages"},
		"chatter": {"enabled": true, "accounts": true, "opportunities": true, "comments": true, "tracked_changes": true}}'`)
	for _, entity := range []string{"all", "chatter"} {
		execute(t, db, `INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, settings_version, state) VALUES ($1, 1, $1, 'manual', 1, 'queued')`, entity)
	}
	for state := ""; state != "completed completed"; time.Sleep(100 * time.Millisecond) {
		if err := db.QueryRow(`SELECT string_agg(state, ' ') FROM millrace.runs WHERE trigger = 'manual'`).Scan(&state); err != nil {
			t.Fatal(err)
		}
		if t.Context().Err() != nil {
			t.Fatalf("the runs are %s", state)
		}
	}
	var account string
	if err := db.QueryRow(`
		SELECT c.account_id FROM millrace.cases c
		 WHERE c.sentiment_messages > 1 AND EXISTS (SELECT FROM millrace.custom_records r WHERE r.account_id = c.account_id AND r.contact_id IS NOT NULL)
		 ORDER BY (SELECT count(*) FROM millrace.case_messages m WHERE m.account_id = c.account_id AND m.reply_to_id IS NOT NULL) DESC, 1 LIMIT 1`).Scan(&account); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t)
	signIn(d, b)
	b.open(d.app + "/connections/1/accounts/" + account)
	b.waitText("#activities-title", "Activities")
	b.waitText("#records-Success_Plan__c", "Success plans")
	b.click("#activities li details summary")
	b.lookAround("account activities")
	b.noComplaints()
}

func execute(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}
