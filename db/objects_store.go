package db

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"millrace/pipeline"
	"millrace/settings"
)

// SaveLabels implements pipeline.Store.
func (s *RunStore) SaveLabels(ctx context.Context, labels []pipeline.PicklistLabel) error {
	var object, field, value, label []string
	for _, l := range labels {
		if strings.ContainsRune(l.Value+l.Label, 0) {
			continue
		}
		object, field, value, label = append(object, l.Object), append(field, l.Field), append(value, l.Value), append(label, l.Label)
	}
	if len(value) == 0 {
		return nil
	}
	return s.transact(ctx, "store the labels of picklists", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `
			DELETE FROM millrace.picklist_labels p
			 USING (SELECT DISTINCT object, field FROM unnest($2::text[], $3::text[]) AS n (object, field)) n
			 WHERE p.connection_id = $1 AND p.object = n.object AND p.field = n.field
			   AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::text[], $4::text[]) AS k (object, field, value)
			                    WHERE k.object = p.object AND k.field = p.field AND k.value = p.value)`,
			s.connectionID, pq.Array(object), pq.Array(field), pq.Array(value))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO millrace.picklist_labels AS p (connection_id, object, field, value, label)
			SELECT $1, n.object, n.field, n.value, n.label FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS n (object, field, value, label)
			ON CONFLICT (connection_id, object, field, value) DO UPDATE SET label = excluded.label WHERE p.label <> excluded.label`,
			s.connectionID, pq.Array(object), pq.Array(field), pq.Array(value), pq.Array(label))
		return err
	})
}

// askedParents is the condition of the records p whose children the step asks for. How many a record says that it has it said when it was read, which may be long ago: one that says it has none is asked all the same
// while some are here. That is one look into an index for each such record: Postgres would read all children for every batch if it could.
func askedParents(step pipeline.Step) string {
	some := " AND p.left_filter_at IS NULL"
	if t := step.Table; step.Batches.Count != "" {
		some += fmt.Sprintf(" AND (p.%s IS DISTINCT FROM 0 OR (SELECT 1 FROM millrace.%s t WHERE t.connection_id = $1 AND t.%s = p.sf_id AND t.left_filter_at IS NULL%s LIMIT 1) IS NOT NULL)", step.Batches.Count, t.Name, t.Parent, sameSet(t, "t."))
	}
	if step.Reading.Changes {
		some += fmt.Sprintf(" AND p.last_seen_run > %d", step.Reading.After)
	}
	return some
}

// Parents implements pipeline.Store.
func (s *RunStore) Parents(ctx context.Context, step pipeline.Step, after string, limit int) ([]string, error) {
	var ids []string
	err := s.db.pool.SelectContext(ctx, &ids, `
		SELECT p.sf_id FROM millrace.`+step.Table.ParentTable()+` p
		 WHERE p.connection_id = $1 AND p.sf_id > $2`+askedParents(step)+` ORDER BY p.sf_id LIMIT $3`, s.connectionID, after, limit)
	return ids, storeFault("list the parents of "+step.Name, err)
}

// Asked implements pipeline.Store.
func (s *RunStore) Asked(ctx context.Context, step pipeline.Step) (parents, children int64, err error) {
	told := "0"
	if step.Batches.Count != "" {
		told = "coalesce(sum(p." + step.Batches.Count + "), 0)::bigint"
	}
	err = s.db.pool.QueryRowContext(ctx, `SELECT count(*), `+told+` FROM millrace.`+step.Table.ParentTable()+` p WHERE p.connection_id = $1`+askedParents(step), s.connectionID).Scan(&parents, &children)
	return parents, children, storeFault("count the parents of "+step.Name, err)
}

// SaveObjects implements pipeline.Store.
func (s *RunStore) SaveObjects(ctx context.Context, objects []settings.CustomObject) error {
	var object, name, parent []string
	for _, o := range objects {
		object, name, parent = append(object, o.Object), append(name, o.Name), append(parent, string(o.Parent))
	}
	return s.transact(ctx, "note the custom objects", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `
			UPDATE millrace.custom_objects SET removed_at = now()
			 WHERE connection_id = $1 AND removed_at IS NULL AND lower(object) <> ALL (SELECT lower(o) FROM unnest($2::text[]) o)`, s.connectionID, pq.Array(object))
		if err != nil {
			return err
		}
		// The records carry the name as the org writes it; the settings may write it otherwise.
		_, err = tx.ExecContext(ctx, `
			INSERT INTO millrace.custom_objects AS c (connection_id, object, name, parent)
			SELECT $1, coalesce((SELECT s.object FROM millrace.run_steps s WHERE s.run_id = $5 AND lower(s.object) = lower(n.object) LIMIT 1), n.object), n.name, n.parent
			  FROM unnest($2::text[], $3::text[], $4::text[]) AS n (object, name, parent)
			ON CONFLICT (connection_id, object) DO UPDATE SET name = excluded.name, parent = excluded.parent, removed_at = NULL
			 WHERE (c.name, c.parent) IS DISTINCT FROM (excluded.name, excluded.parent) OR c.removed_at IS NOT NULL`,
			s.connectionID, pq.Array(object), pq.Array(name), pq.Array(parent), s.runID)
		return err
	})
}

// Retire implements pipeline.Store.
func (s *RunStore) Retire(ctx context.Context, r pipeline.Retirement) error {
	return s.transact(ctx, "let go of what is not synced any more", func(tx *sqlx.Tx) error {
		if r.Key == "" {
			_, err := tx.ExecContext(ctx, `DELETE FROM millrace.read_states WHERE connection_id = $1 AND table_name = $2`, s.connectionID, r.Table)
			if err != nil {
				return err
			}
			return s.letGo(ctx, tx, r, "true", "''")
		}
		// One look into the index for each set, however many records it has.
		var sets []string
		err := tx.SelectContext(ctx, &sets, fmt.Sprintf(`
			WITH RECURSIVE sets AS (
			    (SELECT %[2]s AS name FROM millrace.%[1]s WHERE connection_id = $1 ORDER BY %[2]s LIMIT 1)
			    UNION ALL
			    SELECT (SELECT t.%[2]s FROM millrace.%[1]s t WHERE t.connection_id = $1 AND t.%[2]s > sets.name ORDER BY t.%[2]s LIMIT 1)
			      FROM sets WHERE sets.name IS NOT NULL)
			SELECT name FROM sets WHERE name IS NOT NULL AND lower(name) <> ALL (SELECT lower(k) FROM unnest($2::text[]) k)`, r.Table, r.Key),
			s.connectionID, pq.Array(r.Kept))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM millrace.read_states WHERE connection_id = $1 AND table_name = $2 AND lower(set_key) <> ALL (SELECT lower(k) FROM unnest($3::text[]) k)`,
			s.connectionID, r.Table, pq.Array(r.Kept))
		if err != nil || len(sets) == 0 {
			return err
		}
		return s.letGo(ctx, tx, r, r.Key+" = ANY ($4)", r.Key, pq.Array(sets))
	})
}

