package pipeline

import (
	"context"
	"log/slog"
	"math"
	"testing"
)

// TestNothingSaidIsSettled rates a conversation whose messages are empty once: no endpoint is asked about it, and no later run takes it up again.
func TestNothingSaidIsSettled(t *testing.T) {
	t.Parallel()
	j := Work{Scorer: &Scorer{Method: "llm-1:test", DailyCalls: 5, Score: func(context.Context, string, func() bool) (float64, error) {
		t.Error("asked about nothing")
		return 0, nil
	}}}
	got, err := j.rated(t.Context(), Conversation{CaseID: "500000000000001AAA", Messages: 2, Texts: []string{"", "  \n"}}, new(asking))
	if err != nil || got.Method != "llm-1:test" || got.Messages != 2 || got.Label != "" || !math.IsNaN(got.Compound) {
		t.Errorf("%+v: %v", got, err)
	}
}

// TestRatedHereIsSaid names how many conversations were rated here and why, the most frequent causes first.
func TestRatedHereIsSaid(t *testing.T) {
	t.Parallel()
	a := new(asking)
	if got := a.says(); got != "" {
		t.Errorf("nothing is said as %q", got)
	}
	a.count("it answered with status 400")
	a.fail("it did not answer in time")
	for range 12 {
		a.count(a.why())
	}
	a.spent.Store(true)
	a.count(a.why())
	const want = "12 conversations were rated here, not by the endpoint: it did not answer in time. " +
		"1 conversation was rated here, not by the endpoint: it answered with status 400. 1 conversation was rated here, not by the endpoint: the calls of the day are used up."
	if got := a.says(); got != want {
		t.Errorf("says %q", got)
	}
	if got := ratedHere.ReplaceAllString("Without Reason. "+want, ""); got != "Without Reason." {
		t.Errorf("replaced, it leaves %q", got)
	}
}

// TestSecondCallIsADailyCall takes a second call for one text off the day's calls, and holds nothing against a text for which none was left.
func TestSecondCallIsADailyCall(t *testing.T) {
	t.Parallel()
	calls := &dailyCalls{}
	j := Work{Store: calls, Log: slog.New(slog.DiscardHandler), Scorer: &Scorer{Method: "llm-1:test", DailyCalls: 3, Score: func(_ context.Context, _ string, again func() bool) (float64, error) {
		if !again() {
			return 0, &ScoreError{Says: "it answered with status 400", Text: true}
		}
		return 0.5, nil
	}}}
	a := new(asking)
	c := Conversation{CaseID: "500000000000001AAA", Messages: 1, Texts: []string{"This is great."}}
	for i, method := range []string{"llm-1:test", SentimentMethod, SentimentMethod} {
		got, err := j.rated(t.Context(), c, a)
		if err != nil || got.Method != method || got.Refusal.Attempts != 0 {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
	}
	if calls.n != 4 || a.here[whySpent] != 2 {
		t.Errorf("%d calls were asked for, %v rated here", calls.n, a.here)
	}
}

// dailyCalls is a store that counts calls and does nothing else.
type dailyCalls struct {
	Store
	n int
}

func (d *dailyCalls) TakeSentimentCall(_ context.Context, most int) (bool, error) {
	d.n++
	return d.n <= most, nil
}
