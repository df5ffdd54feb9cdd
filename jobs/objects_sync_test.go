package jobs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// copied reads columns of the records of a table that are in the filter, as text by record id.
func (s *scene) copied(table, where string, columns ...string) rows {
	s.t.Helper()
	pairs := ""
	for _, c := range columns {
		name := c[strings.LastIndex(c, " ")+1:]
		expr := strings.TrimSuffix(c, " AS "+name)
		pairs += fmt.Sprintf(", '%s', (%s)::text", name, expr)
	}
	found, err := s.sql.Queryx(`SELECT sf_id, jsonb_strip_nulls(jsonb_build_object(` + pairs[2:] + `))::text FROM millrace.` + table + ` WHERE left_filter_at IS NULL` + where)
	s.must(err)
	defer found.Close()
	out := rows{}
	for found.Next() {
		var id, body string
		s.must(found.Scan(&id, &body))
		values := map[string]string{}
		s.must(json.Unmarshal([]byte(body), &values))
		out[id] = values
	}
	return out
}

// inOrgAs reads records from the org as copied does: names maps columns to fields, or to paths of fields.
func (s *scene) inOrgAs(object, where string, names map[string]string) rows {
	s.t.Helper()
	list := "Id"
	for _, path := range names {
		if !strings.Contains(","+list+",", ","+path+",") {
			list += "," + path
		}
	}
	query := "SELECT " + list + " FROM " + object
	if where != "" {
		query += " WHERE " + where
	}
	out := rows{}
	for _, r := range s.asked(query) {
		values := map[string]string{}
		for column, path := range names {
			var at any = map[string]any(r)
			for _, part := range strings.Split(path, ".") {
				m, _ := at.(map[string]any)
				at = m[part]
			}
			if at != nil && at != "" {
				values[column] = fmt.Sprint(at)
			}
		}
		out[field(r, "Id")] = values
	}
	return out
}

const isoTime = `to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+0000"')`

