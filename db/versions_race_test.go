package db_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"millrace/db"
	"millrace/settings"
)

// TestVersionsAreGaplessUnderConcurrentSaves has two sessions save at once, over and over: each time one of them wins, and nothing of what was won is lost.
func TestVersionsAreGaplessUnderConcurrentSaves(t *testing.T) {
	t.Parallel()
	const rounds = 1000
	d, u, c := connected(t)
	won := make([]string, rounds+1) // the winning filter of each version
	for round := range rounds {
		type outcome struct {
			saved bool
			err   error
		}
		var results [2]outcome
		var wg sync.WaitGroup
		for side := range results {
			wg.Go(func() {
				_, saved, err := d.SaveSettings(t.Context(), c.ID, round, single(fmt.Sprintf("Name = '%d by %d'", round, side)), "", u.ID)
				results[side] = outcome{saved, err}
			})
		}
		wg.Wait()
		winners := 0
		for side, r := range results {
			var conflict *db.VersionConflictError
			switch {
			case r.err == nil && r.saved:
				winners++
				won[round+1] = fmt.Sprintf("Name = '%d by %d'", round, side)
			case !errors.As(r.err, &conflict) || conflict.Current.Version != round+1:
				t.Fatalf("round %d, side %d: saved %t, %v", round, side, r.saved, r.err)
			}
		}
		if winners != 1 {
			t.Fatalf("round %d: %d winners", round, winners)
		}
	}
	next := 0
	for version := rounds; version > 0; {
		page, err := d.SettingsVersions(t.Context(), c.ID, next, 300)
		if err != nil || len(page) == 0 {
			t.Fatalf("below v%d: %d versions, %v", next, len(page), err)
		}
		for _, v := range page {
			if v.Version != version || v.Settings.Accounts.Single != won[version] {
				t.Fatalf("v%d holds %q; v%d with %q was won", v.Version, v.Settings.Accounts.Single, version, won[version])
			}
			version, next = version-1, v.Version
		}
	}
	if rows := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE entity = 'settings'`); rows != rounds {
		t.Errorf("%d audit rows for %d versions", rows, rounds)
	}
}

// TestTwoTabsLoseNoSection has two tabs of one person keep different sections at once.
func TestTwoTabsLoseNoSection(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	for round := range 50 {
		var one, two settings.Settings
		one.Accounts = settings.AccountFiltering{Mode: settings.SingleFilter, Single: fmt.Sprintf("Name = '%d'", round)}
		two.Owners = settings.OwnerMapping{CSM: fmt.Sprintf("CSM_%d__c", round)}
		var wg sync.WaitGroup
		for _, tab := range []struct {
			key settings.Section
			s   settings.Settings
		}{{settings.SectionFiltering, one}, {settings.SectionOwners, two}} {
			wg.Go(func() {
				if _, err := d.KeepSection(t.Context(), c.ID, u.ID, db.SectionForm{Base: 0, Section: tab.key, Settings: tab.s}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		draft, err := d.Draft(t.Context(), c.ID, u.ID)
		if err != nil || draft == nil || draft.Settings.Accounts.Single != one.Accounts.Single || draft.Settings.Owners.CSM != two.Owners.CSM {
			t.Fatalf("round %d: %+v, %v", round, draft, err)
		}
		if err := d.DropDraft(t.Context(), c.ID, u.ID, db.FormTurn{}); err != nil {
			t.Fatal(err)
		}
	}
}
