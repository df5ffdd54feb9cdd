package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// longURI is the length of a request address from which a query is posted instead. Salesforce refuses address and headers above 16,384 bytes together
// (REST API Developer Guide, status codes 414 and 431).
const longURI = 14_000

// Query runs a SOQL query and returns its first page. A query too long for an address is posted as a composite batch of one.
func (c *Client) Query(ctx context.Context, soqlText string) (*QueryResult, error) {
	return c.queryBy(ctx, CallQuery, "/query", soqlText)
}

// QueryAll is Query with deleted and archived records.
func (c *Client) QueryAll(ctx context.Context, soqlText string) (*QueryResult, error) {
	return c.queryBy(ctx, CallQuery, "/queryAll", soqlText)
}

func (c *Client) queryBy(ctx context.Context, kind Call, resource, soqlText string) (*QueryResult, error) {
	var w queryWire
	q := request{kind: kind, method: http.MethodGet, path: c.data(resource), query: url.Values{"q": {soqlText}}}
	if err := c.get(ctx, q, &w); err != nil {
		return nil, err
	}
	return w.result(q.path)
}

// QueryMore returns the page that a QueryResult's Next names. A locator that Salesforce no longer knows is an *APIError with Code
// INVALID_QUERY_LOCATOR; the query must then begin again.
func (c *Client) QueryMore(ctx context.Context, next string) (*QueryResult, error) {
	next, err := nextPath(next)
	if err != nil {
		return nil, err
	}
	var w queryWire
	if err := c.json(ctx, request{kind: CallMore, method: http.MethodGet, path: next}, &w); err != nil {
		return nil, err
	}
	r, err := w.result(next)
	if err == nil && r.Next == next {
		return nil, &AnswerError{Path: next, Reason: "the page names itself as the next one"}
	}
	return r, err
}

// Count runs a SELECT COUNT() query and returns its number.
func (c *Client) Count(ctx context.Context, soqlText string) (int64, error) {
	r, err := c.queryBy(ctx, CallCount, "/query", soqlText)
	if err != nil {
		return 0, err
	}
	return int64(r.TotalSize), nil
}

// Counted is what came of one query of Counts.
type Counted struct {
	Records int64
	Err     error
}

// Counts runs SELECT COUNT() queries, five with each request, and returns what came of each, in their order. Those that got no answer that way, or one that a further try may change, are sent by
// themselves, and so is a query too long for an address. What would meet all of them, such as the daily limit, ends the asking.
func (c *Client) Counts(ctx context.Context, queries []string) []Counted {
	out := make([]Counted, len(queries))
	var end error
	alone := func(i int) {
		if end != nil {
			out[i].Err = end
			return
		}
		out[i].Records, out[i].Err = c.Count(ctx, queries[i])
		if out[i].Err != nil && !ofOneRequest(out[i].Err) {
			end = out[i].Err
		}
	}
	var short []int
	for i, text := range queries {
		if len(url.QueryEscape(text)) < longURI/2 {
			short = append(short, i)
		} else {
			alone(i)
		}
	}
	for some := range slices.Chunk(short, maxSubqueries) {
		answered := map[int]bool{}
		if end == nil && len(some) > 1 {
			end = c.countTogether(ctx, queries, some, func(i int, n Counted) {
				answered[i], out[i] = true, n
			})
		}
		for _, i := range some {
			if !answered[i] {
				alone(i)
			}
		}
	}
	return out
}

// countTogether runs the queries that at names with one request, and hands over what came of each but of those that are to be sent by themselves.
func (c *Client) countTogether(ctx context.Context, queries []string, at []int, take func(int, Counted)) error {
	parts := make([]subrequest, len(at))
	for k, i := range at {
		parts[k] = subrequest{path: c.data("/query"), query: url.Values{"q": {queries[i]}}}
	}
	err := c.together(ctx, CallCount, parts, func(k int, a subanswer) {
		var w queryWire
		var r *QueryResult
		err := a.into(parts[k].path, &w)
		if err == nil {
			r, err = w.result(parts[k].path)
		}
		switch {
		case err == nil:
			take(at[k], Counted{Records: int64(r.TotalSize)})
		case !IsTransient(err) && !sessionRefused(err):
			take(at[k], Counted{Err: err})
		}
	})
	if errors.Is(err, errAlone) {
		return nil
	}
	return err
}

