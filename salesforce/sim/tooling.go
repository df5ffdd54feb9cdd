package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// toolingQuery serves the tooling API's queries on its tables of definitions. They are put together as rows of a small object of their own and
// then queried like any other.
func (rq *request) toolingQuery() error {
	text := rq.query.Get("q")
	w, _ := rq.withDefinitions()
	p, err := rq.org.prepare(w, text, rq.session.user, mode{})
	if err != nil {
		return err
	}
	switch {
	case p.count:
		return rq.raw(http.StatusOK, fmt.Appendf(nil, `{"size":%d,"totalSize":%d,"done":true,"queryLocator":null,"entityTypeName":%q,"records":[]}`, len(p.rows), len(p.rows), p.obj.name))
	case p.heads != nil:
		return rq.raw(http.StatusOK, p.aggregateJSON())
	}
	dst := fmt.Appendf(nil, `{"size":%d,"totalSize":%d,"done":true,"queryLocator":null,"entityTypeName":%q,"records":[`, len(p.rows), len(p.rows), p.obj.name)
	jw := &writer{w: w, root: rq.root + "/tooling"}
	for i, row := range p.rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jw.record(dst, p.obj, int(row), p.nodes)
	}
	return rq.raw(http.StatusOK, append(dst, "]}"...))
}

// withDefinitions is the caller's world with the tables of definitions beside the others.
func (rq *request) withDefinitions() (w *world, tables []*object) {
	w = rq.world.clone()
	t := &tx{w: w, now: timeValue(rq.org.now()), user: idValue(rowID(prefixUser, rq.session.user)), row: rq.session.user, system: true}
	tables, gone := definitions(rq.world)
	for _, o := range tables {
		t.addObject(o)
		for _, row := range gone[o] {
			t.put(o, row, &record{purged: true})
		}
	}
	return w, tables
}

// definitions are the tables that describe objects and fields, and for each the rows that stand for nothing: the ids of definitions last, so what is
// deleted leaves a gap.
func definitions(w *world) (tables []*object, gone map[*object][]int) {
	gone = map[*object][]int{}
	entity := newObject("0Eb", "EntityDefinition", "Entity Definition", "Entity Definitions", w.org.gen.systemFields("entitydef", 1, false)...)
	custom := newObject("01I", "CustomObject", "Custom Object", "Custom Objects", w.org.gen.systemFields("customobject", 1, false)...)
	customField := newObject("00N", "CustomField", "Custom Field", "Custom Fields", w.org.gen.systemFields("customfield", 1, false)...)
	fieldDef := newObject("0Ed", "FieldDefinition", "Field Definition", "Field Definitions", w.org.gen.systemFields("fielddef", 1, false)...)
	type both struct {
		o *object
		f *field
	}
	var objects []*object
	var fields []both
	customs := make([]*object, len(w.tables)) // by the number in their ids, with gaps, as the fields
	customFields := make([]both, w.defs)
	for _, o := range w.order {
		if o.view != nil {
			continue
		}
		objects = append(objects, o)
		if o.custom {
			customs[o.idx] = o
		}
		for _, f := range o.fields {
			fields = append(fields, both{o, f})
			if f.custom {
				customFields[f.def] = both{o, f}
			}
		}
	}
	bare := func(s string) string { return strings.TrimSuffix(s, "__c") }
	column := func(o *object, name string, of func(row int) string) {
		o.add(textField(name, name, 255).from(func(row int) value { return textValue(of(row)) }))
	}
	ofObject := func(of func(*object) string) func(int) string {
		return func(i int) string {
			if customs[i] == nil {
				return ""
			}
			return of(customs[i])
		}
	}
	ofField := func(of func(both) string) func(int) string {
		return func(i int) string {
			if customFields[i].f == nil {
				return ""
			}
			return of(customFields[i])
		}
	}
	column(entity, "QualifiedApiName", func(i int) string { return objects[i].name })
	column(entity, "DeveloperName", func(i int) string { return bare(objects[i].name) })
	column(entity, "Label", func(i int) string { return objects[i].label })
	column(entity, "PluralLabel", func(i int) string { return objects[i].labelPlural })
	column(entity, "KeyPrefix", func(i int) string { return objects[i].prefix })
	column(entity, "DurableId", func(i int) string { return objects[i].name })
	column(custom, "DeveloperName", ofObject(func(o *object) string { return bare(o.name) }))
	column(custom, "NamespacePrefix", func(int) string { return "" })
	column(customField, "DeveloperName", ofField(func(c both) string { return bare(c.f.name) }))
	column(customField, "TableEnumOrId", ofField(func(c both) string { return c.o.name }))
	column(customField, "NamespacePrefix", func(int) string { return "" })
	column(fieldDef, "QualifiedApiName", func(i int) string { return fields[i].f.name })
	column(fieldDef, "DeveloperName", func(i int) string { return bare(fields[i].f.name) })
	column(fieldDef, "Label", func(i int) string { return fields[i].f.label })
	column(fieldDef, "DataType", func(i int) string { return fields[i].f.metadataType() })
	column(fieldDef, "EntityDefinitionId", func(i int) string { return fields[i].o.name })
	entity.size, custom.size, customField.size, fieldDef.size = len(objects), len(customs), len(customFields), len(fields)
	for i, o := range customs {
		if o == nil {
			gone[custom] = append(gone[custom], i)
		}
	}
	for i, c := range customFields {
		if c.f == nil {
			gone[customField] = append(gone[customField], i)
		}
	}
	return []*object{entity, custom, customField, fieldDef}, gone
}

// toElement gives decoded JSON the form of the XML that says the same.
func toElement(name string, v any) *element {
	e := &element{}
	e.XMLName.Local = name
	switch x := v.(type) {
	case map[string]any:
		for k, y := range x {
			if list, ok := y.([]any); ok {
				for _, z := range list {
					e.Children = append(e.Children, toElement(k, z))
				}
				continue
			}
			e.Children = append(e.Children, toElement(k, y))
		}
	case nil:
	case string:
		e.Text = x
	case json.Number:
		e.Text = x.String()
	default:
		e.Text = fmt.Sprint(x)
	}
	return e
}
