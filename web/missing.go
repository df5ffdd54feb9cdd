package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// addMissing tells, on an account's page, what may keep away what somebody misses on it: what the settings leave out, what was skipped, and where to look further. What is
// surely in the way comes first.
func (s *Server) addMissing(r *http.Request, c db.Connection, view *views.Account) error {
	current, err := s.DB.CurrentSettings(r.Context(), c.ID)
	if err != nil {
		return err
	}
	read, err := s.addNone(r, c, current, view)
	if err != nil || current == nil {
		return err
	}
	m := &missing{c: c, admin: isAdmin(r), settings: current.Settings.Normalize(), view: view, read: read}
	schedules, err := s.DB.Schedules(r.Context(), c.ID)
	if err != nil {
		return err
	}
	m.people()
	m.cases()
	m.chatter(schedules)
	m.objects()
	m.value(pipeline.ARR)
	m.value(pipeline.Renewal)
	m.fields()
	m.add(false, "Anything else", "The log of this account tells each sync that touched it, with errors. The explanation tells which clause of the filter it meets and when it was last seen.", "Look at its log", "/audit?q="+url.QueryEscape(view.ID))
	m.last.Links = append(m.last.Links, views.ErrorLink{Label: "Why is a record not here?", Href: orgPath(c.ID, "/accounts/why?q="+url.QueryEscape(view.ID))})
	view.Missing = append(m.sure, m.other...)
	return nil
}

// The steps that bring over what belongs to an account, beside those of custom objects.
const (
	contactStep     = "contacts"
	opportunityStep = "opportunities"
)

// addNone says why an account has no contacts or opportunities here: only what has been read since it came is not there in Salesforce either. It returns the steps that have.
func (s *Server) addNone(r *http.Request, c db.Connection, current *db.SettingsVersion, view *views.Account) (read map[string]bool, err error) {
	steps := []string{contactStep, opportunityStep}
	var noContacts, noAccounts string
	if current != nil {
		noContacts, noAccounts = pipeline.EntityContacts.WhyOff(current.Settings), pipeline.EntityAccounts.WhyOff(current.Settings)
		for _, o := range current.Settings.CustomObjects {
			steps = append(steps, pipeline.CustomStep(o.Object))
		}
	}
	if read, err = s.DB.ReadSinceAccountCame(r.Context(), c.ID, view.ID, steps); err != nil {
		return nil, err
	}
	none := func(label, off string, read bool) string {
		switch {
		case off != "":
			return off
		case !read:
			return label + " of this account have not been synced yet."
		}
		return "This account has no " + strings.ToLower(label) + " in Salesforce that the connected user can see."
	}
	if noAccounts != "" {
		noAccounts += " Opportunities come with them."
	}
	view.NoContacts, view.NoOpportunities = none("Contacts", noContacts, read[contactStep]), none("Opportunities", noAccounts, read[opportunityStep])
	return read, nil
}

// missing collects what to say.
type missing struct {
	c        db.Connection
	admin    bool
	settings settings.Settings
	view     *views.Account
	read     map[string]bool     // the steps that have been read since the account came
	sure     []views.MissingHint // what is in the way
	other    []views.MissingHint // what may be
	last     *views.MissingHint
}

// add notes a hint with the place where it is mended; those of the settings are for admins.
func (m *missing) add(sure bool, what, text, label, path string) {
	h := views.MissingHint{What: what, Text: text, Sure: sure}
	if path != "" && (m.admin || !strings.HasPrefix(path, "/settings/")) {
		h.Links = []views.ErrorLink{{Label: label, Href: orgPath(m.c.ID, path)}}
	}
	list := &m.other
	if sure {
		list = &m.sure
	}
	*list = append(*list, h)
	m.last = &(*list)[len(*list)-1]
}

func sectionLink(s settings.Section) (label, path string) {
	return "Open " + s.Label(), "/settings/" + string(s)
}

// people is about contacts and opportunities.
func (m *missing) people() {
	label, path := sectionLink(settings.SectionFields)
	switch off := pipeline.EntityContacts.WhyOff(m.settings); {
	case off != "":
		m.add(true, "Contacts", off, label, path)
	case len(m.view.ContactsSkipped) > 0:
		m.add(true, "Contacts", m.view.ContactsSkipped[0]+" Fill in Email in Salesforce; the next sync brings them.", "See them in the error inbox", "/errors")
	case m.view.ContactsTotal == 0:
		m.add(false, "Contacts", "Contacts come with their account when the connected user can see them and they have an Email.", "See what the connected user can read", "/settings/field-doctor?object=Contact")
	}
	if m.view.OpportunitiesTotal == 0 {
		m.add(false, "Opportunities", "They come with their account when the connected user can see them.", "See what the connected user can read", "/settings/field-doctor?object=Opportunity")
	}
}

