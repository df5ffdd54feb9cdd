package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/settings"
)

// look answers from the describes that the client has seen, and never asks the org.
func look(client *salesforce.Client) pipeline.Look {
	seen := map[string]*soql.Object{}
	return func(name string) (*soql.Object, bool) {
		if o, ok := seen[name]; ok {
			return o, true
		}
		d, known := client.Known(name)
		if !known || d == nil {
			return nil, known
		}
		seen[name] = d.Object()
		return seen[name], true
	}
}

// drift says what of the org has changed that the saved settings use, by what is known without asking the org.
func (s *Server) drift(ctx context.Context, c db.Connection, current *db.SettingsVersion) ([]pipeline.DriftFinding, error) {
	if current == nil || c.Status != db.StatusConnected {
		return nil, nil
	}
	before, _, err := s.DB.SchemaSeen(ctx, c.ID)
	return s.driftSince(ctx, c, current, before), err
}

// driftSince is drift for what the settings had used of the org before.
func (s *Server) driftSince(ctx context.Context, c db.Connection, current *db.SettingsVersion, before []pipeline.SeenObject) []pipeline.DriftFinding {
	if current == nil || c.Status != db.StatusConnected || len(before) == 0 {
		return nil
	}
	client, err := s.Client(ctx, c.ID)
	if err != nil {
		s.unanswered(ctx, c, err)
		return nil
	}
	return pipeline.Drift(before, look(client), current.Settings)
}

// learnUsed reads the objects that the settings use: first those that they name, then those that their filters lead to from there.
func (s *Server) learnUsed(ctx context.Context, c db.Connection, all settings.Settings) (*salesforce.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, describeLimit)
	defer cancel()
	client, err := s.Client(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	read := map[string]bool{}
	for grown := true; grown; {
		grown = false
		for _, name := range pipeline.UsedObjects(all, look(client)) {
			if read[name] {
				continue
			}
			read[name], grown = true, true
			if _, err := client.Describe(ctx, name); err != nil && !isNotFound(err) {
				return client, err
			}
		}
	}
	return client, nil
}

// NoteSchema remembers what settings that were just saved use of the org, so that later changes of it can be named. It is no part of saving: what it
// cannot learn stays as it was last seen.
func (s *Server) NoteSchema(ctx context.Context, c db.Connection, all settings.Settings) {
	if c.Status != db.StatusConnected {
		return
	}
	client, err := s.learnUsed(ctx, c, all)
	if err != nil {
		s.unanswered(ctx, c, err)
	}
	if client == nil {
		return
	}
	before, _, err := s.DB.SchemaSeen(ctx, c.ID)
	if err == nil {
		seen := pipeline.SeenBy(all, look(client))
		for _, o := range before {
			if _, known := client.Known(o.Name); !known {
				seen = append(seen, o)
			}
		}
		err = s.DB.KeepSchemaSeen(ctx, c.ID, seen)
	}
	if err != nil {
		s.Log.WarnContext(ctx, "the schema that the settings use was not kept", "connection_id", c.ID, "err", err)
	}
}

// backToSection is where a button that stands beside every section leads.
func backToSection(r *http.Request, c db.Connection) string {
	key := settings.Section(r.PostForm.Get("section"))
	if !slices.Contains(settings.Sections, key) {
		key = settings.SectionFiltering
	}
	return orgPath(c.ID, "/settings/"+string(key))
}

// refreshSchema reads the org's objects and fields anew, and says whether what the settings use has changed.
func (s *Server) refreshSchema(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	back := backToSection(r, c)
	if c.Status != db.StatusConnected {
		return s.see(w, r, back, "schema-unanswered", "")
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	all := settings.Defaults()
	if current != nil {
		all = current.Settings
	}
	client, err := s.Client(r.Context(), c.ID)
	if err == nil {
		client.RefreshSchema()
		s.known.drop(c.ID)
		_, err = s.learnUsed(r.Context(), c, all)
	}
	if err != nil {
		if r.Context().Err() != nil {
			return r.Context().Err()
		}
		s.unanswered(r.Context(), c, err)
		return s.see(w, r, back, "schema-unanswered", "")
	}
	if before, _, err := s.DB.SchemaSeen(r.Context(), c.ID); err != nil {
		return err
	} else if len(before) == 0 && current != nil { // saved where the org could not be asked: what is there now is what later changes are told from
		s.NoteSchema(r.Context(), c, current.Settings)
	}
	found, err := s.drift(r.Context(), c, current)
	if err != nil {
		return err
	}
	changes := map[string]bool{}
	for _, f := range found {
		changes[f.Sentence] = true
	}
	switch len(changes) {
	case 0:
		return s.see(w, r, back, "schema-unchanged", "")
	case 1:
		return s.see(w, r, back, "schema-changed-one", "")
	}
	return s.see(w, r, back, "schema-changed", strconv.Itoa(len(changes)))
}

// acceptSchema takes note of the org's changes, which are not told again.
func (s *Server) acceptSchema(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if current != nil {
		s.NoteSchema(r.Context(), c, current.Settings)
		by := visitOf(r).user.ID
		e := db.AuditEntry{ConnectionID: c.ID, ActorID: &by, Entity: "settings", Action: "accepted", Detail: "changes of the objects and fields in Salesforce"}
		if err := s.DB.AuditAct(r.Context(), e); err != nil {
			return err
		}
	}
	return s.see(w, r, backToSection(r, c), "schema-accepted", "")
}
