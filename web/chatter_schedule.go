package web

import (
	"errors"
	"net/http"
	"strconv"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// chatterFrequency is the name of the form's field with the frequency that the schedule is to have. It belongs to no version of the settings.
const chatterFrequency = "chatter_frequency"

// chatterFlash is the message about a schedule that was saved.
func chatterFlash(f settings.ChatterFrequency) string {
	if f == settings.NoChatterSchedule {
		return "chatter-unscheduled"
	}
	return "chatter-scheduled"
}

// chatterSchedule carries out the buttons about the schedule of Chatter, which applies at once and apart from Save: "schedule" and "unschedule" change only
// that, "both" and "both-off" save the settings with it, "turn-on" saves the settings with Chatter switched on, and "run" asks for a run. What is typed is
// kept as a draft first.
func (s *Server) chatterSchedule(w http.ResponseWriter, r *http.Request) error {
	r.SetPathValue("section", string(settings.SectionChatter))
	x := chatterSection()
	p, err := s.readSection(r, x)
	if err != nil {
		return err
	}
	draw := func(status int) error { return s.drawSection(w, r, status, x, p) }
	do := r.PostForm.Get("do")
	wanted := settings.ChatterFrequency(r.PostForm.Get(chatterFrequency))
	switch do {
	case "unschedule", "both-off", "run":
		wanted = settings.NoChatterSchedule
	case "turn-on":
		p.shown.Chatter.Enabled = true
		return s.saveAll(w, r, p, nil, draw)
	case "schedule", "both":
		if wanted != settings.Hourly && wanted != settings.Daily && wanted != settings.Weekly {
			return s.refuseSchedule(r, p, "Choose Hourly, Daily or Weekly.", draw)
		}
	default:
		return badForm(errors.New("no such button: " + strconv.Quote(do)))
	}
	if do == "both" || do == "both-off" {
		p.chatter = &wanted
		return s.saveAll(w, r, p, nil, draw)
	}
	if err := s.keep(r, p); err != nil {
		return err
	}
	if do == "run" && p.unkept {
		return p.refuse(draw)
	}
	if do == "run" {
		r.PostForm.Set("entity", string(pipeline.EntityChatter))
		return s.requestRun(w, r)
	}
	by := visitOf(r).user.ID
	if do == "unschedule" {
		err = s.DB.DisableChatterSchedule(r.Context(), p.connection.ID, by)
	} else {
		err = s.DB.SaveChatterSchedule(r.Context(), p.connection.ID, wanted, p.inForce().Sync.TimeZone, by)
	}
	var unfit *db.ScheduleError
	if errors.As(err, &unfit) {
		return s.refuseSchedule(r, p, unfit.Reason, draw)
	}
	if err != nil {
		return err
	}
	if len(p.errs) > 0 || p.unkept { // the draft does not hold all that was typed
		visitOf(r).notice = chatterFlash(wanted)
		return draw(http.StatusOK)
	}
	return s.see(w, r, p.path(p.section), chatterFlash(wanted), "")
}

// refuseSchedule shows the page with what is wrong with the frequency.
func (s *Server) refuseSchedule(r *http.Request, p *settingsPage, sentence string, draw func(int) error) error {
	if err := s.keep(r, p); err != nil {
		return err
	}
	p.results[chatterFrequency] = sentence
	p.blocked = &views.Blocked{
		Title:    "The schedule was not saved, and nothing that you typed is lost",
		Problems: []ui.Problem{{FieldID: views.ChatterFrequencyID, Text: "Frequency: " + sentence}},
	}
	return draw(http.StatusUnprocessableEntity)
}

// inForce returns the settings that runs go by now.
func (p *settingsPage) inForce() settings.Settings {
	if p.current == nil {
		return settings.Defaults()
	}
	return p.current.Settings
}

// chatterState says whether Chatter is synced, by what is saved and by what would be.
func (s *Server) chatterState(r *http.Request, p *settingsPage) (views.ChatterState, error) {
	now := p.inForce()
	out := views.ChatterState{
		On: now.Chatter.Enabled, WillBeOn: p.shown.Chatter.Enabled, Saved: p.current != nil, Pending: len(settings.Diff(p.saved, p.shown)) > 0,
		Start: now.Sync.Start, TimeZone: now.Sync.TimeZone,
	}
	if offline(p.connection) != "" {
		out.Offline = "The org is not connected now, so nothing is read until it is connected again on the Integrations page."
	}
	schedules, err := s.DB.Schedules(r.Context(), p.connection.ID)
	for _, one := range schedules {
		if one.Entity == pipeline.EntityChatter && one.Enabled {
			out.Frequency, out.Spec, out.Next, out.Skipped = one.ChatterFrequency(), one.Spec.String(), one.Upcoming(shownSlots), one.SkipReason
		}
	}
	return out, err
}
