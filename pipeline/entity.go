package pipeline

// Entity is the part of a connection that one run syncs.
type Entity string

// The entities. All is everything but Chatter, which runs on its own schedule or by its own button only.
const (
	All      Entity = "all"
	Accounts Entity = "accounts"
	Contacts Entity = "contacts"
	Cases    Entity = "cases"
	Chatter  Entity = "chatter"
)

// Entities lists them, All first.
var Entities = []Entity{All, Accounts, Contacts, Cases, Chatter}

// Label returns the entity's name as people read it, for the beginning of a sentence.
func (e Entity) Label() string {
	switch e {
	case All:
		return "Everything"
	case Accounts:
		return "Accounts"
	case Contacts:
		return "Contacts"
	case Cases:
		return "Cases"
	case Chatter:
		return "Chatter"
	}
	return string(e)
}

// SyncLabel names a run of the entity: "Accounts sync", "Sync of everything".
func (e Entity) SyncLabel() string {
	if e == All {
		return "Sync of everything"
	}
	return e.Label() + " sync"
}
