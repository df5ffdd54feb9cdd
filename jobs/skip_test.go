package jobs

import (
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
)

// TestSkippedContact loses its Email, gets it back and is deleted. While it is skipped it has not left, and it is audited only when that begins.
func TestSkippedContact(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	first := s.completed(s.sync())
	var id, account string
	s.must(s.sql.QueryRow(`SELECT sf_id, account_id FROM millrace.contacts ORDER BY sf_id LIMIT 1`).Scan(&id, &account))
	skipped := s.step(first, "contacts").Skipped
	if list, total, err := s.db.RunSkips(t.Context(), s.conn, first.ID, 5, 0); err != nil || total != skipped || total == 0 || len(list) == 0 || !list[0].New ||
		list[0].Reason != "The contact has no Email" || list[0].AccountID == "" {
		t.Errorf("of %d skipped contacts %d are listed: %+v, %v", skipped, total, list, err)
	}

	s.namedAsInTheOrg()

	// A name may hold what a query does not like.
	odd := "O'Neil \\ \"$1\" {a,b}"
	s.must(s.org.Update("Contact", id, map[string]any{"Email": nil, "LastName": odd}))
	s.must(s.org.Update("Account", account, map[string]any{"Name": "Renamed"}))
	run := s.completed(s.sync())
	p := s.step(run, "contacts")
	if p.Skipped != skipped+1 || p.LeftFilter != 0 {
		t.Errorf("%d skipped, %d left", p.Skipped, p.LeftFilter)
	}
	if got := s.action(run, id); got != "skipped" {
		t.Errorf("the contact is audited as %q", got)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND action = 'skipped'`, run.ID); n != 1 {
		t.Errorf("%d skips are audited, want the new one", n)
	}
	people, _, err := s.db.AccountContacts(t.Context(), s.conn, account, 100, 0)
	s.must(err)
	for _, c := range people {
		if (c.SFID == id) != (c.Skipped != "") || c.LeftFilterAt != nil {
			t.Errorf("contact %+v", c)
		}
	}
	list, total, err := s.db.RunSkips(t.Context(), s.conn, run.ID, 1000, 0)
	if fresh := newSkips(list); err != nil || total != p.Skipped || len(fresh) != 1 || fresh[0] != id {
		t.Errorf("%d listed, new are %v, %v", total, fresh, err)
	}
	if again := s.completed(s.sync()); s.action(again, id) != "" {
		t.Errorf("the same skip is audited again as %q", s.action(again, id))
	}

	s.must(s.org.Update("Contact", id, map[string]any{"Email": "back@example.com"}))
	run = s.completed(s.sync())
	if got := s.action(run, id); got != "updated" {
		t.Errorf("with its Email back it is audited as %q", got)
	}
	if of, err := s.db.AccountSkips(t.Context(), s.conn, account); err != nil || count64(of) != s.count(`SELECT count(*) FROM millrace.skipped_records WHERE account_id = $1 AND sf_id <> $2`, account, id) {
		t.Errorf("the account still says %+v, %v", of, err)
	}
	if _, total, err := s.db.RunSkips(t.Context(), s.conn, first.ID, 1, 0); err != nil || total != skipped {
		t.Errorf("the first run now lists %d skips, %v", total, err)
	}

	// A record that is still skipped is called what it is called now, and is no news for that.
	s.namedAsInTheOrg()
	gone := list[0].SFID
	if gone == id {
		gone = list[1].SFID
	}
	s.must(s.org.Update("Contact", gone, map[string]any{"LastName": "Renamed"}))
	run = s.completed(s.sync())
	s.namedAsInTheOrg()
	if got := s.action(run, gone); got != "" {
		t.Errorf("a skipped contact with another name is audited as %q", got)
	}

	s.must(s.org.Delete("Contact", gone))
	run = s.completed(s.sync())
	if _, total, err := s.db.RunSkips(t.Context(), s.conn, run.ID, 1, 0); err != nil || total != s.step(run, "contacts").Skipped || total != skipped-1 {
		t.Errorf("after a deletion %d skips are listed, %v", total, err)
	}
}

func newSkips(list []db.Skip) (ids []string) {
	for _, k := range list {
		if k.New {
			ids = append(ids, k.SFID)
		}
	}
	return ids
}

func count64(of []db.SkippedOf) (n int64) {
	for _, k := range of {
		n += k.N
	}
	return n
}

// TestOnlySkips has no record to store at all: the step must not take the object for one it never met.
func TestOnlySkips(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 3})
	s.filter(allAccounts)
	for _, id := range s.inOrgIDs("Contact") {
		s.must(s.org.Update("Contact", id, map[string]any{"Email": nil}))
	}
	first := s.completed(s.sync())
	again := s.completed(s.sync())
	p := s.step(again, "contacts")
	if p.Fresh || p.Skipped == 0 || p.Skipped != s.step(first, "contacts").Skipped {
		t.Errorf("step %+v", p)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND action = 'skipped'`, again.ID); n != 0 {
		t.Errorf("%d old skips are audited again", n)
	}
}

