package salesforce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxConcurrent is how many requests of one connection run at a time: the limit on long requests of a Developer Edition org.
	maxConcurrent = 5
	// maxJSON bounds an inflated JSON answer; the largest real ones are describes of a few MB.
	maxJSON = 32 << 20
	// errorBytes is how much of an error answer is read.
	errorBytes = 64 << 10
)

// Client calls the data APIs of one connected org. It is safe for concurrent use; at most five of its requests run at a time.
type Client struct {
	cfg       Config
	http      *http.Client
	transport http.RoundTripper
	slots     chan struct{}
	calls     atomic.Int64
	usage     atomic.Pointer[Usage]
	clock     atomic.Pointer[clockSeen]
	instance  atomic.Pointer[string] // origin of the newest token seen

	renewing sync.Mutex
	renewal  *renewal // the last one begun

	alone  atomic.Pointer[time.Time] // until when nothing is sent together
	schema describeCache
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
}

// New makes a client. It does no I/O.
func New(cfg Config) *Client {
	if cfg.Version == "" {
		cfg.Version = DefaultVersion
	}
	if cfg.Transport == nil {
		cfg.Transport = Guarded(cfg.Hosts)
	}
	c := &Client{cfg: cfg, transport: cfg.Transport, slots: make(chan struct{}, maxConcurrent), now: cfg.Now, sleep: cfg.Sleep}
	c.http = &http.Client{Transport: cfg.Transport, CheckRedirect: stay}
	if c.now == nil {
		c.now = time.Now
	}
	if c.sleep == nil {
		c.sleep = sleepContext
	}
	c.schema.forget()
	return c
}

// Calls is how many HTTP requests the client has sent to the data APIs, tries included.
func (c *Client) Calls() int64 { return c.calls.Load() }

// request is one call of the data API.
type request struct {
	kind   Call // empty for CallOther
	method string
	path   string // on the instance, escaped, without the query
	query  url.Values
	body   any         // sent as JSON
	header http.Header // beside the usual ones
	accept string      // media type that the answer must have; empty for JSON
	// repeatable says that a call other than GET may be sent twice.
	repeatable bool
}

func (q request) repeats() bool { return q.repeatable || q.method == http.MethodGet }

// data is the path of a data API resource.
func (c *Client) data(resource string) string { return "/services/data/" + c.cfg.Version + resource }

// json sends q, with retries, and decodes the answer into out, which may be nil for an answer that does not matter.
func (c *Client) json(ctx context.Context, q request, out any) error {
	return c.retry(ctx, q.repeats(), func() error {
		resp, err := c.once(ctx, q)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if out == nil {
			return nil
		}
		return decodeJSON(q, resp, out)
	})
}

// once sends q with the newest token. When the org refuses that token it renews it and sends q once more.
func (c *Client) once(ctx context.Context, q request) (*http.Response, error) {
	token, err := c.cfg.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("salesforce: reading the stored token: %w", err)
	}
	resp, err := c.send(ctx, token, q)
	if !sessionRefused(err) {
		return resp, err
	}
	if token, err = c.renew(ctx, token); err != nil {
		return nil, err
	}
	return c.send(ctx, token, q)
}

