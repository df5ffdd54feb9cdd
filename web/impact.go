package web

import (
	"net/http"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
)

// impact shows what the viewer's draft would change, once that was asked for.
func (s *Server) impact(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadSettings(r, settings.SectionFiltering)
	if err != nil {
		return err
	}
	return s.drawImpact(w, r, http.StatusOK, p)
}

func (s *Server) drawImpact(w http.ResponseWriter, r *http.Request, status int, p *settingsPage) error {
	frame, err := s.settingsFrame(w, r, p)
	if err != nil {
		return err
	}
	frame.Current = ""
	view := views.ImpactPage{Frame: frame, Changes: settings.Diff(p.saved, p.shown)}
	if view.Impact, err = s.impactView(r, p); err != nil {
		return err
	}
	return s.render(w, r, status, views.ImpactOf(view))
}

// impactView is the newest impact that the viewer has asked for; it starts empty.
func (s *Server) impactView(r *http.Request, p *settingsPage) (views.Impact, error) {
	out := views.Impact{Path: orgPath(p.connection.ID, "/settings/impact"), Changed: len(settings.Diff(p.saved, p.shown)) > 0}
	found, err := s.DB.LatestImpact(r.Context(), p.connection.ID, visitOf(r).user.ID)
	if err != nil || found == nil {
		return out, err
	}
	run := found.Run
	out.Known, out.Active, out.At = true, run.State.Active(), run.CreatedAt
	out.Stale = len(settings.Diff(found.Settings, p.shown)) > 0
	out.Phase, out.Waits, out.Failed, out.Forecast = run.Phase, run.WaitingReason, impactFailure(run), found.Forecast
	if run.State == db.RunQueued {
		out.Phase = "Waiting for its turn: one thing at a time is read from an org"
	}
	out.Result = found.Result
	out.Calls = run.APICalls
	steps, err := s.DB.RunSteps(r.Context(), run.ID)
	if err != nil {
		return out, err
	}
	for _, step := range steps {
		item := views.ImpactStep{Label: step.Label, Read: step.Read, Done: step.State == "done"}
		if step.Expected != nil {
			item.Expected = *step.Expected
		}
		out.Steps = append(out.Steps, item)
	}
	if found.Result == nil {
		return out, nil
	}
	for _, kind := range views.ImpactKinds() {
		group := views.ImpactGroup{Kind: kind, Count: found.Result.Counts[kind]}
		if group.Count > 0 {
			changes, err := s.DB.ImpactChanges(r.Context(), run.ID, kind)
			if err != nil {
				return out, err
			}
			for _, c := range changes {
				group.Changes = append(group.Changes, views.ImpactChange{
					ID: c.ID, Name: c.Name, Before: impactValue(kind, c.Before), After: impactValue(kind, c.After), URL: recordURL(p.connection, c.ID),
				})
			}
		}
		out.Groups = append(out.Groups, group)
	}
	return out, nil
}

// impactValue is a value before or after, as people read it.
func impactValue(kind pipeline.ImpactKind, value string) string {
	switch kind {
	case pipeline.Enters, pipeline.Leaves, pipeline.ChangesType:
		return settings.AccountType(value).Label()
	}
	return value
}

func impactFailure(run db.Run) string {
	switch run.State {
	case db.RunFailed:
		if run.Error != "" {
			return run.Error
		}
		return "It could not be worked out."
	case db.RunCancelled:
		if run.CancelCause == db.CauseDisconnected {
			return "The org was disconnected meanwhile. Connect it again, then have the impact worked out anew."
		}
		return "It was cancelled."
	}
	return ""
}

// impactProgress answers with the part of the page that changes while it is worked out.
func (s *Server) impactProgress(w http.ResponseWriter, r *http.Request) error {
	p, err := s.loadSettings(r, settings.SectionFiltering)
	if err != nil {
		return err
	}
	view, err := s.impactView(r, p)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.ImpactResult(view))
}

// postImpact starts or cancels an impact, or saves the draft from its page.
func (s *Server) postImpact(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	p, err := s.loadSettings(r, settings.SectionFiltering)
	if err != nil {
		return err
	}
	here := orgPath(p.connection.ID, "/settings/impact")
	switch r.PostForm.Get("do") {
	case "save":
		return s.saveDraft(w, r, p)
	case "cancel":
		found, err := s.DB.LatestImpact(r.Context(), p.connection.ID, visitOf(r).user.ID)
		if err != nil {
			return err
		}
		if found != nil && found.Run.State.Active() {
			if err := s.DB.RequestCancel(r.Context(), found.Run.ID, visitOf(r).user.ID); err != nil {
				return err
			}
		}
		return s.see(w, r, here, "", "")
	}
	if len(settings.Diff(p.saved, p.shown)) == 0 {
		return s.see(w, r, here, "nothing-to-try", "")
	}
	// What cannot be saved cannot be tried either, and the reasons are the same.
	if err := s.checkAll(r, p, nil); err != nil {
		return err
	}
	if p.block() {
		p.blocked.Title = "The impact cannot be worked out before this is put right"
		return s.drawImpact(w, r, http.StatusUnprocessableEntity, p)
	}
	_, started, err := s.DB.RequestImpact(r.Context(), p.connection.ID, visitOf(r).user.ID, p.base, p.shown)
	if err != nil {
		return err
	}
	if !started {
		return s.see(w, r, here, "impact-busy", "")
	}
	return s.see(w, r, here, "", "")
}

// saveDraft saves the viewer's draft from a page without a section's form.
func (s *Server) saveDraft(w http.ResponseWriter, r *http.Request, p *settingsPage) error {
	return s.saveAll(w, r, p, nil, func(status int) error { return s.drawImpact(w, r, status, p) })
}