// inOrgIDs returns the ids of an object's records in the org.
func (s *scene) inOrgIDs(object string) (ids []string) {
	s.t.Helper()
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	rows, err := client.Query(s.t.Context(), "SELECT Id FROM "+object)
	s.must(err)
	for _, r := range rows.Records {
		ids = append(ids, r["Id"].(string))
	}
	return ids
}

// TestElsewhereIsNotSkipped keeps what an earlier filter took, and what belongs to no synced account, apart from what was skipped.
func TestElsewhereIsNotSkipped(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 100})
	s.save(typedFilters)
	run := s.completed(s.sync())
	if p := s.step(run, "accounts:prospect"); p.Elsewhere == 0 || p.Skipped != 0 || !strings.Contains(run.Outcome, "matched an earlier filter") {
		t.Errorf("%q says %+v", run.Outcome, p)
	}
	s.filter("Id IN (SELECT AccountId FROM Opportunity WHERE IsWon = true)")
	for range 2 {
		run = s.completed(s.sync())
		p := s.step(run, "contacts")
		if p.Elsewhere == 0 || p.Read != p.Created+p.Updated+p.Unchanged+p.Skipped+p.Elsewhere || !strings.Contains(run.Outcome, "of accounts that are not synced") {
			t.Errorf("%q says %+v", run.Outcome, p)
		}
	}
}

// TestFirstSyncCountsElsewhere: into an empty table too, every record that was read is accounted for.
func TestFirstSyncCountsElsewhere(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 100})
	s.filter("Id IN (SELECT AccountId FROM Opportunity WHERE IsWon = true)")
	run := s.completed(s.sync())
	if p := s.step(run, "contacts"); !p.Fresh || p.Elsewhere == 0 || p.Read != p.Created+p.Skipped+p.Elsewhere {
		t.Errorf("%+v", p)
	}
	if n := s.count(`SELECT count(*) FROM millrace.skipped_records k WHERE NOT EXISTS (SELECT FROM millrace.accounts a WHERE a.sf_id = k.account_id)`); n != 0 {
		t.Errorf("%d contacts of accounts that are not synced count as skipped", n)
	}
}

// TestExodus leaves most of the copy behind, which is no plain success.
func TestExodus(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	s.filter(allAccounts)
	if run := s.completed(s.sync()); run.Surprising {
		t.Errorf("the first sync is taken for a surprise: %s", run.Outcome)
	}
	kept := s.accountIDs()[0]
	s.filter("Id = '" + kept + "'")
	run := s.completed(s.sync())
	if !run.Surprising || !strings.HasPrefix(run.Outcome, "Completed, but 59 of 60 accounts left the filter. If that is a surprise") {
		t.Errorf("the run says %v %q", run.Surprising, run.Outcome)
	}
	if run = s.completed(s.sync()); run.Surprising {
		t.Errorf("the run after says %q", run.Outcome)
	}
	s.filter("Name = 'nobody has this name'")
	if run = s.completed(s.sync()); !run.Surprising {
		t.Errorf("a run that matched nothing says %q", run.Outcome)
	}
}

