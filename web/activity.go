package web

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
	"millrace/views/ui"
)

// An account's page shows so many activities at a time, and so many messages of a case.
const (
	shownActivities = 50
	shownMessages   = 25
)

// addActivities adds the timeline to an account's page.
func (s *Server) addActivities(r *http.Request, c db.Connection, offsets map[string]int, view *views.Account) error {
	rows, total, err := s.DB.AccountActivities(r.Context(), c.ID, view.ID, shownActivities, offsets["activities"])
	if err != nil {
		return err
	}
	var cases []string
	for _, a := range rows {
		if a.Kind == db.ActivityCase && a.Messages > 0 {
			cases = append(cases, a.SFID)
		}
	}
	messages, err := s.DB.Conversations(r.Context(), c.ID, cases, shownMessages)
	if err != nil {
		return err
	}
	for _, a := range rows {
		e := activityEntry(c, a)
		if a.Kind == db.ActivityCase {
			e.Conversation = thread(of(messages, a.SFID))
			e.More = max(0, a.Messages-len(e.Conversation))
		}
		view.Activities = append(view.Activities, e)
	}
	view.ActivitiesTotal, view.ActivityPages = total, relatedPages(r, offsets, "activities", len(rows), total, "activity")
	return nil
}

// postTypes names the types of Chatter posts for people; others are plain posts.
var postTypes = map[string]string{
	"LinkPost": "Chatter link", "ContentPost": "Chatter file", "QuestionPost": "Chatter question", "PollPost": "Chatter poll", "CallLogPost": "Chatter call log",
	"TrackedChange": "Tracked change", "CreateRecordEvent": "Record created",
}

func supportCase(number string) string { return strings.TrimSpace("Support case " + number) }

// mergedCase says where the case is into which another was merged, nil for none.
func mergedCase(c db.Connection, a db.Activity) *views.Survivor {
	if a.MergedInto == "" {
		return nil
	}
	out := &views.Survivor{ID: a.MergedInto, Href: recordURL(c, a.MergedInto)}
	if a.SurvivorOf != "" {
		out.Name, out.Href = supportCase(a.Survivor), orgPath(c.ID, "/accounts/"+a.SurvivorOf)+"#activity-"+a.MergedInto
	}
	return out
}

func activityEntry(c db.Connection, a db.Activity) views.ActivityEntry {
	e := views.ActivityEntry{ID: a.SFID, Href: recordURL(c, a.SFID), Title: a.Title, By: a.Author, At: a.At, Left: a.Left, Deleted: a.Deleted}
	body := a.Body
	if a.Rich {
		body = pipeline.PlainText(body)
	}
	switch a.Kind {
	case db.ActivityCase:
		e.Icon, e.What, e.Case = ui.IconLifeBuoy, supportCase(a.About), true
		e.Merged = mergedCase(c, a)
		e.Status, e.Priority, e.Open, e.Escalated = a.Status, a.Priority, !a.Closed, a.Escalated
		if a.Mood != "" {
			e.Mood = views.Mood{Label: a.Mood, Score: fmt.Sprintf("%+.2f", a.Compound)}
		}
	case db.ActivityMessage:
		e.Icon, e.What = ui.IconMail, "Email sent"
		switch {
		case a.Source == "comment" && a.Internal:
			e.Icon, e.What = ui.IconMessage, "Internal case comment"
		case a.Source == "comment":
			e.Icon, e.What = ui.IconMessage, "Case comment"
		case a.Incoming:
			e.What = "Email received"
		}
		if a.About != "" {
			e.About = "Case " + a.About
		}
		body = pipeline.Unquoted(body)
	case db.ActivityPost:
		e.Icon, e.What, e.LinkHref = ui.IconMessages, "Chatter post", outsideLink(a.Link)
		if name, ok := postTypes[a.PostType]; ok {
			e.What = name
		}
		e.About = onOpportunity(a.About)
		e.Href = recordURL(c, a.SFID)
	case db.ActivityComment:
		e.Icon, e.What = ui.IconMessages, "Chatter comment"
		e.About = onOpportunity(a.About)
		e.Href = recordURL(c, a.AboutID)
	}
	e.Short, e.Text = shorten(body)
	return e
}

func onOpportunity(name string) string {
	if name == "" {
		return ""
	}
	return "On opportunity " + name
}

// outsideLink returns an address that may be followed, or "".
func outsideLink(address string) string {
	if strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://") {
		return address
	}
	return ""
}

// of returns the messages of one case.
func of(all []db.CaseMessage, caseID string) []db.CaseMessage {
	var out []db.CaseMessage
	for _, m := range all {
		if m.CaseID == caseID {
			out = append(out, m)
		}
	}
	return out
}

// thread puts the messages of a case, which are in order of time, into the order of the conversation: each below the one that it answers.
func thread(messages []db.CaseMessage) []views.Reply {
	answers := map[string][]db.CaseMessage{}
	here := map[string]bool{}
	for _, m := range messages {
		here[m.SFID] = true
	}
	for _, m := range messages {
		to := m.ReplyTo
		if !here[to] || to == m.SFID {
			to = ""
		}
		answers[to] = append(answers[to], m)
	}
	var out []views.Reply
	told := map[string]bool{}
	var tell func(m db.CaseMessage, depth int)
	tell = func(m db.CaseMessage, depth int) {
		if told[m.SFID] {
			return
		}
		told[m.SFID] = true
		out = append(out, reply(m, depth))
		for _, a := range answers[m.SFID] {
			tell(a, depth+1)
		}
	}
	for _, m := range answers[""] {
		tell(m, 0)
	}
	for _, m := range messages { // those that answer each other in a circle
		tell(m, 0)
	}
	return out
}

func reply(m db.CaseMessage, depth int) views.Reply {
	r := views.Reply{By: m.Author, At: m.At, Depth: depth}
	switch {
	case m.Internal:
		r.Note = "internal"
	case m.Incoming:
		r.Note = "from the customer"
	}
	r.Short, r.Text = shorten(pipeline.Unquoted(m.Body))
	return r
}

// shownText is how many bytes of a text are shown at once.
const shownText = 600

// shorten cuts a long text between two words.
func shorten(text string) (short, rest string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	if len(text) <= shownText+shownText/4 {
		return text, ""
	}
	at := strings.LastIndexAny(text[:shownText], " \n")
	if at < shownText/2 {
		for at = shownText; !utf8.RuneStart(text[at]); at-- {
		}
	}
	return text[:at], text[at:]
}
