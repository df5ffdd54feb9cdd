package sim

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
)

// toolingDescribeGlobal lists the tables of definitions.
func (rq *request) toolingDescribeGlobal() error {
	w, tables := rq.withDefinitions()
	w.order = tables
	rq.world, rq.root = w, rq.root+"/tooling"
	return rq.describeGlobal()
}

// toolingDescribe describes one table of definitions.
func (rq *request) toolingDescribe() error {
	w, tables := rq.withDefinitions()
	for _, o := range tables {
		if strings.EqualFold(o.name, rq.seg[2]) {
			rq.world, rq.root = w, rq.root+"/tooling"
			return rq.json(http.StatusOK, rq.describeObject(o))
		}
	}
	return notFound()
}

// fieldDefinition is a custom field as the tooling API takes it.
type fieldDefinition struct {
	FullName string
	Metadata map[string]any
}

// readDefinition reads a custom field from the body. Only an administrator may send one.
func (rq *request) readDefinition() (in fieldDefinition, err error) {
	if !rq.world.sight.admin {
		return in, fail(http.StatusForbidden, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id")
	}
	return in, rq.decode(&in)
}

// toolingCreateField serves POST /tooling/sobjects/CustomField.
func (rq *request) toolingCreateField() error {
	in, err := rq.readDefinition()
	if err != nil {
		return err
	}
	object, name, _ := strings.Cut(in.FullName, ".")
	m := toElement("metadata", in.Metadata)
	var id string
	if err := rq.change(true, func(t *tx) error {
		if t.w.object(object) == nil {
			return badRequest("INVALID_CROSS_REFERENCE_KEY", "no CustomObject named %s found", object)
		}
		if err := t.addField(object, name, m); err != nil {
			return err
		}
		id = idText(rowID(prefixFieldDef, t.w.object(object).field(name).def))
		return nil
	}); err != nil {
		return err
	}
	return rq.json(http.StatusCreated, map[string]any{"id": id, "success": true, "errors": []any{}, "warnings": []any{}, "infos": []any{}})
}

// definedBy finds the custom field that an id of a definition stands for.
func (w *world) definedBy(text string) (*object, *field) {
	id, ok := parseID(text)
	if prefix, n := splitID(id); ok && prefix == prefixFieldDef {
		for _, o := range w.order {
			for _, f := range o.fields {
				if f.custom && f.def == n && o.view == nil {
					return o, f
				}
			}
		}
	}
	return nil, nil
}

// toolingField serves GET, PATCH and DELETE of one custom field by the id of its definition.
func (rq *request) toolingField() error {
	o, f := rq.world.definedBy(rq.seg[3])
	if f == nil {
		return notFound()
	}
	full := o.name + "." + f.name
	switch rq.r.Method {
	case http.MethodPatch:
		in, err := rq.readDefinition()
		if err != nil {
			return err
		}
		if in.Metadata == nil {
			return badRequest("REQUIRED_FIELD_MISSING", "Required fields are missing: [Metadata]").on("Metadata")
		}
		in.Metadata["fullName"] = full
		if err := rq.change(true, func(t *tx) error {
			_, err := t.saveField(toElement("metadata", in.Metadata), "updateMetadata")
			return err
		}); err != nil {
			return err
		}
	case http.MethodDelete:
		if !rq.world.sight.admin {
			return fail(http.StatusForbidden, "INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id")
		}
		if err := rq.change(true, func(t *tx) error { return t.deleteComponent("CustomField", full) }); err != nil {
			return err
		}
	default:
		var e element
		if err := xml.Unmarshal([]byte("<metadata>"+fieldXML(f, "")+"</metadata>"), &e); err != nil {
			return err
		}
		url := rq.root + "/tooling/sobjects/CustomField/" + rq.seg[3]
		return rq.json(http.StatusOK, map[string]any{"attributes": map[string]any{"type": "CustomField", "url": url}, "Id": idText(rowID(prefixFieldDef, f.def)),
			"FullName": full, "DeveloperName": strings.TrimSuffix(f.name, "__c"), "TableEnumOrId": o.name, "NamespacePrefix": nil, "Metadata": e.json()})
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}

// json gives an element the form of the JSON that says the same. It undoes toElement.
func (e *element) json() any {
	text := strings.TrimSpace(e.Text)
	switch {
	case len(e.Children) > 0:
		out := map[string]any{}
		for _, c := range e.Children {
			name := c.XMLName.Local
			if same := e.all(name); name == "value" || len(same) > 1 { // the values of a picklist are a list, one or many
				list := make([]any, len(same))
				for i := range same {
					list[i] = same[i].json()
				}
				out[name] = list
				continue
			}
			out[name] = c.json()
		}
		return out
	case text == "true" || text == "false":
		return text == "true"
	case e.XMLName.Local == "length" || e.XMLName.Local == "precision" || e.XMLName.Local == "scale":
		if n, err := strconv.Atoi(text); err == nil {
			return json.Number(strconv.Itoa(n))
		}
	}
	return text
}
