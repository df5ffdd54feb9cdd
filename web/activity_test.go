package web

import (
	"net/http"
	"strings"
	"testing"

	"millrace/db"
)

// TestAccountPageShowsActivities shows cases with their mood and conversation, messages, posts and comments, the newest first, with labels for values.
func TestAccountPageShowsActivities(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 2)
	const account = "001000000000002AAA"
	b := a.as(a.viewer)
	page := orgPath(c.ID, "/accounts/"+account)
	b.get(page).is(http.StatusOK).lacks("#activities")

	a.exec(`INSERT INTO millrace.picklist_labels VALUES ($1, 'Case', 'Status', 'New', 'Fresh'), ($1, 'Plan__c', 'Stage__c', 'k', 'Kickoff'), ($1, 'Account', 'Tier__c', 'g', 'Gold')`, c.ID)
	a.exec(`UPDATE millrace.accounts SET fields = '{"Tier__c": "g;x"}' WHERE sf_id = $1`, account)
	a.exec(`INSERT INTO millrace.cases (connection_id, sf_id, account_id, case_number, subject, status, priority, created_at, is_closed, sentiment, sentiment_label, sentiment_messages, first_seen_run, last_seen_run)
		VALUES ($1, '500000000000001AAA', $2, '00001001', '<i>Slow</i>', 'New', 'High', '2026-01-01T10:00:00Z', false, -0.5, 'negative', 3, 1, 1)`, c.ID, account)
	a.exec(`INSERT INTO millrace.case_messages (connection_id, sf_id, source, case_id, account_id, body, from_address, is_incoming, sent_at, reply_to_id, first_seen_run, last_seen_run, left_filter_at) VALUES
		($1, '02s000000000001AAA', 'email', '500000000000001AAA', $2, 'It is slow.', 'a@example.com', true, '2026-01-02T10:00:00Z', NULL, 1, 1, NULL),
		($1, '02s000000000002AAA', 'email', '500000000000001AAA', $2, E'Better now?\n\nOn Fri, Jan 2, 2026 a@example.com wrote:\n> It is slow.', 's@example.com', false, '2026-01-04T10:00:00Z', '02s000000000001AAA', 1, 1, NULL),
		($1, '02s000000000003AAA', 'email', '500000000000001AAA', $2, 'Something else', 'b@example.com', true, '2026-01-03T10:00:00Z', NULL, 1, 1, NULL),
		($1, '02s000000000004AAA', 'email', '500000000000001AAA', $2, 'This one has gone', 'b@example.com', true, '2026-01-03T10:00:00Z', NULL, 1, 1, now())`, c.ID, account)
	a.exec(`INSERT INTO millrace.chatter_posts (connection_id, sf_id, parent_object, parent_id, account_id, post_type, title, body, link_url, author_id, posted_at, is_rich_text, first_seen_run, last_seen_run) VALUES
		($1, '0D5000000000001AAA', 'account', $2, $2, 'LinkPost', 'Notes', '<p>Great <b>call</b></p><script>x</script>', 'javascript:alert(1)', '005000000000001AAA', '2026-01-05T10:00:00Z', true, 1, 1)`, c.ID, account)
	a.exec(`INSERT INTO millrace.chatter_comments (connection_id, sf_id, post_id, parent_id, account_id, body, author_id, posted_at, first_seen_run, last_seen_run) VALUES
		($1, '0D7000000000001AAA', '0D5000000000001AAA', $2, $2, 'I agree', '005000000000001AAA', '2026-01-06T10:00:00Z', 1, 1)`, c.ID, account)
	a.exec(`INSERT INTO millrace.custom_objects VALUES ($1, 'Plan__c', 'Success plans', 'account', NULL), ($1, 'Old__c', 'Old ones', 'account', now())`, c.ID)
	a.exec(`INSERT INTO millrace.custom_records (connection_id, object, sf_id, account_id, name, fields, first_seen_run, last_seen_run, left_filter_at) VALUES
		($1, 'Plan__c', 'a01000000000001AAA', $2, '<b>Onboarding</b>', '{"Stage__c": "k", "Seats__c": 12.0, "Account__c": "001000000000002AAA", "Reviewed_At__c": "2026-01-01T09:30:00.000+0000", "Goals__c": "<p>Grow</p>", "CreatedDate": "2026-01-01T00:00:00.000+0000"}', 1, 1, NULL),
		($1, 'Plan__c', 'a01000000000002AAA', $2, 'Renewal', '{"Ready__c": true}', 1, 1, now()), ($1, 'Old__c', 'a02000000000001AAA', $2, 'Forgotten', '{}', 1, 1, now())`, c.ID, account)

	p := b.get(page)
	p.says("#activities", "Activities (6)", "Support case 00001001", "Fresh", "Negative -0.50", "<i>Slow</i>", "Email received", "It is slow.", "Email sent", "Better now?", "Chatter link", "Great call",
		"Chatter comment", "I agree", "<b>Owner</b>", "Case 00001001", "Conversation: 3 messages")
	text := p.text("#activities")
	if strings.Contains(text, "wrote:") || strings.Contains(text, "has gone") || strings.Contains(text, "javascript") || strings.Contains(text, "x</script>") {
		t.Errorf("the timeline says %s", text)
	}
	if strings.Index(text, "I agree") > strings.Index(text, "Great call") || strings.Index(text, "Great call") > strings.Index(text, "Support case") {
		t.Errorf("the timeline is not in order: %s", text)
	}
	// The answer stands below what it answers, although another message came between them.
	talk := p.text("#activity-500000000000001AAA details")
	if first, answer, other := strings.Index(talk, "It is slow."), strings.Index(talk, "Better now?"), strings.Index(talk, "Something else"); first < 0 || answer < first || other < answer {
		t.Errorf("the conversation is %s", talk)
	}
	p.says("#records-Plan__c", "Success plans (2)", "<b>Onboarding</b>", "Seats", "Reviewed At", "Kickoff", "12", "2026-01-01 09:30 UTC", "Renewal", "Yes", "No longer returned")
	p.lacks("#records-Plan__c td b")
	p.lacks("#records-Old__c")
	if text := p.text("#records-Plan__c"); strings.Contains(text, "CreatedDate") || strings.Contains(text, "001000000000002AAA") || strings.Contains(text, "<p>") {
		t.Errorf("bookkeeping, Ids or markup is shown: %s", text)
	}
	p.says("#fields", "Tier__c Gold; x")

	// More than a page.
	a.exec(`INSERT INTO millrace.chatter_posts (connection_id, sf_id, parent_object, parent_id, account_id, body, posted_at, first_seen_run, last_seen_run)
		SELECT $1, '0D50000000001' || lpad(i::text, 2, '0') || 'AAA', 'account', $2, $2, 'Post ' || i, '2025-01-01T10:00:00Z'::timestamptz + i * interval '1 hour', 1, 1 FROM generate_series(1, 60) i`, c.ID, account)
	p = b.get(page)
	p.says("#activities", "Activities (66)", "Post 60")
	if strings.Contains(p.text("#activities"), "Post 16 ") {
		t.Error("a page shows more than its share")
	}
	b.get(page+"?activities=50").says("#activities", "Post 16", "Post 1")
}

