package pipeline

import (
	"context"
	"time"

	"millrace/salesforce/soql"
)

// Source reads one Salesforce org. Its errors are Faults.
type Source interface {
	Sampler
	// Schema describes the objects; fresh forgets earlier answers first. Others are described when they are asked for.
	Schema(ctx context.Context, fresh bool, objects ...string) (soql.Schema, error)
	// Counts returns the results of SELECT COUNT() queries, or why one has none, in their order. It takes a request for every CountsAtOnce of them, or more where the org answers each by itself only.
	Counts(ctx context.Context, queries []string) []Counted
	// MoreRows returns the page of a REST query that starts at the locator next.
	MoreRows(ctx context.Context, next string) (*Rows, error)
	// StartJob creates a bulk query job and returns its id.
	StartJob(ctx context.Context, query string) (id string, err error)
	Job(ctx context.Context, id string) (Job, error)
	// Results opens the page of a complete job that starts at locator, of at most rows records. The caller closes it.
	Results(ctx context.Context, id, locator string, rows int) (*Results, error)
	// Clock is the org's clock, never ahead of it; zero while it is not known.
	Clock() time.Time
	// AllRows is Rows with deleted records.
	AllRows(ctx context.Context, query string) (*Rows, error)
	// DropJob ends a job that is not needed any more and deletes it.
	DropJob(ctx context.Context, id string) error
}

// Sampler is the part of a Source that a preview needs.
type Sampler interface {
	// Count returns the result of a SELECT COUNT() query.
	Count(ctx context.Context, query string) (int64, error)
	// Rows runs a REST query and returns its first page.
	Rows(ctx context.Context, query string) (*Rows, error)
}

// CountsAtOnce is how many counts one request can ask for.
const CountsAtOnce = 5

// Counted is the result of one query of Source.Counts.
type Counted struct {
	Records int64
	Err     error
}

// Rows is one page of a REST query.
type Rows struct {
	Total   int64 // records of the whole result
	Next    string
	Records []map[string]any // decoded JSON: string, bool, json.Number, nil, or a map for a parent
}

// Job is the state of a bulk query job.
type Job struct {
	State     JobState
	Message   string // why it failed
	Processed int64  // records so far; all of them once it is complete
}

// JobState says how far a bulk query job is.
type JobState int

// The states of a job.
const (
	JobPending  JobState = iota // waiting or in progress
	JobComplete                 // its results can be read
	JobFailed                   // failed or aborted
)

// Results is one page of a bulk query's CSV, of which the header has arrived.
type Results struct {
	Records RecordReader
	Header  []string
	Next    string // locator of the next page; empty on the last
	Count   int64  // of records, as Salesforce announced it
	Close   func() error
}

// RecordReader yields records as fields, which are valid until the following call. Next returns io.EOF after the last record; any other error means that
// the page could not be read to its end.
type RecordReader interface {
	Next() ([][]byte, error)
}