// send sends q with token, in one of the client's slots. The slot is free again after an error, or when the body is closed. An answer other than
// success is an error; 304 is a success, for it only comes when asked for.
func (c *Client) send(ctx context.Context, token Token, q request) (*http.Response, error) {
	req, err := c.newRequest(ctx, token, q)
	if err != nil {
		return nil, err
	}
	// The meter comes first: it may have to ask the org for its limits, which takes a slot.
	told, err := c.spend(ctx, q.kind)
	if err != nil {
		return nil, err
	}
	select {
	case c.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("salesforce: waiting for a free request: %w", ctx.Err())
	}
	release := func() { <-c.slots }
	c.calls.Add(1)
	resp, err := c.http.Do(req)
	if err != nil {
		release()
		return nil, networkFailure(ctx, q, err)
	}
	c.noteUsage(resp.Header, told)
	resp.Body = newBody(ctx, q, resp, release)
	if resp.StatusCode >= 200 && resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified {
		c.noteClock(resp.Header) // an error may come from a machine before the org, with a clock of its own
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, apiError(resp, token)
}

func (c *Client) newRequest(ctx context.Context, token Token, q request) (*http.Request, error) {
	u, err := url.Parse(token.InstanceURL)
	if err != nil || u.Host == "" {
		return nil, &HostError{Host: token.InstanceURL, Reason: "The connection has no usable instance address. Reconnect it."}
	}
	// A transport of the caller's own may not guard hosts, so the client does too: a token must reach no one else.
	if err := c.hosts().check(u); err != nil {
		return nil, err
	}
	origin := u.Scheme + "://" + u.Host
	c.instance.Store(&origin)
	target := origin + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	var body io.Reader
	if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return nil, fmt.Errorf("salesforce: encoding the request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("salesforce: %s %q is not a request that can be made", q.method, q.path)
	}
	for name, values := range q.header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+token.Access)
	req.Header.Set("Accept", q.accepts())
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("User-Agent", "Millrace")
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

func (q request) accepts() string {
	if q.accept == "" {
		return "application/json"
	}
	return q.accept
}

// hosts is the policy to apply to the instance: that of a guarded transport given by the caller, or that of the configuration.
func (c *Client) hosts() HostPolicy {
	if g, ok := c.transport.(*guardedTransport); ok {
		return g.policy
	}
	return c.cfg.Hosts
}

// networkFailure types the error of a request or of a read of its answer. The caller's own cancellation stays recognisable.
func networkFailure(ctx context.Context, q request, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // drops the address with its query, which holds SOQL
	}
	if ctx.Err() != nil {
		return fmt.Errorf("salesforce: %s %s: %w", q.method, q.path, ctx.Err())
	}
	return &NetworkError{Method: q.method, Path: q.path, Err: err}
}

// apiError reads an error answer: usually a JSON array of errors, of which the first is taken.
func apiError(resp *http.Response, token Token) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, errorBytes))
	if err != nil && len(body) == 0 {
		return err
	}
	if token.Access != "" {
		body = bytes.ReplaceAll(body, []byte(token.Access), []byte("[removed]"))
	}
	if e := parseErrors(resp.StatusCode, body); e != nil {
		return e
	}
	e := &APIError{Status: resp.StatusCode, Body: excerpt(body)}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		e.Message = "Salesforce answered with a redirect. The org may have moved or its My Domain may have been renamed: reconnect it."
	}
	return e
}

// parseErrors reads Salesforce's error JSON, or returns nil when body is something else.
func parseErrors(status int, body []byte) *APIError {
	type wire struct {
		Message    string   `json:"message"`
		ErrorCode  string   `json:"errorCode"`
		StatusCode string   `json:"statusCode"`
		Fields     []string `json:"fields"`
	}
	var errs []wire
	if json.Unmarshal(body, &errs) != nil {
		errs = make([]wire, 1)
		if json.Unmarshal(body, &errs[0]) != nil {
			return nil
		}
	}
	if len(errs) == 0 || errs[0].ErrorCode == "" && errs[0].StatusCode == "" {
		return nil
	}
	e := errs[0]
	if e.ErrorCode == "" {
		e.ErrorCode = e.StatusCode
	}
	return &APIError{Status: status, Code: said(e.ErrorCode, codeBytes), Message: said(e.Message, messageBytes), Fields: e.Fields}
}

// decodeJSON decodes the whole answer into out, numbers of untyped values as json.Number.
func decodeJSON(q request, resp *http.Response, out any) error {
	limited := &io.LimitedReader{R: resp.Body, N: maxJSON + 1}
	body, err := io.ReadAll(limited)
	if limited.N == 0 {
		return &AnswerError{Path: q.path, Reason: "the JSON is larger than 32 MiB", Err: ErrTooLarge}
	}
	if err != nil {
		return err
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return &AnswerError{Path: q.path, Reason: "it is empty where JSON is due"}
	case !strings.EqualFold(media, "application/json"):
		return &AnswerError{Path: q.path, Reason: fmt.Sprintf("it is %q where JSON is due", media), Body: excerpt(body)}
	}
	return unmarshal(q.path, body, out)
}

func unmarshal(path string, body []byte, out any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(out); err != nil {
		return &AnswerError{Path: path, Reason: "its JSON cannot be read", Body: excerpt(body), Err: err}
	}
	if _, err := dec.Token(); err != io.EOF {
		return &AnswerError{Path: path, Reason: "something follows its JSON", Body: excerpt(body)}
	}
	return nil
}
