package pipeline

import (
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// The steps of the cases.
const (
	stepCases    = "cases"
	stepMessages = "case_messages"
)

// Sources of messages, as they are kept.
const (
	commentSource = "comment"
	emailSource   = "email"
)

var cases = Table{
	Object: "Case", Name: "cases", Entity: "case", Label: "Support cases", Parent: "account_id", Open: true,
	Columns: []Column{
		{"AccountId", "account_id", ID}, {"ContactId", "contact_id", ID}, {"OwnerId", "owner_id", ID}, {"CaseNumber", "case_number", Text},
		{"Subject", "subject", Text}, {"Status", "status", Text}, {"Priority", "priority", Text}, {"Type", "sf_type", Text}, {"Origin", "origin", Text},
		{"CreatedDate", "created_at", DateTime}, {"ClosedDate", "closed_at", DateTime}, {"IsClosed", "is_closed", Bool},
		{"IsEscalated", "is_escalated", Bool}, {"SystemModstamp", "system_modstamp", DateTime},
	},
}

// CaseFields lists the fields of a case that are always synced.
func CaseFields() []string {
	var out []string
	for _, c := range cases.Columns {
		out = append(out, c.Field)
	}
	return out
}

// messagesOf returns the table of the messages of cases from a source.
func messagesOf(c settings.Conversation, days int) Table {
	t := Table{
		Object: "CaseComment", Name: "case_messages", Set: stepMessages + ":" + commentSource, Entity: "case comment", Label: "Case comments",
		Keys: []Key{{"source", commentSource}}, Parent: "case_id", Under: cases.Name, Window: &Window{Days: days, Under: cases.Name},
		Lookups: []Lookup{{Column: "account_id", Table: cases.Name, By: "case_id", Take: "account_id"}},
		Columns: []Column{
			{"ParentId", "case_id", ID}, {"CommentBody", "body", Text}, {"IsPublished", "is_published", Bool}, {"CreatedById", "author_id", ID},
			{"CreatedDate", "sent_at", DateTime}, {"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	if c == settings.EmailMessages {
		t.Object, t.Set, t.Entity, t.Label = "EmailMessage", stepMessages+":"+emailSource, "email message", "Email messages"
		t.Keys = []Key{{"source", emailSource}}
		t.Instead = &Instead{"body", "HtmlBody"}
		t.Columns = []Column{
			{"ParentId", "case_id", ID}, {"Subject", "subject", Text}, {"TextBody", "body", Text}, {"FromName", "from_name", Text},
			{"FromAddress", "from_address", Text}, {"Incoming", "is_incoming", Bool}, {"CreatedById", "author_id", ID}, {"MessageDate", "sent_at", DateTime},
			{"ReplyToEmailMessageId", "reply_to_id", ID}, {"SystemModstamp", "system_modstamp", DateTime},
		}
	}
	return t
}

// Under returns the tables of the records that belong to those of a table with a window.
func Under(t Table) []Table {
	switch t.Name {
	case cases.Name:
		return []Table{messagesOf(settings.CaseComments, t.Window.Days), messagesOf(settings.EmailMessages, t.Window.Days)}
	case chatterPosts:
		return []Table{feedComments}
	}
	return nil
}

// cases plans the steps of the cases and of their messages. Where the org has no cases, one step says so.
func (p *planner) cases(s settings.Settings, filters []settings.Filter) {
	if p.schema.Object(cases.Object) == nil {
		p.idle(caseTable(s.Cases), Step{Name: stepCases, Label: cases.Label}, "Not read, because the connected Salesforce user cannot see cases.")
		return
	}
	p.casesThemselves(s, filters)
	p.messages(s, filters, s.Cases.Conversation)
}

// caseTable returns the cases as the settings want them.
func caseTable(c settings.Cases) Table {
	t := cases.with(named(cases.missing(c.Fields))...)
	t.Window = &Window{Days: c.LookbackDays}
	return t
}

// casesThemselves plans the step of the cases without their messages.
func (p *planner) casesThemselves(s settings.Settings, filters []settings.Filter) (read, count *soql.Composed) {
	where, lately, err := caseCondition(filters, "Account", "AccountId", timeField, s.Cases.LookbackDays)
	if p.keep(err) {
		return nil, nil
	}
	return p.addTyped(caseTable(s.Cases), Step{Name: stepCases, Label: cases.Label, own: &s.Cases.Filter, window: lately}, where, s.Cases.Filter)
}

// messages plans the step that reads the messages of the cases that are read.
func (p *planner) messages(s settings.Settings, filters []settings.Filter, from settings.Conversation) {
	t := messagesOf(from, s.Cases.LookbackDays)
	step := Step{Name: stepMessages, Label: t.Label, own: new(string)}
	object := p.schema.Object(t.Object)
	var parent *soql.Field
	if object != nil {
		parent = fieldOf(object, "ParentId")
	}
	if parent == nil {
		p.idle(t, step, "Not read, because the connected Salesforce user cannot see "+lower(t.Label)+".")
		return
	}
	where, lately, err := messageCondition(s, parent, filters)
	if p.keep(err) {
		return
	}
	step.window = lately
	if status := fieldOf(object, "Status"); from == settings.EmailMessages && status != nil && status.Filterable {
		const draft = "5"
		sent, err := soql.Compare(status.Name, soql.NotEqual, soql.Text(draft))
		if p.keep(err) {
			return
		}
		where = soql.AllOf(where, sent)
	}
	p.add(t, step, where)
}

// caseCondition selects the cases of the accounts that match, and lately those that were changed within the last days; the names are those by which the object that is read reaches
// the case's account and the time of the case's last change.
func caseCondition(filters []settings.Filter, account, accountID, changed string, days int) (under, lately soql.Expr, err error) {
	if under, err = childCondition(filters, account, accountID); err != nil {
		return nil, nil, err
	}
	lately, err = soql.Compare(changed, soql.GreaterOrEqual, soql.LastDays(days))
	return under, lately, err
}

// messageCondition selects the messages of the cases that are read, as far as SOQL can say that, and lately those of cases that were changed lately: what it cannot say, the store decides.
func messageCondition(s settings.Settings, parent *soql.Field, filters []settings.Filter) (where, lately soql.Expr, err error) {
	if len(parent.ReferenceTo) != 1 || !strings.EqualFold(parent.ReferenceTo[0], cases.Object) || parent.RelationshipName == "" {
		where, err = soql.Compare(parent.Name, soql.NotEqual, soql.Null())
		return where, nil, err
	}
	rel := parent.RelationshipName
	where, lately, err = caseCondition(filters, rel+".Account", rel+".AccountId", rel+"."+timeField, s.Cases.LookbackDays)
	if err != nil || s.Cases.Filter == "" {
		return where, lately, err
	}
	own, findings := soql.ParseFilter(s.Cases.Filter)
	if soql.Refused(findings) {
		return nil, nil, &soql.FilterError{Findings: findings}
	}
	if through, ok := rewritten(own, cases.Object, rel, parent.Name); ok {
		where = soql.AllOf(through, where)
	}
	return where, lately, nil
}

// keep keeps the first error and reports whether there is one.
func (p *planner) keep(err error) bool {
	if p.err == nil {
		p.err = err
	}
	return p.err != nil
}
