package web

import (
	"strings"
	"testing"

	"millrace/db"
	"millrace/pipeline"
)

// TestRemediesFitTheirCauses looks at what a cause's page says to do: it must be able to help against just that.
func TestRemediesFitTheirCauses(t *testing.T) {
	t.Parallel()
	const rights, validate = "Permission Sets", "press Validate"
	for _, c := range []struct {
		name        string
		g           db.ErrorGroup
		says, lacks string
		link        string // the end of one of the links
	}{
		{"a step with a malformed filter", db.ErrorGroup{Kind: db.StepErrors, Subject: "cases", Object: "Case", Cause: "MALFORMED_QUERY"}, validate, rights, "/support-cases"},
		{"of the children of accounts", db.ErrorGroup{Kind: db.StepErrors, Subject: "contacts", Object: "Contact", Cause: "INVALID_QUERY_FILTER_OPERATOR"}, validate, rights, "/account-filtering"},
		{"of a bulk job", db.ErrorGroup{Kind: db.StepErrors, Subject: "accounts:prospect", Object: "Account", Cause: "job_failed", Message: "Salesforce could not prepare the records: MALFORMED_QUERY: unexpected token"},
			validate, rights, "/account-filtering"},
		{"behind an earlier filter", db.ErrorGroup{Kind: db.StepErrors, Subject: "accounts:partner", Object: "Account", Cause: "earlier_filter"}, validate, rights, "/account-filtering"},
		{"a query that is too much", db.ErrorGroup{Kind: db.StepErrors, Subject: "custom:Subscription__c", Object: "Subscription__c", Cause: "QUERY_TOO_COMPLICATED"}, "simpler", rights, "/custom-objects"},
		{"a hidden object", db.ErrorGroup{Kind: db.StepErrors, Subject: "cases", Object: "Case", Cause: "object_missing"}, rights, validate, "/preflight"},
		{"a field that has gone", db.ErrorGroup{Kind: db.StepErrors, Subject: "contacts", Object: "Contact", Cause: "INVALID_FIELD"}, "Set Field-Level Security", validate, "field-doctor?object=Contact"},
		{"a field without which nothing is taken", db.ErrorGroup{Kind: db.StepErrors, Subject: "contacts", Object: "Contact", Cause: "field_required"}, "Set Field-Level Security", validate, "field-doctor?object=Contact"},
		{"trouble of Salesforce's own", db.ErrorGroup{Kind: db.StepErrors, Subject: "cases", Object: "Case", Cause: "API_ERROR", Message: "Salesforce refused the query"}, "Run the sync again", rights, "/preflight"},

		{"a sync with a malformed filter", db.ErrorGroup{Kind: db.RunErrorKind, Subject: "cases", Cause: "MALFORMED_QUERY"}, validate, rights, "/support-cases"},
		{"a sync of everything with one", db.ErrorGroup{Kind: db.RunErrorKind, Subject: "all", Cause: "filter_invalid"}, validate, rights, "/account-filtering"},
		{"a setting", db.ErrorGroup{Kind: db.RunErrorKind, Subject: "all", Cause: "owner_invalid"}, "Correct the setting", validate, "/settings"},
		{"a field that a sync misses", db.ErrorGroup{Kind: db.RunErrorKind, Subject: "chatter", Cause: "INVALID_FIELD"}, "field doctor", "whoever runs Millrace", "/settings/chatter"},
		{"the database", db.ErrorGroup{Kind: db.RunErrorKind, Subject: "all", Cause: "postgres_disk_full"}, "not about Salesforce", validate, ""},
		{"a job that has gone", db.ErrorGroup{Kind: db.RunErrorKind, Subject: "contacts", Cause: "job_gone", Message: "The bulk job no longer exists in Salesforce."}, "Run the sync again", "sentence above", "/preflight"},
		{"a refusal with a word like a code", db.ErrorGroup{Kind: db.RunErrorKind, Subject: "all", Cause: "API_DISABLED_FOR_ORG", Message: "Salesforce refused the request: no API."}, "Run the sync again", "field doctor", "/preflight"},
	} {
		v := groupView(db.Connection{ID: 7}, c.g, true)
		todo := strings.Join(v.Todo, "\n")
		if !strings.Contains(todo, c.says) || strings.Contains(todo, c.lacks) {
			t.Errorf("%s: it says %q", c.name, todo)
		}
		found := c.link == "" && len(v.Links) == 0
		for _, l := range v.Links {
			found = found || c.link != "" && strings.HasSuffix(l.Href, c.link)
		}
		if !found {
			t.Errorf("%s: it leads to %v, not to %q", c.name, v.Links, c.link)
		}
		if v := groupView(db.Connection{ID: 7}, c.g, false); len(v.Links) > 0 {
			t.Errorf("%s: a viewer is led to %v", c.name, v.Links)
		}
	}
}

