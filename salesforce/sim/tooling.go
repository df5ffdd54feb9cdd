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
	w := rq.world.clone()
	t := &tx{w: w, now: timeValue(rq.org.now()), user: idValue(rowID(prefixUser, rq.session.user)), row: rq.session.user, system: true}
	for _, o := range definitions(rq.world) {
		t.addObject(o)
	}
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

// definitions are the tables that describe objects and fields.
func definitions(w *world) []*object {
	entity := newObject("0Eb", "EntityDefinition", "Entity Definition", "Entity Definitions", w.org.gen.systemFields("entitydef", 1, false)...)
	custom := newObject("01I", "CustomObject", "Custom Object", "Custom Objects", w.org.gen.systemFields("customobject", 1, false)...)
	customField := newObject("00N", "CustomField", "Custom Field", "Custom Fields", w.org.gen.systemFields("customfield", 1, false)...)
	fieldDef := newObject("0Ed", "FieldDefinition", "Field Definition", "Field Definitions", w.org.gen.systemFields("fielddef", 1, false)...)
	type both struct {
		o *object
		f *field
	}
	var objects, customs []*object
	var fields, customFields []both
	for _, o := range w.order {
		if o.view != nil {
			continue
		}
		objects = append(objects, o)
		if o.custom {
			customs = append(customs, o)
		}
		for _, f := range o.fields {
			fields = append(fields, both{o, f})
			if f.custom {
				customFields = append(customFields, both{o, f})
			}
		}
	}
	bare := func(s string) string { return strings.TrimSuffix(s, "__c") }
	column := func(o *object, name string, of func(row int) string) {
		o.add(textField(name, name, 255).from(func(row int) value { return textValue(of(row)) }))
	}
	column(entity, "QualifiedApiName", func(i int) string { return objects[i].name })
	column(entity, "DeveloperName", func(i int) string { return bare(objects[i].name) })
	column(entity, "Label", func(i int) string { return objects[i].label })
	column(entity, "PluralLabel", func(i int) string { return objects[i].labelPlural })
	column(entity, "KeyPrefix", func(i int) string { return objects[i].prefix })
	column(entity, "DurableId", func(i int) string { return objects[i].name })
	column(custom, "DeveloperName", func(i int) string { return bare(customs[i].name) })
	column(custom, "NamespacePrefix", func(int) string { return "" })
	column(customField, "DeveloperName", func(i int) string { return bare(customFields[i].f.name) })
	column(customField, "TableEnumOrId", func(i int) string { return customFields[i].o.name })
	column(customField, "NamespacePrefix", func(int) string { return "" })
	column(fieldDef, "QualifiedApiName", func(i int) string { return fields[i].f.name })
	column(fieldDef, "DeveloperName", func(i int) string { return bare(fields[i].f.name) })
	column(fieldDef, "Label", func(i int) string { return fields[i].f.label })
	column(fieldDef, "DataType", func(i int) string { return fields[i].f.metadataType() })
	column(fieldDef, "EntityDefinitionId", func(i int) string { return fields[i].o.name })
	entity.size, custom.size, customField.size, fieldDef.size = len(objects), len(customs), len(customFields), len(fields)
	return []*object{entity, custom, customField, fieldDef}
}

// toolingCreateField serves POST /tooling/sobjects/CustomField.
func (rq *request) toolingCreateField() error {
	var in struct {
		FullName string
		Metadata map[string]any
	}
	if err := rq.decode(&in); err != nil {
		return err
	}
	if !rq.world.sight.admin {
		return fail(http.StatusForbidden, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id")
	}
	object, name, _ := strings.Cut(in.FullName, ".")
	m := toElement("metadata", in.Metadata)
	var id string
	err := rq.change(true, func(t *tx) error {
		if t.w.object(object) == nil {
			return badRequest("INVALID_CROSS_REFERENCE_KEY", "no CustomObject named %s found", object)
		}
		if err := t.addField(object, name, m); err != nil {
			return err
		}
		o := t.w.object(object)
		id = idText(fieldID(o, len(o.fields)-1))
		return nil
	})
	if err != nil {
		return err
	}
	return rq.json(http.StatusCreated, map[string]any{"id": id, "success": true, "errors": []any{}, "warnings": []any{}, "infos": []any{}})
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
	case string:
		e.Text = x
	case json.Number:
		e.Text = x.String()
	default:
		e.Text = fmt.Sprint(x)
	}
	return e
}
