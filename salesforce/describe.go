package salesforce

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"millrace/salesforce/soql"
)

// schemaTTL is how long a describe is trusted before the org is asked whether it changed.
const schemaTTL = 5 * time.Minute

// describeCache holds the describes of one connection by lower-case object name.
type describeCache struct {
	mu      sync.Mutex
	entries map[string]*describeEntry
}

// describeEntry is one object's describe. Whoever holds the turn may read and write it, so that calls at the same time fetch it once.
type describeEntry struct {
	turn     chan struct{}
	describe atomic.Pointer[Describe] // written by whoever holds the turn, read by anybody
	modified string                   // for If-Modified-Since
	checked  time.Time
}

func (d *describeCache) entry(object string) *describeEntry {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := strings.ToLower(object)
	e := d.entries[key]
	if e == nil {
		e = &describeEntry{turn: make(chan struct{}, 1)}
		d.entries[key] = e
	}
	return e
}

func (d *describeCache) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = map[string]*describeEntry{}
}

// objectName is what an API name of an object may look like; nothing else is put into a path.
var objectName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,127}$`)

// Describe returns the object as the connected user sees it: an object or field without read access is not there. It is cached, and revalidated with
// If-Modified-Since when older than five minutes. An unknown object is an *APIError with Code NOT_FOUND.
func (c *Client) Describe(ctx context.Context, object string) (*Describe, error) {
	if !objectName.MatchString(object) {
		return nil, &APIError{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: fmt.Sprintf("%q is not the API name of an object.", object)}
	}
	e := c.schema.entry(object)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("salesforce: waiting for the describe of %s: %w", object, ctx.Err())
	}
	if d := e.describe.Load(); d != nil && c.now().Sub(e.checked) < schemaTTL {
		return d, nil
	}
	if err := c.fetchDescribe(ctx, object, e); err != nil {
		return nil, err
	}
	return e.describe.Load(), nil
}

// Known returns the last describe of the object that this client has seen, however old, without asking the org; nil when it has seen none.
func (c *Client) Known(object string) *Describe {
	c.schema.mu.Lock()
	e := c.schema.entries[strings.ToLower(object)]
	c.schema.mu.Unlock()
	if e == nil {
		return nil
	}
	return e.describe.Load()
}

// fetchDescribe brings e up to date. On an error it leaves e as it was.
func (c *Client) fetchDescribe(ctx context.Context, object string, e *describeEntry) error {
	q := request{method: http.MethodGet, path: c.data("/sobjects/" + object + "/describe")}
	if e.describe.Load() != nil && e.modified != "" {
		q.header = http.Header{"If-Modified-Since": {e.modified}}
	}
	return c.retry(ctx, true, func() error {
		resp, err := c.once(ctx, q)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusNotModified {
			var w describeWire
			if err := decodeJSON(q, resp, &w); err != nil {
				return err
			}
			e.describe.Store(w.describe())
			e.modified = resp.Header.Get("Last-Modified")
			if e.modified == "" {
				e.modified = resp.Header.Get("Date")
			}
		}
		e.checked = c.now()
		return nil
	})
}

// RefreshSchema forgets all cached describes.
func (c *Client) RefreshSchema() { c.schema.forget() }

// DescribeGlobal lists the objects that the connected user can see.
func (c *Client) DescribeGlobal(ctx context.Context) ([]ObjectSummary, error) {
	var answer struct {
		SObjects []ObjectSummary `json:"sobjects"`
	}
	err := c.json(ctx, request{method: http.MethodGet, path: c.data("/sobjects")}, &answer)
	return answer.SObjects, err
}

// Object is the soql view of the describe. It is shared: do not change it.
func (d *Describe) Object() *soql.Object {
	o := &soql.Object{Name: d.Name, Label: d.Label, Queryable: d.Queryable, Children: d.Children, Fields: make([]soql.Field, len(d.Fields))}
	for i := range d.Fields {
		o.Fields[i] = d.Fields[i].Field
	}
	return o
}

// Field returns the field of that name, in any case of letters, or nil.
func (d *Describe) Field(name string) *DescribeField {
	for i := range d.Fields {
		if strings.EqualFold(d.Fields[i].Name, name) {
			return &d.Fields[i]
		}
	}
	return nil
}

// describeWire is a describe as Salesforce sends it; encoding/json matches the keys without regard to case.
type describeWire struct {
	Name, Label, LabelPlural, KeyPrefix string
	Custom, Queryable                   bool
	Fields                              []fieldWire
	ChildRelationships                  []struct{ ChildSObject, Field, RelationshipName string }
}

type fieldWire struct {
	Name, Label, Type, RelationshipName                                         string
	ReferenceTo                                                                 []string
	Length, Precision, Scale                                                    int
	Filterable, Sortable, Groupable, Aggregatable, Nillable, Calculated, Custom bool
	Createable, Updateable, ExternalID, Unique, NameField, AutoNumber           bool
	HTMLFormatted, Encrypted                                                    bool
	CompoundFieldName, ExtraTypeInfo, InlineHelpText                            string
	PicklistValues                                                              []soql.PicklistValue
}

func (w *describeWire) describe() *Describe {
	d := &Describe{Name: w.Name, Label: w.Label, LabelPlural: w.LabelPlural, KeyPrefix: w.KeyPrefix, Custom: w.Custom, Queryable: w.Queryable,
		Fields: make([]DescribeField, len(w.Fields))}
	for i, f := range w.Fields {
		d.Fields[i] = DescribeField{
			Field: soql.Field{Name: f.Name, Label: f.Label, Type: f.Type, RelationshipName: f.RelationshipName, ReferenceTo: f.ReferenceTo,
				Length: f.Length, Filterable: f.Filterable, Sortable: f.Sortable, Groupable: f.Groupable, Aggregatable: f.Aggregatable,
				Nillable: f.Nillable, Calculated: f.Calculated, Custom: f.Custom, ExternalID: f.ExternalID, Picklist: f.PicklistValues},
			Createable: f.Createable, Updateable: f.Updateable, Unique: f.Unique, NameField: f.NameField,
			AutoNumber: f.AutoNumber, HTMLFormatted: f.HTMLFormatted, Encrypted: f.Encrypted, Precision: f.Precision, Scale: f.Scale,
			CompoundFieldName: f.CompoundFieldName, ExtraTypeInfo: f.ExtraTypeInfo, InlineHelpText: f.InlineHelpText,
		}
	}
	for _, r := range w.ChildRelationships {
		if r.RelationshipName != "" { // without a name it cannot be queried
			d.Children = append(d.Children, soql.ChildRelationship{Name: r.RelationshipName, Object: r.ChildSObject, Field: r.Field})
		}
	}
	return d
}
