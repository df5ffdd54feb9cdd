package db

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lib/pq"

	"millrace/pipeline"
)

// stage is the temporary table into which a page is copied before it is merged.
const stage = "millrace_page"

// merge builds the SQL that takes a staged page over. Its places are the same in all statements: $1 connection, $2 run, $3 entity of the audit
// log, $4 account type, $5 least and $6 greatest id of the page, $7 object, $8 position of the step, $9 name of the set of records; bind fills them in.
type merge struct {
	step   pipeline.Step
	later  bool // an earlier step fills the same set of records
	beside bool // the page's records come beside those of the step's query, and may have been met
	cols   []mergeColumn
	hash   *lineHash // of the lines that records come as; nil where it is not kept
	table  string    // the part of the step's table that holds the connection's records
}

// part names the part of a table that holds the connection's records.
func (s *RunStore) part(table string) string { return fmt.Sprintf("%s_%d", table, s.connectionID) }

// mergeColumn is one column of the table that the page writes.
type mergeColumn struct {
	name  string
	typ   string // of its column in the staging table; empty when it has none there
	value string // what a record that is here already gets, of the staged record s and the record t
	found bool   // it does not come with the page, but is looked up
}

func newMerge(step pipeline.Step, p *pipeline.Page, connectionID int64) merge {
	m := merge{step: step, table: fmt.Sprintf("millrace.%s_%d", step.Table.Name, connectionID), beside: p.Beside}
	for _, c := range p.Columns {
		m.cols = append(m.cols, mergeColumn{name: c.Name, typ: pgType(c.Kind), value: "s." + c.Name})
	}
	for _, l := range step.Table.Lookups {
		m.cols = append(m.cols, mergeColumn{name: l.Column, typ: pgType(pipeline.ID), value: "s." + l.Column, found: true})
	}
	for _, name := range step.Table.Cleared {
		m.cols = append(m.cols, mergeColumn{name: name, value: "NULL"})
	}
	if step.Table.Open {
		m.cols = append(m.cols, furtherFields(step.Table, p))
	}
	if hashes(step, p) {
		h := newLineHash(p)
		m.hash = &h
	}
	return m
}

// hashColumns lists the column with the hash of the line, where it is kept.
func (m merge) hashColumns() []string {
	if m.hash == nil {
		return nil
	}
	return []string{hashColumn}
}

// stagedColumns lists the columns that are copied into the staging table.
func (m merge) stagedColumns() []string {
	return slices.Concat([]string{"sf_id"}, m.copied(), m.hashColumns())
}

// hashLines has the lines end with their hash, mixed with the mark of a transaction where there is one.
func (m merge) hashLines(w *CopyWriter, mark uint64) {
	if m.hash != nil {
		w.Hash(lineHash{m.hash.shape, mark})
	}
}

// mark is a part of a statement that finds out the number under which it writes rows, which in a savepoint is not that of the transaction.
func (m merge) mark() string {
	if m.hash == nil {
		return ""
	}
	return "mark AS (INSERT INTO " + stage + " (sf_id) VALUES ('') RETURNING " + markOf("xmin") + " AS mark),\n"
}

// marked is the hash of a staged record s, mixed with that number.
const marked = "s." + hashColumn + " # (SELECT mark FROM mark)"

// furtherFields is the column of the further fields. Those that are configured but not in the page, because they cannot be read at present, keep their
// last value, as any column does.
func furtherFields(t pipeline.Table, p *pipeline.Page) mergeColumn {
	c := mergeColumn{name: "fields", value: "'{}'::jsonb"}
	if len(p.Extra) > 0 {
		c.typ, c.value = "jsonb", "s.fields"
	}
	var unread []string
	for _, e := range t.Extra {
		if !slices.Contains(p.Extra, e) {
			unread = append(unread, pq.QuoteLiteral(e.Name))
		}
	}
	if len(unread) > 0 {
		c.value += " || (SELECT coalesce(jsonb_object_agg(k, t.fields -> k), '{}') FROM unnest(ARRAY[" + strings.Join(unread, ", ") + "]) AS k WHERE t.fields ? k)"
	}
	return c
}

