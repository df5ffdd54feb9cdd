package salesforce

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
)

var apiUsage = regexp.MustCompile(`(?:^|[;,\s])api-usage=(\d+)/(\d+)`)

// noteUsage takes over the daily API use that a REST answer carries.
func (c *Client) noteUsage(h http.Header) {
	m := apiUsage.FindStringSubmatch(h.Get("Sforce-Limit-Info"))
	if m == nil {
		return
	}
	used, usedErr := strconv.ParseInt(m[1], 10, 64)
	limit, limitErr := strconv.ParseInt(m[2], 10, 64)
	if usedErr != nil || limitErr != nil {
		return
	}
	u := Usage{Used: used, Limit: limit, At: c.now()}
	c.usage.Store(&u)
	if c.cfg.OnUsage != nil {
		c.cfg.OnUsage(u)
	}
}

// Usage is the daily API use as the last answer told it; zero before the first.
func (c *Client) Usage() Usage {
	if u := c.usage.Load(); u != nil {
		return *u
	}
	return Usage{}
}

// Limits returns the org's limits by name, such as DailyApiRequests.
func (c *Client) Limits(ctx context.Context) (map[string]Limit, error) {
	var limits map[string]Limit
	err := c.json(ctx, request{method: http.MethodGet, path: c.data("/limits")}, &limits)
	return limits, err
}
