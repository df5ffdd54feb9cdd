package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/db"
	"millrace/views"
	"millrace/views/ui"
)

// auditCounted is how far entries are counted.
const auditCounted = 10_000

// auditEntities are what entries can be narrowed to. Those of people are for admins, as the settings are.
var auditEntities = []struct {
	key, label string
	names      []string
	global     bool
	people     bool // shown to admins only
}{
	{key: "accounts", label: "Accounts", names: []string{"account"}},
	{key: "contacts", label: "Contacts", names: []string{"contact"}},
	{key: "opportunities", label: "Opportunities", names: []string{"opportunity"}},
	{key: "cases", label: "Support cases", names: []string{"case", "case comment", "email message", "case message"}},
	{key: "chatter", label: "Chatter", names: []string{"chatter post", "chatter comment"}},
	{key: "custom", label: "Custom objects"},
	{key: "sf-users", label: "Salesforce users", names: []string{"user"}},
	{key: "runs", label: "Runs", names: []string{"run"}},
	{key: "webhooks", label: "Webhooks and alerts", names: []string{"webhook", "alert", "delivery"}},
	{key: "connections", label: "Connections", names: []string{"connection"}},
	{key: "settings", label: "Settings", names: []string{"settings"}, people: true},
	{key: "schedules", label: "Schedules", names: []string{"schedule"}},
	{key: "sign-ins", label: "Sign-ins", names: []string{"session"}, global: true, people: true},
	{key: "people", label: "People", names: []string{"user"}, global: true, people: true},
	{key: "exports", label: "Exports", names: []string{"export"}, people: true},
}

// auditHidden are the entities of a connection that only admins see.
var auditHidden = []string{"settings", "export"}

// auditState is a list of entries as its address describes it.
type auditState struct {
	query                  db.AuditQuery // without what is looked up
	search, entity, action string
	run                    string
	person                 int64
	from, until, day       string // dates
	zone                   string
	location               *time.Location
	older, newer           string
	per                    int
	unknownRun             bool
}

var runName = regexp.MustCompile(`^[rR]-[0-9A-Za-z]{6}$`)

// readAudit takes the list's state from the address or a form; what makes no sense is left out.
func (s *Server) readAudit(r *http.Request, c db.Connection, in url.Values) (auditState, error) {
	st := auditState{search: cleanSearch(in.Get("q")), action: strings.TrimSpace(in.Get("action")), per: pageSizes[0], location: time.UTC, zone: "UTC"}
	if zone := cmp.Or(visitOf(r).user.TimeZone, in.Get("zone")); zone != "" && zone != "Local" && len(zone) <= 64 {
		if where, err := time.LoadLocation(zone); err == nil {
			st.zone, st.location = zone, where
		}
	}
	if per, err := strconv.Atoi(in.Get("per")); err == nil && slices.Contains(pageSizes, per) {
		st.per = per
	}
	st.query = db.AuditQuery{ConnectionID: c.ID, Global: isAdmin(r), Limit: st.per, Search: st.search}
	if !isAdmin(r) {
		st.query.Hidden = auditHidden
	}
	if runName.MatchString(st.search) { // the id of a run, as people copy it
		st.run, st.search, st.query.Search = strings.ToUpper(st.search), "", ""
	} else {
		st.run = strings.ToUpper(strings.TrimSpace(in.Get("run")))
	}
	if !slices.ContainsFunc(auditActions, func(a auditAction) bool { return a.name == st.action }) {
		st.action = ""
	} else {
		st.query.Actions = []string{st.action}
	}
	if err := s.readEntity(r, c, in.Get("entity"), &st); err != nil {
		return st, err
	}
	if person, err := strconv.ParseInt(in.Get("person"), 10, 64); err == nil && person > 0 {
		st.person, st.query.ActorID = person, person
	}
	st.readDays(in)
	if st.run != "" {
		run, err := s.DB.Run(r.Context(), c.ID, st.run)
		if errors.Is(err, db.ErrNotFound) {
			st.unknownRun = true
		} else if err != nil {
			return st, err
		}
		st.query.RunID = run.ID
	}
	st.readPlace(in)
	return st, nil
}

