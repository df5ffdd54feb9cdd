package web

import (
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/schedule"
	"millrace/views"
	"millrace/views/ui"
)

// The ways in which Millrace's own requests are capped, as the form names them.
const (
	ownUncapped = "none"
	ownPercent  = "percent"
	ownCalls    = "calls"
)

// apiBudgetForm shows how the allowance of API requests stands; an admin changes it there.
func (s *Server) apiBudgetForm(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	budget, err := s.DB.APIBudget(r.Context(), c.ID)
	if err != nil {
		return err
	}
	form := views.APIBudgetForm{Version: budget.Version, Reserve: strconv.Itoa(budget.ReservePercent), Own: ownUncapped}
	switch {
	case budget.OwnPercent > 0:
		form.Own, form.Percent = ownPercent, strconv.Itoa(budget.OwnPercent)
	case budget.OwnCalls > 0:
		form.Own, form.Calls = ownCalls, strconv.FormatInt(budget.OwnCalls, 10)
	}
	return s.apiBudgetPage(w, r, http.StatusOK, c, budget, form)
}

// apiBudgetPage draws the page for a first look and for a refused form.
func (s *Server) apiBudgetPage(w http.ResponseWriter, r *http.Request, status int, c db.Connection, b pipeline.Budget, form views.APIBudgetForm) error {
	shell, err := s.shell(w, r, "API budget", "integrations")
	if err != nil {
		return err
	}
	view := views.APIBudget{Shell: shell, Org: orgView(c), Action: orgPath(c.ID, "/api-budget"), RefreshAction: orgPath(c.ID, "/api-budget/refresh"), Form: form, Used: b.Used,
		Limit: b.Limit, SeenAt: b.SeenAt, StopAt: b.StopAt(), Reserve: b.Limit - b.StopAt(), Own: b.Own, OwnWords: b.OwnWords(), CanRefresh: c.Status == db.StatusConnected}
	view.Room, view.Known = b.Room()
	waiting, err := s.DB.WaitingForBudget(r.Context(), c.ID)
	if err != nil {
		return err
	}
	for _, run := range waiting {
		view.Waiting = append(view.Waiting, views.RunRef{ShortID: run.ShortID, Href: runPath(c.ID, run.ShortID)})
	}
	if view.Costs, view.PerDay, err = s.costRows(r, c); err != nil {
		return err
	}
	return s.render(w, r, status, views.APIBudgetPage(view))
}

// costRows says what the syncs of a connection cost, each and by the day.
func (s *Server) costRows(r *http.Request, c db.Connection) (rows []views.CostRow, perDay int64, err error) {
	costs, err := s.DB.RunCosts(r.Context(), c.ID)
	if err != nil {
		return nil, 0, err
	}
	if cost, ok := costs[pipeline.EntityAll]; ok {
		rows = append(rows, views.CostRow{Title: pipeline.EntityAll.SyncLabel(), Frequency: "when somebody starts it", Calls: cost.Calls, Known: true,
			Run: views.RunRef{ShortID: cost.ShortID, Href: runPath(c.ID, cost.ShortID)}})
	}
	all, err := s.DB.Schedules(r.Context(), c.ID)
	if err != nil {
		return nil, 0, err
	}
	for _, one := range all {
		row := views.CostRow{Title: one.Entity.SyncLabel()}
		cost, known, stale := costOf(costs, one.Entity)
		row.Scheduled, row.Stale = one.Enabled, stale
		if known {
			row.Calls, row.Known, row.Most = cost.Calls, true, cost.Entity != one.Entity
			row.Run = views.RunRef{ShortID: cost.ShortID, Href: runPath(c.ID, cost.ShortID)}
		}
		if one.Enabled {
			row.Frequency = one.Spec.String()
			row.PerDay = perDayOf(row.Calls, one.Spec)
			perDay += row.PerDay
		}
		rows = append(rows, row)
	}
	return rows, perDay, nil
}

// costOf returns what a run of an entity is expected to cost: what the last one did, or else at most what the last sync of everything did, to which Chatter
// does not belong. By other settings than the current ones that bounds nothing, and is stale.
func costOf(costs map[pipeline.Entity]db.RunCost, entity pipeline.Entity) (cost db.RunCost, known, stale bool) {
	if cost, ok := costs[entity]; ok {
		return cost, true, false
	}
	cost, ok := costs[pipeline.EntityAll]
	ok = ok && entity != pipeline.EntityChatter
	return cost, ok && cost.Current, ok && !cost.Current
}

