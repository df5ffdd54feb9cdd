package sim

import (
	"fmt"
	"strings"
)

// objectFlags and fieldFlags map the flags of a permission set's metadata to the columns of its rows.
var (
	objectFlags = [...][2]string{{"allowCreate", "PermissionsCreate"}, {"allowRead", "PermissionsRead"}, {"allowEdit", "PermissionsEdit"}, {"allowDelete", "PermissionsDelete"},
		{"viewAllRecords", "PermissionsViewAllRecords"}, {"modifyAllRecords", "PermissionsModifyAllRecords"}}
	fieldFlags = [...][2]string{{"readable", "PermissionsRead"}, {"editable", "PermissionsEdit"}}
)

// permissionSetRow finds a permission set by its API name. It returns -1 for none.
func (w *world) permissionSetRow(name string) int {
	o := w.object("PermissionSet")
	t := w.table(o)
	for row := range t.rows {
		if t.alive(row) && strings.EqualFold(w.get(o, o.field("Name"), row).s, name) {
			return row
		}
	}
	return -1
}

// grants are the rows of a permission set in ObjectPermissions or FieldPermissions.
func (w *world) grants(table string, set int) (rows []int) {
	o, t := w.object(table), w.table(w.object(table))
	parent, id := o.field("ParentId"), w.object("PermissionSet").id(set)
	for row := range t.rows {
		if t.alive(row) && w.get(o, parent, row).n == id {
			rows = append(rows, row)
		}
	}
	return rows
}

// savePermissionSet creates a permission set, or replaces what one grants.
func (t *tx) savePermissionSet(m *element, how string) (created bool, err error) {
	name, o := m.get("fullName"), t.w.object("PermissionSet")
	row := t.w.permissionSetRow(name)
	if err := exists(row >= 0, how, name); err != nil {
		return false, err
	}
	in := map[string]any{}
	for tag, column := range map[string]string{"label": "Label", "description": "Description"} {
		if m.child(tag) != nil {
			in[column] = m.get(tag)
		}
	}
	created = row < 0
	if created {
		if m.get("label") == "" {
			return false, badRequest("REQUIRED_FIELD_MISSING", "Required fields are missing: [Label]")
		}
		in["Name"], in["IsCustom"] = name, true
		if row, err = t.insert(o, in); err != nil {
			return false, err
		}
	} else if err := t.update(o, row, in); err != nil {
		return false, err
	}
	for _, table := range [...]string{"ObjectPermissions", "FieldPermissions"} {
		for _, old := range t.w.grants(table, row) {
			t.remove(t.w.object(table), old)
		}
	}
	set := idText(o.id(row))
	for _, p := range m.all("objectPermissions") {
		obj := t.w.object(p.get("object"))
		if obj == nil {
			return false, badRequest("INVALID_CROSS_REFERENCE_KEY", "In field: field - no CustomObject named %s found", p.get("object"))
		}
		if err := t.grant("ObjectPermissions", p, objectFlags[:], map[string]any{"ParentId": set, "SobjectType": obj.name}); err != nil {
			return false, err
		}
	}
	for _, p := range m.all("fieldPermissions") {
		object, field, _ := strings.Cut(p.get("field"), ".")
		obj := t.w.object(object)
		if obj == nil || obj.field(field) == nil {
			return false, badRequest("INVALID_CROSS_REFERENCE_KEY", "In field: field - no CustomField named %s found", p.get("field"))
		}
		f := obj.field(field)
		if !f.permissionable() || f.custom && f.typ != "boolean" && !f.nillable {
			return false, badRequest("FIELD_INTEGRITY_EXCEPTION", "You cannot deploy to a required field: %s", p.get("field"))
		}
		if err := t.grant("FieldPermissions", p, fieldFlags[:], map[string]any{"ParentId": set, "SobjectType": obj.name, "Field": obj.name + "." + f.name}); err != nil {
			return false, err
		}
	}
	return created, nil
}

// grant adds one row to a permission set.
func (t *tx) grant(table string, m *element, flags [][2]string, in map[string]any) error {
	for _, flag := range flags {
		in[flag[1]] = m.get(flag[0]) == "true"
	}
	_, err := t.insert(t.w.object(table), in)
	return err
}

// permissionSetXML renders what a permission set grants, as metadata.
func (w *world) permissionSetXML(row int) string {
	var b strings.Builder
	o := w.object("PermissionSet")
	list := func(table, tag, column, subject string, flags [][2]string) {
		from := w.object(table)
		for _, g := range w.grants(table, row) {
			fmt.Fprintf(&b, "<%s>", tag)
			for _, flag := range flags {
				fmt.Fprintf(&b, "<%s>%t</%[1]s>", flag[0], w.get(from, from.field(flag[1]), g).isTrue())
			}
			fmt.Fprintf(&b, "<%s>%s</%[1]s></%[3]s>", subject, xmlText(w.get(from, from.field(column), g).s), tag)
		}
	}
	fmt.Fprintf(&b, "<fullName>%s</fullName>", xmlText(w.get(o, o.field("Name"), row).s))
	if d := w.get(o, o.field("Description"), row); !d.isNull() {
		fmt.Fprintf(&b, "<description>%s</description>", xmlText(d.s))
	}
	list("FieldPermissions", "fieldPermissions", "Field", "field", fieldFlags[:])
	fmt.Fprintf(&b, "<hasActivationRequired>false</hasActivationRequired><label>%s</label>", xmlText(w.get(o, o.field("Label"), row).s))
	list("ObjectPermissions", "objectPermissions", "SobjectType", "object", objectFlags[:])
	return b.String()
}
