package sim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// maxComponents is how many components one metadata call may carry.
const maxComponents = 10

// serveMetadata serves the metadata API on custom objects, fields and permission sets.
func (o *Org) serveMetadata(w http.ResponseWriter, s *session, call *element) {
	name := call.XMLName.Local
	var b strings.Builder
	if !o.world.Load().as(s.user).sight.admin && name != "describeMetadata" && name != "listMetadata" && name != "readMetadata" {
		soapFault(w, "sf:INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS: use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions")
		return
	}
	if o.soapDeploy(w, s, call) || o.soapRetrieve(w, call) {
		return
	}
	switch name {
	case "createMetadata", "updateMetadata", "upsertMetadata":
		list := call.all("metadata")
		if len(list) > maxComponents {
			soapFault(w, "sf:LIMIT_EXCEEDED", fmt.Sprintf("LIMIT_EXCEEDED: Cannot process more than %d components", maxComponents))
			return
		}
		for _, m := range list {
			created, err := o.saveComponent(s.user, m, name)
			b.WriteString(saveResult(m.get("fullName"), err, name == "upsertMetadata", created))
		}
	case "deleteMetadata":
		for _, full := range call.all("fullNames") {
			fullName := strings.TrimSpace(full.Text)
			err := o.change(s.user, true, func(t *tx) error { return t.deleteComponent(call.get("type"), fullName) })
			b.WriteString(saveResult(fullName, err, false, false))
		}
	case "readMetadata":
		b.WriteString("<result>")
		for _, full := range call.all("fullNames") {
			content, _ := o.world.Load().componentXML(call.get("type"), strings.TrimSpace(full.Text))
			fmt.Fprintf(&b, `<records xsi:type="%s">%s</records>`, xmlText(call.get("type")), content) // empty for one that does not exist, as the API has it
		}
		b.WriteString("</result>")
	case "listMetadata":
		for _, q := range call.all("queries") {
			b.WriteString(o.world.Load().listComponents(q.get("type")))
		}
	case "describeMetadata":
		b.WriteString("<result>")
		for _, t := range metadataFolders {
			fmt.Fprintf(&b, "<metadataObjects><directoryName>%s</directoryName><inFolder>false</inFolder><metaFile>false</metaFile><suffix>%s</suffix><xmlName>%s</xmlName>", t.folder, t.suffix, t.typ)
			if t.typ == "CustomObject" {
				b.WriteString("<childXmlNames>CustomField</childXmlNames>")
			}
			b.WriteString("</metadataObjects>")
		}
		b.WriteString("<organizationNamespace/><partialSaveAllowed>true</partialSaveAllowed><testRequired>false</testRequired></result>")
	default:
		soapFault(w, "soapenv:Client", "No operation available for request {"+metadataNS+"}"+name)
		return
	}
	soapAnswer(w, metadataNS, "<"+name+"Response>"+b.String()+"</"+name+"Response>")
}

func saveResult(fullName string, err error, upsert, created bool) string {
	var b strings.Builder
	b.WriteString("<result>")
	if upsert {
		fmt.Fprintf(&b, "<created>%t</created>", created)
	}
	if err != nil {
		code, message := "UNKNOWN_EXCEPTION", err.Error()
		if e, ok := err.(*apiError); ok {
			code, message = e.code, e.message
		}
		fmt.Fprintf(&b, "<errors><message>%s</message><statusCode>%s</statusCode></errors>", xmlText(message), xmlText(code))
	}
	fmt.Fprintf(&b, "<fullName>%s</fullName><success>%t</success></result>", xmlText(fullName), err == nil)
	return b.String()
}

// saveComponent creates or updates a custom object, a field or a permission set.
func (o *Org) saveComponent(user int, m *element, how string) (created bool, err error) {
	err = o.change(user, true, func(t *tx) error {
		var err error
		created, err = t.saveComponent(m.xsiType(), m, how)
		return err
	})
	return created, err
}

func (t *tx) saveComponent(typ string, m *element, how string) (created bool, err error) {
	switch typ {
	case "CustomObject":
		return t.saveObject(m, how)
	case "CustomField":
		return t.saveField(m, how)
	case "PermissionSet":
		return t.savePermissionSet(m, how)
	}
	return false, badRequest("INVALID_TYPE", "The metadata type %s is not supported here", typ)
}

// exists checks a component's existence against what the call wants.
func exists(have bool, how, fullName string) error {
	switch {
	case have && how == "createMetadata":
		return badRequest("DUPLICATE_DEVELOPER_NAME", "There is already a component named %s on this org", fullName)
	case !have && how == "updateMetadata":
		return badRequest("INVALID_CROSS_REFERENCE_KEY", "no component named %s found", fullName)
	}
	return nil
}