// TestCustomObjects brings objects over under accounts, under contacts and by an External ID, as the org and the settings change.
func TestCustomObjects(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	all := everything()
	all.Accounts.Single = "Industry != null"
	sub := subscriptionObject()
	plan := settings.CustomObject{Object: "success_plan__c", Name: "Plans", Parent: settings.ParentContact, Match: "Sponsor__c", Fields: []string{"Stage__c"}}
	all.CustomObjects = []settings.CustomObject{sub, plan}
	s.saveAll(all)
	run := s.completed(s.sync())
	subscriptions := func(where string) {
		t.Helper()
		names := map[string]string{"account_id": "Account__c", "name": "Name", "product": "Product__c", "seats": "Seats__c", "start": "Start_Date__c"}
		same(t, "Subscriptions", s.inOrgAs("Subscription__c", where, names),
			s.copied("custom_records", " AND object = 'Subscription__c'", "account_id", "name", "fields ->> 'Product__c' AS product",
				"fields ->> 'Seats__c' AS seats", "fields ->> 'Start_Date__c' AS start"))
	}
	plans := func() {
		t.Helper()
		names := map[string]string{"contact_id": "Sponsor__c", "account_id": "Sponsor__r.AccountId", "name": "Name", "stage": "Stage__c"}
		same(t, "Plans", s.inOrgAs("Success_Plan__c", "Sponsor__r.Account.Industry != null AND Sponsor__r.Email != null AND Sponsor__r.AccountId != null", names),
			s.copied("custom_records", " AND object = 'Success_Plan__c'", "contact_id", "account_id", "name", "fields ->> 'Stage__c' AS stage"))
		if n := s.count(`SELECT count(*) FROM millrace.custom_records WHERE object = 'Success_Plan__c' AND fields ? 'Target_Date__c'`); n != 0 {
			t.Errorf("%d plans have a field that was not chosen", n)
		}
	}
	subscriptions("Account__r.Industry != null")
	plans()
	if p := s.step(run, "custom:Subscription__c"); p.Created == 0 || p.Created != p.Read || p.Label != "Subscriptions" {
		t.Errorf("step %+v", p)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE entity = 'Subscription__c' AND action = 'created'`); n != s.step(run, "custom:Subscription__c").Created {
		t.Errorf("%d audit rows", n)
	}

	// The org changes.
	some := s.asked("SELECT Id, Account__c FROM Subscription__c WHERE Account__r.Industry != null ORDER BY Id LIMIT 3")
	s.must(s.org.Update("Subscription__c", field(some[0], "Id"), map[string]any{"Seats__c": 12345}))
	s.must(s.org.Delete("Subscription__c", field(some[1], "Id")))
	s.must(s.org.Update("Subscription__c", field(some[2], "Id"), map[string]any{"Account__c": field(some[0], "Account__c")}))
	run = s.completed(s.sync())
	subscriptions("Account__r.Industry != null")
	if p := s.step(run, "custom:Subscription__c"); p.Updated < 1 || p.Updated > 2 || p.LeftFilter != 1 || p.Deleted != 1 {
		t.Errorf("step %+v", p)
	}
	if run = s.completed(s.sync()); !strings.HasPrefix(run.Outcome, "Nothing changed") {
		t.Errorf("outcome %q", run.Outcome)
	}

	// A filter, then no such object any more, then the object again.
	all.CustomObjects[0].Filter = "Status__c = 'Active'"
	s.saveAll(all)
	s.completed(s.sync())
	subscriptions("Account__r.Industry != null AND Status__c = 'Active'")
	here := s.count(`SELECT count(*) FROM millrace.custom_records WHERE object = 'Subscription__c' AND left_filter_at IS NULL`)
	all.CustomObjects = all.CustomObjects[1:]
	s.saveAll(all)
	run = s.completed(s.sync())
	if n := s.count(`SELECT count(*) FROM millrace.custom_records WHERE object = 'Subscription__c' AND left_filter_at IS NULL`); n != 0 {
		t.Errorf("%d records of a removed object are in the filter", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND entity = 'Subscription__c' AND action = 'left'`, run.ID); n != here || here == 0 {
		t.Errorf("%d audit rows of %d records", n, here)
	}
	plans()
	all.CustomObjects = append(all.CustomObjects, sub)
	s.saveAll(all)
	s.completed(s.sync())
	subscriptions("Account__r.Industry != null")

	// What the org does not have any more stays as it was, and the step says so.
	before := s.count(`SELECT count(*) FROM millrace.custom_records WHERE left_filter_at IS NULL`)
	s.org.HideObject("Subscription__c")
	s.client = nil
	run = s.completed(s.sync())
	if note := s.step(run, "custom:Subscription__c").Note; !strings.Contains(note, "cannot see the object Subscription__c") {
		t.Errorf("the note says %q", note)
	}
	if after := s.count(`SELECT count(*) FROM millrace.custom_records WHERE left_filter_at IS NULL`); after != before {
		t.Errorf("%d records, there were %d", after, before)
	}
}

// TestCustomObjectByExternalID matches records with accounts by a text, which Salesforce itself cannot follow.
func TestCustomObjectByExternalID(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	key := s.externalID()
	all := everything()
	all.Advanced.AccountAllowlist = []string{"Industry"}
	all.CustomObjects = []settings.CustomObject{{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "Billing_Reference__c", To: key}}
	var accounts []string
	for _, r := range s.asked("SELECT Id FROM Account ORDER BY Id LIMIT 3") {
		accounts = append(accounts, field(r, "Id"))
	}
	matched := s.asked("SELECT Id FROM Subscription__c ORDER BY Id LIMIT 4")
	for i, ref := range []string{"Ref-1", "Ref-3", "Ref-2", "nobody"} {
		s.must(s.org.Update("Subscription__c", field(matched[i], "Id"), map[string]any{"Billing_Reference__c": ref}))
	}
	s.must(s.org.Update("Account", accounts[0], map[string]any{key: "ref-1"}))
	s.must(s.org.Update("Account", accounts[1], map[string]any{key: "Ref-2"}))
	s.saveAll(all)
	run := s.completed(s.sync())
	want := rows{field(matched[0], "Id"): {"account_id": accounts[0]}, field(matched[2], "Id"): {"account_id": accounts[1]}}
	same(t, "Subscriptions", want, s.copied("custom_records", "", "account_id"))
	if p := s.step(run, "custom:Subscription__c"); p.Elsewhere != p.Read-2 {
		t.Errorf("step %+v", p)
	}
	// Another account gets the record.
	s.must(s.org.Update("Account", accounts[1], map[string]any{key: nil}))
	s.must(s.org.Update("Account", accounts[2], map[string]any{key: "REF-2"}))
	s.completed(s.sync())
	want[field(matched[2], "Id")]["account_id"] = accounts[2]
	same(t, "Subscriptions", want, s.copied("custom_records", "", "account_id"))
}

