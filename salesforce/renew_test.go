package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Twenty calls are refused with the same token: one refresh serves them all, late ones included.
func TestOneRefreshForAll(t *testing.T) {
	t.Parallel()
	var refused, grants atomic.Int64
	s := newStand(t, nil)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/services/oauth2/token":
			grants.Add(1)
			writeJSON(w, 200, fmt.Sprintf(`{"access_token":"00D000000000001!second","refresh_token":"5Aep861second","instance_url":%q,"issued_at":"1764000000000","id":%q}`,
				s.url, s.url+"/id/00D000000000001AAA/005000000000001AAA"))
		case r.Header.Get("Authorization") == "Bearer "+access:
			refused.Add(1)
			writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
		default:
			writeJSON(w, 200, onePage)
		}
	})
	stale, _ := s.tokens.Token(t.Context())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if late, err := s.renew(t.Context(), stale); err != nil || late.Access != "00D000000000001!second" {
		t.Errorf("a late call got %+v, %v", late, err)
	}
	if grants.Load() != 1 || s.tokens.refreshes != 1 {
		t.Errorf("%d refused calls led to %d grants and %d refreshes", refused.Load(), grants.Load(), s.tokens.refreshes)
	}
	if tok := s.tokens.token; tok.Refresh != "5Aep861second" || tok.IssuedAt.UnixMilli() != 1764000000000 {
		t.Errorf("stored %+v", tok)
	}
}

func TestRefusedTwiceIsNoLoop(t *testing.T) {
	t.Parallel()
	s := newStand(t, nil)
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/services/oauth2/token" {
			writeJSON(w, 200, fmt.Sprintf(`{"access_token":"00D000000000001!n%d","instance_url":%q,"issued_at":"1"}`, s.Calls(), s.url))
			return
		}
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
	})
	var e *APIError
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); !errors.As(err, &e) || e.Status != 401 || s.Calls() != 2 || s.tokens.exchanges != 1 {
		t.Errorf("%d calls, %d exchanges, %v", s.Calls(), s.tokens.exchanges, err)
	}
	if s.tokens.token.Refresh != "5Aep861first" {
		t.Errorf("the refresh token was not kept: %q", s.tokens.token.Refresh)
	}
}

func TestDeadGrant(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/services/oauth2/token" {
			writeJSON(w, 400, `{"error":"invalid_grant","error_description":"expired access/refresh token"}`)
			return
		}
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
	})
	_, err := s.Query(t.Context(), "SELECT Id FROM Account")
	if !IsGrantDead(err) || IsTransient(err) || s.Calls() != 1 || s.waits.count() != 0 {
		t.Errorf("%d calls, %d waits, %v", s.Calls(), s.waits.count(), err)
	}
}

func TestRefreshOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	refreshed := make(chan error, 1)
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "Session expired or invalid"))
	}, func(c *Config) {
		c.Refresh = func(ctx context.Context, spent Token, _ func(context.Context, Token) (Token, error)) (Token, error) {
			cancel()
			refreshed <- ctx.Err()
			return Token{}, errors.New("enough")
		}
	})
	if _, err := s.Query(ctx, "SELECT Id FROM Account"); err == nil {
		t.Error("no error")
	}
	if err := <-refreshed; err != nil {
		t.Errorf("the refresh ended with its caller: %v", err)
	}
}

func TestMissingScopeIsNotRefreshed(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, 401, errorJSON("INVALID_SESSION_ID", "This session is not valid for use with the REST API"))
	})
	if _, err := s.Query(t.Context(), "SELECT Id FROM Account"); err == nil || s.tokens.refreshes != 0 {
		t.Errorf("%d refreshes, %v", s.tokens.refreshes, err)
	}
}