// Explain returns Salesforce's cheapest plan for a query, without running it.
func (c *Client) Explain(ctx context.Context, soqlText string) (Plan, error) {
	q := request{method: http.MethodGet, path: c.data("/query"), query: url.Values{"explain": {soqlText}}}
	var answer struct {
		Plans []struct {
			Cardinality          int64
			SObjectCardinality   int64
			SObjectType          string
			LeadingOperationType string
			RelativeCost         float64
			Notes                []struct{ Description string }
		}
	}
	if err := c.get(ctx, q, &answer); err != nil {
		return Plan{}, err
	}
	if len(answer.Plans) == 0 {
		return Plan{}, &AnswerError{Path: q.path, Reason: "it holds no plan"}
	}
	best := answer.Plans[0] // they are sorted by cost
	p := Plan{Object: best.SObjectType, LeadingOperation: best.LeadingOperationType, Cardinality: best.Cardinality,
		ObjectRows: best.SObjectCardinality, RelativeCost: best.RelativeCost}
	for _, n := range best.Notes {
		p.Notes = append(p.Notes, n.Description)
	}
	return p, nil
}

// get sends q as it is, or by way of a composite batch when its address is too long.
func (c *Client) get(ctx context.Context, q request, out any) error {
	encoded := q.query.Encode()
	if len(q.path)+len(encoded) < longURI {
		return c.json(ctx, q, out)
	}
	type one struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	}
	batch := request{kind: q.kind, method: http.MethodPost, path: c.data("/composite/batch"), repeatable: true, body: map[string]any{"batchRequests": []one{
		{http.MethodGet, strings.TrimPrefix(q.path, "/services/data/") + "?" + encoded}}}}
	return c.retry(ctx, true, func() error {
		var answer struct {
			Results []struct {
				StatusCode int
				Result     json.RawMessage
			}
		}
		resp, err := c.once(ctx, batch)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if err := decodeJSON(batch, resp, &answer); err != nil {
			return err
		}
		if len(answer.Results) != 1 {
			return &AnswerError{Path: batch.path, Reason: "it does not hold the one result"}
		}
		return subanswer{status: answer.Results[0].StatusCode, body: answer.Results[0].Result}.into(batch.path, out)
	})
}

// queryWire is a page of query results as Salesforce sends it.
type queryWire struct {
	TotalSize      *int
	Done           *bool
	NextRecordsURL string
	Records        []Record
}

func (w *queryWire) result(at string) (*QueryResult, error) {
	if w.TotalSize == nil || w.Done == nil {
		return nil, &AnswerError{Path: at, Reason: "it is not a query result"}
	}
	r := &QueryResult{TotalSize: *w.TotalSize, Done: *w.Done, Records: w.Records}
	if r.Done {
		return r, nil
	}
	var err error
	if r.Next, err = nextPath(w.NextRecordsURL); err != nil {
		return nil, err
	}
	return r, nil
}

// nextPath takes the path of a nextRecordsUrl. Its host is not used, so a page can only lead to the same instance, and its path must be that of a
// query locator.
func nextPath(raw string) (string, error) {
	refused := &AnswerError{Path: "/services/data", Reason: "the address of the next page is not a query locator", Body: excerpt([]byte(raw))}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", refused
	}
	clean := path.Clean(u.Path)
	parts := strings.Split(clean, "/") // "", services, data, vXX.0, query, locator
	if clean != u.Path || len(parts) != 6 || parts[1] != "services" || parts[2] != "data" || !strings.HasPrefix(parts[4], "query") {
		return "", refused
	}
	return u.EscapedPath(), nil
}
