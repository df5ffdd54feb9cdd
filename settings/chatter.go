package settings

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Chatter says which Chatter posts are synced into the activity timeline. When it is synced is a schedule of its own, which applies at once and is no
// part of a version.
type Chatter struct {
	Enabled           bool     `json:"enabled"`
	Accounts          bool     `json:"accounts"`                     // posts on accounts
	Opportunities     bool     `json:"opportunities"`                // posts on opportunities
	Comments          bool     `json:"comments"`                     // the comments on those posts
	TrackedChanges    bool     `json:"tracked_changes,omitempty"`    // posts that Salesforce writes about changed fields
	AccountFilter     string   `json:"account_filter,omitempty"`     // a SOQL condition on AccountFeed; empty for all
	OpportunityFilter string   `json:"opportunity_filter,omitempty"` // a SOQL condition on OpportunityFeed; empty for all
	LookbackDays      int      `json:"lookback_days,omitempty"`      // up to 365: posts written or changed since; 0 for all
	Fields            []string `json:"fields,omitempty"`             // API names of feed fields besides the core ones
}

// UnmarshalJSON implements json.Unmarshaler. A version that says nothing of a lookback has none, whatever new settings begin with.
func (c *Chatter) UnmarshalJSON(text []byte) error {
	type plain Chatter
	p := plain(*c)
	p.LookbackDays = 0
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	*c = Chatter(p)
	return nil
}

// ChatterFrequency is how often Chatter is synced.
type ChatterFrequency string

// The frequencies of Chatter; NoChatterSchedule means that it never runs.
const (
	NoChatterSchedule ChatterFrequency = ""
	Hourly            ChatterFrequency = "hourly"
	Daily             ChatterFrequency = "daily"
	Weekly            ChatterFrequency = "weekly"
)

// ChatterFrequencies lists the choices.
var ChatterFrequencies = []ChatterFrequency{Hourly, Daily, Weekly}

// Label returns the frequency's name as people read it.
func (f ChatterFrequency) Label() string {
	switch f {
	case Hourly:
		return "Hourly"
	case Daily:
		return "Daily"
	case Weekly:
		return "Weekly"
	}
	return "No schedule"
}

// Field paths of Chatter.
const (
	PathChatterEnabled           = "chatter.enabled"
	PathChatterAccounts          = "chatter.accounts"
	PathChatterOpportunities     = "chatter.opportunities"
	PathChatterComments          = "chatter.comments"
	PathChatterTrackedChanges    = "chatter.tracked_changes"
	PathChatterAccountFilter     = "chatter.account_filter"
	PathChatterOpportunityFilter = "chatter.opportunity_filter"
	PathChatterLookback          = "chatter.lookback_days"
	PathChatterFields            = "chatter.fields"
)

func (c Chatter) validate(errs FieldErrors) {
	if c.Enabled && !c.Accounts && !c.Opportunities {
		errs.Add(PathChatterAccounts, "Choose Accounts, Opportunities or both, or switch Chatter off.")
	}
	if c.LookbackDays < 0 || c.LookbackDays > MaxLookback {
		errs.Add(PathChatterLookback, fmt.Sprintf("Enter a number of days up to %d, or 0 for all posts.", MaxLookback))
	}
	validateNames(errs, PathChatterFields, c.Fields)
}

func (c *Chatter) normalize() {
	c.AccountFilter, c.OpportunityFilter, c.Fields = clean(c.AccountFilter), clean(c.OpportunityFilter), cleanNames(c.Fields)
	if *c = (*c).orDefault(); len(c.Fields) == 0 {
		c.Fields = nil
	}
}

// orDefault replaces the zero value: nobody has chosen anything then.
func (c Chatter) orDefault() Chatter {
	if !c.Enabled && !c.Accounts && !c.Opportunities && !c.Comments && !c.TrackedChanges && c.AccountFilter == "" && c.OpportunityFilter == "" && c.LookbackDays == 0 && len(c.Fields) == 0 {
		return Defaults().Chatter
	}
	return c
}

func (c Chatter) entries() []entry {
	lookback := "all posts"
	if c.LookbackDays > 0 {
		lookback = strconv.Itoa(c.LookbackDays) + " days"
	}
	return []entry{
		{PathChatterEnabled, "Sync Chatter", onOff(c.Enabled)},
		{PathChatterAccounts, "Chatter on accounts", onOff(c.Accounts)},
		{PathChatterOpportunities, "Chatter on opportunities", onOff(c.Opportunities)},
		{PathChatterComments, "Chatter comments", onOff(c.Comments)},
		{PathChatterTrackedChanges, "Tracked changes in Chatter", onOff(c.TrackedChanges)},
		{PathChatterAccountFilter, "Filter of posts on accounts", c.AccountFilter},
		{PathChatterOpportunityFilter, "Filter of posts on opportunities", c.OpportunityFilter},
		{PathChatterLookback, "Chatter lookback", lookback},
		{PathChatterFields, "Further Chatter fields", strings.Join(c.Fields, ", ")},
	}
}