// cases is about support cases and their conversations.
func (m *missing) cases() {
	label, path := sectionLink(settings.SectionCases)
	c := m.settings.Cases
	if !c.Enabled {
		m.add(true, "Support cases", "Support cases are switched off in the settings. Switch them on, and save.", label, path)
		return
	}
	text := fmt.Sprintf("Those changed within the last %d days come over; the lookback can reach back %d.", c.LookbackDays, settings.MaxLookback)
	if c.Filter != "" {
		text += " Of these, only those that match the case filter: " + c.Filter + "."
	}
	m.add(false, "Support cases", text, label, path)
	m.add(false, "Conversations of cases", "They are read from "+c.Conversation.Label()+". A case that is here without its conversation has it in the other source: switch it.", label, path)
}

// chatter is about posts; it needs both a switch and a schedule.
func (m *missing) chatter(schedules []db.Schedule) {
	label, path := sectionLink(settings.SectionChatter)
	if !m.settings.Chatter.Enabled {
		m.add(true, "Chatter", "Chatter is switched off in the settings. Switch it on and save, and save a frequency: it needs both.", label, path)
		return
	}
	posts := "Posts of chosen feeds come"
	if days := m.settings.Chatter.LookbackDays; days > 0 {
		posts = "Posts of chosen feeds that were written or changed in the last " + ui.Plural(int64(days), "day", "days") + " come"
	}
	for _, s := range schedules {
		if s.Entity == pipeline.EntityChatter && s.Enabled {
			m.add(false, "Chatter", "Chatter is on. Currently scheduled: "+s.Spec.String()+". "+posts+" with the next of these syncs.", label, path+"#sync-frequency")
			return
		}
	}
	m.add(true, "Chatter", "Chatter is switched on, but never runs: currently scheduled: not at all. Choose a frequency and press Save Schedule.", label, path+"#sync-frequency")
}

// objects is about custom objects.
func (m *missing) objects() {
	label, path := sectionLink(settings.SectionCustomObjects)
	if len(m.settings.CustomObjects) == 0 {
		m.add(false, "Custom objects", "None is set up, or what was set up was not saved. Records of a new object appear after the next sync.", label, path)
		return
	}
	for _, o := range m.settings.CustomObjects {
		if m.has(o.Name) {
			continue
		}
		if !m.read[pipeline.CustomStep(o.Object)] {
			m.add(false, o.Name, "Not synced yet since it was set up, or since this account came here. Its records appear after the next sync.", label, path)
			continue
		}
		text := fmt.Sprintf("None belongs to this account. They are linked by %s: look whether that field names this account in Salesforce.", o.Match)
		if o.Filter != "" {
			text += " Only those that match its filter come over: " + o.Filter + "."
		}
		m.add(false, o.Name, text+" Records of a new object appear after the next sync.", label, path)
	}
}

func (m *missing) has(name string) bool {
	for _, g := range m.view.Records {
		if g.Name == name && g.Total > 0 {
			return true
		}
	}
	return false
}

// value is about ARR or the renewal date.
func (m *missing) value(k pipeline.ValueKind) {
	label, path := sectionLink(settings.SectionValue)
	rule := k.Rule(m.settings)
	what := "ARR"
	if k == pipeline.Renewal {
		what = "Renewal date"
	}
	switch rule.Mode {
	case settings.DirectValue:
		m.add(false, what+" is wrong", "It is the account's field "+rule.Field+": look at its value in Salesforce. If that is right, look whether the connected user can read the field.", "See what the connected user can read", "/settings/field-doctor?object=Account")
		if m.view.OrgHref != "" {
			m.last.Links = append(m.last.Links, views.ErrorLink{Label: "See the account in Salesforce", Href: m.view.OrgHref})
		}
	case settings.CalculatedValue:
		m.add(false, what+" is wrong", "It is made of the "+rule.Object+" records. Validate shows which of them count for an account and what comes of it: compare, then adjust the filter or how several become one.", label, path)
	default:
		m.add(false, what, "It is not set up.", label, path)
	}
}

// fields is about further fields of accounts.
func (m *missing) fields() {
	label, path := sectionLink(settings.SectionFields)
	if n := len(m.settings.AccountFields); n == 0 {
		m.add(false, "Custom fields", "No further field is chosen: only the usual ones come over.", label, path)
	} else {
		m.add(false, "Custom fields", ui.Plural(int64(n), "further field is", "further fields are")+" chosen. A field that is not there is not chosen, or the connected user cannot read it.", label, path)
		m.last.Links = append(m.last.Links, views.ErrorLink{Label: "See what the connected user can read", Href: orgPath(m.c.ID, "/settings/field-doctor?object=Account")})
		if !m.admin {
			m.last.Links = nil
		}
	}
}
