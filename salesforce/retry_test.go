package salesforce

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Which answers are repeated, which are not, and which may succeed in a later run.
func TestRetryPolicy(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", "1000")
		writeJSON(w, 200, onePage)
	}
	refuse := func(status int, code, message string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { writeJSON(w, status, errorJSON(code, message)) }
	}
	tests := []struct {
		name               string
		answer             func(http.ResponseWriter)
		repeats, transient bool
	}{
		{"server error", refuse(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred."), true, true},
		{"bad gateway", func(w http.ResponseWriter) { w.WriteHeader(502) }, true, true},
		{"overloaded, as a page", func(w http.ResponseWriter) { w.WriteHeader(503); io.WriteString(w, "<html>maintenance</html>") }, true, true},
		{"gateway timeout", func(w http.ResponseWriter) { w.WriteHeader(504) }, true, true},
		{"too many requests", refuse(429, "TOO_MANY", "slow down"), true, true},
		{"too many requests, under the code of the other limit", refuse(429, "REQUEST_LIMIT_EXCEEDED", "Limit exceeded."), true, true},
		{"lock", refuse(400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"), true, true},
		{"concurrent limit", refuse(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."), true, true},
		{"page with status 200", func(w http.ResponseWriter) { io.WriteString(w, "<html>maintenance</html>") }, true, true},
		{"nothing", func(w http.ResponseWriter) { writeJSON(w, 200, "") }, true, true},
		{"half an answer", func(w http.ResponseWriter) { writeJSON(w, 200, onePage[:30]) }, true, true},
		{"cut connection", cut, true, true},
		{"not a query result", func(w http.ResponseWriter) { writeJSON(w, 200, "{}") }, false, true},
		{"daily limit", refuse(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), false, false},
		{"query timeout", refuse(400, "QUERY_TIMEOUT", "Your query request was running for too long."), false, true},
		{"bad query", refuse(400, "MALFORMED_QUERY", "unexpected token: q"), false, false},
		{"forbidden", refuse(403, "API_DISABLED_FOR_ORG", "The REST API is not enabled for this Organization."), false, false},
		{"not found", refuse(404, "NOT_FOUND", "The requested resource does not exist"), false, false},
		{"redirect", func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(302)
		}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				tt.answer(w)
			})
			_, err := s.Query(t.Context(), "SELECT Id FROM Account")
			want := int64(1)
			if tt.repeats {
				want = maxTries
			}
			if err == nil || calls.Load() != want || int64(s.waits.count()) != want-1 {
				t.Errorf("%d calls, %d waits, error %v; want %d calls", calls.Load(), s.waits.count(), err, want)
			}
			if IsTransient(err) != tt.transient {
				t.Errorf("IsTransient(%v) = %v", err, !tt.transient)
			}
			if daily := strings.Contains(tt.name, "daily"); IsDailyLimit(err) != daily {
				t.Errorf("IsDailyLimit(%v) = %v", err, !daily)
			}
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < maxTries {
			w.WriteHeader(503)
			return
		}
		writeJSON(w, 200, onePage)
	})
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err != nil {
		t.Fatal(err)
	}
	for i, d := range s.waits.all {
		if limit := min(backoffCap, backoffBase<<i) + time.Millisecond; d <= 0 || d > limit {
			t.Errorf("wait %d is %v; want at most %v", i+1, d, limit)
		}
	}
}

// TestBackoffGrowsAndDiffers holds the pauses themselves: each may be twice as long as the one before, up to a cap, and clients that failed together come back apart.
func TestBackoffGrowsAndDiffers(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 9; n++ {
		limit := min(backoffBase<<(n-1), 30*time.Second)
		longest, seen := time.Duration(0), map[time.Duration]bool{}
		for range 300 {
			d := backoff(n)
			if d <= 0 || d > limit+time.Millisecond {
				t.Fatalf("pause %d is %v; it may be %v", n, d, limit)
			}
			longest, seen[d] = max(longest, d), true
		}
		if longest < limit*3/4 || len(seen) < 100 {
			t.Errorf("of 300 pauses %d, the longest is %v, and %d differ", n, longest, len(seen))
		}
	}
}

func TestCreateJobIsNeverRepeated(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	_, err := s.CreateQueryJob(t.Context(), "SELECT Id FROM Account")
	if !IsTransient(err) || s.Calls() != 1 {
		t.Errorf("%d calls, %v", s.Calls(), err)
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, func(c *Config) {
		c.Sleep = func(ctx context.Context, d time.Duration) error {
			cancel()
			return sleepContext(ctx, time.Hour)
		}
	})
	if _, err := s.Query(ctx, "SELECT Id FROM Account"); !errors.Is(err, context.Canceled) || IsTransient(err) || s.Calls() != 1 {
		t.Errorf("%d calls, %v", s.Calls(), err)
	}
}

func TestCancelledCallIsRecognisable(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := s.Query(ctx, "SELECT Id FROM Account"); !errors.Is(err, context.Canceled) || IsTransient(err) || s.waits.count() != 0 {
		t.Errorf("%d waits, %v", s.waits.count(), err)
	}
}
