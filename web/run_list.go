package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
	"millrace/views/ui"
)

// runGroups are what Sync Status shows at one press.
var runGroups = []struct {
	key, label string
	states     []db.RunState
}{
	{"", "All", nil},
	{"active", "Active", []db.RunState{db.RunQueued, db.RunRunning, db.RunWaiting}},
	{"completed", "Completed", []db.RunState{db.RunCompleted, db.RunCompletedWithErrors}},
	{"failed", "Failed or cancelled", []db.RunState{db.RunFailed, db.RunCancelled}},
}

// runEntities are the kinds of runs, as the filter lists them.
var runEntities = append(slices.Clone(pipeline.Entities), pipeline.EntityGap, pipeline.EntityRetry, pipeline.EntityUndo)

// runTriggers are the ways in which runs come about.
var runTriggers = []ui.Option{{Value: db.TriggerManual, Label: "By hand"}, {Value: db.TriggerSchedule, Label: "On schedule"}, {Value: db.TriggerFirst, Label: "First sync"}}

// runList is the list of runs as its address describes it.
type runList struct {
	connection           int64
	show, state          string
	entity, trigger      string
	by                   int64  // who asked for the run; 0 for anybody
	from, until, zone    string // days, and where they begin
	before               int64
	filter               db.RunFilter
	zoneOfProfile, dated bool
}

// readRunList takes the list's state from the address; what makes no sense is left out.
func readRunList(r *http.Request, c db.Connection) runList {
	in := r.URL.Query()
	l := runList{connection: c.ID, zone: "UTC", filter: db.RunFilter{ConnectionID: c.ID}}
	for _, g := range runGroups {
		if in.Get("show") == g.key {
			l.show, l.filter.States = g.key, g.states
		}
	}
	if state := in.Get("state"); slices.Contains(views.RunStates, views.RunState(state)) {
		l.show, l.state, l.filter.States = "", state, []db.RunState{db.RunState(state)}
	}
	if e := pipeline.Entity(in.Get("sync")); slices.Contains(runEntities, e) {
		l.entity, l.filter.Entity = string(e), e
	}
	if slices.ContainsFunc(runTriggers, func(o ui.Option) bool { return o.Value == in.Get("started") }) {
		l.trigger, l.filter.Trigger = in.Get("started"), in.Get("started")
	}
	if by, err := strconv.ParseInt(in.Get("by"), 10, 64); err == nil && by > 0 {
		l.by, l.filter.RequestedBy = by, by
	}
	where := time.UTC
	l.zoneOfProfile = visitOf(r).user.TimeZone != ""
	if zone := cmp.Or(visitOf(r).user.TimeZone, in.Get("zone")); zone != "" && zone != "Local" && len(zone) <= 64 {
		if at, err := time.LoadLocation(zone); err == nil {
			l.zone, where = zone, at
		}
	}
	day := func(name string) (string, time.Time) {
		at, err := time.ParseInLocation(time.DateOnly, in.Get(name), where)
		if err != nil || at.Year() < 2000 || at.Year() > 2200 {
			return "", time.Time{}
		}
		return in.Get(name), at
	}
	l.from, l.filter.From = day("from")
	if l.until, l.filter.Until = day("until"); l.until != "" {
		l.filter.Until = l.filter.Until.AddDate(0, 0, 1)
	}
	l.dated = l.from != "" || l.until != ""
	if before, err := strconv.ParseInt(in.Get("before"), 10, 64); err == nil && before > 0 {
		l.before, l.filter.BeforeID = before, before
	}
	return l
}

// address is where the list is found.
func (l runList) address() string {
	q := url.Values{}
	for name, value := range map[string]string{"show": l.show, "state": l.state, "sync": l.entity, "started": l.trigger, "from": l.from, "until": l.until} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if l.by > 0 {
		q.Set("by", strconv.FormatInt(l.by, 10))
	}
	if l.dated && !l.zoneOfProfile {
		q.Set("zone", l.zone)
	}
	if l.before > 0 {
		q.Set("before", strconv.FormatInt(l.before, 10))
	}
	return withQuery(orgPath(l.connection, "/runs"), q)
}

// startingAt is the same list from another run on; 0 is its beginning.
func (l runList) startingAt(before int64) runList {
	l.before = before
	return l
}

// narrowed reports whether anything is left out.
func (l runList) narrowed() bool {
	return l.show != "" || l.state != "" || l.entity != "" || l.trigger != "" || l.by != 0 || l.dated
}

