package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// auditAction is something that an entry says was done.
type auditAction struct {
	name, label string
	tone        ui.Tone
	icon        ui.IconPath
}

// auditActions are those that entries can be narrowed to, in the order of the choice. Others are shown by their own name.
var auditActions = []auditAction{
	{"created", "Created", ui.Success, ui.IconPlus}, {"updated", "Updated", ui.Informs, ui.IconRefresh}, {"fetched", "Fetched", ui.Neutral, ui.IconDatabase},
	{"skipped", "Skipped", ui.Warning, ui.IconAlertTriangle}, {"failed", "Failed", ui.Danger, ui.IconXCircle}, {"left", "Left the filter", ui.Warning, ui.IconFilter},
	{"returned", "Returned", ui.Success, ui.IconHistory}, {"deleted", "Deleted in Salesforce", ui.Danger, ui.IconTrash}, {"written", "Written to Salesforce", ui.Informs, ui.IconCloud},
	{"undone", "Undone", ui.Warning, ui.IconHistory},
	{"requested", "Requested", ui.Neutral, ui.IconPlay}, {"cancel requested", "Cancel requested", ui.Warning, ui.IconX},
	{"saved", "Saved", ui.Success, ui.IconSave}, {"restored", "Restored", ui.Success, ui.IconHistory}, {"imported", "Imported", ui.Success, ui.IconSave},
	{"disabled", "Disabled", ui.Warning, ui.IconBan}, {"accepted", "Accepted", ui.Neutral, ui.IconCheck}, {"exported", "Exported", ui.Neutral, ui.IconExternalLink},
	{"connected", "Connected", ui.Success, ui.IconPlug}, {"renamed", "Renamed", ui.Neutral, ui.IconRefresh}, {"needs reconnect", "Needs reconnect", ui.Danger, ui.IconAlertCircle},
	{"disconnected", "Disconnected", ui.Neutral, ui.IconUnplug},
	{"signed in", "Signed in", ui.Success, ui.IconUser}, {"signed out", "Signed out", ui.Neutral, ui.IconLogOut}, {"signed out elsewhere", "Signed out elsewhere", ui.Neutral, ui.IconLogOut},
	{"sign-in refused", "Sign-in refused", ui.Danger, ui.IconLock}, {"password changed", "Password changed", ui.Informs, ui.IconKey}, {"time zone changed", "Time zone changed", ui.Neutral, ui.IconClock},
}

// entityLabels name one thing of each kind; custom objects go by their API name.
var entityLabels = map[string]string{
	"account": "Account", "contact": "Contact", "opportunity": "Opportunity", "user": "Salesforce user", "case": "Support case", "case comment": "Case comment",
	"email message": "Email", "case message": "Case message", "chatter post": "Chatter post", "chatter comment": "Chatter comment", "run": "Run", "settings": "Settings",
	"schedule": "Schedule", "connection": "Connection", "session": "Sign-in", "export": "Export", "webhook": "Webhook", "alert": "Alert", "error": "Error inbox", "delivery": "Delivery",
}

