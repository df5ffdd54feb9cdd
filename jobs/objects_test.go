package jobs

import (
	"errors"
	"testing"

	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
	"millrace/settings"
)

// source returns what previews read from, and the org's schema.
func (s *scene) source(objects ...string) (*remote.Source, soql.Schema) {
	s.t.Helper()
	client, err := s.open(s.t.Context(), s.conn)
	s.must(err)
	source := remote.New(client)
	schema, err := source.Schema(s.t.Context(), true, objects...)
	s.must(err)
	return source, schema
}

func subscriptionObject() settings.CustomObject {
	return settings.CustomObject{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "Account__c"}
}

// TestPreviewsOfObjects counts and samples what the settings of custom objects, cases and Chatter select.
func TestPreviewsOfObjects(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	all := everything()
	all.Accounts.Single = "Industry != null AND Parent.Name = null"
	source, schema := s.source()

	sub := subscriptionObject()
	sub.Filter = "Status__c = 'Active'"
	got, err := pipeline.PreviewCustomObject(t.Context(), source, all, sub, schema)
	s.must(err)
	want := len(s.asked("SELECT Id FROM Subscription__c WHERE Status__c = 'Active' AND Account__r.Industry != null AND Account__r.Parent.Name = null"))
	if int(got.Count) != want || want == 0 || !got.Exact || len(got.Records) != 5 || len(got.Fields) < 10 || got.Unlinked != 0 {
		t.Errorf("%d records, want %d: %+v", got.Count, want, got)
	}
	for _, r := range got.Records {
		if r.ID == "" || r.Name == "" || len(r.Parents) != 1 || r.Parents[0].Name == "" {
			t.Errorf("record %+v", r)
		}
	}
	sub.Filter = "Statuss__c = 'Active'"
	var refused *pipeline.QueryRefused
	if _, err = pipeline.PreviewCustomObject(t.Context(), source, all, sub, schema); !errors.As(err, &refused) || refused.Pos.Column != 1 {
		t.Errorf("a filter with an unknown field: %v", err)
	}
	plan := settings.CustomObject{Object: "Success_Plan__c", Name: "Plans", Parent: settings.ParentContact, Match: "Sponsor__c"}
	got, err = pipeline.PreviewCustomObject(t.Context(), source, all, plan, schema)
	s.must(err)
	want = len(s.asked("SELECT Id FROM Success_Plan__c WHERE Sponsor__r.Account.Industry != null AND Sponsor__r.Account.Parent.Name = null AND Sponsor__r.AccountId != null"))
	if int(got.Count) != want || want == 0 || got.Unlinked <= 0 {
		t.Errorf("%d plans, want %d; %d without a sponsor", got.Count, want, got.Unlinked)
	}

	all.Cases.LookbackDays = 365
	all.Cases.Filter = "Status != 'Closed'"
	cases, err := pipeline.PreviewCases(t.Context(), source, all, schema)
	s.must(err)
	const lately = "Status != 'Closed' AND Account.Industry != null AND Account.Parent.Name = null AND SystemModstamp >= LAST_N_DAYS:365"
	const inCase = "Parent.Status != 'Closed' AND Parent.Account.Industry != null AND Parent.Account.Parent.Name = null AND Parent.SystemModstamp >= LAST_N_DAYS:365"
	if n := len(s.asked("SELECT Id FROM Case WHERE " + lately)); int(cases.Count) != n || n == 0 || len(cases.Samples) == 0 || cases.Samples[0].Subject == "" {
		t.Errorf("%d cases, want %d: %+v", cases.Count, n, cases)
	}
	if n := len(s.asked("SELECT Id FROM CaseComment WHERE " + inCase)); int(cases.Comments) != n || n == 0 {
		t.Errorf("%d comments, want %d", cases.Comments, n)
	}
	if n := len(s.asked("SELECT Id FROM EmailMessage WHERE " + inCase)); int(cases.Emails) != n || n == 0 {
		t.Errorf("%d emails, want %d", cases.Emails, n)
	}

	for _, on := range pipeline.FeedParents {
		posts, err := pipeline.PreviewChatter(t.Context(), source, all, on, schema)
		s.must(err)
		if posts.Count == 0 || len(posts.Samples) == 0 || posts.Samples[0].Body == "" || posts.Missing != "" {
			t.Errorf("%s: %+v", on, posts)
		}
	}
}