// bind puts literals into the places of query. Literals let the planner choose by the values; all of them are numbers, our own words or checked ids.
func (m merge) bind(query string, connectionID, runID int64, r pipeline.Report) string {
	text := pq.QuoteLiteral
	return strings.NewReplacer(
		"$1", strconv.FormatInt(connectionID, 10), "$2", strconv.FormatInt(runID, 10), "$3", text(m.step.Table.Entity),
		"$4", text(string(m.step.AccountType)), "$5", text(r.MinID), "$6", text(r.MaxID), "$7", text(m.step.Table.Object),
		"$8", strconv.Itoa(m.step.Position), "$9", text(m.step.Table.Records())).Replace(query)
}

func pgType(k pipeline.Kind) string {
	switch k {
	case pipeline.ID:
		return `text COLLATE "C"`
	case pipeline.Number:
		return "numeric"
	case pipeline.Date:
		return "date"
	case pipeline.DateTime, pipeline.Moment:
		return "timestamptz"
	case pipeline.Bool:
		return "boolean"
	}
	return "text"
}

// names lists the columns of the staging table besides the record id.
func (m merge) names() []string {
	var out []string
	for _, c := range m.cols {
		if c.typ != "" {
			out = append(out, c.name)
		}
	}
	return out
}

// copied lists those of them that come with the page.
func (m merge) copied() []string {
	var out []string
	for _, c := range m.cols {
		if c.typ != "" && !c.found {
			out = append(out, c.name)
		}
	}
	return out
}

// lookUp returns the statements that find out the columns which do not come with the page, in their order.
func (m merge) lookUp() []string {
	var out []string
	for _, l := range m.step.Table.Lookups {
		if !m.has(l.By) {
			continue
		}
		here := "millrace." + l.Table + " p WHERE p.connection_id = $1 AND p.left_filter_at IS NULL"
		if l.Key == "" {
			out = append(out, "UPDATE "+stage+" s SET "+l.Column+" = p."+l.Take+" FROM "+here+" AND p.sf_id = s."+l.By)
			continue
		}
		// Salesforce too compares External IDs without regard to the case of letters.
		key := "lower(p.fields ->> " + pq.QuoteLiteral(l.Key) + ")"
		out = append(out, "UPDATE "+stage+" s SET "+l.Column+" = k.id\n    FROM (SELECT "+key+" AS key, min(p."+l.Take+") AS id FROM "+here+
			"\n           AND "+key+" IN (SELECT lower("+l.By+") FROM "+stage+") GROUP BY 1 HAVING count(*) = 1) k WHERE k.key = lower(s."+l.By+")")
	}
	return out
}

// staged joins the columns of the staging table, each behind a prefix.
func (m merge) staged(prefix string) string {
	var b strings.Builder
	for _, name := range m.names() {
		b.WriteString(", " + prefix + name)
	}
	return b.String()
}

// sameSet is the condition that a record under the alias is of the step's set of records, besides its connection and id.
func sameSet(t pipeline.Table, alias string) string {
	var b strings.Builder
	for _, k := range t.Keys {
		b.WriteString(" AND " + alias + k.Name + " = " + pq.QuoteLiteral(k.Value))
	}
	return b.String()
}

// prepare makes the staging table and tunes the transaction: sorts and hashes of a page fit in memory, records are looked up by index even where a
// scan looks cheaper at first sight, and no time goes into compiling statements that run once.
func (m merge) prepare() string {
	var b strings.Builder
	b.WriteString("SET LOCAL jit = off; SET LOCAL work_mem = '64MB'; SET LOCAL random_page_cost = 1.1;\n")
	b.WriteString("CREATE TEMP TABLE " + stage + ` (sf_id text COLLATE "C"`)
	for _, c := range m.cols {
		if c.typ != "" {
			b.WriteString(", " + c.name + " " + c.typ)
		}
	}
	for _, name := range m.hashColumns() {
		b.WriteString(", " + name + " bigint")
	}
	b.WriteString(") ON COMMIT DROP")
	return b.String()
}

// stamp is the column that says when a record was last changed.
const stamp = "system_modstamp"

