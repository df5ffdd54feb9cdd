package jobs

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// standing is what settings decide about one account.
type standing struct {
	ID, Type                                                                          string
	OwnerID, CSMID, SalesRepID, SupportOwnerID, TAMID, SuccessManagerID, ARR, Renewal string
}

// standings are the accounts in step, by id.
func (s *scene) standings() map[string]standing {
	s.t.Helper()
	rows, err := s.sql.QueryContext(s.t.Context(), `
		SELECT sf_id, account_type, coalesce(owner_id, ''), coalesce(csm_id, ''), coalesce(sales_rep_id, ''), coalesce(support_owner_id, ''), coalesce(tam_id, ''),
		       coalesce(success_manager_id, ''), concat_ws(' ', arr_currency, trim_scale(arr)), coalesce(renewal_date::text, '')
		  FROM millrace.accounts WHERE connection_id = $1 AND left_filter_at IS NULL`, s.conn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]standing{}
	for rows.Next() {
		var a standing
		if err := rows.Scan(&a.ID, &a.Type, &a.OwnerID, &a.CSMID, &a.SalesRepID, &a.SupportOwnerID, &a.TAMID, &a.SuccessManagerID, &a.ARR, &a.Renewal); err != nil {
			s.t.Fatal(err)
		}
		out[a.ID] = a
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// happened is which accounts changed in which way from before to after.
func happened(before, after map[string]standing) map[pipeline.ImpactKind][]string {
	out := map[pipeline.ImpactKind][]string{}
	note := func(kind pipeline.ImpactKind, id string, differs bool) {
		if differs {
			out[kind] = append(out[kind], id)
		}
	}
	for id, a := range after {
		b, was := before[id]
		if !was {
			note(pipeline.Enters, id, true)
			continue
		}
		note(pipeline.ChangesType, id, a.Type != b.Type)
		for i, column := range pipeline.OwnerColumns() {
			of := func(s standing) string {
				return [...]string{s.OwnerID, s.CSMID, s.SalesRepID, s.SupportOwnerID, s.TAMID, s.SuccessManagerID}[i]
			}
			note(pipeline.ImpactKind(column), id, of(a) != of(b))
		}
		note(pipeline.ChangesARR, id, a.ARR != b.ARR)
		note(pipeline.ChangesRenewal, id, a.Renewal != b.Renewal)
	}
	for id := range before {
		_, is := after[id]
		note(pipeline.Leaves, id, !is)
	}
	for _, ids := range out {
		slices.Sort(ids)
	}
	return out
}

// promised is which accounts an impact says to change in which way.
func (s *scene) promised(i *db.Impact) map[pipeline.ImpactKind][]string {
	s.t.Helper()
	out := map[pipeline.ImpactKind][]string{}
	for kind, n := range i.Result.Counts {
		changes, err := s.db.ImpactChanges(s.t.Context(), i.Run.ID, kind)
		if err != nil {
			s.t.Fatal(err)
		}
		if int64(len(changes)) != n {
			s.t.Errorf("%s: %d accounts are counted and %d listed", kind, n, len(changes))
		}
		for _, c := range changes {
			out[kind] = append(out[kind], c.ID)
		}
		slices.Sort(out[kind])
	}
	return out
}

// invent makes up settings.
func invent(r *rand.Rand) settings.Settings {
	pick := func(choices ...string) string { return choices[r.IntN(len(choices))] }
	filter := func() string {
		return pick("Type = 'Customer'", "Type != null", "AnnualRevenue > 5000000", "Industry IN ('Banking', 'Energy', 'Technology')", "Name LIKE 'A%' OR Name LIKE 'B%'",
			"NumberOfEmployees < 500", "BillingCountry = 'Germany'", "Id != null", "Name = 'nobody'", "CSM__c != null", "(NOT Type = 'Partner') AND Website != null", "ARR__c > 50000")
	}
	s := settings.Defaults()
	s.Accounts.Single = filter()
	if r.IntN(2) == 0 {
		s.Accounts.Mode, s.Accounts.Customer, s.Accounts.Prospect, s.Accounts.Partner = settings.TypedFilters, filter(), pick("", filter()), pick("", filter())
	}
	s.Owners.CSM = pick("", "CSM__c", "OwnerId")
	s.Owners.SalesRep = pick("", "OwnerId", "LastModifiedById")
	s.Owners.TAM = pick("", "CSM__c", "CreatedById")
	s.ARR = rule(r, settings.PathARR)
	s.Renewal = rule(r, settings.PathRenewal)
	return s
}

func rule(r *rand.Rand, path string) settings.ValueRule {
	pick := func(choices ...string) string { return choices[r.IntN(len(choices))] }
	field, value, combine := pick("ARR__c", "AnnualRevenue"), pick("ARR__c", "MRR__c", "Seats__c"), settings.Combine(pick("sum", "max", "latest"))
	if path == settings.PathRenewal {
		field, value, combine = "Renewal_Date__c", pick("End_Date__c", "Start_Date__c"), settings.Combine(pick("max", "latest"))
	}
	return settings.ValueRule{
		Mode: settings.ValueMode(pick("none", "direct", "calculated")), Field: field, Object: "Subscription__c", Link: "Account__c", Value: value, Combine: combine,
		LatestBy: pick("Start_Date__c", "LastModifiedDate"), Filter: pick("", "Status__c = 'Active'", "Status__c != 'Cancelled' AND Discount__c != null", "ARR__c > 20000"),
	}
}

// TestImpactIsWhatTheSyncDoes makes up configurations (half of promises each) over two orgs, one of them with several currencies. What Validate counts and what an impact says
// of each account must be what the next sync does.
func TestImpactIsWhatTheSyncDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		currencies bool
	}{{"one currency", false}, {"several currencies", true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 90, Seed: 7})
			s.org.SetMultiCurrency(c.currencies)
			s.connect()
			r := rand.New(rand.NewPCG(1, uint64(len(c.name))))
			s.start(s.quick())
			client, err := s.open(t.Context(), s.conn)
			if err != nil {
				t.Fatal(err)
			}
			source := remote.New(client)
			touched := map[pipeline.ImpactKind]int{}
			for i, base := 0, 0; i < max(int(fromEnv(promisesVariable, promises))/2, 1); i++ {
				set := invent(r)
				s.checkPromise(fmt.Sprint(i), base, set, source, touched)
				now, err := s.db.CurrentSettings(t.Context(), s.conn)
				if err != nil {
					t.Fatal(err)
				}
				base = now.Version
				if t.Failed() {
					return
				}
			}
			for _, kind := range []pipeline.ImpactKind{pipeline.Enters, pipeline.Leaves, pipeline.ChangesType, "csm_id", "sales_rep_id", "tam_id", pipeline.ChangesARR, pipeline.ChangesRenewal,
				"previewed arr", "previewed renewal"} {
				if touched[kind] == 0 {
					t.Errorf("no configuration brought %s about", kind)
				}
			}
		})
	}
}

