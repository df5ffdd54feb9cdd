package db

import "slices"

// AlertCause is one kind of thing that a connection is watched for. Whether it holds is read from the tables anew at each look, so that an alert begins and
// ends with what it tells about, whichever process looks, and whatever it missed.
type AlertCause struct {
	Key   string // stable: it is stored, and part of what webhooks send
	Label string
	About string // when it holds, in a sentence; "%" stands for the threshold

	// The threshold, where the cause has one. Unit is what it counts; empty for none.
	Unit               string
	Default, Min, Max  int64
	Singular, Question string // of the unit; the label of its field

	watch string // selects what holds at present, as subject, run, code, detail, n and of, for the connection $1 and the threshold $2
}

// HasThreshold reports whether people may say from which number on the cause holds.
func (c AlertCause) HasThreshold() bool { return c.Unit != "" }

// The parts that runs bring over, of which each has alerts of its own.
const watchedParts = `(VALUES ('all'), ('accounts'), ('contacts'), ('cases'), ('chatter')) AS part (entity)`

// latestEnded is the newest run of a part that has come to an end by itself.
const latestEnded = watchedParts + `
	CROSS JOIN LATERAL (SELECT r.id, r.short_id, r.state, r.error_code, r.error, r.outcome, r.surprising FROM millrace.runs r
	                     WHERE r.connection_id = $1 AND r.entity = part.entity AND r.state IN ('completed', 'completed_with_errors', 'failed')
	                     ORDER BY r.id DESC LIMIT 1) AS last`

// overtaken holds when later runs have brought over what the run of latestEnded was to: one of everything, or one of each part that has a schedule.
const overtaken = `(
	part.entity NOT IN ('all', 'chatter') AND EXISTS (
	    SELECT FROM millrace.runs o WHERE o.connection_id = $1 AND o.entity = 'all' AND o.state IN ('completed', 'completed_with_errors') AND o.id > last.id)
	OR part.entity = 'all' AND EXISTS (SELECT FROM millrace.schedules s WHERE s.connection_id = $1 AND s.enabled AND s.entity <> 'chatter')
	   AND NOT EXISTS (
	       SELECT FROM millrace.schedules s WHERE s.connection_id = $1 AND s.enabled AND s.entity <> 'chatter' AND NOT EXISTS (
	           SELECT FROM millrace.runs o WHERE o.connection_id = $1 AND o.entity = s.entity AND o.state IN ('completed', 'completed_with_errors') AND o.id > last.id)))`

// isOpen holds when the alert of the cause $3 and a subject is open already: a cause that has begun may end at another number than it begins at.
const isOpen = `EXISTS (SELECT FROM millrace.alerts a WHERE a.connection_id = $1 AND a.cause = $3 AND a.ended_at IS NULL AND a.subject = `