// dedupe keeps of the rows with the same id the one that was changed last, or else the last one.
func (m merge) dedupe() string {
	older := "a.ctid < b.ctid"
	if m.has(stamp) {
		older = "(coalesce(a." + stamp + ", '-infinity'), a.ctid) < (coalesce(b." + stamp + ", '-infinity'), b.ctid)"
	}
	return "DELETE FROM " + stage + " a USING " + stage + " b WHERE a.sf_id = b.sf_id AND " + older
}

// lacking is the condition under which a staged record of an account that is here is skipped.
func (m merge) lacking() string {
	switch r := m.step.Table.Require; {
	case r == "":
		return "false"
	case !m.has(r):
		return "true"
	default:
		return "s." + r + " IS NULL"
	}
}

// orphan is the condition under which a staged record belongs to no account that is here.
func (m merge) orphan() string {
	switch p := m.step.Table.Parent; {
	case p == "":
		return "false"
	case !m.has(p):
		return "true"
	default:
		return "NOT EXISTS (SELECT FROM millrace." + m.step.Table.ParentTable() + " a WHERE a.connection_id = $1 AND a.sf_id = s." + p + " AND a.left_filter_at IS NULL)"
	}
}

func (m merge) has(name string) bool {
	for _, c := range m.cols {
		if c.name == name && c.typ != "" {
			return true
		}
	}
	return false
}

// insertInto is the head of an INSERT of staged records into the table, up to its SELECT list. Others than those of a fresh table note with which run they came.
func (m merge) insertInto() string {
	typeCol, typeVal := "", ""
	if !m.step.Fresh && hasChildren(m.step.Table) {
		typeCol, typeVal = ", entered_run", ", $2"
	}
	if m.step.Table.Typed {
		typeCol, typeVal = typeCol+", account_type", typeVal+", $4"
	}
	for _, k := range m.step.Table.Keys {
		typeCol, typeVal = typeCol+", "+k.Name, typeVal+", "+pq.QuoteLiteral(k.Value)
	}
	if m.hash != nil {
		typeCol, typeVal = typeCol+", "+hashColumn, typeVal+", "+marked
	}
	return fmt.Sprintf("INSERT INTO %s (connection_id, sf_id%s%s, first_seen_run, last_seen_run)\n    SELECT $1, s.sf_id%s%s, $2, $2",
		m.table, typeCol, m.staged(""), typeVal, m.staged("s."))
}

const auditInto = "INSERT INTO millrace.audit_log (connection_id, run_id, entity, sf_id, action, changes, detail)"

// fresh takes a page over into a table that held nothing when the step began: all records are new, so there is nothing to compare with and
// nobody who could have left. A record that an earlier page brought already violates the key; the page is then merged instead.
func (m merge) fresh() string {
	verdicts := "SELECT 'created' AS verdict, count(*) AS n, 0 AS seen FROM ins"
	rest := "(SELECT count(*) FROM " + stage + ") - (SELECT count(*) FROM ins)"
	skip := ""
	if m.step.Table.Require != "" {
		skip = ",\nlacking AS MATERIALIZED (SELECT s.* FROM " + stage + " s WHERE " + m.lacking() + " AND NOT (" + m.orphan() + "))" +
			m.noteSkips("FROM lacking s", m.nameOf("s."))
		verdicts += "\nUNION ALL SELECT 'skipped', count(*), 0 FROM lacking"
		rest += " - (SELECT count(*) FROM lacking)"
	}
	log := ",\nlog AS (" + auditInto + "\n    SELECT $1, $2, $3, sf_id, 'created', NULL::jsonb, NULL FROM ins)"
	if m.step.Table.Quiet {
		log = ""
	}
	return "WITH " + m.mark() + "ins AS (" + m.insertInto() + "\n    FROM " + stage + " s WHERE NOT (" + m.lacking() + ") AND NOT (" + m.orphan() + ") RETURNING sf_id)" +
		log + skip + "\n" + verdicts +
		"\nUNION ALL SELECT 'elsewhere', " + rest + ", 0"
}

