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
	"millrace/salesforce"
	"millrace/views"
	"millrace/views/ui"
)

// runTotals counts what a run did to records, by action, each with the entries of the audit log that tell of it.
func runTotals(r *http.Request, c db.Connection, run db.Run, steps []db.RunStep) []views.RunTotal {
	if run.Entity == pipeline.EntityUndo || len(steps) == 0 {
		return nil
	}
	sum := db.RunStep{LeftFilter: run.Retired} // the audit log says of those too that they left
	for _, s := range steps {
		sum.Read, sum.Created, sum.Updated, sum.Unchanged, sum.Skipped = sum.Read+s.Read, sum.Created+s.Created, sum.Updated+s.Updated, sum.Unchanged+s.Unchanged, sum.Skipped+s.Skipped
		sum.LeftFilter, sum.Deleted, sum.Failed = sum.LeftFilter+s.LeftFilter, sum.Deleted+s.Deleted, sum.Failed+s.Failed
	}
	out := []views.RunTotal{
		{Label: "Read", N: sum.Read}, {Label: "Created", N: sum.Created, Href: "created"}, {Label: "Updated", N: sum.Updated, Href: "updated"}, {Label: "Unchanged", N: sum.Unchanged},
		{Label: "Skipped", N: sum.Skipped, Href: "skipped"}, {Label: "Left the filter", N: sum.LeftFilter, Href: "left"}, {Label: "Deleted in Salesforce", N: sum.Deleted, Href: "deleted"},
		{Label: "Failed", N: sum.Failed, Href: "failed"},
	}
	for i := range out {
		if action := out[i].Href; action != "" {
			out[i].Href = ""
			if out[i].N > 0 {
				out[i].Href = withQuery(orgPath(c.ID, "/audit"), url.Values{"run": {run.ShortID}, "action": {action}})
			}
		}
	}
	return out
}

// addFailed adds to an ended run with records that could not be stored what can be done about those alone.
func (s *Server) addFailed(r *http.Request, c db.Connection, run db.Run, view *views.Run) error {
	if run.State.Active() || view.ErrorsTotal == 0 || run.Entity == pipeline.EntityUndo || run.Entity == pipeline.EntityImpact {
		return nil
	}
	n, err := s.DB.StillFailed(r.Context(), c.ID, run.ID)
	if err != nil {
		return err
	}
	view.Failed = &views.FailedRecords{N: n, TooMany: n > db.MaxRetry, Most: db.MaxRetry, InboxHref: orgPath(c.ID, "/errors")}
	if !isAdmin(r) || n == 0 {
		return nil
	}
	if view.Failed.Blocked = noRetry(c); view.Failed.Blocked == "" && !view.Failed.TooMany {
		active, err := s.DB.ActiveRun(r.Context(), c.ID, pipeline.EntityRetry)
		if err != nil {
			return err
		}
		if active != nil {
			line := runLine(*active)
			view.Failed.Active = &line
		}
	}
	view.Failed.Action = runPath(c.ID, run.ShortID) + "/retry"
	return nil
}

// retryFailed queues a run that reads the records once more which a run could not store, and nothing else. Pressed twice, or by two admins, it leads to the same run.
func (s *Server) retryFailed(w http.ResponseWriter, r *http.Request) error {
	c, run, err := s.namedRun(r)
	if err != nil {
		return err
	}
	if why := noRetry(c); why != "" {
		return noRetryStarted(why)
	}
	retry, err := s.DB.RequestRetryOf(r.Context(), c.ID, run.ID, visitOf(r).user.ID)
	return s.retried(w, r, retry, err, runPath(c.ID, retry.Run.ShortID))
}

// addAgain adds to an ended sync the way to start it once more.
func (s *Server) addAgain(r *http.Request, c db.Connection, run db.Run, view *views.Run) error {
	if run.State.Active() || !isAdmin(r) || !slices.Contains(pipeline.Entities, run.Entity) {
		return nil
	}
	why, err := s.whyNoRun(r, c, run.Entity)
	if err != nil {
		return err
	}
	view.Again = &views.RunAgain{Action: orgPath(c.ID, "/runs"), Entity: string(run.Entity), Blocked: why}
	return nil
}

// addBefore adds what differs from the run before that brought the same over, and what this run was the first to notice of the org.
func (s *Server) addBefore(r *http.Request, c db.Connection, run db.Run, steps []db.RunStep, view *views.Run) error {
	if run.State.Active() || !slices.Contains(pipeline.Entities, run.Entity) {
		return nil
	}
	noticed, err := s.DB.NoticedBy(r.Context(), run.ID)
	if err != nil {
		return err
	}
	for _, d := range noticed {
		view.Noticed = append(view.Noticed, views.DriftRow{Sentence: d.Sentence, UsedBy: strings.Join(d.UsedBy, ", "), Since: d.FirstSeen})
	}
	before, err := s.DB.RunBefore(r.Context(), run)
	if err != nil || before == nil {
		return err
	}
	old, err := s.DB.RunSteps(r.Context(), before.ID)
	if err != nil {
		return err
	}
	out := &views.RunBefore{Run: runLine(*before), Version: run.SettingsVersion, Rows: compareSteps(old, steps)}
	if before.SettingsVersion != run.SettingsVersion && isAdmin(r) {
		out.CompareHref = withQuery(orgPath(c.ID, "/settings/history/compare"), url.Values{"from": {strconv.Itoa(before.SettingsVersion)}, "to": {strconv.Itoa(run.SettingsVersion)}})
	}
	if before.Entity != run.Entity { // it read more than this one was to
		out.Rows = slices.DeleteFunc(out.Rows, func(row views.BeforeRow) bool { return row.Now == notRead })
		view.Before = out
		return nil
	}
	now := time.Now()
	out.Rows = append(out.Rows,
		views.BeforeRow{Label: "API calls", Before: ui.Count(before.APICalls), Now: ui.Count(run.APICalls), Differs: before.APICalls != run.APICalls},
		views.BeforeRow{Label: "Took", Before: ui.Duration(before.Duration(now)), Now: ui.Duration(run.Duration(now)), Differs: true})
	view.Before = out
	return nil
}

