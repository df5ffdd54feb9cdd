package jobs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// TestOneReasonIsSaidOnce has several objects refused for one reason and another for one of its own.
func TestOneReasonIsSaidOnce(t *testing.T) {
	t.Parallel()
	e := ending([]db.RunStep{
		{Label: "Users", State: "failed", Note: "No query is accepted."}, {Label: "Accounts", State: "failed", Note: "The filter no longer fits."},
		{Label: "Contacts", State: "failed", Note: "No query is accepted."},
	}, 0, nil)
	if want := "Users, Contacts: No query is accepted. Accounts: The filter no longer fits."; e.State != db.RunFailed || e.Error != want {
		t.Errorf("the run is %s: %s", e.State, e.Error)
	}
}

// TestNothingMatchedSaysSoOfAllFilters has accounts of one type match nothing. That is said of the filter only where those of the other types were read too.
func TestNothingMatchedSaysSoOfAllFilters(t *testing.T) {
	t.Parallel()
	none := db.RunStep{Label: "Customers", Records: "Account", State: "done", Reading: "whole"}
	for _, c := range []struct {
		other db.RunStep
		said  bool
	}{
		{db.RunStep{Label: "Prospects", Records: "Account", State: "done", Reading: "whole"}, true},
		{db.RunStep{Label: "Prospects", Records: "Account", State: "failed", Note: "The filter no longer fits.", Reading: "whole"}, false},
		{db.RunStep{Label: "Prospects", Records: "Account", State: "done", Reading: "none"}, false},
	} {
		e := ending([]db.RunStep{{Label: "Users", Records: "User", State: "done", Read: 3, Unchanged: 3}, none, c.other}, 0, nil)
		if said := strings.HasPrefix(e.Outcome, "Nothing matched"); said != c.said || e.Surprising != c.said {
			t.Errorf("with another type that is %s, reading %s: %q", c.other.State, c.other.Reading, e.Outcome)
		}
	}
}

// TestRecordsOfAnObjectThatWasRemovedAreCounted removes a custom object from the settings. The run with which its records leave says how many did.
func TestRecordsOfAnObjectThatWasRemovedAreCounted(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	all := everything()
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	s.saveAll(all)
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	all.CustomObjects = nil
	s.saveAll(all)
	run := runs.run(pipeline.EntityAll, false)
	left := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND action = 'left'`, run.ID)
	if want := fmt.Sprintf("%d not asked for by the settings any more", left); left == 0 || run.Retired != left || run.Outcome != want {
		t.Errorf("%d records left; the run counts %d and says %q, want %q", left, run.Retired, run.Outcome, want)
	}
	if run = runs.run(pipeline.EntityAll, false); run.Retired != 0 || run.Outcome != "Nothing changed since the last sync" {
		t.Errorf("the next run counts %d and says %q", run.Retired, run.Outcome)
	}
}