// TestMergedCasesLeadToTheirSurvivors shows a case that was merged with a way to the one that stays.
func TestMergedCasesLeadToTheirSurvivors(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 2)
	a.exec(`INSERT INTO millrace.cases (connection_id, sf_id, account_id, case_number, created_at, first_seen_run, last_seen_run, left_filter_at, deleted_in_salesforce_at, merged_into_id) VALUES
		($1, '500000000000001AAA', '001000000000002AAA', '1001', now(), 1, 1, now(), now(), '500000000000002AAA'),
		($1, '500000000000002AAA', '001000000000001AAA', '1002', now(), 1, 1, NULL, NULL, NULL)`, c.ID)
	b := a.as(a.viewer)
	page := orgPath(c.ID, "/accounts/001000000000002AAA")
	b.get(page).is(http.StatusOK).says("#activity-500000000000001AAA a[data-survivor][href='"+orgPath(c.ID, "/accounts/001000000000001AAA")+"#activity-500000000000002AAA']", "Support case 1002")
	b.get(orgPath(c.ID, "/accounts/001000000000001AAA")).lacks("#activity-500000000000002AAA [data-survivor]")
	a.exec(`UPDATE millrace.cases SET merged_into_id = '500000000000009AAA' WHERE connection_id = $1 AND sf_id = '500000000000001AAA'`, c.ID)
	b.get(page).says("#activity-500000000000001AAA [data-survivor] a[href='https://acme.my.salesforce.com/500000000000009AAA']", "500000000000009AAA")
}

// TestThread keeps every message of a conversation, also of one that answers itself in a circle.
func TestThread(t *testing.T) {
	t.Parallel()
	got := ""
	for _, r := range thread([]db.CaseMessage{
		{SFID: "a", Body: "a"}, {SFID: "b", Body: "b", ReplyTo: "missing"}, {SFID: "c", Body: "c", ReplyTo: "a"}, {SFID: "d", Body: "d", ReplyTo: "c"},
		{SFID: "x", Body: "x", ReplyTo: "y"}, {SFID: "y", Body: "y", ReplyTo: "x"}, {SFID: "s", Body: "s", ReplyTo: "s"},
	}) {
		got += strings.Repeat(">", r.Depth) + r.Short + " "
	}
	if want := "a >c >>d b s x >y "; got != want {
		t.Errorf("the thread is %q, want %q", got, want)
	}
}
