package pipeline

import (
	"testing"
	"time"
)

// TestPausesGrowAndDiffer holds the pauses between the attempts at a page: twice as long each time and never quite the same, except for what is over soon.
func TestPausesGrowAndDiffer(t *testing.T) {
	t.Parallel()
	o := Options{}.withDefaults()
	for n := 1; n < o.Attempts; n++ {
		usual := o.Backoff << (n - 1)
		seen := map[time.Duration]bool{}
		for range 100 {
			d := o.pause(n, Transient)
			if d < usual/2 || d >= usual*3/2 {
				t.Fatalf("after failure %d a pause of %v, usually %v", n, d, usual)
			}
			seen[d] = true
			if d := o.pause(n, Conflict); d < 0 || d >= o.Backoff {
				t.Fatalf("after a conflict a pause of %v", d)
			}
		}
		if len(seen) < 50 {
			t.Errorf("after failure %d there are only %d different pauses", n, len(seen))
		}
	}
}

// TestChangesBeginWithTheBorderItself: what changed in the very moment up to which everything was read is asked for again.
func TestChangesBeginWithTheBorderItself(t *testing.T) {
	t.Parallel()
	e, err := changedSince(time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if got := e.String(); got != "SystemModstamp >= 2026-03-04T05:06:07.008Z" {
		t.Errorf("got %s", got)
	}
}
