package db_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
)

// inbox writes what runs list, and reads what the error inbox makes of it.
type inbox struct {
	t *testing.T
	d *db.DB
	u db.User
	c db.Connection
}

func newInbox(t *testing.T) *inbox {
	d, u, c := connected(t)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	return &inbox{t, d, u, c}
}

// run takes a run of an entity to its end, with what list writes.
func (x *inbox) run(entity pipeline.Entity, e db.Ending, list func(run int64)) db.Run {
	x.t.Helper()
	if _, _, err := x.d.RequestRun(x.t.Context(), x.c.ID, entity, db.TriggerManual, &x.u.ID); err != nil {
		x.t.Fatal(err)
	}
	return x.finish(e, list)
}

// finish takes the run that waits for its turn to its end.
func (x *inbox) finish(e db.Ending, list func(run int64)) db.Run {
	x.t.Helper()
	r, err := x.d.Claim(x.t.Context(), "test", time.Hour)
	if err != nil || r == nil {
		x.t.Fatal(r, err)
	}
	list(r.ID)
	if err := x.d.Finish(x.t.Context(), r.ID, r.Fence, e); err != nil {
		x.t.Fatal(err)
	}
	return *r
}

// step lists a step of a run that has read its set to the end.
func (x *inbox) step(run int64, set, reading string) {
	exec(x.t, x.d, `INSERT INTO millrace.run_steps (run_id, position, name, label, object, query, state, records, reading, read, expected)
		SELECT $1, 1 + count(*), $2, $2, $2, '', 'done', $2, $3, 5, 5 FROM millrace.run_steps WHERE run_id = $1`, run, set, reading)
}

// errs lists records of a set that a run could not store.
func (x *inbox) errs(run int64, set, cause string, from, until int) {
	exec(x.t, x.d, `INSERT INTO millrace.run_errors (run_id, position, object, sf_id, cause, message, connection_id, records)
		SELECT $1, 1, replace($3, $7, ''), '001' || lpad(i::text, 12, '0') || 'AAA', $4, 'No. ' || i, $2, $3 FROM generate_series($5::int, $6::int) i`, run, x.c.ID, set, cause, from, until, pipeline.RefreshPrefix)
}

func errorID(i int) string { return fmt.Sprintf("001%012dAAA", i) }

// open returns the open causes as kind, subject, cause and number of records.
func (x *inbox) open() (groups []db.ErrorGroup, words string) {
	x.t.Helper()
	groups, err := x.d.ErrorGroups(x.t.Context(), x.c.ID)
	if err != nil {
		x.t.Fatal(err)
	}
	var all []string
	for _, g := range groups {
		text := fmt.Sprintf("%s %s %s %d", g.Kind, g.Subject, g.Cause, g.Records)
		if g.MutedAt != nil {
			text += " muted"
		}
		if g.WokenAt != nil {
			text += " woken"
		}
		all = append(all, text)
	}
	return groups, strings.Join(all, "; ")
}

func (x *inbox) wants(when, want string) []db.ErrorGroup {
	x.t.Helper()
	groups, got := x.open()
	if got != want {
		x.t.Errorf("%s: open are %q, not %q", when, got, want)
	}
	return groups
}

var completed = db.Ending{State: db.RunCompletedWithErrors, Outcome: "Done"}

// TestErrorInboxGroupsByCause groups the same cause of a set and of its fields that are read by themselves, lists what stops most first, and ends what a later run has put right.
func TestErrorInboxGroupsByCause(t *testing.T) {
	t.Parallel()
	x := newInbox(t)
	refresh := pipeline.RefreshPrefix + "Account"
	x.run(pipeline.EntityAll, completed, func(run int64) {
		x.step(run, "Account", "whole")
		x.errs(run, "Account", "Website", 1, 3)
		x.errs(run, refresh, "Website", 7, 8)
		x.errs(run, "Account", "Name", 20, 29)
		x.errs(run, "Contact", "Website", 1, 1)
		exec(t, x.d, `INSERT INTO millrace.skipped_records (connection_id, object, sf_id, reason, since_run) SELECT $1, 'Contact', '003' || i, 'No Email', $2 FROM generate_series(1, 40) i`, x.c.ID, run)
	})
	x.wants("at first", "record Account Name 10; record Account Website 5; record Contact Website 1; skip Contact No Email 40")

	// A run that reads changes meets one of them again: it is listed once. What it did not read stays.
	x.run(pipeline.EntityAll, completed, func(run int64) {
		x.step(run, "Account", "changes")
		x.step(run, "Contact", "none")
		x.errs(run, "Account", "Name", 1, 1)
	})
	x.wants("after reading changes", "record Account Website 2; record Account Name 1; record Contact Website 1; skip Contact No Email 40")

	// One that fails ends nothing, and comes first; one of everything ends all that the settings still sync.
	x.run(pipeline.EntityAll, db.Ending{State: db.RunFailed, Code: "boom", Error: "No."}, func(int64) {})
	x.wants("after a failure", "run all boom 1; record Account Website 2; record Account Name 1; record Contact Website 1; skip Contact No Email 40")
	last := x.run(pipeline.EntityAll, db.Ending{State: db.RunCompleted}, func(run int64) {
		x.step(run, "Account", "whole") // Contact is not synced any more
		exec(t, x.d, `UPDATE millrace.skipped_records SET until_run = $1`, run)
	})
	x.wants("at last", "")
	cured, err := x.d.CuredErrorGroups(t.Context(), x.c.ID, 10)
	if err != nil || len(cured) != 5 || slices.ContainsFunc(cured, func(g db.ErrorGroup) bool { return g.CuredRun != last.ShortID }) {
		t.Errorf("over are %+v, %v", cured, err)
	}
}

