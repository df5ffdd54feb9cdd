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

// readComponent renders a custom object or field; one that does not exist is an empty record, as the API has it.
func (o *Org) readComponent(typ, fullName string) string {
	w := o.world.Load()
	object, name, isField := strings.Cut(fullName, ".")
	obj := w.object(object)
	switch {
	case obj == nil || isField && obj.field(name) == nil:
		return fmt.Sprintf(`<records xsi:type="%s"/>`, xmlText(typ))
	case isField:
		return `<records xsi:type="CustomField">` + fieldXML(obj.field(name), obj.name+".") + "</records>"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<records xsi:type="CustomObject"><fullName>%s</fullName><deploymentStatus>Deployed</deploymentStatus><enableActivities>%t</enableActivities><enableFeeds>%t</enableFeeds>`,
		xmlText(obj.name), obj.enabledActivities, obj.feed)
	for _, f := range obj.fields {
		if f.custom {
			b.WriteString("<fields>" + fieldXML(f, "") + "</fields>")
		}
	}
	fmt.Fprintf(&b, "<label>%s</label><pluralLabel>%s</pluralLabel><sharingModel>ReadWrite</sharingModel>", xmlText(obj.label), xmlText(obj.labelPlural))
	if f := obj.nameField(); f != nil {
		fmt.Fprintf(&b, "<nameField><label>%s</label><type>%s</type></nameField>", xmlText(f.label), f.metadataType())
	}
	b.WriteString("</records>")
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

// listComponents lists the custom objects, or their fields.
func (o *Org) listComponents(typ string) string {
	var b strings.Builder
	add := func(fullName, id string) {
		fmt.Fprintf(&b, "<result><createdById>%s</createdById><createdByName>Integration User</createdByName><createdDate>2020-01-01T00:00:00.000Z</createdDate><fileName>objects/%s.object</fileName><fullName>%s</fullName><id>%s</id><lastModifiedById>%s</lastModifiedById><lastModifiedByName>Integration User</lastModifiedByName><lastModifiedDate>2020-01-01T00:00:00.000Z</lastModifiedDate><manageableState>unmanaged</manageableState><type>%s</type></result>",
			idText(rowID(prefixUser, 0)), xmlText(fullName), xmlText(fullName), id, idText(rowID(prefixUser, 0)), xmlText(typ))
	}
	for _, obj := range o.world.Load().order {
		switch {
		case obj.view != nil:
		case typ == "CustomObject":
			add(obj.name, idText(rowID(prefixObjectDef, obj.idx)))
		case typ == "CustomField":
			for i, f := range obj.fields {
				if f.custom {
					add(obj.name+"."+f.name, idText(fieldID(obj, i)))
				}
			}
		}
	}
	return b.String()
}

// fieldID is the id of a custom field's definition.
func fieldID(o *object, i int) int64 { return rowID(prefixFieldDef, o.idx*1000+i) }
