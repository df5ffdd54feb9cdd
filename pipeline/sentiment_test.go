package pipeline

import (
	"context"
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
