package jobs

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// inventActivities makes up the settings of custom objects, support cases and Chatter, and of the accounts that they belong to.
func inventActivities(r *rand.Rand, accountKey string) settings.Settings {
	pick := func(choices ...string) string { return choices[r.IntN(len(choices))] }
	some := func(choices ...string) (out []string) {
		for _, c := range choices {
			if r.IntN(3) == 0 {
				out = append(out, c)
			}
		}
		return out
	}
	accounts := func() string {
		return pick("Id != null", "Industry != null", "Type = 'Customer'", "Parent.Name = null AND Type != null", "(NOT Type = 'Partner') AND Website != null",
			"Id IN (SELECT AccountId FROM Opportunity WHERE IsWon = true)", "Name = 'nobody'", "Owner.IsActive = true")
	}
	s := settings.Defaults()
	s.Accounts.Single = accounts()
	if r.IntN(4) == 0 {
		s.Accounts.Mode, s.Accounts.Customer, s.Accounts.Prospect = settings.TypedFilters, accounts(), pick("", accounts())
	}
	subscriptions := settings.CustomObject{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "Account__c",
		Filter: pick("", "Status__c = 'Active'", "ARR__c > 20000 OR Seats__c < 500", "Account__r.Type = 'Customer'", "Name = 'nobody'", "(NOT Product__c LIKE 'A%')"),
		Fields: some("Product__c", "Seats__c", "ARR__c", "Auto_Renew__c")}
	if r.IntN(3) == 0 {
		subscriptions.Match, subscriptions.To = "Billing_Reference__c", accountKey
	}
	plans := settings.CustomObject{Object: "Success_Plan__c", Name: "Plans", Parent: settings.ParentContact, Match: "Sponsor__c",
		Filter: pick("", "Stage__c = 'Kickoff'", "Target_Date__c > TODAY", "Sponsor__r.Email LIKE '%a%' OR Stage__c != 'Adoption'"), Fields: some("Stage__c", "Objectives__c")}
	if r.IntN(2) == 0 {
		plans.Parent, plans.Match = settings.ParentAccount, "Account__c"
	}
	tasks := settings.CustomObject{Object: "Task", Name: "Tasks", Parent: settings.ParentAccount, Match: "WhatId", Filter: pick("", "Status = 'Completed'"), Fields: []string{"Status"}}
	for _, c := range []settings.CustomObject{subscriptions, plans, tasks} {
		if r.IntN(2) == 0 {
			s.CustomObjects = append(s.CustomObjects, c)
		}
	}
	s.Cases = settings.Cases{Enabled: r.IntN(2) == 0, LookbackDays: []int{1, 7, 30, 120, 365}[r.IntN(5)], Conversation: settings.Conversation(pick("case_comments", "email_messages")),
		Filter: pick("", "Status != 'Closed'", "Priority = 'High' OR IsEscalated = true", "Account.Type = 'Customer'", "Id IN (SELECT ParentId FROM CaseComment WHERE IsPublished = true)",
			"Contact.Email != null AND (NOT Origin = 'Web')"), Fields: some("Reason", "Description")}
	s.Chatter = settings.Chatter{Enabled: r.IntN(4) == 0, Accounts: r.IntN(3) > 0, Opportunities: true, Comments: r.IntN(2) == 0, TrackedChanges: r.IntN(2) == 0,
		AccountFilter: pick("", "Type = 'TextPost'", "LikeCount > 0"), OpportunityFilter: pick("", "CommentCount > 0"), Fields: some("BestCommentId")}
	return s
}

// activities are the previews of what a run is to bring over.
type activities struct {
	objects map[string]pipeline.ObjectPreview
	cases   *pipeline.CasesPreview
	posts   map[pipeline.FeedParent]pipeline.ChatterPreview
}

