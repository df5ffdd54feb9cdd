package jobs

import (
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// TestRecordTwiceWhileItChanges has Salesforce send a record twice in a first load, as it was before a change and after it, in a page and in two, in either order. There is one row, as it is
// now, and one entry in the audit log.
func TestRecordTwiceWhileItChanges(t *testing.T) {
	t.Parallel()
	const before = "2001-02-03T04:05:06.000Z"
	for _, c := range []struct {
		name       string
		twoPages   bool
		olderFirst bool
	}{{"in a page", false, true}, {"in a page, the newer one first", false, false}, {"in two pages", true, true}, {"in two pages, the newer one first", true, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 180})
			s.filter(allAccounts)
			var newer, older, other, id string
			rewrite := func(page []byte) []byte { // the same each time that a page is asked for
				lines := strings.SplitAfter(string(page), "\n")
				if !strings.Contains(lines[0], "Website") || len(lines) < 5 {
					return page
				}
				if newer == "" {
					newer = lines[1]
					fields := strings.Split(strings.TrimSuffix(newer, "\n"), `","`)
					header := strings.Split(strings.Trim(lines[0], "\"\n"), `","`)
					name, stamp := slices.Index(header, "Name"), slices.Index(header, "SystemModstamp")
					id = strings.Trim(fields[0], `"`)
					fields[name], fields[stamp] = "As it was", before+fields[stamp][len(before):]
					older = strings.Join(fields, `","`) + "\n"
				} else if other == "" && lines[1] != newer {
					other = lines[1]
				}
				first, second := newer, older
				if c.olderFirst {
					first, second = older, newer
				}
				switch {
				case lines[1] == newer && c.twoPages:
					lines[1] = first
				case lines[1] == newer:
					lines[1], lines[3] = first, second
				case lines[1] == other && c.twoPages:
					lines[1] = second
				}
				return []byte(strings.Join(lines, ""))
			}
			s.rewrite.Store(&rewrite)
			o := s.quick()
			o.Workers = 1
			run := s.completed(s.syncWith(o))
			want := s.org.Record(id)["Name"]
			var got string
			s.must(s.sql.Get(&got, `SELECT name FROM millrace.accounts WHERE sf_id = $1`, id))
			if got != want || want == "As it was" {
				t.Errorf("the account is called %q, want %q", got, want)
			}
			if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE entity = 'account' AND sf_id = $1`, id); n != 1 {
				t.Errorf("the audit log tells of it %d times", n)
			}
			if p := s.step(run, "accounts:customer"); p.Failed != 0 || p.Updated != 0 || p.Created != s.count(`SELECT count(*) FROM millrace.accounts`) || p.Created != 179 {
				t.Errorf("%d created, %d updated, %d failed", p.Created, p.Updated, p.Failed)
			}
			s.auditedOnce()
		})
	}
}

// TestRecordTwiceInAReadInFull has Salesforce send a record twice in a page of a later sync that reads everything, as it is here and as it was before. It stays as it is.
func TestRecordTwiceInAReadInFull(t *testing.T) {
	t.Parallel()
	for _, olderFirst := range []bool{true, false} {
		s := newScene(t, sim.Options{Accounts: 180})
		s.filter(allAccounts)
		s.completed(s.sync())
		rewrite := func(page []byte) []byte {
			lines := strings.SplitAfter(string(page), "\n")
			if !strings.Contains(lines[0], "Website") || len(lines) < 5 {
				return page
			}
			fields, header := strings.Split(strings.TrimSuffix(lines[1], "\n"), `","`), strings.Split(strings.Trim(lines[0], "\"\n"), `","`)
			name, stamp := slices.Index(header, "Name"), slices.Index(header, "SystemModstamp")
			fields[name], fields[stamp] = "As it was", "2001-02-03T04:05:06.000Z"+fields[stamp][len("2001-02-03T04:05:06.000Z"):]
			older := strings.Join(fields, `","`) + "\n"
			if lines[3] = older; olderFirst {
				lines[1], lines[3] = older, lines[1]
			}
			return []byte(strings.Join(lines, ""))
		}
		s.rewrite.Store(&rewrite)
		o := s.quick()
		o.PageRows = 1000
		run := s.completed(s.syncWith(o))
		if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE name = 'As it was'`); n != 0 {
			t.Errorf("older first %t: the account is as it was", olderFirst)
		}
		// The account whose place in the page it took was not met.
		if p := s.step(run, "accounts:customer"); p.Updated != 0 || p.Failed != 0 || p.LeftFilter != 1 {
			t.Errorf("older first %t: %d updated, %d failed, %d left", olderFirst, p.Updated, p.Failed, p.LeftFilter)
		}
	}
}

