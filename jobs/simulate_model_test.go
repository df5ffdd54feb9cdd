package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"millrace/pipeline"
	"millrace/settings"
)

// What the copy has to be is worked out here from the settings and the org alone, in other ways than the sync's: record by record, by asking the org's own evaluation of SOQL, and by walking over what it has.

// record is one record of the org.
type orgRecord = map[string]any

// model works out what the copy has to hold.
type model struct {
	*scene
	set      settings.Settings
	accounts map[string]settings.AccountType // who matches, by the first filter
	contacts map[string]string               // the account of each contact that is here
	deals    map[string]string               // the account of each opportunity
	cases    map[string]string               // the account of each case within the lookback
	posts    map[string]string               // the account of each post

	poisoned   map[string]bool   // records that Postgres does not take
	refused    map[string]bool   // of them those that are selected, so that the last runs have to list them
	withheld   bool              // some of them are not here, and so is nothing that belongs to them
	listed     map[string]bool   // records that the last runs could not store
	labels     map[string]string // that picklist values were given, by object, field and value
	currencies bool              // the org has several
}

func (s *scene) model(set settings.Settings) *model {
	m := &model{scene: s, set: set.Normalize(), accounts: map[string]settings.AccountType{}, contacts: map[string]string{}, deals: map[string]string{}, cases: map[string]string{}, posts: map[string]string{}}
	for _, f := range m.set.Accounts.Filters() {
		for _, r := range m.eval("SELECT Id FROM Account WHERE (" + f.SOQL + ")") {
			if id := str(r["Id"]); m.accounts[id] == "" {
				m.accounts[id] = f.Type
			}
		}
	}
	m.findPoison()
	for id := range m.accounts {
		if _, ok := m.stored("accounts", id, ""); !ok {
			delete(m.accounts, id)
		}
	}
	return m
}

// eval asks the org itself, past its API.
func (m *model) eval(query string) []orgRecord {
	m.t.Helper()
	rows, err := m.org.Eval(query)
	if err != nil {
		m.t.Fatalf("%s: %v", query, err)
	}
	return rows
}

// chosen returns the ids of an object's records that a filter selects.
func (m *model) chosen(object, filter string) map[string]bool {
	query := "SELECT Id FROM " + object
	if filter != "" {
		query += " WHERE (" + filter + ")"
	}
	out := map[string]bool{}
	for _, r := range m.eval(query) {
		out[str(r["Id"])] = true
	}
	return out
}

func str(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// plain writes a value of the org, or of the copy, in one form: numbers as fractions, moments in UTC.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case json.Number:
		return fraction(v.String())
	case int64:
		return fraction(fmt.Sprint(v))
	case float64:
		return fraction(big.NewFloat(v).Text('f', -1))
	case string:
		for _, layout := range []string{"2006-01-02T15:04:05.999-0700", time.RFC3339Nano} {
			if at, err := time.Parse(layout, v); err == nil {
				return at.UTC().Format("2006-01-02 15:04:05.000")
			}
		}
		return v
	}
	return fmt.Sprint(v)
}

// isInstant reports whether a text is an instant as one of Salesforce's APIs writes it.
func isInstant(text string) bool {
	_, err := time.Parse("2006-01-02T15:04:05.999-0700", text)
	_, other := time.Parse(time.RFC3339Nano, text)
	return err == nil || other == nil
}

func fraction(text string) string {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return text
	}
	return r.RatString()
}

// row is a record as the copy is to hold it: values by column, those of the column fields behind a point. Empty values are left out.
func row(r orgRecord, columns map[string]string) map[string]string {
	out := map[string]string{}
	for column, field := range columns {
		if v := plain(r[field]); v != "" {
			out[column] = v
		}
	}
	return out
}

// kept reports whether an allowlist keeps a field.
func kept(list []string, field string, used ...string) bool {
	has := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, field) })
	}
	return len(list) == 0 || has(list) || has(used) || has([]string{"Id", "Name", "SystemModstamp", "AccountId"})
}

// compare holds all tables against what they are to be.
func (m *model) compare() {
	m.t.Helper()
	m.same("sf_users", m.users())
	m.same("accounts", m.wantAccounts())
	m.same("contacts", m.wantContacts())
	m.same("opportunities", m.wantOpportunities())
	m.same("custom_records", m.wantCustom())
	if m.set.Cases.Enabled {
		m.same("cases", m.wantCases())
		m.same("case_messages", m.wantMessages())
	}
	if m.set.Chatter.Enabled {
		m.same("chatter_posts", m.wantPosts())
		m.followed()
		m.same("chatter_comments", m.wantComments())
	}
	m.sameLabels()
	for id := range m.refused {
		if !m.listed[id] {
			m.t.Errorf("Postgres does not take record %s, and the last runs do not say so", id)
		}
	}
}

