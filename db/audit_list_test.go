package db_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
)

// fillAudit writes entries of several days, kinds, people and runs, many of them at the same instant, and returns how many.
func fillAudit(t *testing.T, d *db.DB, connectionID, actor int64, perDay int) int {
	t.Helper()
	const days = 6
	exec(t, d, `SELECT millrace.add_audit_day((now() AT TIME ZONE 'UTC')::date - i) FROM generate_series(0, $1::int) i`, days)
	exec(t, d, `INSERT INTO millrace.audit_log (at, connection_id, run_id, actor_id, entity, sf_id, action, changes, detail)
		SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - day * interval '1 day' + (i / 40) * interval '7 seconds',
		       CASE WHEN i % 50 = 0 THEN 0 WHEN i % 41 = 0 THEN $1 + 1000 ELSE $1 END,
		       CASE WHEN i % 50 > 0 THEN day END, CASE WHEN i % 50 = 0 OR i % 97 = 0 THEN $2::bigint END,
		       CASE WHEN i % 50 = 0 THEN 'session' WHEN i % 97 = 0 THEN 'settings' WHEN i % 3 = 0 THEN 'contact' ELSE 'account' END,
		       CASE WHEN i % 50 > 0 AND i % 97 > 0 THEN (ARRAY['001', '003'])[1 + (i % 3 = 0)::int] || lpad((i % 300)::text, 12, '0') || 'AAA' ELSE '' END,
		       (ARRAY['created', 'updated', 'skipped', 'failed'])[1 + i % 4],
		       CASE WHEN i % 4 = 1 THEN jsonb_build_object(CASE WHEN i % 8 = 1 THEN 'phone' ELSE 'annual_revenue' END, jsonb_build_array(i, i + 1)) END,
		       CASE i % 4 WHEN 2 THEN 'No e-mail address' WHEN 3 THEN 'The value of Region__c is longer than ' || i || ' characters' END
		  FROM generate_series(1, $3::int) i, generate_series(0, $4::int - 1) day`, connectionID, actor, perDay, days)
	return perDay * days
}

func ids(rows []db.AuditRow) []string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = fmt.Sprint(r.At.UnixMicro(), r.Place, r.ConnectionID, r.Entity, r.SFID, r.Action)
	}
	return out
}

// accountNo is the number of the account that an entry is about; 0 for others.
func accountNo(r db.AuditRow) int {
	if r.Entity != "account" || r.SFID == "" {
		return 0
	}
	n, _ := strconv.Atoi(r.SFID[3:15])
	return n
}

// readAll reads what q selects page by page.
func readAll(t *testing.T, d *db.DB, q db.AuditQuery) []db.AuditRow {
	t.Helper()
	return readOn(t, d, q, func() {})
}

