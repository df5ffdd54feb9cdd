package jobs

import (
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// saveAll saves whole settings as the newest version.
func (s *scene) saveAll(all settings.Settings) {
	s.t.Helper()
	base := 0
	if now, err := s.db.CurrentSettings(s.t.Context(), s.conn); err != nil {
		s.t.Fatal(err)
	} else if now != nil {
		base = now.Version
	}
	if _, _, err := s.db.SaveSettings(s.t.Context(), s.conn, base, all, "", s.admin); err != nil {
		s.t.Fatal(err)
	}
}

// everything are settings that sync all accounts.
func everything() settings.Settings {
	return settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: allAccounts}}
}

// further compares the column fields of a table with the org: names are what is asked of the org, by the name under which it is kept.
func (s *scene) further(table, object, where string, names map[string]string) {
	s.t.Helper()
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	query := "SELECT Id, " + strings.Join(slices.Sorted(maps.Keys(names)), ", ") + " FROM " + object + " WHERE " + where
	org := map[string]map[string]any{}
	page, err := client.Query(s.t.Context(), query)
	for ; err == nil; page, err = client.QueryMore(s.t.Context(), page.Next) {
		for _, r := range page.Records {
			values := map[string]any{}
			for field, name := range names {
				if v := r[field]; v != nil && v != "" {
					values[name] = v
				}
			}
			org[r["Id"].(string)] = values
		}
		if page.Done {
			break
		}
	}
	s.must(err)
	var found []struct {
		ID     string `db:"sf_id"`
		Fields string `db:"fields"`
	}
	s.must(s.sql.Select(&found, `SELECT sf_id, fields::text FROM millrace.`+table+` WHERE connection_id = $1 AND left_filter_at IS NULL`, s.conn))
	if len(found) != len(org) || len(org) == 0 {
		s.t.Errorf("%s: %d records here, %d in the org", table, len(found), len(org))
	}
	wrong, values := 0, 0
	for _, f := range found {
		got := map[string]any{}
		d := json.NewDecoder(strings.NewReader(f.Fields))
		d.UseNumber()
		s.must(d.Decode(&got))
		values += len(got)
		if !maps.EqualFunc(got, org[f.ID], sameValue) {
			if wrong++; wrong < 4 {
				s.t.Errorf("%s %s has\n%v, in the org it has\n%v", table, f.ID, got, org[f.ID])
			}
		}
	}
	if values == 0 && len(names) > 0 {
		s.t.Errorf("%s: no further field has a value", table)
	}
}

func sameValue(a, b any) bool {
	x, okX := a.(json.Number)
	y, okY := b.(json.Number)
	if okX && okY {
		p, _ := new(big.Rat).SetString(x.String())
		q, _ := new(big.Rat).SetString(y.String())
		return p != nil && q != nil && p.Cmp(q) == 0
	}
	return a == b
}

var accountExtras = []string{"Health_Score__c", "usage__C", "Is_Reference__c", "Tags__c", "Renewal_Date__c", "ParentId", "BillingStreet", "Industry", "BillingAddress"}

// extrasKept is what becomes of accountExtras: Industry has a column of its own, and an address cannot be kept.
var extrasKept = map[string]string{"Health_Score__c": "Health_Score__c", "Usage__c": "Usage__c", "Is_Reference__c": "Is_Reference__c", "Tags__c": "Tags__c",
	"Renewal_Date__c": "Renewal_Date__c", "ParentId": "ParentId", "BillingStreet": "BillingStreet"}

// TestFurtherFields syncs further fields through both APIs, changes some of them, and takes some away.
func TestFurtherFields(t *testing.T) {
	t.Parallel()
	for mode, limit := range map[string]int64{"rest": 100_000, "bulk": 1} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, sim.Options{Accounts: 130})
			o := s.quick()
			o.Pipeline.RESTLimit = limit
			all := everything()
			all.AccountFields = accountExtras
			all.Advanced.ContactFields = []settings.FieldMapping{{Field: "MailingCity", Name: "city"}, {Field: "Birthdate"}, {Field: "OwnerId", Name: "name"}}
			s.saveAll(all)
			run := s.completed(s.syncWith(o))
			if p := s.step(run, "accounts:customer"); p.Mode != pipeline.Mode(mode) || !strings.Contains(p.Note, "BillingAddress (address)") {
				t.Errorf("%s: %q", p.Mode, p.Note)
			}
			s.further("accounts", "Account", "Id != null", extrasKept)
			s.further("contacts", "Contact", "AccountId != null AND Email != null", map[string]string{"MailingCity": "city", "Birthdate": "Birthdate", "OwnerId": "name"})
			s.equalsOrg("", "AccountId != null")

			ids := s.accountIDs()
			s.must(s.org.Update("Account", ids[0], map[string]any{"Name": "Renamed", "Usage__c": 12.5, "BillingStreet": "1 \"Main\"\tRoad\n\\\x01Back", "Is_Reference__c": true, "Tags__c": nil}))
			run = s.completed(s.syncWith(o))
			s.further("accounts", "Account", "Id != null", extrasKept)
			var changes map[string][2]any
			s.must(json.Unmarshal([]byte(s.changes(run, ids[0])), &changes))
			if changes["Usage__c"][1] != 12.5 || changes["BillingStreet"][1] != "1 \"Main\"\tRoad\r\n\\\x01Back" || changes["name"][1] != "Renamed" || changes["fields"] != [2]any{} {
				t.Errorf("the audit row says %q", changes)
			}
			if p := s.step(run, "accounts:customer"); p.Updated != 1 {
				t.Errorf("%d accounts were updated, want 1", p.Updated)
			}

			s.org.HideField("Account", "Usage__c") // what cannot be read keeps its last value
			s.must(s.org.Update("Account", ids[1], map[string]any{"BillingStreet": "Elsewhere"}))
			all.AccountFields = []string{"BillingStreet", "Usage__c"}
			s.saveAll(all)
			run = s.completed(s.syncWith(o))
			if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE fields ? 'Tags__c'`); n != 0 {
				t.Errorf("%d accounts still have a field that is not synced any more", n)
			}
			if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE fields ? 'Usage__c'`); n == 0 {
				t.Error("a hidden field was emptied")
			}
			if p := s.step(run, "accounts:customer"); !strings.Contains(p.Note, "Usage__c") {
				t.Errorf("the note says %q", p.Note)
			}
			all.AccountFields = nil
			s.saveAll(all)
			s.completed(s.syncWith(o))
			if n := s.count(`SELECT count(*) FROM millrace.accounts WHERE fields <> '{}'`); n != 0 {
				t.Errorf("%d accounts still have further fields", n)
			}
			if run = s.completed(s.syncWith(o)); !strings.HasPrefix(run.Outcome, "Nothing changed") {
				t.Errorf("outcome %q", run.Outcome)
			}
		})
	}
}

