// Package salesforce is the one client of Salesforce's REST and Bulk 2.0 APIs: OAuth and tokens, describe, query, bulk queries, limits and typed
// errors. It streams, retries what may be retried, and takes a context everywhere.
package salesforce

import (
	"context"
	"io"
	"net/http"
	"time"

	"millrace/salesforce/soql"
)

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
	// Token returns the newest stored token.
	Token func(ctx context.Context) (Token, error)
	// Refresh is called when the access token of spent was refused. It must lock the stored token; when the stored one is newer than spent it
	// returns that, else it calls exchange with the stored token and stores what it returns before it returns it. A refused grant
	// (IsGrantDead) must be recorded by it as "needs reconnect".
	Refresh func(ctx context.Context, spent Token, exchange func(context.Context, Token) (Token, error)) (Token, error)
	// OnUsage, when set, is told the daily API use after each response that carries it.
	OnUsage   func(Usage)
	Transport http.RoundTripper // nil for Guarded(HostPolicy{})
	Hosts     HostPolicy
	Version   string // API version such as "v66.0"; empty for DefaultVersion
}

// HostPolicy says which hosts the client may talk to. The zero value allows https on Salesforce's own domains at public addresses only.
type HostPolicy struct {
	// Extra lists further allowed origins, such as "http://127.0.0.1:8081" for the simulated org; for these, private and loopback addresses pass.
	Extra []string
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

// Record is one record of a REST query: its fields by name in canonical case, nested maps for parents, nil for null.
type Record map[string]any

// Job is a Bulk API 2.0 query job.
type Job struct {
	ID, State, ErrorMessage string
	Processed               int64
}

// Results is one streamed page of a bulk query's CSV. The caller closes Body.
type Results struct {
	Body    io.ReadCloser // CSV with header line, already inflated
	Locator string        // of the next page; empty on the last
	Records int64         // rows in this page, from Sforce-NumberOfRecords
}

// Describe is an object's describe; Schema gives the soql view of it.
type Describe struct {
	Name, Label, LabelPlural, KeyPrefix string
	Custom, Queryable                   bool
	Fields                              []DescribeField
	Children                            []soql.ChildRelationship
}

// DescribeField is one field of a Describe.
type DescribeField struct {
	soql.Field
	Createable, Updateable, ExternalID, Unique, NameField, AutoNumber bool
	CompoundFieldName, ExtraTypeInfo, InlineHelpText                  string
}

// ObjectSummary is one entry of describeGlobal.
type ObjectSummary struct {
	Name, Label, LabelPlural, KeyPrefix string
	Custom, Queryable, FeedEnabled      bool
}
