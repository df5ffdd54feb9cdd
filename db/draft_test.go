package db_test

import (
	"errors"
	"testing"

	"millrace/db"
	"millrace/settings"
)

func TestDraftKeepsSections(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	if draft, err := d.Draft(ctx, c.ID, u.ID); draft != nil || err != nil {
		t.Fatalf("before anything: %+v, %v", draft, err)
	}
	if _, _, err := d.SaveSettings(ctx, c.ID, 0, single("Name != null"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	changed := single("Name = 'x'")
	if _, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: changed, Note: "why"}); err != nil {
		t.Fatal(err)
	}
	other := settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}, Accounts: settings.AccountFiltering{Single: "not this one"}}
	draft, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: other, Note: "why now"})
	if err != nil || draft == nil || draft.Base != 1 || draft.Note != "why now" || draft.Settings.Accounts.Single != "Name = 'x'" || draft.Settings.Owners.CSM != "CSM__c" {
		t.Fatalf("two sections: %+v, %v", draft, err)
	}

	other.Owners.CSM = ""
	if draft, err = d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: other, Note: "why"}); err != nil || draft == nil {
		t.Fatalf("one section taken back: %+v, %v", draft, err)
	}
	if draft, err = d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: single("Name != null"), Note: "why"}); err != nil || draft == nil || draft.Note != "why" {
		t.Errorf("a note alone: %+v, %v", draft, err)
	}
	if draft, err = d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: single("Name != null")}); err != nil || draft != nil {
		t.Errorf("nothing differs any more: %+v, %v", draft, err)
	}
	if draft, err = d.Draft(ctx, c.ID, u.ID); draft != nil || err != nil {
		t.Errorf("it is still stored: %+v, %v", draft, err)
	}
}

func TestDraftGoesBackToAnOlderVersion(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	eve, err := d.CreateUser(ctx, "eve@example.com", "Eve", "correct horse battery", db.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	for i, filter := range []string{"A = 1", "A = 2"} {
		if _, _, err := d.SaveSettings(ctx, c.ID, i, single(filter), "", eve.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 2, Section: settings.SectionFiltering, Settings: single("A = 3")}); err != nil {
		t.Fatal(err)
	}
	other := settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}}
	draft, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: other})
	if err != nil || draft == nil || draft.Base != 1 || draft.Settings.Accounts.Single != "A = 3" {
		t.Errorf("from a tab on v1: %+v, %v", draft, err)
	}
	if _, err := d.KeepDraft(ctx, c.ID, u.ID, 9, single("A = 4"), ""); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("on a version that does not exist: %v", err)
	}
	if draft, err = d.KeepDraft(ctx, c.ID, u.ID, 2, single("A = 4"), "n"); err != nil || draft == nil || draft.Base != 2 || draft.Settings.Owners.CSM != "" {
		t.Errorf("replaced: %+v, %v", draft, err)
	}
}

func TestDraftProblemsEndWithTheirSection(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	if _, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 0, Section: settings.SectionFiltering, Settings: single("A = 1")}); err != nil {
		t.Fatal(err)
	}
	problems := settings.FieldErrors{settings.PathSingle: {"No such field."}, settings.PathOwner(settings.CSM): {"Not a user."}}
	if err := d.NoteProblems(ctx, c.ID, u.ID, problems); err != nil {
		t.Fatal(err)
	}
	draft, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 0, Section: settings.SectionFiltering, Settings: single("A = 2")})
	if err != nil || draft == nil || len(draft.Problems) != 1 || len(draft.Problems[settings.PathOwner(settings.CSM)]) != 1 {
		t.Errorf("got %+v, %v", draft, err)
	}
}

