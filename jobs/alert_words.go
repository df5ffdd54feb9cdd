package jobs

import (
	"regexp"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/notify"
	"millrace/pipeline"
)

// causeWords holds, for each cause, what people are told when it begins and when it is over. No record's contents get into it: only names of objects, counts,
// and what the product itself says.
var causeWords = map[string]struct {
	begins func(c db.Connection, s db.Seen) db.AlertWords
	over   func(a db.Alert) string
}{
	"connection_lost": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			return db.AlertWords{
				Title:  "The connection to Salesforce is lost",
				Detail: full(s.Detail) + " Nothing is synced until an admin connects again; what is here stays, and syncs then go on where they stopped.",
				Place:  "/integrations", PlaceLabel: "Reconnect on the Integrations page",
			}
		},
		over: func(db.Alert) string { return "Salesforce accepts the connection again. Syncs go on by themselves." },
	},
	"run_failed": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			return db.AlertWords{
				Title:  part(s.Subject) + " failed",
				Detail: failure(s) + " What was stored before stays. This alert ends with the next one that completes.",
				Place:  runPlace(c, s), PlaceLabel: "See the sync " + s.Run,
			}
		},
		over: func(a db.Alert) string { return part(a.Subject) + " has completed again." },
	},
	"run_waiting": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			return db.AlertWords{
				Title:  part(s.Subject) + " is not getting on",
				Detail: "It has stored nothing for " + span(s.N) + ". " + full(s.Detail),
				Place:  runPlace(c, s), PlaceLabel: "See the sync " + s.Run,
			}
		},
		over: func(a db.Alert) string { return part(a.Subject) + " is getting on again, or has ended." },
	},
	"run_surprising": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			return db.AlertWords{
				Title:  part(s.Subject) + " did something surprising",
				Detail: full(s.Detail) + " If that is not meant, look at the account filter and at what changed in Salesforce.",
				Place:  runPlace(c, s), PlaceLabel: "See the sync " + s.Run,
			}
		},
		over: func(a db.Alert) string {
			return "The latest " + syncOf(a.Subject) + " has nothing surprising about it."
		},
	},
	"record_errors": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			return db.AlertWords{
				Title:  part(s.Subject) + " could not store " + records(s.N),
				Detail: "The other records are in. The page of the sync lists those that failed, each with its cause.",
				Place:  runPlace(c, s), PlaceLabel: "See the records of " + s.Run,
			}
		},
		over: func(a db.Alert) string { return "The latest " + syncOf(a.Subject) + " stored its records again." },
	},
	"schema_drift": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			return db.AlertWords{
				Title:  "Something that the settings use has changed in Salesforce",
				Detail: full(s.Detail) + " Syncs go on without it. Change the settings that use it, or have it put back in Salesforce.",
				Place:  "/connections/" + strconv.FormatInt(c.ID, 10) + "/settings", PlaceLabel: "See the settings",
			}
		},
		over: func(db.Alert) string {
			return "Syncs do not meet it any more: it is as it was before, or the settings no longer use it."
		},
	},
	"incomplete": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			cure := " An admin can have the gap closed on the page of the sync; only what is missing is fetched."
			if s.Code == "chatter" { // which is left out of that
				cure = " The next sync of Chatter that reads everything closes the gap; an admin can ask for one on Sync Status."
			}
			return db.AlertWords{
				Title:  "The copy is not complete",
				Detail: "Salesforce counts other records than are here: " + full(s.Detail) + cure,
				Place:  runPlace(c, s), PlaceLabel: "See the counts of " + s.Run,
			}
		},
		over: func(db.Alert) string { return "The latest counts agree with Salesforce's." },
	},
	"api_budget": {
		begins: func(c db.Connection, s db.Seen) db.AlertWords {
			return db.AlertWords{
				Title: "The daily API requests of the org are running out",
				Detail: count(s.N) + " of " + count(s.Of) + " requests of the last 24 hours are used, by everybody who works with the org's API together. " +
					"When none is left, Salesforce refuses further ones; syncs then wait and go on by themselves.",
				Place: "/connections/" + strconv.FormatInt(c.ID, 10) + "/api-budget", PlaceLabel: "See the API budget",
			}
		},
		over: func(db.Alert) string { return "There is room again in the org's daily API requests." },
	},
	"schedule": {
		begins: scheduleWords,
		over:   func(a db.Alert) string { return part(a.Subject) + " runs on schedule again." },
	},
}