// checkPromise asks for the impact of set, saves it, syncs, and compares.
func (s *scene) checkPromise(name string, base int, set settings.Settings, source *remote.Source, touched map[pipeline.ImpactKind]int) {
	t := s.t
	t.Helper()
	run, started, err := s.db.RequestImpact(t.Context(), s.conn, s.admin, base, set)
	if err != nil || !started {
		t.Fatalf("%s: %t, %v", name, started, err)
	}
	before := s.standings()
	s.completed(s.until(run.ID, ended))
	if held := s.standings(); !maps.Equal(before, held) {
		t.Fatalf("%s: the impact has changed accounts", name)
	}
	impact, err := s.db.ImpactOf(t.Context(), run.ID)
	if err != nil || impact.Result == nil || !impact.Result.Whole {
		t.Fatalf("%s: %+v, %v", name, impact, err)
	}
	matches, values := s.validated(set, source)
	if _, saved, err := s.db.SaveSettings(t.Context(), s.conn, base, set, "", s.admin); err != nil {
		t.Fatal(err)
	} else if !saved {
		return
	}
	done := s.until(s.request().ID, ended)
	if done.State != db.RunCompleted {
		t.Fatalf("%s: the run ended as %s: %s %s", name, done.State, done.Outcome, done.Error)
	}
	after := s.standings()
	got, want := s.promised(impact), happened(before, after)
	for _, kind := range slices.Sorted(maps.Keys(got)) {
		touched[kind] += len(want[kind])
		if !slices.Equal(got[kind], want[kind]) {
			t.Errorf("%s: %s: promised %v, happened %v\n%+v", name, kind, got[kind], want[kind], set)
		}
	}
	for kind, ids := range want {
		if _, asked := impact.Result.Counts[kind]; !asked && len(ids) > 0 {
			t.Errorf("%s: %s happened to %v, unannounced\n%+v", name, kind, ids, set)
		}
	}
	if impact.Result.Now != int64(len(before)) || impact.Result.Then != int64(len(after)) {
		t.Errorf("%s: promised %d to %d accounts, it was %d to %d", name, impact.Result.Now, impact.Result.Then, len(before), len(after))
	}
	for kind, of := range values {
		for id, promised := range of {
			is := after[id].ARR
			if kind == pipeline.Renewal {
				is = after[id].Renewal
			}
			if is != promised {
				t.Errorf("%s: the preview of %s says that the %s is %q, the sync made it %q\n%+v", name, id, kind, promised, is, set)
			}
		}
		touched[pipeline.ImpactKind("previewed "+string(kind))] += len(of)
	}
	for step, n := range matches {
		if got := s.step(done, step); got.Read != n {
			t.Errorf("%s: Validate counted %d for %s, the sync read %d", name, n, step, got.Read)
		}
	}
}

