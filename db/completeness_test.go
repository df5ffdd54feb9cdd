package db_test

import (
	"slices"
	"strings"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
)

// TestLatestChecksLeaveOutWhatIsOff counts every part with a gap, and switches parts off: the newest counts, what a backfill closes and what the alert tells are of the parts that the settings have synced.
// Each count names the settings that it went by.
func TestLatestChecksLeaveOutWhatIsOff(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	run := endedRun(t, d, c, "all", db.RunCompleted)
	parts := []pipeline.Entity{pipeline.EntityAccounts, pipeline.EntityContacts, pipeline.EntityCases, pipeline.EntityChatter}
	for i, part := range parts {
		exec(t, d, `INSERT INTO millrace.completeness_checks (run_id, name, connection_id, part, position, label, object, here, unexplained) VALUES ($1, $2, $3, $2, $4, $5, 'Account', 5, 20)`, run, part, c.ID, i, part.Label())
	}
	for name, change := range map[string]func(*settings.Settings){
		"all on":                    func(*settings.Settings) {},
		"accounts off":              func(s *settings.Settings) { s.Sync.Accounts.Off = true },
		"contacts off":              func(s *settings.Settings) { s.Sync.Contacts.Off = true },
		"cases and Chatter off":     func(s *settings.Settings) { s.Cases.Enabled, s.Chatter.Enabled = false, false },
		"contacts and cases off":    func(s *settings.Settings) { s.Sync.Contacts.Off, s.Cases.Enabled = true, false },
		"everything but Chatter on": func(s *settings.Settings) { s.Chatter.Enabled = false },
	} {
		s := scheduled()
		change(&s)
		save(t, d, c, u, s)
		var want []pipeline.Entity
		for _, part := range parts {
			if part.WhyOff(s) == "" {
				want = append(want, part)
			}
		}
		list, err := d.LatestChecks(t.Context(), c.ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []pipeline.Entity
		for _, check := range list {
			got = append(got, pipeline.Entity(check.Part))
			if check.Settings != 1 {
				t.Errorf("%s: %s was counted under version %d", name, check.Part, check.Settings)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: counts of %v, want %v", name, got, want)
		}
		look(t, d, c)
		alerts, err := d.OpenAlertsOf(t.Context(), c.ID, 10)
		if err != nil || len(alerts) != 1 {
			t.Fatalf("%s: %d alerts, %v", name, len(alerts), err)
		}
		for _, part := range parts {
			if told := strings.Contains(alerts[0].Detail, part.Label()); told != slices.Contains(want, part) {
				t.Errorf("%s: the alert says %q", name, alerts[0].Detail)
			}
		}
	}

	// With all off that has a gap there is nothing to close.
	s := scheduled()
	s.Sync.Contacts.Off = true
	save(t, d, c, u, s)
	exec(t, d, `UPDATE millrace.completeness_checks SET unexplained = 0 WHERE part <> 'contacts'`)
	if _, started, err := d.RequestGap(t.Context(), c.ID, u.ID); err == nil || started {
		t.Errorf("a backfill of what is switched off: %v, %v", started, err)
	}
}
