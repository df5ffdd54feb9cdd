package salesforce

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// recordID is a Salesforce id of 15 or 18 characters.
var recordID = regexp.MustCompile(`^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$`)

// CreateQueryJob starts a Bulk API 2.0 query. It is not repeated after a failure, for each repetition might start a job of its own. All calls of a
// job use the client's one API version, as Salesforce demands.
func (c *Client) CreateQueryJob(ctx context.Context, soqlText string) (Job, error) {
	return c.createJob(ctx, "query", soqlText)
}

// CreateQueryAllJob is CreateQueryJob with deleted and archived records.
func (c *Client) CreateQueryAllJob(ctx context.Context, soqlText string) (Job, error) {
	return c.createJob(ctx, "queryAll", soqlText)
}

func (c *Client) createJob(ctx context.Context, operation, soqlText string) (Job, error) {
	return c.job(ctx, request{kind: CallBulkJob, method: http.MethodPost, path: c.data("/jobs/query"),
		body: map[string]string{"operation": operation, "query": soqlText, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF"}})
}

// Job returns the present state of a query job.
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	path, err := c.jobPath(id)
	if err != nil {
		return Job{}, err
	}
	return c.job(ctx, request{kind: CallBulkState, method: http.MethodGet, path: path})
}

// AbortJob ends a query job that is not over yet. One that is over is refused with an *APIError.
func (c *Client) AbortJob(ctx context.Context, id string) error {
	path, err := c.jobPath(id)
	if err != nil {
		return err
	}
	_, err = c.job(ctx, request{kind: CallBulkJob, method: http.MethodPatch, path: path, body: map[string]string{"state": JobAborted}, repeatable: true})
	return err
}

// DeleteJob removes a query job that is over, with its results. A job that is already gone is no error.
func (c *Client) DeleteJob(ctx context.Context, id string) error {
	path, err := c.jobPath(id)
	if err != nil {
		return err
	}
	err = c.json(ctx, request{kind: CallBulkJob, method: http.MethodDelete, path: path, repeatable: true}, nil)
	if isNotFound(err) {
		return nil
	}
	return err
}

func (c *Client) job(ctx context.Context, q request) (Job, error) {
	var w struct {
		ID, State, ErrorMessage string
		NumberRecordsProcessed  int64
	}
	if err := c.json(ctx, q, &w); err != nil {
		return Job{}, err
	}
	if !recordID.MatchString(w.ID) || w.State == "" {
		return Job{}, &AnswerError{Path: q.path, Reason: "it is not a job"}
	}
	return Job{ID: w.ID, State: w.State, ErrorMessage: said(w.ErrorMessage, messageBytes), Processed: w.NumberRecordsProcessed}, nil
}

func (c *Client) jobPath(id string) (string, error) {
	if !recordID.MatchString(id) {
		return "", fmt.Errorf("salesforce: %q is not the id of a job", id)
	}
	return c.data("/jobs/query/" + id), nil
}

// Results opens one page of a completed job's CSV. An empty locator is the first page; maxRecords 0 leaves the page size to Salesforce. The caller reads
// Body, for example by NewCSVReader, compares the rows with Records, and closes it; until then it holds one of the client's five requests. A failure
// before the first byte is retried here; one in the middle of Body is the caller's to repeat with the same locator, which is stable.
// A locator that leads back to an earlier page shows in more rows than the job's Processed; only one that leads to itself is found here.
func (c *Client) Results(ctx context.Context, id, locator string, maxRecords int) (*Results, error) {
	path, err := c.jobPath(id)
	if err != nil {
		return nil, err
	}
	q := request{kind: CallBulkResults, method: http.MethodGet, path: path + "/results", query: url.Values{}, accept: "text/csv"}
	if locator != "" {
		q.query.Set("locator", locator)
	}
	if maxRecords > 0 {
		q.query.Set("maxRecords", strconv.Itoa(maxRecords))
	}
	var results *Results
	err = c.retry(ctx, true, func() error {
		resp, err := c.once(ctx, q)
		if err != nil {
			return err
		}
		if results, err = resultsOf(q, resp, locator); err != nil {
			resp.Body.Close()
		}
		return err
	})
	return results, err
}

// resultsOf checks the headers of a page of results. Salesforce sends the locator with every page, "null" on the last; without it the end of the
// results could not be told from a broken answer.
func resultsOf(q request, resp *http.Response, locator string) (*Results, error) {
	wrong := func(format string, args ...any) error {
		return &AnswerError{Path: q.path, Reason: fmt.Sprintf(format, args...)}
	}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || !strings.EqualFold(media, "text/csv") {
		return nil, wrong("it is %q (HTTP %d) where CSV is due", media, resp.StatusCode)
	}
	next := resp.Header.Get("Sforce-Locator")
	switch next {
	case "":
		return nil, wrong("the header Sforce-Locator is missing")
	case locator:
		return nil, wrong("the page names itself as the next one")
	case "null":
		next = ""
	}
	n, err := strconv.ParseInt(resp.Header.Get("Sforce-NumberOfRecords"), 10, 64)
	if err != nil || n < 0 {
		return nil, wrong("the header Sforce-NumberOfRecords is missing or not a number")
	}
	return &Results{Body: resp.Body, Locator: next, Records: n}, nil
}