func TestDraftsAreTheirPersonsOwn(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	eve, err := d.CreateUser(ctx, "eve@example.com", "Eve", "correct horse battery", db.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []int64{u.ID, eve.ID} {
		if _, err := d.KeepSection(ctx, c.ID, id, db.SectionForm{Base: 0, Section: settings.SectionFiltering, Settings: single("A = 1")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := d.SaveSettings(ctx, c.ID, 0, single("A = 1"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	if draft, err := d.Draft(ctx, c.ID, u.ID); draft != nil || err != nil {
		t.Errorf("the author's: %+v, %v", draft, err)
	}
	if draft, err := d.Draft(ctx, c.ID, eve.ID); draft == nil || err != nil {
		t.Errorf("the other's: %+v, %v", draft, err)
	}
	if _, err := d.KeepSection(ctx, c.ID, eve.ID, db.SectionForm{Base: 0, Section: settings.SectionFiltering, Settings: single("A = 'a\x00b'")}); !errors.As(err, new(*db.SettingsTextError)) {
		t.Errorf("a text that cannot be stored: %v", err)
	}
}

func TestRestoreMakesANewVersionAndKeepsTheDraft(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	for i, filter := range []string{"A = 1", "A = 2"} {
		if _, _, err := d.SaveSettings(ctx, c.ID, i, single(filter), "", u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 2, Section: settings.SectionFiltering, Settings: single("A = 3")}); err != nil {
		t.Fatal(err)
	}
	v, saved, err := d.RestoreSettings(ctx, c.ID, 2, 1, u.ID)
	if err != nil || !saved || v.Version != 3 || v.Note != "Restored v1" || v.Settings.Accounts.Single != "A = 1" {
		t.Fatalf("got %+v, %t, %v", v, saved, err)
	}
	if draft, err := d.Draft(ctx, c.ID, u.ID); err != nil || draft == nil || draft.Base != 2 || draft.Settings.Accounts.Single != "A = 3" {
		t.Errorf("the draft: %+v, %v", draft, err)
	}
	if what := get[string](t, d, `SELECT action || ': ' || detail FROM millrace.audit_log WHERE entity = 'settings' ORDER BY at DESC LIMIT 1`); what != "restored: version 3 from version 1" {
		t.Errorf("the audit log says %q", what)
	}
	if _, saved, err := d.RestoreSettings(ctx, c.ID, 3, 1, u.ID); err != nil || saved {
		t.Errorf("what is current already: %t, %v", saved, err)
	}
	if _, _, err := d.RestoreSettings(ctx, c.ID, 2, 1, u.ID); !errors.As(err, new(*db.VersionConflictError)) {
		t.Errorf("after a further save: %v", err)
	}
	if _, _, err := d.RestoreSettings(ctx, c.ID, 3, 9, u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("no such version: %v", err)
	}
}

// A save ends the draft that it saved, and no other.
func TestSaveKeepsWhatWasTypedMeanwhile(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	if _, _, err := d.SaveSettings(ctx, c.ID, 0, single("A = 1"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	saving, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: single("A = 2")})
	if err != nil {
		t.Fatal(err)
	}
	// In another tab, while the org is asked about the first.
	other := settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}}
	if _, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: other}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.SaveSettings(ctx, c.ID, 1, saving.Settings, "", u.ID); err != nil {
		t.Fatal(err)
	}
	draft, err := d.Draft(ctx, c.ID, u.ID)
	if err != nil || draft == nil || draft.Base != 2 || draft.Settings.Owners.CSM != "CSM__c" {
		t.Fatalf("what was typed meanwhile: %+v, %v", draft, err)
	}
	if draft, err = d.KeepDraft(ctx, c.ID, u.ID, 2, draft.Settings, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.SaveSettings(ctx, c.ID, 2, draft.Settings, "", u.ID); err != nil {
		t.Fatal(err)
	}
	if draft, err := d.Draft(ctx, c.ID, u.ID); draft != nil || err != nil {
		t.Errorf("a draft that was saved: %+v, %v", draft, err)
	}
}

// A draft that arrives after its sender has saved the same is no draft any more.
func TestLateDraftOfWhatIsSaved(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	ctx := t.Context()
	for base, filter := range []string{"A = 1", "A = 2"} {
		if _, _, err := d.SaveSettings(ctx, c.ID, base, single(filter), "", u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if late, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: single("A = 2")}); late != nil || err != nil {
		t.Errorf("kept %+v, %v", late, err)
	}
	if other, err := d.KeepSection(ctx, c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: single("A = 3")}); other == nil || err != nil {
		t.Errorf("another change is not kept: %v", err)
	}
}
