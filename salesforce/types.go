// Package salesforce is the one client of Salesforce's REST and Bulk 2.0 APIs: OAuth and tokens, describe, query, bulk queries, limits and typed
// errors. It streams, retries what may be retried, and takes a context everywhere.
//
// The way of a call: Client.retry repeats what may be repeated, Client.once sends it with the newest token and renews that token when the org
// refuses it, Client.send waits for one of the five slots and turns an answer other than success into a typed error, and the transport of Guarded
// refuses every address that is not Salesforce's.
package salesforce

import (
	"context"
	"io"
	"net/http"
	"time"

	"millrace/salesforce/soql"
)

// DefaultVersion is the API version used when Config.Version is empty.
const DefaultVersion = "v66.0"

// App is a connected app (External Client App) at a login host.
type App struct {
	LoginURL     string // such as https://login.salesforce.com, without a trailing slash
	ClientID     string // consumer key
	ClientSecret string // consumer secret
	RedirectURL  string // the registered callback
}

// Token is a grant as Salesforce returned it.
type Token struct {
	Access      string
	Refresh     string
	InstanceURL string // the only host for data calls; may change on refresh
	IdentityURL string
	Scope       string
	IssuedAt    time.Time
	Version     int64 // of the stored row; set by the store, not by Salesforce
}

// Identity is the signed-in Salesforce user and their org.
type Identity struct {
	OrgID, OrgName, OrgType, InstanceName string
	IsSandbox                             bool
	UserID, Username, DisplayName, Email  string
	TimeZone, Locale                      string
}

// Config is what a Client needs. Token and Refresh are the connection's token store; they are called concurrently.
type Config struct {
	App App
	// AppNow, when set, returns the app as it is stored now. It is asked before each Refresh, for whoever reconnects may do so by another key or secret.
	AppNow func(ctx context.Context) (App, error)
	// Token returns the newest stored token.
	Token func(ctx context.Context) (Token, error)
	// Refresh is called when the access token of spent was refused. It must lock the stored token; when the stored one is newer than spent it
	// returns that, else it calls exchange with the stored token and stores what it returns before it returns it. A refused grant
	// (IsGrantDead) must be recorded by it as "needs reconnect".
	Refresh func(ctx context.Context, spent Token, exchange func(context.Context, Token) (Token, error)) (Token, error)
	// OnUsage, when set, is told the daily API use after each response that carries it, but for calls that a Meter pays.
	OnUsage   func(Usage)
	Transport http.RoundTripper // nil for Guarded(Hosts)
	Hosts     HostPolicy
	Version   string // API version such as "v66.0"; empty for DefaultVersion
	// Sleep waits between two tries and Now tells the time; nil for the real ones. They are here so that a test of a retry does not wait.
	Sleep func(ctx context.Context, d time.Duration) error
	Now   func() time.Time
}

// HostPolicy says which hosts the client may talk to and how long it bears their silence. The zero value allows https on Salesforce's own domains
// at public addresses only.
type HostPolicy struct {
	// Extra lists further allowed origins, such as "http://127.0.0.1:8081" for the simulated org; for these, private and loopback addresses pass.
	Extra []string
	// Stall is the longest silence in the middle of an answer; a read that waits longer fails with ErrStalled. 0 for one minute.
	Stall time.Duration
}

// Usage is the daily API use from Sforce-Limit-Info.
type Usage struct {
	Used, Limit int64
	At          time.Time
}

// QueryResult is one page of a REST query. Each record is its JSON object.
type QueryResult struct {
	TotalSize int
	Done      bool
	Next      string // path of the next page; empty on the last
	Records   []Record
}

// Record is one record of a REST query: its fields by name in canonical case, nested maps for parents, nil for null, json.Number for numbers, and
// "attributes" as Salesforce sends it.
type Record map[string]any

// Plan is Salesforce's cheapest plan for a query.
type Plan struct {
	Object           string // the object that the plan starts from
	LeadingOperation string // such as "Index" or "TableScan"
	Cardinality      int64  // estimated rows that the leading operation returns
	ObjectRows       int64  // approximate rows of the object
	RelativeCost     float64
	Notes            []string // why an index was not used
}

// Job is a Bulk API 2.0 query job.
type Job struct {
	ID, State, ErrorMessage string
	Processed               int64
}

// The states of a Job.
const (
	JobUploadComplete = "UploadComplete"
	JobInProgress     = "InProgress"
	JobComplete       = "JobComplete"
	JobFailed         = "Failed"
	JobAborted        = "Aborted"
)

// Results is one streamed page of a bulk query's CSV. The caller closes Body.
type Results struct {
	Body    io.ReadCloser // CSV with header line, already inflated
	Locator string        // of the next page; empty on the last
	Records int64         // rows in this page, from Sforce-NumberOfRecords
}

// Limit is one of the org's limits.
type Limit struct{ Max, Remaining int64 }

// Describe is an object's describe; its Object method gives the soql view of it. It is shared between callers: do not change it.
type Describe struct {
	Name, Label, LabelPlural, KeyPrefix string
	Custom, Queryable                   bool
	Fields                              []DescribeField
	Children                            []soql.ChildRelationship
}

// DescribeField is one field of a Describe.
type DescribeField struct {
	soql.Field
	Createable, Updateable, Unique, NameField, AutoNumber bool
	HTMLFormatted, Encrypted                              bool
	Precision, Scale                                      int // of numbers
	CompoundFieldName, ExtraTypeInfo, InlineHelpText      string
}

// ObjectSummary is one entry of describeGlobal.
type ObjectSummary struct {
	Name, Label, LabelPlural, KeyPrefix string
	Custom, Queryable, FeedEnabled      bool
}
