package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// objectNames are what people call the records of an object, in the plural.
var objectNames = map[string]string{
	"Account": "accounts", "Contact": "contacts", "Opportunity": "opportunities", "User": "Salesforce users", "Case": "support cases", "CaseComment": "case comments",
	"EmailMessage": "e-mails of cases", "FeedComment": "Chatter comments",
	"AccountFeed": pipeline.OnAccounts.Label(), "OpportunityFeed": pipeline.OnOpportunities.Label(),
}

// recordsOf names n records of an object.
func recordsOf(object string, n int64) string {
	noun := cmp.Or(objectNames[object], object+" records")
	if n != 1 {
		return ui.Count(n) + " " + noun
	}
	one := strings.TrimSuffix(noun, "s")
	switch {
	case object == "AccountFeed":
		one = "Chatter post on an account"
	case object == "OpportunityFeed":
		one = "Chatter post on an opportunity"
	case strings.HasSuffix(noun, "ies"):
		one = strings.TrimSuffix(noun, "ies") + "y"
	case noun == "e-mails of cases":
		one = "e-mail of a case"
	}
	return "1 " + one
}

// setupOf is the way through Salesforce's Setup to an object's fields.
func setupOf(object string) string {
	return "In Salesforce: Setup → Object Manager → " + object + " → Fields & Relationships"
}

// permissionPath is the way through Salesforce's Setup that lets the connected user read an object.
const permissionPath = "In Salesforce: Setup → Permission Sets → one of the connected user's → Object Settings → %o → tick Read and View All Records"

// trackedBy names the object whose feed an object is; "" for none.
var trackedBy = map[string]string{"AccountFeed": "Account", "OpportunityFeed": "Opportunity"}

// isChatter reports whether an object is one of Chatter's: these are in no list of objects in Setup, and permission sets know nothing of them.
func isChatter(object string) bool { return trackedBy[object] != "" || object == "FeedComment" }

// seeChatter tells how the connected user comes to see an object of Chatter.
func seeChatter(object string) []string {
	const whole = "Look whether Chatter is switched on, and for the connected user too: in Salesforce: Setup → Chatter Settings."
	if on := trackedBy[object]; on != "" {
		return []string{"Switch on feed tracking for the object: in Salesforce: Setup → Feed Tracking → " + on + " → tick Enable Feed Tracking.", whole}
	}
	return []string{whole}
}

// groupView tells a cause in plain words: what it is, what it affects, what to do, and where.
func groupView(c db.Connection, g db.ErrorGroup, admin bool) views.ErrorGroup {
	v := views.ErrorGroup{
		ID: g.ID, Href: orgPath(c.ID, "/errors/"+strconv.FormatInt(g.ID, 10)), Records: g.Records, OpenedAt: g.OpenedAt, CuredAt: g.CuredAt, CuredRun: g.CuredRun, Run: g.Run,
		MutedAt: g.MutedAt, MutedBy: g.MutedBy, WokenAt: g.WokenAt, Listed: g.Listed(),
	}
	if g.Run != "" {
		v.RunHref = runPath(c.ID, g.Run)
	}
	if g.CuredRun != "" {
		v.CuredHref = runPath(c.ID, g.CuredRun)
	}
	if g.MutedRecords != nil {
		v.MutedRecords = *g.MutedRecords
	}
	link := func(label, path string) {
		if admin {
			v.Links = append(v.Links, views.ErrorLink{Label: label, Href: orgPath(c.ID, path)})
		}
	}
	switch g.Kind {
	case db.SkipErrors:
		v.Pill, v.Tone = "Skipped", ui.Warning
		v.Title = recordsOf(g.Object, g.Records) + " without Email"
		v.What = "They have no e-mail address in Salesforce, and contacts without one are not synced."
		v.Affects = "They are missing on their accounts here; those that had an e-mail address when they came are no longer updated. Nothing else is held up."
		v.Todo = []string{
			"Fill in Email in Salesforce for those that you need. The next sync brings them; Retry does at once.",
			"Contacts that never will have one can stay as they are: mute this.",
		}
	case db.ValueErrors:
		recordsTrouble(&v, g)
		v.Title = recordsOf(g.Object, g.Records) + " whose " + pipeline.ValueKind(g.Subject).Label() + " cannot be worked out"
		v.What = g.Message
		v.Affects = "The value stays empty on these accounts."
		v.Todo = []string{
			"Choose a value in one currency, or adjust the filter so that an account's records have one currency.",
			"Or let the rates be read: In Salesforce: Setup → Permission Sets → one of the connected user's → System Permissions → tick View Setup and Configuration. Then run the sync again.",
		}
		link("Open ARR and renewal", "/settings/"+string(settings.SectionValue))
	case db.RecordErrors:
		recordsTrouble(&v, g)
		recordWords(&v, g, link)
	case db.StepErrors:
		v.Pill, v.Tone = "Not read", ui.Danger
		v.Title = g.Label + " cannot be read"
		if g.Cause == "left_out" {
			v.Pill, v.Tone, v.Title = "Left out", ui.Warning, g.Label+" is left out"
		}
		v.What = g.Message
		v.Affects = "What is here of it stays as it was. The other objects are synced."
		stepWords(&v, g, link)
	case db.RunErrorKind:
		v.Pill, v.Tone = "Failed", ui.Danger
		v.Title = pipeline.Entity(g.Subject).SyncLabel() + " failed"
		v.What = g.Message
		v.Affects = "What was stored before that stays. No sync of it has completed since."
		if g.Cause == db.SurprisingRun {
			v.Pill, v.Tone, v.Title = "Surprising", ui.Warning, pipeline.Entity(g.Subject).SyncLabel()+" completed, but look at what it did"
			v.Affects = "What left the filter is kept here, but no longer updated."
			v.Todo = []string{
				"Open the account filter and press Validate: it shows how many accounts match. With 0 matches nothing is synced.",
				"Compare with the version of the settings before, and restore it if the change was a mistake.",
			}
			link("Open Account filtering", "/settings/"+string(settings.SectionFiltering))
			link("See the versions of the settings", "/settings/history")
			return v
		}
		runWords(&v, g, link)
	}
	return v
}