func (t *tx) saveObject(m *element, how string) (created bool, err error) {
	name := m.get("fullName")
	have := t.w.object(name)
	if err := exists(have != nil, how, name); err != nil {
		return false, err
	}
	if have == nil && !strings.HasSuffix(name, "__c") {
		return false, badRequest("FIELD_INTEGRITY_EXCEPTION", "The API name of a custom object must end in __c: %s", name)
	}
	if have == nil {
		if m.get("label") == "" || m.get("pluralLabel") == "" || m.child("nameField") == nil {
			return false, badRequest("REQUIRED_FIELD_MISSING", "Must specify label, pluralLabel and nameField for a custom object")
		}
		t.createObject(m, name)
	} else if label := m.get("label"); label != "" {
		c := have.clone()
		c.label = label
		if plural := m.get("pluralLabel"); plural != "" {
			c.labelPlural = plural
		}
		t.replace(have, c)
	}
	for _, f := range m.all("fields") {
		if have != nil && t.w.object(name).field(f.get("fullName")) != nil {
			continue
		}
		if err := t.addField(name, f.get("fullName"), f); err != nil {
			return false, err
		}
	}
	return have == nil, nil
}

// createObject adds an empty custom object. Who makes it sees it; its fields must be granted.
func (t *tx) createObject(m *element, name string) {
	w := t.w
	g := w.org.gen
	prefix := w.freePrefix()
	o := newObject(prefix, name, m.get("label"), m.get("pluralLabel"), g.systemFields(name, 1, true)...)
	nameField := textField("Name", m.child("nameField").get("label"), 80).required().lookup()
	nameField.nameField = true
	if m.child("nameField").get("type") == "AutoNumber" {
		nameField.readonly()
		nameField.autoNumber, nameField.numberFormat = true, m.child("nameField").get("displayFormat")
	} else {
		nameField.nillable = true
	}
	o.add(nameField)
	o.feed, o.enabledActivities = m.get("enableFeeds") == "true", m.get("enableActivities") == "true"
	t.addObject(o)
	if o.feed {
		t.addObject(feedView(o, w.object("FeedItem")))
		t.widen("FeedItem", "ParentId", name)
		t.widen("FeedComment", "ParentId", name)
	}
	if o.enabledActivities {
		t.widen("Task", "WhatId", name)
		t.widen("Event", "WhatId", name)
	}
}

// freePrefix is a key prefix of custom objects that no object has or ever had.
func (w *world) freePrefix() string {
	for n := 0; ; n++ {
		prefix := "a" + string(base62[n/62%62]) + string(base62[n%62])
		if w.byPrefix[packPrefix(prefix)] == nil {
			return prefix
		}
	}
}

// widen lets a polymorphic reference point to one more object.
func (t *tx) widen(object, name, target string) {
	o := t.w.object(object)
	c := o.clone()
	old := c.field(name)
	f := *old
	f.refs = append(append([]string(nil), old.refs...), target)
	for i := range c.fields {
		if c.fields[i] == old {
			c.fields[i] = &f
		}
	}
	c.byName[lower(name)] = &f
	t.replace(o, c)
}

// addObject publishes a new object with the world in the making.
func (t *tx) addObject(o *object) {
	w := t.w
	objects := make(map[string]*object, len(w.objects)+1)
	for k, v := range w.objects {
		objects[k] = v
	}
	byPrefix := make(map[int64]*object, len(w.byPrefix)+1)
	for k, v := range w.byPrefix {
		byPrefix[k] = v
	}
	w.objects, w.byPrefix = objects, byPrefix
	w.order = append([]*object(nil), w.order...)
	w.addObject(o)
	t.schemaChanged()
}

func (t *tx) saveField(m *element, how string) (created bool, err error) {
	full := m.get("fullName")
	object, name, ok := strings.Cut(full, ".")
	o := t.w.object(object)
	if !ok || o == nil {
		return false, badRequest("INVALID_CROSS_REFERENCE_KEY", "no CustomObject named %s found", object)
	}
	have := o.field(name)
	if err := exists(have != nil, how, full); err != nil {
		return false, err
	}
	if have == nil {
		return true, t.addField(object, name, m)
	}
	c := o.clone()
	f := *have
	if label := m.get("label"); label != "" {
		f.label = label
	}
	if picks := pickValues(m); picks != nil {
		f.picks = picks
	}
	for i := range c.fields {
		if c.fields[i] == have {
			c.fields[i] = &f
		}
	}
	c.byName[lower(name)] = &f
	t.replace(o, c)
	return false, nil
}

// addField adds a custom field. Like every field made through an API it is invisible until a permission set shows it, unless it is required or
// a master-detail relationship.
func (t *tx) addField(object, name string, m *element) error {
	o := t.w.object(object)
	if !strings.HasSuffix(name, "__c") {
		return badRequest("FIELD_INTEGRITY_EXCEPTION", "The API name of a custom field must end in __c: %s", name)
	}
	if o.field(name) != nil {
		return badRequest("DUPLICATE_DEVELOPER_NAME", "There is already a field named %s on %s.", name, o.label)
	}
	f, err := t.fieldOf(name, m)
	if err != nil {
		return err
	}
	f.help = m.get("inlineHelpText")
	f.defaultValue = strings.Trim(m.get("defaultValue"), "'\"")
	f.nillable = f.nillable && m.get("required") != "true"
	f.needsGrant = f.nillable || f.typ == "boolean"
	f.def = t.w.defs
	t.w.defs++
	c := o.clone()
	c.add(f)
	t.replace(o, c)
	return nil
}

