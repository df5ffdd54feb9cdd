package pipeline

import (
	"slices"
	"strings"

	"millrace/settings"
)

// Entity is what a run brings over.
type Entity string

// The entities. EntityAll stands for all but Chatter, which has a schedule of its own.
const (
	EntityAll      Entity = "all"
	EntityAccounts Entity = "accounts" // with their users, values, opportunities and custom objects
	EntityContacts Entity = "contacts"
	EntityCases    Entity = "cases"
	EntityChatter  Entity = "chatter"
	EntityImpact   Entity = "impact" // brings nothing over: it finds out what other settings would change
	EntityGap      Entity = "gap"    // brings over only what is missing
	EntityUndo     Entity = "undo"   // brings nothing over: it puts back what another run did here
	EntityRetry    Entity = "retry"  // brings over only records that somebody named
)

// Entities lists every entity that is synced.
var Entities = []Entity{EntityAll, EntityAccounts, EntityContacts, EntityCases, EntityChatter}

// Label returns the entity's name as people read it.
func (e Entity) Label() string {
	switch e {
	case EntityAll:
		return "Everything"
	case EntityAccounts:
		return "Accounts"
	case EntityContacts:
		return "Contacts"
	case EntityCases:
		return "Support cases"
	case EntityChatter:
		return "Chatter"
	case EntityImpact:
		return "Impact of a change"
	case EntityUndo:
		return "Undo"
	case EntityGap:
		return "Backfill of the gap"
	case EntityRetry:
		return "Retry of records"
	}
	return string(e)
}

// SyncLabel names a run of the entity: "Accounts sync", "Sync of everything".
func (e Entity) SyncLabel() string {
	switch e {
	case EntityAll:
		return "Sync of everything"
	case EntityUndo, EntityImpact, EntityGap, EntityRetry:
		return e.Label()
	}
	return e.Label() + " sync"
}

// WhyOff says why the settings have nothing of the entity synced, in a plain sentence; it is empty when they do.
func (e Entity) WhyOff(s settings.Settings) string {
	off := false
	switch e {
	case EntityAccounts:
		off = s.Sync.Accounts.Off
	case EntityContacts:
		off = s.Sync.Contacts.Off
	case EntityCases:
		off = !s.Cases.Enabled
	case EntityChatter:
		off = !s.Chatter.Enabled
	}
	switch {
	case !off:
		return ""
	case e == EntityChatter:
		return "Chatter is switched off in the settings."
	}
	return e.Label() + " are switched off in the settings."
}

// includes reports whether a run of e brings part over too.
func (e Entity) includes(part Entity) bool {
	return e == part || (e == EntityAll || e == "") && part != EntityChatter
}

// ObjectsOf returns the API names of the objects that a plan from these settings reads, and so must be described for it.
func ObjectsOf(s settings.Settings) []string {
	out := Objects()
	add := func(names ...string) {
		for _, name := range names {
			if name != "" && !slices.ContainsFunc(out, func(o string) bool { return strings.EqualFold(o, name) }) {
				out = append(out, name)
			}
		}
	}
	for _, k := range ValueKinds {
		if rule := k.Rule(s); rule.Mode == settings.CalculatedValue {
			add(rule.Object)
			if k == ARR {
				add(currencies.Object)
			}
		}
	}
	for _, c := range s.CustomObjects {
		add(c.Object)
	}
	if s.Cases.Enabled {
		add(cases.Object, messagesOf(s.Normalize().Cases.Conversation, 0).Object)
	}
	if s.Chatter.Enabled {
		for _, f := range FeedParents {
			if _, ok := f.chosen(s.Chatter); ok {
				add(f.Object())
			}
		}
		if s.Chatter.Comments {
			add(feedComments.Object)
		}
	}
	return out
}