func recordsTrouble(v *views.ErrorGroup, g db.ErrorGroup) {
	v.Pill, v.Tone = "Not stored", ui.Danger
	if g.Kind == db.ValueErrors {
		v.Pill, v.Tone = "Not worked out", ui.Warning
	}
}

// obstacle is why something was not read, as far as the ways out differ.
type obstacle int

const (
	passing      obstacle = iota // trouble on the way, or of Salesforce's own
	unseen                       // the org lacks it, or hides it from the connected user
	wrongFilter                  // a filter is none that Salesforce takes
	heavyQuery                   // a query is too much for Salesforce
	wrongSetting                 // something else in the settings does not fit
	ofDatabase                   // Postgres
)

// obstacleOf tells which one a code and what was said with it stand for. Of a bulk job that failed, Salesforce's own code is in what was said.
func obstacleOf(code, said string) obstacle {
	names := func(codes ...string) bool {
		return slices.ContainsFunc(codes, func(c string) bool { return code == c || strings.Contains(said, c) })
	}
	switch {
	case strings.HasPrefix(code, "postgres_"):
		return ofDatabase
	case code == "filter_invalid", code == pipeline.EarlierFilter, names("MALFORMED_QUERY", "INVALID_QUERY_FILTER_OPERATOR"):
		return wrongFilter
	case names("QUERY_TOO_COMPLICATED", "QUERY_TIMEOUT"):
		return heavyQuery
	case strings.HasSuffix(code, "_invalid"):
		return wrongSetting
	case code == "object_missing", code == "field_required", code == "left_out", code == "refused", names("INVALID_FIELD", "INVALID_TYPE", "No such column", "INSUFFICIENT_ACCESS"):
		return unseen
	}
	return passing
}

// What is done about a filter and about a query that are not taken.
const (
	validateFilter = "Open the filter and press Validate: it names the exact place. Copy field names from the list beside the filter rather than typing them. Then save, and run the sync again."
	lightenQuery   = "Make the filter simpler: fewer conditions and relationships, and those that are left on indexed fields. Validate says whether it is selective. Then save, and run the sync again."
	runAgain       = "Run the sync again: it loses nothing. If it ends in the same way, tell whoever runs Millrace, with the run's id and time."
)

// stepWords tells what to do about an object that cannot be read.
func stepWords(v *views.ErrorGroup, g db.ErrorGroup, link func(label, path string)) {
	open := func(section settings.Section) {
		if section != "" {
			link("Open "+section.Label(), "/settings/"+string(section))
		}
	}
	switch obstacleOf(g.Cause, g.Message) {
	case wrongFilter:
		v.Todo = []string{validateFilter}
		open(filterSection(g.Subject))
	case heavyQuery:
		v.Todo = []string{lightenQuery, "If many further fields are read of it, leave out some that are not needed."}
		open(filterSection(g.Subject))
	case wrongSetting:
		v.Todo = []string{"Correct the setting that the sentence above names. Then save, and run the sync again."}
		open(sectionOfStep(g.Subject))
	case unseen:
		if isChatter(g.Object) {
			v.Todo = append(seeChatter(g.Object), "Or take it out of the Chatter settings. Then run the sync again.")
			open(sectionOfStep(g.Subject))
			link("Check the connection", "/preflight")
			return
		}
		v.Todo = []string{
			"Let the connected user read it: " + strings.ReplaceAll(permissionPath, "%o", g.Object) + ". For single fields: " + setupOf(g.Object) + " → the field → Set Field-Level Security.",
			"Or take out of the settings what the org no longer has. Then run the sync again.",
		}
		open(sectionOfStep(g.Subject))
		link("See which fields the connected user can read", "/settings/field-doctor?object="+g.Object)
		link("Check the connection", "/preflight")
	default:
		v.Todo = []string{runAgain}
		link("Check the connection", "/preflight")
	}
}

