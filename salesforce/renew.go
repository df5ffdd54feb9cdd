package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// sessionRefused reports whether err says that the access token is no longer valid, so that a new one may help. Salesforce answers 401 in the data APIs
// and 403 with a text body at the identity service. A session that lacks the api scope is refused under the same code, but stays refused.
func sessionRefused(err error) bool {
	var e *APIError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusUnauthorized:
		return !strings.Contains(e.Message, "not valid for use with the REST API")
	case http.StatusForbidden:
		return strings.HasPrefix(e.Body, "Bad_OAuth_Token")
	}
	return false
}

// renewal is one refresh of the token, shared by all calls whose token it replaces.
type renewal struct {
	spent string // the access token that was refused
	done  chan struct{}
	token Token
	err   error
}

// renew returns a token newer than spent. Calls that were refused with the same token share one Config.Refresh, also when they come after its end.
func (c *Client) renew(ctx context.Context, spent Token) (Token, error) {
	c.renewing.Lock()
	r := c.renewal
	if r == nil || r.spent != spent.Access || r.failed() {
		r = &renewal{spent: spent.Access, done: make(chan struct{})}
		c.renewal = r
		// Not ended with the caller's context: once Salesforce has rotated the refresh token, the new one must reach the store.
		go c.refresh(context.WithoutCancel(ctx), r, spent)
	}
	c.renewing.Unlock()
	select {
	case <-r.done:
		return r.token, r.err
	case <-ctx.Done():
		return Token{}, fmt.Errorf("salesforce: waiting for a new access token: %w", ctx.Err())
	}
}

// failed reports whether the renewal is over without a token, so that the next call may try anew.
func (r *renewal) failed() bool {
	select {
	case <-r.done:
		return r.err != nil
	default:
		return false
	}
}

func (c *Client) refresh(ctx context.Context, r *renewal, spent Token) {
	defer close(r.done)
	app := c.cfg.App
	if c.cfg.AppNow != nil {
		if app, r.err = c.cfg.AppNow(ctx); r.err != nil {
			r.err = fmt.Errorf("salesforce: renewing the access token: %w", r.err)
			return
		}
	}
	r.token, r.err = c.cfg.Refresh(ctx, spent, func(ctx context.Context, t Token) (Token, error) {
		if m, _ := ctx.Value(meterKey{}).(Meter); m != nil {
			_, _ = m(ctx, CallToken)
		}
		return app.Renew(ctx, c.transport, t)
	})
	if r.err != nil {
		r.err = &RenewalError{Version: spent.Version, Err: r.err}
	}
}

// RenewalError says that no new access token could be had with the grant of a version.
type RenewalError struct {
	Version int64 // Token.Version of the grant
	Err     error
}

func (e *RenewalError) Error() string {
	return "salesforce: renewing the access token: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *RenewalError) Unwrap() error { return e.Err }
