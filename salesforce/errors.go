package salesforce

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// APIError is an error answer of a data call. Body is an excerpt of the answer without tokens, kept for answers that are not Salesforce's usual
// JSON, such as an HTML error page.
type APIError struct {
	Status  int    // HTTP status
	Code    string // Salesforce's errorCode, such as "MALFORMED_QUERY"; empty when the answer had none
	Message string
	Fields  []string
	Body    string
}

func (e *APIError) Error() string {
	switch {
	case e.Code != "":
		return fmt.Sprintf("salesforce: %s (HTTP %d): %s", e.Code, e.Status, e.Message)
	case e.Message != "":
		return fmt.Sprintf("salesforce: HTTP %d: %s", e.Status, e.Message)
	}
	return fmt.Sprintf("salesforce: HTTP %d without a Salesforce error: %q", e.Status, e.Body)
}

// OAuthError is an error answer of the authorize, token or revoke endpoint. ExplainOAuth puts it in words for an admin.
type OAuthError struct {
	Status            int    // HTTP status; 0 when no request was made
	Code, Description string // error and error_description
}

func (e *OAuthError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("salesforce: OAuth endpoint answered HTTP %d: %s", e.Status, e.Description)
	}
	return fmt.Sprintf("salesforce: OAuth error %s: %s", e.Code, e.Description)
}

// NetworkError is a call that got no complete answer: the connection failed, stalled or ended early.
type NetworkError struct {
	Method, Path string // Path without the query, which may hold data
	Err          error
}

func (e *NetworkError) Error() string {
	return fmt.Sprintf("salesforce: %s %s: %v", e.Method, e.Path, e.Err)
}

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.Err }

// AnswerError is a successful answer that is not what the call asked for: an HTML page or nothing where JSON is due, JSON where CSV is due, a
// missing header, a page that points at itself.
type AnswerError struct {
	Path   string // of the call, without the query
	Reason string
	Body   string // excerpt without tokens
	Err    error  // the cause, when there is one
}

func (e *AnswerError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("salesforce: unusable answer of %s: %s: %v", e.Path, e.Reason, e.Err)
	}
	return fmt.Sprintf("salesforce: unusable answer of %s: %s", e.Path, e.Reason)
}

// Unwrap returns the cause.
func (e *AnswerError) Unwrap() error { return e.Err }

// HostError is a host that HostPolicy refuses. Reason is a sentence for a person.
type HostError struct{ Host, Reason string }

func (e *HostError) Error() string {
	return fmt.Sprintf("salesforce: host %q refused: %s", e.Host, e.Reason)
}

var (
	// ErrTruncated is an answer that ended before its end: a broken connection, cut gzip data, or CSV that stops in the middle of a row.
	ErrTruncated = errors.New("the data ended too early")
	// ErrStalled is an answer that stopped arriving for longer than HostPolicy.Stall.
	ErrStalled = errors.New("the answer stopped arriving")
	// ErrTooLarge is an answer, a CSV row or a CSV field above its limit.
	ErrTooLarge = errors.New("the data is larger than allowed")
)

// IsGrantDead reports whether the connection cannot be renewed any more, so that a person must connect again: its grant is gone for good, or
// IsAppRefused.
func IsGrantDead(err error) bool {
	switch lastingRefusal(err) {
	case "invalid_grant", "inactive_user", "inactive_org":
		return true
	}
	return IsAppRefused(err)
}

// IsAppRefused reports whether Salesforce does not accept the connected app any more: it was deleted, its consumer secret was rotated, or it may not be
// used in this way, or by this user.
func IsAppRefused(err error) bool {
	switch lastingRefusal(err) {
	case "invalid_client_id", "invalid_client", "OAUTH_EC_APP_NOT_FOUND", "unauthorized_client", "unsupported_grant_type", "invalid_app_access",
		"OAUTH_APPROVAL_ERROR_GENERIC":
		return true
	}
	return false
}

// lastingRefusal returns the code of an answer of an OAuth endpoint that another try would not change; empty for any other error.
func lastingRefusal(err error) string {
	var e *OAuthError
	if !errors.As(err, &e) || e.passing() {
		return ""
	}
	return e.Code
}

// passing reports whether the same call may succeed later. Salesforce calls a grant invalid also while it is still busy with another refresh of it, such as
// one whose caller has given up.
func (e *OAuthError) passing() bool {
	switch e.Code {
	case "rate_limit_exceeded", "server_error", "temporarily_unavailable", "unknown_error":
		return true
	}
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests || strings.Contains(strings.ToLower(e.Description), "already being processed")
}

