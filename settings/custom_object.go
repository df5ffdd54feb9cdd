package settings

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Parent is what a custom object's records belong to.
type Parent string

// The parents.
const (
	ParentAccount Parent = "account"
	ParentContact Parent = "contact"
)

// CustomObject is one further object that is synced as related records of accounts or contacts. Each Salesforce object is configured at most once.
type CustomObject struct {
	Object string   `json:"object"`           // API name
	Name   string   `json:"name"`             // what people call its records
	Parent Parent   `json:"parent"`           // what a record belongs to
	Match  string   `json:"match"`            // the field of the object that links to the parent: a reference, or a text that holds MatchTo
	To     string   `json:"to,omitempty"`     // the External ID field of the parent that Match holds; empty when Match is a reference
	Filter string   `json:"filter,omitempty"` // a SOQL condition on the object; empty for all records
	Fields []string `json:"fields,omitempty"` // API names; empty for all that can be read
}

// PathCustomObjects begins the field paths of the custom objects: after it come a dot, the place in the list and the part.
const PathCustomObjects = "custom_objects"

// The parts of a CustomObject's field path.
const (
	PartName   = ".name"
	PartParent = ".parent"
	PartMatch  = ".match"
	PartTo     = ".to"
	PartFields = ".fields"
)

// PathCustomObject returns the field path of the custom object at place i of the list.
func PathCustomObject(i int) string { return fmt.Sprintf("%s.%d", PathCustomObjects, i) }

// maxCustomObjects bounds how many objects can be configured.
const maxCustomObjects = 100

func validateCustomObjects(errs FieldErrors, all []CustomObject) {
	if len(all) > maxCustomObjects {
		errs.Add(PathCustomObjects, fmt.Sprintf("%d custom objects are configured; %d is the most.", len(all), maxCustomObjects))
	}
	objects, names := map[string]bool{}, map[string]bool{}
	for i, c := range all {
		path := PathCustomObject(i)
		if object := strings.ToLower(c.Object); object == "" {
			errs.Add(path+PartObject, "Choose the object.")
			continue // the rest follows from it
		} else if !IsName(c.Object) {
			errs.Add(path+PartObject, "“"+c.Object+"” is not the API name of an object. Choose one from the list.")
		} else if objects[object] {
			errs.Add(path+PartObject, c.Object+" is configured twice. Keep one of the two.")
		} else {
			objects[object] = true
		}
		if name := strings.ToLower(c.Name); name == "" {
			errs.Add(path+PartName, "Enter what these records are called.")
		} else if utf8.RuneCountInString(name) > 80 {
			errs.Add(path+PartName, "The name is longer than 80 characters.")
		} else if names[name] {
			errs.Add(path+PartName, "Another object is called “"+c.Name+"” too.")
		} else {
			names[name] = true
		}
		if c.Parent != ParentAccount && c.Parent != ParentContact {
			errs.Add(path+PartParent, "Choose Account or Contact.")
		}
		if c.Match == "" {
			errs.Add(path+PartMatch, "Choose the field that links to the parent.")
		}
		validateName(errs, path+PartMatch, c.Match)
		validateName(errs, path+PartTo, c.To)
		validateNames(errs, path+PartFields, c.Fields)
	}
}

func (c *CustomObject) normalize() {
	c.Object, c.Name, c.Match, c.To, c.Filter = clean(c.Object), strings.Join(strings.Fields(c.Name), " "), clean(c.Match), clean(c.To), clean(c.Filter)
	c.Fields = cleanNames(c.Fields)
	c.Parent = Parent(orElse(clean(string(c.Parent)), string(ParentAccount)))
}

// entries names the parts by the object, so that a list in another order is no difference.
func (c CustomObject) entries(i int) []entry {
	path, label := PathCustomObjects+"."+strings.ToLower(c.Object), c.Object
	if c.Object == "" {
		path, label = PathCustomObject(i), fmt.Sprintf("Custom object %d", i+1)
	}
	fields := strings.Join(c.Fields, ", ")
	if fields == "" {
		fields = "all readable fields"
	}
	return []entry{
		{path + PartObject, label + ": object", c.Object},
		{path + PartName, label + ": name", c.Name},
		{path + PartParent, label + ": parent", string(c.Parent)},
		{path + PartMatch, label + ": matching field", c.Match},
		{path + PartTo, label + ": matched External ID", c.To},
		{path + PartFilter, label + ": filter", c.Filter},
		{path + PartFields, label + ": fields", fields},
	}
}
