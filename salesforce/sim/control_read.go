package sim

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const noteCookie = "sim_note"

// badNote begins the note of an action that failed.
const badNote = "!"

func noteValue(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// controlRead serves the parts of the control API that change nothing.
func (o *Org) controlRead(w http.ResponseWriter, r *http.Request, what string) {
	switch what {
	case "":
		o.controlPage(w, r)
	case "state":
		writeJSON(w, http.StatusOK, o.state(), true)
	case "records":
		o.dump(w, r.URL.Query().Get("object"), r.URL.Query().Get("deleted") == "true")
	case "query":
		rows, err := o.Eval(r.URL.Query().Get("q"))
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()}, false)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"rows": rows}, false)
	default:
		http.NotFound(w, r)
	}
}

// dump writes the records of an object as NDJSON.
func (o *Org) dump(w http.ResponseWriter, object string, deleted bool) {
	if o.world.Load().object(object) == nil {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no object " + object}, false)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	buf := bufio.NewWriterSize(w, 64<<10)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	for rec := range o.records(object, deleted) {
		if e.Encode(rec) != nil {
			return // the caller is gone
		}
	}
	_ = buf.Flush() // only fails when the caller is gone
}

// state is what the control page shows.
func (o *Org) state() map[string]any {
	w := o.world.Load()
	u := &o.usage
	u.mu.Lock()
	u.roll(o.now())
	used, limit := u.used, u.limit
	u.mu.Unlock()
	o.auth.mu.Lock()
	rotate, blocked, sessions, grants := o.auth.rotate, o.auth.blocked, 0, 0
	for _, s := range o.auth.sessions {
		if !s.dead {
			sessions++
		}
	}
	for _, g := range o.auth.order {
		if !g.dead {
			grants++
		}
	}
	o.auth.mu.Unlock()
	counts := map[string]int{}
	for _, obj := range w.order {
		if obj.view == nil {
			t := w.table(obj)
			counts[obj.name] = t.rows - t.gone
		}
	}
	hidden := []string{}
	for k := range w.hidden {
		hidden = append(hidden, k)
	}
	return map[string]any{"now": stamp(o.now()), "org": o.opt.OrgName, "orgId": o.orgID, "apiUsed": used, "apiLimit": limit, "rotation": rotate, "blocked": blocked,
		"sessions": sessions, "grants": grants, "faults": o.Faults(), "records": counts, "hidden": hidden, "multiCurrency": w.multiCurrent, "fiscalYearStart": int(w.fiscal)}
}

// controlPage shows the state and a form for each thing that can be done.
func (o *Org) controlPage(w http.ResponseWriter, r *http.Request) {
	data := o.state()
	data["Credentials"] = o.Credentials()
	data["Origin"] = o.origin(r)
	if c, err := r.Cookie(noteCookie); err == nil {
		if b, err := base64.RawURLEncoding.DecodeString(c.Value); err == nil {
			text, bad := strings.CutPrefix(string(b), badNote)
			data["Note"] = map[string]any{"Text": text, "Bad": bad}
		}
		http.SetCookie(w, &http.Cookie{Name: noteCookie, Path: "/control", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	data["Presets"] = faultPresets
	samples := []map[string]any{}
	if rows, err := o.Eval("SELECT Id, Name FROM Account LIMIT 5"); err == nil {
		samples = rows
	}
	data["Samples"] = samples
	if len(samples) > 0 {
		data["Sample"] = fmt.Sprint(samples[0]["Id"])
	}
	if rows, err := o.Eval("SELECT Id, Name, StageName FROM Opportunity WHERE IsClosed = false ORDER BY CloseDate LIMIT 8"); err == nil {
		data["Deals"] = rows
	}
	data["Stages"] = stageNames()
	o.auth.mu.Lock()
	app := o.auth.app
	o.auth.mu.Unlock()
	if app != "" {
		data["Back"], data["BackHost"] = app, redirectHost(app)
	}
	o.page(w, http.StatusOK, "control", data)
}

// preset is a fault that the page offers as one button.
type preset struct {
	Label  string
	Fields map[string]string
}

var faultPresets = []preset{
	{"Next call: 401, the session has expired", map[string]string{"match": "/services/data", "status": "401"}},
	{"Next 3 calls: 503, Salesforce is unavailable", map[string]string{"match": "/services/data", "status": "503", "count": "3"}},
	{"Next call: 500, with a page of HTML", map[string]string{"match": "/services/data", "status": "500", "body": "<html><body>Internal error</body></html>"}},
	{"Every call: 403, the daily limit is used up", map[string]string{"match": "/services/data", "status": "403", "count": "-1"}},
	{"Next call: 429, too many requests", map[string]string{"match": "/services/data", "status": "429"}},
	{"Next call: answers after 30 seconds", map[string]string{"match": "/services/data", "stall": "30s"}},
	{"Next query: times out", map[string]string{"match": "/services/data/*/query", "status": "400", "code": "QUERY_TIMEOUT"}},
	{"Next query: cannot lock a row", map[string]string{"match": "/services/data/*/query", "status": "400", "code": "UNABLE_TO_LOCK_ROW"}},
	{"Next write: the record is locked", map[string]string{"match": "/services/data/*/sobjects", "lockRows": "1", "method": "PATCH"}},
	{"Next page of a bulk query: is cut off", map[string]string{"match": "/services/data/*/jobs/query/*/results", "truncateAfter": "4000"}},
	{"Next page of a bulk query: has a broken row", map[string]string{"match": "/services/data/*/jobs/query/*/results", "corruptRow": "3"}},
	{"Next page of a bulk query: is slow (20 kB a second)", map[string]string{"match": "/services/data/*/jobs/query/*/results", "slowBytesPerSecond": "20000"}},
	{"Next page of a bulk query: stalls for a minute", map[string]string{"match": "/services/data/*/jobs/query/*/results", "stallAfter": "2000", "stall": "60s"}},
	{"Next refresh of a token: 500", map[string]string{"match": "/services/oauth2/token", "status": "500", "body": "{\"error\":\"server_error\",\"error_description\":\"try again later\"}"}},
}
