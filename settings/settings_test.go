package settings

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestChatterLookback(t *testing.T) {
	t.Parallel()
	older := Defaults() // as a stored version is read
	if err := json.Unmarshal([]byte(`{"chatter": {"enabled": true, "accounts": true}}`), &older); err != nil {
		t.Fatal(err)
	}
	if n := older.Normalize().Chatter.LookbackDays; n != 0 {
		t.Errorf("a version from before the lookback reads %d days", n)
	}
	if n := (Settings{}).Normalize().Chatter.LookbackDays; n != DefaultLookback {
		t.Errorf("new settings begin with %d days", n)
	}
	for days, ok := range map[int]bool{-1: false, 0: true, 1: true, MaxLookback: true, MaxLookback + 1: false} {
		s := Defaults()
		s.Chatter.LookbackDays = days
		if errs := s.Validate(); (len(errs[PathChatterLookback]) == 0) != ok {
			t.Errorf("%d days: %v", days, errs)
		}
		stored, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again := Defaults()
		if err := json.Unmarshal(stored, &again); err != nil || again.Chatter.LookbackDays != days {
			t.Errorf("%d days are read as %d: %v", days, again.Chatter.LookbackDays, err)
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	single := AccountFiltering{Mode: SingleFilter, Single: " Type = 'Customer' ", Partner: "x = 1"}
	if got, want := single.Filters(), []Filter{{Customer, PathSingle, "Type = 'Customer'"}}; !slices.Equal(got, want) {
		t.Errorf("single: got %v, want %v", got, want)
	}
	typed := AccountFiltering{Mode: TypedFilters, Single: "ignored = 1", Partner: "a = 1", Customer: "b = 2", Prospect: "  "}
	want := []Filter{{Customer, PathCustomer, "b = 2"}, {Partner, PathPartner, "a = 1"}}
	if got := typed.Filters(); !slices.Equal(got, want) {
		t.Errorf("typed: got %v, want %v", got, want)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   AccountFiltering
		path string
	}{
		{"empty single", AccountFiltering{Mode: SingleFilter, Single: " \n"}, PathSingle},
		{"empty typed", AccountFiltering{Mode: TypedFilters, Single: "x = 1"}, PathCustomer},
		{"a zero character", AccountFiltering{Mode: SingleFilter, Single: "Name = 'a\x00b'"}, PathSingle},
		{"broken text", AccountFiltering{Mode: TypedFilters, Customer: "x = 1", Partner: "Name = '\xff'"}, PathPartner},
		{"unknown mode", AccountFiltering{Mode: "both", Single: "x = 1"}, PathMode},
		{"good single", AccountFiltering{Mode: SingleFilter, Single: "x = 1"}, ""},
		{"one typed is enough", AccountFiltering{Mode: TypedFilters, Partner: "x = 1"}, ""},
	} {
		errs := Settings{Accounts: c.in}.Validate()
		if c.path == "" && len(errs) != 0 {
			t.Errorf("%s: unexpected %v", c.name, errs)
		}
		if c.path != "" && (len(errs) != 1 || len(errs[c.path]) != 1) {
			t.Errorf("%s: got %v, want one error at %s", c.name, errs, c.path)
		}
	}
}

func TestStartAndZoneOfSyncs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ start, zone, path string }{
		{"02:00", "Europe/Berlin", ""}, {"23:59", "Etc/GMT+12", ""}, {"00:00", "UTC", ""}, {"2:00", "UTC", PathStart}, {"24:00", "UTC", PathStart}, {"02:00:00", "UTC", PathStart},
		{"02:00", "Local", PathTimeZone}, {"02:00", "localtime", PathTimeZone}, {"02:00", "posix/Europe/Berlin", PathTimeZone}, {"02:00", "right/Europe/Berlin", PathTimeZone},
		{"02:00", "Factory", PathTimeZone}, {"02:00", "../../etc/passwd", PathTimeZone},
	} {
		s := Defaults()
		s.Accounts.Single, s.Sync.Start, s.Sync.TimeZone = "x = 1", c.start, c.zone
		if errs := s.Validate(); c.path == "" && len(errs) > 0 || c.path != "" && (len(errs) != 1 || len(errs[c.path]) != 1) {
			t.Errorf("%s %s: got %v, want an error at %q", c.start, c.zone, errs, c.path)
		}
	}
}

func TestDiffIgnoresLineEndsAndOuterBlanks(t *testing.T) {
	t.Parallel()
	a := Settings{Accounts: AccountFiltering{Mode: SingleFilter, Single: "A = 1\nAND B = 2"}}
	b := Settings{Accounts: AccountFiltering{Mode: SingleFilter, Single: "  A = 1\r\nAND B = 2\r\n"}}
	if d := Diff(a, b); len(d) != 0 {
		t.Errorf("got %v, want nothing", d)
	}
	b.Accounts.Mode, b.Accounts.Customer = TypedFilters, "A = 1"
	d := Diff(a, b)
	if len(d) != 2 || d[0].Path != PathMode || d[1].Path != PathCustomer || d[1].After != "A = 1" {
		t.Errorf("got %v", d)
	}
}

func TestSectionOf(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]Section{
		PathSingle: SectionFiltering, PathAccountFields: SectionFields, PathTimeZone: SectionFields, PathOwner(CSM): SectionOwners, PathRenewal + PartField: SectionValue,
		PathCustomObject(3) + PartFilter: SectionCustomObjects, PathCasesFilter: SectionCases, PathChatterFields: SectionChatter, PathContactField(1) + PartName: SectionAdvanced,
		string(SectionCustomObjects): SectionCustomObjects, string(SectionFiltering): SectionFiltering, PathNote: "", "nothing": "",
	} {
		if got := SectionOf(path); got != want {
			t.Errorf("%s is of %q, want %q", path, got, want)
		}
	}
}
