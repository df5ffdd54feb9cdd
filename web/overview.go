package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

const (
	chartedRuns = 30 // of the charts of runs
	chartedDays = 30 // of the chart of API use
	shownAlerts = 3
	shownCauses = 5
	leaversUpTo = 10_000
	namedGaps   = 3 // named in a sentence
)

// overviewPath is the first page of a connection.
func overviewPath(id int64) string { return orgPath(id, "/overview") }

// start leads to the overview of the first connection, or to where one is made.
func (s *Server) start(w http.ResponseWriter, r *http.Request) error {
	return s.first("/overview")(w, r)
}

// toOverview leads from the bare address of a connection to its first page.
func (s *Server) toOverview(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	return s.see(w, r, overviewPath(c.ID), "", "")
}

// overview shows how a connection stands: first what is to do before it can stand in any way, then its health. It reads what runs have counted, never the
// records themselves.
func (s *Server) overview(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Overview", "overview")
	if err != nil {
		return err
	}
	v := views.Overview{Shell: shell, Here: overviewPath(c.ID), OrgName: ConnectionName(c)}
	if v.Banner, err = s.bannerView(r, c); err != nil {
		return err
	}
	v.Shell.Refresh = v.Banner.Run != nil && v.Banner.Run.State.Active()
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	o := overview{s: s, r: r, c: c, v: &v, current: current, facts: map[string]views.HealthFact{}}
	for _, part := range []func() error{o.steps, o.connection, o.parts, o.checks, o.errors, o.leavers, o.drift, o.alerts, o.budget, o.runCharts, o.apiChart} {
		if err := part(); err != nil {
			return err
		}
	}
	for _, id := range []string{"connection", "counts", "errors", "leavers", "schema", "alerts"} {
		f := o.facts[id]
		f.ID = id
		v.Facts = append(v.Facts, f)
	}
	return s.render(w, r, http.StatusOK, views.OverviewPage(v))
}

// overview gathers the parts of the page.
type overview struct {
	s       *Server
	r       *http.Request
	c       db.Connection
	v       *views.Overview
	current *db.SettingsVersion
	facts   map[string]views.HealthFact
	newest  map[pipeline.Entity]db.PartRuns
}

// steps lists the first steps until they are done.
func (o *overview) steps() error {
	done, err := o.s.DB.FirstSteps(o.r.Context(), o.c.ID)
	if err != nil {
		return err
	}
	steps := firstSteps{connection: &o.c, done: done}
	tasks := steps.tasks()
	switch {
	case len(tasks) == 0:
	case isAdmin(o.r):
		o.v.Steps = tasks
		if done.Synced {
			o.v.CheckAction = orgPath(o.c.ID, "/first-steps")
		}
	case !done.Saved:
		o.v.Waits = "An admin has to choose which accounts are synced. The first sync starts by itself when that is saved."
	}
	return nil
}

// endFirstSteps notes that somebody has held records against Salesforce.
func (s *Server) endFirstSteps(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	done, err := s.DB.FirstSteps(r.Context(), c.ID)
	if err != nil {
		return err
	}
	if !done.Synced {
		return &failure{status: http.StatusConflict, title: "Nothing was noted", sentence: "No sync has completed yet, so there is nothing to compare. Come back after the first one."}
	}
	if err := s.DB.EndFirstSteps(r.Context(), c.ID, visitOf(r).user.ID); err != nil {
		return err
	}
	return s.see(w, r, overviewPath(c.ID), "first-steps-done", "")
}

func (o *overview) connection() error {
	f := views.HealthFact{Title: "Connection", Href: "/integrations", Label: "Integrations"}
	switch o.c.Status {
	case db.StatusConnected:
		f.Tone, f.State, f.Text = ui.Success, "Connected", "As "+cmp.Or(o.c.Username, o.c.DisplayName, "an unnamed user")+"."
	case db.StatusNeedsReconnect:
		f.Tone, f.State, f.Text = ui.Danger, "Needs reconnect", strings.TrimSpace(o.c.StatusReason+" Nothing is synced until an admin connects again; what is here stays.")
	default:
		f.Tone, f.State, f.Text = ui.Neutral, "Disconnected", "Nothing is synced. The data that is here, the settings and the history are kept."
	}
	if o.c.Status != db.StatusConnected && isAdmin(o.r) {
		f.Href, f.Label = connectPath+"?connection="+strconv.FormatInt(o.c.ID, 10), "Connect again"
	}
	o.facts["connection"] = f
	return nil
}

