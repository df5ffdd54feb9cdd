package sim

import "strings"

// masterRecordType is the id of the record type that every object has and no record names.
const masterRecordType = "012000000000000AAA"

// Rows of the record types that an org starts with.
const (
	recordNewBusiness = iota
	recordRenewal
	recordSupport
	recordBilling
)

func recordTypeField() *field {
	f := refField("RecordTypeId", "Record Type ID", "RecordType", "RecordType")
	f.defaulted = true
	return f
}

// recordTypes returns the rows of an object's record types, the default one first.
func (w *world) recordTypes(o *object) (rows []int) {
	types := w.object("RecordType")
	object, active := types.field("SobjectType"), types.field("IsActive")
	for row := range w.table(types).rows {
		if w.table(types).alive(row) && w.get(types, active, row).isTrue() && strings.EqualFold(w.get(types, object, row).s, o.name) {
			rows = append(rows, row)
		}
	}
	return rows
}

// recordTypeInfos lists an object's record types, after them the master type that each object has.
func (rq *request) recordTypeInfos(o *object) []map[string]any {
	list := []map[string]any{}
	info := func(id, name, developer string, master bool) {
		list = append(list, map[string]any{"active": true, "available": true, "defaultRecordTypeMapping": len(list) == 0, "developerName": developer, "master": master,
			"name": name, "recordTypeId": id, "urls": map[string]any{"layout": rq.root + "/sobjects/" + o.name + "/describe/layouts/" + id}})
	}
	w := rq.world
	types := w.object("RecordType")
	for _, row := range w.recordTypes(o) {
		info(idText(types.id(row)), w.get(types, types.field("Name"), row).s, w.get(types, types.field("DeveloperName"), row).s, false)
	}
	info(masterRecordType, "Master", "Master", true)
	return list
}

// recordTypeAdded gives the object of a new record type the field that names it, if it has none yet.
func (t *tx) recordTypeAdded(row int) {
	types := t.w.object("RecordType")
	o := t.w.object(t.w.get(types, types.field("SobjectType"), row).s)
	if o != nil && o.view == nil && !o.setup && o.field("RecordTypeId") == nil {
		c := o.clone()
		c.add(recordTypeField())
		t.replace(o, c)
	}
	t.schemaChanged()
}