// noteSkips notes the skipped records that from, the tail of a SELECT of staged records s, yields, each with the account that it belongs to now and its name, which is SQL over s. Only what was
// not skipped before, or for another reason, is told in the audit log.
func (m merge) noteSkips(from, name string) string {
	account := "NULL::text"
	if p := m.step.Table.Parent; p != "" && m.has(p) && m.step.Table.Under == "" {
		account = "s." + p
	}
	return ",\nskip AS (INSERT INTO millrace.skipped_records AS k (connection_id, object, sf_id, account_id, reason, since_run, name)\n    SELECT $1, $7, s.sf_id, " +
		account + ", '" + m.step.Table.Lacking + "', $2, " + name + " " + from + "\n    ON CONFLICT (connection_id, object, sf_id) DO UPDATE\n" +
		"    SET account_id = excluded.account_id, reason = excluded.reason, until_run = NULL, name = excluded.name,\n" +
		"        since_run = CASE WHEN k.until_run IS NOT NULL OR k.reason <> excluded.reason THEN excluded.since_run ELSE k.since_run END\n" +
		"    WHERE k.until_run IS NOT NULL OR (k.reason, k.account_id, k.name) IS DISTINCT FROM (excluded.reason, excluded.account_id, excluded.name) RETURNING k.sf_id, k.reason, k.since_run),\n" +
		"skiplog AS (" + auditInto + "\n    SELECT $1, $2, $3, sf_id, 'skipped', NULL::jsonb, reason FROM skip WHERE since_run = $2)"
}

// nameOf is what a record is called, as SQL over its columns.
func (m merge) nameOf(alias string) string {
	var parts []string
	for _, name := range pipeline.NameColumns {
		if m.has(name) {
			parts = append(parts, alias+name)
		}
	}
	if len(parts) == 0 {
		return "NULL::text"
	}
	return "nullif(left(concat_ws(' ', " + strings.Join(parts, ", ") + "), 200), '')"
}

// endSkips ends the skips of the records that are taken over now, or that are of no account here any more.
func (m merge) endSkips() string {
	return ",\nunskip AS (UPDATE millrace.skipped_records k SET until_run = $2\n    WHERE k.connection_id = $1 AND k.object = $7 AND k.until_run IS NULL AND " +
		"k.sf_id BETWEEN $5 AND $6\n    AND k.sf_id IN (SELECT s.sf_id FROM verdict v JOIN " + stage + " s ON s.ctid = v.tid WHERE v.verdict <> 'skipped'))"
}

// restored takes the marks of a deletion off those records of a table that have come again and are not stored, whose ids are the column sf_id of the relation from. $1 is the connection, $2 the run and $3 the entity.
func restored(t pipeline.Table, from string) string {
	merged, into := "", "NULL::text"
	if merges(t) {
		merged, into = ", merged_into_id = NULL", "o.merged_into_id"
	}
	return "restored AS (UPDATE millrace." + t.Name + " t SET deleted_in_salesforce_at = NULL" + merged + "\n    FROM " + from + " v JOIN millrace." + t.Name +
		" o ON o.connection_id = $1 AND o.sf_id = v.sf_id AND o.deleted_in_salesforce_at IS NOT NULL" + sameSet(t, "o.") + "\n    WHERE t.connection_id = $1 AND t.sf_id = v.sf_id" + sameSet(t, "t.") +
		"\n    RETURNING t.sf_id, o.deleted_in_salesforce_at AS was_deleted, " + into + " AS was_merged),\n" +
		"restoredlog AS (" + auditInto + "\n    SELECT $1, $2, $3, sf_id, 'undeleted', " + undeletedChanges + ", NULL FROM restored)"
}

// noteAstray notes which records that are here have come and belong to none that is here any more, where a reading of everything tells nothing of those that it does not meet: ones that were too old when they were stored
// count as too old still.
func (m merge) noteAstray() string {
	t := m.step.Table
	if t.Window == nil || t.Quiet || m.step.Reading.Changes {
		return ""
	}
	return ",\nastray AS (INSERT INTO millrace.run_seen (run_id, object, position, n, least, greatest, ids)\n    SELECT $2, " + astray("$9") + ", $8, count(*), min(v.sf_id), max(v.sf_id), array_agg(v.sf_id)\n      FROM verdict v JOIN " +
		m.table + " t ON t.connection_id = $1 AND t.sf_id = v.sf_id AND t.left_filter_at IS NULL" + sameSet(t, "t.") + " WHERE v.verdict = 'elsewhere' HAVING count(*) > 0)"
}