func cleanSearch(text string) string {
	text = strings.ToValidUTF8(strings.ReplaceAll(strings.TrimSpace(text), "\x00", ""), "")
	if id := recordInURL.FindStringSubmatch(text); id != nil {
		return id[1]
	}
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:200])
	}
	return text
}

// recordInURL finds the Id in the address of a record's page in Salesforce.
var recordInURL = regexp.MustCompile(`^https?://[^?#]*/([a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?)(?:[/?#]|$)`)

func (s *Server) readEntity(r *http.Request, c db.Connection, key string, st *auditState) error {
	for _, e := range auditEntities {
		if e.key != key || e.people && !isAdmin(r) {
			continue
		}
		st.entity = key
		names := e.names
		if key == "custom" {
			objects, err := s.DB.AuditedObjects(r.Context(), c.ID)
			if err != nil {
				return err
			}
			names = objects
			if len(names) == 0 {
				names = []string{""} // no entry has it
			}
		}
		for _, n := range names {
			st.query.Entities = append(st.query.Entities, db.AuditEntity{Name: n, Global: e.global})
			if key == "webhooks" { // channels are of no connection
				st.query.Entities = append(st.query.Entities, db.AuditEntity{Name: n, Global: true})
			}
		}
	}
	return nil
}

// readDays reads the days, which begin and end in the viewer's zone.
func (st *auditState) readDays(in url.Values) {
	day := func(name string) (string, time.Time) {
		text := in.Get(name)
		at, err := time.ParseInLocation(time.DateOnly, text, st.location)
		if err != nil || at.Year() < 2000 || at.Year() > 2200 {
			return "", time.Time{}
		}
		return text, at
	}
	st.from, st.query.From = day("from")
	var until time.Time
	if st.until, until = day("until"); st.until != "" {
		st.query.Until = until.AddDate(0, 0, 1)
	}
	var at time.Time
	if st.day, at = day("day"); st.day != "" {
		st.query.Start = &db.AuditPlace{At: at.AddDate(0, 0, 1)}
	}
}

// readPlace reads where the page begins.
func (st *auditState) readPlace(in url.Values) {
	if place, ok := parsePlace(in.Get("older")); ok {
		st.older, st.query.Start, st.day = in.Get("older"), &place, ""
	} else if place, ok := parsePlace(in.Get("newer")); ok {
		st.newer, st.query.Start, st.query.Ascending, st.day = in.Get("newer"), &place, true, ""
	}
}

var placeName = regexp.MustCompile(`^(\d{15,17})(?:-(\d{1,10})-(\d{1,5}))?$`)

// formatPlace writes a place for an address: microseconds, block and offset.
func formatPlace(p db.AuditPlace) string {
	out := strconv.FormatInt(p.At.UnixMicro(), 10)
	if p.Place != "" {
		out += "-" + strings.ReplaceAll(strings.Trim(p.Place, "()"), ",", "-")
	}
	return out
}

func parsePlace(text string) (db.AuditPlace, bool) {
	m := placeName.FindStringSubmatch(text)
	if m == nil {
		return db.AuditPlace{}, false
	}
	micros, err := strconv.ParseInt(m[1], 10, 64)
	block, err2 := strconv.ParseUint(cmp.Or(m[2], "0"), 10, 32)
	offset, err3 := strconv.ParseUint(cmp.Or(m[3], "0"), 10, 16)
	if err != nil || err2 != nil || err3 != nil {
		return db.AuditPlace{}, false
	}
	p := db.AuditPlace{At: time.UnixMicro(micros)}
	if m[2] != "" {
		p.Place = fmt.Sprintf("(%d,%d)", block, offset)
	}
	return p, true
}