// TestChatterErrorsLeadToChatter looks at causes of each step of Chatter, also of those that bring its formula fields up to date: they lead to the Chatter settings, name posts and comments as people do, and name
// no place in Setup that does not exist.
func TestChatterErrorsLeadToChatter(t *testing.T) {
	t.Parallel()
	for _, step := range []struct{ name, object, many, one, setup string }{
		{"AccountFeed", "AccountFeed", "3 Chatter posts on accounts", "1 Chatter post on an account", "Setup → Feed Tracking → Account → tick Enable Feed Tracking"},
		{"OpportunityFeed", "OpportunityFeed", "3 Chatter posts on opportunities", "1 Chatter post on an opportunity", "Setup → Feed Tracking → Opportunity → tick Enable Feed Tracking"},
		{"chatter_comments", "FeedComment", "3 Chatter comments", "1 Chatter comment", "Setup → Chatter Settings"},
	} {
		for _, name := range []string{step.name, pipeline.RefreshPrefix + step.name} {
			for _, cause := range []string{"left_out", "object_missing", "INVALID_FIELD", "MALFORMED_QUERY", "QUERY_TIMEOUT", "lookback_invalid"} {
				v := groupView(db.Connection{ID: 7}, db.ErrorGroup{Kind: db.StepErrors, Subject: name, Object: step.object, Label: "Chatter", Cause: cause}, true)
				todo, links := strings.Join(v.Todo, "\n"), ""
				for _, l := range v.Links {
					links += l.Href + " "
				}
				if !strings.Contains(links, "/settings/chatter ") || strings.Contains(links, "account-filtering") {
					t.Errorf("%s, %s: it leads to %s", name, cause, links)
				}
				if unseen := cause == "left_out" || cause == "object_missing" || cause == "INVALID_FIELD"; unseen != strings.Contains(todo, step.setup) {
					t.Errorf("%s, %s: it says %q", name, cause, todo)
				}
				for _, wrong := range []string{"Object Settings → ", "Object Manager → "} {
					if strings.Contains(todo, wrong) {
						t.Errorf("%s, %s: it says %q", name, cause, todo)
					}
				}
			}
		}
		set := step.object // records that could not be stored go by their set
		for n, want := range map[int64]string{3: step.many, 1: step.one} {
			v := groupView(db.Connection{ID: 7}, db.ErrorGroup{Kind: db.RecordErrors, Subject: set, Object: step.object, Cause: "Body", Records: n}, true)
			if v.Title != want+" with a value in Body that cannot be stored" {
				t.Errorf("%s: %q", step.name, v.Title)
			}
			if todo := strings.Join(v.Todo, "\n"); strings.Contains(todo, "Object Manager") {
				t.Errorf("%s: it says %q", step.name, todo)
			}
			if last := v.Links[len(v.Links)-1].Href; !strings.HasSuffix(last, "/settings/chatter") {
				t.Errorf("%s: it leads to %s", step.name, last)
			}
		}
	}
	if got := recordsOf("Opportunity", 1) + ", " + recordsOf("EmailMessage", 1) + ", " + recordsOf("User", 1); got != "1 opportunity, 1 e-mail of a case, 1 Salesforce user" {
		t.Error(got)
	}
}
