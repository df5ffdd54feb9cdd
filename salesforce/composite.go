package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// What one composite request may hold: 25 subrequests, of which five may be queries (REST API Developer Guide, Send Multiple Requests Using Composite).
const (
	maxSubrequests = 25
	maxSubqueries  = 5
)

// aloneFor is how long subrequests are sent by themselves after an org took none together.
const aloneFor = 24 * time.Hour

// subrequest is a GET that is sent with others. Its answer must be asked for with a header of the resource, never with one of the session.
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

// errAlone says that subrequests have to be sent by themselves: the org, or something before it, takes no composite requests.
var errAlone = errors.New("salesforce: composite requests are refused")

// together sends subrequests as one composite request, which counts as a single call towards the API limits (REST API Developer Guide, Send Multiple Requests
// Using Composite), and returns their answers in the same order. It returns errAlone where they are not taken together; any other error would meet each of them too.
func (c *Client) together(ctx context.Context, kind Call, parts []subrequest) ([]subanswer, error) {
	if until := c.alone.Load(); until != nil && c.now().Before(*until) {
		return nil, errAlone
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
	q := request{kind: kind, method: http.MethodPost, path: c.data("/composite"), repeatable: true,
		body: map[string]any{"allOrNone": false, "compositeRequest": list}}
	var out []subanswer
	err := c.retry(ctx, true, func() error {
		resp, err := c.once(ctx, q)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		out, err = subanswers(q, resp, len(parts))
		return err
	})
	if refusesComposite(err) {
		until := c.now().Add(aloneFor)
		c.alone.Store(&until)
		return nil, errAlone
	}
	return out, err
}

func reference(i int) string { return "r" + strconv.Itoa(i) }

// subanswers reads the answer to a composite request of n subrequests, in their order. Those without a date get the one of the whole.
func subanswers(q request, resp *http.Response, n int) ([]subanswer, error) {
	var answer struct {
		CompositeResponse []struct {
			Body           json.RawMessage
			HTTPHeaders    map[string]string
			HTTPStatusCode int
			ReferenceID    string
		}
	}
	if err := decodeJSON(q, resp, &answer); err != nil {
		return nil, err
	}
	byID := map[string]subanswer{}
	for _, a := range answer.CompositeResponse {
		h := http.Header{"Date": resp.Header["Date"]}
		for name, value := range a.HTTPHeaders {
			h.Set(name, value)
		}
		byID[a.ReferenceID] = subanswer{a.HTTPStatusCode, h, a.Body}
	}
	out := make([]subanswer, n)
	for i := range out {
		a, ok := byID[reference(i)]
		if !ok {
			return nil, &AnswerError{Path: q.path, Reason: "it lacks the result of a subrequest"}
		}
		out[i] = a
	}
	return out, nil
}

// refusesComposite reports whether err is about sending requests together, so that each by itself may fare better: the resource is refused, or all answers at once are too large.
func refusesComposite(err error) bool {
	if errors.Is(err, ErrTooLarge) {
		return true
	}
	var api *APIError
	return errors.As(err, &api) && !retryableAPI(api) && !IsDailyLimit(err) && !sessionRefused(err)
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
