package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"

	"millrace/pipeline"
	"millrace/settings"
)

// What the copy holds beside the records that are in step: who was deleted or merged away, how conversations sound, and what the counts say.

// beside checks it after the run last.
func (m *model) beside(last int64, purged bool) {
	m.t.Helper()
	for table, object := range map[string]string{"accounts": "Account", "contacts": "Contact", "opportunities": "Opportunity", "cases": "Case"} {
		if object != "Case" || m.set.Cases.Enabled {
			m.gone(table, object, purged)
		}
	}
	if m.set.Cases.Enabled {
		m.sentiments()
	}
	checks, err := m.db.RunChecks(context.Background(), last)
	m.must(err)
	for _, c := range checks {
		if c.Open() && !m.withheld {
			m.t.Errorf("the counts say that %d of %s are not in step: %+v", *c.Unexplained, c.Label, c)
		}
	}
}

// gone holds the marks of records that are here, in step or not, against the org. Who was deleted long after it had left need not be marked.
func (m *model) gone(table, object string, purged bool) {
	m.t.Helper()
	org := map[string]orgRecord{}
	for r := range m.org.RecordsAll(object) {
		org[str(r["Id"])] = r
	}
	into := "NULL::text"
	if object != "Opportunity" {
		into = "merged_into_id"
	}
	var here []struct {
		ID      string         `db:"sf_id"`
		Left    bool           `db:"has_left"`
		Deleted bool           `db:"deleted"`
		Into    sql.NullString `db:"merged_into"`
	}
	m.must(m.sql.Select(&here, `SELECT sf_id, left_filter_at IS NOT NULL AS has_left, deleted_in_salesforce_at IS NOT NULL AS deleted, `+into+` AS merged_into FROM millrace.`+table+` WHERE connection_id = $1`, m.conn))
	for _, h := range here {
		r := org[h.ID]
		if r == nil && purged {
			continue
		}
		deleted := r == nil || r["IsDeleted"] == true
		if h.Deleted && !deleted || deleted && !h.Left {
			m.t.Errorf("%s %s is marked as deleted: %t, as having left: %t; deleted in the org: %t", object, h.ID, h.Deleted, h.Left, deleted)
		}
		if master := str(r["MasterRecordId"]); h.Deleted && h.Into.String != master {
			m.t.Errorf("%s %s is said to be merged into %q, and was into %q; deleted: %t", object, h.ID, h.Into.String, master, deleted)
		}
	}
}

// sentiments works out how the conversations sound from what the org has.
func (m *model) sentiments() {
	m.t.Helper()
	said := map[string][]orgRecord{}
	object, body := "CaseComment", "CommentBody"
	if m.set.Cases.Conversation == settings.EmailMessages {
		object, body = "EmailMessage", "TextBody"
	}
	for r := range m.org.Records(object) {
		if str(r["Status"]) != "5" {
			said[str(r["ParentId"])] = append(said[str(r["ParentId"])], r)
		}
	}
	want := map[string]string{}
	for id := range m.cases {
		if slices.ContainsFunc(said[id], func(r orgRecord) bool { return m.poisoned[str(r["Id"])] }) {
			continue
		}
		incoming := false
		for _, r := range said[id] {
			incoming = incoming || r["Incoming"] == true
		}
		c := pipeline.Conversation{CaseID: id, Messages: len(said[id])}
		for _, r := range said[id] {
			if !incoming || r["Incoming"] == true {
				c.Texts = append(c.Texts, str(r[body]))
			}
		}
		s := pipeline.Sounds(c)
		want[id] = fmt.Sprint(c.Messages)
		if !math.IsNaN(s.Compound) {
			want[id] = fmt.Sprintf("%d %.4f %s", c.Messages, s.Compound, s.Label)
		}
	}
	var here []struct {
		ID   string `db:"sf_id"`
		Says string `db:"says"`
	}
	m.must(m.sql.Select(&here, `
		SELECT sf_id, coalesce(sentiment_messages, 0) || CASE WHEN sentiment IS NULL THEN '' ELSE ' ' || to_char(sentiment, 'FM990.0000') || ' ' || sentiment_label END AS says
		  FROM millrace.cases WHERE connection_id = $1 AND left_filter_at IS NULL`, m.conn))
	for _, h := range here {
		if w, ok := want[h.ID]; ok && strings.TrimSpace(w) != h.Says {
			m.t.Errorf("the conversation of case %s sounds like %q here, and like %q in the org", h.ID, h.Says, w)
		}
	}
}
