package web

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFormulasSayHowOldTheyAre shows beside each value whose changes Salesforce does not tell of when it was read and when it will be again.
func TestFormulasSayHowOldTheyAre(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(o *Options) { o.FormulasEvery = 6 * time.Hour })
	c := a.connection("acme")
	a.fill(c, 2)
	const id = "001000000000002AAA"
	a.exec(`UPDATE millrace.accounts SET arr = 12, renewal_date = '2031-05-06', csm_id = '005000000000001AAA', fields = '{"Days__c": 7, "Tier__c": "Gold"}' WHERE sf_id = $1`, id)
	a.exec(`INSERT INTO millrace.custom_objects VALUES ($1, 'Asset__c', 'Assets', 'account', NULL)`, c.ID)
	a.exec(`INSERT INTO millrace.custom_records (connection_id, object, sf_id, account_id, name, fields, first_seen_run, last_seen_run) VALUES
		($1, 'Asset__c', 'a00000000000001AAA', $2, 'Pump', '{"Age__c": 3, "Color__c": "red"}', 1, 1)`, c.ID, id)
	b := a.as(a.viewer)
	page := orgPath(c.ID, "/accounts/"+id)
	b.get(page).is(http.StatusOK).lacks("[data-read-age], [data-formula-note]")

	a.exec(`INSERT INTO millrace.read_states (connection_id, records, table_name, fingerprint, watermark, run_id, read_at, whole_read_at, silent_read_at, silent)
		SELECT $1, r.records, r.name, '', now(), 1, now(), now(), r.at, r.silent::text[] FROM (VALUES
			('Account', 'accounts', now() - interval '3 hours 1 minute', '{Days__c,renewal_date,csm_id}'),
			('arr', 'value_records', now() - interval '5 hours 1 minute', '{amount}'),
			('custom:Asset__c', 'custom_records', now() - interval '4 hours 1 minute', '{Age__c}'),
			('Contact', 'contacts', now(), '{}')) r (records, name, at, silent)`, c.ID)
	p := b.get(page)
	p.says("#fields", "Days__c 7 read 3 h ago Read again by the first sync after ", "Salesforce does not tell when the value of a formula or a roll-up changes")
	p.says("dl", "2031-05-06 read 3 h ago", "CSM <b>Owner</b> read 3 h ago", "ARR 12.00 read 5 h ago")
	p.says("#records-Asset__c th:nth-child(2)", "Age read 4 h ago")
	p.says("#records-Asset__c td[data-label=Age]", "read 4 h ago") // on a narrow screen, where the headings stand beside the values
	if n := len(p.all("dl [data-read-age], th [data-read-age], #fields [data-read-age]")); n != 5 {
		t.Errorf("%d badges, want those of five values", n)
	}
	reads, err := a.db.FormulaReads(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	read := reads["Account"].At
	due := read.Add(6*time.Hour - 36*time.Minute)
	exact := func(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
	if got, want := p.attr("#fields [data-read-age]", "title"), "Read at "+exact(read)+". Read again by the first sync after "+exact(due)+"."; got != want {
		t.Errorf("title %q, want %q", got, want)
	}

	// A schedule tells more: the first of its slots at which the values are due.
	next := due.Add(-time.Minute).Truncate(time.Second)
	a.exec(`INSERT INTO millrace.schedules (connection_id, entity, hours, start_time, time_zone, enabled, next_run_at) VALUES ($1, 'accounts', 4, $2, 'UTC', true, $3)`,
		c.ID, next.UTC().Format("15:04"), next)
	p = b.get(page)
	if got, want := p.attr("#fields [data-read-age]", "title"), "Read again by the sync of "+next.Add(4*time.Hour).UTC().Format("2006-01-02 15:04"); !strings.Contains(got, want) {
		t.Errorf("title %q lacks %q", got, want)
	}

	// An account that has changed, or come in, after all were read was read then.
	a.exec(`UPDATE millrace.accounts SET system_modstamp = now() - interval '2 hours 1 minute' WHERE sf_id = $1`, id)
	b.get(page).says("#fields", "Days__c 7 read 2 h ago")
	run := a.claimed(c)
	a.exec(`UPDATE millrace.runs SET started_at = now() - interval '1 hour 1 minute' WHERE id = $1`, run.ID)
	a.exec(`UPDATE millrace.accounts SET entered_run = $2 WHERE sf_id = $1`, id, run.ID)
	b.get(page).says("#fields", "Days__c 7 read 1 h ago")
	a.exec(`UPDATE millrace.accounts SET system_modstamp = now() + interval '2 hours' WHERE sf_id = $1`, id) // by a clock of the org that goes ahead
	b.get(page).says("#fields", "Days__c 7 read 1 h ago")

	// One that has left is not read any more.
	a.exec(`UPDATE millrace.accounts SET left_filter_at = now() WHERE sf_id = $1`, id)
	p = b.get(page)
	p.says("#fields", "Days__c 7 no longer read Read for the last time before ")
	p.lacks("[data-formula-note]")
}
