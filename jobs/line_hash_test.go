package jobs

import (
	"fmt"
	"strings"
	"testing"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// hashedTables have beside each record a hash of what it was made of.
var hashedTables = []string{"sf_users", "accounts", "contacts", "opportunities", "cases", "custom_records"}

// selected returns an expression of each record in those tables that are here, under the table and the record's id.
func (s *scene) selected(expression string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, table := range hashedTables {
		var rows []struct {
			ID    string `db:"id"`
			Value string `db:"value"`
		}
		s.must(s.sql.SelectContext(s.t.Context(), &rows, fmt.Sprintf(`SELECT sf_id AS id, coalesce((%s)::text, 'none') AS value FROM millrace.%s t WHERE left_filter_at IS NULL`, expression, table)))
		if len(rows) == 0 {
			s.t.Errorf("there is nothing in %s", table)
		}
		for _, r := range rows {
			out[table+" "+r.ID] = r.Value
		}
	}
	return out
}

// TestLinesThatRecordsWereMadeOf has records be written in all the ways in which a run writes them, and by somebody with SQL. The hash of what a record was made of is the same whichever way it
// came, holds when a calculated value is written beside it and when Postgres tidies its table, and does not hide that the record has been changed here.
func TestLinesThatRecordsWereMadeOf(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 150})
	all := everything()
	all.ARR = subscriptions(settings.Sum)
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 200}
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	s.saveAll(all)
	s.completed(s.sync())
	const (
		line   = `line_hash # (xmin::text::bigint << 32)`
		values = `to_jsonb(t) - ARRAY['line_hash', 'sentiment_run', 'first_seen_run', 'last_seen_run', 'entered_run', 'synced_at']`
	)
	lines, records := s.selected(line), s.selected(values)
	for at, of := range lines {
		if of == "none" {
			t.Errorf("it is not known what %s was made of", at)
		}
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE arr IS NOT NULL`); n < 20 {
		t.Errorf("%d accounts have an ARR", n)
	}
	s.mustExec(`UPDATE millrace.opportunities SET synced_at = now()`) // what they were made of says nothing, but they are as they were
	if run := s.completed(s.sync()); !strings.HasPrefix(run.Outcome, "Nothing changed") {
		t.Errorf("outcome %q", run.Outcome)
	}

	s.mustExec(`UPDATE millrace.accounts SET name = 'Changed here' WHERE sf_id IN (SELECT sf_id FROM millrace.accounts ORDER BY sf_id LIMIT 7)`)
	s.mustExec(`UPDATE millrace.contacts SET phone = 'Changed here', email = NULL WHERE sf_id IN (SELECT sf_id FROM millrace.contacts ORDER BY sf_id LIMIT 5)`)
	s.mustExec(`UPDATE millrace.accounts SET fields = '{"further": 1}' WHERE sf_id IN (SELECT sf_id FROM millrace.accounts ORDER BY sf_id OFFSET 20 LIMIT 3)`)
	s.mustExec(`DELETE FROM millrace.cases WHERE sf_id IN (SELECT sf_id FROM millrace.cases ORDER BY sf_id LIMIT 4)`)
	s.mustExec(`DELETE FROM millrace.custom_records WHERE sf_id IN (SELECT sf_id FROM millrace.custom_records ORDER BY sf_id LIMIT 4)`)
	s.mustExec(`UPDATE millrace.opportunities SET name = name || '!'`)
	run := s.completed(s.sync())
	if p := s.step(run, "contacts"); p.Updated != 5 {
		t.Errorf("%d contacts were updated", p.Updated)
	}
	for at, is := range s.selected(values) {
		if is != records[at] {
			t.Errorf("%s is\n%s\nand was\n%s", at, is, records[at])
		}
	}
	s.mustExec(`VACUUM (FREEZE) millrace.accounts`)
	s.mustExec(`VACUUM (FULL, FREEZE) millrace.contacts`)
	for at, of := range s.selected(line) {
		if of != lines[at] {
			t.Errorf("%s was made of %s, and of %s before", at, of, lines[at])
		}
	}
}

// TestCalculatedValuesThatAreSwitchedOff has a value be calculated for a while, of accounts that have not changed since they came without one. None is left of it, also where everything is read again.
func TestCalculatedValuesThatAreSwitchedOff(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 150})
	without, with := everything(), everything()
	with.ARR = subscriptions(settings.Sum)
	const valued = `SELECT count(*) FROM millrace.accounts WHERE arr IS NOT NULL`
	for _, all := range []settings.Settings{without, with, without} {
		s.saveAll(all)
		s.completed(s.sync())
		if n := s.count(valued); n > 0 != (all.ARR.Mode != "") {
			t.Errorf("%d accounts have a value by the rule %+v", n, all.ARR)
		}
	}
}

// TestCalculatedValuesThatComeFromAFieldAgain has a renewal date be calculated for a while that came from a field before and comes from it again: it is the field's then, although no account has changed.
func TestCalculatedValuesThatComeFromAFieldAgain(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 150})
	direct, calculated := everything(), everything()
	direct.Renewal = settings.ValueRule{Mode: settings.DirectValue, Field: "Renewal_Date__c"}
	calculated.Renewal = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "End_Date__c", Combine: settings.Max}
	const dates = `SELECT coalesce(string_agg(sf_id || ' ' || coalesce(renewal_date::text, ''), ',' ORDER BY sf_id), '') FROM millrace.accounts`
	var read []string
	for _, all := range []settings.Settings{direct, calculated, direct} {
		s.saveAll(all)
		s.completed(s.sync())
		var now string
		s.must(s.sql.Get(&now, dates))
		read = append(read, now)
	}
	if read[0] == read[1] {
		t.Fatal("the dates are calculated as the field says: this test shows nothing")
	}
	if read[2] != read[0] {
		t.Errorf("the renewal dates were\n%s\nand are\n%s", read[0], read[2])
	}
}