// externalID returns a text field of Account that is marked as External ID.
func (s *scene) externalID() string {
	s.t.Helper()
	_, schema := s.source("Account")
	for _, f := range schema.Object("Account").Fields {
		if pipeline.ExternalID(f) == "" {
			return f.Name
		}
	}
	s.t.Fatal("no External ID on Account")
	return ""
}

// TestLinkOfAnotherKind links custom objects otherwise than before: by a lookup instead of an External ID, and to accounts instead of contacts. Nothing of the old link stays.
func TestLinkOfAnotherKind(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 60})
	key := s.externalID()
	all := everything()
	all.CustomObjects = []settings.CustomObject{
		{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "Billing_Reference__c", To: key},
		{Object: "Success_Plan__c", Name: "Plans", Parent: settings.ParentContact, Match: "Sponsor__c"},
	}
	subscription := s.asked("SELECT Id, Account__c FROM Subscription__c ORDER BY Id LIMIT 1")[0]
	s.must(s.org.Update("Subscription__c", field(subscription, "Id"), map[string]any{"Billing_Reference__c": "Ref-1"}))
	s.must(s.org.Update("Account", field(subscription, "Account__c"), map[string]any{key: "ref-1"}))
	s.saveAll(all)
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	const (
		here = `SELECT count(*) FROM millrace.custom_records WHERE left_filter_at IS NULL AND object = `
		plan = here + `'Success_Plan__c' AND contact_id IS NOT NULL`
		sold = here + `'Subscription__c' AND parent_key IS NOT NULL`
	)
	if n, m := s.count(plan), s.count(sold); n == 0 || m != 1 {
		t.Fatalf("%d plans have a contact and %d subscriptions a key", n, m)
	}
	all.CustomObjects = []settings.CustomObject{
		{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: "Account__c"},
		{Object: "Success_Plan__c", Name: "Plans", Parent: settings.ParentAccount, Match: "Account__c"},
	}
	s.saveAll(all)
	s.org.Advance(time.Hour)
	runs.run(pipeline.EntityAll, false)
	if n, m := s.count(plan), s.count(sold); n != 0 || m != 0 {
		t.Errorf("%d plans that are linked to accounts have a contact, and %d subscriptions that are linked by a lookup a key", n, m)
	}
	if n, m := s.count(here+`'Success_Plan__c' AND account_id IS NOT NULL`), s.count(here+`'Subscription__c' AND account_id IS NOT NULL`); n == 0 || m < 2 {
		t.Errorf("%d plans and %d subscriptions have an account", n, m)
	}
}