// IsDailyLimit reports whether the org's API requests of the last 24 hours are used up. Only time helps.
func IsDailyLimit(err error) bool {
	var e *APIError
	return errors.As(err, &e) && e.Code == "REQUEST_LIMIT_EXCEEDED" && !e.concurrent()
}

// concurrent tells the limits on requests at the same time, which free themselves in seconds, from the daily limit of the same code.
func (e *APIError) concurrent() bool {
	return strings.Contains(e.Message, "Concurrent") || e.Status == http.StatusTooManyRequests
}

// isNotFound reports whether the org has no such object, record or job, or does not show it.
func isNotFound(err error) bool {
	var e *APIError
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// IsTransient reports whether the same call may succeed later: network failures, stalls, cut answers, 5xx, 429, locks, query timeouts and the limit
// on concurrent requests. A call ended by its own context is not transient, one whose deadline passed is.
func IsTransient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrTooLarge) {
		return false
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var api *APIError
	if errors.As(err, &api) {
		return retryableAPI(api) || api.Code == "QUERY_TIMEOUT"
	}
	var oauth *OAuthError
	if errors.As(err, &oauth) {
		return oauth.passing()
	}
	var answer *AnswerError
	return retryableNetwork(err) || errors.As(err, &answer) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrStalled)
}

// retryableNetwork reports whether err is a network failure that another try may mend. A refused host or certificate stays refused.
func retryableNetwork(err error) bool {
	var network *NetworkError
	if !errors.As(err, &network) {
		return false
	}
	var host *HostError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return !errors.As(err, &host) && !errors.As(err, &unknown) && !errors.As(err, &name) && !errors.As(err, &invalid)
}

// retryableAPI holds the table of answers after which the same call is sent again, from the status and error codes of the REST API Developer Guide.
func retryableAPI(e *APIError) bool {
	switch e.Code {
	case "REQUEST_LIMIT_EXCEEDED":
		return e.concurrent()
	case "UNABLE_TO_LOCK_ROW":
		return true
	}
	switch e.Status {
	case 429, 500, 502, 503, 504:
		return true
	}
	return false
}

var rowColumn = regexp.MustCompile(`ERROR at Row:(\d+):Column:(\d+)\n?`)

// QueryPosition takes apart the place that Salesforce names in the message of a refused query. line and col are 1-based; text is what follows the
// place. ok is false when the error names none.
func QueryPosition(err error) (line, col int, text string, ok bool) {
	var e *APIError
	if !errors.As(err, &e) {
		return 0, 0, "", false
	}
	m := rowColumn.FindStringSubmatchIndex(e.Message)
	if m == nil {
		return 0, 0, "", false
	}
	line, lineErr := strconv.Atoi(e.Message[m[2]:m[3]])
	col, colErr := strconv.Atoi(e.Message[m[4]:m[5]])
	if lineErr != nil || colErr != nil {
		return 0, 0, "", false
	}
	return line, col, strings.TrimSpace(e.Message[m[1]:]), true
}

// secrets matches what must never be kept from an answer: session ids, refresh tokens, and the values of named secrets in JSON, forms and headers.
var secrets = regexp.MustCompile(`(?i)` + unexpected + `|00D[a-z0-9]{9,15}!(?:[a-z0-9._-]|%2E)+|5Aep[a-z0-9._-]{5,}|bearer\s+[^\s"'<]+` +
	`|("?(?:access_token|refresh_token|id_token|client_secret|code_verifier|session_?id|sid|token|password|assertion|signature)"?\s*[:=]\s*"?)[^"&\s<,}]+`)

// unexpected is how Salesforce begins to say at which word of a query it stumbled, which is no secret.
const unexpected = `unexpected token:`

// withoutSecrets takes secrets out of what Salesforce has answered.
func withoutSecrets(text string) string {
	return secrets.ReplaceAllStringFunc(text, func(met string) string {
		if strings.EqualFold(met, unexpected) {
			return met
		}
		return secrets.ReplaceAllString(met, "${1}[removed]")
	})
}

// How much is taken over of a code and of a message; Salesforce's own are shorter.
const (
	codeBytes    = 100
	messageBytes = 4000
)

// said returns what an answer says as a text that can be shown and stored: without secrets and characters that are none, and of no more than so many bytes.
func said(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == '\u007f' || r == utf8.RuneError {
			return -1
		}
		return r
	}, withoutSecrets(text))
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

const excerptBytes = 400

// excerpt returns the beginning of an answer on one line, without tokens.
func excerpt(body []byte) string {
	s := withoutSecrets(string(body))
	s = strings.Join(strings.Fields(s), " ")
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > excerptBytes {
		s = s[:excerptBytes]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
		s += "…"
	}
	return s
}
