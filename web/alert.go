package web

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
	"millrace/views/ui"
)

const (
	alertsPath     = "/alerts"
	channelsPath   = "/alerts/channels"
	deliveriesPath = "/alerts/deliveries"
)

// grave are the causes that stop something, besides those that only deserve a look.
var grave = map[string]bool{"connection_lost": true, "run_failed": true}

// muteFor lists for how long alerts can be muted, in hours; 0 is until somebody ends it.
var muteFor = []ui.Option{
	{Value: "1", Label: "An hour"}, {Value: "8", Label: "8 hours"}, {Value: "24", Label: "A day"}, {Value: "168", Label: "A week"}, {Value: "0", Label: "Until somebody ends it"},
}

// alertTabs leads between the pages about alerts.
func alertTabs(shell views.Shell, current string) views.AlertTabs {
	t := views.AlertTabs{Current: current, Admin: shell.Viewer.Admin}
	if shell.Org != nil {
		t.RulesHref = orgPath(shell.Org.ID, "/alert-rules")
	}
	return t
}

// alerts shows what is wrong and what was.
func (s *Server) alerts(w http.ResponseWriter, r *http.Request) error {
	shell, err := s.shell(w, r, "Alerts", "alerts")
	if err != nil {
		return err
	}
	const rows = 25
	after := readEnded(r.URL.Query())
	v := views.Alerts{Shell: shell, Tabs: alertTabs(shell, "alerts"), Here: r.URL.RequestURI(), MuteFor: muteFor, Several: len(shell.Orgs) > 1}
	open, err := s.DB.OpenAlerts(r.Context())
	if err != nil {
		return err
	}
	ended, err := s.DB.EndedAlerts(r.Context(), after, rows+1)
	if err != nil {
		return err
	}
	mutes, err := s.DB.AlertMutes(r.Context())
	if err != nil {
		return err
	}
	for _, a := range open {
		v.Open = append(v.Open, alertRow(a))
	}
	if len(ended) > rows {
		ended = ended[:rows]
		last := ended[rows-1]
		v.Older = withQuery(alertsPath, url.Values{"before": {strconv.FormatInt(last.EndedAt.UnixMicro(), 10) + "." + strconv.FormatInt(last.ID, 10)}}) + "#ended-alerts"
	}
	if after.ID > 0 {
		v.Newest = alertsPath + "#ended-alerts"
	}
	for _, a := range ended {
		v.Ended = append(v.Ended, alertRow(a))
	}
	for _, m := range mutes {
		v.Mutes = append(v.Mutes, views.MuteRow{ID: m.ID, What: muteWhat(m.Cause, m.Subject), Connection: m.ConnectionName, Until: m.Until, By: m.MadeBy})
	}
	if shell.Viewer.Admin {
		if err := s.addFailing(r, &v); err != nil {
			return err
		}
	}
	return s.render(w, r, http.StatusOK, views.AlertsPage(v))
}

