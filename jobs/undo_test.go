package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// recordTables are the tables that an undo puts back.
var recordTables = []string{"sf_users", "accounts", "contacts", "opportunities", "cases", "case_messages", "custom_records", "chatter_posts", "chatter_comments"}

// everythingHere reads all records of all tables, marks included, without what tells when they were written.
func (s *scene) everythingHere() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, table := range recordTables {
		found, err := s.sql.Queryx(`SELECT sf_id, (to_jsonb(t) - '{line_hash,first_seen_run,last_seen_run,synced_at,sentiment_run,entered_run}'::text[])::text FROM millrace.` + table + ` t`)
		s.must(err)
		for found.Next() {
			var id, body string
			s.must(found.Scan(&id, &body))
			out[table+" "+id] = body
		}
		s.must(found.Err())
		found.Close()
	}
	return out
}

// sameHere fails the test where the two differ. A record that is only in got must be marked as having left.
func (s *scene) sameHere(what string, want, got map[string]string) {
	s.t.Helper()
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 10 {
			s.t.Errorf(what+": "+format, args...)
		}
	}
	for id, body := range want {
		if got[id] != body {
			complain("%s is\n%s\ninstead of\n%s", id, got[id], body)
		}
	}
	for id, body := range got {
		if _, there := want[id]; !there {
			var mark struct {
				Left *time.Time `json:"left_filter_at"`
			}
			s.must(json.Unmarshal([]byte(body), &mark))
			if mark.Left == nil {
				complain("%s was not there before, and is not marked as having left", id)
			}
		}
	}
	if wrong > 10 {
		s.t.Errorf("%s: %d records differ", what, wrong)
	}
}

// undo asks for the undo of a run and runs it to its end.
func (s *scene) undo(of db.Run) db.Run {
	s.t.Helper()
	of, err := s.db.RunByID(s.t.Context(), of.ID)
	s.must(err)
	run, started, err := s.db.RequestUndo(s.t.Context(), of, s.admin)
	if err != nil || !started {
		s.t.Fatalf("the undo did not start: %v", err)
	}
	o := s.quick()
	o.UndoRows = 40
	stop := s.start(o)
	defer stop()
	return s.completed(s.until(run.ID, ended))
}

// stir changes the org in every way that a sync takes over, round after round.
func (s *scene) stir(round int) {
	s.t.Helper()
	ids := s.inOrgIDs("Account")
	at := func(n int) string { return ids[(round*17+n)%len(ids)] }
	s.must(s.org.Update("Account", at(0), map[string]any{"Name": fmt.Sprint("Renamed ", round), "Website": "https://www.renamed.example", "Industry": nil}))
	s.must(s.org.Update("Account", at(1), map[string]any{"Industry": "Aquaculture"}))
	s.must(s.org.Delete("Account", at(2)))
	_, err := s.org.Insert("Account", map[string]any{"Name": fmt.Sprint("Brand new ", round), "Industry": "Banking"})
	s.must(err)
	for i, id := range s.inOrgIDs("Contact") {
		if i%9 == round%9 {
			s.must(s.org.Update("Contact", id, map[string]any{"Phone": fmt.Sprint("+49 ", round, " ", i), "Title": nil}))
		}
	}
	for i, id := range s.inOrgIDs("Opportunity") {
		if i%11 == round%11 {
			s.must(s.org.Update("Opportunity", id, map[string]any{"Amount": 1000.25 + float64(i), "CloseDate": "2031-02-03"}))
		}
	}
	for i, id := range s.inOrgIDs("Case") {
		if i%7 == round%7 {
			s.must(s.org.Update("Case", id, map[string]any{"Subject": fmt.Sprint("Changed ", round), "Status": "Closed"}))
		}
	}
}

