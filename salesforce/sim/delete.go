package sim

import (
	"net/http"
)

// alive returns the object and row of an id that names a record which is not deleted.
func (t *tx) alive(o *object, text string) (int, error) {
	id, ok := parseID(text)
	found, row := t.w.find(id)
	if !ok || found == nil || found != o {
		if !validIDText(text) || !ok {
			return 0, fail(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: %s", text)
		}
		return 0, fail(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
	}
	if !t.w.table(o).alive(row) {
		return 0, entityDeleted()
	}
	return row, nil
}

func entityDeleted() *apiError {
	return fail(http.StatusNotFound, "ENTITY_IS_DELETED", "entity is deleted").on()
}

// cascades lists the relationships along which deleting a parent deletes its children: master-detail ones, and an account's own records.
func (t *tx) cascades(o *object) []childLink {
	var out []childLink
	for _, child := range t.w.order {
		if child.view != nil {
			continue
		}
		for _, f := range child.fields {
			if f.typ != "reference" || !refers(f, o.name) {
				continue
			}
			own := f.cascade || o.name == "Account" && f.name == "AccountId" || o.name == "Case" && f.name == "ParentId" && child.name != "Case" ||
				o.name == "Opportunity" && f.name == "OpportunityId" || o.name == "FeedItem" && f.name == "FeedItemId"
			if own {
				out = append(out, childLink{child, f})
			}
		}
	}
	return out
}

type childLink struct {
	obj *object
	f   *field
}

// discard deletes a record for a caller, if the caller may.
func (t *tx) discard(o *object, row int) error {
	if err := t.allow(o, mayDelete); err != nil {
		return err
	}
	t.remove(o, row)
	return nil
}

// remove deletes a record and what goes with it. Setup records vanish; others go to the Recycle Bin with one time of deletion, by which undelete
// knows what to bring back together.
func (t *tx) remove(o *object, row int) {
	t.removeAt(o, row, t.now.n)
}

func (t *tx) removeAt(o *object, row int, at int64) {
	for _, c := range t.cascades(o) {
		table := t.w.table(c.obj)
		for _, child := range t.w.children(c.obj, c.f, o).of(row) {
			if table.alive(int(child)) {
				t.removeAt(c.obj, int(child), at)
			}
		}
	}
	r := t.w.table(o).rec(row).copy()
	if o.setup {
		r.purged = true
	} else {
		t.touch(o, r)
		r.deleted, r.deletedAt = true, at
		if f := o.field("IsDeleted"); f != nil {
			r.set(f.col, boolValue(true))
		}
	}
	t.put(o, row, r)
	switch o.name {
	case "FieldPermissions", "ObjectPermissions", "PermissionSetAssignment", "PermissionSet", "RecordType":
		t.schemaChanged()
	}
}

// restore brings a record back from the Recycle Bin with what was deleted along with it.
func (t *tx) restore(o *object, row int) {
	r := t.w.table(o).rec(row)
	if r == nil || !r.deleted {
		return
	}
	at := r.deletedAt
	c := r.copy()
	c.deleted, c.deletedAt = false, 0
	t.touch(o, c)
	if f := o.field("IsDeleted"); f != nil {
		c.set(f.col, boolValue(false))
	}
	if f := o.field("MasterRecordId"); f != nil {
		c.set(f.col, null)
	}
	t.put(o, row, c)
	for _, link := range t.cascades(o) {
		for _, child := range t.w.children(link.obj, link.f, o).of(row) {
			if cr := t.w.table(link.obj).rec(int(child)); cr != nil && cr.deleted && cr.deletedAt == at {
				t.restore(link.obj, int(child))
			}
		}
	}
}

// merge moves the children of the losers to the master and deletes the losers with MasterRecordId set.
func (t *tx) merge(o *object, master int, losers []int) error {
	if !o.mergeable {
		return badRequest("INVALID_TYPE", "merge is not supported for %s", o.name)
	}
	to := idValue(rowID(o.packed, master))
	for _, loser := range losers {
		for _, child := range t.w.order {
			if child.view != nil || child.readOnly {
				continue
			}
			for _, f := range child.fields {
				if f.typ != "reference" || f.col < 0 || !refers(f, o.name) || f.name == "MasterRecordId" {
					continue
				}
				for _, row := range t.w.children(child, f, o).of(loser) {
					r := t.w.table(child).rec(int(row)).copy()
					r.set(f.col, to)
					t.touch(child, r)
					t.put(child, int(row), r)
				}
			}
		}
		r := t.w.table(o).rec(loser).copy()
		t.touch(o, r)
		r.deleted, r.deletedAt = true, t.now.n
		r.set(o.field("IsDeleted").col, boolValue(true))
		r.set(o.field("MasterRecordId").col, to)
		t.put(o, loser, r)
	}
	r := t.w.table(o).rec(master).copy()
	t.touch(o, r)
	t.put(o, master, r)
	return nil
}

// purge empties the Recycle Bin of an object: its deleted records vanish without trace.
func (t *tx) purge(o *object) {
	table := t.w.table(o)
	for row := range table.rows {
		if r := table.rec(row); r != nil && r.deleted && !r.purged {
			c := r.copy()
			c.purged = true
			t.put(o, row, c)
		}
	}
}
