package sim

import (
	"net/http"
	"strings"
	"sync"

	"millrace/salesforce/soql"
)

// permission is a set of things that a user may do with an object or a field.
type permission uint8

const (
	mayRead permission = 1 << iota
	mayCreate
	mayEdit
	mayDelete
)

// sight is what one user sees of one state of the org and may do there: by the profile everything or nothing, and whatever the permission sets assigned
// to the user add.
type sight struct {
	user    int
	admin   bool                  // may change the setup
	full    bool                  // the profile opens every object and every field that was there from the start
	objects map[string]permission // by lower-case name
	fields  map[string]permission // by lower-case "object.field"

	mu     sync.Mutex
	schema map[string]*soql.Object // the checker's view of the objects that queries have named
}

// sights remembers the users' sights until the schema or a permission changes.
type sights struct {
	mu     sync.Mutex
	byUser map[int]*sight
}

// as returns the world as a user sees it.
func (w *world) as(user int) *world {
	c := *w
	c.sight = w.sights.of(w, user)
	return &c
}

func (s *sights) of(w *world, user int) *sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.byUser[user]
	if have == nil {
		have = w.look(user)
		if s.byUser == nil {
			s.byUser = map[int]*sight{}
		}
		s.byUser[user] = have
	}
	return have
}

// look works out a user's sight from the profile and the permission sets.
func (w *world) look(user int) *sight {
	s := &sight{user: user, objects: map[string]permission{}, fields: map[string]permission{}, schema: map[string]*soql.Object{}}
	users := w.object("User")
	_, profile := splitID(w.get(users, users.field("ProfileId"), user).n)
	s.admin, s.full = profile == profileAdmin, profile != profileMinimum
	me := rowID(prefixUser, user)
	assigned := map[int64]bool{}
	assignment := w.object("PermissionSetAssignment")
	for row := range w.table(assignment).rows {
		if w.table(assignment).alive(row) && w.get(assignment, assignment.field("AssigneeId"), row).n == me {
			assigned[w.get(assignment, assignment.field("PermissionSetId"), row).n] = true
		}
	}
	collect := func(object, subject string, into map[string]permission, flags map[string]permission) {
		o := w.object(object)
		parent, name := o.field("ParentId"), o.field(subject)
		for row := range w.table(o).rows {
			if !w.table(o).alive(row) || !assigned[w.get(o, parent, row).n] {
				continue
			}
			for flag, p := range flags {
				if w.get(o, o.field(flag), row).isTrue() {
					into[lower(w.get(o, name, row).s)] |= p
				}
			}
		}
	}
	collect("ObjectPermissions", "SobjectType", s.objects, map[string]permission{"PermissionsRead": mayRead, "PermissionsCreate": mayCreate,
		"PermissionsEdit": mayEdit, "PermissionsDelete": mayDelete})
	collect("FieldPermissions", "Field", s.fields, map[string]permission{"PermissionsRead": mayRead, "PermissionsEdit": mayEdit})
	return s
}

// governedBy names the object whose permissions count for another one.
var governedBy = map[string]string{"opportunityhistory": "opportunity", "opportunityfieldhistory": "opportunity", "opportunitycontactrole": "opportunity",
	"casecomment": "case", "emailmessage": "case"}

// open are objects that every user may read and write: their records are judged by what they belong to.
var open = map[string]bool{"opportunitystage": true, "feeditem": true, "feedcomment": true, "task": true, "event": true, "note": true, "contentdocument": true,
	"contentdocumentlink": true}

// may tells whether the user whose world this is may do something with an object.
func (w *world) may(o *object, p permission) bool {
	if o == nil || w.hidden[lower(o.name)] || p != mayRead && o.readOnly {
		return false
	}
	s := w.sight
	switch {
	case o.view != nil:
		return w.may(w.object(o.viewOf), mayRead)
	case o.setup:
		return p == mayRead || s.admin
	case s.full || open[lower(o.name)]:
		return true
	}
	name := lower(o.name)
	if g := governedBy[name]; g != "" {
		name = g
	}
	return s.objects[name]&p == p
}

// mayField tells whether the user may read or edit a field of an object that is visible. The parts of an address follow the address.
func (w *world) mayField(o *object, f *field, p permission) bool {
	key := lower(o.name) + "." + lower(f.name)
	if len(w.hidden) > 0 && w.hidden[key] {
		return false
	}
	s := w.sight
	if s.full && !f.needsGrant {
		return true
	}
	if !f.needsGrant && (!o.securesFields() || !f.permissionable()) {
		return true
	}
	if s.fields[key]&p == p {
		return true
	}
	if strings.HasSuffix(f.compound, "Address") {
		return s.fields[lower(o.name)+"."+lower(f.compound)]&p == p
	}
	return false
}

// securesFields tells whether an object has field-level security of its own.
func (o *object) securesFields() bool {
	name := lower(o.name)
	return !o.setup && o.view == nil && !open[name] && governedBy[name] == ""
}

// permissionable tells whether field-level security applies.
func (f *field) permissionable() bool {
	return (f.nillable || f.custom && !f.cascade) && f.typ != "id" && !systemField[f.name] && f.compound != "Name"
}

var systemField = map[string]bool{"OwnerId": true, "IsDeleted": true, "CreatedDate": true, "CreatedById": true, "LastModifiedDate": true, "LastModifiedById": true,
	"SystemModstamp": true, "LastViewedDate": true, "LastReferencedDate": true, "Name": true, "MasterRecordId": true, "RecordTypeId": true}

// visibleObject returns the object of that name if the user may read it.
func (w *world) visibleObject(name string) *object {
	if o := w.object(name); w.may(o, mayRead) {
		return o
	}
	return nil
}

// sees tells whether the user may read a field.
func (w *world) sees(o *object, f *field) bool { return w.mayField(o, f, mayRead) }

// visibleField returns an object's field if the user may read it.
func (w *world) visibleField(o *object, name string) *field {
	f := o.field(name)
	if f == nil || !w.sees(o, f) {
		return nil
	}
	return f
}

// allow refuses a write that the user's permissions do not cover.
func (t *tx) allow(o *object, p permission) error {
	switch {
	case t.locks.take():
		return badRequest("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record").on()
	case t.system || t.w.may(o, p):
		return nil
	}
	if p == mayCreate || o.readOnly {
		verb := map[permission]string{mayCreate: "inserted", mayEdit: "updated", mayDelete: "deleted"}[p]
		return badRequest("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be %s: %s", verb, o.label)
	}
	return fail(http.StatusForbidden, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
}
