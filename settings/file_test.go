package settings

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// full has something in every setting.
func full() Settings {
	s := Defaults()
	s.Accounts = AccountFiltering{Mode: TypedFilters, Single: "Name = 'It''s: #1'\nAND ARR__c > 0", Customer: "Type = 'Customer'", Partner: "- x: [1, 2]"}
	s.AccountFields = []string{"Phone", "No"}
	s.Sync.Contacts = Frequency{Off: true, Hours: 4}
	s.Owners.CSM = "CSM__c"
	s.ARR = ValueRule{Mode: CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "Amount__c", Combine: Latest, LatestBy: "End__c", Filter: "Active__c = true"}
	s.CustomObjects = []CustomObject{{Object: "Contract", Name: "Verträge: 2024", Parent: ParentAccount, Match: "AccountId"}, {Object: "Plan__c", Name: "true", Parent: ParentContact, Match: "C__c", To: "Ext__c", Fields: []string{"Name"}}}
	s.Cases = Cases{Enabled: true, LookbackDays: 90, Conversation: EmailMessages, Fields: []string{"Origin"}}
	s.Chatter.Enabled = true
	s.Advanced = Advanced{AccountAllowlist: []string{"Name"}, ContactFields: []FieldMapping{{Field: "Twitter__c", Name: "twitter"}}, ExcludedContact: []string{"Phone"}}
	return s
}

func TestFileRoundTrip(t *testing.T) {
	t.Parallel()
	f := File{Org: "Acme: \"Ltd\" #1", Version: 7, ExportedAt: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC), Settings: full()}
	data, err := f.YAML()
	if err != nil {
		t.Fatal(err)
	}
	got, line, problems := ReadFile(data, Defaults())
	if len(problems) > 0 {
		t.Fatalf("%v in:\n%s", problems, data)
	}
	if want := f.Settings.Normalize(); !reflect.DeepEqual(got.Settings, want) {
		t.Errorf("got %+v\nwant %+v\n%s", got.Settings, want, data)
	}
	if got.Org != f.Org || got.Version != 7 || !got.ExportedAt.Equal(f.ExportedAt) {
		t.Errorf("got %+v", got)
	}
	lines := strings.Split(string(data), "\n")
	for path, want := range map[string]string{PathCustomer: "customer: ", PathCasesLookback: "lookback_days: 90", PathCustomObject(1) + PartMatch: "match: C__c", PathStart: "start: ", "arr.filter": "filter: "} {
		if n := line(path); n < 1 || !strings.Contains(lines[n-1], want) {
			t.Errorf("%s is in line %d: %q", path, n, lines[max(n-1, 0)])
		}
	}
	for path := range fileNotes {
		last := path[strings.LastIndexByte(path, '.')+1:]
		if !strings.Contains(string(data), last+":") {
			t.Errorf("there is a note on %s, which is no key", path)
		}
	}
	for _, note := range fileNotes {
		if !strings.Contains(string(data), "# "+note) {
			t.Errorf("the note %q is not in the file", note)
		}
	}
}

func TestFileKeepsEveryText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := Defaults()
		s.Accounts.Single = rapid.StringOfN(rapid.RuneFrom([]rune("ab \n\t'\"#:-|>{}[]&*!%@`\\é\u2028\u0085,?~=")), 0, 40, -1).Draw(t, "filter")
		if rapid.Bool().Draw(t, "object") {
			s.CustomObjects = []CustomObject{{Object: "X", Name: rapid.SampledFrom([]string{"yes", "0x1F", "1e3", "2024-01-01", "null", "~", "12:30:45", "<<"}).Draw(t, "name")}}
		}
		data, err := File{Settings: s}.YAML()
		if err != nil {
			t.Fatal(err)
		}
		got, _, problems := ReadFile(data, Defaults())
		if len(problems) > 0 || !reflect.DeepEqual(got.Settings, s.Normalize()) {
			t.Fatalf("%v: got %+v from\n%s", problems, got.Settings, data)
		}
	})
}

const fileHead = "format: millrace-settings/1\n"

func TestFileProblemsAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	data := fileHead + `org: Acme
settings:
  accounts:
    mode: single
    singel: Type = 'Customer'
    single: 5
  sync:
    accounts: {hours: often, off: maybe}
  cases: [1]
  account_fields: Phone
  cases: {}
owner: x
`
	_, _, problems := ReadFile([]byte(data), Defaults())
	want := []struct {
		line int
		text string
	}{
		{6, "“singel” is not known here. Known are: mode, single"}, {7, "single must be a text"}, {9, "hours must be a whole number"}, {9, "off must be true or false"},
		{10, "cases must hold keys"}, {11, "account_fields must be a list"}, {12, "cases is given twice"}, {13, "“owner” is not known here"},
	}
	if len(problems) != len(want) {
		t.Fatalf("got %v", problems)
	}
	for _, w := range want {
		found := false
		for _, p := range problems {
			found = found || p.Line == w.line && strings.Contains(p.Text, w.text)
		}
		if !found {
			t.Errorf("line %d: %q is not among %v", w.line, w.text, problems)
		}
	}
}

func TestFileIsRefused(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x, x]\n"
	for i := range 9 {
		bomb += "b" + strconv.Itoa(i) + ": &b" + strconv.Itoa(i) + " [*a, *a, *a, *a]\n"
	}
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "The file is empty"},
		{"only a comment", "# x\n", "The file is empty"},
		{"another file", "a: 1\n", "not a file of Millrace's settings"},
		{"a list", "- a\n", "not a file of Millrace's settings"},
		{"a later format", "format: millrace-settings/2\nsettings: {}\n", "not a file of Millrace's settings"},
		{"no settings", fileHead, "The file holds no settings"},
		{"not YAML", fileHead + "settings: [\n", "This is not YAML"},
		{"a tab", fileHead + "settings:\n\taccounts: {}\n", "The line begins with a tab"},
		{"two documents", fileHead + "settings: {}\n---\nx: 1\n", "This is not YAML"},
		{"broken text", fileHead + "org: \xff\n", "not a text in UTF-8"},
		{"an alias", fileHead + "settings: {account_fields: &a [Phone], advanced: {account_allowlist: *a}}\n", "Anchors (&) and aliases (*) are not allowed"},
		{"a bomb", fileHead + bomb, "Anchors (&) and aliases (*) are not allowed"},
		{"a tag", fileHead + "settings: {accounts: {single: !!binary eHg=}}\n", "Tags (!) are not allowed"},
		{"a merge", fileHead + "settings: {accounts: {<<: {mode: typed}}}\n", "is not known here"},
		{"too deep", fileHead + "settings: " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\n", "nested too deeply"},
		{"very deep", fileHead + "settings: " + strings.Repeat("[", 200000) + "\n", "This is not YAML"},
		{"too many fields", fileHead + "settings: {account_fields: [" + strings.Repeat("A, ", maxNames+1) + "]}\n", "account_fields has 801 entries; 800 is the most"},
		{"too many objects", fileHead + "settings: {custom_objects: [" + strings.Repeat("{}, ", maxCustomObjects+1) + "]}\n", "custom_objects has 101 entries; 100 is the most"},
		{"too large", fileHead + "# " + strings.Repeat("x", MaxFile), "1024 KB is the most"},
	} {
		_, _, problems := ReadFile([]byte(c.data), Defaults())
		if len(problems) == 0 || !strings.Contains(problems[0].Text, c.want) {
			t.Errorf("%s: got %v, want %q", c.name, problems, c.want)
		}
	}
}

func TestWhatAFileLeavesOutStays(t *testing.T) {
	t.Parallel()
	now := full()
	f, line, problems := ReadFile([]byte(fileHead+"settings:\n  accounts:\n    single: A = 1\n  owners:\n"), now)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if changed := Changed(now, f.Settings); !reflect.DeepEqual(changed, []Section{SectionFiltering, SectionOwners}) {
		t.Errorf("%v changed", changed)
	}
	if f.Settings.Accounts.Mode != SingleFilter || f.Settings.Accounts.Customer != "" || f.Settings.Owners.CSM != "" {
		t.Errorf("what is left out within a key is not its default: %+v", f.Settings)
	}
	if line(PathCustomer) != 4 || line(PathCasesLookback) != 0 {
		t.Errorf("lines %d, %d", line(PathCustomer), line(PathCasesLookback))
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add([]byte(fileHead + "settings: {accounts: {mode: single}}\n"))
	f.Add([]byte(fileHead + "settings:\n  custom_objects:\n    - {object: X}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, _, problems := ReadFile(data, Defaults()); len(problems) == 0 {
			if _, err := got.YAML(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