// readOn reads what q selects page by page, and calls between before each but the first.
func readOn(t *testing.T, d *db.DB, q db.AuditQuery, between func()) []db.AuditRow {
	t.Helper()
	var all []db.AuditRow
	for i := range 10_000 {
		if i > 0 {
			between()
		}
		page, err := d.AuditLog(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		if q.Ascending {
			slices.Reverse(page.Rows)
		}
		all = append(all, page.Rows...)
		if !page.More {
			if q.Ascending {
				slices.Reverse(all)
			}
			return all
		}
		next := page.Next
		q.Start = &next
	}
	t.Fatal("the log has no end")
	return nil
}

// TestAuditLogFindsTheSameWithAndWithoutIndexes compares each way of asking with a plain filter over all entries, page by page in both directions, before and
// after the days get their indexes.
func TestAuditLogFindsTheSameWithAndWithoutIndexes(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	exec(t, d, `INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, first_seen_run, last_seen_run)
		SELECT $1, '001' || lpad(i::text, 12, '0') || 'AAA', 'customer', CASE WHEN i <= 40 THEN 'Acme Media ' || i WHEN i % 4 = 0 THEN 'Third Wave' ELSE 'Other Firm' END, 1, 1
		  FROM generate_series(1, 14000) i`, c.ID)
	before := len(readAll(t, d, db.AuditQuery{ConnectionID: c.ID, Global: true, Limit: 100}))
	fillAudit(t, d, c.ID, u.ID, 1200)
	all := readAll(t, d, db.AuditQuery{ConnectionID: c.ID, Global: true, Limit: 1000})
	if n := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE connection_id IN (0, $1)`, c.ID); len(all) != n || n <= before {
		t.Fatalf("read %d of %d entries", len(all), n)
	}
	day := time.Now().UTC().Truncate(24 * time.Hour)
	has := func(r db.AuditRow, words ...string) bool {
		text := " " + strings.ToLower(strings.NewReplacer("_", " ", "-", " ", `"`, " ").Replace(r.Detail+" "+string(r.Changes)))
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, " "+w) })
	}
	third := func(r db.AuditRow) bool { return accountNo(r) > 40 && accountNo(r)%4 == 0 }
	account := "001000000000007AAA"
	cases := []struct {
		name string
		q    db.AuditQuery
		want func(db.AuditRow) bool
	}{
		{"everything", db.AuditQuery{Global: true}, func(db.AuditRow) bool { return true }},
		{"of the connection", db.AuditQuery{}, func(r db.AuditRow) bool { return r.ConnectionID == c.ID }},
		{"an entity", db.AuditQuery{Global: true, Entities: []db.AuditEntity{{Name: "contact"}}}, func(r db.AuditRow) bool { return r.Entity == "contact" }},
		{"a rare entity", db.AuditQuery{Global: true, Entities: []db.AuditEntity{{Name: "settings"}}}, func(r db.AuditRow) bool { return r.Entity == "settings" && r.ConnectionID == c.ID }},
		{"an entity of no connection", db.AuditQuery{Global: true, Entities: []db.AuditEntity{{Name: "session", Global: true}}}, func(r db.AuditRow) bool { return r.Entity == "session" }},
		{"an action", db.AuditQuery{Global: true, Actions: []string{"failed"}}, func(r db.AuditRow) bool { return r.Action == "failed" }},
		{"an entity and actions", db.AuditQuery{Global: true, Entities: []db.AuditEntity{{Name: "account"}}, Actions: []string{"skipped", "created"}},
			func(r db.AuditRow) bool {
				return r.Entity == "account" && (r.Action == "skipped" || r.Action == "created")
			}},
		{"hidden", db.AuditQuery{Hidden: []string{"settings"}}, func(r db.AuditRow) bool { return r.ConnectionID == c.ID && r.Entity != "settings" }},
		{"a person", db.AuditQuery{Global: true, ActorID: u.ID}, func(r db.AuditRow) bool { return r.ActorID != nil && *r.ActorID == u.ID }},
		{"a person and an action", db.AuditQuery{Global: true, ActorID: u.ID, Actions: []string{"updated"}}, func(r db.AuditRow) bool { return r.ActorID != nil && *r.ActorID == u.ID && r.Action == "updated" }},
		{"days", db.AuditQuery{Global: true, From: day.AddDate(0, 0, -3), Until: day.AddDate(0, 0, -1)},
			func(r db.AuditRow) bool {
				return !r.At.Before(day.AddDate(0, 0, -3)) && r.At.Before(day.AddDate(0, 0, -1))
			}},
		{"an Id", db.AuditQuery{Global: true, Search: account[:15]}, func(r db.AuditRow) bool { return r.SFID == account }},
		{"an Id of 18 characters", db.AuditQuery{Global: true, Search: " " + account}, func(r db.AuditRow) bool { return r.SFID == account }},
		{"an Id and an action", db.AuditQuery{Global: true, Search: account, Actions: []string{"failed"}}, func(r db.AuditRow) bool { return r.SFID == account && r.Action == "failed" }},
		{"records", db.AuditQuery{SFIDs: []string{account}}, func(r db.AuditRow) bool { return r.SFID == account }},
		{"a name", db.AuditQuery{Global: true, Search: "acme media 7"}, func(r db.AuditRow) bool { return r.SFID == account }},
		{"a field", db.AuditQuery{Global: true, Search: "Annual_Revenue"}, func(r db.AuditRow) bool { return has(r, "annual", "revenue") }},
		{"the beginning of a field", db.AuditQuery{Global: true, Search: "pho"}, func(r db.AuditRow) bool { return has(r, "pho") }},
		{"words of an error", db.AuditQuery{Global: true, Search: "region__c longer"}, func(r db.AuditRow) bool { return has(r, "region", "longer") }},
		{"a rare word of an error", db.AuditQuery{Global: true, Search: "than 1003 char"}, func(r db.AuditRow) bool { return has(r, "1003 ") && has(r, "char") }},
		{"words and an entity", db.AuditQuery{Global: true, Search: "e-mail", Entities: []db.AuditEntity{{Name: "contact"}}}, func(r db.AuditRow) bool { return has(r, "mail") && r.Entity == "contact" }},
		{"a name that many have", db.AuditQuery{Global: true, Search: "third"}, third},
		{"a name that most have", db.AuditQuery{Search: "oth firm"}, func(r db.AuditRow) bool { return accountNo(r) > 40 && accountNo(r)%4 > 0 }},
		{"a name of many and an action", db.AuditQuery{Global: true, Search: "other firm", Actions: []string{"failed"}},
			func(r db.AuditRow) bool { return accountNo(r) > 40 && accountNo(r)%4 > 0 && r.Action == "failed" }},
		{"a name of many and an entity", db.AuditQuery{Search: "acme", Entities: []db.AuditEntity{{Name: "account"}}}, func(r db.AuditRow) bool { return accountNo(r) > 0 && accountNo(r) <= 40 }},
		{"a name of many and days", db.AuditQuery{Search: "third", From: day.AddDate(0, 0, -3), Until: day.AddDate(0, 0, -1)},
			func(r db.AuditRow) bool {
				return third(r) && !r.At.Before(day.AddDate(0, 0, -3)) && r.At.Before(day.AddDate(0, 0, -1))
			}},
		{"words and an action", db.AuditQuery{Search: "longer than", Actions: []string{"failed"}, Entities: []db.AuditEntity{{Name: "contact"}}},
			func(r db.AuditRow) bool { return has(r, "longer") && r.Entity == "contact" }},
		{"a name among other entities", db.AuditQuery{Search: "third", Entities: []db.AuditEntity{{Name: "contact"}}}, func(db.AuditRow) bool { return false }},
		{"words among other actions", db.AuditQuery{Search: "longer than", Actions: []string{"updated"}}, func(db.AuditRow) bool { return false }},
		{"nothing like it", db.AuditQuery{Global: true, Search: "zzz"}, func(db.AuditRow) bool { return false }},
		{"quotes and operators", db.AuditQuery{Global: true, Search: `'; \ & | ! :* (`}, func(db.AuditRow) bool { return false }},
	}
	check := func(t *testing.T) {
		for _, one := range cases {
			one.q.ConnectionID = c.ID
			var want []db.AuditRow
			for _, r := range all {
				if one.want(r) {
					want = append(want, r)
				}
			}
			if len(want) == 0 && !slices.Contains([]string{"a name among other entities", "words among other actions", "nothing like it", "quotes and operators"}, one.name) {
				t.Errorf("%s: there is nothing to find", one.name)
			}
			for _, limit := range []int{7, 100} {
				if limit == 7 && len(want) > 60 {
					continue
				}
				one.q.Limit = limit
				for _, asc := range []bool{false, true} {
					one.q.Ascending = asc
					if got := readAll(t, d, one.q); !slices.Equal(ids(got), ids(want)) {
						t.Errorf("%s, %d at a time, ascending %v: got %d entries, want %d", one.name, limit, asc, len(got), len(want))
					}
				}
			}
			one.q.Ascending = false
			n, more, err := d.CountAudit(t.Context(), one.q, 20_000)
			if err != nil || !more && n != len(want) || n > len(want) {
				t.Errorf("%s: counted %d, more %v, want %d: %v", one.name, n, more, len(want), err)
			}
			if n, more, err := d.CountAudit(t.Context(), one.q, 5); err != nil || n != min(5, len(want)) && !more || len(want) > 5 && !more {
				t.Errorf("%s: counted %d of at most 5, more %v: %v", one.name, n, more, err)
			}
		}
	}
	t.Run("without", check)
	if err := d.EnsureAuditIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := get[int](t, d, `SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'audit_log_%_by_%'`); n != 5*4 {
		t.Fatalf("%d indexes; five days that are over want four each, and the day in progress is too small", n)
	}
	if err := errors.Join(d.EnsureReadIndexes(t.Context(), c.ID), d.EnsureNameIndexes(t.Context(), c.ID)); err != nil {
		t.Fatal(err)
	}
	t.Run("with", check)
	d.TightenAudit()
	t.Run("tight", check)
	// Entries that come while somebody reads on change nothing of what is older.
	for _, q := range []db.AuditQuery{{Search: "third"}, {Search: "phone"}, {Search: "longer than", Entities: []db.AuditEntity{{Name: "account"}}}, {Actions: []string{"failed"}}, {}} {
		q.ConnectionID, q.Limit = c.ID, 100
		want := readAll(t, d, q)
		got := readOn(t, d, q, func() {
			exec(t, d, `INSERT INTO millrace.audit_log (connection_id, entity, sf_id, action, changes, detail)
				SELECT $1, 'account', '001000000000044AAA', 'failed', '{"phone": ["1", "2"]}', 'longer than' FROM generate_series(1, 3)`, c.ID)
		})
		if len(want) < 200 || !slices.Equal(ids(got), ids(want)) {
			t.Errorf("%+v while entries arrive: got %d entries, want %d", q, len(got), len(want))
		}
	}
}