// TestCases brings cases and their conversations over.
func TestCases(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	all := everything()
	all.Accounts.Single = "Industry != null"
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 200, Conversation: settings.CaseComments, Filter: "Priority != 'Low'", Fields: []string{"Reason"}}
	s.saveAll(all)
	s.completed(s.sync())
	const mine = "Priority != 'Low' AND Account.Industry != null AND SystemModstamp >= LAST_N_DAYS:200"
	const ofMine = "Parent.Priority != 'Low' AND Parent.Account.Industry != null AND Parent.SystemModstamp >= LAST_N_DAYS:200"
	caseNames := map[string]string{"account_id": "AccountId", "contact_id": "ContactId", "owner_id": "OwnerId", "case_number": "CaseNumber", "subject": "Subject",
		"status": "Status", "priority": "Priority", "sf_type": "Type", "origin": "Origin", "is_closed": "IsClosed", "is_escalated": "IsEscalated",
		"created": "CreatedDate", "closed": "ClosedDate", "reason": "Reason"}
	cases := func() rows {
		return s.copied("cases", "", "account_id", "contact_id", "owner_id", "case_number", "subject", "status", "priority", "sf_type", "origin", "is_closed",
			"is_escalated", fmt.Sprintf(isoTime, "created_at")+" AS created", fmt.Sprintf(isoTime, "closed_at")+" AS closed", "fields ->> 'Reason' AS reason")
	}
	want := s.inOrgAs("Case", mine, caseNames)
	if len(want) < 20 {
		t.Fatalf("the org has %d cases to compare with", len(want))
	}
	same(t, "Cases", want, cases())
	comments := s.inOrgAs("CaseComment", ofMine, map[string]string{"case_id": "ParentId", "account_id": "Parent.AccountId", "body": "CommentBody", "is_published": "IsPublished", "author_id": "CreatedById", "sent": "CreatedDate"})
	same(t, "Comments", comments, s.copied("case_messages", "", "case_id", "account_id", "body", "is_published", "author_id", fmt.Sprintf(isoTime, "sent_at")+" AS sent"))
	if len(comments) == 0 {
		t.Error("no comments")
	}
	const english = `EXISTS (SELECT FROM millrace.case_messages m WHERE m.case_id = c.sf_id
		AND btrim(replace(replace(m.body, 'Der Fehler tritt weiterhin auf.', ''), 'Merci beaucoup, tout fonctionne.', '')) <> '')`
	if n := s.count(`SELECT count(*) FROM millrace.cases c WHERE (sentiment IS NOT NULL) <> ` + english); n != 0 {
		t.Errorf("%d cases have no sentiment, or one without a conversation in English", n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.cases c WHERE sentiment_method IS NOT NULL AND NOT ` + english); n == 0 {
		t.Error("there is no conversation in another language")
	}
	if n := s.count(`SELECT count(DISTINCT sentiment_label) FROM millrace.cases`); n < 2 {
		t.Errorf("%d kinds of sentiment", n)
	}

	// A case is worked on, one closes beyond the filter, one is deleted; an angry comment changes how one sounds.
	ids := s.asked("SELECT Id FROM Case WHERE " + mine + " ORDER BY Id LIMIT 4")
	s.must(s.org.Update("Case", field(ids[0], "Id"), map[string]any{"Subject": "Another subject"}))
	s.must(s.org.Update("Case", field(ids[1], "Id"), map[string]any{"Priority": "Low"}))
	s.must(s.org.Delete("Case", field(ids[2], "Id")))
	for range 9 {
		_, err := s.org.Insert("CaseComment", map[string]any{"ParentId": field(ids[3], "Id"), "CommentBody": "This is terrible, horrible and a disaster. I hate it!"})
		s.must(err)
	}
	run := s.completed(s.sync())
	same(t, "Cases", s.inOrgAs("Case", mine, caseNames), cases())
	if p := s.step(run, "cases"); p.LeftFilter != 2 || p.Updated < 1 {
		t.Errorf("step %+v", p)
	}
	if n := s.count(`SELECT count(*) FROM millrace.cases WHERE sf_id = $1 AND sentiment_label = 'negative' AND sentiment_run = $2`, field(ids[3], "Id"), run.ID); n != 1 {
		t.Error("the angry conversation does not sound negative")
	}
	if n := s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_run = $1`, run.ID); n > 4 {
		t.Errorf("%d sentiments were worked out anew", n)
	}

	// A shorter lookback leaves older cases as they are.
	here, talk := s.count(`SELECT count(*) FROM millrace.cases WHERE left_filter_at IS NULL`), s.count(`SELECT count(*) FROM millrace.case_messages WHERE left_filter_at IS NULL`)
	all.Cases.LookbackDays = 20
	s.saveAll(all)
	run = s.completed(s.sync())
	if p := s.step(run, "cases"); p.Read >= here || p.LeftFilter != 0 {
		t.Errorf("step %+v", p)
	}
	if n := s.count(`SELECT count(*) FROM millrace.cases WHERE left_filter_at IS NULL`); n != here {
		t.Errorf("%d cases, there were %d", n, here)
	}
	if n := s.count(`SELECT count(*) FROM millrace.case_messages WHERE left_filter_at IS NULL`); n != talk {
		t.Errorf("%d messages, there were %d", n, talk)
	}

	// The other source.
	all.Cases.LookbackDays, all.Cases.Conversation = 200, settings.EmailMessages
	s.saveAll(all)
	s.completed(s.sync())
	emails := s.inOrgAs("EmailMessage", ofMine+" AND Status != '5'", map[string]string{"case_id": "ParentId", "account_id": "Parent.AccountId", "subject": "Subject", "body": "TextBody",
		"from_address": "FromAddress", "is_incoming": "Incoming", "reply_to_id": "ReplyToEmailMessageId"})
	same(t, "Emails", emails, s.copied("case_messages", "", "case_id", "account_id", "subject", "body", "from_address", "is_incoming", "reply_to_id"))
	if len(emails) == 0 || s.count(`SELECT count(*) FROM millrace.case_messages WHERE source = 'comment' AND left_filter_at IS NULL`) != 0 {
		t.Errorf("%d emails; or comments are still here", len(emails))
	}
}

