package salesforce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	maxTries    = 5
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second
)

// retry calls try until it succeeds, fails for good or has failed maxTries times. Only calls that may safely be sent twice are repeated.
func (c *Client) retry(ctx context.Context, repeatable bool, try func() error) error {
	for n := 1; ; n++ {
		err := try()
		if err == nil || !repeatable || !retryable(err) {
			return err
		}
		if n == maxTries {
			return &TriedError{Tries: n, Err: err}
		}
		if wait := c.sleep(ctx, backoff(n)); wait != nil {
			return fmt.Errorf("salesforce: ended while waiting to try again after %q: %w", err, wait)
		}
	}
}

// TriedError is the error of a call that failed in the same way each time, with pauses in between: whoever made it should wait for longer now.
type TriedError struct {
	Tries int
	Err   error // of the last try
}

func (e *TriedError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the last try.
func (e *TriedError) Unwrap() error { return e.Err }

// retryable reports whether err may be gone within seconds. It is narrower than IsTransient, which also names what wants a later or a smaller call.
func retryable(err error) bool {
	if errors.Is(err, ErrTooLarge) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var api *APIError
	if errors.As(err, &api) {
		return retryableAPI(api)
	}
	var oauth *OAuthError
	if errors.As(err, &oauth) {
		return oauth.Status >= 500
	}
	var answer *AnswerError
	return errors.As(err, &answer) || retryableNetwork(err)
}

// backoff is the wait after the n-th failure: exponential with full jitter, so that clients which failed together do not return together.
func backoff(n int) time.Duration {
	limit := min(backoffCap, backoffBase<<(n-1))
	return rand.N(limit) + time.Millisecond
}

// sleepContext waits for d or until ctx ends.
func sleepContext(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
