package jobs

import (
	"context"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"millrace/db"
	"millrace/settings"
)

// What chance does to a seed beside changes of records and faults: records that Postgres does not take, labels of picklists, currencies, and helpers.

// poisons are the texts by which Postgres is made to refuse records.
var poisons = []struct{ object, field, table, column string }{
	{"Account", "Name", "accounts", "name"},
	{"Contact", "LastName", "contacts", "last_name"},
	{"Opportunity", "Name", "opportunities", "name"},
	{"Case", "Subject", "cases", "subject"},
	{"CaseComment", "CommentBody", "case_messages", "body"},
	{"Success_Plan__c", "Objectives__c", "custom_records", "(fields ->> 'Objectives__c')"},
	{"FeedItem", "Body", "chatter_posts", "body"},
	{"FeedComment", "CommentBody", "chatter_comments", "body"},
}

func isPoison(v any) bool { return strings.HasPrefix(str(v), "poison") }

// poison gives a record a text that Postgres refuses, or mends one that has.
func (s *simulation) poison() {
	if s.chance(3) {
		s.mend(1)
		return
	}
	p := pick(s, poisons...)
	if id := s.mutator.any(p.object); id != "" {
		s.mutator.did(s.org.Update(p.object, id, map[string]any{p.field: "poison " + s.mutator.word()}), "poison %s %s", p.object, id)
	}
}

// mend gives up to n records other texts that have one which Postgres refuses.
func (s *simulation) mend(n int) {
	for _, p := range poisons {
		for r := range s.org.Records(p.object) {
			if id := str(r["Id"]); n > 0 && isPoison(r[p.field]) {
				n--
				s.mutator.did(s.org.Update(p.object, id, map[string]any{p.field: s.mutator.word()}), "mend %s %s", p.object, id)
			}
		}
	}
}

// listed returns the records that the runs could not store. All of them are poisoned, and a run that has none is completed.
func (s *simulation) listed(runs []db.Run, poisoned map[string]bool) map[string]bool {
	s.t.Helper()
	out := map[string]bool{}
	for _, run := range runs {
		errs, err := s.behind.RunErrors(context.Background(), run.ID, 1000, 0)
		s.must(err)
		for _, e := range errs {
			if !poisoned[e.SFID] || e.Message == "" {
				s.t.Errorf("run %d could not store %+v", run.ID, e)
			}
			out[e.SFID] = true
		}
		if want := map[bool]db.RunState{true: db.RunCompletedWithErrors, false: db.RunCompleted}[len(errs) > 0]; run.State != want {
			s.t.Errorf("run %d with %d records that could not be stored is %s: %s %s", run.ID, len(errs), run.State, run.Outcome, run.Error)
		}
	}
	return out
}

// findPoison notes the records that Postgres does not take.
func (m *model) findPoison() {
	m.poisoned, m.refused = map[string]bool{}, map[string]bool{}
	for _, p := range poisons {
		for r := range m.org.Records(p.object) {
			if isPoison(r[p.field]) {
				m.poisoned[str(r["Id"])] = true
			}
		}
	}
}

// stored reports whether a record that is selected is here: one that Postgres does not take is when it was before. It returns the account that it belongs to here.
func (m *model) stored(table, id, account string) (of string, ok bool) {
	m.t.Helper()
	if !m.poisoned[id] {
		return account, true
	}
	m.refused[id] = true
	column := "account_id"
	if table == "accounts" {
		column = "sf_id"
	}
	var here []string
	m.must(m.sql.Select(&here, `SELECT `+column+` FROM millrace.`+table+` WHERE connection_id = $1 AND sf_id = $2 AND left_filter_at IS NULL`, m.conn, id))
	if len(here) == 0 {
		m.withheld = true
		return "", false
	}
	return here[0], true
}

// relabel gives a value of a picklist another label.
func (s *simulation) relabel() {
	p := pick(s, [3]string{"Account", "Industry", "Energy"}, [3]string{"Account", "Type", "Customer"}, [3]string{"Opportunity", "StageName", "Prospecting"}, [3]string{"Case", "Priority", "High"})
	label := s.mutator.word()
	s.mutator.did(s.org.RelabelValue(p[0], p[1], p[2], label), "%v is called %q", p, label)
	s.labels[strings.Join(p[:], " ")] = label
}

