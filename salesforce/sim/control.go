package sim

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serveControl serves the control page and API. It is for people and tests who steer the org, so it asks for no sign-in.
//
//	GET  /control                     the page
//	GET  /control/state               clock, limits, sessions, faults, counts
//	GET  /control/records?object=…    every record as one JSON object a line; &deleted=true takes in the Recycle Bin
//	GET  /control/query?q=…           the rows of a query
//	POST /control/<action>            JSON or form fields, as listed in controlActions
func (o *Org) serveControl(w http.ResponseWriter, r *http.Request, path string) {
	action := strings.TrimPrefix(strings.TrimPrefix(path, "/control"), "/")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		o.controlRead(w, r, action)
		return
	}
	run, ok := controlActions[action]
	if !ok || r.Method != http.MethodPost {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such action: " + action}, false)
		return
	}
	in, form, err := controlInput(r)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()}, false)
		return
	}
	out, err := run(o, in)
	if form {
		note := done(action, in)
		if err != nil {
			note = badNote + "That did not work: " + strings.TrimPrefix(err.Error(), "simulated org: ")
		}
		http.SetCookie(w, &http.Cookie{Name: noteCookie, Value: noteValue(note), Path: "/control", MaxAge: 20, HttpOnly: true, SameSite: http.SameSiteStrictMode})
		http.Redirect(w, r, "/control", http.StatusSeeOther)
		return
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()}, false)
		return
	}
	if out == nil {
		out = map[string]bool{"ok": true}
	}
	writeJSON(w, http.StatusOK, out, false)
}

// input is what an action was given: decoded JSON, or the fields of a form, all of them text.
type input map[string]any

func (in input) text(name string) string {
	switch v := in[name].(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func (in input) number(name string) int {
	n, _ := strconv.Atoi(in.text(name)) // nothing and nonsense count as 0
	return n
}

func (in input) flag(name string) bool {
	switch in.text(name) {
	case "true", "on", "1", "yes":
		return true
	}
	return false
}

// duration reads "90s" or a number of seconds.
func (in input) duration(name string) time.Duration {
	text := in.text(name)
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return time.Duration(n * float64(time.Second))
	}
	d, _ := time.ParseDuration(text) // nothing and nonsense count as 0
	return d
}

func controlInput(r *http.Request) (in input, form bool, err error) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if err := r.ParseForm(); err != nil {
			return nil, true, err
		}
		in = input{}
		for k, v := range r.Form {
			in[k] = v[0]
		}
		return in, !strings.Contains(r.Header.Get("Accept"), "application/json"), nil
	}
	in = input{}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20))
	d.UseNumber()
	if r.ContentLength == 0 {
		return in, false, nil
	}
	return in, false, d.Decode(&in)
}

