package salesforce

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
)

var apiUsage = regexp.MustCompile(`(?:^|[;,\s])api-usage=(\d+)/(\d+)`)

// Meter pays the calls of a context. It is asked before each request to the data APIs, tries included; an error ends the call before anything is sent.
// What it returns is told the daily API use when the answer carries it.
type Meter func(ctx context.Context) (told func(Usage), err error)

type meterKey struct{}

// Metered returns a context whose calls m pays; nil takes the meter away. Config.OnUsage hears nothing of calls that a meter pays.
func Metered(ctx context.Context, m Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// spend asks the meter of ctx, and returns who is to be told the use.
func (c *Client) spend(ctx context.Context) (told func(Usage), err error) {
	if m, _ := ctx.Value(meterKey{}).(Meter); m != nil {
		return m(ctx)
	}
	return c.cfg.OnUsage, nil
}

// noteUsage takes over the daily API use that a REST answer carries.
func (c *Client) noteUsage(h http.Header, told func(Usage)) {
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
	if told != nil {
		told(u)
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
