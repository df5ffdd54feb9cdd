package sim

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault makes matching requests go wrong. What is not set does not happen, so that a Fault with only SlowBytesPerSecond answers correctly, but
// slowly.
type Fault struct {
	Match  string // path prefix by whole segments, * for any one segment, such as /services/data/*/jobs/query; empty for every request. Subrequests of a composite request count too; how the body is sent is a matter of the whole.
	Method string // empty for all
	Nth    int    // the first matching request that is affected, counted from 1; 0 means 1
	Count  int    // how many are affected from there; 0 means 1, -1 all

	Status  int    // answer with this instead of the resource
	Code    string // errorCode; by default the usual one of the status
	Message string // by default the usual one of the code
	Body    string // replaces the whole error body; answered as HTML when it begins with <

	Stall              time.Duration // wait this long, in real time, before answering
	StallAfter         int           // bytes of the body to send before the stall
	TruncateAfter      int           // bytes of the body after which the connection is cut
	CleanCut           bool          // end a truncated answer as if it were complete
	SlowBytesPerSecond int           // rate of the body as it is sent, compressed if the caller asked for that
	LockRows           int           // writes of the request, from its first, that fail with UNABLE_TO_LOCK_ROW, each record by itself; -1 all
	CorruptRow         int           // row of a bulk result page, counted from 1, whose quotes are broken

	ID int // given by Fail
}

type faultState struct {
	mu    sync.Mutex
	next  int
	rules []*activeFault
}

type activeFault struct {
	Fault
	matched int // requests that matched so far
}

// Fail arms a fault and returns its number.
func (o *Org) Fail(f Fault) int {
	s := &o.faults
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	f.ID = s.next
	f.Nth = max(f.Nth, 1)
	if f.Count == 0 {
		f.Count = 1
	}
	s.rules = append(s.rules, &activeFault{Fault: f})
	return f.ID
}

// ClearFaults disarms one fault, or all with 0.
func (o *Org) ClearFaults(id int) {
	s := &o.faults
	s.mu.Lock()
	defer s.mu.Unlock()
	var keep []*activeFault
	for _, f := range s.rules {
		if id != 0 && f.ID != id {
			keep = append(keep, f)
		}
	}
	s.rules = keep
}

// Faults returns the armed faults with the requests that each has yet to affect in Count.
func (o *Org) Faults() []Fault {
	s := &o.faults
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Fault{}
	for _, f := range s.rules {
		left := f.Fault
		if f.Count > 0 {
			left.Count = f.Nth - 1 + f.Count - f.matched
			left.Count = min(left.Count, f.Count)
		}
		list = append(list, left)
	}
	return list
}

// take finds the first fault that affects a request.
func (s *faultState) take(method, path string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rules) == 0 {
		return nil
	}
	var hit *Fault
	keep := s.rules[:0:0]
	for _, f := range s.rules {
		if hit == nil && (f.Method == "" || strings.EqualFold(f.Method, method)) && pathMatches(f.Match, path) {
			f.matched++
			if f.matched >= f.Nth && (f.Count < 0 || f.matched < f.Nth+f.Count) {
				c := f.Fault
				hit = &c
			}
		}
		if f.Count < 0 || f.matched < f.Nth+f.Count-1 {
			keep = append(keep, f)
		}
	}
	s.rules = keep
	return hit
}

// pathMatches compares a pattern with the beginning of a path, segment by segment.
func pathMatches(pattern, path string) bool {
	pattern = strings.Trim(lower(pattern), "/")
	if pattern == "" {
		return true
	}
	have := strings.Split(strings.Trim(path, "/"), "/")
	want := strings.Split(pattern, "/")
	if len(have) < len(want) {
		return false
	}
	for i, s := range want {
		if s != "*" && s != have[i] {
			return false
		}
	}
	return true
}

// rowLocks counts down the writes that find their record locked.
type rowLocks struct {
	mu   sync.Mutex
	left int
}

// lockedRows are the locks that a fault holds against the writes of a request; nil for none.
func lockedRows(ctx context.Context) *rowLocks {
	l, _ := ctx.Value(lockKey{}).(*rowLocks)
	return l
}

type lockKey struct{}

// take tells whether the next record is locked.
func (l *rowLocks) take() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left > 0 {
		l.left--
		return true
	}
	return l.left < 0
}