// letGo marks the records that cond selects, with args from $4 on, and what belongs to them, and counts them in the run, of which no step reads them; audit rows call each by part where the retirement has no name
// for them. No step may come to what belongs to them: where other posts cannot be seen, comments are not read.
func (s *RunStore) letGo(ctx context.Context, tx *sqlx.Tx, r pipeline.Retirement, cond, part string, args ...any) error {
	below, told := "", ""
	for i, t := range pipeline.Under(pipeline.Table{Name: r.Table, Window: &pipeline.Window{}}) {
		below += fmt.Sprintf(`,
		below%[1]d AS (
		    UPDATE millrace.%[2]s t SET left_filter_at = now() FROM gone WHERE t.connection_id = $1 AND t.%[3]s = gone.sf_id AND t.left_filter_at IS NULL%[4]s RETURNING t.sf_id)`,
			i, t.Name, t.Parent, sameSet(t, "t."))
		told += fmt.Sprintf(" UNION ALL SELECT sf_id, %s FROM below%d", pq.QuoteLiteral(t.Entity), i)
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`
		WITH gone AS (
		    UPDATE millrace.%s SET left_filter_at = now() WHERE connection_id = $1 AND %s AND left_filter_at IS NULL RETURNING sf_id, %s AS part)%s,
		told AS (
		    SELECT sf_id, coalesce(nullif($3, ''), part) AS entity FROM gone%s),
		log AS (
		    INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes, detail)
		    SELECT $1, $2, l.entity, l.sf_id, 'left', jsonb_build_object('left_filter_at', jsonb_build_array(NULL, now())), 'The settings do not ask for it any more' FROM told l)
		UPDATE millrace.runs SET retired = retired + (SELECT count(*) FROM told) WHERE id = $2 AND EXISTS (SELECT FROM told)`, r.Table, cond, part, below, told),
		append([]any{s.connectionID, s.runID, r.Entity}, args...)...)
	return err
}

