package jobs

import (
	"fmt"
	"strings"
	"testing"

	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// stored is an account's value as a run left it.
func (s *scene) stored(k pipeline.ValueKind, id string) string {
	s.t.Helper()
	column := "coalesce(trim_scale(arr)::text, '') || ' ' || coalesce(arr_currency, '')"
	if k == pipeline.Renewal {
		column = "coalesce(renewal_date::text, '')"
	}
	var out string
	s.must(s.sql.Get(&out, `SELECT trim(`+column+`) FROM millrace.accounts WHERE sf_id = $1`, id))
	return out
}

func written(v pipeline.Value) string {
	return strings.TrimSpace(canonical(pipeline.Number, v.Amount) + v.Day + " " + v.Currency)
}

// TestPreviewsOfValuesSayWhatARunStores compares, for each way to make a value, the previewed and the explained values with those of the next run.
func TestPreviewsOfValuesSayWhatARunStores(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 40})
	s.org.SetMultiCurrency(true)
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	source := remote.New(client)
	latest := subscriptions(settings.Latest)
	latest.LatestBy = "Start_Date__c"
	unfiltered := subscriptions(settings.Sum)
	unfiltered.Filter = ""
	branches := subscriptions(settings.Max)
	branches.Filter = "(Status__c = 'Active' OR Seats__c > 200) AND (NOT Product__c = 'Core')"
	for i, c := range []struct{ arr, renewal settings.ValueRule }{
		{subscriptions(settings.Sum), ends(settings.Latest)},
		{subscriptions(settings.Max), ends(settings.Max)},
		{latest, settings.ValueRule{Mode: settings.DirectValue, Field: "Renewal_Date__c"}},
		{settings.ValueRule{Mode: settings.DirectValue, Field: "ARR__c"}, ends(settings.Latest)},
		{unfiltered, ends(settings.Max)},
		{branches, ends(settings.Latest)},
	} {
		all := everything()
		all.ARR, all.Renewal = c.arr, c.renewal
		schema, err := source.Schema(t.Context(), false, pipeline.ObjectsOf(all)...)
		s.must(err)
		previewed := map[string]string{}
		for _, k := range pipeline.ValueKinds {
			p, err := pipeline.PreviewValue(t.Context(), source, k, all, schema)
			s.must(err)
			for _, a := range p.Accounts {
				previewed[string(k)+" "+a.ID] = written(a.Value)
			}
		}
		if len(previewed) != 10 {
			t.Errorf("%d: %d accounts of two previews", i, len(previewed))
		}
		s.saveAll(all)
		run := s.sync()
		if run.State != "completed" && run.State != "completed_with_errors" {
			t.Fatalf("%d: the run is %s", i, run.State)
		}
		for at, want := range previewed {
			k, id, _ := strings.Cut(at, " ")
			if got := s.stored(pipeline.ValueKind(k), id); got != want {
				t.Errorf("%d: %s was previewed as %q and stored as %q", i, at, want, got)
			}
		}
		for _, k := range pipeline.ValueKinds {
			if k.Rule(all).Mode != settings.CalculatedValue {
				continue
			}
			for _, id := range s.accountIDs()[:15] {
				e, err := pipeline.ExplainValue(t.Context(), source, pipeline.ValueQuestion{Kind: k, Account: id, NameField: "Name"}, all, schema)
				s.must(err)
				if got := s.stored(k, id); got != written(e.Value) {
					t.Errorf("%d: %s of %s is explained as %q and stored as %q", i, k, id, written(e.Value), got)
				}
				s.accounted(fmt.Sprintf("%d: %s of %s", i, k, id), k.Rule(all), id, e)
			}
		}
	}
}

// accounted checks that every related record of the account is there, and that each that is left out by the filter names a clause that the org denies too.
func (s *scene) accounted(what string, rule settings.ValueRule, account string, e pipeline.ValueExplanation) {
	s.t.Helper()
	n, err := s.org.EvalCount("SELECT COUNT() FROM " + rule.Object + " WHERE " + rule.Link + " = '" + account + "'")
	s.must(err)
	if n != e.Counted+e.LeftOut || n != len(e.Records) {
		s.t.Errorf("%s: %d records of %d are accounted for", what, e.Counted+e.LeftOut, n)
	}
	for _, r := range e.Records {
		if !r.Counts && r.Why == "" && len(r.Clauses) == 0 {
			s.t.Errorf("%s: %s is left out for no reason", what, r.ID)
		}
		for _, c := range r.Clauses {
			met, err := s.org.EvalCount("SELECT COUNT() FROM " + rule.Object + " WHERE Id = '" + r.ID + "' AND (" + c.Clause + ")")
			if s.must(err); met != 0 {
				s.t.Errorf("%s: %s is said to be left out by %s, which it meets", what, r.ID, c.Clause)
			}
		}
	}
}