// unplanned are the columns that say nothing about a record of the org.
var unplanned = append([]string{"connection_id", "sentiment", "sentiment_label", "sentiment_method", "sentiment_messages", "merged_into_id", "sf_id"}, aboutRuns...)

// here reads what a table holds of the records that are in step.
func (m *model) here(table string) rows {
	m.t.Helper()
	var bodies [][]byte
	m.must(m.sql.Select(&bodies, `SELECT to_jsonb(t) FROM millrace.`+table+` t WHERE connection_id = $1 AND left_filter_at IS NULL`, m.conn))
	out := rows{}
	for _, body := range bodies {
		record := map[string]any{}
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		m.must(d.Decode(&record))
		values := map[string]string{}
		for name, v := range record {
			if slices.Contains(unplanned, name) {
				continue
			}
			if further, ok := v.(map[string]any); ok {
				for key, v := range further {
					if at, ok := v.(string); ok && isInstant(at) && !strings.HasSuffix(at, "Z") {
						m.t.Errorf("%s of record %s is written %s: the next reading may write it otherwise", key, record["sf_id"], at)
					}
					if p := plain(v); p != "" {
						values["fields."+key] = p
					}
				}
				continue
			}
			if p := plain(v); p != "" {
				values[name] = p
			}
		}
		out[record["sf_id"].(string)] = values
	}
	return out
}

// lookback returns how far back a table's records are read, 0 for all, and the column of the record whose time of change counts, if it is not the record itself.
func (m *model) lookback(table string) (days int, of string) {
	switch table {
	case "cases", "case_messages":
		return m.set.Cases.LookbackDays, "case_id"
	case "chatter_posts", "chatter_comments":
		return m.set.Chatter.LookbackDays, "post_id"
	}
	return 0, ""
}

// same holds a table against what it is to be. Cases with their messages, and posts with their comments, that are out of the lookback stay as they are.
func (m *model) same(table string, want rows) {
	m.t.Helper()
	got := m.here(table)
	if days, of := m.lookback(table); days > 0 {
		border := m.org.Now().AddDate(0, 0, -days).Add(26 * time.Hour).Format("2006-01-02 15:04:05.000")
		old := func(id string) bool {
			r := m.org.Record(id)
			return r == nil || plain(r["SystemModstamp"]) < border
		}
		for id, values := range got {
			if _, ok := want[id]; !ok && old(first(values[of], id)) {
				delete(got, id)
			}
		}
		for id, values := range want {
			if _, ok := got[id]; !ok && old(first(values[of], id)) {
				delete(want, id)
			}
		}
	}
	if table == "contacts" {
		for id := range got {
			if _, ok := m.contacts[id]; ok && want[id] == nil {
				delete(got, id)
			}
		}
	}
	for id := range want {
		if _, ok := got[id]; ok && m.poisoned[id] { // as it was before
			delete(want, id)
			delete(got, id)
		}
	}
	same(m.t, table, want, got)
}