// values are the filters as an address or a form has them.
func (st auditState) values() url.Values {
	out := url.Values{}
	set := func(name, value string) {
		if value != "" {
			out.Set(name, value)
		}
	}
	set("q", st.search)
	set("entity", st.entity)
	set("action", st.action)
	set("run", st.run)
	if st.person > 0 {
		set("person", strconv.FormatInt(st.person, 10))
	}
	set("from", st.from)
	set("until", st.until)
	if (st.from != "" || st.until != "" || st.day != "") && st.zone != "UTC" {
		set("zone", st.zone)
	}
	if st.per != pageSizes[0] {
		set("per", strconv.Itoa(st.per))
	}
	return out
}

func (st auditState) narrowed() bool {
	return st.search != "" || st.entity != "" || st.action != "" || st.run != "" || st.person != 0 || st.from != "" || st.until != ""
}

func (st auditState) address(connectionID int64, extra ...string) string {
	q := st.values()
	for i := 0; i+1 < len(extra); i += 2 {
		q.Set(extra[i], extra[i+1])
	}
	return withQuery(orgPath(connectionID, "/audit"), q)
}

// audit lists a connection's entries, newest first.
func (s *Server) audit(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	st, err := s.readAudit(r, c, r.URL.Query())
	if err != nil {
		return err
	}
	var page db.AuditPage
	if !st.unknownRun {
		st.query.Count = auditCounted
		if page, err = s.DB.AuditLog(r.Context(), st.query); err != nil {
			return err
		}
	}
	if st.query.Ascending && !page.More { // the newest page is not full yet
		return s.see(w, r, st.address(c.ID), "", "")
	}
	shell, err := s.shell(w, r, "Audit Logs", "audit")
	if err != nil {
		return err
	}
	view := views.Audit{
		Shell: shell, OrgName: ConnectionName(c), Path: orgPath(c.ID, "/audit"), StatusHref: orgPath(c.ID, "/runs"), Here: r.URL.RequestURI(), Search: st.search, Entity: st.entity,
		Action: st.action, Run: st.run, From: st.from, Until: st.until, Day: st.day, Zone: st.zone, ZoneFixed: visitOf(r).user.TimeZone != "" || st.from+st.until+st.day != "", PerPage: st.per,
		Newest: st.address(c.ID), Narrowed: st.narrowed(), Total: page.Total, TotalMore: page.TotalMore, Reached: page.Reached, ExportPath: orgPath(c.ID, "/audit/export"), ExportLimit: exportLimit,
		Filters: flatValues(st.values()), RetentionDays: s.AuditDays,
	}
	if st.person > 0 {
		view.Person = strconv.FormatInt(st.person, 10)
	}
	view.Clear = auditState{per: st.per}.address(c.ID)
	if err := s.fillAudit(r, c, st, page, &view); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.AuditPage(view))
}

// fillAudit adds the entries, their number, the ways on, and the choices of the filters.
func (s *Server) fillAudit(r *http.Request, c db.Connection, st auditState, page db.AuditPage, view *views.Audit) error {
	var err error
	if view.Rows, err = s.auditRows(r, c, page.Rows); err != nil {
		return err
	}
	for _, e := range auditEntities {
		if !e.people || isAdmin(r) {
			view.Entities = append(view.Entities, ui.Option{Value: e.key, Label: e.label})
		}
	}
	for _, a := range auditActions {
		view.Actions = append(view.Actions, ui.Option{Value: a.name, Label: a.label})
	}
	if isAdmin(r) {
		people, err := s.DB.Users(r.Context())
		if err != nil {
			return err
		}
		for _, p := range people {
			view.People = append(view.People, ui.Option{Value: strconv.FormatInt(p.ID, 10), Label: displayName(p)})
		}
	}
	for _, size := range pageSizes {
		other := st
		other.per = size
		view.Sizes = append(view.Sizes, ui.PageSize{Rows: size, Href: other.address(c.ID)})
	}
	linkAudit(st, c, page, view)
	if len(view.Rows) == 0 && page.Reached == nil {
		view.Empty = s.noEntries(r, c, st)
	}
	return nil
}