// validated is what Validate promises of set: how many records each filter counts, by the name of its step, and the values of its sample accounts.
func (s *scene) validated(set settings.Settings, source *remote.Source) (counts map[string]int64, values map[pipeline.ValueKind]map[string]string) {
	s.t.Helper()
	schema, err := source.Schema(s.t.Context(), false, pipeline.ObjectsOf(set)...)
	if err != nil {
		s.t.Fatal(err)
	}
	counts, values = map[string]int64{}, map[pipeline.ValueKind]map[string]string{}
	filters := set.Accounts.Filters()
	for i, f := range filters {
		found, err := pipeline.Preview(s.t.Context(), source, f, schema, filters[:i])
		if err != nil {
			s.t.Fatal(err)
		}
		counts["accounts:"+string(f.Type)] = found.Count
	}
	for _, k := range pipeline.ValueKinds {
		if k.Rule(set).Mode == settings.NoValue {
			continue
		}
		found, err := pipeline.PreviewValue(s.t.Context(), source, k, set, schema)
		if err != nil {
			s.t.Fatal(err)
		}
		if k.Rule(set).Mode == settings.CalculatedValue {
			counts[string(k)] = found.Records
		}
		values[k] = map[string]string{}
		for _, a := range found.Accounts {
			values[k][a.ID] = a.Value.Day
			if k == pipeline.ARR {
				values[k][a.ID] = s.amount(a.Value)
			}
		}
	}
	return counts, values
}

// amount is an ARR as standings has it.
func (s *scene) amount(v pipeline.Value) string {
	s.t.Helper()
	var text string
	if err := s.sql.GetContext(s.t.Context(), &text, `SELECT concat_ws(' ', nullif($1, ''), trim_scale(nullif($2, '')::numeric))`, v.Currency, v.Amount); err != nil {
		s.t.Fatal(err)
	}
	return text
}