// preview asks for the previews of what the settings switch on.
func (s *scene) preview(set settings.Settings) activities {
	s.t.Helper()
	out := activities{objects: map[string]pipeline.ObjectPreview{}, posts: map[pipeline.FeedParent]pipeline.ChatterPreview{}}
	source, schema := s.source(pipeline.ObjectsOf(set)...)
	for _, c := range set.CustomObjects {
		found, err := pipeline.PreviewCustomObject(s.t.Context(), source, set, c, schema)
		s.must(err)
		out.objects[c.Object] = found
	}
	if set.Cases.Enabled {
		found, err := pipeline.PreviewCases(s.t.Context(), source, set, schema)
		s.must(err)
		out.cases = &found
	}
	for _, on := range pipeline.FeedParents {
		if set.Chatter.Enabled && (on == pipeline.OnOpportunities || set.Chatter.Accounts) {
			found, err := pipeline.PreviewChatter(s.t.Context(), source, set, on, schema)
			s.must(err)
			out.posts[on] = found
		}
	}
	return out
}

// promises is how many configurations are made up, unless the variable sets another number.
const (
	promises         = 20
	promisesVariable = "MILLRACE_TEST_PROMISES"
)

// TestPreviewsOfActivitiesAreWhatTheSyncDoes makes up configurations. What the previews of custom objects, support cases and Chatter promise must be what the
// next sync does, record by record.
func TestPreviewsOfActivitiesAreWhatTheSyncDoes(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40, Seed: 11, DailyAPILimit: 10_000_000})
	key := s.externalID()
	accounts, subscriptions := s.asked("SELECT Id FROM Account ORDER BY Id LIMIT 12"), s.asked("SELECT Id FROM Subscription__c ORDER BY Id LIMIT 30")
	for i, r := range subscriptions { // most of them of nobody
		s.must(s.org.Update("Subscription__c", field(r, "Id"), map[string]any{"Billing_Reference__c": fmt.Sprintf("Ref-%d", i)}))
	}
	for i, r := range accounts {
		s.must(s.org.Update("Account", field(r, "Id"), map[string]any{key: fmt.Sprintf("REF-%d", i)}))
	}
	s.start(s.quick())
	r := rand.New(rand.NewPCG(3, 5))
	seen := map[string]int{}
	n := int(fromEnv(promisesVariable, promises))
	for i := range n {
		set := inventActivities(r, key)
		promised := s.preview(set)
		s.saveAll(set)
		entities := []pipeline.Entity{pipeline.EntityAll}
		if set.Chatter.Enabled {
			entities = append(entities, pipeline.EntityChatter)
		}
		for _, e := range entities {
			run, _, err := s.db.RequestRun(t.Context(), s.conn, e, db.TriggerManual, &s.admin)
			s.must(err)
			if run = s.until(run.ID, ended); run.State != db.RunCompleted {
				t.Fatalf("%d: the run ended as %s: %s %s\n%+v", i, run.State, run.Outcome, run.Error, set)
			}
		}
		s.keptPromises(set, promised, seen)
		if t.Failed() {
			t.Fatalf("configuration %d: %+v", i, set)
		}
	}
	for _, kind := range []string{"Subscription__c", "Subscription__c by key", "Success_Plan__c of account", "Success_Plan__c of contact", "Task", "cases", "case_comments", "email_messages",
		"account", "opportunity", "comments", "exact", "not exact", "unlinked", "elsewhere", "said to be the most"} {
		if seen[kind] == 0 {
			t.Errorf("no configuration brought %s about", kind)
		}
	}
}

// inStep lists the records of a table that are in step, by id, with the value of a column.
func (s *scene) inStep(query string, args ...any) map[string]string {
	s.t.Helper()
	found, err := s.sql.QueryContext(s.t.Context(), query, args...)
	s.must(err)
	defer found.Close()
	out := map[string]string{}
	for found.Next() {
		var id, value string
		s.must(found.Scan(&id, &value))
		out[id] = value
	}
	s.must(found.Err())
	return out
}

// answers lists what the org answers to a query, by id, with the value of a field.
func (s *scene) answers(query, name string) map[string]string {
	s.t.Helper()
	out := map[string]string{}
	for _, r := range s.asked(query) {
		out[field(r, "Id")] = field(r, name)
	}
	return out
}

// counted fails unless a preview counted as many records as its query selects.
func (s *scene) counted(what string, promised int64, selected int, seen map[string]int) {
	s.t.Helper()
	if promised != int64(selected) {
		s.t.Errorf("%s: the preview counted %d, its query selects %d", what, promised, selected)
	}
	seen[what] += selected
}