// runWords tells what to do about a sync that failed.
func runWords(v *views.ErrorGroup, g db.ErrorGroup, link func(label, path string)) {
	switch obstacleOf(g.Cause, g.Message) {
	case wrongFilter:
		v.Todo = []string{validateFilter}
	case heavyQuery:
		v.Todo = []string{lightenQuery}
	case wrongSetting:
		v.Todo = []string{"Correct the setting that the sentence above names. Then save, and run the sync again."}
		link("Open the settings", "/settings")
		return
	case unseen:
		v.Todo = []string{
			"Open the filter and press Validate: if it names a field that is called otherwise now, the nearest names are given. Then save, and run the sync again.",
			"If the field is there in Salesforce, let the connected user see it: the field doctor leads through Setup. Then run the sync again.",
		}
		link("See which fields the connected user can read", "/settings/field-doctor")
	case ofDatabase:
		v.Todo = []string{"This is about the database, not about Salesforce: tell whoever runs Millrace, with the run's id and time. Then run the sync again: it loses nothing."}
		return
	default:
		v.Todo = []string{runAgain}
		link("Check the connection", "/preflight")
		return
	}
	section := filterSection(g.Subject)
	link("Open "+section.Label(), "/settings/"+string(section))
}

// filterSection is the section of the settings with the filter of a step or of a sync: children of accounts have that of their accounts.
func filterSection(name string) settings.Section {
	if section := sectionOfStep(name); section != "" && section != settings.SectionFields {
		return section
	}
	return settings.SectionFiltering
}

// recordWords tells why records were not stored.
func recordWords(v *views.ErrorGroup, g db.ErrorGroup, link func(label, path string)) {
	v.What = g.Message
	v.Affects = "What is here of these records stays as it was; those that were never here are missing. Each sync tries them again."
	mend := "Correct the value in Salesforce. The next sync takes it over; Retry does at once."
	switch {
	case strings.HasPrefix(g.Cause, "postgres_"):
		v.Title = recordsOf(g.Object, g.Records) + " that Postgres does not accept"
		v.Todo = []string{mend, "If the values are right, a constraint or a limit of the database is in the way: tell whoever runs Millrace."}
	case g.Cause == "":
		v.Title = recordsOf(g.Object, g.Records) + " that could not be read"
		v.Todo = []string{"Run the sync again. If it happens again, tell whoever runs Millrace, with the run's id and time."}
	default:
		v.Title = recordsOf(g.Object, g.Records) + " with a value in " + g.Cause + " that cannot be stored"
		v.Todo = []string{mend}
		if !isChatter(g.Object) {
			v.Todo = append(v.Todo, "Look at the type of the field: "+setupOf(g.Object)+" → "+g.Cause+". If it was changed, refresh the schema in the field doctor.")
		}
		v.Todo = append(v.Todo, "If the field is not needed, take it out of the settings.")
		link("See the field in the field doctor", "/settings/field-doctor?object="+g.Object)
		if section := sectionOfStep(cmp.Or(g.Subject, g.Object)); section != "" {
			link("Open "+section.Label(), "/settings/"+string(section))
		}
	}
}

// sectionOfStep is the section of the settings that decides about a step, by its name or the object; empty for none.
func sectionOfStep(name string) settings.Section {
	kind, _, _ := strings.Cut(strings.TrimPrefix(name, pipeline.RefreshPrefix), ":")
	switch strings.ToLower(kind) {
	case "accounts":
		return settings.SectionFiltering
	case "account", "contacts", "opportunities", "contact", "opportunity":
		return settings.SectionFields
	case "cases", "case", "case_messages", "casecomment", "emailmessage":
		return settings.SectionCases
	case "arr", "renewal", "currencies":
		return settings.SectionValue
	case "custom":
		return settings.SectionCustomObjects
	case "chatter", "posts", "comments", "feedcomment", "accountfeed", "opportunityfeed", "chatter_comments":
		return settings.SectionChatter
	}
	if strings.HasSuffix(kind, "__c") {
		return settings.SectionCustomObjects
	}
	return ""
}
