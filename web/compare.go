package web

import (
	"context"
	"net/http"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/views"
)

// compareFilters counts how the typed filters, as they stand in their boxes, divide the org's accounts. Nothing is saved.
func (s *Server) compareFilters(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadFiltering(r)
	if err != nil {
		return err
	}
	if err := p.read(r); err != nil {
		return err
	}
	if err := s.assemble(r.Context(), p); err != nil {
		return err
	}
	p.shown.Accounts.Mode = settings.TypedFilters
	o, err := s.openOrg(r.Context(), p.connection)
	if err != nil {
		return err
	}
	defer o.close()
	p.overlap = &views.Overlap{}
	if p.overlap.View, p.overlap.Unanswered = s.overlap(r.Context(), o, p.shown.Accounts.Filters()); r.Context().Err() != nil {
		return r.Context().Err()
	}
	return s.renderFiltering(w, r, http.StatusOK, p)
}

// overlap compares filters, or says why they cannot be compared.
func (s *Server) overlap(ctx context.Context, o *org, filters []settings.Filter) (*pipeline.OverlapView, string) {
	if len(filters) == 0 {
		return nil, "All three filters are empty."
	}
	if o.source == nil {
		return nil, o.why
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	view, err := pipeline.Overlaps(ctx, o.source, filters, o.schema)
	if err == nil {
		err = salesforce.SchemaErr(o.schema)
	}
	if err != nil {
		return nil, s.unanswered(ctx, o.connection, err)
	}
	return &view, ""
}
