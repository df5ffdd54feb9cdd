package salesforce

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
)

var apiUsage = regexp.MustCompile(`(?:^|[;,\s])api-usage=(\d+)/(\d+)`)

// Call is a kind of request to an org.
type Call string

// The kinds of requests.
const (
	CallQuery       Call = "query"        // a SOQL query and its first page
	CallMore        Call = "more"         // a further page of one
	CallCount       Call = "count"        // a query that only counts
	CallBulkJob     Call = "bulk_job"     // a bulk query started, ended or cleared away
	CallBulkState   Call = "bulk_state"   // how far a bulk query is
	CallBulkResults Call = "bulk_results" // a page of what it found
	CallDescribe    Call = "describe"     // which objects and fields there are
	CallLimits      Call = "limits"       // how much of the API is used
	CallToken       Call = "token"        // a new access token; the one kind that is not of the data APIs and has no part in their limit
	CallOther       Call = "other"
)

// Meter pays the calls of a context. It is asked before each request to the data APIs, tries included; an error ends the call before anything is sent.
// What it returns is told the daily API use when the answer carries it. Of a CallToken it only hears: what it returns is not looked at.
type Meter func(ctx context.Context, kind Call) (told func(Usage), err error)

type meterKey struct{}

// Metered returns a context whose calls m pays; nil takes the meter away. Config.OnUsage hears nothing of calls that a meter pays.
func Metered(ctx context.Context, m Meter) context.Context {
	return context.WithValue(ctx, meterKey{}, m)
}

// spend asks the meter of ctx, and returns who is to be told the use.
func (c *Client) spend(ctx context.Context, kind Call) (told func(Usage), err error) {
	if m, _ := ctx.Value(meterKey{}).(Meter); m != nil {
		if kind == "" {
			kind = CallOther
		}
		return m(ctx, kind)
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
	err := c.json(ctx, request{kind: CallLimits, method: http.MethodGet, path: c.data("/limits")}, &limits)
	return limits, err
}
