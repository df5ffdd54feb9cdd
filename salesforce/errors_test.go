package salesforce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestErrorsHoldNoTokens(t *testing.T) {
	t.Parallel()
	const canary = "CANARY123"
	for _, body := range []string{
		`{"access_token":"` + canary + `"}`, "<html>Bearer " + canary + "</html>", "refresh_token=" + canary + "&x=1", "sid=" + canary,
		"<sessionId>00D000000000001!" + canary + "</sessionId>", `[{"errorCode":"X","message":"token 00D000000000001!` + canary + ` refused"}]`, "5Aep861" + canary,
		access,
	} {
		s := newStand(t, func(w http.ResponseWriter, r *http.Request) { writeJSON(w, 400, body) })
		_, err := s.Query(t.Context(), "SELECT Id FROM Account WHERE Name = 'secret name'")
		var e *APIError
		if !errors.As(err, &e) {
			t.Fatalf("%q: %v", body, err)
		}
		if text := fmt.Sprintf("%v %+v", err, *e); strings.Contains(text, canary) || strings.Contains(text, "first") || strings.Contains(text, "secret name") {
			t.Errorf("%q leaves %s", body, text)
		}
	}
}

// The token in use is removed by its value, whatever it looks like, and a network failure does not repeat the address with its query.
func TestErrorsHoldNoQueryAndNoOddToken(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/limits") {
			w.WriteHeader(400)
			io.WriteString(w, r.Header.Get("Authorization")[len("Bearer "):])
			return
		}
		panic(http.ErrAbortHandler)
	})
	s.tokens.token.Access = "odd-looking"
	if _, err := s.Limits(t.Context()); err == nil || strings.Contains(err.Error(), "odd-looking") {
		t.Error(err)
	}
	var network *NetworkError
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account WHERE Name = 'Ada'"); !errors.As(err, &network) || strings.Contains(err.Error(), "Ada") || network.Path != "/services/data/v66.0/query" {
		t.Error(err)
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	dead := &OAuthError{Status: 400, Code: "invalid_grant"}
	tests := []struct {
		err                    error
		transient, daily, dead bool
	}{
		{nil, false, false, false},
		{errors.New("other"), false, false, false},
		{&NetworkError{Err: io.EOF}, true, false, false},
		{&NetworkError{Err: context.Canceled}, false, false, false},
		{fmt.Errorf("page: %w", context.DeadlineExceeded), true, false, false},
		{&CSVError{Err: ErrTruncated}, true, false, false},
		{&CSVError{Err: ErrStalled}, true, false, false},
		{&CSVError{Err: ErrTooLarge}, false, false, false},
		{&CSVError{Reason: "syntax"}, false, false, false},
		{fmt.Errorf("run: %w", dead), false, false, true},
		{&OAuthError{Status: 400, Code: "inactive_user"}, false, false, true},
		{&OAuthError{Status: 502}, true, false, false},
		{&OAuthError{Status: 400, Code: "invalid_client", Description: "invalid client credentials"}, false, false, true},
		{&OAuthError{Status: 401, Code: "invalid_client"}, false, false, true},
		{&OAuthError{Status: 400, Code: "invalid_client_id", Description: "client identifier invalid"}, false, false, true},
		{&OAuthError{Status: 400, Code: "unsupported_grant_type", Description: "grant type not supported"}, false, false, true},
		{&OAuthError{Status: 400, Code: "unauthorized_client"}, false, false, true},
		{&OAuthError{Status: 400, Code: "invalid_app_access", Description: "user is not admin approved to access this app"}, false, false, true},
		{&OAuthError{Status: 400, Code: "something_new"}, false, false, false},
		{&OAuthError{Status: 403}, false, false, false},
		{&OAuthError{Status: 429, Code: "invalid_client"}, true, false, false},
		{&OAuthError{Status: 503, Code: "invalid_client_id"}, true, false, false},
		{&OAuthError{Status: 400, Code: "server_error"}, true, false, false},
		{&OAuthError{Status: 400, Code: "unknown_error", Description: "retry your request"}, true, false, false},
		{&OAuthError{Status: 400, Code: "invalid_grant", Description: "token request is already being processed"}, true, false, false},
		{&APIError{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "TotalRequests Limit exceeded."}, false, true, false},
		{&APIError{Status: 403, Code: "REQUEST_LIMIT_EXCEEDED", Message: "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}, true, false, false},
		{&NetworkError{Err: &HostError{Host: "x"}}, false, false, false},
	}
	for _, tt := range tests {
		if IsTransient(tt.err) != tt.transient || IsDailyLimit(tt.err) != tt.daily || IsGrantDead(tt.err) != tt.dead {
			t.Errorf("%v: transient %v, daily %v, dead %v", tt.err, IsTransient(tt.err), IsDailyLimit(tt.err), IsGrantDead(tt.err))
		}
	}
}

// TestWhatIsNoSecret has the words of a query that Salesforce stumbled over stay, and secrets in the same answer go.
func TestWhatIsNoSecret(t *testing.T) {
	t.Parallel()
	body := `[{"errorCode": "MALFORMED_QUERY", "message": "unexpected token: 'FROM' (Unexpected Token: WHERE), token: abc123, access_token=def456"}]`
	e := parseErrors(400, []byte(body))
	if want := "unexpected token: 'FROM' (Unexpected Token: WHERE), token: [removed], access_token=[removed]"; e == nil || e.Message != want {
		t.Errorf("the message is %v", e)
	}
	if text := excerpt([]byte(body)); !strings.Contains(text, "'FROM'") || strings.Contains(text, "abc123") || strings.Contains(text, "def456") {
		t.Errorf("the excerpt is %s", text)
	}
}

func TestQueryPosition(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("run: %w", &APIError{Status: 400, Code: "INVALID_FIELD",
		Message: "\nSELECT Id, Nmae FROM Account\n           ^\nERROR at Row:2:Column:12\nNo such column 'Nmae' on entity 'Account'."})
	line, col, text, ok := QueryPosition(err)
	if !ok || line != 2 || col != 12 || text != "No such column 'Nmae' on entity 'Account'." {
		t.Errorf("%d:%d %q %v", line, col, text, ok)
	}
	for _, err := range []error{nil, errors.New("ERROR at Row:1:Column:1\nx"), &APIError{Message: "unexpected token: q"},
		&APIError{Message: "ERROR at Row:99999999999999999999:Column:1\nx"}} {
		if _, _, _, ok := QueryPosition(err); ok {
			t.Errorf("%v has no position", err)
		}
	}
}