// general takes a page over by comparing it with what is here. Rows that are here just so are not touched, not even locked.
func (m merge) general() string {
	skips := ""
	if m.step.Table.Require != "" {
		skips = m.noteSkips("FROM verdict v JOIN "+stage+" s ON s.ctid = v.tid WHERE v.verdict = 'skipped'", m.nameOf("s.")) + m.endSkips() +
			",\n" + restored(m.step.Table, "(SELECT sf_id FROM verdict WHERE verdict = 'skipped')")
	}
	log, changes := "log AS ("+auditInto+"\n    SELECT $1, $2, $3, sf_id, verdict, changes, NULL FROM verdict WHERE verdict IN ('created', 'updated', 'returned')),\n", ", "+m.changes()+" AS changes"
	if m.step.Table.Quiet {
		log, changes = "", ""
	}
	counted := "count(*)"
	if m.beside {
		counted = "count(*) FILTER (WHERE NOT again OR verdict NOT IN ('skipped', 'unchanged'))"
		changes += ", s.sf_id IN (" + met("$9") + ") AS again"
	}
	// What changes is worked out where the record is compared, so that a record that is here is read once for both. OFFSET 0 keeps its verdict from being reached twice.
	return "WITH " + m.mark() + "verdict AS MATERIALIZED (\n    SELECT s.ctid AS tid, s.sf_id, v.verdict" + changes + "\n      FROM " + stage + " s\n" +
		"      LEFT JOIN " + m.table + " t ON t.connection_id = $1 AND t.sf_id = s.sf_id AND t.sf_id BETWEEN $5 AND $6" + sameSet(m.step.Table, "t.") + "\n" +
		"     CROSS JOIN LATERAL (SELECT " + m.verdict() + " AS verdict OFFSET 0) v),\n" +
		"ins AS (" + m.insertInto() + "\n    FROM verdict v JOIN " + stage + " s ON s.ctid = v.tid WHERE v.verdict = 'created'),\n" +
		"upd AS (UPDATE " + m.table + " t SET " + m.assignments() + "\n    FROM verdict v JOIN " + stage + " s ON s.ctid = v.tid\n" +
		"    WHERE v.verdict IN ('updated', 'returned', 'amended') AND t.connection_id = $1 AND t.sf_id = s.sf_id" + sameSet(m.step.Table, "t.") + "),\n" + log +
		"seen AS (" + seenInto("verdict") + ")" + skips + m.noteAstray() + "\n" +
		"SELECT verdict, " + counted + " AS n, (SELECT coalesce(sum(n), 0) FROM seen) AS seen FROM verdict GROUP BY verdict"
}

// verdict says what is to be done with a staged record s that is here as t, if it is.
func (m merge) verdict() string {
	earlier, typeDiffers := "", ""
	if m.step.Table.Typed {
		// Two ways to see that an earlier filter has taken the record: it was met, or it was created, by a step that had no need to note whom it met.
		earlier = "\n           WHEN " + m.earlier() + "t.first_seen_run = $2 AND t.account_type <> $4 THEN 'elsewhere'"
		typeDiffers = "t.account_type <> $4 OR "
	}
	differs := "false"
	if len(m.cols) > 0 {
		var is, becomes []string
		for _, c := range m.cols {
			is, becomes = append(is, "t."+c.name), append(becomes, c.value)
		}
		differs = "ROW(" + strings.Join(is, ", ") + ") IS DISTINCT FROM ROW(" + strings.Join(becomes, ", ") + ")"
	}
	returned := "\n           WHEN t.left_filter_at IS NOT NULL THEN 'returned'"
	if m.step.Table.Quiet {
		returned = ""
	}
	if m.has(stamp) {
		returned += "\n           WHEN t.last_seen_run = $2 AND s." + stamp + " < t." + stamp + " THEN 'written'" // it came twice, the newer one first
	}
	return "CASE WHEN " + m.orphan() + " THEN 'elsewhere'" + earlier +
		"\n           WHEN " + m.lacking() + " THEN 'skipped'" +
		"\n           WHEN t.sf_id IS NULL THEN 'created'" +
		returned +
		"\n           WHEN " + typeDiffers + differs + " THEN CASE WHEN t.first_seen_run = $2 THEN 'amended' ELSE 'updated' END" + // what this run created is told of once
		"\n           WHEN t.last_seen_run = $2 THEN 'written'" + // by this run, before the step was restarted: counted already
		"\n           ELSE 'unchanged' END"
}