// TestChatterLookback reads the posts of some days only, then all of them, then fewer: what is here stays, except what was deleted, whose comments leave with it.
func TestChatterLookback(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	all := everything()
	runs := s.running(s.incremental())
	chatter := func(days int) map[string]db.Check {
		t.Helper()
		all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true, LookbackDays: days}
		s.saveAll(all)
		return s.checks(runs.run(pipeline.EntityChatter, false))
	}
	s.saveAll(all)
	runs.run(pipeline.EntityAll, false)
	inOrg := func(where string) (n int) {
		return len(s.asked("SELECT Id FROM AccountFeed WHERE Type != 'TrackedChange'"+where)) + len(s.asked("SELECT Id FROM OpportunityFeed WHERE Type != 'TrackedChange'"+where))
	}
	here := func(want int) {
		t.Helper()
		if n := s.count(`SELECT count(*) FROM millrace.chatter_posts WHERE left_filter_at IS NULL`); n != int64(want) {
			t.Errorf("%d posts are here, should be %d", n, want)
		}
		if n := s.count(`SELECT count(*) FROM millrace.chatter_posts p WHERE comment_count <> (SELECT count(*) FROM millrace.chatter_comments c WHERE c.post_id = p.sf_id AND c.left_filter_at IS NULL) AND left_filter_at IS NULL`); n != 0 {
			t.Errorf("%d posts are here without their comments", n)
		}
	}
	lately, ever := inOrg(" AND SystemModstamp >= LAST_N_DAYS:365"), inOrg("")
	if lately == 0 || lately == ever {
		t.Fatalf("%d of %d posts are of the last year", lately, ever)
	}
	complete := func(checks map[string]db.Check) {
		t.Helper()
		for _, name := range []string{"AccountFeed", "OpportunityFeed"} {
			if c := checks[name]; c.Unexplained == nil || *c.Unexplained != 0 {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
	complete(chatter(365))
	here(lately)
	complete(chatter(0))
	here(ever)
	old := textOf(s, `SELECT sf_id FROM millrace.chatter_posts WHERE comment_count > 0 AND system_modstamp < now() - interval '2 years' ORDER BY sf_id LIMIT 1`)
	s.must(s.org.Delete("FeedItem", old))
	complete(chatter(30))
	here(ever - 1)
	if n := s.count(`SELECT count(*) FROM millrace.chatter_comments WHERE post_id = $1 AND left_filter_at IS NULL`, old); n != 0 {
		t.Errorf("%d comments of the post that was deleted are here", n)
	}
	fresh, err := s.org.Insert("FeedItem", map[string]any{"ParentId": textOf(s, `SELECT min(sf_id) FROM millrace.accounts`), "Body": "Hello"})
	s.must(err)
	complete(s.checks(runs.run(pipeline.EntityChatter, false)))
	here(ever)
	if n := s.count(`SELECT count(*) FROM millrace.chatter_posts WHERE sf_id = $1`, fresh); n != 1 {
		t.Error("the post that was just written is missing")
	}
}

// TestChatter brings posts and comments over.
func TestChatter(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 130})
	all := everything()
	all.Accounts.Single = "Industry != null"
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true, AccountFilter: "Type != 'LinkPost'"}
	s.saveAll(all)
	s.completed(s.sync())
	if n := s.count(`SELECT count(*) FROM millrace.chatter_posts`); n != 0 {
		t.Errorf("a run of everything has brought %d posts", n)
	}
	chatter := func() db.Run {
		t.Helper()
		run, _, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityChatter, db.TriggerManual, &s.admin)
		s.must(err)
		stop := s.start(s.quick())
		defer stop()
		return s.completed(s.until(run.ID, ended))
	}
	run := chatter()
	names := map[string]string{"parent_id": "ParentId", "post_type": "Type", "title": "Title", "body": "Body", "author_id": "CreatedById", "likes": "LikeCount", "posted": "CreatedDate"}
	check := func(accountWhere string) {
		t.Helper()
		want := s.inOrgAs("AccountFeed", accountWhere+"Parent.Industry != null AND Type != 'TrackedChange'", names)
		for id, v := range s.inOrgAs("OpportunityFeed", "Parent.Account.Industry != null AND Type != 'TrackedChange'", names) {
			want[id] = v
		}
		same(t, "Posts", want, s.copied("chatter_posts", "", "parent_id", "post_type", "title", "body", "author_id", "like_count AS likes", fmt.Sprintf(isoTime, "posted_at")+" AS posted"))
		talk := rows{}
		for id, v := range s.inOrgAs("FeedComment", "", map[string]string{"post_id": "FeedItemId", "body": "CommentBody", "author_id": "CreatedById"}) {
			if want[v["post_id"]] != nil {
				talk[id] = v
			}
		}
		same(t, "Comments", talk, s.copied("chatter_comments", "", "post_id", "body", "author_id"))
		if len(talk) == 0 {
			t.Error("no comments")
		}
	}
	check("Type != 'LinkPost' AND ")
	if p := s.step(run, "AccountFeed"); p.Mode != pipeline.REST {
		t.Errorf("step %+v", p)
	}
	post := s.asked("SELECT Id, CreatedById FROM AccountFeed WHERE Parent.Industry != null AND Type = 'TextPost' ORDER BY Id LIMIT 2")
	s.must(s.org.Delete("FeedItem", field(post[0], "Id")))
	_, err := s.org.Insert("FeedComment", map[string]any{"FeedItemId": field(post[1], "Id"), "CommentBody": "A new comment"})
	s.must(err)
	all.Chatter.AccountFilter = ""
	s.saveAll(all)
	chatter()
	check("")
	if run = chatter(); !strings.HasPrefix(run.Outcome, "Nothing changed") {
		t.Errorf("outcome %q", run.Outcome)
	}
	all.Chatter.Opportunities = false
	s.saveAll(all)
	chatter()
	if n := s.count(`SELECT count(*) FROM millrace.chatter_posts WHERE parent_object = 'opportunity' AND left_filter_at IS NULL`); n != 0 {
		t.Errorf("%d posts on opportunities are still here", n)
	}
	s.org.HideObject("AccountFeed")
	s.client = nil
	run = chatter()
	if note := s.step(run, "AccountFeed").Note; !strings.Contains(note, "feed tracking is switched off") {
		t.Errorf("the note says %q", note)
	}
}