// overviewParts are the parts of a connection that have runs of their own.
var overviewParts = []pipeline.Entity{pipeline.EntityAccounts, pipeline.EntityContacts, pipeline.EntityCases, pipeline.EntityChatter}

// parts lists what is synced, with its newest run and its next.
func (o *overview) parts() error {
	var err error
	if o.newest, err = o.s.DB.NewestRuns(o.r.Context(), o.c.ID, overviewParts); err != nil {
		return err
	}
	if o.current == nil {
		return nil
	}
	all, err := o.s.DB.Schedules(o.r.Context(), o.c.ID)
	if err != nil {
		return err
	}
	for _, part := range overviewParts {
		row := views.PartRow{Title: part.Label(), Off: part.WhyOff(o.current.Settings)}
		if of := o.newest[part]; of.Last != nil {
			line := runLine(*of.Last)
			row.Last = &line
			if of.Good != nil && of.Good.ID != of.Last.ID {
				row.Good = of.Good.FinishedAt
			}
		}
		for _, one := range all {
			if one.Entity == part && one.Enabled {
				row.Frequency = one.Spec.String()
				if o.c.Status == db.StatusConnected {
					row.Next = one.NextRunAt
				}
			}
		}
		o.v.Parts = append(o.v.Parts, row)
	}
	return nil
}

// checks says whether what is here is in step with what Salesforce counted.
func (o *overview) checks() error {
	list, err := o.s.DB.LatestChecks(o.r.Context(), o.c.ID)
	if err != nil {
		return err
	}
	var accounts, open, agree, older int64
	var adrift []string
	run := ""
	apart := slices.ContainsFunc(list, func(c db.Check) bool { return !c.CheckedAt.Equal(list[0].CheckedAt) })
	for _, check := range list {
		row := checkRow(check)
		if o.current != nil && check.Settings > 0 && check.Settings != o.current.Version {
			row.Under = check.Settings
			older++
		}
		if apart {
			row.At = &check.CheckedAt
		} else {
			o.v.CheckedAt = &check.CheckedAt
		}
		o.v.Checks = append(o.v.Checks, row)
		if check.Object == "Account" {
			accounts += check.Here
		}
		if row.Agrees() {
			agree++
		}
		if check.Open() {
			open++
			adrift = append(adrift, row.Label)
			run = check.Run
		}
	}
	slices.SortStableFunc(o.v.Checks, func(a, b views.CheckRow) int { return drifts(b) - drifts(a) })
	f := views.HealthFact{Title: "Salesforce and here", Href: "#checks", Label: "The counts"}
	here := ui.Plural(accounts, "account", "accounts") + " here"
	switch {
	case len(list) == 0:
		f.Tone, f.State, f.Text, f.Href = ui.Neutral, "Not counted yet", "Each sync ends with Salesforce's own counts, which are held against what is here.", ""
	case open > 0:
		if len(adrift) > namedGaps {
			adrift = append(adrift[:namedGaps:namedGaps], "…")
		}
		f.Tone, f.State, f.Text = ui.Warning, "Adrift", here+"; "+ui.Plural(open, "count differs", "counts differ")+": "+strings.Join(adrift, ", ")+"."
		o.v.ChecksHref = runPath(o.c.ID, run)
	case older == int64(len(list)):
		f.Tone, f.State, f.Text = ui.Neutral, "Not counted since", here+" when last counted. The settings have changed since; the next sync counts anew."
	case agree == 0:
		f.Tone, f.State, f.Text = ui.Neutral, "Not compared", here+". Salesforce did not say how many there are."
	case older > 0:
		f.Tone, f.State, f.Text = ui.Neutral, "Counted in part", here+"; "+ui.Plural(agree, "count agrees", "counts agree")+" with Salesforce's, or what is missing is explained; "+
			ui.Plural(older, "count is", "counts are")+" of older settings."
	default:
		f.Tone, f.State, f.Text = ui.Success, "In step", here+"; "+ui.Plural(agree, "count agrees", "counts agree")+" with Salesforce's, or what is missing is explained."
	}
	o.facts["counts"] = f
	return nil
}