// TestMutedCausesComeBack grows a muted cause up to the border and beyond, and has one that was over begin anew.
func TestMutedCausesComeBack(t *testing.T) {
	t.Parallel()
	x := newInbox(t)
	with := func(n int) {
		t.Helper()
		x.run(pipeline.EntityAll, completed, func(run int64) {
			x.step(run, "Account", "whole")
			if n > 0 {
				x.errs(run, "Account", "Website", 1, n)
			}
		})
	}
	mute := func() {
		t.Helper()
		groups, _ := x.open()
		if err := x.d.MuteErrorGroup(t.Context(), x.c.ID, groups[0].ID, true, x.u.ID); err != nil {
			t.Fatal(err)
		}
	}
	with(2)
	mute()
	with(11) // more than twice as many, but not ten more
	x.wants("a little more", "record Account Website 11 muted")
	if n, err := x.d.CountErrorGroups(t.Context(), x.c.ID); err != nil || n != 0 {
		t.Errorf("%d are counted, %v", n, err)
	}
	with(12)
	x.wants("much more", "record Account Website 12 woken")
	mute()
	with(24) // twice as many
	x.wants("twice as many", "record Account Website 24 muted")
	with(0)
	x.wants("over", "")
	with(1)
	x.wants("again", "record Account Website 1")
	if err := x.d.MuteErrorGroup(t.Context(), x.c.ID+1, 1, true, x.u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("another connection's cause: %v", err)
	}
}

// TestErrorRecordsInPages reads the records of a cause page by page: in one order, each once, none of another cause or that is over.
func TestErrorRecordsInPages(t *testing.T) {
	t.Parallel()
	x := newInbox(t)
	x.run(pipeline.EntityAll, completed, func(run int64) {
		x.step(run, "Account", "whole")
		x.errs(run, "Account", "Website", 30, 34)
		x.errs(run, "Account", "Name", 50, 52)
		x.errs(run, pipeline.RefreshPrefix+"Account", "Website", 1, 6)
	})
	groups, _ := x.open()
	g := groups[slices.IndexFunc(groups, func(g db.ErrorGroup) bool { return g.Cause == "Website" })]
	var got []string
	for after := ""; ; {
		page, err := x.d.ErrorRecords(t.Context(), g, after, 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			got = append(got, r.SFID)
		}
		after = page[len(page)-1].Place
	}
	var want []string
	for _, i := range []int{30, 31, 32, 33, 34, 1, 2, 3, 4, 5, 6} { // as they were listed
		want = append(want, errorID(i))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the records are %v", got)
	}
	for _, place := range []string{"x", "9999999999999999999", "\x00"} {
		if page, err := x.d.ErrorRecords(t.Context(), g, place, 4); err != nil || len(page) != 0 {
			t.Errorf("from %q there are %d, %v", place, len(page), err)
		}
	}
}

// TestRetrySelection asks for some records of a cause, for others while that waits, for what is none of it, and for too many.
func TestRetrySelection(t *testing.T) {
	t.Parallel()
	x := newInbox(t)
	x.run(pipeline.EntityAll, completed, func(run int64) {
		x.step(run, "Account", "whole")
		x.errs(run, "Account", "Website", 1, 5)
		x.errs(run, "Account", "Name", 100, 100+db.MaxRetry)
	})
	groups, _ := x.open()
	many, few := groups[0].ID, groups[1].ID
	var off *db.EntityOffError
	if _, err := x.d.RequestRetry(t.Context(), x.c.ID, many, nil, x.u.ID); !errors.As(err, &off) || !strings.Contains(off.Error(), "more than the 2000") {
		t.Errorf("too many: %v", err)
	}
	if _, err := x.d.RequestRetry(t.Context(), x.c.ID, few, []string{errorID(100), "nothing"}, x.u.ID); !errors.As(err, &off) {
		t.Errorf("records of another cause: %v", err)
	}
	if n := get[int](t, x.d, `SELECT count(*) FROM millrace.runs WHERE entity = 'retry'`); n != 0 {
		t.Errorf("what was refused left %d runs", n)
	}
	first, err := x.d.RequestRetry(t.Context(), x.c.ID, few, []string{errorID(2), errorID(3), errorID(100)}, x.u.ID)
	if err != nil || !first.Started || first.Added || first.Records != 2 {
		t.Errorf("two: %+v, %v", first, err)
	}
	second, err := x.d.RequestRetry(t.Context(), x.c.ID, few, []string{errorID(3), errorID(4)}, x.u.ID)
	if err != nil || second.Started || !second.Added || second.Records != 1 || second.Run.ID != first.Run.ID {
		t.Errorf("one more: %+v, %v", second, err)
	}
	x.finish(completed, func(run int64) {
		exec(t, x.d, `UPDATE millrace.retry_records SET outcome = CASE sf_id WHEN $1 THEN 'stored' WHEN $2 THEN 'gone' ELSE 'failed' END WHERE run_id = $3`, errorID(2), errorID(3), run)
	})
	x.wants("after the retry", fmt.Sprintf("record Account Name %d; record Account Website 3", db.MaxRetry+1))
	r, ok, err := x.d.RetryOf(t.Context(), first.Run.ID)
	if want := (db.RetryResult{GroupID: few, Asked: 3, Stored: 1, Failed: 1, Gone: 1}); err != nil || !ok || r != want {
		t.Errorf("the retry is %+v, %v", r, err)
	}
	if _, err := x.d.RequestRetry(t.Context(), x.c.ID, few, []string{errorID(2)}, x.u.ID); !errors.As(err, &off) || !strings.Contains(off.Error(), "in trouble any more") {
		t.Errorf("what is mended: %v", err)
	}
}