// fieldOf makes a field of a metadata field type.
func (t *tx) fieldOf(name string, m *element) (*field, error) {
	label := m.get("label")
	number := func(key string, byDefault int) int {
		if n, err := strconv.Atoi(m.get(key)); err == nil {
			return n
		}
		return byDefault
	}
	switch typ := m.get("type"); typ {
	case "Text":
		f := textField(name, label, number("length", 255))
		f.externalID, f.unique, f.caseSensitive = m.get("externalId") == "true", m.get("unique") == "true", m.get("caseSensitive") == "true"
		f.idLookup = f.externalID
		return f, nil
	case "TextArea":
		return areaField(name, label, 255), nil
	case "LongTextArea", "Html":
		n := number("length", 32768)
		if n < 256 || n > 131_072 {
			return nil, badRequest("FIELD_INTEGRITY_EXCEPTION", "Long text area length must be between 256 and 131072")
		}
		if typ == "Html" {
			return richField(name, label, n), nil
		}
		return areaField(name, label, n), nil
	case "Url", "Phone", "Email":
		length := map[string]int{"Url": 255, "Phone": 40, "Email": 80}[typ]
		return typedText(lower(typ), name, label, length), nil
	case "Checkbox":
		return checkField(name, label), nil
	case "Number", "Currency", "Percent":
		typ = map[string]string{"Number": "double", "Currency": "currency", "Percent": "percent"}[typ]
		f := numberField(typ, name, label, number("precision", 18), number("scale", 0))
		f.externalID, f.unique = m.get("externalId") == "true", m.get("unique") == "true"
		return f, nil
	case "Date":
		return dateField(name, label), nil
	case "DateTime":
		return dateTimeField(name, label), nil
	case "Time":
		return newField("time", name, label), nil
	case "AutoNumber":
		f := textField(name, label, 30).readonly()
		f.autoNumber, f.numberFormat = true, m.get("displayFormat")
		return f, nil
	case "Picklist", "MultiselectPicklist":
		f := pickField(name, label)
		if typ == "MultiselectPicklist" {
			f = multiField(name, label)
		}
		f.picks = pickValues(m)
		f.restricted = m.child("valueSet").get("restricted") == "true"
		return f, nil
	case "Lookup", "MasterDetail":
		target := m.get("referenceTo")
		if t.w.object(target) == nil {
			return nil, badRequest("INVALID_CROSS_REFERENCE_KEY", "referenceTo value of '%s' does not resolve to a valid sObject type", target)
		}
		f := refField(name, label, strings.TrimSuffix(name, "__c")+"__r", t.w.object(target).name)
		if rel := m.get("relationshipName"); rel != "" {
			f.childRel = rel + "__r"
		}
		f.restrictedDelete = m.get("deleteConstraint") == "Restrict"
		if typ == "MasterDetail" {
			f.masterDetail()
		}
		return f, nil
	default:
		return nil, badRequest("FIELD_INTEGRITY_EXCEPTION", "The field type %q is not supported here", typ)
	}
}

// pickValues reads the values of a picklist from a valueSet, or from the older picklist element.
func pickValues(m *element) (picks []pick) {
	values := m.child("valueSet").child("valueSetDefinition").all("value")
	if values == nil {
		values = m.child("picklist").all("picklistValues")
	}
	for _, v := range values {
		label := v.get("label")
		if label == "" {
			label = v.get("fullName")
		}
		picks = append(picks, pick{value: v.get("fullName"), label: label, isDefault: v.get("default") == "true", inactive: v.get("isActive") == "false"})
	}
	return picks
}

// deleteComponent deletes a custom object, a custom field or a permission set.
func (t *tx) deleteComponent(typ, fullName string) error {
	missing := badRequest("INVALID_CROSS_REFERENCE_KEY", "no %s named %s found", typ, fullName)
	object, name, _ := strings.Cut(fullName, ".")
	obj := t.w.object(object)
	switch {
	case typ == "PermissionSet":
		row := t.w.permissionSetRow(fullName)
		if row < 0 {
			return missing
		}
		t.remove(t.w.object("PermissionSet"), row)
	case obj == nil:
		return missing
	case typ == "CustomField":
		if f := obj.field(name); f == nil || !f.custom {
			return missing
		}
		t.alterField(obj, obj.field(name), nil)
	case !obj.custom || name != "":
		return missing
	default:
		t.dropObject(obj)
	}
	t.schemaChanged()
	return nil
}

// dropObject takes an object out of the org, with the views of its records.
func (t *tx) dropObject(obj *object) {
	objects := make(map[string]*object, len(t.w.objects))
	var order []*object
	for _, other := range t.w.order {
		if other != obj && (other.view == nil || other.viewOf != obj.name) {
			objects[lower(other.name)] = other
			order = append(order, other)
		}
	}
	t.w.objects, t.w.order = objects, order
}