// TestAuditSearchOfALargeDay looks for a text that very many entries of an earlier day have, of two kinds and stored in no order, behind entries of that day that do not have it.
func TestAuditSearchOfALargeDay(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	fillAudit(t, d, c.ID, u.ID, 1200) // enough for each day to get its indexes
	exec(t, d, `INSERT INTO millrace.audit_log (at, connection_id, run_id, entity, sf_id, action, detail)
		SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '4 days' + interval '5 hours' + (i / 3) * interval '1 second', $1, 1,
		       CASE WHEN i % 500 = 7 OR i > 3980 AND i <= 3990 THEN 'account' ELSE 'contact' END, '003' || lpad(i::text, 12, '0') || 'AAA',
		       CASE WHEN i % 500 = 7 OR i > 3980 AND i <= 3990 THEN 'failed' ELSE 'skipped' END, CASE WHEN i > 4000 THEN 'something else' ELSE 'a plethora of trouble' END
		  FROM generate_series(1, 6000) i ORDER BY md5(i::text)`, c.ID)
	if err := d.EnsureAuditIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want []db.AuditRow
	for _, r := range readAll(t, d, db.AuditQuery{ConnectionID: c.ID, Limit: 1000}) {
		if strings.Contains(r.Detail, "plethora") {
			want = append(want, r)
		}
	}
	if len(want) != 4000 {
		t.Fatalf("%d entries have the text", len(want))
	}
	failed := slices.DeleteFunc(slices.Clone(want), func(r db.AuditRow) bool { return r.Action != "failed" })
	for _, q := range []db.AuditQuery{{Limit: 25}, {Limit: 900}, {Limit: 25, Ascending: true}, {Limit: 6, Actions: []string{"failed"}}} {
		q.ConnectionID, q.Search = c.ID, "plethora"
		expected := want
		if len(q.Actions) > 0 {
			expected = failed
		}
		page, err := d.AuditLog(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		part := expected[:q.Limit]
		if q.Ascending {
			part = expected[len(expected)-q.Limit:]
		}
		// With filters that few of the matches fit it may say instead how far it has looked.
		if len(q.Actions) == 0 && (!slices.Equal(ids(page.Rows), ids(part)) || page.Reached != nil) || !page.More {
			t.Errorf("%+v: %d entries, more %t, looked through to %v, wanted\n%v\ngot\n%v", q, len(page.Rows), page.More, page.Reached, ids(part), ids(page.Rows))
		}
		if got := readAll(t, d, q); (q.Limit == 900 || len(q.Actions) > 0) && !slices.Equal(ids(got), ids(expected)) {
			t.Errorf("%+v: read on, there are %d entries of %d", q, len(got), len(expected))
		}
	}
}

// TestAuditSearchOfEarlyInADay looks for a text that very many entries of the newest day with indexes have, none of them among the latest of that day or of their kind.
func TestAuditSearchOfEarlyInADay(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	fillAudit(t, d, c.ID, u.ID, 1200)
	exec(t, d, `INSERT INTO millrace.audit_log (at, connection_id, run_id, entity, sf_id, action, changes)
		SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 day' + interval '5 hours' + (i / 3) * interval '1 second', $1, 1, 'account',
		       '001' || lpad(i::text, 12, '0') || 'AAA', CASE WHEN i % 700 = 7 THEN 'returned' ELSE 'updated' END, jsonb_build_object(CASE WHEN i > 4200 THEN 'revenue' ELSE 'labyrinth' END, '[1, 2]'::jsonb)
		  FROM generate_series(1, 6000) i ORDER BY i / 500, md5(i::text)`, c.ID)
	if err := d.EnsureAuditIndexes(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want []db.AuditRow
	for _, r := range readAll(t, d, db.AuditQuery{ConnectionID: c.ID, Limit: 1000}) {
		if strings.Contains(string(r.Changes), "labyrinth") {
			want = append(want, r)
		}
	}
	if len(want) != 4200 {
		t.Fatalf("%d entries have the text", len(want))
	}
	returned := slices.DeleteFunc(slices.Clone(want), func(r db.AuditRow) bool { return r.Action != "returned" })
	for _, q := range []db.AuditQuery{{Limit: 25}, {Limit: 25, Ascending: true}, {Limit: 1000}, {Limit: 4, Actions: []string{"returned"}}, {Limit: 25, Actions: []string{"skipped"}}} {
		q.ConnectionID, q.Search, q.Count = c.ID, "labyrinth", 1000
		expected := want
		switch {
		case slices.Contains(q.Actions, "returned"):
			expected = returned
		case len(q.Actions) > 0:
			expected = nil
		}
		page, err := d.AuditLog(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		part := expected[:min(q.Limit, len(expected))]
		if q.Ascending {
			part = expected[len(expected)-q.Limit:]
		}
		if !slices.Equal(ids(page.Rows), ids(part)) {
			t.Errorf("%+v: looked through to %v, wanted\n%v\ngot\n%v", q, page.Reached, ids(part), ids(page.Rows))
		}
		if page.Total > len(expected) || page.Total < min(len(part), 1000) || !page.TotalMore && page.Total != len(expected) {
			t.Errorf("%+v: it counts %d, more %t, of %d", q, page.Total, page.TotalMore, len(expected))
		}
		if len(q.Actions) == 0 && (page.Total != 1000 || !page.TotalMore) {
			t.Errorf("%+v: it counts %d, more %t", q, page.Total, page.TotalMore)
		}
		if q.Count = 0; q.Limit == 1000 || len(q.Actions) > 0 {
			if got := readAll(t, d, q); !slices.Equal(ids(got), ids(expected)) {
				t.Errorf("%+v: read on, there are %d entries of %d", q, len(got), len(expected))
			}
		}
	}
}

// TestDayInProgressIsIndexedBetweenRuns has the day in progress grow large: it gets its indexes when no run is at work, and none waits for its turn.
func TestDayInProgressIsIndexedBetweenRuns(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	run, _, err := d.RequestRun(t.Context(), c.ID, pipeline.EntityAll, db.TriggerManual, nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, d, `INSERT INTO millrace.audit_log (connection_id, entity, sf_id, action) SELECT $1, 'account', '001' || lpad(i::text, 12, '0') || 'AAA', 'created' FROM generate_series(1, 40000) i`, c.ID)
	for _, state := range []db.RunState{db.RunQueued, db.RunRunning, db.RunCompleted} {
		exec(t, d, `UPDATE millrace.runs SET state = $2 WHERE id = $1`, run.ID, state)
		if err := d.EnsureAuditIndexes(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := 0
		if state == db.RunCompleted {
			want = 4
		}
		if n := get[int](t, d, `SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'audit_log_%_by_%'`); n != want {
			t.Errorf("with a run that is %s there are %d indexes, want %d", state, n, want)
		}
	}
}
