package salesforce

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"millrace/salesforce/soql"
)

// schema is the soql.Schema of one check or plan. It keeps the context of the call that made it, because soql.Schema has none: it lives no longer
// than that call.
type schema struct {
	ctx    context.Context
	client *Client

	mu      sync.Mutex
	objects map[string]*soql.Object // by lower-case name; nil for what the org does not have
	err     error
}

// Schema describes the objects and returns them as a soql.Schema for the time of ctx. Other objects, such as the targets of lookups, are described when
// the checker asks for them; SchemaErr tells whether one of those calls failed. An unknown object among objects is no error here: the schema answers
// nil for it, as the checker expects. Whether those that are kept still hold is asked with one request for all.
func (c *Client) Schema(ctx context.Context, objects ...string) (soql.Schema, error) {
	if err := c.revalidate(ctx, objects); err != nil {
		return nil, err
	}
	s := &schema{ctx: ctx, client: c, objects: map[string]*soql.Object{}}
	var g errgroup.Group
	for _, name := range objects {
		g.Go(func() error {
			_, err := s.load(name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return s, nil
}

// SchemaErr returns the first error that a schema of Client.Schema met while it described objects on demand. A checker saw those objects as unknown,
// so its findings must not be shown when this is not nil.
func SchemaErr(s soql.Schema) error {
	own, ok := s.(*schema)
	if !ok {
		return nil
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	return own.err
}

// Object implements soql.Schema.
func (s *schema) Object(name string) *soql.Object {
	s.mu.Lock()
	o, known := s.objects[strings.ToLower(name)]
	s.mu.Unlock()
	if known {
		return o
	}
	o, err := s.load(name)
	if err != nil {
		s.mu.Lock()
		if s.err == nil {
			s.err = err
		}
		s.mu.Unlock()
	}
	return o
}

func (s *schema) load(name string) (*soql.Object, error) {
	d, err := s.client.Describe(s.ctx, name)
	var o *soql.Object
	switch {
	case err == nil:
		o = d.Object()
	case isNotFound(err):
	default:
		return nil, err
	}
	s.mu.Lock()
	s.objects[strings.ToLower(name)] = o
	s.mu.Unlock()
	return o, nil
}