// controlActions is everything that can be done to the org from outside.
var controlActions = map[string]func(*Org, input) (any, error){
	"expire":   func(o *Org, _ input) (any, error) { o.ExpireAccessTokens(); return nil, nil },
	"revoke":   func(o *Org, _ input) (any, error) { o.RevokeRefreshTokens(); return nil, nil },
	"rotation": func(o *Org, in input) (any, error) { o.SetRotation(in.flag("on")); return nil, nil },
	"block":    func(o *Org, in input) (any, error) { o.BlockApp(in.flag("on")); return nil, nil },
	"rotate-secret": func(o *Org, _ input) (any, error) {
		return map[string]string{"clientSecret": o.RotateSecret()}, nil
	},
	"replace-app": func(o *Org, _ input) (any, error) {
		o.ReplaceApp()
		now := o.Credentials()
		return map[string]string{"clientId": now.ClientID, "clientSecret": now.ClientSecret}, nil
	},
	"limit": func(o *Org, in input) (any, error) {
		o.SetAPILimit(in.number("used"), in.number("limit"))
		return nil, nil
	},
	"advance":     func(o *Org, in input) (any, error) { o.Advance(in.duration("by")); return nil, nil },
	"fiscal-year": func(o *Org, in input) (any, error) { return nil, o.SetFiscalYearStart(time.Month(in.number("month"))) },
	"certificate": func(o *Org, in input) (any, error) { return nil, o.RegisterCertificate(in.text("pem")) },
	"move-stage":  func(o *Org, in input) (any, error) { return nil, o.MoveStage(in.text("id"), in.text("stage")) },
	"currency":    func(o *Org, in input) (any, error) { o.SetMultiCurrency(in.flag("on")); return nil, nil },
	"fault": func(o *Org, in input) (any, error) {
		return map[string]int{"id": o.Fail(in.fault())}, nil
	},
	"clear": func(o *Org, in input) (any, error) { o.ClearFaults(in.number("id")); return nil, nil },
	"hide": func(o *Org, in input) (any, error) {
		if f := in.text("field"); f != "" {
			o.HideField(in.text("object"), f)
		} else {
			o.HideObject(in.text("object"))
		}
		return nil, nil
	},
	"show": func(o *Org, in input) (any, error) {
		if f := in.text("field"); f != "" {
			o.ShowField(in.text("object"), f)
		} else {
			o.ShowObject(in.text("object"))
		}
		return nil, nil
	},
	"rename-field": func(o *Org, in input) (any, error) {
		return nil, o.RenameField(in.text("object"), in.text("field"), in.text("to"))
	},
	"drop-field": func(o *Org, in input) (any, error) { return nil, o.DropField(in.text("object"), in.text("field")) },
	"insert": func(o *Org, in input) (any, error) {
		id, err := o.Insert(in.text("object"), in.fields())
		return map[string]string{"id": id}, err
	},
	"update": func(o *Org, in input) (any, error) {
		return nil, o.Update(in.text("object"), in.text("id"), in.fields())
	},
	"delete":   func(o *Org, in input) (any, error) { return nil, o.Delete(in.text("object"), in.text("id")) },
	"undelete": func(o *Org, in input) (any, error) { return nil, o.Undelete(in.text("object"), in.text("id")) },
	"purge":    func(o *Org, in input) (any, error) { return nil, o.Purge(in.text("object")) },
	"merge": func(o *Org, in input) (any, error) {
		return nil, o.Merge(in.text("object"), in.text("master"), strings.FieldsFunc(in.text("losers"), func(r rune) bool { return r == ',' || r == ' ' })...)
	},
	"reset-faults": func(o *Org, _ input) (any, error) { o.ClearFaults(0); return nil, nil },
}

// notes say in plain words what an action has done.
var notes = map[string]string{"expire": "Every access token has expired.", "revoke": "Every approval is revoked.", "rotate-secret": "The app has another secret. It stands below, with the client id.",
	"replace-app": "The app is gone. The client id and secret of another one stand below.", "limit": "The API limit is set.",
	"advance": "The clock has moved on.", "fault": "Armed: it happens to the calls that come.", "clear": "The fault is disarmed.", "reset-faults": "Every fault is disarmed.",
	"hide": "Hidden.", "show": "Shown again.", "rename-field": "The field is renamed.", "drop-field": "The field is gone, with its data.", "insert": "The record is created.",
	"update": "The record is changed.", "delete": "The record is in the Recycle Bin, with what hangs on it.", "undelete": "The record is back.", "purge": "The Recycle Bin is empty.",
	"merge": "The accounts are merged.", "move-stage": "The opportunity has moved.", "fiscal-year": "The fiscal year is set.", "certificate": "The certificate is registered."}

// done is what the page says after an action.
func done(action string, in input) string {
	state := "off"
	if in.flag("on") {
		state = "on"
	}
	switch action {
	case "rotation":
		return "Rotation of refresh tokens is " + state + "."
	case "currency":
		return "Multiple currencies are " + state + "."
	case "block":
		return "Blocking the app is " + state + "."
	}
	return notes[action]
}

// fields are the record's fields: a JSON object, or the one field and value that the form has.
func (in input) fields() map[string]any {
	if m, ok := in["fields"].(map[string]any); ok {
		return m
	}
	if name := in.text("field"); name != "" {
		var v any = in.text("value")
		if v == "" {
			v = nil
		}
		return map[string]any{name: v}
	}
	return nil
}

func (in input) fault() Fault {
	return Fault{Match: in.text("match"), Method: in.text("method"), Nth: in.number("nth"), Count: in.number("count"), Status: in.number("status"), Code: in.text("code"),
		Message: in.text("message"), Body: in.text("body"), Stall: in.duration("stall"), StallAfter: in.number("stallAfter"), TruncateAfter: in.number("truncateAfter"),
		CleanCut: in.flag("cleanCut"), SlowBytesPerSecond: in.number("slowBytesPerSecond"), CorruptRow: in.number("corruptRow"), LockRows: in.number("lockRows")}
}