// TestObjectsSurviveKills kills processes in the middle of a custom object and of the comments on posts; nothing is lost, and nothing audited twice.
func TestObjectsSurviveKills(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 4000, DailyAPILimit: 10_000_000})
	all := everything()
	all.Sync.Contacts.Off = true
	all.CustomObjects = []settings.CustomObject{subscriptionObject()}
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Comments: true}
	s.saveAll(all)
	killed := func(run db.Run, slow sim.Fault, steps ...string) db.Run {
		t.Helper()
		slow.Count = -1
		s.org.Fail(slow)
		for i, step := range steps {
			process := s.spawn()
			s.until(run.ID, func(r db.Run) bool {
				return ended(r) || r.Attempt == i+1 && s.count(`SELECT count(*) FROM millrace.run_steps WHERE run_id = $1 AND name = $2 AND state = 'running' AND read > 0`, run.ID, step) > 0
			})
			s.must(process.Kill())
		}
		s.org.ClearFaults(0)
		last := s.spawn()
		done := s.completed(s.until(run.ID, ended))
		s.must(last.Kill())
		if done.Attempt <= len(steps) {
			t.Errorf("%d claims", done.Attempt)
		}
		return done
	}
	run := killed(s.request(), sim.Fault{Match: anyResults, SlowBytesPerSecond: 700_000}, "custom:Subscription__c", "custom:Subscription__c")
	same(t, "Subscriptions", s.inOrgAs("Subscription__c", "Account__c != null", map[string]string{"account_id": "Account__c", "name": "Name"}), s.copied("custom_records", "", "account_id", "name"))
	request, _, err := s.db.RequestRun(t.Context(), s.conn, pipeline.EntityChatter, db.TriggerManual, &s.admin)
	s.must(err)
	chatter := killed(request, sim.Fault{Match: "/services/data/*/query", SlowBytesPerSecond: 1_000_000}, "chatter_comments", "chatter_comments")
	names := map[string]string{"post_id": "FeedItemId", "body": "CommentBody"}
	want := s.inOrgAs("FeedComment", "", names)
	here := s.copied("chatter_posts", "", "post_type")
	for id, v := range want {
		if here[v["post_id"]] == nil {
			delete(want, id)
		}
	}
	same(t, "Comments", want, s.copied("chatter_comments", "", "post_id", "body"))
	if p := s.step(chatter, "chatter_comments"); p.Read != int64(len(want)) || p.Created != p.Read {
		t.Errorf("step %+v, want %d", p, len(want))
	}
	if n := s.count(`SELECT count(*) FROM (SELECT FROM millrace.audit_log WHERE run_id IN ($1, $2) AND action = 'created' GROUP BY entity, sf_id HAVING count(*) > 1) twice`, run.ID, chatter.ID); n != 0 {
		t.Errorf("%d records are audited twice", n)
	}
}