const notRead = "not read"

// compareSteps holds what a run read and did against the run before: one row for each object of either.
func compareSteps(before, now []db.RunStep) (rows []views.BeforeRow) {
	words := func(s db.RunStep) string {
		parts := []string{ui.Count(s.Read) + " read"}
		for _, p := range []struct {
			n    int64
			what string
		}{{s.Created, "created"}, {s.Updated, "updated"}, {s.LeftFilter, "left"}, {s.Skipped, "skipped"}, {s.Failed, "failed"}} {
			if p.n > 0 {
				parts = append(parts, ui.Count(p.n)+" "+p.what)
			}
		}
		return strings.Join(parts, ", ")
	}
	seen := map[string]db.RunStep{}
	for _, s := range before {
		seen[s.Name] = s
	}
	for _, s := range now {
		row := views.BeforeRow{Label: s.Label, Before: "was not read", Now: words(s), Differs: true}
		if old, ok := seen[s.Name]; ok {
			row.Before = words(old)
			row.Differs = row.Before != row.Now
			delete(seen, s.Name)
		}
		rows = append(rows, row)
	}
	for _, s := range before {
		if _, left := seen[s.Name]; left {
			rows = append(rows, views.BeforeRow{Label: s.Label, Before: words(s), Now: notRead, Differs: true})
		}
	}
	return rows
}

// timelineParts is into how many parts the time of a run is divided.
const timelineParts = 40

// addTimeline adds when a run stored its pages.
func (s *Server) addTimeline(r *http.Request, run db.Run, view *views.Run) error {
	if run.Entity == pipeline.EntityUndo {
		return nil
	}
	offsets := map[string]int{"skipped": readOffset(r, "skipped"), "pages": readOffset(r, "pages")}
	pages, total, err := s.DB.RunPages(r.Context(), run.ID, relatedRows, offsets["pages"])
	if err != nil || total == 0 {
		return err
	}
	for _, p := range pages {
		view.Pages = append(view.Pages, views.PageRow{Label: p.Label, Page: p.Page, Records: p.Records, At: p.CommittedAt})
	}
	view.PagesFoot = relatedPages(r, offsets, "pages", len(pages), total, "page")
	slices, err := s.DB.RunTimeline(r.Context(), run.ID, timelineParts)
	if err != nil {
		return err
	}
	chart := ui.Chart{ID: "timeline-chart", Title: "Records stored over time", Bars: make([]ui.ChartBar, timelineParts),
		Keys:    []ui.ChartKey{{Class: "chart-bar", Label: "Records of the pages stored in that time"}},
		Columns: []ui.Column{{Label: "From"}, {Label: "Pages", Num: true}, {Label: "Records", Num: true}}}
	var most, all int64
	for i := range chart.Bars {
		chart.Bars[i].Label = "no page"
	}
	for _, p := range slices {
		most, all = max(most, p.Records), all+p.Records
		chart.Bars[p.N] = ui.ChartBar{Value: p.Records, Label: p.From.UTC().Format("15:04:05 UTC") + ": " + ui.Plural(p.Records, "record", "records") + " in " + ui.Plural(p.Pages, "page", "pages")}
		chart.Rows = append(chart.Rows, []ui.ChartCell{{Text: p.From.UTC().Format("2 Jan 15:04:05 UTC")}, number(p.Pages), number(p.Records)})
	}
	chart.Top = "up to " + ui.Plural(most, "record", "records")
	chart.Summary = ui.Plural(all, "record", "records") + " in " + ui.Plural(int64(total), "page", "pages") + ", from the start of the run to its last page."
	if run.StartedAt != nil {
		chart.From = run.StartedAt.UTC().Format("15:04:05 UTC")
	}
	if n := len(slices); n > 0 {
		chart.To = "last page"
	}
	view.Timeline = &chart
	return nil
}

// callKinds are the kinds of API calls, as people read them.
var callKinds = map[salesforce.Call]string{
	salesforce.CallQuery: "SOQL query", salesforce.CallMore: "Further page of a query", salesforce.CallCount: "Records counted", salesforce.CallBulkJob: "Bulk job started, ended or cleared away",
	salesforce.CallBulkState: "How far a bulk job is", salesforce.CallBulkResults: "Page of bulk results", salesforce.CallDescribe: "Objects and fields described",
	salesforce.CallLimits: "API limits asked", salesforce.CallToken: "Access token renewed", salesforce.CallOther: "Other",
}

// addCalls adds the API calls of a run by their kind, each with what they were for.
func (s *Server) addCalls(r *http.Request, run db.Run, view *views.Run) error {
	calls, err := s.DB.RunCallsOf(r.Context(), run.ID)
	if err != nil {
		return err
	}
	last := "" // kind of the newest row
	for _, c := range calls {
		if n := len(view.Calls); n == 0 || last != c.Kind {
			last = c.Kind
			view.Calls = append(view.Calls, views.CallRow{Kind: cmp.Or(callKinds[salesforce.Call(c.Kind)], c.Kind), Free: c.Free})
		}
		row := &view.Calls[len(view.Calls)-1]
		row.N += c.Calls
		if c.Purpose == "" {
			continue
		}
		if row.For != "" {
			row.For += " · "
		}
		row.For += c.Purpose + " " + ui.Count(c.Calls)
	}
	return nil
}