// AlertCauses lists what connections are watched for, in the order in which people look at it. An entry is all that a further cause needs here; its words
// are in package jobs.
var AlertCauses = []AlertCause{
	{
		Key: "connection_lost", Label: "Connection lost", About: "Salesforce no longer accepts the connection: an admin must connect again.",
		watch: `
			SELECT '' AS subject, '' AS run, '' AS code, c.status_reason AS detail, 0 AS n, 0 AS of
			  FROM millrace.connections c WHERE c.id = $1 AND c.status = 'needs_reconnect' AND $2 >= 0 AND $3 <> ''`,
	},
	{
		Key: "run_failed", Label: "Sync failed", About: "The last sync of a part failed, and none has completed since.",
		watch: `
			SELECT part.entity AS subject, last.short_id AS run, last.error_code AS code, last.error AS detail, 0 AS n, 0 AS of
			  FROM ` + latestEnded + ` WHERE last.state = 'failed' AND NOT ` + overtaken + ` AND $2 >= 0 AND $3 <> ''`,
	},
	{
		Key: "run_waiting", Label: "Sync waiting long", About: "A sync waits and has stored nothing for % minutes. A lost connection is told by its own alert.",
		Unit: "minutes", Singular: "minute", Question: "Minutes without progress", Default: 60, Min: 1, Max: 10080,
		watch: `
			SELECT r.entity AS subject, r.short_id AS run, '' AS code, r.waiting_reason AS detail,
			       (extract(epoch FROM now() - moved.at) / 60)::bigint AS n, 0 AS of
			  FROM millrace.runs r JOIN millrace.connections c ON c.id = r.connection_id
			 CROSS JOIN LATERAL (SELECT greatest(r.created_at, r.started_at,
			                                     (SELECT max(p.committed_at) FROM millrace.run_pages p WHERE p.run_id = r.id),
			                                     (SELECT max(s.finished_at) FROM millrace.run_steps s WHERE s.run_id = r.id)) AS at) AS moved
			 WHERE r.connection_id = $1 AND c.status = 'connected' AND r.entity <> 'impact' AND moved.at < now() - $2 * interval '1 minute'
			   AND (r.state = 'waiting' OR r.state IN ('queued', 'running') AND ` + isOpen + `r.entity))`,
	},
	{
		Key: "run_surprising", Label: "Surprising sync", About: "The last sync of a part completed, but matched nothing, or most of the records left the filter.",
		watch: `
			SELECT part.entity AS subject, last.short_id AS run, '' AS code, last.outcome AS detail, 0 AS n, 0 AS of
			  FROM ` + latestEnded + ` WHERE last.surprising AND NOT ` + overtaken + ` AND $2 >= 0 AND $3 <> ''`,
	},
	{
		Key: "record_errors", Label: "Record errors", About: "The last sync of a part could not store % records or more.",
		Unit: "records", Singular: "record", Question: "Records that failed", Default: 10, Min: 1, Max: 100_000_000,
		watch: `
			SELECT part.entity AS subject, last.short_id AS run, '' AS code, '' AS detail, failed.n, 0 AS of
			  FROM ` + latestEnded + `
			 CROSS JOIN LATERAL (SELECT coalesce(sum(s.failed), 0)::bigint AS n FROM millrace.run_steps s WHERE s.run_id = last.id) AS failed
			 WHERE last.state = 'completed_with_errors' AND failed.n >= $2 AND NOT ` + overtaken + ` AND $3 <> ''`,
	},
	{
		Key: "schema_drift", Label: "Change in Salesforce", About: "A field or object that the settings use is gone, hidden or of another type. One alert for each change.",
		watch: `
			SELECT d.object || CASE WHEN d.field <> '' THEN '.' || d.field ELSE '' END || ' ' || d.kind AS subject, '' AS run, d.kind AS code, d.sentence AS detail, 0 AS n, 0 AS of
			  FROM millrace.schema_drifts d WHERE d.connection_id = $1 AND d.resolved_at IS NULL AND $2 >= 0 AND $3 <> ''`,
	},
	{
		Key: "incomplete", Label: "Incomplete copy", About: "By the last counts, % records or more are missing here, or are here although Salesforce no longer has them.",
		Unit: "records", Singular: "record", Question: "Records missing or too many", Default: 10, Min: 1, Max: 100_000_000,
		watch: `
			SELECT '' AS subject, gap.run, gap.code, gap.parts AS detail, gap.n, 0 AS of
			  FROM (SELECT CASE WHEN bool_and(c.part = 'chatter') THEN 'chatter' ELSE '' END AS code, coalesce(sum(abs(c.unexplained)), 0)::bigint AS n, coalesce(string_agg(c.label || ' (' || abs(c.unexplained) ||
			                   CASE WHEN c.unexplained > 0 THEN ' missing' ELSE ' too many' END || ')', ', ' ORDER BY c.position, c.name), '') AS parts,
			               coalesce((array_agg(r.short_id ORDER BY c.run_id DESC))[1], '') AS run
			          FROM millrace.completeness_checks c JOIN (` + latestChecks + `) l ON l.run_id = c.run_id AND l.name = c.name JOIN millrace.runs r ON r.id = c.run_id
			         WHERE c.unexplained <> 0) AS gap
			 WHERE gap.n >= $2 AND $3 <> ''`,
	},
	{
		Key: "api_budget", Label: "API budget", About: "% percent or more of the org's daily API requests are used, by everybody together.",
		Unit: "percent", Singular: "percent", Question: "Percent of the daily requests", Default: 80, Min: 1, Max: 100,
		watch: `
			SELECT '' AS subject, '' AS run, '' AS code, '' AS detail, c.api_used AS n, c.api_limit AS of
			  FROM millrace.connections c
			 WHERE c.id = $1 AND c.api_limit > 0 AND c.api_seen_at > now() - interval '1 day'
			   AND c.api_used * 100 >= c.api_limit * ($2 - CASE WHEN ` + isOpen + `'') THEN 5 ELSE 0 END)`,
	},
	{
		Key: "schedule", Label: "Schedule skipped or late", About: "A scheduled sync was left out or late so often (%), or is overdue by a quarter of an hour.",
		Unit: "times", Singular: "time", Question: "Times left out or late", Default: 1, Min: 1, Max: 1000,
		watch: `
			SELECT s.entity AS subject, coalesce(last.short_id, '') AS run,
			       CASE WHEN NOT s.enabled THEN 'off' WHEN s.next_run_at < now() - interval '15 minutes' THEN 'overdue'
			            WHEN s.skipped >= $2 THEN 'skipped' ELSE 'late' END AS code,
			       CASE WHEN NOT s.enabled OR s.skipped >= $2 THEN s.skip_reason ELSE '' END AS detail,
			       CASE WHEN s.skipped >= $2 THEN s.skipped ELSE coalesce(last.missed, 0) END AS n, 0 AS of
			  FROM millrace.schedules s JOIN millrace.connections c ON c.id = s.connection_id
			  LEFT JOIN millrace.runs last ON last.id = s.last_run_id
			 WHERE s.connection_id = $1 AND c.status = 'connected' AND $3 <> ''
			   AND (NOT s.enabled AND s.skip_reason <> ''
			        OR s.enabled AND (s.next_run_at < now() - interval '15 minutes'
			                          OR s.skipped >= $2 AND s.skip_reason NOT IN ('` + skippedReconnect + `', '` + skippedDisconnected + `')
			                          OR last.missed >= $2 AND s.skipped = 0))`,
	},
}

// AlertCauseOf returns the cause of a key; ok is false for one that this version does not know.
func AlertCauseOf(key string) (cause AlertCause, ok bool) {
	i := slices.IndexFunc(AlertCauses, func(c AlertCause) bool { return c.Key == key })
	if i < 0 {
		return AlertCause{Key: key, Label: key}, false
	}
	return AlertCauses[i], true
}