// runs lists a connection's runs, newest first, under those that are active.
func (s *Server) runs(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Sync Status", "runs")
	if err != nil {
		return err
	}
	banner, err := s.bannerView(r, c)
	if err != nil {
		return err
	}
	banner.Wakes, banner.URL = true, banner.URL+"?wakes=1"
	active, err := s.activeRuns(r, c)
	if err != nil {
		return err
	}
	const rows = 25
	l := readRunList(r, c)
	l.filter.Limit = rows + 1
	list, total, err := s.DB.Runs(r.Context(), l.filter)
	if err != nil {
		return err
	}
	shell.Refresh = banner.Run != nil && banner.Run.State.Active()
	view := views.Runs{
		Shell: shell, OrgName: ConnectionName(c), Banner: banner, Active: active, Action: orgPath(c.ID, "/runs"), AuditHref: orgPath(c.ID, "/audit"), Here: l.address(),
		Show: l.show, State: l.state, Sync: l.entity, Started: l.trigger, From: l.from, Until: l.until, Zone: l.zone, ZoneFixed: l.zoneOfProfile, Narrowed: l.narrowed(),
		Total: min(total, db.CountedRuns), TotalMore: total > db.CountedRuns, Triggers: runTriggers,
	}
	if isAdmin(r) && banner.Run != nil {
		view.WholeHref = orgPath(c.ID, "/whole")
	}
	for _, e := range runEntities {
		view.Syncs = append(view.Syncs, ui.Option{Value: string(e), Label: e.SyncLabel()})
	}
	people, err := s.DB.Requesters(r.Context(), c.ID)
	if err != nil {
		return err
	}
	for _, p := range people {
		view.People = append(view.People, ui.Option{Value: strconv.FormatInt(p.ID, 10), Label: p.Name})
	}
	if l.by > 0 {
		view.By = strconv.FormatInt(l.by, 10)
		if !slices.ContainsFunc(view.People, func(o ui.Option) bool { return o.Value == view.By }) {
			view.People = append(view.People, ui.Option{Value: view.By, Label: "Somebody else"})
		}
	}
	for _, g := range runGroups {
		other := l.startingAt(0)
		other.show, other.state = g.key, ""
		view.Groups = append(view.Groups, views.RunGroup{Label: g.label, Href: other.address(), Current: l.state == "" && l.show == g.key})
	}
	if len(list) > rows {
		list = list[:rows]
		view.Older = l.startingAt(list[rows-1].ID).address()
	}
	if l.before > 0 {
		view.Newest = l.startingAt(0).address()
	}
	for _, run := range list {
		view.Rows = append(view.Rows, runLine(run))
	}
	if len(list) == 0 {
		view.Empty = s.noRuns(r, c, l)
	}
	if view.Schedules, err = s.scheduleRows(r, c); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.RunsPage(view))
}

func (s *Server) noRuns(r *http.Request, c db.Connection, l runList) *views.Empty {
	if l.narrowed() || l.before > 0 {
		text := "No run fits these filters."
		if l.state != "" && l.entity+l.trigger == "" && l.by == 0 && !l.dated {
			text = "There is no run in the state “" + views.RunState(l.state).Label() + "”."
		}
		return &views.Empty{Title: "No such runs", Text: text, Href: orgPath(c.ID, "/runs"), Label: "Show all runs"}
	}
	empty := &views.Empty{Title: "Nothing was synced yet", Text: "The first sync starts by itself when an admin saves the account filter."}
	if isAdmin(r) {
		empty.Href, empty.Label = orgPath(c.ID, "/settings/account-filtering"), "Set the account filter"
	}
	return empty
}

// shownActive is how many active runs are shown with their steps.
const shownActive = 5

// activeRuns shows what is under way, with its steps.
func (s *Server) activeRuns(r *http.Request, c db.Connection) (views.ActiveRuns, error) {
	list, err := s.DB.RunsInProgress(r.Context(), c.ID, shownActive)
	if err != nil {
		return views.ActiveRuns{}, err
	}
	var out views.ActiveRuns
	var names []string
	for _, run := range list {
		one, err := s.activeRun(r, run)
		if err != nil {
			return out, err
		}
		if isAdmin(r) {
			one.CancelAction = one.Run.Href + "/cancel"
		}
		out.Runs = append(out.Runs, one)
		names = append(names, run.ShortID)
	}
	out.URL = withQuery(orgPath(c.ID, "/runs/active"), url.Values{"was": {strings.Join(names, ",")}})
	return out, nil
}

// activeRun is an active run with how far each of its steps is.
func (s *Server) activeRun(r *http.Request, run db.Run) (views.ActiveRun, error) {
	line, err := s.bannerRun(r, run)
	if err != nil {
		return views.ActiveRun{}, err
	}
	steps, err := s.DB.RunSteps(r.Context(), run.ID)
	if err != nil {
		return views.ActiveRun{}, err
	}
	out := views.ActiveRun{Run: line}
	for _, step := range steps {
		out.Steps = append(out.Steps, stepRow(step))
	}
	return out, s.addLive(r, run, steps, out.Steps)
}

// addLive adds to the step in progress of a running run what has arrived of it, how fast, and how long the rest may take.
func (s *Server) addLive(r *http.Request, run db.Run, steps []db.RunStep, rows []views.StepRow) error {
	at := slices.IndexFunc(steps, func(step db.RunStep) bool { return step.State == "running" })
	if run.State != db.RunRunning || at < 0 {
		return nil
	}
	p, err := s.DB.RunProgress(r.Context(), run.ID)
	if err != nil {
		return err
	}
	live := &views.StepLive{Done: steps[at].Read + p.InFlight, Total: -1, PerSecond: p.PerSecond, Stalled: p.Stalled}
	if e := steps[at].Expected; e != nil {
		live.Total = *e
		live.Done = min(live.Done, live.Total)
		if left := live.Total - live.Done; p.Steady && !p.Stalled && p.PerSecond > 0 && left > 0 {
			live.Left = time.Duration(float64(left) / p.PerSecond * float64(time.Second)).Round(time.Second)
		}
	}
	rows[at].Live = live
	return nil
}

// activeRunsPart answers the live update of the active runs. It tells the page when others are active than it shows.
func (s *Server) activeRunsPart(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	active, err := s.activeRuns(r, c)
	if err != nil {
		return err
	}
	names := make([]string, len(active.Runs))
	for i, one := range active.Runs {
		names[i] = one.Run.ShortID
	}
	if strings.Join(names, ",") != r.URL.Query().Get("was") {
		w.Header().Set("HX-Trigger", "runs-changed")
	}
	return s.render(w, r, http.StatusOK, views.ActiveRunsPart(active))
}
