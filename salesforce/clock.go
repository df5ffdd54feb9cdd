package salesforce

import (
	"net/http"
	"time"
)

// clockSeen is what an answer said of the org's clock, and when it arrived here.
type clockSeen struct{ date, at time.Time }

// noteClock takes over the date of an answer.
func (c *Client) noteClock(h http.Header) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		c.clock.Store(&clockSeen{date, c.now()})
	}
}

// Clock is the org's clock as its last answer told it, moved on by the time that has passed here since. It is never ahead of the org's own: the answer was dated before it arrived, and a step of this machine's
// clock does not count. It is zero before the first answer with a date.
func (c *Client) Clock() time.Time {
	seen := c.clock.Load()
	if seen == nil {
		return time.Time{}
	}
	return seen.date.Add(c.now().Sub(seen.at))
}
