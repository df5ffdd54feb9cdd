package salesforce

import (
	"cmp"
	"context"
	"errors"
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

// describeCache holds what one connection's describes said: of each object, by lower-case name, and of all.
type describeCache struct {
	mu          sync.Mutex
	objects     map[string]*kept[Describe]
	definitions map[string]*kept[[]FieldDefinition] // likewise by object
	all         *kept[[]ObjectSummary]
}

// kept is one answer. Whoever holds the turn may fetch it, so that calls at the same time fetch it once; anybody may look at it.
type kept[T any] struct {
	turn     chan struct{}
	answer   atomic.Pointer[T]
	gone     atomic.Bool // the org said that there is no such thing
	modified string      // for If-Modified-Since
	checked  time.Time
}

func newKept[T any]() *kept[T] { return &kept[T]{turn: make(chan struct{}, 1)} }

func (d *describeCache) object(name string) *kept[Describe] {
	d.mu.Lock()
	defer d.mu.Unlock()
	return keptOf(d.objects, name)
}

func (d *describeCache) definitionsOf(object string) *kept[[]FieldDefinition] {
	d.mu.Lock()
	defer d.mu.Unlock()
	return keptOf(d.definitions, object)
}

// keptOf returns the place of what is kept of an object, in any case of letters.
func keptOf[T any](all map[string]*kept[T], object string) *kept[T] {
	key := strings.ToLower(object)
	e := all[key]
	if e == nil {
		e = newKept[T]()
		all[key] = e
	}
	return e
}

func (d *describeCache) global() *kept[[]ObjectSummary] {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all
}

func (d *describeCache) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.objects, d.definitions, d.all = map[string]*kept[Describe]{}, map[string]*kept[[]FieldDefinition]{}, newKept[[]ObjectSummary]()
}

// objectName is what an API name of an object may look like; nothing else is put into a path.
var objectName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,127}$`)

// Describe returns the object as the connected user sees it: an object or field without read access is not there. It is cached, and revalidated with
// If-Modified-Since when older than five minutes. An unknown object is an *APIError with Code NOT_FOUND.
func (c *Client) Describe(ctx context.Context, object string) (*Describe, error) {
	if !objectName.MatchString(object) {
		return nil, &APIError{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: fmt.Sprintf("%q is not the API name of an object.", object)}
	}
	e := c.schema.object(object)
	d, err := fresh(ctx, c, e, describeOf(object), describeWire.answer)
	if isNotFound(err) {
		e.gone.Store(true)
	}
	return d, err
}

func describeOf(object string) string { return "/sobjects/" + object + "/describe" }

// answer is what is kept of a describe; nil for what is none, for fields that it lacks would count as hidden.
func (w describeWire) answer() *Describe {
	if w.Name == "" || len(w.Fields) == 0 {
		return nil
	}
	return w.describe()
}

// revalidate asks which describes of the objects still hold, where several are older than schemaTTL, with one request for 25. Those of which it learns nothing are left as they are: Describe asks for them.
func (c *Client) revalidate(ctx context.Context, objects []string) error {
	var stale []*kept[Describe]
	var parts []subrequest
	defer func() {
		for _, e := range stale {
			<-e.turn
		}
	}()
	for _, object := range objects {
		if !objectName.MatchString(object) {
			continue
		}
		e := c.schema.object(object)
		select {
		case e.turn <- struct{}{}:
		default: // named twice, or somebody is asking
			continue
		}
		if e.answer.Load() == nil || e.modified == "" || c.now().Sub(e.checked) < schemaTTL {
			<-e.turn
			continue
		}
		stale = append(stale, e)
		parts = append(parts, subrequest{path: c.data(describeOf(object)), header: map[string]string{"If-Modified-Since": e.modified}})
	}
	for from := 0; len(stale)-from > 1; from += maxSubrequests {
		to := min(from+maxSubrequests, len(stale))
		asked := c.Clock()
		err := c.together(ctx, CallDescribe, parts[from:to], func(i int, a subanswer) { a.revalidates(stale[from+i], asked, c.now()) })
		if errors.Is(err, errAlone) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// revalidates takes over what the answer says of a kept describe, which the org was asked for when its clock showed asked or later. An error says nothing.
func (a subanswer) revalidates(e *kept[Describe], asked, now time.Time) {
	if a.status == http.StatusNotModified {
		e.holds(now)
		return
	}
	var w describeWire
	if a.into("", &w) != nil {
		return
	}
	d := w.answer()
	if d == nil {
		return
	}
	// Without a date of its own it is as old as the question: what changes while the others are answered must not count as known.
	modified := a.header.Get("Last-Modified")
	if modified == "" && !asked.IsZero() {
		modified = asked.Add(-time.Second).UTC().Format(http.TimeFormat)
	}
	e.keep(d, cmp.Or(modified, e.modified), now)
}

// keep stores an answer that holds what was changed until the moment modified.
func (e *kept[T]) keep(answer *T, modified string, now time.Time) {
	e.answer.Store(answer)
	e.modified = modified
	e.holds(now)
}

// holds notes that the org was asked and has what is kept.
func (e *kept[T]) holds(now time.Time) {
	e.checked = now
	e.gone.Store(false)
}

// DescribeGlobal lists the objects that the connected user can see, cached and revalidated like Describe. The list is shared: do not change it.
func (c *Client) DescribeGlobal(ctx context.Context) ([]ObjectSummary, error) {
	type answer struct {
		SObjects []ObjectSummary `json:"sobjects"`
	}
	list, err := fresh(ctx, c, c.schema.global(), "/sobjects", func(a answer) *[]ObjectSummary {
		if a.SObjects == nil {
			return nil
		}
		return &a.SObjects
	})
	if err != nil {
		return nil, err
	}
	return *list, nil
}

// Known returns the last describe of the object that this client has seen, however old, without asking the org; nil where the org said that there is no
// such object. It is not known when the org was never asked since the client was made or RefreshSchema was called.
func (c *Client) Known(object string) (d *Describe, known bool) {
	c.schema.mu.Lock()
	e := c.schema.objects[strings.ToLower(object)]
	c.schema.mu.Unlock()
	switch {
	case e == nil:
		return nil, false
	case e.gone.Load():
		return nil, true
	}
	d = e.answer.Load()
	return d, d != nil
}

// RefreshSchema forgets all cached describes and field definitions.
func (c *Client) RefreshSchema() { c.schema.forget() }

// fresh returns the answer of a resource: the kept one if the org was asked lately, else the org's. An error leaves what is kept as it was. read returns nil for what is no answer.
func fresh[W, T any](ctx context.Context, c *Client, e *kept[T], resource string, read func(W) *T) (*T, error) {
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("salesforce: waiting for %s: %w", resource, ctx.Err())
	}
	held := e.answer.Load()
	if held != nil && c.now().Sub(e.checked) < schemaTTL {
		return held, nil
	}
	q := request{kind: CallDescribe, method: http.MethodGet, path: c.data(resource)}
	if held != nil && e.modified != "" {
		q.header = http.Header{"If-Modified-Since": {e.modified}}
	}
	err := c.retry(ctx, true, func() error {
		resp, err := c.once(ctx, q)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusNotModified {
			var w W
			if err := decodeJSON(q, resp, &w); err != nil {
				return err
			}
			answer := read(w)
			if answer == nil {
				return &AnswerError{Path: q.path, Reason: "it describes nothing"}
			}
			e.keep(answer, cmp.Or(resp.Header.Get("Last-Modified"), resp.Header.Get("Date")), c.now())
			return nil
		}
		e.holds(c.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e.answer.Load(), nil
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

func (w describeWire) describe() *Describe {
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