func drifts(c views.CheckRow) int {
	switch {
	case c.Compared && c.Unexplained != 0:
		return 2
	case c.Compared && c.NotStored > 0:
		return 1
	}
	return 0
}

// errors lists by cause what is wrong with the data at present, as the error inbox does; what is muted there is left aside.
func (o *overview) errors() error {
	groups, err := o.s.DB.ErrorGroups(o.r.Context(), o.c.ID)
	if err != nil {
		return err
	}
	groups = slices.DeleteFunc(groups, func(g db.ErrorGroup) bool { return g.MutedAt != nil })
	f := views.HealthFact{Title: "Errors", Tone: ui.Success, State: "None", Text: "Every record of the newest syncs could be stored."}
	f.Href, f.Label = orgPath(o.c.ID, "/errors"), "Error inbox"
	var records int64
	stops, wrong := false, false
	for i, g := range groups {
		if g.Listed() {
			records += g.Records
		}
		stops = stops || g.Kind == db.RunErrorKind || g.Kind == db.StepErrors
		wrong = wrong || g.Kind != db.SkipErrors
		if i < shownCauses {
			of := groupView(o.c, g, isAdmin(o.r))
			o.v.Causes = append(o.v.Causes, views.ErrorCauseRow{Title: of.Title, Text: of.What, Tone: of.Tone, Pill: of.Pill, Href: of.Href, Since: g.OpenedAt})
		}
	}
	o.v.CausesHref = f.Href
	switch {
	case len(groups) > 0:
		f.State = ui.Plural(int64(len(groups)), "cause", "causes")
		f.Text = "What the syncs could not take over, by its cause, with what to do about it."
		if records > 0 {
			f.Text = ui.Plural(records, "record is", "records are") + " touched. The inbox says by cause what to do."
		}
		switch {
		case stops:
			f.Tone = ui.Danger
		case wrong:
			f.Tone = ui.Warning
		default: // only what lacks something in Salesforce
			f.Tone = ui.Informs
		}
	case o.newest[pipeline.EntityAccounts].Last == nil:
		f.Tone, f.State, f.Text = ui.Neutral, "No sync yet", "What cannot be stored is listed here, by its cause."
	}
	o.facts["errors"] = f
	return nil
}

// leavers counts the accounts that left the filter.
func (o *overview) leavers() error {
	n, more, err := o.s.DB.CountLeavers(o.r.Context(), o.c.ID, leaversUpTo)
	if err != nil {
		return err
	}
	f := views.HealthFact{Title: "Left the filter", Tone: ui.Neutral, State: "None", Text: "Every account that is here matches the filter still, as far as is known."}
	switch {
	case n == 0 && o.newest[pipeline.EntityAccounts].Last == nil:
		f.State, f.Text = "No sync yet", "Accounts that stop matching the filter show here."
	case n > 0:
		f.State = ui.Plural(n, "account", "accounts")
		if more {
			f.State = "More than " + f.State
		}
		f.Text = "They stay here, but are not updated any more."
		if o.c.Leavers == db.LeaversArchive {
			f.Text = "They are archived: kept, but out of lists and views."
		}
		only := db.AccountQuery{ConnectionID: o.c.ID, Left: db.LeftOnly, Sort: "name", Page: 1, PerPage: pageSizes[0]}
		f.Href, f.Label = accountsAddress(only), "See them"
	}
	if last := o.newest[pipeline.EntityAccounts].Good; last != nil {
		left, err := o.s.DB.LeftBy(o.r.Context(), last.ID)
		if err != nil {
			return err
		}
		if left > 0 {
			f.Text += " " + ui.Count(left) + " left with " + last.ShortID + "."
		}
	}
	o.facts["leavers"] = f
	return nil
}

