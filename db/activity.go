package db

import (
	"context"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// ActivityKind is what an entry of an account's timeline is.
type ActivityKind string

// The kinds of activities.
const (
	ActivityCase    ActivityKind = "case"
	ActivityMessage ActivityKind = "message"
	ActivityPost    ActivityKind = "post"
	ActivityComment ActivityKind = "comment"
)

// Activity is one entry of an account's timeline. Texts are empty where there are none.
type Activity struct {
	Kind      ActivityKind `db:"kind"`
	SFID      string       `db:"sf_id"`
	At        *time.Time   `db:"at"`
	Title     string       `db:"title"` // subject of a case or an email, title of a post
	Body      string       `db:"body"`
	Rich      bool         `db:"rich"` // the body is HTML
	Link      string       `db:"link"`
	Author    string       `db:"author"`     // who wrote it, or owns the case
	About     string       `db:"about"`      // of a case or a message, the case's number; of a post or comment, the opportunity's name
	AboutID   string       `db:"about_id"`   // of a message, its case; of a post, its record; of a comment, its post
	ReplyTo   string       `db:"reply_to"`   // the Id of the email that is answered
	Source    string       `db:"source"`     // of a message: comment or email
	Incoming  bool         `db:"incoming"`   // an email that was received
	Internal  bool         `db:"internal"`   // a comment that the customer does not see
	PostType  string       `db:"post_type"`  // of a post
	Status    string       `db:"status"`     // of a case: its label, like the next
	Priority  string       `db:"priority"`   // of a case
	Closed    bool         `db:"closed"`     // of a case
	Escalated bool         `db:"escalated"`  // of a case
	Mood      string       `db:"mood"`       // of a case: positive, neutral or negative; empty when nobody has said anything
	Compound  float64      `db:"compound"`   // of a case: how it sounds, from -1 to 1
	Messages  int          `db:"messages"`   // of a case
	Left      bool         `db:"has_left"`   // of a case: it is no longer updated
	Deleted   bool         `db:"is_deleted"` // of a case

	MergedInto string `db:"merged_into_id"` // the case into which this one was merged in Salesforce; empty for none
	Survivor   string `db:"survivor"`       // its number; empty where no copy of it is here
	SurvivorOf string `db:"survivor_of"`    // the account that it belongs to
}

// AccountActivities returns what has happened on an account, the newest first, and how much there is. Messages, posts and comments that Salesforce no longer
// has are left out. The Id may have 15 or 18 characters.
func (d *DB) AccountActivities(ctx context.Context, connectionID int64, accountID string, limit, offset int) (rows []Activity, total int, err error) {
	id := fullID(accountID)
	limit, offset = min(limit, maxRelated), max(offset, 0)
	part := func(kind ActivityKind, table, at, where string) string {
		return `(SELECT '` + string(kind) + `' AS kind, sf_id, ` + at + ` AS at FROM millrace.` + table + ` WHERE connection_id = $1 AND account_id = $2` + where +
			` ORDER BY account_id DESC, ` + at + ` DESC, sf_id DESC LIMIT $3::bigint + $4::bigint)`
	}
	const here = ` AND left_filter_at IS NULL`
	err = d.pool.SelectContext(ctx, &rows, `
		WITH page AS MATERIALIZED (
		    SELECT * FROM (`+part(ActivityCase, "cases", "created_at", "")+` UNION ALL `+part(ActivityMessage, "case_messages", "sent_at", here)+`
		           UNION ALL `+part(ActivityPost, "chatter_posts", "posted_at", here)+` UNION ALL `+part(ActivityComment, "chatter_comments", "posted_at", here)+`) x
		     ORDER BY at DESC NULLS LAST, sf_id DESC LIMIT $3 OFFSET $4)
		SELECT p.kind, p.sf_id, p.at, coalesce(c.subject, m.subject, o.title, '') AS title, coalesce(m.body, o.body, f.body, '') AS body,
		       coalesce(o.is_rich_text, f.is_rich_text, false) AS rich, coalesce(o.link_url, '') AS link, coalesce(nullif(m.from_name, ''), m.from_address, u.name, '') AS author,
		       coalesce(c.case_number, mc.case_number, op.name, '') AS about, coalesce(m.case_id, o.parent_id, f.post_id, '') AS about_id, coalesce(m.reply_to_id, '') AS reply_to,
		       coalesce(m.source, '') AS source, coalesce(m.is_incoming, false) AS incoming, coalesce(NOT m.is_published, false) AS internal, coalesce(o.post_type, '') AS post_type,
		       coalesce(salesforce.label($1, 'Case', 'Status', c.status), '') AS status, coalesce(salesforce.label($1, 'Case', 'Priority', c.priority), '') AS priority,
		       coalesce(c.is_closed, false) AS closed, coalesce(c.is_escalated, false) AS escalated, coalesce(c.sentiment_label, '') AS mood,
		       coalesce(c.sentiment, 0)::float8 AS compound, coalesce(c.sentiment_messages, 0) AS messages, c.left_filter_at IS NOT NULL AS has_left,
		       c.deleted_in_salesforce_at IS NOT NULL AS is_deleted,
		       coalesce(c.merged_into_id, '') AS merged_into_id, coalesce(s.case_number, '') AS survivor, coalesce(s.account_id, '') AS survivor_of
		  FROM page p
		  LEFT JOIN millrace.cases c ON p.kind = 'case' AND c.connection_id = $1 AND c.sf_id = p.sf_id
		  LEFT JOIN millrace.cases s ON s.connection_id = $1 AND s.sf_id = c.merged_into_id
		  LEFT JOIN millrace.case_messages m ON p.kind = 'message' AND m.connection_id = $1 AND m.sf_id = p.sf_id
		  LEFT JOIN millrace.cases mc ON mc.connection_id = $1 AND mc.sf_id = m.case_id
		  LEFT JOIN millrace.chatter_posts o ON p.kind = 'post' AND o.connection_id = $1 AND o.sf_id = p.sf_id
		  LEFT JOIN millrace.chatter_comments f ON p.kind = 'comment' AND f.connection_id = $1 AND f.sf_id = p.sf_id
		  LEFT JOIN millrace.opportunities op ON op.connection_id = $1 AND op.sf_id = coalesce(o.parent_id, f.parent_id)
		  LEFT JOIN millrace.sf_users u ON u.connection_id = $1 AND u.sf_id = coalesce(c.owner_id, m.author_id, o.author_id, f.author_id)
		 ORDER BY p.at DESC NULLS LAST, p.sf_id DESC`, connectionID, id, limit, offset)
	if err == nil {
		err = d.pool.GetContext(ctx, &total, `
			SELECT (SELECT count(*) FROM millrace.cases WHERE connection_id = $1 AND account_id = $2)
			     + (SELECT count(*) FROM millrace.case_messages WHERE connection_id = $1 AND account_id = $2`+here+`)
			     + (SELECT count(*) FROM millrace.chatter_posts WHERE connection_id = $1 AND account_id = $2`+here+`)
			     + (SELECT count(*) FROM millrace.chatter_comments WHERE connection_id = $1 AND account_id = $2`+here+`)`, connectionID, id)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("db.AccountActivities(%d, %q): %w", connectionID, accountID, asCancelled(ctx, err))
	}
	return rows, total, nil
}

// CaseMessage is one message of a case.
type CaseMessage struct {
	SFID     string     `db:"sf_id"`
	CaseID   string     `db:"case_id"`
	ReplyTo  string     `db:"reply_to"`
	At       *time.Time `db:"sent_at"`
	Author   string     `db:"author"`
	Body     string     `db:"body"`
	Source   string     `db:"source"`
	Incoming bool       `db:"incoming"`
	Internal bool       `db:"internal"`
}

// Conversations returns the first messages of some cases, up to limit of each, in order of time.
func (d *DB) Conversations(ctx context.Context, connectionID int64, caseIDs []string, limit int) ([]CaseMessage, error) {
	var out []CaseMessage
	err := d.pool.SelectContext(ctx, &out, `
		SELECT m.sf_id, m.case_id, coalesce(m.reply_to_id, '') AS reply_to, m.sent_at, coalesce(nullif(m.from_name, ''), m.from_address, u.name, '') AS author,
		       coalesce(m.body, '') AS body, m.source, coalesce(m.is_incoming, false) AS incoming, coalesce(NOT m.is_published, false) AS internal
		  FROM unnest($2::text[]) AS c (id)
		 CROSS JOIN LATERAL (SELECT * FROM millrace.case_messages x WHERE x.connection_id = $1 AND x.case_id = c.id AND x.left_filter_at IS NULL
		                      ORDER BY x.sent_at, x.sf_id LIMIT $3) m
		  LEFT JOIN millrace.sf_users u ON u.connection_id = $1 AND u.sf_id = m.author_id
		 ORDER BY m.case_id, m.sent_at, m.sf_id`, connectionID, pq.Array(caseIDs), limit)
	return out, wrapIf(asCancelled(ctx, err), "db.Conversations(%d)", connectionID)
}
