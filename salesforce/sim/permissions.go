package sim

// regrant works out anew which fields and objects made through the API the connected user may see: those that a permission set assigned to them
// lets them read.
func (t *tx) regrant() {
	w := t.w
	grants := map[string]bool{}
	assigned := map[int64]bool{}
	assignment := w.object("PermissionSetAssignment")
	for row := range w.table(assignment).rows {
		if w.table(assignment).alive(row) && w.get(assignment, assignment.field("AssigneeId"), row).n == t.user.n {
			assigned[w.get(assignment, assignment.field("PermissionSetId"), row).n] = true
		}
	}
	collect := func(object, name string) {
		o := w.object(object)
		parent, read, subject := o.field("ParentId"), o.field("PermissionsRead"), o.field(name)
		for row := range w.table(o).rows {
			if w.table(o).alive(row) && assigned[w.get(o, parent, row).n] && w.get(o, read, row).isTrue() {
				grants[lower(w.get(o, subject, row).s)] = true
			}
		}
	}
	collect("ObjectPermissions", "SobjectType")
	collect("FieldPermissions", "Field")
	w.grants = grants
	t.schemaChanged()
}