// drift names what of the org has changed that the settings use.
func (o *overview) drift() error {
	list, err := o.s.DB.SchemaDrifts(o.r.Context(), o.c.ID)
	if err != nil {
		return err
	}
	for _, d := range list {
		o.v.Drift = append(o.v.Drift, views.DriftRow{Sentence: d.Sentence, UsedBy: strings.Join(d.UsedBy, ", "), Since: d.FirstSeen})
	}
	f := views.HealthFact{Title: "Fields and objects", Tone: ui.Success, State: "As configured", Text: "What the settings use is there in Salesforce, as of the newest sync."}
	switch {
	case len(list) > 0:
		f.Tone, f.State = ui.Warning, ui.Plural(int64(len(list)), "change", "changes")
		f.Text = "Something that the settings use is gone, hidden or of another type."
		f.Href, f.Label = "#overview-drift", "What has changed"
	case o.newest[pipeline.EntityAccounts].Last == nil:
		f.Tone, f.State, f.Text = ui.Neutral, "Not looked at yet", "Each sync looks whether what the settings use is still there in Salesforce."
	}
	o.facts["schema"] = f
	return nil
}

func (o *overview) alerts() error {
	list, err := o.s.DB.OpenAlertsOf(o.r.Context(), o.c.ID, shownAlerts+1)
	if err != nil {
		return err
	}
	f := views.HealthFact{Title: "Alerts", Tone: ui.Success, State: "None open", Text: "Connection, syncs, schedules and the API budget are watched all the time.", Href: alertsPath, Label: "Alerts"}
	if len(list) > 0 {
		f.Tone, f.State, f.Text = ui.Warning, strconv.Itoa(len(list))+" open", list[0].Title
		if slices.ContainsFunc(list, func(a db.Alert) bool { return grave[a.Cause] }) {
			f.Tone = ui.Danger
		}
	}
	if o.v.AlertsMore = len(list) > shownAlerts; o.v.AlertsMore {
		list = list[:shownAlerts]
		f.State = "More than " + strconv.Itoa(shownAlerts) + " open"
	}
	for _, a := range list {
		o.v.Alerts = append(o.v.Alerts, alertRow(a))
	}
	o.facts["alerts"] = f
	return nil
}

// budget says how many API requests are used, and what schedules are going to take.
func (o *overview) budget() error {
	b, err := o.s.DB.APIBudget(o.r.Context(), o.c.ID)
	if err != nil {
		return err
	}
	out := views.BudgetToday{Used: b.Used, Limit: b.Limit, Own: b.Own, StopAt: b.StopAt(), SeenAt: b.SeenAt, Href: orgPath(o.c.ID, "/api-budget")}
	out.Room, out.RoomKnown = b.Room()
	costs, perDay, err := o.s.costRows(o.r, o.c)
	if err != nil {
		return err
	}
	has := func(is func(views.CostRow) bool) bool { return slices.ContainsFunc(costs, is) }
	out.Ahead, out.AheadKnown = perDay, has(func(c views.CostRow) bool { return c.Known && c.Scheduled })
	if !has(func(c views.CostRow) bool { return c.Scheduled }) {
		out.AheadKnown = len(costs) > 0 && costs[0].Known // nothing is going to run by itself
	}
	out.AheadMore = has(func(c views.CostRow) bool { return c.Scheduled && !c.Known })
	out.AheadStale = has(func(c views.CostRow) bool { return c.Scheduled && c.Stale })
	o.v.Budget = out
	return nil
}

// isBad reports whether a run in this state did not come to its end.
func isBad(s db.RunState) bool { return s == db.RunFailed || s == db.RunCancelled }

