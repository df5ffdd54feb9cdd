// Package remote lets the pipeline read an org through the Salesforce client: it turns the client's answers and errors into the pipeline's.
package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
)

// Source reads one org for runs and previews.
type Source struct {
	client *salesforce.Client
	meter  salesforce.Meter
}

var _ pipeline.Source = (*Source)(nil)

// New returns the source of the org behind the client.
func New(client *salesforce.Client) *Source { return &Source{client: client} }

// Metered returns the source of the org behind the client, whose calls the meter pays.
func Metered(client *salesforce.Client, meter salesforce.Meter) *Source {
	return &Source{client: client, meter: meter}
}

// paid returns ctx with the source's meter.
func (s *Source) paid(ctx context.Context) context.Context {
	if s.meter == nil {
		return ctx
	}
	return salesforce.Metered(ctx, s.meter)
}

// Schema implements pipeline.Source.
func (s *Source) Schema(ctx context.Context, fresh bool, objects ...string) (soql.Schema, error) {
	if fresh {
		s.client.RefreshSchema()
	}
	schema, err := s.client.Schema(s.paid(ctx), objects...)
	return schema, fault(err)
}

// Count implements pipeline.Sampler.
func (s *Source) Count(ctx context.Context, query string) (int64, error) {
	n, err := s.client.Count(s.paid(ctx), query)
	return n, fault(err)
}

// Counts implements pipeline.Source.
func (s *Source) Counts(ctx context.Context, queries []string) []pipeline.Counted {
	out := make([]pipeline.Counted, len(queries))
	for i, n := range s.client.Counts(s.paid(ctx), queries) {
		out[i] = pipeline.Counted{Records: n.Records, Err: fault(n.Err)}
	}
	return out
}

// Rows implements pipeline.Sampler.
func (s *Source) Rows(ctx context.Context, query string) (*pipeline.Rows, error) {
	return rows(s.client.Query(s.paid(ctx), query))
}

// MoreRows implements pipeline.Source.
func (s *Source) MoreRows(ctx context.Context, next string) (*pipeline.Rows, error) {
	return rows(s.client.QueryMore(s.paid(ctx), next))
}

// Clock implements pipeline.Source.
func (s *Source) Clock() time.Time { return s.client.Clock() }

// AllRows implements pipeline.Source.
func (s *Source) AllRows(ctx context.Context, query string) (*pipeline.Rows, error) {
	return rows(s.client.QueryAll(s.paid(ctx), query))
}

func rows(r *salesforce.QueryResult, err error) (*pipeline.Rows, error) {
	if err != nil {
		return nil, fault(err)
	}
	out := &pipeline.Rows{Total: int64(r.TotalSize), Next: r.Next, Records: make([]map[string]any, len(r.Records))}
	for i, record := range r.Records {
		out.Records[i] = record
	}
	return out, nil
}

// StartJob implements pipeline.Source.
func (s *Source) StartJob(ctx context.Context, query string) (string, error) {
	job, err := s.client.CreateQueryJob(s.paid(ctx), query)
	return job.ID, fault(err)
}

// Job implements pipeline.Source.
func (s *Source) Job(ctx context.Context, id string) (pipeline.Job, error) {
	job, err := s.client.Job(s.paid(ctx), id)
	if err != nil {
		return pipeline.Job{}, jobFault(err)
	}
	out := pipeline.Job{Message: job.ErrorMessage, Processed: job.Processed}
	switch job.State {
	case salesforce.JobComplete:
		out.State = pipeline.JobComplete
	case salesforce.JobFailed:
		out.State = pipeline.JobFailed
	case salesforce.JobAborted:
		out.State, out.Message = pipeline.JobFailed, "somebody aborted the bulk job in Salesforce."
	}
	return out, nil
}

// Results implements pipeline.Source.
func (s *Source) Results(ctx context.Context, id, locator string, records int) (*pipeline.Results, error) {
	res, err := s.client.Results(s.paid(ctx), id, locator, records)
	if err != nil {
		return nil, jobFault(err)
	}
	csv := salesforce.NewCSVReader(res.Body)
	header, err := csv.Header()
	if err != nil {
		return nil, errors.Join(fault(err), res.Body.Close())
	}
	return &pipeline.Results{Records: resultRecords{csv, header}, Header: header, Next: res.Locator, Count: res.Records, Close: res.Body.Close}, nil
}

// resultRecords are the records of a page of results.
type resultRecords struct {
	*salesforce.CSVReader
	header []string
}

// Next returns the next record. One that is too large is said to be, with its field; other errors are those of the reader.
func (r resultRecords) Next() ([][]byte, error) {
	fields, err := r.CSVReader.Next()
	if !errors.Is(err, salesforce.ErrTooLarge) {
		return fields, err
	}
	what := fmt.Sprintf("a record of more than %d MB", r.MaxRow>>20)
	var at *salesforce.CSVError
	if errors.As(err, &at) && at.Column > 0 && at.Column <= len(r.header) {
		what = fmt.Sprintf("a value of more than %d MB in %s", r.MaxField>>20, r.header[at.Column-1])
	}
	return nil, tooLarge("it holds "+what+", and Salesforce stores nothing as large. Something between Millrace and Salesforce, such as a proxy, may have changed it", err)
}

// DropJob implements pipeline.Source. A job that is still in progress must be aborted before it can be deleted.
func (s *Source) DropJob(ctx context.Context, id string) error {
	if s.client.DeleteJob(s.paid(ctx), id) == nil {
		return nil
	}
	if err := s.client.AbortJob(s.paid(ctx), id); err != nil {
		return fault(err)
	}
	return fault(s.client.DeleteJob(s.paid(ctx), id))
}
