package db_test

import (
	"errors"
	"testing"

	"millrace/db"
	"millrace/settings"
)

// sender sends forms of one section as a page does.
type sender struct {
	t    *testing.T
	d    *db.DB
	c    db.Connection
	u    db.User
	page string
	base int
	rows map[string]db.DraftForm
}

func (s sender) turn(n int64) db.FormTurn { return db.FormTurn{Page: s.page, Number: n} }

func (s sender) keep(n int64, filter string) (*db.Draft, error) {
	s.t.Helper()
	f := db.SectionForm{Base: s.base, Section: settings.SectionFiltering, Settings: single(filter), Rows: s.rows, Turn: s.turn(n)}
	return s.d.KeepSection(s.t.Context(), s.c.ID, s.u.ID, f)
}

func (s sender) kept(n int64, filter string) {
	s.t.Helper()
	if draft, err := s.keep(n, filter); err != nil || draft == nil || draft.Settings.Accounts.Single != filter {
		s.t.Fatalf("form %d is not kept: %+v, %v", n, draft, err)
	}
}

func (s sender) overtaken(n int64, filter string) {
	s.t.Helper()
	if draft, err := s.keep(n, filter); !errors.Is(err, db.ErrOvertaken) {
		s.t.Errorf("form %d arrives late and counts: %+v, %v", n, draft, err)
	}
}

func (s sender) saved(n int64, filter string) {
	s.t.Helper()
	f := db.SettingsForm{Base: s.base, Settings: single(filter), Author: s.u.ID, Turn: s.turn(n)}
	if _, saved, err := s.d.SaveForm(s.t.Context(), s.c.ID, f); err != nil || !saved {
		s.t.Fatalf("saving form %d: %v, %v", n, saved, err)
	}
}

// drafted fails unless the draft goes on from base with the filter; base 0 stands for no draft.
func (s sender) drafted(base int, filter string) {
	s.t.Helper()
	draft, err := s.d.Draft(s.t.Context(), s.c.ID, s.u.ID)
	switch {
	case err != nil:
		s.t.Fatal(err)
	case draft == nil && base > 0 || draft != nil && (draft.Base != base || draft.Settings.Accounts.Single != filter):
		s.t.Errorf("the draft is %+v, want %q on v%d", draft, filter, base)
	}
}

// What a page sent before a save, and what arrives after it, is no draft; in whichever order the two arrive, finished or not.
func TestFormsThatASaveHasOvertaken(t *testing.T) {
	t.Parallel()
	unfinished := map[string]db.DraftForm{settings.PathSingle: {Rows: []db.DraftRow{{Field: "AnnualRevenue", Operator: "greater-than", Value: "50"}}, Unfinished: "It lacks a value."}}
	for name, rows := range map[string]map[string]db.DraftForm{"a text": nil, "rows": unfinished} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, u, c := connected(t)
			if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("A = 1"), "", u.ID); err != nil {
				t.Fatal(err)
			}
			s := sender{t, d, c, u, "page-1", 1, rows}

			s.kept(1, "A = 2")
			s.kept(4, "A = 5") // with the save
			s.overtaken(2, "A = 3")
			s.saved(4, "A = 5")
			s.overtaken(3, "A = 4")
			s.overtaken(4, "A = 5")
			s.drafted(0, "")

			// What is typed after it goes on from what was saved.
			s.kept(5, "A = 6")
			s.drafted(2, "A = 6")
			s.saved2(6, "A = 6")
			s.overtaken(5, "A = 6")
			s.drafted(0, "")

			// A page that was loaded anew overtakes the one before it, as far as that had come.
			again := sender{t, d, c, u, "page-2", 3, rows}
			f := db.SectionForm{Base: 3, Section: settings.SectionFiltering, Settings: single("A = 7"), Turn: db.FormTurn{Page: "page-2", Number: 1, BeforePage: "page-1", BeforeNumber: 8}}
			if _, err := d.KeepSection(t.Context(), c.ID, u.ID, f); err != nil {
				t.Fatal(err)
			}
			s.overtaken(8, "A = 6")
			again.drafted(3, "A = 7")
			s.kept(9, "A = 8") // from a copy of the tab

			// So does discarding.
			if err := d.DropDraft(t.Context(), c.ID, u.ID, again.turn(3)); err != nil {
				t.Fatal(err)
			}
			again.overtaken(2, "A = 9")
			again.drafted(0, "")
		})
	}
}

func (s sender) saved2(n int64, filter string) {
	s.t.Helper()
	s.base = 2
	s.saved(n, filter)
}

// What is typed while a save is on its way, in the same page or in another tab, stays a draft of the version that it makes.
func TestTypedWhileSaving(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("A = 1"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	s := sender{t, d, c, u, "page-1", 1, nil}
	s.kept(1, "A = 2")
	s.kept(2, "A = 3")
	s.saved(1, "A = 2")
	s.drafted(2, "A = 3")

	other := settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}}
	draft, err := d.KeepSection(t.Context(), c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: other, Turn: db.FormTurn{Page: "tab-2", Number: 1}})
	if err != nil || draft == nil || draft.Base != 2 || draft.Settings.Owners.CSM != "CSM__c" || draft.Settings.Accounts.Single != "A = 3" {
		t.Errorf("another section, opened before the save: %+v, %v", draft, err)
	}
	draft, err = d.KeepSection(t.Context(), c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: single("A = 4"), Turn: db.FormTurn{Page: "tab-3", Number: 1}})
	if err != nil || draft == nil || draft.Base != 1 {
		t.Errorf("the same section in another tab, which has not seen the save: %+v, %v", draft, err)
	}
}

// A form that arrives late counts all the same when it was somebody else who saved.
func TestLateFormsAfterSomebodyElsesSave(t *testing.T) {
	t.Parallel()
	d, u, c := connected(t)
	eve := newUser(t, d, "eve@example.com", db.RoleAdmin)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("A = 1"), "", u.ID); err != nil {
		t.Fatal(err)
	}
	hers := sender{t, d, c, eve, "her-page", 1, nil}
	hers.kept(7, "A = 2")
	hers.saved(7, "A = 2")
	mine := sender{t, d, c, u, "page-1", 1, nil}
	mine.kept(1, "A = 3")
	mine.drafted(1, "A = 3")
	other := settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}}
	draft, err := d.KeepSection(t.Context(), c.ID, u.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: other, Turn: mine.turn(2)})
	if err != nil || draft == nil || draft.Base != 1 {
		t.Errorf("a section that she left alone: %+v, %v", draft, err)
	}
}