// TestAllowlists trims what is synced, and excludes Contact fields.
func TestAllowlists(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	all := everything()
	all.AccountFields = []string{"Tier__c", "Region__c"}
	s.saveAll(all)
	s.completed(s.sync())
	all.Advanced.AccountAllowlist = []string{"website", "Tier__c", "Rating"}
	all.Advanced.OpportunityAllowlist = []string{"StageName", "LeadSource"}
	all.Advanced.ExcludedContact = []string{"Phone", "title"}
	s.saveAll(all)
	s.completed(s.sync())
	s.further("accounts", "Account", "Id != null", map[string]string{"Tier__c": "Tier__c", "Rating": "Rating"})
	s.further("opportunities", "Opportunity", "AccountId != null", map[string]string{"LeadSource": "LeadSource"})
	for query, want := range map[string]bool{
		`SELECT count(*) FROM millrace.accounts WHERE name IS NULL OR owner_id IS NULL OR system_modstamp IS NULL`: false,
		`SELECT count(*) FROM millrace.accounts WHERE industry IS NOT NULL OR description IS NOT NULL`:             false,
		`SELECT count(*) FROM millrace.accounts WHERE domain IS NOT NULL`:                                          true,
		`SELECT count(*) FROM millrace.opportunities WHERE amount IS NOT NULL OR close_date IS NOT NULL`:           false,
		`SELECT count(*) FROM millrace.opportunities WHERE stage IS NOT NULL AND account_id IS NOT NULL`:           true,
		`SELECT count(*) FROM millrace.contacts WHERE phone IS NOT NULL OR title IS NOT NULL`:                      false,
		`SELECT count(*) FROM millrace.contacts WHERE first_name IS NOT NULL`:                                      true,
	} {
		if n := s.count(query); (n > 0) != want {
			t.Errorf("%d from %s", n, query)
		}
	}
	all.Advanced = settings.Advanced{}
	all.AccountFields = nil
	s.saveAll(all)
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}

// TestSwitchedOff leaves what is switched off as it is.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	all := everything()
	s.saveAll(all)
	s.completed(s.sync())
	s.must(s.org.Delete("Account", s.accountIDs()[0]))
	all.Sync.Contacts.Off = true
	s.saveAll(all)
	if steps := s.steps(s.completed(s.sync())); strings.Contains(steps, "Name:contacts") || !strings.Contains(steps, "Name:opportunities") {
		t.Errorf("contacts are off, and the steps are\n%s", steps)
	}
	if n := s.count(`SELECT count(*) FROM millrace.contacts WHERE left_filter_at IS NOT NULL`); n != 0 {
		t.Errorf("%d contacts were marked as having left", n)
	}
	all.Sync.Contacts.Off, all.Sync.Accounts.Off = false, true
	s.saveAll(all)
	run := s.completed(s.sync())
	if steps := s.steps(run); !strings.Contains(steps, "Name:contacts") || strings.Contains(steps, "Name:accounts") || strings.Contains(steps, "Name:opportunities") {
		t.Errorf("accounts are off, and the steps are\n%s", steps)
	}
	if strings.Contains(run.Outcome, "Nothing matched") {
		t.Errorf("outcome %q", run.Outcome)
	}
}

// TestInstantsOfBothAPIs reads further fields that are instants through one API and then through the other, each of which writes them in its own way: nothing has changed.
func TestInstantsOfBothAPIs(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	o := s.quick()
	all := everything()
	all.AccountFields = []string{"CreatedDate"}
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	s.saveAll(all)
	for n, limit := range []int64{1, 100_000, 1} {
		o.Pipeline.RESTLimit = limit
		run := s.completed(s.syncWith(o))
		if s.count(`SELECT count(*) FROM millrace.accounts WHERE fields ? 'CreatedDate'`) == 0 || s.count(`SELECT count(*) FROM millrace.custom_records WHERE fields ? 'CreatedDate'`) == 0 {
			t.Fatal("there are no instants to compare")
		}
		if n > 0 && !strings.HasPrefix(run.Outcome, "Nothing changed") {
			t.Errorf("reading %d: outcome %q; %s", n, run.Outcome, s.changes(run, s.accountIDs()[0]))
		}
	}
}