// TestUndo undoes syncs that changed, created, lost and took back records of every kind: what is here is as it was before each of them. Undoing the undo brings
// back what the sync did.
func TestUndo(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 110})
	all := everything()
	all.Accounts.Single = "Industry != 'Aquaculture'"
	all.ARR = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "Amount__c", Combine: settings.Sum}
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	s.saveAll(all)
	first := s.completed(s.sync())
	before := []map[string]string{{}, s.everythingHere()}
	runs := []db.Run{first}
	for round := range 3 {
		s.stir(round)
		if round == 2 { // leavers and deleted ones come back
			for _, id := range s.inOrgIDs("Account") {
				s.must(s.org.Update("Account", id, map[string]any{"Industry": "Banking"}))
			}
			for id := range s.everythingHere() {
				if id, ok := strings.CutPrefix(id, "accounts "); ok {
					_ = s.org.Undelete("Account", id) // most are not deleted
				}
			}
		}
		runs = append(runs, s.completed(s.sync()))
		before = append(before, s.everythingHere())
	}
	for _, action := range []string{"created", "updated", "left", "deleted", "returned"} {
		if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action = $1 AND run_id > $2`, action, first.ID); n == 0 {
			t.Errorf("no record was %s", action)
		}
	}
	var undos []db.Run
	for i := len(runs) - 1; i >= 0; i-- {
		undo := s.undo(runs[i])
		s.sameHere("after the undo of "+runs[i].Outcome, before[i], s.everythingHere())
		if undo.Surprising || !strings.HasPrefix(undo.Outcome, "Undid "+runs[i].ShortID+": ") {
			t.Errorf("the undo says %q", undo.Outcome)
		}
		undos = append(undos, undo)
	}
	if n := s.count(`SELECT count(*) FROM millrace.undo_records`); n != 0 {
		t.Errorf("%d records are left on the list", n)
	}
	again := s.undo(first)
	if !strings.HasPrefix(again.Outcome, "Nothing to undo") {
		t.Errorf("undone a second time it says %q", again.Outcome)
	}
	for i := len(undos) - 1; i >= 0; i-- {
		s.undo(undos[i])
		// Marks that a sync sets bear the time of the sync, and come back with it.
		s.sameHere("after the undo of an undo", before[len(undos)-i], s.everythingHere())
	}
	s.completed(s.sync())
	s.equalsOrg("Industry != 'Aquaculture'", "Account.Industry != 'Aquaculture' AND AccountId != null")
}

// TestUndoThenSync shows that a sync after an undo brings Salesforce's values again.
func TestUndoThenSync(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	first := s.completed(s.sync())
	undo := s.undo(first)
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NULL`); n != 0 {
		t.Errorf("%d accounts are still in step", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND action = 'undone' AND entity = 'account'`, undo.ID); n != 60 {
		t.Errorf("%d audit rows of accounts", n)
	}
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// TestUndoLeavesAloneWhatChangedSince undoes a run after a later one, and after a hand has changed a record and removed another.
func TestUndoLeavesAloneWhatChangedSince(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 50})
	s.filter(allAccounts)
	s.completed(s.sync())
	ids := s.accountIDs()
	for _, id := range ids[:6] {
		s.must(s.org.Update("Account", id, map[string]any{"Description": "second"}))
	}
	second := s.completed(s.sync())
	s.must(s.org.Update("Account", ids[0], map[string]any{"Industry": "Banking", "Website": "https://later.example"}))
	later := s.completed(s.sync())
	_, err := s.sql.Exec(`UPDATE millrace.accounts SET description = 'by hand' WHERE sf_id = $1`, ids[1])
	s.must(err)
	_, err = s.sql.Exec(`DELETE FROM millrace.accounts WHERE sf_id = $1`, ids[2])
	s.must(err)

	second, err = s.db.RunByID(t.Context(), second.ID)
	s.must(err)
	counts, err := s.db.UndoPreview(t.Context(), second)
	s.must(err)
	if len(counts) != 1 || counts[0].Label != "Accounts" || counts[0].Values != 5 || counts[0].Later != 1 {
		t.Errorf("the preview says %+v", counts)
	}
	kept, err := s.db.UndoRecords(t.Context(), second, db.UndoQuery{Table: "accounts", Kept: true, Limit: 10})
	s.must(err)
	if len(kept) != 1 || kept[0].SFID != ids[0] || kept[0].Later != later.ShortID {
		t.Errorf("the preview leaves alone %+v", kept)
	}
	todo, err := s.db.UndoRecords(t.Context(), second, db.UndoQuery{Table: "accounts", After: ids[3], Limit: 1})
	s.must(err)
	change := db.UndoChange{Field: "description", Now: "second"}
	if len(todo) != 1 || todo[0].SFID != ids[4] || todo[0].Name == "" || !hasChange(todo[0], change.Field, change.Now) {
		t.Errorf("the preview shows %+v", todo)
	}

	undo := s.undo(second)
	if !undo.Surprising || !strings.Contains(undo.Outcome, "3 got their earlier values back") || !strings.Contains(undo.Outcome, "3 stay as they are") {
		t.Errorf("the undo says %q", undo.Outcome)
	}
	list, total, err := s.db.UndoKept(t.Context(), undo, db.UndoRecord{}, 10)
	s.must(err)
	why := map[string]string{}
	for _, r := range list {
		why[r.SFID] = r.Kept + r.Later
	}
	if total != 3 || why[ids[0]] != "later"+later.ShortID || why[ids[1]] != "changed" || why[ids[2]] != "missing" {
		t.Errorf("left alone: %v", why)
	}
	for i, id := range ids[:6] {
		want := []string{"second", "by hand", "", "", "", ""}[i]
		if i == 2 {
			continue
		}
		var got *string
		s.must(s.sql.Get(&got, `SELECT description FROM millrace.accounts WHERE sf_id = $1`, id))
		if (want == "second" || want == "by hand") != (got != nil && *got == want) {
			t.Errorf("account %d has the description %v", i, got)
		}
	}
}

func hasChange(r db.UndoRecord, field, now string) bool {
	for _, c := range r.Changes {
		if c.Field == field && c.Now == now && c.Then != now {
			return true
		}
	}
	return false
}

// TestUndoGoesOn ends an undo in the middle, by cancelling it and by its runner's death, and goes on: in the end everything is put back, with one audit row for each record.
func TestUndoGoesOn(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 300})
	s.filter(allAccounts)
	first := s.completed(s.sync())
	touched := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND action = 'created'`, first.ID)
	undo, _, err := s.db.RequestUndo(t.Context(), first, s.admin)
	s.must(err)
	if twice, started, err := s.db.RequestUndo(t.Context(), first, s.admin); err != nil || started || twice.ID != undo.ID {
		t.Errorf("asked for twice it is %s, started %v: %v", twice.ShortID, started, err)
	}
	if run, _, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityAll, db.TriggerManual, &s.admin); err != nil {
		t.Fatal(err)
	} else {
		s.must(s.db.RequestCancel(t.Context(), run.ID, s.admin))
	}

	// A runner that dies: its claim is taken over, and what it still tries is refused.
	held, err := s.db.Claim(t.Context(), "dies", time.Millisecond)
	if err != nil || held == nil || held.ID != undo.ID {
		t.Fatalf("claimed %+v: %v", held, err)
	}
	zombie := s.db.RunStore(held)
	ctx, die := context.WithCancel(t.Context())
	go func() {
		for s.count(`SELECT coalesce(sum(read), 0) FROM millrace.run_steps WHERE run_id = $1`, undo.ID) == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		die()
	}()
	if err := zombie.Undo(ctx, 10); err == nil {
		t.Log("the undo was faster than its runner's death")
	}
	var heir *db.Run
	s.eventually("the end of the transaction that was broken off", func() bool {
		heir, err = s.db.Claim(t.Context(), "heir", time.Minute)
		return err != nil || heir != nil
	})
	if err != nil || heir.ID != undo.ID {
		t.Fatalf("claimed %+v: %v", heir, err)
	}
	if steps, err := s.db.RunSteps(t.Context(), undo.ID); err != nil || steps[len(steps)-1].State != "done" {
		if err := zombie.Undo(t.Context(), 10); err == nil {
			t.Error("a runner whose run was taken over still writes")
		}
	}

	// Cancelled in the middle, what was put back stays, and another undo does the rest.
	s.must(s.db.RequestCancel(t.Context(), undo.ID, s.admin))
	if err := s.db.RunStore(heir).Undo(t.Context(), 10); err == nil {
		t.Error("a cancelled undo goes on")
	}
	s.must(s.db.Release(t.Context(), heir.ID, heir.Fence))
	stop := s.start(s.quick())
	cancelled := s.until(undo.ID, ended)
	stop()
	if cancelled.State != db.RunCancelled || !strings.Contains(cancelled.Outcome, "Undo "+first.ShortID+" again to go on") {
		t.Errorf("cancelled, it says %q", cancelled.Outcome)
	}
	part := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action = 'undone'`)
	if part == 0 || part == touched {
		t.Errorf("%d of %d records were put back when it was cancelled", part, touched)
	}
	s.undo(first)
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE action = 'undone'`); n != touched {
		t.Errorf("%d audit rows for %d records", n, touched)
	}
	for _, table := range recordTables {
		if n := s.count(`SELECT count(*) FROM millrace.` + table + ` WHERE left_filter_at IS NULL`); n != 0 {
			t.Errorf("%s: %d records are still in step", table, n)
		}
	}
}