func scheduleWords(c db.Connection, s db.Seen) db.AlertWords {
	w := db.AlertWords{Place: "/connections/" + strconv.FormatInt(c.ID, 10) + "/runs", PlaceLabel: "See the schedules under Sync Status"}
	switch s.Code {
	case "off":
		w.Title, w.Detail = part(s.Subject)+" is not scheduled any more", full(s.Detail)
	case "overdue":
		w.Title, w.Detail = part(s.Subject)+" is overdue", "Its time came more than a quarter of an hour ago, and nothing has started it. The log of Millrace says what keeps it."
	case "skipped":
		w.Title, w.Detail = part(s.Subject)+" was left out "+times(s.N), full(s.Detail)+" Records are as old as the last sync that ran."
	default:
		w.Title = part(s.Subject) + " was late"
		w.Detail = "Millrace did not run when its time came, " + times(s.N) + "; the sync " + s.Run + " made up for that. See to it that Millrace runs all the time."
	}
	return w
}

// alertWords says what begins.
func alertWords(c db.Connection, s db.Seen) db.AlertWords {
	if w, ok := causeWords[s.Cause]; ok {
		return w.begins(c, s)
	}
	return db.AlertWords{Title: s.Cause, Detail: full(s.Detail), Place: "/alerts", PlaceLabel: "See the alerts"}
}

// alertOver says that an alert is over.
func alertOver(a db.Alert) string {
	if w, ok := causeWords[a.Cause]; ok {
		return w.over(a)
	}
	return "It is over."
}

// part names the sync of a part, at the beginning of a sentence.
func part(subject string) string { return "The " + syncOf(subject) }

// syncOf names the sync of a part.
func syncOf(subject string) string {
	if pipeline.Entity(subject) == pipeline.EntityAll {
		return "sync of everything"
	}
	return "sync of " + lower(pipeline.Entity(subject).Label())
}

// lower makes the first letter small, but for names.
func lower(s string) string {
	if s == "" || strings.HasPrefix(s, "Chatter") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// full ends a sentence that may lack its full stop; it is empty for none.
func full(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// refusal matches the codes of errors whose text has Postgres' own in it: that may quote a record.
var refusal = regexp.MustCompile(`^(postgres_[0-9A-Z]{5}|too_many_refused)$`)

// failure says why a run failed.
func failure(s db.Seen) string {
	if s.Detail == "" || refusal.MatchString(s.Code) {
		return "Something unexpected went wrong; the page of the sync has the details."
	}
	return full(s.Detail)
}

func runPlace(c db.Connection, s db.Seen) string {
	return "/connections/" + strconv.FormatInt(c.ID, 10) + "/runs/" + s.Run
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return count(n) + " times"
}

func records(n int64) string {
	if n == 1 {
		return "1 record"
	}
	return count(n) + " records"
}

// span is a number of minutes in words.
func span(minutes int64) string {
	unit := func(n int64, one string) string {
		if n == 1 {
			return "1 " + one
		}
		return count(n) + " " + one + "s"
	}
	switch {
	case minutes < 120:
		return unit(minutes, "minute")
	case minutes < 48*60:
		return unit(minutes/60, "hour")
	}
	return unit(minutes/(24*60), "day")
}

// message writes a notice.
func (a *Alerts) message(n db.Delivery) notify.Message {
	cause, _ := db.AlertCauseOf(n.Cause)
	m := notify.Message{
		ID: n.MessageID, Kind: notify.Kind(n.Kind), At: n.CreatedAt, AlertID: n.AlertID, Cause: n.Cause, CauseLabel: cause.Label, Subject: n.Subject,
		Title: n.Title, Text: n.Detail, Connection: n.Connection, ConnID: n.ConnID, Environment: n.Environment, LinkLabel: n.PlaceLabel,
		OpenedAt: n.OpenedAt, EndedAt: n.AlertEnded, OpeningID: n.OpeningID,
	}
	place := n.Place
	switch n.Kind {
	case db.NoticeTest:
		m.Title = "Test of the alert channel " + n.ChannelName
		m.Text = "This is only a test: nothing is wrong. Alerts of Millrace arrive like this."
		place, m.LinkLabel = "/alerts", "See the alerts"
	case db.NoticeRecovered:
		m.Title, m.Text = "Over: "+n.Title, n.EndedText
	}
	if a.BaseURL != "" && place != "" {
		m.Link = a.BaseURL + place
	}
	return m
}