// maxConversation bounds the characters of a conversation that are looked at.
const maxConversation = 100_000

// Conversations implements pipeline.Store. Where customers' own emails are among the messages, only they are looked at: what support writes is always polite. Of a long conversation the newest messages are, the oldest of
// these as far as there is room; all messages count for whether it has changed.
func (s *RunStore) Conversations(ctx context.Context, wanted pipeline.WantedConversations) ([]pipeline.Conversation, error) {
	var rows []struct {
		ID       string         `db:"sf_id"`
		N        int            `db:"n"`
		Texts    pq.StringArray `db:"texts"`
		TextHash string         `db:"text_hash"`
		Attempts int            `db:"attempts"`
	}
	err := s.db.pool.SelectContext(ctx, &rows, `
		SELECT w.sf_id, w.n, coalesce(m.texts, '{}') AS texts, w.text_hash, w.attempts
		  FROM (SELECT c.sf_id, m.n, coalesce(r.text_hash, '') AS text_hash, coalesce(r.attempts, 0) AS attempts
		          FROM millrace.cases c
		          LEFT JOIN millrace.sentiment_refusals r ON r.connection_id = $1 AND r.case_id = c.sf_id AND r.method = $6
		         CROSS JOIN LATERAL (
		               SELECT count(*) AS n, max(last_seen_run) AS latest FROM millrace.case_messages WHERE connection_id = $1 AND case_id = c.sf_id AND left_filter_at IS NULL) m
		         WHERE c.connection_id = $1 AND c.sf_id > $2 AND c.left_filter_at IS NULL AND (r.case_id IS NOT NULL) = $7
		           AND (m.n <> coalesce(c.sentiment_messages, 0) OR m.n > 0 AND (c.sentiment_run < m.latest
		                OR coalesce(c.sentiment_method, '') <> ALL ($3) AND (NOT $7 OR c.sentiment_run IS DISTINCT FROM $8 AND NOT (r.attempts >= $9 AND c.sentiment_method = $10))))
		         ORDER BY c.sf_id LIMIT $4) w
		 CROSS JOIN LATERAL (
		       SELECT array_agg(left(body, room::integer) ORDER BY sent_at, sf_id) AS texts
		         FROM (SELECT body, sent_at, sf_id, $5 - sum(length(body)) OVER (ORDER BY sent_at DESC, sf_id DESC) + length(body) AS room
		                 FROM (SELECT coalesce(body, '') AS body, sent_at, sf_id, coalesce(is_incoming, false) AS is_incoming, bool_or(coalesce(is_incoming, false)) OVER () AS some_incoming
		                         FROM millrace.case_messages WHERE connection_id = $1 AND case_id = w.sf_id AND left_filter_at IS NULL) x
		                WHERE is_incoming OR NOT some_incoming) y
		        WHERE room > 0) m
		 ORDER BY w.sf_id`, s.connectionID, wanted.After, pq.Array(wanted.Methods), wanted.Limit, maxConversation, wanted.Asked, wanted.Refused, s.runID,
		pipeline.RefusedTries, pipeline.SentimentMethod)
	if err != nil {
		return nil, storeFault("read the conversations", err)
	}
	out := make([]pipeline.Conversation, len(rows))
	for i, r := range rows {
		out[i] = pipeline.Conversation{CaseID: r.ID, Messages: r.N, Texts: r.Texts, Refusal: pipeline.RefusedText{TextHash: r.TextHash, Attempts: r.Attempts}}
	}
	return out, nil
}