// equal fails unless what is stored is what was promised.
func (s *scene) equal(what string, promised, stored map[string]string) {
	s.t.Helper()
	if !maps.Equal(promised, stored) {
		s.t.Errorf("%s: promised %v, stored %v", what, promised, stored)
	}
}

// keptPromises compares previews with what is stored after the sync.
func (s *scene) keptPromises(set settings.Settings, promised activities, seen map[string]int) {
	s.t.Helper()
	accounts := s.inStep(`SELECT sf_id, sf_id FROM millrace.accounts WHERE left_filter_at IS NULL AND deleted_in_salesforce_at IS NULL`)
	contacts := s.inStep(`SELECT sf_id, account_id FROM millrace.contacts WHERE left_filter_at IS NULL AND deleted_in_salesforce_at IS NULL`)
	for _, c := range set.CustomObjects {
		s.keptObject(c, promised.objects[c.Object], accounts, contacts, seen)
	}
	for object := range s.inStep(`SELECT DISTINCT object, object FROM millrace.custom_records WHERE left_filter_at IS NULL`) {
		if !slices.ContainsFunc(set.CustomObjects, func(c settings.CustomObject) bool { return c.Object == object }) {
			s.t.Errorf("records of %s are in step, which is not configured", object)
		}
	}
	if promised.cases != nil {
		s.keptCases(set.Cases, *promised.cases, accounts, seen)
	}
	posts := map[string]string{}
	for on, p := range promised.posts {
		parents := accounts
		if on == pipeline.OnOpportunities {
			parents = s.inStep(`SELECT sf_id, sf_id FROM millrace.opportunities WHERE left_filter_at IS NULL AND deleted_in_salesforce_at IS NULL`)
		}
		want := s.answers(p.Query, "ParentId")
		s.counted(string(on), p.Count, len(want), seen)
		maps.DeleteFunc(want, func(_, parent string) bool { return parents[parent] == "" })
		if p.Exact && int(p.Count) != len(want) {
			s.t.Errorf("%d posts on %s are promised, %d are on one that is here", p.Count, on, len(want))
		}
		s.equal("posts on "+string(on), want, s.inStep(`SELECT sf_id, parent_id FROM millrace.chatter_posts WHERE parent_object = $1 AND left_filter_at IS NULL`, string(on)))
		maps.Copy(posts, want)
	}
	if set.Chatter.Enabled && set.Chatter.Comments {
		want := s.answers("SELECT Id, FeedItemId FROM FeedComment", "FeedItemId")
		maps.DeleteFunc(want, func(_, post string) bool { return posts[post] == "" })
		s.equal("comments on posts", want, s.inStep(`
			SELECT c.sf_id, c.post_id FROM millrace.chatter_comments c JOIN millrace.chatter_posts p ON p.connection_id = c.connection_id AND p.sf_id = c.post_id
			 WHERE c.left_filter_at IS NULL AND p.left_filter_at IS NULL`))
		seen["comments"] += len(want)
	}
}

