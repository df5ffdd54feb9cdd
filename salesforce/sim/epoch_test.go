package sim_test

import (
	"fmt"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// TestRecordsAreRecent makes orgs on several days of a month: on each there are records that a lookback of 30 days finds, and an org that is made
// again in the same half of the month has the same records.
func TestRecordsAreRecent(t *testing.T) {
	t.Parallel()
	last := map[string]string{}
	for _, when := range []string{"2026-12-01T00:00:00Z", "2026-12-15T23:59:59Z", "2026-12-16T00:00:00Z", "2026-12-31T23:59:59Z", "2027-02-28T12:00:00Z"} {
		at, err := time.Parse(time.RFC3339, when)
		if err != nil {
			t.Fatal(err)
		}
		org := newOrg(t, sim.Options{Accounts: 400, Now: func() time.Time { return at }})
		for _, object := range []string{"Case", "FeedItem", "AccountFeed", "OpportunityFeed"} {
			rows, err := org.Eval("SELECT Id FROM " + object + " WHERE SystemModstamp >= LAST_N_DAYS:30")
			if err != nil || len(rows) < 5 {
				t.Errorf("%s: %d records of %s changed in the last 30 days: %v", when, len(rows), object, err)
			}
		}
		rows, err := org.Eval("SELECT Id, CreatedDate, SystemModstamp FROM Case ORDER BY Id LIMIT 50")
		if err != nil {
			t.Fatal(err)
		}
		half := fmt.Sprint(at.Format("2006-01"), at.Day() > 15)
		stamps := fmt.Sprint(rows)
		if before, again := last[half]; again && before != stamps {
			t.Errorf("%s: the records are not those of the same half of the month", when)
		}
		for other, before := range last {
			if other != half && before == stamps {
				t.Errorf("%s: the records are those of %s", when, other)
			}
		}
		last[half] = stamps
	}
}