// SaveSentiments implements pipeline.Store.
func (s *RunStore) SaveSentiments(ctx context.Context, all []pipeline.Sentiment) error {
	var ids, method []string
	var messages []int64
	var compound []*float64
	var label []*string
	var refusedIDs, askedBy, hashes []string
	var attempts []int64
	for _, m := range all {
		if m.Refusal.Attempts > 0 {
			refusedIDs, askedBy, hashes, attempts = append(refusedIDs, m.CaseID), append(askedBy, m.Asked), append(hashes, m.Refusal.TextHash), append(attempts, int64(m.Refusal.Attempts))
		}
		ids, messages, method = append(ids, m.CaseID), append(messages, int64(m.Messages)), append(method, m.Method)
		if math.IsNaN(m.Compound) {
			compound, label = append(compound, nil), append(label, nil)
		} else {
			compound, label = append(compound, &m.Compound), append(label, &m.Label)
		}
	}
	return s.transact(ctx, "store the sentiments", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `
			UPDATE millrace.cases c
			   SET sentiment = n.compound, sentiment_label = n.label, sentiment_messages = n.messages, sentiment_method = n.method, sentiment_run = $2, `+hashColumn+` = `+sameLine("c")+`
			  FROM unnest($3::text[], $4::integer[], $5::numeric[], $6::text[], $7::text[]) AS n (sf_id, messages, compound, label, method)
			 WHERE c.connection_id = $1 AND c.sf_id = n.sf_id`,
			s.connectionID, s.runID, pq.Array(ids), pq.Array(messages), pq.Array(compound), pq.Array(label), pq.Array(method))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM millrace.sentiment_refusals WHERE connection_id = $1 AND case_id = ANY ($2) AND case_id <> ALL (coalesce($3::text[], '{}'))`,
			s.connectionID, pq.Array(ids), pq.Array(refusedIDs))
		if err != nil || len(refusedIDs) == 0 {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO millrace.sentiment_refusals (connection_id, case_id, method, text_hash, attempts)
			SELECT $1, n.case_id, n.method, n.text_hash, n.attempts FROM unnest($2::text[], $3::text[], $4::text[], $5::integer[]) AS n (case_id, method, text_hash, attempts)
			ON CONFLICT (connection_id, case_id) DO UPDATE SET method = excluded.method, text_hash = excluded.text_hash, attempts = excluded.attempts`,
			s.connectionID, pq.Array(refusedIDs), pq.Array(askedBy), pq.Array(hashes), pq.Array(attempts))
		return err
	})
}

// TakeSentimentCall implements pipeline.Store. The count survives what becomes of the run.
func (s *RunStore) TakeSentimentCall(ctx context.Context, most int) (ok bool, err error) {
	err = s.db.pool.GetContext(ctx, &ok, `
		WITH call AS (
		    INSERT INTO millrace.sentiment_usage AS u (connection_id, day, calls) SELECT $1, (now() AT TIME ZONE 'UTC')::date, 1 WHERE $2 > 0
		    ON CONFLICT (connection_id, day) DO UPDATE SET calls = u.calls + 1 WHERE u.calls < $2 RETURNING 1)
		SELECT EXISTS (SELECT FROM call)`, s.connectionID, most)
	return ok, storeFault("count a call of the sentiment endpoint", err)
}