// linkAudit adds the addresses of what is newer and older than the page.
func linkAudit(st auditState, c db.Connection, page db.AuditPage, view *views.Audit) {
	first := st.query.Start == nil
	n := len(page.Rows)
	if n == 0 {
		if page.Reached != nil {
			view.Older = st.address(c.ID, "older", formatPlace(page.Next))
		}
		if !first {
			view.Newer = st.address(c.ID, "newer", formatPlace(*st.query.Start))
		}
		return
	}
	newest, oldest := placeOf(page.Rows[0]), placeOf(page.Rows[n-1])
	view.Since = formatPlace(newest)
	switch {
	case st.query.Ascending:
		view.Newer, view.Older = st.address(c.ID, "newer", formatPlace(page.Next)), st.address(c.ID, "older", formatPlace(oldest))
	case page.More:
		view.Older = st.address(c.ID, "older", formatPlace(page.Next))
	}
	if !st.query.Ascending && !first {
		view.Newer = st.address(c.ID, "newer", formatPlace(newest))
	}
	if first {
		q := st.values()
		q.Set("since", view.Since)
		view.FreshHref = withQuery(orgPath(c.ID, "/audit/fresh"), q)
	}
}

func placeOf(row db.AuditRow) db.AuditPlace { return db.AuditPlace{At: row.At, Place: row.Place} }

// auditFresh says how many entries have come since the page was made.
func (s *Server) auditFresh(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	st, err := s.readAudit(r, c, r.URL.Query())
	if err != nil {
		return err
	}
	view := views.AuditFresh{Newest: st.address(c.ID), Href: r.URL.RequestURI()}
	if since, ok := parsePlace(r.URL.Query().Get("since")); ok && !st.unknownRun {
		st.query.Start, st.query.Ascending = &since, true
		if view.N, view.More, err = s.DB.CountAudit(r.Context(), st.query, 1000); err != nil {
			return err
		}
	}
	return s.render(w, r, http.StatusOK, views.AuditFreshPart(view))
}

// noEntries names the cause of an empty list and the next step.
func (s *Server) noEntries(r *http.Request, c db.Connection, st auditState) *views.Empty {
	all := auditState{per: st.per}.address(c.ID)
	switch {
	case st.unknownRun:
		return &views.Empty{Title: "There is no run " + st.run, Text: "The id may be mistyped, or the run belongs to another connection or is no longer kept.", Href: all, Label: "Show all entries"}
	case st.query.Start != nil && st.older == "" && st.newer == "":
		return &views.Empty{Title: "Nothing up to that day", Text: "The log holds no such entry from " + st.day + " or before.", Href: st.address(c.ID), Label: "Show the newest entries"}
	case st.query.Start != nil:
		return &views.Empty{Title: "Nothing further", Text: "The log holds no more such entries in this direction.", Href: st.address(c.ID), Label: "Show the newest entries"}
	case st.search != "":
		return &views.Empty{Title: "No entry matches", Text: "No record of this name or Id was touched, and no field or error text has these words, among the entries that the filters select.",
			Href: all, Label: "Show all entries", Why: withQuery(orgPath(c.ID, "/accounts/why"), url.Values{"q": {st.search}})}
	case st.action == "failed":
		return &views.Empty{Title: "Nothing has failed", Text: "No record failed to be taken over, among the entries that the filters select.", Href: all, Label: "Show all entries"}
	case st.narrowed():
		return &views.Empty{Title: "No entry matches", Text: "The filters select none of the entries that are kept.", Href: all, Label: "Show all entries"}
	}
	return &views.Empty{Title: "Nothing has happened yet", Text: "Each record that a sync touches, and what people do, is listed here.", Href: orgPath(c.ID, "/runs"), Label: "Look at the runs"}
}

// flatValues are the values of a form's hidden fields, in order of their names.
func flatValues(in url.Values) [][2]string {
	var out [][2]string
	for name := range in {
		out = append(out, [2]string{name, in.Get(name)})
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}