// earlier is the beginning of a condition: that an earlier step of the run has met the staged record, or.
func (m merge) earlier() string {
	if !m.later {
		return ""
	}
	return "s.sf_id IN (" + metEarlier() + ") OR "
}

func (m merge) assignments() string {
	set := ""
	for _, c := range m.cols {
		set += ", " + c.name + " = " + c.value
	}
	if m.step.Table.Typed {
		set += ", account_type = $4"
	}
	if !m.step.Table.Quiet {
		set += ", left_filter_at = NULL, deleted_in_salesforce_at = NULL"
	}
	if hasChildren(m.step.Table) {
		set += ", entered_run = CASE WHEN " + m.enters() + " THEN $2 ELSE t.entered_run END"
	}
	if merges(m.step.Table) {
		set += ", merged_into_id = NULL"
	}
	if m.hash != nil {
		set += ", " + hashColumn + " = " + marked
	}
	return strings.TrimPrefix(set+", last_seen_run = $2, synced_at = now()", ", ")
}

// changes is the before and after of each field that differs, one entry for each of the further fields too. It is put together as text: of the many columns few differ.
func (m merge) changes() string {
	var pairs []string
	further := ""
	add := func(name, becomes string) {
		pairs = append(pairs, fmt.Sprintf("CASE WHEN t.%[1]s IS DISTINCT FROM %[2]s THEN '\"%[1]s\": ' || jsonb_build_array(t.%[1]s, %[2]s)::text END", name, becomes))
	}
	for _, c := range m.cols {
		switch {
		case c.name == "fields":
			further = c.value
		case c.typ == "":
			add(c.name, "NULL")
		default:
			add(c.name, c.value)
		}
	}
	if !m.step.Table.Quiet && !m.step.Refresh {
		for _, mark := range marks {
			add(mark, "NULL")
		}
	}
	if merges(m.step.Table) && !m.step.Refresh {
		add("merged_into_id", "NULL")
	}
	if m.step.Table.Typed {
		add("account_type", "$4::text")
	}
	all := "'{}'::jsonb"
	for some := range slices.Chunk(pairs, 90) { // a function has no more than 100 arguments
		all += " || ('{' || concat_ws(', ', " + strings.Join(some, ", ") + ") || '}')::jsonb"
	}
	if further != "" {
		// A further field may have been given the name of a column.
		key := "CASE WHEN key IN (" + strings.Join(columnNames(m.step.Table), ", ") + ") THEN 'fields.' || key ELSE key END"
		all += " || CASE WHEN t.fields IS DISTINCT FROM " + further + " THEN (SELECT coalesce(jsonb_object_agg(" + key + ", jsonb_build_array(o.value, n.value)), '{}')" +
			"\n        FROM jsonb_each(t.fields) o FULL JOIN jsonb_each(" + further + ") n USING (key) WHERE o.value IS DISTINCT FROM n.value) ELSE '{}' END"
	}
	return "CASE WHEN v.verdict IN ('updated', 'returned') THEN nullif(" + all + ", '{}') END"
}

// marks are the columns that say that a record is no longer met.
var marks = []string{"left_filter_at", "deleted_in_salesforce_at"}

// columnNames lists, as literals, the columns of a table that a page can change or that say something about a record besides its values.
func columnNames(t pipeline.Table) []string {
	names := slices.Concat([]string{"connection_id", "sf_id", "account_type", "fields", "first_seen_run", "last_seen_run", "synced_at", "entered_run", "merged_into_id", hashColumn}, marks, t.Cleared)
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	for _, l := range t.Lookups {
		names = append(names, l.Column)
	}
	for _, k := range t.Keys {
		names = append(names, k.Name)
	}
	for i, name := range names {
		names[i] = pq.QuoteLiteral(name)
	}
	return names
}