// readEnded reads a place in the history, as the page's own links give it: microseconds and an id.
func readEnded(q url.Values) db.EndedAlert {
	at, id, _ := strings.Cut(q.Get("before"), ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	n, idErr := strconv.ParseInt(id, 10, 64)
	if err != nil || idErr != nil || n <= 0 || micros < 0 || micros > 1<<52 {
		return db.EndedAlert{}
	}
	return db.EndedAlert{At: time.UnixMicro(micros), ID: n}
}

// addFailing adds how many channels are on, and which of them do not get their notices through.
func (s *Server) addFailing(r *http.Request, v *views.Alerts) error {
	channels, err := s.DB.AlertChannels(r.Context())
	if err != nil {
		return err
	}
	for _, c := range channels {
		switch {
		case c.Enabled && c.LastState == string(db.DeliveryFailed):
			v.Failing = append(v.Failing, views.FailingChannel{Name: c.Name, Href: channelPath(c.ID), Why: c.LastOutcome})
		case c.OffReason != "":
			v.Failing = append(v.Failing, views.FailingChannel{Name: c.Name, Href: channelPath(c.ID), Why: c.OffReason + " The channel was switched off."})
		}
		if c.Enabled {
			v.Channels++
		}
	}
	return nil
}

func alertRow(a db.Alert) views.AlertRow {
	cause, _ := db.AlertCauseOf(a.Cause)
	return views.AlertRow{
		ID: a.ID, Cause: cause.Label, Grave: grave[a.Cause], Title: a.Title, Detail: a.Detail, Href: localPath(a.Place), HrefLabel: a.PlaceLabel,
		Connection: a.ConnectionName, ConnectionID: a.ConnectionID, CauseKey: a.Cause, Subject: a.Subject,
		OpenedAt: a.OpenedAt, EndedAt: a.EndedAt, EndedText: a.EndedText, Quiet: a.Quiet, Muted: a.Muted,
	}
}

// muteWhat names what is muted.
func muteWhat(cause, subject string) string {
	if cause == "" {
		return "All alerts"
	}
	c, _ := db.AlertCauseOf(cause)
	if subject == "" {
		return c.Label
	}
	return c.Label + ": " + pipeline.Entity(subject).Label()
}

// muteAlerts has nobody told of something for a while.
func (s *Server) muteAlerts(w http.ResponseWriter, r *http.Request) error {
	form := r.PostForm
	connection, err := strconv.ParseInt(form.Get("connection"), 10, 64)
	hours, hoursErr := strconv.Atoi(form.Get("for"))
	if err != nil || hoursErr != nil || hours < 0 || hours > 24*365 || len(form.Get("cause")) > 100 || len(form.Get("subject")) > 300 {
		return badRequest("What the browser sent is not a form that this page sends.", errors.New("no mute"))
	}
	cause, subject := form.Get("cause"), form.Get("subject")
	if _, known := db.AlertCauseOf(cause); cause != "" && !known || cause == "" && subject != "" {
		return badRequest("There is no such alert.", errors.New("unknown cause "+cause))
	}
	if err := s.DB.MuteAlerts(r.Context(), connection, cause, subject, time.Duration(hours)*time.Hour, visitOf(r).user.ID); err != nil {
		return err
	}
	return s.see(w, r, alertsPath, "alert-muted", "")
}

// endMute has people told again.
func (s *Server) endMute(w http.ResponseWriter, r *http.Request) error {
	if err := s.DB.EndAlertMute(r.Context(), pathID(r, "mute"), visitOf(r).user.ID); err != nil {
		return err
	}
	return s.see(w, r, alertsPath, "alert-unmuted", "")
}

// alertRules shows what a connection is watched for.
func (s *Server) alertRules(w http.ResponseWriter, r *http.Request) error {
	return s.alertRulesPage(w, r, http.StatusOK, nil, nil, "")
}

// alertRulesPage draws the rules as they are, or as typed; conflict says who has saved meanwhile.
func (s *Server) alertRulesPage(w http.ResponseWriter, r *http.Request, status int, typed url.Values, errs map[string]string, conflict string) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "What is watched", "alerts")
	if err != nil {
		return err
	}
	rules, err := s.DB.AlertRules(r.Context(), c.ID)
	if err != nil {
		return err
	}
	mutes, err := s.DB.AlertMutes(r.Context())
	if err != nil {
		return err
	}
	v := views.AlertRules{
		Shell: shell, Tabs: alertTabs(shell, "rules"), OrgName: ConnectionName(c), Action: orgPath(c.ID, "/alert-rules"), Version: rules.Version,
		ChangedBy: rules.ChangedBy, ChangedAt: rules.ChangedAt, Conflict: conflict, Connection: c.ID, MuteFor: muteFor,
	}
	for _, m := range mutes {
		v.Muted = v.Muted || m.ConnectionID == c.ID && m.Cause == ""
	}
	for _, cause := range db.AlertCauses {
		rule := rules.Of(cause)
		row := views.AlertRuleRow{
			Key: cause.Key, Label: cause.Label, About: strings.ReplaceAll(cause.About, "%", ui.Count(rule.Threshold)), On: !rule.Off, Question: cause.Question,
			Unit: cause.Unit, Threshold: strconv.FormatInt(rule.Threshold, 10), Min: cause.Min, Max: cause.Max, Default: cause.Default,
		}
		if typed != nil {
			row.On, row.Threshold = typed.Get("on."+cause.Key) == "on", typed.Get("threshold."+cause.Key)
		}
		if e := errs[cause.Key]; e != "" {
			row.Errors = []string{e}
			v.Problems = append(v.Problems, ui.Problem{FieldID: "threshold-" + cause.Key, Text: cause.Label + ": " + e})
		}
		v.Rows = append(v.Rows, row)
	}
	return s.render(w, r, status, views.AlertRulesPage(v))
}

// saveAlertRules stores what a connection is watched for.
func (s *Server) saveAlertRules(w http.ResponseWriter, r *http.Request) error {
	form := r.PostForm
	version, err := strconv.Atoi(form.Get("version"))
	if err != nil {
		return badRequest("What the browser sent is not a form that this page sends.", err)
	}
	rules := db.AlertRules{Version: version, Causes: map[string]db.AlertRule{}}
	errs := map[string]string{}
	for _, cause := range db.AlertCauses {
		rule := db.AlertRule{Off: form.Get("on."+cause.Key) != "on"}
		if cause.HasThreshold() {
			rule.Threshold, err = wholeNumber(cmp.Or(strings.TrimSpace(form.Get("threshold."+cause.Key)), strconv.FormatInt(cause.Default, 10)))
			if err != nil || rule.Threshold < cause.Min || rule.Threshold > cause.Max {
				errs[cause.Key] = "Enter a whole number from " + ui.Count(cause.Min) + " to " + ui.Count(cause.Max) + "."
			}
		}
		rules.Causes[cause.Key] = rule
	}
	if len(errs) > 0 {
		return s.alertRulesPage(w, r, http.StatusUnprocessableEntity, form, errs, "")
	}
	id := pathID(r, "id")
	err = s.DB.SaveAlertRules(r.Context(), id, rules, visitOf(r).user.ID)
	var conflict *db.AlertConflictError
	if errors.As(err, &conflict) {
		return s.alertRulesPage(w, r, http.StatusConflict, form, nil,
			cmp.Or(conflict.By, "Somebody else")+" has saved them since this page was loaded. The page shows what you typed; saving again replaces theirs.")
	}
	if err != nil {
		return err
	}
	return s.see(w, r, orgPath(id, "/alert-rules"), "alert-rules", "")
}

// wholeNumber reads a number as people write it: with a percent sign, and with marks between its thousands. What has a fraction is none.
func wholeNumber(text string) (int64, error) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "%"))
	if thousandsMarked.MatchString(text) {
		text = strings.Map(func(c rune) rune {
			if c < '0' || c > '9' {
				return -1
			}
			return c
		}, text)
	}
	return strconv.ParseInt(text, 10, 64)
}

var thousandsMarked = regexp.MustCompile("^[0-9]{1,3}([ ,.'’_\u00a0\u202f][0-9]{3})+$")