// TestDisconnectDuringAnImpact ends it without a result, leaves nothing behind, and keeps nothing from working once the org is connected again.
func TestDisconnectDuringAnImpact(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 200})
	s.filter(allAccounts)
	stop := s.start(s.quick())
	s.completed(s.until(s.request().ID, ended))
	before := s.standings()
	now, err := s.db.CurrentSettings(t.Context(), s.conn)
	s.must(err)
	set := now.Settings
	set.Accounts.Single = "Name < 'N'"
	impact := func() db.Run {
		run, started, err := s.db.RequestImpact(t.Context(), s.conn, s.admin, now.Version, set)
		if err != nil || !started {
			t.Fatalf("%t, %v", started, err)
		}
		return run
	}
	s.org.Fail(sim.Fault{Match: "/services/data/*/query*", Count: -1, SlowBytesPerSecond: 2_000})
	run := impact()
	s.until(run.ID, func(r db.Run) bool { return r.State == db.RunRunning })
	s.until(run.ID, func(db.Run) bool {
		return s.count(`SELECT count(*) FROM millrace.impacts WHERE run_id = $1 AND forecast IS NOT NULL`, run.ID) == 1
	})
	s.mustExec(`INSERT INTO millrace.impact_accounts (connection_id, sf_id, account_type, first_seen_run, last_seen_run) SELECT connection_id, sf_id, account_type, $1, $1 FROM millrace.accounts LIMIT 5 ON CONFLICT DO NOTHING`, run.ID)
	s.must(s.db.Disconnect(t.Context(), s.conn, s.admin))
	over := s.until(run.ID, ended)
	if over.State != db.RunCancelled || over.CancelCause != db.CauseDisconnected {
		t.Errorf("it ended as %s for %q: %s", over.State, over.CancelCause, over.Outcome)
	}
	if found, err := s.db.ImpactOf(t.Context(), run.ID); err != nil || found.Result != nil {
		t.Errorf("it has a result: %+v, %v", found, err)
	}
	if n := s.count(`SELECT count(*) FROM millrace.impact_accounts`); n != 0 {
		t.Errorf("%d accounts that it had read are kept", n)
	}
	if !maps.Equal(before, s.standings()) {
		t.Error("accounts have changed")
	}
	stop()
	s.org.ClearFaults(0)
	s.connect()
	s.start(s.quick())
	again := s.completed(s.until(impact().ID, ended))
	found, err := s.db.ImpactOf(t.Context(), again.ID)
	if err != nil || found.Result == nil || found.Result.Counts[pipeline.Leaves] == 0 || found.Result.Now != int64(len(before)) {
		t.Errorf("after the org was connected again: %+v, %v", found, err)
	}
}

// TestImpactComparedByADeadProcess has a process compare and die before it ends the run. The one that goes on ends it with what was found.
func TestImpactComparedByADeadProcess(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	s.filter(allAccounts)
	s.completed(s.sync())
	set := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name < 'M'"}}
	run, _, err := s.db.RequestImpact(t.Context(), s.conn, s.admin, 1, set)
	s.must(err)
	o := s.quick()
	held, err := s.db.Claim(t.Context(), "the dead", time.Minute)
	s.must(err)
	var arrived atomic.Int64
	s.must(New(o).sync(t.Context(), held, &arrived, new(callTally), s.log))
	found, err := s.db.ImpactOf(t.Context(), run.ID)
	s.must(err)
	_, err = s.sql.Exec(`UPDATE millrace.runs SET lease_until = now() - interval '1 second' WHERE id = $1`, run.ID)
	s.must(err)
	s.start(o)
	s.completed(s.until(run.ID, ended))
	again, err := s.db.ImpactOf(t.Context(), run.ID)
	s.must(err)
	if found.Result == nil || found.Result.Counts[pipeline.Leaves] == 0 || again.Result == nil || !maps.Equal(found.Result.Counts, again.Result.Counts) {
		t.Errorf("found %+v, then %+v", found.Result, again.Result)
	}
}
