package pipeline_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"

	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
	"millrace/settings"
)

// orgSource serves a simulated org and returns the source that reads it.
func orgSource(t *testing.T) (*sim.Org, *remote.Source) {
	t.Helper()
	org, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(org)
	t.Cleanup(server.Close)
	keys := org.Credentials()
	var now salesforce.Token
	app := salesforce.App{LoginURL: server.URL, ClientID: keys.ClientID, ClientSecret: keys.ClientSecret}
	client := salesforce.New(salesforce.Config{
		App: app, Hosts: salesforce.HostPolicy{Extra: []string{server.URL}},
		Token: func(context.Context) (salesforce.Token, error) { return now, nil },
		Refresh: func(context.Context, salesforce.Token, func(context.Context, salesforce.Token) (salesforce.Token, error)) (salesforce.Token, error) {
			return now, errors.New("no refresh here")
		},
	})
	now = directToken(t, server.URL, keys)
	return org, remote.New(client)
}

func schemaOf(t *testing.T, s *remote.Source) soql.Schema {
	t.Helper()
	schema, err := s.Schema(t.Context(), true, pipeline.Objects()...)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestPlan(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	org.HideField("Contact", "Department")
	schema := schemaOf(t, source)
	typed := settings.Settings{Accounts: settings.AccountFiltering{
		Mode: settings.TypedFilters, Customer: "Type = 'Customer'", Partner: "Industry = 'Banking' OR Id = '001D000000IRFma'",
	}}
	plan, err := pipeline.MakePlan(typed, schema, pipeline.EntityAll)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, s := range plan.Steps {
		names = append(names, s.Name)
		if s.Position != i+1 || s.Label == "" {
			t.Errorf("step %+v", s)
		}
		if _, err := source.Count(t.Context(), s.CountQuery); err != nil {
			t.Errorf("%s: the org refuses %s: %v", s.Name, s.CountQuery, err)
		}
		if _, err := source.Rows(t.Context(), s.Query); err != nil {
			t.Errorf("%s: the org refuses %s: %v", s.Name, s.Query, err)
		}
	}
	if got := strings.Join(names, " "); got != "users accounts:customer accounts:partner contacts opportunities" {
		t.Errorf("steps are %s", got)
	}
	contacts := plan.Steps[3]
	for _, part := range []string{"Account.Type = 'Customer'", "Account.Industry = 'Banking'", "AccountId = '001D000000IRFma'", "AccountId != NULL"} {
		if !strings.Contains(contacts.Query, part) {
			t.Errorf("%s lacks %s", contacts.Query, part)
		}
	}
	if !strings.Contains(contacts.Note, "Department") || strings.Contains(contacts.Query, "Department") {
		t.Errorf("the hidden field: %q, %s", contacts.Note, contacts.Query)
	}
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	org.HideObject("Opportunity")
	schema := schemaOf(t, source)
	for filter, code := range map[string]string{"Name = 'x' LIMIT 1": "filter_invalid", "Name = 'x') OR (Id != null": "filter_invalid", "Name != null": "object_missing"} {
		_, err := pipeline.MakePlan(settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: filter}}, schema, pipeline.EntityAll)
		if f := pipeline.FaultOf(err); err == nil || f.Code != code || f.Message == "" {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	_, source := orgSource(t)
	schema := schemaOf(t, source)
	preview := func(text string, prior ...settings.Filter) (pipeline.PreviewResult, error) {
		return pipeline.Preview(t.Context(), source, settings.Filter{Type: settings.Customer, SOQL: text}, schema, prior)
	}
	found, err := preview("Name < 'M'", settings.Filter{Type: settings.Customer, SOQL: "Name < 'C'"})
	if err != nil || found.Count == 0 || len(found.Samples) != 5 || found.Samples[0].ID == "" || found.Samples[0].Name == "" || found.Took <= 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if found.Taken <= 0 || found.Taken >= found.Count {
		t.Errorf("%d of %d are taken by the earlier filter", found.Taken, found.Count)
	}
	if none, err := preview("Name = 'nobody'"); err != nil || none.Count != 0 || len(none.Samples) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	_, err = preview("Name != null\nAND Nmae = 'x'")
	var refused *pipeline.QueryRefused
	if !errors.As(err, &refused) || refused.Pos != (soql.Pos{Offset: 17, Line: 2, Column: 5}) || !strings.Contains(refused.Message, "Nmae") {
		t.Errorf("%#v", err)
	}
}

// TestPlanWithoutWhatIsRequired hides the field without which no contact is taken: contacts are refused, and all else is planned, measured and foretold without them.
func TestPlanWithoutWhatIsRequired(t *testing.T) {
	t.Parallel()
	org, source := orgSource(t)
	org.HideField("Contact", "Email")
	schema := schemaOf(t, source)
	s := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Name != null"}}
	plan, err := pipeline.MakePlan(s, schema, pipeline.EntityAll)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plan.Steps {
		if refused := p.Refusal != nil; refused != (p.Name == "contacts") || refused && (p.Refusal.Code != "field_required" || p.Query != "") {
			t.Errorf("%s: %+v, %s", p.Name, p.Refusal, p.Query)
		}
	}
	sizes, err := pipeline.EstimateSizes(t.Context(), source, s, schema)
	if err != nil || len(sizes.Objects) != 2 {
		t.Errorf("measured %+v: %v", sizes, err)
	}
}