// auditRows writes entries for people: with the names that records, runs and people have now.
func (s *Server) auditRows(r *http.Request, c db.Connection, rows []db.AuditRow) ([]views.AuditEntry, error) {
	var refs []db.RecordRef
	var runIDs []int64
	for _, row := range rows {
		if row.ConnectionID != 0 {
			refs = append(refs, db.RecordRef{Entity: row.Entity, SFID: row.SFID})
		}
		if row.RunID != nil && !slices.Contains(runIDs, *row.RunID) {
			runIDs = append(runIDs, *row.RunID)
		}
	}
	names, err := s.DB.RecordNames(r.Context(), c.ID, refs)
	if err != nil {
		return nil, err
	}
	runs, err := s.DB.RunRefs(r.Context(), c.ID, runIDs)
	if err != nil {
		return nil, err
	}
	people := map[int64]string{}
	if slices.ContainsFunc(rows, func(row db.AuditRow) bool { return row.ActorID != nil }) {
		users, err := s.DB.Users(r.Context())
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			people[u.ID] = displayName(u)
		}
	}
	out := make([]views.AuditEntry, len(rows))
	for i, row := range rows {
		e := views.AuditEntry{
			At: row.At, Entity: cmp.Or(entityLabels[row.Entity], row.Entity), Name: names[db.RecordRef{Entity: row.Entity, SFID: row.SFID}], ID: row.SFID, Detail: row.Detail,
			Changes: fieldChanges(row.Entity, row.Changes),
		}
		if row.Entity == "user" && row.ConnectionID == 0 {
			e.Entity = "Person"
		}
		e.Action, e.Tone, e.Icon = actionLabel(row.Action)
		if row.Entity == "run" && row.Action == "requested" {
			e.Detail = requestedWords(row.Detail)
		}
		if row.SFID != "" {
			e.OrgHref, e.Href = recordURL(c, row.SFID), recordPage(c.ID, row.Entity, row.SFID)
		}
		if row.RunID != nil {
			if run, ok := runs[*row.RunID]; ok {
				e.Run, e.RunHref, e.Version = run.ShortID, runPath(c.ID, run.ShortID), run.SettingsVersion
			}
		}
		if row.ActorID != nil {
			e.By = cmp.Or(people[*row.ActorID], fmt.Sprintf("person %d", *row.ActorID))
		}
		out[i] = e
	}
	return out, nil
}

// requestedWords says for people what was asked for: the part that is synced, and how it came about.
func requestedWords(detail string) string {
	entity, trigger, ok := strings.Cut(detail, ", ")
	if !ok {
		return detail
	}
	return pipeline.Entity(entity).SyncLabel() + ", " + cmp.Or(triggerLabels[trigger], trigger)
}

func actionLabel(action string) (string, ui.Tone, ui.IconPath) {
	for _, a := range auditActions {
		if a.name == action {
			return a.label, a.tone, a.icon
		}
	}
	return strings.ToUpper(action[:min(1, len(action))]) + action[min(1, len(action)):], ui.Neutral, ui.IconCircle
}

// recordPage is the address of a record's page here, empty for records that have none.
func recordPage(connectionID int64, entity, id string) string {
	switch entity {
	case "account":
		return orgPath(connectionID, "/accounts/"+id)
	case "contact":
		return orgPath(connectionID, "/contacts/"+id)
	case "opportunity":
		return orgPath(connectionID, "/opportunities/"+id)
	}
	return ""
}

// fieldChanges reads what an entry says of each field, in the order of their names.
func fieldChanges(entity string, raw []byte) []views.FieldChange {
	if len(raw) == 0 {
		return nil
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil
	}
	var out []views.FieldChange
	for name, value := range fields {
		change := views.FieldChange{Field: name, Label: fieldLabel(entity, name)}
		var pair []json.RawMessage
		if json.Unmarshal(value, &pair) == nil && len(pair) == 2 {
			change.Before, change.After = jsonText(pair[0]), jsonText(pair[1])
		} else {
			change.After = jsonText(value)
		}
		out = append(out, change)
	}
	slices.SortFunc(out, func(a, b views.FieldChange) int { return strings.Compare(a.Field, b.Field) })
	return out
}

// fieldLabel says what a name in an entry stands for: the Salesforce field of a column, or the setting.
func fieldLabel(entity, name string) string {
	if entity == "settings" {
		return settings.SectionOf(name).Label()
	}
	for _, object := range pipeline.Objects() {
		if t, _ := pipeline.TableOf(object); t.Entity == entity {
			for _, col := range t.Columns {
				if col.Name == name {
					return col.Field
				}
			}
		}
	}
	return ""
}

// jsonText writes a value without quotes; what is empty is empty.
func jsonText(raw json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil || v == nil {
		return ""
	}
	switch v := v.(type) {
	case string:
		return v
	case map[string]any, []any:
		return string(raw)
	default:
		return fmt.Sprint(v)
	}
}