func perDayOf(calls int64, spec schedule.Spec) int64 {
	return (calls*24 + int64(spec.Hours) - 1) / int64(spec.Hours)
}

// costWords is the forecast of a run of everything, by the requests of the last one, as it stands beside the button that starts one.
func costWords(calls int64, budget pipeline.Budget) string {
	text := "About " + ui.Plural(calls, "API request", "API requests") + ", as the last one took"
	switch room, known := budget.Room(); {
	case known && room < calls:
		text += "; the allowance has room for " + ui.Count(room) + " now, so it would wait"
	case known:
		text += "; the allowance has room for " + ui.Count(room)
	}
	return text
}

// saveAPIBudget changes the allowance. It holds at once.
func (s *Server) saveAPIBudget(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	value := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	version, err := strconv.Atoi(value("version"))
	if err != nil {
		return badForm(err)
	}
	form := views.APIBudgetForm{Version: version, Reserve: value("reserve"), Own: value("own"), Percent: value("percent"), Calls: value("calls"), Errors: map[string][]string{}}
	refuseTexts(r, form.Errors, "reserve", "percent", "calls")
	allowance := readAllowance(form)
	if len(form.Errors) > 0 {
		budget, err := s.DB.APIBudget(r.Context(), c.ID)
		if err != nil {
			return err
		}
		return s.apiBudgetPage(w, r, http.StatusUnprocessableEntity, c, budget, form)
	}
	err = s.DB.SaveAllowance(r.Context(), c.ID, version, allowance, visitOf(r).user.ID)
	var conflict *db.AllowanceConflictError
	if errors.As(err, &conflict) {
		budget, err := s.DB.APIBudget(r.Context(), c.ID)
		if err != nil {
			return err
		}
		form.Version = budget.Version
		form.Conflict = cmp.Or(conflict.By, "Somebody else") + " has saved the API budget since this page was loaded: " + budget.ReserveWords() + " stays free for other apps, and for Millrace's own requests there is " +
			ownLimit(budget.Allowance) + ". The form shows what you typed; saving again replaces theirs."
		return s.apiBudgetPage(w, r, http.StatusConflict, c, budget, form)
	}
	if err != nil {
		return err
	}
	return s.see(w, r, orgPath(c.ID, "/api-budget"), "budget-saved", "")
}

// ownLimit says what caps Millrace's own requests, after "there is".
func ownLimit(a pipeline.Allowance) string {
	if a.OwnPercent == 0 && a.OwnCalls == 0 {
		return a.OwnWords()
	}
	return "a cap: " + a.OwnWords()
}

// readAllowance reads the form, and notes in its Errors what does not fit.
func readAllowance(form views.APIBudgetForm) (a pipeline.Allowance) {
	whole := func(name, text string, least, most int64, sentence string) int64 {
		n, err := strconv.ParseInt(strings.NewReplacer(",", "", " ", "").Replace(text), 10, 64)
		if (err != nil || n < least || n > most) && len(form.Errors[name]) == 0 {
			form.Errors[name] = append(form.Errors[name], sentence)
		}
		return n
	}
	a.ReservePercent = int(whole("reserve", form.Reserve, 0, 99, "Enter a whole number from 0 to 99."))
	switch form.Own {
	case ownUncapped:
	case ownPercent:
		a.OwnPercent = int(whole("percent", form.Percent, 1, 100, "Enter a whole number from 1 to 100."))
	case ownCalls:
		a.OwnCalls = whole("calls", form.Calls, 1, 1_000_000_000, "Enter how many requests, at least 1.")
	default:
		form.Errors["own"] = append(form.Errors["own"], "Choose one of these.")
	}
	return a
}

// refreshAPIBudget asks the org how many requests are used now. That takes one.
func (s *Server) refreshAPIBudget(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	back := orgPath(c.ID, "/api-budget")
	if c.Status != db.StatusConnected {
		return s.see(w, r, back, "budget-unanswered", "")
	}
	var limits map[string]salesforce.Limit
	client, err := s.Client(r.Context(), c.ID)
	if err == nil {
		limits, err = client.Limits(r.Context())
	}
	day, ok := limits["DailyApiRequests"]
	if err != nil || !ok {
		s.Log.InfoContext(r.Context(), "the org was not asked for its limits", "connection_id", c.ID, "err", err)
		return s.see(w, r, back, "budget-unanswered", "")
	}
	if err := s.DB.RecordAPIUse(r.Context(), c.ID, db.APIReading{Used: day.Max - day.Remaining, Limit: day.Max}); err != nil {
		return err
	}
	return s.see(w, r, back, "budget-refreshed", "")
}