// followed checks that posts on opportunities that are here, however old, are with the account of theirs.
func (m *model) followed() {
	m.t.Helper()
	for id, post := range m.here("chatter_posts") {
		if account, ok := m.deals[post["parent_id"]]; ok && post["account_id"] != account {
			m.t.Errorf("post %s is with account %q, and its opportunity with %q", id, post["account_id"], account)
		}
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (m *model) users() rows {
	out := rows{}
	for r := range m.org.Records("User") {
		out[str(r["Id"])] = row(r, map[string]string{"name": "Name", "email": "Email", "username": "Username", "title": "Title", "is_active": "IsActive", "system_modstamp": "SystemModstamp"})
	}
	return out
}

func (m *model) wantAccounts() rows {
	s, list := m.set, m.set.Advanced.AccountAllowlist
	columns := map[string]string{"name": "Name", "system_modstamp": "SystemModstamp"}
	var used []string
	for t, field := range map[string]string{"owner_id": s.Owners.AccountOwner, "csm_id": s.Owners.CSM, "sales_rep_id": s.Owners.SalesRep, "tam_id": s.Owners.TAM} {
		if field != "" {
			columns[t] = field
			used = append(used, field)
		}
	}
	for v, rule := range map[string]settings.ValueRule{"arr": s.ARR, "renewal_date": s.Renewal} {
		if rule.Mode == settings.DirectValue {
			columns[v] = rule.Field
			used = append(used, rule.Field)
			if v == "arr" && m.currencies {
				columns["arr_currency"] = "CurrencyIsoCode"
			}
		}
	}
	for column, field := range map[string]string{"website": "Website", "sf_type": "Type", "industry": "Industry", "description": "Description"} {
		if kept(list, field, used...) {
			columns[column] = field
		}
	}
	further := slices.Clone(s.AccountFields)
	for _, f := range further {
		if kept(list, f) {
			columns["fields."+f] = f
		}
	}
	for _, f := range list {
		if !slices.Contains([]string{"Name", "Website", "Type", "Industry", "Description", "SystemModstamp"}, f) && !slices.Contains(used, f) {
			columns["fields."+f] = f
		}
	}
	for _, c := range s.CustomObjects {
		if c.To != "" {
			columns["fields."+c.To] = c.To
		}
	}
	for _, f := range used {
		delete(columns, "fields."+f)
	}
	out := rows{}
	for r := range m.org.Records("Account") {
		id := str(r["Id"])
		if m.accounts[id] == "" {
			continue
		}
		values := row(r, columns)
		values["account_type"] = string(m.accounts[id])
		if values["arr"] == "" {
			delete(values, "arr_currency")
		}
		if columns["website"] != "" {
			if host := hostOf(str(r["Website"])); host != "" {
				values["domain"] = host
			}
		}
		out[id] = values
	}
	m.addValue(out, "arr", s.ARR)
	m.addValue(out, "renewal_date", s.Renewal)
	return out
}

// hostOf is the host of an address of the kind that the org has.
func hostOf(website string) string {
	_, rest, ok := strings.Cut(strings.ToLower(website), "://")
	if !ok {
		rest = strings.ToLower(website)
	}
	host, _, _ := strings.Cut(rest, "/")
	return strings.TrimPrefix(host, "www.")
}

// addValue works out a calculated value of each account.
func (m *model) addValue(accounts rows, column string, rule settings.ValueRule) {
	if rule.Mode != settings.CalculatedValue {
		return
	}
	selected := m.chosen(rule.Object, rule.Filter)
	by := map[string][]orgRecord{}
	for r := range m.org.Records(rule.Object) {
		if account := str(r[rule.Link]); selected[str(r["Id"])] && accounts[account] != nil && r[rule.Value] != nil {
			by[account] = append(by[account], r)
		}
	}
	for account, of := range by {
		if m.currencies && column == "arr" {
			m.addMoney(accounts[account], rule, of)
			continue
		}
		switch rule.Combine {
		case settings.Sum:
			sum := new(big.Rat)
			for _, r := range of {
				v, _ := new(big.Rat).SetString(plain(r[rule.Value]))
				sum.Add(sum, v)
			}
			accounts[account][column] = sum.RatString()
		case settings.Max:
			best := of[0]
			for _, r := range of[1:] {
				if less(best[rule.Value], r[rule.Value]) {
					best = r
				}
			}
			accounts[account][column] = plain(best[rule.Value])
		case settings.Latest:
			key := func(r orgRecord) string {
				return str(r[rule.LatestBy]) + " " + plain(r["SystemModstamp"]) + " " + str(r["Id"])
			}
			var last orgRecord
			for _, r := range of {
				if r[rule.LatestBy] != nil && (last == nil || key(last) < key(r)) {
					last = r
				}
			}
			if last != nil {
				accounts[account][column] = plain(last[rule.Value])
			}
		}
	}
}

func less(a, b any) bool {
	x, ok := new(big.Rat).SetString(plain(a))
	y, ok2 := new(big.Rat).SetString(plain(b))
	if ok && ok2 {
		return x.Cmp(y) < 0
	}
	return plain(a) < plain(b)
}

func (m *model) wantContacts() rows {
	columns := map[string]string{"account_id": "AccountId", "last_name": "LastName", "email": "Email", "owner_id": "OwnerId", "system_modstamp": "SystemModstamp"}
	for column, field := range map[string]string{"first_name": "FirstName", "phone": "Phone", "title": "Title", "department": "Department"} {
		if !slices.Contains(m.set.Advanced.ExcludedContact, field) {
			columns[column] = field
		}
	}
	for _, f := range m.set.Advanced.ContactFields {
		columns["fields."+f.As()] = f.Field
	}
	out := rows{}
	skipped := map[string]string{}
	for r := range m.org.Records("Contact") {
		id, account := str(r["Id"]), str(r["AccountId"])
		switch {
		case m.accounts[account] == "":
		case r["Email"] == nil:
			skipped[id] = account
		default:
			if account, ok := m.stored("contacts", id, account); ok {
				out[id] = row(r, columns)
				m.contacts[id] = account
			}
		}
	}
	// A contact that has lost its Email stays as it was.
	maps.Copy(m.contacts, m.inStep(`
		SELECT t.sf_id, t.account_id FROM millrace.contacts t JOIN millrace.skipped_records k ON k.connection_id = t.connection_id AND k.object = 'Contact' AND k.sf_id = t.sf_id AND k.until_run IS NULL
		 WHERE t.connection_id = $1 AND t.left_filter_at IS NULL`, m.conn))
	got := m.inStep(`SELECT sf_id AS id, account_id AS name FROM millrace.skipped_records WHERE connection_id = $1 AND object = 'Contact' AND until_run IS NULL`, m.conn)
	m.equal("skipped contacts", skipped, got)
	return out
}

func (m *model) wantOpportunities() rows {
	list := m.set.Advanced.OpportunityAllowlist
	columns := map[string]string{}
	typed := []string{"AccountId", "Name", "StageName", "Amount", "CloseDate", "Probability", "IsClosed", "IsWon", "Type", "OwnerId", "SystemModstamp"}
	for i, column := range []string{"account_id", "name", "stage", "amount", "close_date", "probability", "is_closed", "is_won", "sf_type", "owner_id", "system_modstamp"} {
		if kept(list, typed[i]) {
			columns[column] = typed[i]
		}
	}
	if m.currencies {
		columns["currency"] = "CurrencyIsoCode"
	}
	for _, f := range list {
		if !slices.Contains(typed, f) {
			columns["fields."+f] = f
		}
	}
	out := rows{}
	for r := range m.org.Records("Opportunity") {
		if account := str(r["AccountId"]); m.accounts[account] != "" {
			if account, ok := m.stored("opportunities", str(r["Id"]), account); ok {
				out[str(r["Id"])] = row(r, columns)
				m.deals[str(r["Id"])] = account
			}
		}
	}
	return out
}

func (m *model) wantCustom() rows {
	out := rows{}
	for _, c := range m.set.CustomObjects {
		selected := m.chosen(c.Object, c.Filter)
		columns := map[string]string{"name": "Name", "system_modstamp": "SystemModstamp"}
		for _, f := range c.Fields {
			if f != c.Match && f != "Name" {
				columns["fields."+f] = f
			}
		}
		for r := range m.org.Records(c.Object) {
			if !selected[str(r["Id"])] || r[c.Match] == nil {
				continue
			}
			values := row(r, columns)
			values["object"] = c.Object
			switch {
			case c.To != "":
				values["parent_key"] = str(r[c.Match])
				values["account_id"] = m.byKey(c.To, str(r[c.Match]))
			case c.Parent == settings.ParentContact:
				values["contact_id"] = str(r[c.Match])
				values["account_id"] = m.contacts[str(r[c.Match])]
			default:
				values["account_id"] = str(r[c.Match])
			}
			if m.accounts[values["account_id"]] != "" {
				if _, ok := m.stored("custom_records", str(r["Id"]), ""); ok {
					out[str(r["Id"])] = values
				}
			}
		}
	}
	return out
}

// byKey returns the one account here whose External ID is a text.
func (m *model) byKey(field, key string) string {
	found := ""
	for r := range m.org.Records("Account") {
		if id := str(r["Id"]); m.accounts[id] != "" && r[field] != nil && strings.EqualFold(str(r[field]), key) {
			if found != "" {
				return ""
			}
			found = id
		}
	}
	return found
}

func (m *model) wantCases() rows {
	lately := fmt.Sprintf("SystemModstamp >= LAST_N_DAYS:%d", m.set.Cases.LookbackDays)
	if m.set.Cases.Filter != "" {
		lately += " AND (" + m.set.Cases.Filter + ")"
	}
	selected := m.chosen("Case", lately)
	columns := map[string]string{"account_id": "AccountId", "contact_id": "ContactId", "owner_id": "OwnerId", "case_number": "CaseNumber", "subject": "Subject", "status": "Status", "priority": "Priority",
		"sf_type": "Type", "origin": "Origin", "created_at": "CreatedDate", "closed_at": "ClosedDate", "is_closed": "IsClosed", "is_escalated": "IsEscalated", "system_modstamp": "SystemModstamp"}
	for _, f := range m.set.Cases.Fields {
		columns["fields."+f] = f
	}
	out := rows{}
	for r := range m.org.Records("Case") {
		if account := str(r["AccountId"]); selected[str(r["Id"])] && m.accounts[account] != "" {
			if account, ok := m.stored("cases", str(r["Id"]), account); ok {
				out[str(r["Id"])] = row(r, columns)
				m.cases[str(r["Id"])] = account
			}
		}
	}
	return out
}

func (m *model) wantMessages() rows {
	object, source := "CaseComment", "comment"
	columns := map[string]string{"case_id": "ParentId", "body": "CommentBody", "is_published": "IsPublished", "author_id": "CreatedById", "sent_at": "CreatedDate", "system_modstamp": "SystemModstamp"}
	if m.set.Cases.Conversation == settings.EmailMessages {
		object, source = "EmailMessage", "email"
		columns = map[string]string{"case_id": "ParentId", "subject": "Subject", "body": "TextBody", "from_name": "FromName", "from_address": "FromAddress", "is_incoming": "Incoming", "author_id": "CreatedById",
			"sent_at": "MessageDate", "reply_to_id": "ReplyToEmailMessageId", "system_modstamp": "SystemModstamp"}
	}
	out := rows{}
	for r := range m.org.Records(object) {
		account, ok := m.cases[str(r["ParentId"])]
		if !ok || object == "EmailMessage" && str(r["Status"]) == "5" {
			continue
		}
		values := row(r, columns)
		values["account_id"], values["source"] = account, source
		if _, ok := m.stored("case_messages", str(r["Id"]), ""); ok {
			out[str(r["Id"])] = values
		}
	}
	return out
}

func (m *model) wantPosts() rows {
	out := rows{}
	c := m.set.Chatter
	for _, f := range pipeline.FeedParents {
		wanted, filter, account := c.Accounts, c.AccountFilter, func(parent string) string {
			if m.accounts[parent] != "" {
				return parent
			}
			return ""
		}
		if f == pipeline.OnOpportunities {
			wanted, filter, account = c.Opportunities, c.OpportunityFilter, func(parent string) string { return m.deals[parent] }
		}
		if !wanted {
			continue
		}
		if c.LookbackDays > 0 {
			lately := fmt.Sprintf("SystemModstamp >= LAST_N_DAYS:%d", c.LookbackDays)
			if filter != "" {
				lately += " AND (" + filter + ")"
			}
			filter = lately
		}
		selected := m.chosen(f.Object(), filter)
		columns := map[string]string{"parent_id": "ParentId", "post_type": "Type", "title": "Title", "body": "Body", "link_url": "LinkUrl", "author_id": "CreatedById", "posted_at": "CreatedDate", "comment_count": "CommentCount",
			"like_count": "LikeCount", "is_rich_text": "IsRichText", "system_modstamp": "SystemModstamp"}
		for r := range m.org.Records(f.Object()) {
			of := account(str(r["ParentId"]))
			if of == "" || !selected[str(r["Id"])] || str(r["Type"]) == "TrackedChange" && !c.TrackedChanges {
				continue
			}
			values := row(r, columns)
			values["parent_object"], values["account_id"] = string(f), of
			if of, ok := m.stored("chatter_posts", str(r["Id"]), of); ok {
				out[str(r["Id"])] = values
				m.posts[str(r["Id"])] = of
			}
		}
	}
	return out
}

func (m *model) wantComments() rows {
	out := rows{}
	if !m.set.Chatter.Comments {
		return out
	}
	for r := range m.org.Records("FeedComment") {
		account, ok := m.posts[str(r["FeedItemId"])]
		if !ok {
			continue
		}
		values := row(r, map[string]string{"post_id": "FeedItemId", "parent_id": "ParentId", "body": "CommentBody", "author_id": "CreatedById", "posted_at": "CreatedDate", "is_rich_text": "IsRichText", "system_modstamp": "SystemModstamp"})
		values["account_id"] = account
		if _, ok := m.stored("chatter_comments", str(r["Id"]), ""); ok {
			out[str(r["Id"])] = values
		}
	}
	return out
}
