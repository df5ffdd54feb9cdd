package db_test

import (
	"reflect"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
)

// A replica of an older release goes on while a newer one changes the tables under its prepared statements.
func TestPreparedStatementsOutliveAMigration(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	read := func(when string) {
		t.Helper()
		for range 7 { // beyond the number of times after which Postgres keeps a plan
			got, err := d.Connection(t.Context(), c.ID)
			if err != nil || got.Name != c.Name {
				t.Fatalf("%s: %+v, %v", when, got, err)
			}
			if all, err := d.Connections(t.Context()); err != nil || len(all) != 1 {
				t.Fatalf("%s: %+v, %v", when, all, err)
			}
		}
	}
	read("at first")
	exec(t, d, `ALTER TABLE millrace.connections ALTER COLUMN sf_display_name TYPE varchar(300)`)
	read("after a column has another type")
	exec(t, d, `DEALLOCATE ALL`)
	read("after a session has forgotten its statements")
}

// What is read in one exchange is what its parts say.
func TestOneExchangeTellsWhatItsPartsTell(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	same := func(when string) {
		t.Helper()
		edited, err := d.Edited(ctx, c.ID, u.ID, 20)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		current, err1 := d.CurrentSettings(ctx, c.ID)
		draft, err2 := d.Draft(ctx, c.ID, u.ID)
		turns, err3 := d.FormTurns(ctx, c.ID, u.ID, 20)
		seen, _, err4 := d.SchemaSeen(ctx, c.ID)
		connection, err5 := d.Connection(ctx, c.ID)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
		if want := (db.Edited{Connection: connection, Current: current, Draft: draft, Turns: turns, Seen: seen}); !reflect.DeepEqual(edited, want) {
			t.Errorf("%s: edited\n%+v, not\n%+v", when, edited, want)
		}
		banner, err := d.Banner(ctx, c.ID)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		focus, err1 := d.RunInFocus(ctx, c.ID)
		active, err2 := d.ActiveRun(ctx, c.ID, pipeline.EntityAll)
		costs, err3 := d.RunCosts(ctx, c.ID)
		budget, err4 := d.APIBudget(ctx, c.ID)
		schedules, err5 := d.Schedules(ctx, c.ID)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
		}
		want := db.Banner{Run: focus, Configured: current != nil, Active: active != nil, Budget: budget}
		want.Budget.Hours, want.Budget.Now, banner.Budget.Now = nil, c.CreatedAt, c.CreatedAt
		if cost, ok := costs[pipeline.EntityAll]; ok {
			want.Cost = &cost.Calls
		}
		for _, s := range schedules {
			if s.NextRunAt != nil && (want.NextEntity == "" || s.NextRunAt.Before(want.NextAt)) {
				want.NextEntity, want.NextAt = s.Entity, *s.NextRunAt
			}
		}
		if !reflect.DeepEqual(banner, want) {
			t.Errorf("%s: banner\n%+v, not\n%+v", when, banner, want)
		}
		shell, err := d.Shell(ctx)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		all, err1 := d.Connections(ctx)
		alerts, err2 := d.CountOpenAlerts(ctx)
		causes, err3 := d.CountErrorGroups(ctx, c.ID)
		if want := (db.Shell{Connections: all, Alerts: alerts, Errors: map[int64]int{c.ID: causes}}); err1 != nil || err2 != nil || err3 != nil || !reflect.DeepEqual(shell, want) {
			t.Errorf("%s: shell\n%+v, not\n%+v", when, shell, want)
		}
	}
	same("before anything")

	save(t, d, c, u, scheduled())
	changed := scheduled()
	changed.Owners.CSM = "CSM__c"
	if _, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: changed, Note: "why", Turn: db.FormTurn{Page: "page1", Number: 3}}); err != nil {
		t.Fatal(err)
	}
	seen := []pipeline.SeenObject{{Name: "Account", Label: "Account"}}
	if err := d.KeepSchemaSeen(ctx, c.ID, seen); err != nil {
		t.Fatal(err)
	}
	if err := d.RecordAPIUse(ctx, c.ID, db.APIReading{Used: 40, Limit: 1000, Calls: 7}); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `INSERT INTO millrace.error_groups (connection_id, kind, subject, cause, records, run_id) VALUES ($1, 'skip', 'Contact', 'no email', 3, 1)`, c.ID)
	same("with a first run that waits, a draft and an error")

	exec(t, d, `UPDATE millrace.runs SET state = 'completed', started_at = now(), finished_at = now(), api_calls = 12`)
	same("after the first run")

	if _, _, err := d.RequestRun(ctx, c.ID, pipeline.EntityContacts, db.TriggerManual, &u.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.RequestRun(ctx, c.ID, pipeline.EntityAll, db.TriggerManual, &u.ID); err != nil {
		t.Fatal(err)
	}
	same("with a run in focus and one of everything behind it")
	if _, err := d.Edited(ctx, c.ID+1, u.ID, 20); err == nil {
		t.Error("a connection that there is none of is edited")
	}
}
