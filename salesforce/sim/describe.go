package sim

import (
	"net/http"
	"strings"
	"time"
)

// unmodified answers 304 when the caller has the describe already: nothing about the schema changed since.
func (rq *request) unmodified() bool {
	changed := rq.world.schemaAt
	rq.w.Header().Set("Last-Modified", changed.Format(http.TimeFormat))
	since, err := http.ParseTime(rq.r.Header.Get("If-Modified-Since"))
	if err != nil || changed.Truncate(time.Second).After(since) {
		return false
	}
	rq.w.WriteHeader(http.StatusNotModified)
	return true
}

// describeGlobal serves /sobjects.
func (rq *request) describeGlobal() error {
	if rq.unmodified() {
		return nil
	}
	list := []map[string]any{}
	for _, o := range rq.world.order {
		if rq.world.visibleObject(o.name) != nil {
			list = append(list, rq.summary(o))
		}
	}
	return rq.json(http.StatusOK, map[string]any{"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list})
}

// summary is an object as describeGlobal shows it.
func (rq *request) summary(o *object) map[string]any {
	w := rq.world
	write := !o.readOnly
	base := rq.root + "/sobjects/" + o.name
	urls := map[string]any{"sobject": base, "describe": base + "/describe", "rowTemplate": base + "/{ID}"}
	if !o.custom && !o.setup {
		urls["compactLayouts"], urls["layouts"], urls["approvalLayouts"] = base+"/describe/compactLayouts", base+"/describe/layouts", base+"/describe/approvalLayouts"
	}
	var prefix any
	if o.prefix != "" {
		prefix = o.prefix
	}
	var associateType, associateParent any
	if o.view != nil {
		associateType, associateParent = "Feed", o.viewOf
	}
	return map[string]any{
		"activateable": false, "associateEntityType": associateType, "associateParentEntity": associateParent, "createable": w.may(o, mayCreate), "custom": o.custom,
		"customSetting": false, "deepCloneable": false, "deletable": w.may(o, mayDelete), "deprecatedAndHidden": false, "feedEnabled": o.feed, "hasSubtypes": false,
		"isInterface": false, "isSubtype": false, "keyPrefix": prefix, "label": o.label, "labelPlural": o.labelPlural, "layoutable": write && !o.setup,
		"mergeable": o.mergeable, "mruEnabled": write && !o.setup, "name": o.name, "queryable": true, "replicateable": o.view == nil, "retrieveable": true,
		"searchable": write && !o.setup, "triggerable": write && !o.setup, "undeletable": w.may(o, mayDelete) && !o.setup, "updateable": w.may(o, mayEdit), "urls": urls,
	}
}

// describe serves /sobjects/T/describe.
func (rq *request) describe() error {
	o := rq.world.visibleObject(rq.seg[1])
	if o == nil {
		return notFound()
	}
	if rq.unmodified() {
		return nil
	}
	return rq.json(http.StatusOK, rq.describeObject(o))
}

func (rq *request) describeObject(o *object) map[string]any {
	m := rq.summary(o)
	fields := []map[string]any{}
	for _, f := range o.fields {
		if rq.world.sees(o, f) {
			fields = append(fields, rq.describeField(o, f))
		}
	}
	base := rq.root + "/sobjects/" + o.name
	urls := m["urls"].(map[string]any)
	urls["uiEditTemplate"] = rq.org.origin(rq.r) + "/{ID}/e"
	urls["uiDetailTemplate"] = rq.org.origin(rq.r) + "/{ID}"
	urls["uiNewRecord"] = rq.org.origin(rq.r) + "/" + o.prefix + "/e"
	urls["layouts"] = base + "/describe/layouts"
	urls["approvalLayouts"] = base + "/describe/approvalLayouts"
	for k, v := range map[string]any{
		"actionOverrides": []any{}, "childRelationships": rq.world.describeChildren(o), "compactLayoutable": !o.setup, "defaultImplementation": nil,
		"extendedInterfaces": nil, "fields": fields, "implementedBy": nil, "implementsInterfaces": nil, "listviewable": nil, "lookupLayoutable": nil,
		"namedLayoutInfos": []any{}, "networkScopeFieldName": nil, "recordTypeInfos": rq.recordTypeInfos(o), "searchLayoutable": true,
		"sobjectDescribeOption": "FULL", "supportedScopes": []any{
			map[string]any{"label": "All " + lower(o.labelPlural), "name": "everything"},
			map[string]any{"label": "My " + lower(o.labelPlural), "name": "mine"},
		},
	} {
		m[k] = v
	}
	return m
}

// describeChildren lists the relationships that lead from an object to its children.
func (w *world) describeChildren(parent *object) []map[string]any {
	list := []map[string]any{}
	for _, child := range w.order {
		if w.visibleObject(child.name) == nil {
			continue
		}
		for _, f := range child.fields {
			if f.typ != "reference" || !refers(f, parent.name) || !w.sees(child, f) {
				continue
			}
			var name any
			if f.childRel != "" {
				name = f.childRel
			}
			list = append(list, map[string]any{"cascadeDelete": f.cascade, "childSObject": child.name, "deprecatedAndHidden": false, "field": f.name,
				"junctionIdListNames": []any{}, "junctionReferenceTo": []any{}, "relationshipName": name, "restrictedDelete": f.restrictedDelete})
		}
	}
	return list
}

func refers(f *field, object string) bool {
	for _, r := range f.refs {
		if strings.EqualFold(r, object) {
			return true
		}
	}
	return false
}

// soapTypes maps describe types to the types of the SOAP API; what is missing is xsd:string.
var soapTypes = map[string]string{
	"id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double",
	"date": "xsd:date", "datetime": "xsd:dateTime", "time": "xsd:time", "base64": "xsd:base64Binary", "location": "urn:location", "address": "urn:address",
	"anyType": "xsd:anyType",
}

// describeField is one field with every key that Salesforce sends.
func (rq *request) describeField(o *object, f *field) map[string]any {
	edit := rq.world.mayField(o, f, mayEdit)
	picks := []map[string]any{}
	for _, p := range f.picks {
		picks = append(picks, map[string]any{"active": !p.inactive, "defaultValue": p.isDefault, "label": p.label, "validFor": nil, "value": p.value})
	}
	refs := f.refs
	if refs == nil {
		refs = []string{}
	}
	label := f.label
	if f.typ == "id" {
		label = o.label + " ID"
	}
	soap := soapTypes[f.typ]
	if soap == "" {
		soap = "xsd:string"
	}
	precision, digits := f.precision, 0
	if f.typ == "int" {
		precision, digits = 0, 8
	}
	var defaultValue any
	if f.typ == "boolean" {
		defaultValue = f.defaultValue == "true"
	} else if f.defaultValue != "" {
		defaultValue = f.defaultValue
	}
	byteLength := f.length * 3
	if f.typ == "id" || f.typ == "reference" {
		byteLength = 18
	}
	return map[string]any{
		"aggregatable": f.aggregatable(), "aiPredictionField": false, "autoNumber": f.autoNumber, "byteLength": byteLength, "calculated": f.calculated,
		"calculatedFormula": optional(f.formula), "cascadeDelete": f.cascade, "caseSensitive": f.caseSensitive, "compoundFieldName": optional(f.compound),
		"controllerName": nil, "createable": f.createable && rq.world.may(o, mayCreate) && edit, "custom": f.custom, "defaultValue": defaultValue, "defaultValueFormula": nil,
		"defaultedOnCreate": f.defaulted || f.typ == "boolean", "dependentPicklist": false, "deprecatedAndHidden": false, "digits": digits,
		"displayLocationInDecimal": false, "encrypted": f.typ == "encryptedstring", "externalId": f.externalID, "extraTypeInfo": optional(f.extra), "filterable": f.filterable,
		"filteredLookupInfo": nil, "formulaTreatNullNumberAsZero": false, "groupable": f.groupable, "highScaleNumber": false, "htmlFormatted": f.html,
		"idLookup": f.idLookup, "inlineHelpText": optional(f.help), "label": label, "length": f.length, "mask": nil, "maskType": nil, "name": f.name,
		"nameField": f.nameField, "namePointing": f.namePointing, "nillable": f.nillable, "permissionable": f.permissionable(), "picklistValues": picks,
		"polymorphicForeignKey": f.polymorphic, "precision": precision, "queryByDistance": false, "referenceTargetField": nil, "referenceTo": refs,
		"relationshipName": optional(f.relName), "relationshipOrder": relationshipOrder(f), "restrictedDelete": f.restrictedDelete, "restrictedPicklist": f.restricted,
		"scale": f.scale, "searchPrefilterable": f.typ == "reference", "soapType": soap, "sortable": f.sortable, "type": f.typ, "unique": f.unique,
		"updateable": f.updateable && rq.world.may(o, mayEdit) && edit, "writeRequiresMasterRead": false,
	}
}

func optional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func relationshipOrder(f *field) any {
	if f.cascade {
		return 0
	}
	return nil
}

// aggregatable tells whether COUNT(f), MIN(f) and their like may take the field.
func (f *field) aggregatable() bool {
	switch f.typ {
	case "boolean", "multipicklist", "address", "location", "base64", "encryptedstring":
		return false
	case "textarea":
		return f.filterable
	}
	return true
}

// describeLooks serves the resources about how an object looks to people: this org has no layouts, and says so in the shapes that clients expect.
func (rq *request) describeLooks() error {
	if rq.world.visibleObject(rq.seg[1]) == nil {
		return notFound()
	}
	none := []any{}
	switch lower(rq.seg[3]) {
	case "layouts":
		return rq.json(http.StatusOK, map[string]any{"layouts": none, "recordTypeMappings": none, "recordTypeSelectorRequired": []bool{false}})
	case "compactlayouts":
		return rq.json(http.StatusOK, map[string]any{"compactLayouts": none, "defaultCompactLayoutId": nil, "recordTypeCompactLayoutMappings": none, "urls": map[string]any{}})
	case "approvallayouts":
		return rq.json(http.StatusOK, map[string]any{"approvalLayouts": none})
	}
	return notFound()
}

// listViews serves the list views of an object, of which there are none.
func (rq *request) listViews() error {
	o := rq.world.visibleObject(rq.seg[1])
	if o == nil {
		return notFound()
	}
	return rq.json(http.StatusOK, map[string]any{"done": true, "listviews": []any{}, "nextRecordsUrl": nil, "size": 0, "sobjectType": o.name})
}