// TestUndoRefused names what cannot be undone.
func TestUndoRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter(allAccounts)
	run := s.request()
	refused := func(what string, r db.Run, want string) {
		t.Helper()
		_, _, err := s.db.RequestUndo(t.Context(), r, s.admin)
		off, ok := err.(interface{ Unwrap() error })
		if !ok || !strings.Contains(off.Unwrap().Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a run that has not begun", run, "has not ended")
	run = s.completed(s.sync())
	old := run
	long := time.Now().AddDate(0, 0, -200)
	old.StartedAt, old.FinishedAt = &long, &long
	refused("a run whose audit rows are gone", old, "retention")
	if why, err := s.db.UndoRefusal(t.Context(), run); err != nil || why != "" {
		t.Errorf("a run that has ended well: %q, %v", why, err)
	}
}

// TestUndoThatComesTooLate asks for an undo, and has it wait until the audit log of the run's time has been removed. It fails and says so, and changes nothing.
func TestUndoThatComesTooLate(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	s.filter(allAccounts)
	of, err := s.db.RunByID(t.Context(), s.completed(s.sync()).ID)
	s.must(err)
	run, _, err := s.db.RequestUndo(t.Context(), of, s.admin)
	s.must(err)
	s.mustExec(`ALTER TABLE millrace.audit_log DETACH PARTITION millrace.audit_log_` + of.StartedAt.UTC().Format("20060102"))
	s.start(s.quick())
	if run = s.until(run.ID, ended); run.State != db.RunFailed || !strings.Contains(run.Error, "has been removed") {
		t.Errorf("the undo is %s: %s %s", run.State, run.Outcome, run.Error)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE left_filter_at IS NOT NULL`) + s.count(`SELECT count(*) FROM millrace.undo_records`); n != 0 {
		t.Errorf("%d records were touched, or are noted as to be undone", n)
	}
}