// TestRecordTwiceAmongChanges has Salesforce send records twice in a page of a sync that reads only changes: one that is here and one that is new, each as it was before a change and after it. There
// is one row of each, as it is now, told of once.
func TestRecordTwiceAmongChanges(t *testing.T) {
	t.Parallel()
	for _, olderFirst := range []bool{true, false} {
		s := newScene(t, sim.Options{Accounts: 150})
		s.filter(allAccounts)
		s.completed(s.syncWith(s.incremental()))
		s.org.Advance(time.Hour)
		if _, err := s.org.UpdateAll("Account", nil, map[string]any{"Description": "changed"}); err != nil {
			t.Fatal(err)
		}
		fresh, err := s.org.Insert("Account", map[string]any{"Name": "New"})
		s.must(err)
		second, err := s.org.Insert("Account", map[string]any{"Name": "New too"})
		s.must(err)
		seen := ""
		rewrite := func(page []byte) []byte {
			lines := strings.SplitAfter(string(page), "\n")
			if !strings.Contains(lines[0], "Website") || len(lines) < 8 {
				return page
			}
			header := strings.Split(strings.Trim(lines[0], "\"\n"), `","`)
			name, stamp := slices.Index(header, "Name"), slices.Index(header, "SystemModstamp")
			twice := func(of, in int) {
				fields := strings.Split(strings.TrimSuffix(lines[of], "\n"), `","`)
				fields[name], fields[stamp] = "As it was", "2001-02-03T04:05:06.000Z"+fields[stamp][len("2001-02-03T04:05:06.000Z"):]
				if lines[in] = strings.Join(fields, `","`) + "\n"; olderFirst {
					lines[of], lines[in] = lines[in], lines[of]
				}
			}
			newest := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, `"`+fresh) })
			other := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, `"`+second) })
			if newest < 0 || other < 0 {
				return page
			}
			seen = strings.Split(strings.Trim(lines[1], `"`), `"`)[0]
			twice(1, 3)
			twice(newest, other)
			return []byte(strings.Join(lines, ""))
		}
		s.rewrite.Store(&rewrite)
		o := s.incremental()
		o.PageRows = 1000
		run := s.syncWith(o)
		if p := s.step(run, "accounts:customer"); seen == "" || p.Reading != "changes" || p.Failed != 0 || p.Created != 1 {
			t.Fatalf("older first %t: the run is %s (%s), the step %+v", olderFirst, run.State, run.Error, p)
		}
		if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE name = 'As it was'`); n != 0 {
			t.Errorf("older first %t: %d accounts are as they were", olderFirst, n)
		}
		for _, id := range []string{seen, fresh} {
			if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE entity = 'account' AND sf_id = $1 AND run_id = $2`, id, run.ID); n != 1 {
				t.Errorf("older first %t: the audit log tells of %s %d times", olderFirst, id, n)
			}
		}
	}
}