// TestCommentsFollowTheirPosts switches one kind of posts off: the comments on them leave with the same run, whether it reads changes or everything, and come back with the posts.
func TestCommentsFollowTheirPosts(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 30})
	all := everything()
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true}
	s.saveAll(all)
	post := s.asked("SELECT Id FROM OpportunityFeed WHERE Type = 'TextPost' ORDER BY Id LIMIT 1")
	_, err := s.org.Insert("FeedComment", map[string]any{"FeedItemId": field(post[0], "Id"), "CommentBody": "On an opportunity"})
	s.must(err)
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	const astray = `SELECT count(*) FROM millrace.chatter_comments c WHERE left_filter_at IS NULL
	                   AND NOT EXISTS (SELECT FROM millrace.chatter_posts p WHERE p.sf_id = c.post_id AND p.left_filter_at IS NULL)`
	here := s.count(`SELECT count(*) FROM millrace.chatter_comments WHERE left_filter_at IS NULL`)
	for _, whole := range []bool{false, true} {
		all.Chatter.Opportunities = false
		s.saveAll(all)
		runs.run(pipeline.EntityChatter, whole)
		if n := s.count(astray); n != 0 {
			t.Errorf("whole %t: %d comments are in step although their posts are not", whole, n)
		}
		if n := s.count(`SELECT count(*) FROM millrace.chatter_comments WHERE left_filter_at IS NULL`); n == here || n == 0 {
			t.Errorf("whole %t: of %d comments %d are in step", whole, here, n)
		}
		all.Chatter.Opportunities = true
		s.saveAll(all)
		runs.run(pipeline.EntityChatter, false)
		if n := s.count(`SELECT count(*) FROM millrace.chatter_comments WHERE left_filter_at IS NULL`); n != here {
			t.Errorf("whole %t: there were %d comments, now %d", whole, here, n)
		}
	}
	all.Chatter.Comments = false
	s.saveAll(all)
	runs.run(pipeline.EntityChatter, false)
	if n := s.count(`SELECT count(*) FROM millrace.chatter_comments WHERE left_filter_at IS NULL`); n != 0 {
		t.Errorf("%d comments are in step although comments are switched off", n)
	}
	all.Chatter.Comments = true
	s.saveAll(all)
	runs.run(pipeline.EntityChatter, false)
	if n := s.count(`SELECT count(*) FROM millrace.chatter_comments WHERE left_filter_at IS NULL`); n != here {
		t.Errorf("of %d comments %d are back", here, n)
	}
}

