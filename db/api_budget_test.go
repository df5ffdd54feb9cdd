package db_test

import (
	"sync"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
)

// TestAPIReadings has answers come in another order than the calls were made: a lower use counts only when its call is the newer one.
func TestAPIReadings(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	take := func(last *db.APIReading) db.APICalls {
		t.Helper()
		call, err := d.TakeAPICalls(t.Context(), c.ID, 1, last)
		if err != nil || call.Granted != 1 {
			t.Fatal(call, err)
		}
		return call
	}
	used := func(want int64) {
		t.Helper()
		if b, err := d.APIBudget(t.Context(), c.ID); err != nil || b.Used != want || b.Limit != 1000 {
			t.Errorf("%d of %d are said to be used instead of %d: %v", b.Used, b.Limit, want, err)
		}
	}
	older, newer := take(nil), take(nil)
	take(&db.APIReading{Used: 500, Limit: 1000, Ticket: newer.Ticket})
	take(&db.APIReading{Used: 499, Limit: 1000, Ticket: older.Ticket})
	used(500)
	last := take(&db.APIReading{Used: 520, Limit: 1000, Ticket: older.Ticket})
	used(520)
	take(&db.APIReading{Used: 7, Limit: 1000, Ticket: last.Ticket})
	used(7)
	if err := d.RecordAPIUse(t.Context(), c.ID, db.APIReading{Used: 600, Limit: 1000, Calls: 3}); err != nil {
		t.Fatal(err)
	}
	used(600)
	if err := d.RecordAPIUse(t.Context(), c.ID, db.APIReading{Used: 1, Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	used(1)
	hours, err := d.APIHistory(t.Context(), c.ID, time.Now().Add(-2*time.Hour))
	if err != nil || len(hours) == 0 {
		t.Fatal(hours, err)
	}
	var calls, most int64
	for _, h := range hours {
		calls, most = calls+h.Calls, max(most, h.Used)
	}
	if calls != 6+3 || most != 600 {
		t.Errorf("the history has %d calls and a greatest use of %d: %+v", calls, most, hours)
	}
}

// TestAPICallsOfManyProcesses has many ask at once. Nobody gets a call beyond the cap.
func TestAPICallsOfManyProcesses(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if err := d.SaveAllowance(t.Context(), c.ID, 0, pipeline.Allowance{OwnCalls: 25}, u.ID); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	granted := make(chan int64, 100)
	for range 6 {
		wg.Go(func() {
			for range 6 {
				call, err := d.TakeAPICalls(t.Context(), c.ID, 3, nil)
				if err != nil {
					t.Error(err)
				}
				granted <- call.Granted
			}
		})
	}
	wg.Wait()
	close(granted)
	n := int64(0)
	for calls := range granted {
		n += calls
	}
	if n != 25 {
		t.Errorf("%d calls were granted of 25", n)
	}
}

// TestAPIUsageIsKept90Days drops what is older when a new hour begins.
func TestAPIUsageIsKept90Days(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	exec(t, d, `INSERT INTO millrace.api_usage (connection_id, hour, calls) VALUES ($1, now() - interval '91 days', 5), ($1, now() - interval '89 days', 5)`, c.ID)
	if _, err := d.TakeAPICalls(t.Context(), c.ID, 1, nil); err != nil {
		t.Fatal(err)
	}
	hours, err := d.APIHistory(t.Context(), c.ID, time.Now().AddDate(-1, 0, 0))
	if err != nil || len(hours) != 2 {
		t.Errorf("%+v, %v", hours, err)
	}
}

// TestAPICallsAreGrantedInAdvance grants several where there is plenty of room, one by one near the end, and takes back what was not used.
func TestAPICallsAreGrantedInAdvance(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	take := func() db.APICalls {
		t.Helper()
		calls, err := d.TakeAPICalls(t.Context(), c.ID, 8, nil)
		if err != nil {
			t.Fatal(err)
		}
		return calls
	}
	if calls := take(); calls.Granted != 8 || calls.Ticket != 8 {
		t.Errorf("without a known limit: %+v", calls)
	}
	if err := d.RecordAPIUse(t.Context(), c.ID, db.APIReading{Used: 100, Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	calls := take()
	if calls.Granted != 8 || calls.Ticket != 16 {
		t.Errorf("with room for 692: %+v", calls)
	}
	if err := d.ReturnAPICalls(t.Context(), c.ID, 5, calls.Budget.Now); err != nil {
		t.Fatal(err)
	}
	b, err := d.APIBudget(t.Context(), c.ID)
	if room, _ := b.Room(); err != nil || b.Own != 11 || room != 689 {
		t.Errorf("after 5 of 16 have come back: %d are counted, and there is room for %d: %v", b.Own, room, err)
	}
	if err := d.SaveAllowance(t.Context(), c.ID, 0, pipeline.Allowance{OwnCalls: 51}, u.ID); err != nil {
		t.Fatal(err)
	}
	if calls := take(); calls.Granted != 1 {
		t.Errorf("with room for 40: %+v", calls)
	}
}

// TestOneLooksForAll asks the org how much is used once for all who find no room: others wait for that answer, and ask themselves when it does not come.
func TestOneLooksForAll(t *testing.T) {
	t.Parallel()
	d, _, conn := connected(t)
	ctx, c := t.Context(), conn.ID
	due := func(want db.LookDue) {
		t.Helper()
		if got, err := d.APILookDue(ctx, c, time.Time{}); err != nil || got != want {
			t.Errorf("a look is %v, %v; want %v", got, err, want)
		}
	}
	if err := d.RecordAPIUse(ctx, c, db.APIReading{Used: 1000, Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	due(db.LookNot) // known just now
	exec(t, d, `UPDATE millrace.connections SET api_seen_at = now() - interval '1 hour'`)
	due(db.LookNow)
	due(db.LookUnderWay)
	exec(t, d, `UPDATE millrace.api_budgets SET looked_at = now() - interval '16 seconds'`) // who asked has died
	due(db.LookNow)
	due(db.LookUnderWay)
	if err := d.RecordAPIUse(ctx, c, db.APIReading{Used: 1, Limit: 1000}); err != nil {
		t.Fatal(err)
	}
	due(db.LookNot)
	if err := d.RecordAPIUse(ctx, c, db.APIReading{Used: 1000, Limit: 1000, Age: time.Minute}); err != nil { // heard before, told late
		t.Fatal(err)
	}
	if b, err := d.APIBudget(ctx, c); err != nil || b.Used != 1 {
		t.Errorf("an answer that was kept back counts: %d used, %v", b.Used, err)
	}
}