// runCharts draws what the newest runs brought over, and how long they took.
func (o *overview) runCharts() error {
	runs, err := o.s.DB.RecentFigures(o.r.Context(), o.c.ID, chartedRuns)
	if err != nil {
		return err
	}
	empty := "Shows after the first sync."
	read := ui.Chart{ID: "chart-records", Title: "Records per run", Empty: empty, Keys: []ui.ChartKey{{Class: "chart-bar", Label: "Read"}, {Class: "chart-part", Label: "New, changed or left"}},
		Columns: []ui.Column{{Label: "Run"}, {Label: "Sync"}, {Label: "Ended"}, {Label: "State"}, {Label: "Read", Num: true}, {Label: "New, changed or left", Num: true}, {Label: "Failed", Num: true}}}
	took := ui.Chart{ID: "chart-duration", Title: "Run duration", Empty: empty, Keys: []ui.ChartKey{{Class: "chart-bar", Label: "Start to end"}},
		Columns: []ui.Column{{Label: "Run"}, {Label: "Sync"}, {Label: "Ended"}, {Label: "State"}, {Label: "Took", Num: true}, {Label: "API requests", Num: true}}}
	var mostRead int64
	var longest time.Duration
	bad := 0
	for _, f := range runs {
		long := f.FinishedAt.Sub(f.StartedAt)
		mostRead, longest = max(mostRead, f.Read), max(longest, long)
		if isBad(f.State) {
			bad++
		}
		name := f.ShortID + ", " + f.Entity.SyncLabel() + ", " + f.FinishedAt.UTC().Format("2 Jan 15:04 UTC") + ", " + lowerFirst(f.State.Label()) + ": "
		read.Bars = append(read.Bars, ui.ChartBar{Value: f.Read, Part: min(f.Changed, f.Read), Bad: isBad(f.State), Label: name + ui.Count(f.Read) + " read, " + ui.Count(f.Changed) + " new, changed or left"})
		took.Bars = append(took.Bars, ui.ChartBar{Value: long.Milliseconds(), Bad: isBad(f.State), Label: name + ui.Duration(long)})
	}
	for _, f := range slices.Backward(runs) {
		head := []ui.ChartCell{{Text: f.ShortID, Href: runPath(o.c.ID, f.ShortID)}, {Text: f.Entity.SyncLabel()}, {At: &f.FinishedAt}, {Text: f.State.Label()}}
		read.Rows = append(read.Rows, append(slices.Clone(head), number(f.Read), number(f.Changed), number(f.Failed)))
		took.Rows = append(took.Rows, append(head, ui.ChartCell{Text: ui.Duration(f.FinishedAt.Sub(f.StartedAt)), Num: true}, number(f.APICalls)))
	}
	if n := len(runs); n > 0 {
		read.Top, took.Top = "up to "+ui.Count(mostRead), "up to "+ui.Duration(longest)
		read.From = runs[0].FinishedAt.UTC().Format("2 Jan")
		if n > 1 {
			read.To = runs[n-1].FinishedAt.UTC().Format("2 Jan")
		}
		took.From, took.To = read.From, read.To
		last := runs[n-1]
		span := "The newest " + ui.Plural(int64(n), "run", "runs") + ". "
		if n == 1 {
			span = "One run so far. "
		}
		read.Summary = span + "The greatest number of records read is " + ui.Count(mostRead) + "; the last run read " + ui.Count(last.Read) + ", of which " + ui.Count(last.Changed) + " were new, changed or left."
		took.Summary = span + "The longest took " + ui.Duration(longest) + ", the last one " + ui.Duration(last.FinishedAt.Sub(last.StartedAt)) + "."
		if bad > 0 {
			key := ui.ChartKey{Class: "chart-bad", Label: "Failed or cancelled"}
			read.Keys, took.Keys = append(read.Keys, key), append(took.Keys, key)
			took.Summary += " " + ui.Plural(int64(bad), "run", "runs") + " failed or was cancelled."
		}
	}
	o.v.Charts = append(o.v.Charts, read, took)
	return nil
}

func number(n int64) ui.ChartCell { return ui.ChartCell{Text: ui.Count(n), Num: true} }

// apiDay is the use of an org's API on a day of UTC.
type apiDay struct {
	day              time.Time
	used, limit, own int64
}

// apiDays sums hours up by the day; days without any request are there too, from the first one with some on.
func apiDays(hours []db.APIHour) (days []apiDay) {
	for _, h := range hours {
		day := h.Hour.UTC().Truncate(24 * time.Hour)
		for len(days) > 0 && days[len(days)-1].day.Before(day.AddDate(0, 0, -1)) {
			days = append(days, apiDay{day: days[len(days)-1].day.AddDate(0, 0, 1)})
		}
		if len(days) == 0 || days[len(days)-1].day.Before(day) {
			days = append(days, apiDay{day: day})
		}
		d := &days[len(days)-1]
		d.used, d.own = max(d.used, h.Used), d.own+h.Calls
		if h.Limit > 0 {
			d.limit = h.Limit
		}
	}
	return days
}