func (s *scene) keptObject(c settings.CustomObject, p pipeline.ObjectPreview, accounts, contacts map[string]string, seen map[string]int) {
	s.t.Helper()
	selected := s.answers(p.Query, c.Match)
	name := c.Object
	switch {
	case c.To != "":
		name += " by key"
	case c.Object == "Success_Plan__c":
		name += " of " + string(c.Parent)
	}
	s.counted(name, p.Count, len(selected), seen)
	parents, column := accounts, "account_id"
	if c.Parent == settings.ParentContact {
		parents, column = contacts, "contact_id"
	}
	byKey := map[string][]string{}
	if c.To != "" {
		for id, value := range s.answers("SELECT Id, "+c.To+" FROM Account WHERE "+c.To+" != null", c.To) {
			if accounts[id] != "" {
				byKey[strings.ToLower(value)] = append(byKey[strings.ToLower(value)], id)
			}
		}
	}
	want := map[string]string{}
	for id, match := range selected {
		parent := match
		if c.To != "" {
			parent = ""
			if found := byKey[strings.ToLower(match)]; len(found) == 1 {
				parent = found[0]
			}
		}
		if parents[parent] != "" {
			want[id] = parent
		}
	}
	stored := s.inStep(`SELECT sf_id, `+column+` FROM millrace.custom_records WHERE object = $1 AND left_filter_at IS NULL`, c.Object)
	s.equal(name, want, stored)
	if p.Exact && c.Parent == settings.ParentAccount && int(p.Count) != len(stored) {
		s.t.Errorf("%s: %d records are promised to belong to accounts that match, %d are stored", name, p.Count, len(stored))
	}
	kept := s.inStep(`SELECT DISTINCT f, f FROM millrace.custom_records, jsonb_object_keys(fields) f WHERE object = $1 AND left_filter_at IS NULL`, c.Object)
	for f := range kept {
		if !slices.Contains(p.Fields, f) {
			s.t.Errorf("%s: the field %s is stored, the preview names %v", name, f, p.Fields)
		}
	}
	filter := ""
	if c.Filter != "" {
		filter = " AND (" + c.Filter + ")"
	}
	if p.Unlinked > 0 {
		seen["unlinked"]++
		if n := len(s.asked("SELECT Id FROM " + c.Object + " WHERE " + c.Match + " = null" + filter)); int64(n) != p.Unlinked {
			s.t.Errorf("%s: %d records without a parent are promised, there are %d", name, p.Unlinked, n)
		}
	}
	if p.Elsewhere != pipeline.Unknown {
		seen["exact"]++
		seen["elsewhere"] += int(p.Elsewhere)
		if n := len(s.asked("SELECT Id FROM " + c.Object + " WHERE " + c.Match + " != null" + filter)); int64(n)-p.Count != p.Elsewhere {
			s.t.Errorf("%s: %d records of other accounts are promised, there are %d", name, p.Elsewhere, int64(n)-p.Count)
		}
	} else {
		seen["not exact"]++
	}
	for _, sample := range p.Records {
		is, ok := stored[sample.ID]
		if len(sample.Parents) == 1 && (parents[sample.Parents[0].ID] != "") != ok || ok && (len(sample.Parents) != 1 || sample.Parents[0].ID != is) {
			s.t.Errorf("%s: %s is shown below %+v and stored below %q", name, sample.ID, sample.Parents, is)
		}
	}
}

// keptCases compares what is stored of the cases within the lookback, and of their messages.
func (s *scene) keptCases(c settings.Cases, p pipeline.CasesPreview, accounts map[string]string, seen map[string]int) {
	s.t.Helper()
	want := s.answers(p.Query, "AccountId")
	s.counted("cases", p.Count, len(want), seen)
	maps.DeleteFunc(want, func(_, account string) bool { return accounts[account] == "" })
	if int(p.Count) != len(want) && (p.Exact || int(p.Count) < len(want)) {
		s.t.Errorf("%d cases are promised, %d have an account here", p.Count, len(want))
	}
	if !p.MessagesExact {
		seen["said to be the most"]++
	}
	// What is older than the lookback stays as it is; so does what is at its border, where the org counts by days.
	older := s.inStep(`SELECT sf_id, sf_id FROM millrace.cases WHERE system_modstamp < now() - make_interval(days => $1) + interval '2 hours'`, c.LookbackDays)
	stored := s.inStep(`SELECT sf_id, account_id FROM millrace.cases WHERE left_filter_at IS NULL`)
	maps.DeleteFunc(stored, func(id, _ string) bool { return older[id] != "" && want[id] == "" })
	s.equal("cases", want, stored)

	messages, source, promised := s.answers("SELECT Id, ParentId FROM CaseComment", "ParentId"), "comment", p.Comments
	if c.Conversation == settings.EmailMessages {
		messages, source, promised = s.answers("SELECT Id, ParentId FROM EmailMessage WHERE Status != '5'", "ParentId"), "email", p.Emails
	}
	maps.DeleteFunc(messages, func(_, parent string) bool { return want[parent] == "" })
	if p.MessagesExact {
		s.counted(string(c.Conversation), promised, len(messages), seen)
	} else if int(promised) < len(messages) {
		s.t.Errorf("at most %d messages are promised, there are %d", promised, len(messages))
	}
	here := s.inStep(`SELECT sf_id, case_id FROM millrace.case_messages WHERE source = $1 AND left_filter_at IS NULL`, source)
	maps.DeleteFunc(here, func(_, parent string) bool { return older[parent] != "" && want[parent] == "" })
	s.equal("messages", messages, here)
}
