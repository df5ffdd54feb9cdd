package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// What one composite request may hold: 25 subrequests, of which five may be queries (REST API Developer Guide, Send Multiple Requests Using Composite).
const (
	maxSubrequests = 25
	maxSubqueries  = 5
)

// How long subrequests are sent by themselves after a composite request failed: an org or a proxy that takes none, or whose queries are too slow for one answer, stays so; the rest passes.
const (
	aloneWhenRefused = 24 * time.Hour
	aloneWhenFailed  = 10 * time.Minute
)

// subrequest is a GET that is sent with others, with headers of its resource.
type subrequest struct {
	path   string // as in request
	query  url.Values
	header map[string]string
}

// subanswer is what came of one subrequest: Salesforce answers each with a status of its own.
type subanswer struct {
	status int
	header http.Header
	body   json.RawMessage
}

// errAlone says that subrequests have to be sent by themselves.
var errAlone = errors.New("salesforce: not sent in a composite request")

// together sends subrequests as one composite request, which counts as a single call towards the API limits (REST API Developer Guide, Send Multiple Requests
// Using Composite), and hands each answer to take, by the number of its subrequest. It is a saving and no more: where it fails it returns errAlone, and what was not taken is to be sent by itself, which has
// its own retries. Any other error would meet every subrequest too.
func (c *Client) together(ctx context.Context, kind Call, parts []subrequest, take func(int, subanswer)) error {
	if until := c.alone.Load(); until != nil && c.now().Before(*until) {
		return errAlone
	}
	type wire struct {
		Method string            `json:"method"`
		URL    string            `json:"url"`
		ID     string            `json:"referenceId"`
		Header map[string]string `json:"httpHeaders,omitempty"`
	}
	list := make([]wire, len(parts))
	for i, p := range parts {
		at := p.path
		if len(p.query) > 0 {
			at += "?" + p.query.Encode()
		}
		list[i] = wire{http.MethodGet, at, reference(i), p.header}
	}
	q := request{kind: kind, method: http.MethodPost, path: c.data("/composite"), body: map[string]any{"allOrNone": false, "compositeRequest": list}}
	resp, err := c.once(ctx, q)
	if err == nil {
		err = subanswers(q, resp, len(parts), take)
		resp.Body.Close()
	}
	if renewal := (*RenewalError)(nil); errors.As(err, &renewal) && ctx.Err() == nil && retryable(err) {
		return errAlone // which tries again
	}
	if err == nil || ctx.Err() != nil || !ofOneRequest(err) {
		return err
	}
	until := c.now().Add(aloneWhenFailed)
	if lastsForComposite(err) {
		until = c.now().Add(aloneWhenRefused)
	}
	c.alone.Store(&until)
	return errAlone
}

func reference(i int) string { return "r" + strconv.Itoa(i) }

// ofOneRequest reports whether err is how one request fared, so that another may fare better. What it does not name, such as the word of a meter, the daily limit or a lost sign-in, is said to all alike.
func ofOneRequest(err error) bool {
	switch e := err.(type) { // not errors.As: a meter may wrap how its own request fared
	case *APIError:
		return !IsDailyLimit(e) && !sessionRefused(e)
	case *TriedError:
		return ofOneRequest(e.Err)
	case *NetworkError, *AnswerError:
		return true
	}
	return false
}

// lastsForComposite reports whether the next composite request would fail likewise.
func lastsForComposite(err error) bool {
	if api, ok := err.(*APIError); ok {
		return !retryableAPI(api)
	}
	var slow net.Error
	return errors.As(err, &slow) && slow.Timeout()
}

// subanswers hands the answers to a composite request of n subrequests to take, as they arrive: together they may be large. An error says that some of them did not come.
func subanswers(q request, resp *http.Response, n int, take func(int, subanswer)) error {
	unreadable := func(err error) error {
		var network *NetworkError
		if errors.As(err, &network) {
			return network
		}
		return &AnswerError{Path: q.path, Reason: "its JSON cannot be read", Err: err}
	}
	if media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); !strings.EqualFold(media, "application/json") {
		return &AnswerError{Path: q.path, Reason: "it is not JSON"}
	}
	dec := json.NewDecoder(io.LimitReader(resp.Body, maxJSON))
	for _, want := range []json.Token{json.Delim('{'), "compositeResponse", json.Delim('[')} {
		if t, err := dec.Token(); err != nil {
			return unreadable(err)
		} else if t != want {
			return &AnswerError{Path: q.path, Reason: "it is not the answer to a composite request"}
		}
	}
	came := map[int]bool{}
	for dec.More() {
		var a struct {
			Body           json.RawMessage
			HTTPHeaders    map[string]string
			HTTPStatusCode int
			ReferenceID    string
		}
		if err := dec.Decode(&a); err != nil {
			return unreadable(err)
		}
		i, err := strconv.Atoi(strings.TrimPrefix(a.ReferenceID, "r"))
		if err != nil || i < 0 || i >= n || a.ReferenceID != reference(i) || came[i] {
			return &AnswerError{Path: q.path, Reason: "it has results of other subrequests"}
		}
		h := http.Header{}
		for name, value := range a.HTTPHeaders {
			h.Set(name, value)
		}
		came[i] = true
		take(i, subanswer{a.HTTPStatusCode, h, a.Body})
	}
	if _, err := dec.Token(); err != nil {
		return unreadable(err)
	}
	if len(came) < n {
		return &AnswerError{Path: q.path, Reason: "it lacks results of subrequests"}
	}
	return nil
}

// into decodes the answer, or returns the error that it is.
func (a subanswer) into(at string, out any) error {
	if a.status >= 200 && a.status < 300 {
		return unmarshal(at, a.body, out)
	}
	if e := parseErrors(a.status, a.body); e != nil {
		return e
	}
	return &APIError{Status: a.status, Body: excerpt(a.body)}
}
