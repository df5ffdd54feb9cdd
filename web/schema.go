package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
)

// knownFor is how long a describe is good enough for what is said while somebody types. Validate and Save always go by the client's own.
const knownFor = time.Hour

// shelf keeps what the describes of each connection's objects last said, so that a filter can be checked while it is typed without asking Salesforce.
type shelf struct {
	mu sync.Mutex
	of map[int64]map[string]shelved // by connection and lower-case object name
}

// shelved is one object, nil when the org has none of that name.
type shelved struct {
	object *soql.Object
	at     time.Time
}

func (s *shelf) keep(connection int64, name string, o *soql.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[int64]map[string]shelved{}
	}
	if s.of[connection] == nil {
		s.of[connection] = map[string]shelved{}
	}
	s.of[connection][strings.ToLower(name)] = shelved{o, time.Now()}
}

// drop forgets a connection, whose grant may now see something else.
func (s *shelf) drop(connection int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, connection)
}

// find returns an object, nil for one that does not exist, and whether that is known.
func (s *shelf) find(connection int64, name string) (o *soql.Object, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, ok := s.of[connection][strings.ToLower(name)]
	if !ok || time.Since(kept.at) > knownFor {
		return nil, false
	}
	return kept.object, true
}

// local returns the schema of what is known of a connection, for conditions on the object, or nil while that is not known.
func (s *shelf) local(connection int64, object string) *localSchema {
	if o, _ := s.find(connection, object); o == nil {
		return nil
	}
	return &localSchema{shelf: s, connection: connection, root: object}
}

// localSchema is a soql.Schema that never asks Salesforce. It serves one check and notes what it could not answer.
type localSchema struct {
	shelf      *shelf
	connection int64
	root       string // the object that conditions are about
	missed     []string
}

// Object implements soql.Schema.
func (l *localSchema) Object(name string) *soql.Object {
	o, known := l.shelf.find(l.connection, name)
	if !known && !slices.Contains(l.missed, name) {
		l.missed = append(l.missed, name)
	}
	return o
}

// unread returns the first object that the checked text leads to and that was not read yet. Objects that the checker only looks at for better advice do
// not count.
func (l *localSchema) unread() string {
	for _, name := range l.missed {
		if name != "Case" && name != "Lead" {
			return name
		}
	}
	return ""
}

// check checks the text of a filter box by what is known of the org.
func (l *localSchema) check(text string) []soql.Finding {
	findings := pipeline.CheckFilterOf(l.root, text, l)
	return slices.DeleteFunc(findings, func(f soql.Finding) bool {
		return f.Kind == soql.KindUnknownObject && slices.Contains(l.missed, f.Subject)
	})
}

// learn reads the objects, by way of the client's cache, and keeps what they say.
func (s *Server) learn(ctx context.Context, c db.Connection, objects ...string) error {
	if c.Status != db.StatusConnected {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	client, err := s.Client(ctx, c.ID)
	if err != nil {
		return err
	}
	schema, err := client.Schema(ctx, objects...)
	if err != nil {
		return err
	}
	return s.keepKnown(c, schema, objects...)
}

func (s *Server) keepKnown(c db.Connection, schema soql.Schema, objects ...string) error {
	for _, name := range objects {
		o := schema.Object(name)
		if err := salesforce.SchemaErr(schema); err != nil {
			return err
		}
		s.known.keep(c.ID, name, o)
	}
	return nil
}

// learnSchema reads what the local checks need: the objects of a run, or the one that the address names. The page asks for it when it is opened; what
// waits for the answer listens for its event.
func (s *Server) learnSchema(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	objects := pipeline.Objects()
	if r.URL.Query().Get("object") != "" {
		name, err := objectOf(r)
		if err != nil {
			return err
		}
		objects = []string{name}
	}
	if err := s.learn(r.Context(), c, objects...); err != nil {
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		s.unanswered(r.Context(), c, err)
	} else if c.Status == db.StatusConnected {
		w.Header().Set("HX-Trigger", "schema-known")
	}
	return noContent(w)
}
