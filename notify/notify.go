// Package notify hands notices over: by e-mail, to Slack-compatible incoming webhooks, and to signed webhooks as the specification Standard Webhooks
// describes them. Each send is one attempt with an outcome in plain words; when to try again is the caller's business. Webhooks are only sent to public
// addresses, judged after the name was looked up, and to origins that the operator allows; redirects are not followed.
package notify

import (
	"context"
	"net"
	"net/http"
	"time"

	"millrace/salesforce"
)

// Kind is what a message tells of an alert.
type Kind string

// The kinds of messages.
const (
	Opened    Kind = "opened"
	Recovered Kind = "recovered"
	Test      Kind = "test"
)

// Message is a notice. It holds names of objects and fields at most, never contents of records.
type Message struct {
	ID          string // the same at each attempt
	Kind        Kind
	At          time.Time // of what it tells about
	AlertID     int64
	Cause       string // stable key
	CauseLabel  string
	Subject     string
	Title       string // what happened, or that it is over
	Text        string // what it affects and what to do
	Connection  string // name; empty for a test
	ConnID      int64
	Environment string
	Link        string // absolute address of the page on which it is cured; empty when not known
	LinkLabel   string
	OpenedAt    *time.Time
	EndedAt     *time.Time
	OpeningID   string // id of the message of the alert's beginning; empty for none
}

// Outcome is how an attempt went.
type Outcome struct {
	Delivered  bool
	Code       int    // that the receiver answered; 0 for no answer
	Excerpt    string // of what it answered, without anything secret
	Said       string // how it went, in a sentence
	Final      bool   // another attempt of the same would go the same way
	Gone       bool   // the receiver wants no more messages
	RetryAfter time.Duration
	Took       time.Duration
}

// Options is what a Sender needs. Zero durations mean the defaults.
type Options struct {
	Mail     Mail
	Origins  []string      // that webhooks may be sent to besides public https addresses
	Timeout  time.Duration // of one attempt; 15 s by default
	Resolver *net.Resolver // for tests; nil for the system's
	Version  string
}

// Sender sends messages. It is safe for concurrent use.
type Sender struct {
	options Options
	client  *http.Client
}

// New returns a Sender.
func New(o Options) *Sender {
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	return &Sender{options: o, client: &http.Client{
		Transport: &http.Transport{
			DialContext:           salesforce.PublicDialer(salesforce.HostPolicy{Extra: o.Origins}, o.Resolver),
			TLSHandshakeTimeout:   o.Timeout,
			ResponseHeaderTimeout: o.Timeout,
			IdleConnTimeout:       30 * time.Second,
			MaxIdleConnsPerHost:   1,
			ForceAttemptHTTP2:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// timed runs an attempt within its time and notes how long it took.
func (s *Sender) timed(ctx context.Context, attempt func(context.Context) Outcome) Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	start := time.Now()
	o := attempt(ctx)
	o.Took = time.Since(start)
	return o
}