// sameLabels holds the labels of picklist values against those that they were given.
func (m *model) sameLabels() {
	m.t.Helper()
	var here []string
	m.must(m.sql.Select(&here, `SELECT concat_ws(' ', object, field, value) || ': ' || label FROM millrace.picklist_labels WHERE connection_id = $1`, m.conn))
	for value, label := range m.labels {
		object, field, _ := strings.Cut(value, " ")
		field, _, _ = strings.Cut(field, " ")
		read := map[string]bool{"Account": kept(m.set.Advanced.AccountAllowlist, field), "Opportunity": kept(m.set.Advanced.OpportunityAllowlist, field), "Case": m.set.Cases.Enabled}[object]
		if read && !slices.Contains(here, value+": "+label) {
			m.t.Errorf("%s is called %q in the org, and is not here", value, label)
		}
	}
}

// exchange changes a rate, or the currency of a record.
func (s *simulation) exchange() {
	if s.chance(2) {
		s.mutator.update("CurrencyType", map[string]any{"ConversionRate": 1 + s.IntN(300)})
		return
	}
	s.mutator.update(pick(s, "Account", "Opportunity", "Subscription__c"), map[string]any{"CurrencyIsoCode": s.mutator.oneOf("USD", "EUR", "GBP", "JPY")})
}

// addMoney works out the ARR of an account from amounts in several currencies: in the one that all are in, else in the corporate one.
func (m *model) addMoney(account map[string]string, rule settings.ValueRule, of []orgRecord) {
	m.t.Helper()
	if rule.Combine == settings.Latest {
		key := func(r orgRecord) string {
			return str(r[rule.LatestBy]) + " " + plain(r["SystemModstamp"]) + " " + str(r["Id"])
		}
		of = slices.DeleteFunc(slices.Clone(of), func(r orgRecord) bool { return r[rule.LatestBy] == nil })
		if len(of) > 0 {
			last := slices.MaxFunc(of, func(a, b orgRecord) int { return strings.Compare(key(a), key(b)) })
			account["arr"], account["arr_currency"] = plain(last[rule.Value]), str(last["CurrencyIsoCode"])
		}
		return
	}
	rates, corporate := map[string]*big.Rat{}, ""
	for r := range m.org.Records("CurrencyType") {
		rates[str(r["IsoCode"])], _ = new(big.Rat).SetString(plain(r["ConversionRate"]))
		if r["IsCorporate"] == true {
			corporate = str(r["IsoCode"])
		}
	}
	currency := str(of[0]["CurrencyIsoCode"])
	mixed := slices.ContainsFunc(of, func(r orgRecord) bool { return str(r["CurrencyIsoCode"]) != currency })
	total := new(big.Rat)
	for i, r := range of {
		amount, _ := new(big.Rat).SetString(plain(r[rule.Value]))
		if mixed {
			amount.Quo(amount, rates[str(r["CurrencyIsoCode"])])
			amount.SetString(amount.FloatString(6))
		}
		switch {
		case rule.Combine == settings.Sum:
			total.Add(total, amount)
		case i == 0 || amount.Cmp(total) > 0:
			total = amount
		}
	}
	if mixed {
		currency = corporate
	}
	account["arr"], account["arr_currency"] = total.RatString(), currency
}

// serveHelped answers with a page, in the middle of which a helper takes the one after it: the lead knows of that one by then, and waits.
func (s *simulation) serveHelped(w http.ResponseWriter, r *http.Request) {
	r.Header.Del("Accept-Encoding")
	page := httptest.NewRecorder()
	s.org.ServeHTTP(page, r)
	for key, values := range page.Header() {
		if key != "Content-Length" {
			w.Header()[key] = values
		}
	}
	w.WriteHeader(page.Code)
	body := page.Body.Bytes()
	if next := page.Header().Get("Sforce-Locator"); page.Code == http.StatusOK && next != "" && next != "null" {
		half := len(body) / 2
		_, _ = w.Write(body[:half])
		body = body[half:]
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		s.helps--
		s.help()
	}
	_, _ = w.Write(body) // the caller may have gone
}

// help has a helper load a page, or take it and die.
func (s *simulation) help() {
	dies, lease := s.chance(4), time.Hour
	if dies {
		lease = time.Millisecond
	}
	s.known = nil // as for who takes over
	helper := s.process(0)
	s.known = nil
	helper.DB, helper.Owner = s.behind, "helper"
	for range 400 { // until the lead has noted the page
		h, err := s.behind.ClaimUnitToHelp(context.Background(), helper.Owner, lease, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		if h == nil {
			time.Sleep(time.Millisecond)
			continue
		}
		s.tell("a helper takes page %d of %s; dies: %t", h.Unit.Page, h.Step.Name, dies)
		if !dies {
			helper.helpWith(context.Background(), h)
		}
		return
	}
	s.tell("there is nothing to help with")
}