// TestRecordMetTwice meets records twice in one run: contacts that changed and whose account has just come in, and an account that two filters select. Whether it is skipped, refused by Postgres or
// as it was, each counts once, and is told of once.
func TestRecordMetTwice(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40})
	s.saveAll(settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.TypedFilters, Customer: "Name != null", Prospect: "Name = 'Refused'"}})
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	s.mustExec(`ALTER TABLE millrace.accounts ADD CONSTRAINT refused CHECK (name <> 'Refused') NOT VALID`)
	s.mustExec(`ALTER TABLE millrace.contacts ADD CONSTRAINT refused CHECK (last_name <> 'Refused') NOT VALID`)
	once := func(run db.Run, want map[string]int64) {
		t.Helper()
		steps, err := s.db.RunSteps(t.Context(), run.ID)
		s.must(err)
		got := map[string]int64{}
		for _, p := range steps {
			got[p.Object+" skipped"] += p.Skipped
			got[p.Object+" failed"] += p.Failed
			got[p.Object+" unchanged"] += p.Unchanged
		}
		for what, n := range want {
			if got[what] != n {
				t.Errorf("%s: %d, want %d\n%s", what, got[what], n, s.steps(run))
			}
		}
		for _, twice := range []string{
			`SELECT count(*) FROM (SELECT FROM millrace.audit_log WHERE run_id = $1 AND sf_id <> '' GROUP BY sf_id, action HAVING count(*) > 1) x`,
			`SELECT count(*) FROM (SELECT FROM millrace.run_errors WHERE run_id = $1 GROUP BY sf_id HAVING count(*) > 1) x`,
		} {
			if n := s.count(twice, run.ID); n != 0 {
				t.Errorf("%d records are told of twice: %s", n, twice)
			}
		}
	}
	account := s.insert("Account", map[string]any{"Name": "New"})
	s.insert("Contact", map[string]any{"LastName": "Without", "AccountId": account})
	s.insert("Contact", map[string]any{"LastName": "Refused", "Email": "refused@example.com", "AccountId": account})
	s.insert("Contact", map[string]any{"LastName": "Good", "Email": "good@example.com", "AccountId": account})
	once(runs.ended(pipeline.EntityAll, false), map[string]int64{"Contact skipped": 1, "Contact failed": 1, "Contact unchanged": 0})

	s.insert("Account", map[string]any{"Name": "Refused"})
	once(runs.ended(pipeline.EntityAll, true), map[string]int64{"Account failed": 1, "Contact failed": 1})
}

// TestSkippedBeforeARecordCameTwice has Salesforce send a contact in two pages of a first load, which ends the plain inserts in the middle. Contacts that an earlier page skipped stay skipped.
func TestSkippedBeforeARecordCameTwice(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 180})
	s.filter(allAccounts)
	account := s.insert("Account", map[string]any{"Name": "New"})
	for range 40 {
		s.insert("Contact", map[string]any{"LastName": "Without", "AccountId": account})
	}
	first, last := "", ""
	rewrite := func(page []byte) []byte { // the same each time that a page is asked for
		lines := strings.SplitAfter(string(page), "\n")
		if !strings.Contains(lines[0], "LastName") || len(lines) < 5 {
			return page
		}
		if first == "" {
			first = lines[1]
		}
		if strings.Contains(string(page), "Without") {
			lines[1], last = first, lines[1]
		}
		return []byte(strings.Join(lines, ""))
	}
	s.rewrite.Store(&rewrite)
	o := s.quick()
	o.Workers = 1
	run := s.completed(s.syncWith(o))
	if fresh := s.count(`SELECT count(*) FROM millrace.run_steps WHERE run_id = $1 AND name = 'contacts' AND fresh`, run.ID); first == "" || last == "" || fresh != 0 {
		t.Fatalf("no contact came twice")
	}
	want := s.step(run, "contacts").Skipped
	if n := s.count(`SELECT count(*) FROM millrace.skipped_records WHERE until_run IS NULL`); n != want || want < 41 {
		t.Errorf("%d contacts are skipped, and the run says %d", n, want)
	}
}
