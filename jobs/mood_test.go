package jobs

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// TestScorer rates conversations by the operator's endpoint: each case tells how it was rated, the daily calls are a limit, what the endpoint does not rate is rated here and asked about
// again by the next run, and what it has rated is not asked about again.
func TestScorer(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365}
	s.saveAll(all)
	var asked, refuse atomic.Int64
	o := s.quick()
	o.Scorer = &pipeline.Scorer{Method: "llm-1:test", DailyCalls: 5, Score: func(_ context.Context, text string) (float64, error) {
		if asked.Add(1); strings.TrimSpace(text) == "" {
			t.Error("asked about nothing")
		}
		if refuse.Load() > 0 {
			return 0, errors.New("the endpoint is down")
		}
		return -0.8, nil
	}}
	by := func(method string) int64 {
		return s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = $1 AND sentiment_label IS NOT NULL`, method)
	}
	run := func() db.Run { t.Helper(); return s.completed(s.syncWith(o)) }

	refuse.Store(1)
	run()
	talked := by(pipeline.SentimentMethod)
	if n := asked.Swap(0); n < 3 || n > 6 || talked < 20 || by("llm-1:test") != 0 {
		t.Fatalf("an endpoint that is down was asked %d times, %d cases were rated here", n, talked)
	}
	refuse.Store(0)
	s.mustExec(`DELETE FROM millrace.sentiment_usage`)
	run()
	if n := asked.Swap(0); n != 5 || by("llm-1:test") != 5 || by(pipeline.SentimentMethod) != talked-5 {
		t.Errorf("asked %d times, %d cases were rated there, %d here", n, by("llm-1:test"), by(pipeline.SentimentMethod))
	}
	if n := s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = 'llm-1:test' AND sentiment = -0.8 AND sentiment_label = 'negative'`); n != 5 {
		t.Errorf("%d cases hold what the endpoint said", n)
	}
	run()
	if n := asked.Swap(0); n != 0 {
		t.Errorf("asked %d times although the daily calls are used up", n)
	}
	s.mustExec(`UPDATE millrace.sentiment_usage SET calls = 2`)
	run()
	if n := asked.Swap(0); n != 3 || by("llm-1:test") != 8 {
		t.Errorf("the next day asked %d times, %d cases were rated there", n, by("llm-1:test"))
	}
}

// TestNewMethodRatesAnew works out anew what was rated by an older method.
func TestNewMethodRatesAnew(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365}
	s.saveAll(all)
	s.completed(s.sync())
	rated := s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = $1`, pipeline.SentimentMethod)
	s.mustExec(`UPDATE millrace.cases SET sentiment = 0.7777, sentiment_method = 'vader-1' WHERE sentiment_method IS NOT NULL`)
	s.completed(s.sync())
	if n := s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = $1 AND coalesce(sentiment, 0) <> 0.7777`, pipeline.SentimentMethod); n != rated || n == 0 {
		t.Errorf("%d of %d sentiments were worked out anew", n, rated)
	}
}