// TestSkippedContactMoves moves a skipped contact to another account. It is listed there, without being told anew, and stays listed when the account that it came from leaves.
func TestSkippedContactMoves(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter("Type != 'Other'")
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	var id, from, to string
	s.must(s.sql.QueryRow(`SELECT sf_id, account_id FROM millrace.skipped_records ORDER BY sf_id LIMIT 1`).Scan(&id, &from))
	s.must(s.sql.Get(&to, `SELECT sf_id FROM millrace.accounts WHERE sf_id <> $1 ORDER BY sf_id LIMIT 1`, from))
	s.must(s.org.Update("Contact", id, map[string]any{"AccountId": to}))
	moved := runs.run(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	s.must(s.org.Update("Account", from, map[string]any{"Type": "Other"}))
	runs.run(pipeline.EntityAll, false)
	var account string
	s.must(s.sql.Get(&account, `SELECT coalesce(max(account_id), 'nowhere') FROM millrace.skipped_records WHERE sf_id = $1 AND until_run IS NULL`, id))
	if account != to {
		t.Errorf("the skipped contact is listed at %s, it belongs to %s", account, to)
	}
	if got := s.action(moved, id); got != "" {
		t.Errorf("that it has moved is audited as %q", got)
	}
}

// namedAsInTheOrg holds the names of skipped records against those in the org.
func (s *scene) namedAsInTheOrg() {
	s.t.Helper()
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	rows, err := client.Query(s.t.Context(), "SELECT Id, FirstName, LastName FROM Contact")
	s.must(err)
	names := map[string]string{}
	for _, r := range rows.Records {
		first, _ := r["FirstName"].(string)
		last, _ := r["LastName"].(string)
		names[r["Id"].(string)] = strings.TrimSpace(first + " " + last)
	}
	var kept []struct {
		SFID string `db:"sf_id"`
		Name string `db:"name"`
	}
	s.must(s.sql.Select(&kept, `SELECT sf_id, coalesce(name, '') AS name FROM millrace.skipped_records WHERE until_run IS NULL`))
	if len(kept) == 0 {
		s.t.Error("nothing is skipped")
	}
	for _, k := range kept {
		if k.Name == "" || k.Name != names[k.SFID] {
			s.t.Errorf("the skipped contact %s is called %q, in the org %q", k.SFID, k.Name, names[k.SFID])
		}
	}
}

// contactsScene has read accounts and their contacts. A filter leaves accounts of an industry out, and Postgres refuses contacts of a name.
func contactsScene(t *testing.T) (*scene, *syncs) {
	t.Helper()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter("Industry != 'Aquaculture'")
	s.mustExec(`ALTER TABLE millrace.contacts ADD CONSTRAINT poison CHECK (last_name NOT LIKE 'poison%')`)
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	return s, runs
}

// moveContacts moves the first two of the contacts to another account. The first loses its Email, the second cannot be stored.
func (s *scene) moveContacts(ids []string, account string) {
	s.t.Helper()
	s.must(s.org.Update("Contact", ids[0], map[string]any{"AccountId": account, "Email": nil}))
	s.must(s.org.Update("Contact", ids[1], map[string]any{"AccountId": account, "LastName": "poison"}))
	s.org.Advance(time.Hour)
}

// TestContactsThatCannotBeTakenOverLeaveWithTheirAccount moves a contact that loses its Email, and one that cannot be stored, to another account. They stay here under the one that they came from, and
// leave with the one that they belong to, also where only changes are read.
func TestContactsThatCannotBeTakenOverLeaveWithTheirAccount(t *testing.T) {
	t.Parallel()
	s, runs := contactsScene(t)
	var moved []string
	s.must(s.sql.Select(&moved, `SELECT sf_id FROM millrace.contacts WHERE left_filter_at IS NULL ORDER BY sf_id LIMIT 2`))
	account := textOf(s, `SELECT sf_id FROM millrace.accounts WHERE left_filter_at IS NULL AND sf_id NOT IN (SELECT account_id FROM millrace.contacts WHERE sf_id = ANY ($1)) ORDER BY sf_id LIMIT 1`, pq.Array(moved))
	s.moveContacts(moved, account)
	const left = `SELECT count(*) FROM millrace.contacts WHERE sf_id = ANY ($1) AND account_id <> $2 AND left_filter_at IS NOT NULL`
	if run := runs.ended(pipeline.EntityAll, false); s.step(run, "contacts").Failed != 1 || s.step(run, "contacts").Skipped != 1 || s.count(left, pq.Array(moved), account) != 0 {
		t.Fatalf("the contacts that moved: %q %s", run.Outcome, run.Error)
	}
	s.org.Advance(time.Hour)
	s.must(s.org.Update("Account", account, map[string]any{"Industry": "Aquaculture"}))
	s.org.Advance(time.Hour)
	run := runs.ended(pipeline.EntityAll, false)
	for _, id := range moved {
		if got := s.action(run, id); got != "left" {
			t.Errorf("of %s it is audited that it was %q", id, got)
		}
	}
	if n := s.count(left, pq.Array(moved), account); n != 2 || s.step(run, "contacts").Reading != "changes" {
		t.Errorf("%d of the 2 contacts have left with their account, reading %s", n, s.step(run, "contacts").Reading)
	}
	if n := s.count(`SELECT count(*) FROM millrace.skipped_records WHERE sf_id = $1 AND until_run IS NULL`, moved[0]); n != 0 {
		t.Error("the contact without Email is still listed as skipped")
	}
	before := s.snapshot()
	runs.run(pipeline.EntityAll, true)
	if d := differences(before, s.snapshot()); len(d) > 0 {
		t.Errorf("reading everything changes %d records:\n%s", len(d), strings.Join(d, "\n"))
	}
}

// TestContactsThatCannotBeTakenOverStayWithTheirAccount moves such contacts to another account, and has the one that they came from leave. They are not of that one any more, and stay.
func TestContactsThatCannotBeTakenOverStayWithTheirAccount(t *testing.T) {
	t.Parallel()
	s, runs := contactsScene(t)
	old := textOf(s, `SELECT account_id FROM millrace.contacts WHERE left_filter_at IS NULL GROUP BY account_id HAVING count(*) >= 3 ORDER BY account_id LIMIT 1`)
	var of []string
	s.must(s.sql.Select(&of, `SELECT sf_id FROM millrace.contacts WHERE left_filter_at IS NULL AND account_id = $1 ORDER BY sf_id`, old))
	account := textOf(s, `SELECT sf_id FROM millrace.accounts WHERE left_filter_at IS NULL AND sf_id <> $1 ORDER BY sf_id LIMIT 1`, old)
	s.moveContacts(of, account)
	runs.ended(pipeline.EntityAll, false)
	s.org.Advance(time.Hour)
	s.must(s.org.Update("Account", old, map[string]any{"Industry": "Aquaculture"}))
	s.org.Advance(time.Hour)
	run := runs.ended(pipeline.EntityAll, false)
	if p := s.step(run, "contacts"); p.Reading != "changes" || p.LeftFilter != int64(len(of)-2) {
		t.Errorf("%d contacts have left, reading %s, and the account had %d beside those that moved", p.LeftFilter, p.Reading, len(of)-2)
	}
	if n := s.count(`SELECT count(*) FROM millrace.contacts WHERE sf_id = ANY ($1) AND left_filter_at IS NULL`, pq.Array(of[:2])); n != 2 {
		t.Errorf("%d of the 2 contacts that moved have stayed", n)
	}
	before := s.snapshot()
	runs.ended(pipeline.EntityAll, true)
	if d := differences(before, s.snapshot()); len(d) > 0 {
		t.Errorf("reading everything changes %d records:\n%s", len(d), strings.Join(d, "\n"))
	}
}

// TestNamesOfAFirstLoadAreWhole has names that COPY text and SQL literals write otherwise.
func TestNamesOfAFirstLoadAreWhole(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 3})
	s.filter(allAccounts)
	for i, id := range s.inOrgIDs("Contact") {
		last := []string{`O'Neil`, `back\slash \N \t`, `"quoted" {a,b}`, "$1 @names {called}"}[i%4]
		s.must(s.org.Update("Contact", id, map[string]any{"Email": nil, "LastName": last}))
	}
	s.completed(s.sync())
	s.namedAsInTheOrg()
}
