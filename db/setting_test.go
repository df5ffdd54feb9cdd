package db_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/settings"
)

func single(filter string) settings.Settings {
	return settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: filter}}
}

func TestSettingsVersions(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if v, err := d.CurrentSettings(t.Context(), c.ID); v != nil || err != nil {
		t.Fatalf("before the first: %v, %v", v, err)
	}
	v, saved, err := d.SaveSettings(t.Context(), c.ID, 0, single(" Name != null\r\n"), " first ", u.ID)
	if err != nil || !saved || v.Version != 1 || v.Note != "first" || v.AuthorName != "Ann Example" || len(settings.Diff(v.Settings, single("Name != null"))) > 0 {
		t.Fatalf("got %+v, %t, %v", v, saved, err)
	}
	run, err := d.LatestRun(t.Context(), c.ID)
	if err != nil || run == nil || run.Trigger != db.TriggerFirst || run.SettingsVersion != 1 {
		t.Fatalf("first run: %+v, %v", run, err)
	}
	if v, saved, err = d.SaveSettings(t.Context(), c.ID, 1, single("Name != null"), "again", u.ID); err != nil || saved || v.Version != 1 {
		t.Errorf("unchanged: %+v, %t, %v", v, saved, err)
	}
	if v, saved, err = d.SaveSettings(t.Context(), c.ID, 1, single("Name = 'x'"), "", u.ID); err != nil || !saved || v.Version != 2 {
		t.Errorf("changed: %+v, %t, %v", v, saved, err)
	}
	var conflict *db.VersionConflictError
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 1, single("Name = 'y'"), "", u.ID); !errors.As(err, &conflict) || conflict.Current.Version != 2 || conflict.Current.AuthorName == "" {
		t.Errorf("from an old version: %v", err)
	}
	if all, err := d.SettingsVersions(t.Context(), c.ID, 0, 10); len(all) != 2 || all[0].Version != 2 || err != nil {
		t.Errorf("got %v, %v", all, err)
	}
	if old, err := d.SettingsVersionAt(t.Context(), c.ID, 1); err != nil || len(settings.Diff(old.Settings, single("Name != null"))) > 0 {
		t.Errorf("got %+v, %v", old, err)
	}
	if _, err := d.SettingsVersionAt(t.Context(), c.ID, 3); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("missing version: %v", err)
	}
	if runs := get[int](t, d, `SELECT count(*) FROM millrace.runs`); runs != 1 {
		t.Errorf("%d runs; only the first save queues one", runs)
	}
	changes := get[string](t, d, `SELECT changes->'accounts.single'->>1 FROM millrace.audit_log WHERE entity = 'settings' AND detail = 'version 2'`)
	if changes != "Name = 'x'" {
		t.Errorf("the audit log says %q", changes)
	}
	if _, _, err := d.SaveSettings(t.Context(), c.ID+100, 0, single("x = 1"), "", u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("unknown connection: %v", err)
	}
}

func TestTwoSavesAtOnceHaveOneWinner(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	var won, lost atomic.Int32
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			_, saved, err := d.SaveSettings(t.Context(), c.ID, 0, single(fmt.Sprintf("Name = '%d'", i)), "", u.ID)
			var conflict *db.VersionConflictError
			switch {
			case err == nil && saved:
				won.Add(1)
			case errors.As(err, &conflict):
				lost.Add(1)
			default:
				t.Errorf("saved %t, %v", saved, err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || lost.Load() != 5 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
	if rows := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE entity = 'settings'`); rows != 1 {
		t.Errorf("%d audit rows", rows)
	}
}
