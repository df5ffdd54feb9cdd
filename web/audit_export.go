package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"millrace/db"
	"millrace/views"
)

// Bounds of an export: entries in all and per look, exports at once, and how long a browser may take for a look's entries.
const (
	exportLimit    = 100_000
	exportLook     = 1000
	exportsBusy    = 2
	exportPatience = time.Minute
)

// exportAudit streams the entries that the form's filters select, newest first. Only a look's entries are in memory.
func (s *Server) exportAudit(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	st, err := s.readAudit(r, c, r.PostForm)
	if err != nil {
		return err
	}
	format := r.PostForm.Get("format")
	if format != "csv" && format != "json" || st.unknownRun {
		return &failure{status: http.StatusBadRequest, title: "Nothing was exported", sentence: "Go back, and choose CSV or JSON below the list."}
	}
	select {
	case s.exporting <- struct{}{}:
		defer func() { <-s.exporting }()
	default:
		return &failure{status: http.StatusServiceUnavailable, title: "Nothing was exported", sentence: "Other exports are being written at the moment. Try again in a minute."}
	}
	by := visitOf(r).user.ID
	if err := s.DB.AuditAct(r.Context(), db.AuditEntry{ConnectionID: c.ID, ActorID: &by, Entity: "export", Action: "exported", Changes: exportChanges(st), Detail: "audit log as " + strings.ToUpper(format)}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", `attachment; filename="audit-log-`+time.Now().UTC().Format("20060102-150405")+`.`+format+`"`)
	var out entryWriter
	if format == "csv" {
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		out = &csvEntries{csv.NewWriter(w)}
	} else {
		h.Set("Content-Type", "application/json")
		out = &jsonEntries{w: w}
	}
	// A browser that takes nothing any more must not keep others from exporting.
	deadline := http.NewResponseController(w)
	defer func() { _ = deadline.SetWriteDeadline(time.Time{}) }() // the connection may carry further answers
	return s.writeEntries(r, c, st.query, out, func() { _ = deadline.SetWriteDeadline(time.Now().Add(exportPatience)) })
}

// exportChanges notes the filters of an export.
func exportChanges(st auditState) any {
	out := map[string][2]string{}
	for name, values := range st.values() {
		if name != "per" {
			out[name] = [2]string{"", values[0]}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// entryWriter writes entries to a file.
type entryWriter interface {
	begin() error
	write(views.AuditEntry) error
	end(complete bool) error
}

// writeEntries looks again and again, and calls goesOn before what each look found is written.
func (s *Server) writeEntries(r *http.Request, c db.Connection, q db.AuditQuery, out entryWriter, goesOn func()) error {
	q.Limit, q.Start, q.Ascending = exportLook, nil, false
	goesOn()
	if err := out.begin(); err != nil {
		return gone(err)
	}
	for n := 0; ; {
		q.Limit = min(exportLook, exportLimit-n)
		page, err := s.DB.AuditLog(r.Context(), q)
		if err != nil {
			s.cutOff(r, err)
		}
		rows, err := s.auditRows(r, c, page.Rows)
		if err != nil {
			s.cutOff(r, err)
		}
		goesOn()
		for _, e := range rows {
			if err := out.write(e); err != nil {
				return gone(err)
			}
		}
		n += len(rows)
		if !page.More || n >= exportLimit {
			return gone(out.end(!page.More))
		}
		next := page.Next
		q.Start = &next
	}
}

// cutOff breaks the connection, so that half a file is not taken for a whole one.
func (s *Server) cutOff(r *http.Request, err error) {
	s.Log.ErrorContext(r.Context(), "an export was cut off", "request_id", visitOf(r).requestID, "err", err)
	panic(http.ErrAbortHandler)
}

// gone says that the browser does not take more, which is no failure.
func gone(err error) error {
	if err != nil {
		return context.Canceled
	}
	return nil
}

// csvEntries writes RFC 4180. A spreadsheet takes a cell that begins like a formula for one, so those get an apostrophe in front.
type csvEntries struct{ w *csv.Writer }

var csvHead = []string{"time_utc", "entity", "action", "record_name", "record_id", "run", "settings_version", "person", "detail", "field", "before", "after"}

func (c *csvEntries) begin() error {
	c.w.UseCRLF = true
	return c.w.Write(csvHead)
}

// write makes a line for each changed field, and one for an entry without any.
func (c *csvEntries) write(e views.AuditEntry) error {
	version := ""
	if e.Version > 0 {
		version = strconv.Itoa(e.Version)
	}
	line := []string{e.At.UTC().Format(time.RFC3339Nano), e.Entity, e.Action, e.Name, e.ID, e.Run, version, e.By, e.Detail, "", "", ""}
	changes := e.Changes
	if len(changes) == 0 {
		changes = []views.FieldChange{{}}
	}
	for _, change := range changes {
		line[9], line[10], line[11] = change.Field, change.Before, change.After
		if err := writeSafe(c.w, line); err != nil {
			return err
		}
	}
	return nil
}

func (c *csvEntries) end(bool) error {
	c.w.Flush()
	return c.w.Error()
}

// writeSafe writes a line whose cells no spreadsheet takes for formulas.
func writeSafe(w *csv.Writer, line []string) error {
	safe := make([]string, len(line))
	for i, cell := range line {
		safe[i] = noFormula(cell)
	}
	return w.Write(safe)
}

// noFormula makes a cell safe for spreadsheets.
func noFormula(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\x00", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// jsonEntries writes one object with the entries and whether they are all.
type jsonEntries struct {
	w       io.Writer
	further bool
}

type jsonEntry struct {
	At              time.Time    `json:"at"`
	Entity          string       `json:"entity"`
	Action          string       `json:"action"`
	RecordName      string       `json:"record_name,omitempty"`
	RecordID        string       `json:"record_id,omitempty"`
	Run             string       `json:"run,omitempty"`
	SettingsVersion int          `json:"settings_version,omitempty"`
	Person          string       `json:"person,omitempty"`
	Detail          string       `json:"detail,omitempty"`
	Changes         []jsonChange `json:"changes,omitempty"`
}

type jsonChange struct {
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
}

func (j *jsonEntries) begin() error {
	_, err := io.WriteString(j.w, `{"entries":[`)
	return err
}

func (j *jsonEntries) write(e views.AuditEntry) error {
	out := jsonEntry{At: e.At.UTC(), Entity: e.Entity, Action: e.Action, RecordName: e.Name, RecordID: e.ID, Run: e.Run, SettingsVersion: e.Version, Person: e.By, Detail: e.Detail}
	for _, c := range e.Changes {
		out.Changes = append(out.Changes, jsonChange{c.Field, c.Before, c.After})
	}
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	if j.further {
		text = append([]byte(",\n"), text...)
	}
	j.further = true
	_, err = j.w.Write(text)
	return err
}

func (j *jsonEntries) end(complete bool) error {
	_, err := io.WriteString(j.w, map[bool]string{true: "],\"complete\":true}\n", false: "],\"complete\":false}\n"}[complete])
	return err
}