type corruptKey struct{}

// corruptRow is the row of a bulk page that a fault wants broken; 0 for none.
func corruptRow(ctx context.Context) int {
	n, _ := ctx.Value(corruptKey{}).(int)
	return n
}

// inject applies the fault that a request meets, if any. It returns false when it has answered.
func (o *Org) inject(w http.ResponseWriter, r *http.Request, path string) (http.ResponseWriter, bool) {
	f := o.faults.take(r.Method, path)
	if f == nil {
		return w, true
	}
	if f.Stall > 0 {
		// The server notices that a caller hung up only once the request's body is read.
		body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)) // what cannot be read is missed by the resource
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if f.Stall > 0 && f.StallAfter == 0 && !wait(r.Context(), f.Stall) {
		return w, false
	}
	if f.CorruptRow > 0 {
		*r = *r.WithContext(context.WithValue(r.Context(), corruptKey{}, f.CorruptRow))
	}
	if f.LockRows != 0 {
		*r = *r.WithContext(context.WithValue(r.Context(), lockKey{}, &rowLocks{left: f.LockRows}))
	}
	if f.TruncateAfter > 0 || f.SlowBytesPerSecond > 0 || f.StallAfter > 0 {
		w = &faultWriter{ResponseWriter: w, f: f, ctx: r.Context()}
	}
	if f.Status == 0 {
		return w, true
	}
	if f.Body != "" {
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		if strings.HasPrefix(f.Body, "<") {
			w.Header().Set("Content-Type", "text/html;charset=UTF-8")
		}
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body)) // only fails when the caller is gone
		return w, false
	}
	e := usualError(f.Status)
	if f.Code != "" {
		e.code = f.Code
		e.message = usualMessage[f.Code]
	}
	if f.Message != "" {
		e.message = f.Message
	}
	if strings.HasPrefix(path, "/services/oauth2/") {
		writeJSON(w, f.Status, map[string]string{"error": e.code, "error_description": e.message}, false)
		return w, false
	}
	writeError(w, e)
	return w, false
}

var usualMessage = map[string]string{
	"INVALID_SESSION_ID":                      "Session expired or invalid",
	"REQUEST_LIMIT_EXCEEDED":                  "TotalRequests Limit exceeded.",
	"API_CURRENTLY_DISABLED":                  "API is disabled for this User",
	"API_DISABLED_FOR_ORG":                    "The REST API is not enabled for this Organization.",
	"UNABLE_TO_LOCK_ROW":                      "unable to obtain exclusive access to this record",
	"QUERY_TIMEOUT":                           "Your query request was running for too long.",
	"SERVER_UNAVAILABLE":                      "Server Unavailable",
	"UNKNOWN_EXCEPTION":                       "An unexpected error occurred. Please include this ErrorId if you contact support: 1763600000-1 (1)",
	"INSUFFICIENT_ACCESS":                     "insufficient access rights on object id",
	"STORAGE_LIMIT_EXCEEDED":                  "storage limit exceeded",
	"invalid_grant":                           "expired access/refresh token",
	"INVALID_QUERY_LOCATOR":                   "invalid query locator",
	"OPERATION_TOO_LARGE":                     "exceeded 100000 distinct who/what's",
	"QUERY_TOO_COMPLICATED":                   "Query is either selecting too many fields or the filter conditions are too complicated.",
	"INVALID_OPERATION_WITH_EXPIRED_PASSWORD": "The users password has expired, you must call SetPassword before attempting any other API operations",
}

// usualError is what Salesforce most often means by a status.
func usualError(status int) *apiError {
	code := map[int]string{http.StatusBadRequest: "UNABLE_TO_LOCK_ROW", http.StatusUnauthorized: "INVALID_SESSION_ID", http.StatusForbidden: "REQUEST_LIMIT_EXCEEDED",
		http.StatusTooManyRequests: "REQUEST_LIMIT_EXCEEDED", http.StatusServiceUnavailable: "SERVER_UNAVAILABLE"}[status]
	if code == "" {
		code = "UNKNOWN_EXCEPTION"
	}
	if status == http.StatusTooManyRequests {
		return fail(status, code, "ConcurrentPerOrgLongTxn Limit exceeded.")
	}
	return fail(status, code, "%s", usualMessage[code])
}

// wait sleeps unless the caller hangs up first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