// TestCommentsThatTheirPostsDoNotTellOf has comments that change while nothing about their post does: one is edited, and one makes place for another, so that there are as many as before. Where Salesforce
// does not list comments, the next read of everything finds it.
func TestCommentsThatTheirPostsDoNotTellOf(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 12})
	all := everything()
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Comments: true}
	s.saveAll(all)
	post, err := s.org.Insert("FeedItem", map[string]any{"ParentId": slices.Min(s.inOrgIDs("Account")), "Body": "Hello"})
	s.must(err)
	comment := func(text string) string {
		id, err := s.org.Insert("FeedComment", map[string]any{"FeedItemId": post, "CommentBody": text})
		s.must(err)
		return id
	}
	edited, gone := comment("as it was"), comment("gone soon")
	runs := s.running(s.incremental())
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	check := func(want ...string) {
		t.Helper()
		var here []string
		s.must(s.sql.Select(&here, `SELECT body FROM millrace.chatter_comments WHERE post_id = $1 AND left_filter_at IS NULL ORDER BY body`, post))
		if !slices.Equal(here, want) {
			t.Errorf("here are %q, not %q", here, want)
		}
	}
	check("as it was", "gone soon")
	s.must(s.org.Update("FeedComment", edited, map[string]any{"CommentBody": "edited"}))
	s.must(s.org.Delete("FeedComment", gone))
	comment("in its place")
	run := runs.run(pipeline.EntityChatter, false)
	check("edited", "in its place")
	if p := s.step(run, "chatter_comments"); p.Created != 1 || p.Updated != 1 || p.LeftFilter != 1 || p.Why != "" {
		t.Errorf("step %+v", p)
	}

	s.must(s.org.Update("FeedComment", edited, map[string]any{"CommentBody": "edited again"}))
	s.org.Fail(sim.Fault{Match: allQueries, Nth: 2, Count: 1, Status: 400, Code: "MALFORMED_QUERY", Message: "Implementation restriction: name the posts."})
	run = runs.run(pipeline.EntityChatter, false)
	check("edited", "in its place")
	if p := s.step(run, "chatter_comments"); !strings.Contains(p.Note, "View All Data") {
		t.Errorf("the step says %q", p.Note)
	}
	runs.run(pipeline.EntityChatter, true)
	check("edited again", "in its place")
}
