package sim

import (
	"fmt"
	"strings"
)

// metadataTypes maps describe types to the field types of the metadata API.
var metadataTypes = map[string]string{"string": "Text", "textarea": "TextArea", "boolean": "Checkbox", "double": "Number", "currency": "Currency", "percent": "Percent",
	"date": "Date", "datetime": "DateTime", "time": "Time", "url": "Url", "phone": "Phone", "email": "Email", "picklist": "Picklist",
	"multipicklist": "MultiselectPicklist", "reference": "Lookup", "int": "Number"}

// metadataType is the metadata type of a field.
func (f *field) metadataType() string {
	switch {
	case f.autoNumber:
		return "AutoNumber"
	case f.html:
		return "Html"
	case f.typ == "textarea" && f.length > 255:
		return "LongTextArea"
	case f.cascade:
		return "MasterDetail"
	}
	return metadataTypes[f.typ]
}

// componentXML renders a custom object, a field or a permission set, and tells whether there is one.
func (w *world) componentXML(typ, fullName string) (content string, ok bool) {
	object, name, isField := strings.Cut(fullName, ".")
	obj := w.object(object)
	switch {
	case typ == "PermissionSet":
		if row := w.permissionSetRow(fullName); row >= 0 {
			return w.permissionSetXML(row), true
		}
		return "", false
	case obj == nil || isField && obj.field(name) == nil || isField != (typ == "CustomField"):
		return "", false
	case isField:
		return fieldXML(obj.field(name), obj.name+"."), true
	}
	return "<fullName>" + xmlText(obj.name) + "</fullName>" + objectXML(obj), true
}

// objectXML renders an object with its custom fields.
func objectXML(obj *object) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<deploymentStatus>Deployed</deploymentStatus><enableActivities>%t</enableActivities><enableFeeds>%t</enableFeeds>", obj.enabledActivities, obj.feed)
	for _, f := range obj.fields {
		if f.custom {
			b.WriteString("<fields>" + fieldXML(f, "") + "</fields>")
		}
	}
	fmt.Fprintf(&b, "<label>%s</label><pluralLabel>%s</pluralLabel><sharingModel>ReadWrite</sharingModel>", xmlText(obj.label), xmlText(obj.labelPlural))
	if f := obj.nameField(); f != nil {
		fmt.Fprintf(&b, "<nameField>")
		if f.autoNumber {
			fmt.Fprintf(&b, "<displayFormat>%s</displayFormat>", xmlText(f.numberFormat))
		}
		fmt.Fprintf(&b, "<label>%s</label><type>%s</type></nameField>", xmlText(f.label), f.metadataType())
	}
	return b.String()
}

func fieldXML(f *field, prefix string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<fullName>%s</fullName><label>%s</label>", xmlText(prefix+f.name), xmlText(f.label))
	if f.length > 0 && f.typ != "reference" && f.typ != "picklist" && f.typ != "multipicklist" {
		fmt.Fprintf(&b, "<length>%d</length>", f.length)
	}
	if isNumber(f.typ) {
		fmt.Fprintf(&b, "<precision>%d</precision><scale>%d</scale>", f.precision, f.scale)
	}
	if f.typ == "reference" {
		fmt.Fprintf(&b, "<referenceTo>%s</referenceTo><relationshipName>%s</relationshipName>", xmlText(f.refs[0]), xmlText(strings.TrimSuffix(f.childRel, "__r")))
	}
	fmt.Fprintf(&b, "<externalId>%t</externalId><required>%t</required><type>%s</type><unique>%t</unique>", f.externalID, !f.nillable && f.typ != "boolean", f.metadataType(), f.unique)
	if f.formula != "" {
		fmt.Fprintf(&b, "<formula>%s</formula>", xmlText(f.formula))
	}
	if len(f.picks) > 0 {
		fmt.Fprintf(&b, "<valueSet><restricted>%t</restricted><valueSetDefinition><sorted>false</sorted>", f.restricted)
		for _, p := range f.picks {
			fmt.Fprintf(&b, "<value><fullName>%s</fullName><default>%t</default><label>%s</label></value>", xmlText(p.value), p.isDefault, xmlText(p.label))
		}
		b.WriteString("</valueSetDefinition></valueSet>")
	}
	return b.String()
}

// members are the components of a type by full name, with their ids.
func (w *world) members(typ string, each func(fullName, id string)) {
	if typ == "PermissionSet" {
		o := w.object(typ)
		for row := range w.table(o).rows {
			if w.table(o).alive(row) && !w.get(o, o.field("IsOwnedByProfile"), row).isTrue() {
				each(w.get(o, o.field("Name"), row).s, idText(o.id(row)))
			}
		}
		return
	}
	for _, obj := range w.order {
		switch {
		case obj.view != nil:
		case typ == "CustomObject":
			each(obj.name, idText(rowID(prefixObjectDef, obj.idx)))
		case typ == "CustomField":
			for _, f := range obj.fields {
				if f.custom {
					each(obj.name+"."+f.name, idText(rowID(prefixFieldDef, f.def)))
				}
			}
		}
	}
}

// listComponents lists the components of a type.
func (w *world) listComponents(typ string) string {
	var b strings.Builder
	w.members(typ, func(fullName, id string) {
		b.WriteString("<result>" + filePropertiesXML(typ, fullName, id) + "</result>")
	})
	return b.String()
}

// fileOf is where a package has a component.
func fileOf(typ, fullName string) string {
	if typ == "CustomField" {
		fullName, _, _ = strings.Cut(fullName, ".")
		typ = "CustomObject"
	}
	for _, f := range metadataFolders {
		if f.typ == typ {
			return f.folder + "/" + fullName + "." + f.suffix
		}
	}
	return "package.xml"
}

func filePropertiesXML(typ, fullName, id string) string {
	by := idText(rowID(prefixUser, userIntegration))
	return fmt.Sprintf("<createdById>%s</createdById><createdByName>Integration User</createdByName><createdDate>2020-01-01T00:00:00.000Z</createdDate><fileName>%s</fileName><fullName>%s</fullName><id>%s</id><lastModifiedById>%s</lastModifiedById><lastModifiedByName>Integration User</lastModifiedByName><lastModifiedDate>2020-01-01T00:00:00.000Z</lastModifiedDate><manageableState>unmanaged</manageableState><type>%s</type>",
		by, xmlText(fileOf(typ, fullName)), xmlText(fullName), id, by, xmlText(typ))
}