// apiChart draws the use of the API over some days.
func (o *overview) apiChart() error {
	hours, err := o.s.DB.APIHistory(o.r.Context(), o.c.ID, time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-chartedDays))
	if err != nil {
		return err
	}
	days := apiDays(hours)
	chart := ui.Chart{ID: "chart-api", Title: "API use over " + strconv.Itoa(chartedDays) + " days", Total: true, Empty: "Shows once Salesforce has been asked for something.",
		Keys:    []ui.ChartKey{{Class: "chart-total", Label: "All apps, at most in 24 hours"}, {Class: "chart-part", Label: "Millrace, that day"}},
		Columns: []ui.Column{{Label: "Day (UTC)"}, {Label: "All apps", Num: true}, {Label: "Millrace", Num: true}, {Label: "Daily limit", Num: true}}}
	var most, own, limit int64
	for _, d := range days {
		used := max(d.used, d.own)
		most, own = max(most, used), own+d.own
		if d.limit > 0 {
			limit = d.limit
		}
		chart.Bars = append(chart.Bars, ui.ChartBar{Value: used, Part: d.own, Label: d.day.Format("2 Jan") + ": " + ui.Count(used) + " by all apps, " + ui.Count(d.own) + " by Millrace"})
	}
	for _, d := range slices.Backward(days) {
		cell := number(d.limit)
		if d.limit == 0 {
			cell.Text = "not told"
		}
		chart.Rows = append(chart.Rows, []ui.ChartCell{{Text: d.day.Format("2 January 2006")}, number(max(d.used, d.own)), number(d.own), cell})
	}
	if n := len(days); n > 0 {
		chart.Top = "up to " + ui.Count(most)
		chart.From = days[0].day.Format("2 Jan")
		chart.Summary = "On " + chart.From
		if n > 1 {
			chart.To = days[n-1].day.Format("2 Jan")
			chart.Summary = "From " + chart.From + " to " + chart.To
		}
		chart.Summary += ": at most " + ui.Count(most) + " requests of all apps within 24 hours; " + ui.Count(own) + " requests by Millrace in all."
		if limit > 0 {
			chart.Top += " of " + ui.Count(limit) + " a day"
			chart.Summary += " The org's daily limit is " + ui.Count(limit) + "."
			if most*2 >= limit { // drawn only where the bars can be told from nothing beside it
				chart.Level = &ui.ChartLevel{Value: limit, Label: "Daily limit"}
				chart.Keys = append(chart.Keys, ui.ChartKey{Class: "chart-level-key", Label: "Daily limit"})
			}
		}
	}
	o.v.Charts = append(o.v.Charts, chart)
	return nil
}

// firstSteps is how far a new installation has come.
type firstSteps struct {
	connection *db.Connection
	done       db.FirstSteps
}

// tasks returns the first steps, or none once somebody has said that records match.
func (f firstSteps) tasks() []views.Task {
	if f.done.CheckedAt != nil {
		return nil
	}
	saved := f.done.Saved
	tasks := []views.Task{
		{Title: "Connect Salesforce", Text: "Sign in to your org.", Href: connectPath, Done: f.connection != nil},
		{Title: "Choose the accounts", Text: "Write a filter and validate it.", Done: saved || f.done.Drafted},
		{Title: "Save the settings", Text: "All sections at once, as version 1.", Done: saved},
		{Title: "First sync", Text: "It starts by itself with the first save.", Done: f.done.Synced},
		{Title: "Be told of trouble", Text: "By e-mail, Slack or a webhook. This can wait.", Href: channelsPath, Done: f.done.Watched, Optional: true},
		{Title: "Check five accounts", Text: "Compare owner, website and contacts with the org."},
	}
	if f.connection != nil {
		for i, rest := range map[int]string{1: "/settings/" + string(settings.SectionFiltering), 2: "/settings/" + string(settings.SectionFiltering), 3: "/runs", 5: "/accounts"} {
			tasks[i].Href = orgPath(f.connection.ID, rest)
		}
	}
	for i := range tasks {
		if !tasks[i].Done && !tasks[i].Optional {
			tasks[i].Next = true
			break
		}
	}
	return tasks
}
