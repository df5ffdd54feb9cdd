package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// Conversation is where the messages of a case are.
type Conversation string

// The sources of conversations.
const (
	CaseComments  Conversation = "case_comments"
	EmailMessages Conversation = "email_messages"
)

// Label returns the source's name as people read it.
func (c Conversation) Label() string {
	switch c {
	case CaseComments:
		return "Case Comments"
	case EmailMessages:
		return "Email Messages"
	}
	return string(c)
}

// Cases says which support cases are synced as activity of their account.
type Cases struct {
	Enabled      bool         `json:"enabled"`
	Filter       string       `json:"filter,omitempty"` // a SOQL condition on Case; empty for all
	LookbackDays int          `json:"lookback_days"`    // 1 to 365: cases created or changed since
	Conversation Conversation `json:"conversation"`
	Fields       []string     `json:"fields,omitempty"` // API names of Case fields besides the core ones
}

// The lookback of cases, and of Chatter, in days.
const (
	MinLookback     = 1
	MaxLookback     = 365
	DefaultLookback = 30
)

// Field paths of the cases.
const (
	PathCasesEnabled      = "cases.enabled"
	PathCasesFilter       = "cases.filter"
	PathCasesLookback     = "cases.lookback_days"
	PathCasesConversation = "cases.conversation"
	PathCasesFields       = "cases.fields"
)

func (c Cases) validate(errs FieldErrors) {
	if c.LookbackDays < MinLookback || c.LookbackDays > MaxLookback {
		errs.Add(PathCasesLookback, fmt.Sprintf("Enter a number of days from %d to %d.", MinLookback, MaxLookback))
	}
	if c.Conversation != CaseComments && c.Conversation != EmailMessages {
		errs.Add(PathCasesConversation, "Choose Case Comments or Email Messages.")
	}
	validateNames(errs, PathCasesFields, c.Fields)
}

func (c *Cases) normalize(d Cases) {
	c.Filter, c.Fields = clean(c.Filter), cleanNames(c.Fields)
	c.Conversation = Conversation(orElse(clean(string(c.Conversation)), string(d.Conversation)))
	if c.LookbackDays == 0 {
		c.LookbackDays = d.LookbackDays
	}
}

func (c Cases) entries() []entry {
	return []entry{
		{PathCasesEnabled, "Sync support cases", onOff(c.Enabled)},
		{PathCasesFilter, "Case filter", c.Filter},
		{PathCasesLookback, "Case lookback", strconv.Itoa(c.LookbackDays) + " days"},
		{PathCasesConversation, "Conversation source", c.Conversation.Label()},
		{PathCasesFields, "Further case fields", strings.Join(c.Fields, ", ")},
	}
}
