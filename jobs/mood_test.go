package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/mood"
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
	o.Scorer = &pipeline.Scorer{Method: "llm-1:test", DailyCalls: 5, Score: func(_ context.Context, text string, _ func() bool) (float64, error) {
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
	down := run()
	talked := by(pipeline.SentimentMethod)
	if p := s.step(down, "cases"); !strings.Contains(p.Note, " conversations were rated here, not by the endpoint: it failed.") { // those asked at the same time may have used up the calls
		t.Errorf("of an endpoint that is down the step says %q", p.Note)
	}
	if n := asked.Swap(0); n < 3 || n > 6 || talked < 20 || by("llm-1:test") != 0 {
		t.Fatalf("an endpoint that is down was asked %d times, %d cases were rated here", n, talked)
	}
	refuse.Store(0)
	s.mustExec(`DELETE FROM millrace.sentiment_usage`)
	if p := s.step(run(), "cases"); !strings.HasSuffix(p.Note, " conversations were rated here, not by the endpoint: the calls of the day are used up.") {
		t.Errorf("of an endpoint whose calls are used up the step says %q", p.Note)
	}
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

// TestRefusedConversations meets an endpoint that refuses some conversations whatever happens: the others are rated all the same and come first, and what is refused is asked about three times,
// and again when its text or the method is another one.
func TestRefusedConversations(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365}
	s.saveAll(all)
	const filtered = 6
	ids := s.asked(fmt.Sprintf("SELECT Id FROM Case WHERE Account.Industry != null AND SystemModstamp >= LAST_N_DAYS:200 ORDER BY Id LIMIT %d", filtered))
	for _, r := range ids {
		_, err := s.org.Insert("CaseComment", map[string]any{"ParentId": field(r, "Id"), "CommentBody": "This is the word canary, and it is terrible."})
		s.must(err)
	}
	var asked, refused, rest, trials atomic.Int64
	rest.Store(-1) // how many were asked about before the first that is refused
	o := s.quick()
	o.Scorer = &pipeline.Scorer{Method: "llm-1:test", DailyCalls: 1_000_000, Score: func(_ context.Context, text string, _ func() bool) (float64, error) {
		if text == pipeline.TrialText {
			trials.Add(1)
			return 0.2, nil
		}
		n := asked.Add(1)
		if strings.Contains(text, "canary") {
			refused.Add(1)
			rest.CompareAndSwap(-1, n-1)
			return 0, &pipeline.ScoreError{Says: "it answered with status 400", Text: true}
		}
		return 0.6, nil
	}}
	run := func() db.Run {
		t.Helper()
		asked.Store(0)
		refused.Store(0)
		trials.Store(0)
		rest.Store(-1)
		return s.completed(s.syncWith(o))
	}
	there := func() int64 {
		return s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = $1`, o.Scorer.Method)
	}

	first := run()
	if p := s.step(first, "cases"); p.Note != "6 conversations were rated here, not by the endpoint: it answered with status 400." {
		t.Errorf("of what was refused the step says %q", p.Note)
	}
	talked := s.count(`SELECT count(*) FROM millrace.cases c WHERE EXISTS (SELECT FROM millrace.case_messages m WHERE m.case_id = c.sf_id)`)
	if refused.Load() != filtered || there() != talked-filtered || asked.Load() != talked || talked < 3*filtered {
		t.Fatalf("asked %d times, refused %d times, %d of %d cases were rated there", asked.Load(), refused.Load(), there(), talked)
	}
	if n := s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = $1 AND sentiment_label IS NOT NULL`, pipeline.SentimentMethod); n != filtered {
		t.Errorf("%d cases were rated here", n)
	}

	// What was never asked about comes first.
	s.mustExec(`UPDATE millrace.cases SET sentiment_method = 'vader-1' WHERE sf_id = (SELECT max(sf_id) FROM millrace.cases WHERE sentiment_method = $1)`, o.Scorer.Method)
	if run(); refused.Load() != filtered || asked.Load() != filtered+1 || rest.Load() != 1 {
		t.Errorf("asked %d times, refused %d times, asked about %d others before", asked.Load(), refused.Load(), rest.Load())
	}
	for want := int64(filtered); want >= 0; want -= filtered { // nothing else is asked about: one trial tells that the endpoint works
		if run(); refused.Load() != want || asked.Load() != want || trials.Load() != min(want, 1) {
			t.Errorf("asked %d times, refused %d times, put to the trial %d times, want %d", asked.Load(), refused.Load(), trials.Load(), want)
		}
	}

	// An older way of rating here is no reason to ask; another text and another model are.
	s.mustExec(`UPDATE millrace.cases SET sentiment_method = 'vader-1' WHERE sf_id = $1`, field(ids[1], "Id"))
	if run(); asked.Load() != 0 || s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = 'vader-1'`) != 0 {
		t.Errorf("asked %d times", asked.Load())
	}
	_, err := s.org.Insert("CaseComment", map[string]any{"ParentId": field(ids[0], "Id"), "CommentBody": "We wait."})
	s.must(err)
	if run(); refused.Load() != 1 || asked.Load() != 1 {
		t.Errorf("another text: asked %d times, refused %d times", asked.Load(), refused.Load())
	}
	o.Scorer.Method = "llm-1:another"
	if run(); refused.Load() != filtered || asked.Load() != talked {
		t.Errorf("another model: asked %d times, refused %d times", asked.Load(), refused.Load())
	}
	o.Scorer.Score = func(context.Context, string, func() bool) (float64, error) { return 0.1, nil }
	if p := s.step(run(), "cases"); p.Note != "" {
		t.Errorf("with nothing refused the step says %q", p.Note)
	}
	if n := s.count(`SELECT count(*) FROM millrace.sentiment_refusals`); n != 0 || there() != talked {
		t.Errorf("%d refusals are kept of what is rated, %d of %d cases are rated there", n, there(), talked)
	}
}

// TestEndpointThatRefusesEverything meets an endpoint whose key, account or model is at fault, and which says so as if it refused the text: it is soon not asked any more, nothing is held against the
// conversations, and all are rated once it is mended. It may begin in the middle of a run.
func TestEndpointThatRefusesEverything(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 120})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365}
	s.saveAll(all)
	var asked, rates atomic.Int64 // rates is how many questions are answered well
	var answer atomic.Value
	refuse := func(status int, body string) {
		answer.Store(func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > rates.Load() {
			answer.Load().(func(http.ResponseWriter))(w)
			return
		}
		_, _ = io.WriteString(w, `{"choices": [{"message": {"content": "{\"sentiment\": 0.5}"}}]}`)
	}))
	t.Cleanup(server.Close)
	client := mood.New(mood.Config{BaseURL: server.URL, Model: "m-1"})
	o := s.quick()
	o.Scorer = &pipeline.Scorer{Method: client.Method(), DailyCalls: 1_000_000, Score: func(ctx context.Context, text string, again func() bool) (float64, error) {
		n, err := client.Score(ctx, text, again)
		if why := new(mood.Error); errors.As(err, &why) {
			err = &pipeline.ScoreError{Says: why.Says, Text: why.Text}
		}
		return n, err
	}}
	there := func() int64 {
		return s.count(`SELECT count(*) FROM millrace.cases WHERE sentiment_method = $1`, o.Scorer.Method)
	}
	run := func(well int64) db.Run {
		t.Helper()
		asked.Store(0)
		rates.Store(well)
		return s.completed(s.syncWith(o))
	}

	for _, refusal := range []struct {
		status     int
		body, says string
	}{
		{http.StatusBadRequest, `{"error": {"message": "API key not valid. Please pass a valid API key."}}`, "it answered with status 400, whatever it is asked about"},
		{http.StatusBadRequest, `{"error": {"message": "Billing hard limit has been reached"}}`, "it answered with status 400, whatever it is asked about"},
		{http.StatusUnprocessableEntity, `{"detail": "The model has been retired."}`, "it answered with status 422, whatever it is asked about"},
		{http.StatusOK, `{"choices": [{"finish_reason": "length", "message": {"content": ""}}]}`,
			"it used up the tokens of its answer before it came to a number, as models do that think for long, whatever it is asked about"},
		{http.StatusOK, `{"error": {"message": "The model has been retired."}}`, "its answer is not of the expected form, whatever it is asked about"},
	} {
		refuse(refusal.status, refusal.body)
		ended := run(0)
		if p := s.step(ended, "cases"); !strings.HasSuffix(p.Note, " conversations were rated here, not by the endpoint: "+refusal.says+".") {
			t.Errorf("%s: the step says %q", refusal.body, p.Note)
		}
		if n := s.count(`SELECT count(*) FROM millrace.sentiment_refusals`); n != 0 || asked.Load() < 6 || asked.Load() > 10 || there() != 0 {
			t.Errorf("%s: asked %d times, %d refusals are kept", refusal.body, asked.Load(), n)
		}
	}
	run(1_000_000)
	talked := s.count(`SELECT count(*) FROM millrace.cases c WHERE EXISTS (SELECT FROM millrace.case_messages m WHERE m.case_id = c.sf_id)`)
	if there() != talked || asked.Load() != talked || talked < 40 {
		t.Errorf("once mended it is asked %d times, %d of %d cases are rated there", asked.Load(), there(), talked)
	}

	s.mustExec(`UPDATE millrace.cases SET sentiment_method = 'vader-1' WHERE sentiment_method = $1`, o.Scorer.Method)
	run(5)
	if n := s.count(`SELECT count(*) FROM millrace.sentiment_refusals`); n > 15 || asked.Load() > 35 || there() != 5 {
		t.Errorf("refusing everything from its sixth answer on it is asked %d times, %d refusals are kept", asked.Load(), n)
	}
	run(1_000_000)
	if n := s.count(`SELECT count(*) FROM millrace.sentiment_refusals`); n != 0 || there() != talked {
		t.Errorf("%d refusals are kept of what is rated, %d of %d cases are rated there", n, there(), talked)
	}
}
