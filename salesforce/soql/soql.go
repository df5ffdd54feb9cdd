// Package soql parses, checks, quotes and builds SOQL. It is pure: no I/O, no clock. Nothing else in the repository makes SOQL text.
package soql

// Pos is a place in a SOQL text. Line and Column are 1-based; columns count UTF-16 units, as Salesforce does, so that a character
// beyond the basic plane counts two. Offset is in bytes.
type Pos struct{ Offset, Line, Column int }

// Finding is one problem in a text that a person typed.
type Finding struct {
	Pos, End    Pos          // the offending token; End is exclusive
	Message     string       // a plain sentence, with the remedy where there is one
	Suggestions []Suggestion // nearest names, best first
	Fix         *Fix         // set only where the repair is certain
	Kind        Kind
	Warning     bool   // the text is valid SOQL and may be saved as it is
	Subject     string // what the finding is about, in the words of its Kind
	Object      string
	Want        string
	server      string // what Salesforce says, where the Kind alone does not tell
	code        string // its error code, likewise
}

// Suggestion is a field, object or relationship that the writer may have meant.
type Suggestion struct{ Name, Label string }

// Fix replaces the bytes from Start to End (exclusive offsets into the text) by Text.
type Fix struct {
	Start, End int
	Text       string
	Label      string // what the button says, such as "Use ="
}

// Schema answers what the checker wants to know about an org. A nil Schema means that only the syntax is checked.
type Schema interface {
	// Object returns the object of that API name, in any case of letters, or nil when the org (as the connected user sees it) has none.
	Object(name string) *Object
}

// Object is the part of an sObject describe that checking and planning need.
type Object struct {
	Name, Label string
	Queryable   bool
	Fields      []Field
	Children    []ChildRelationship
}

// Field is the part of a field describe that checking and planning need; Type is the describe's type, such as "picklist".
type Field struct {
	Name, Label, Type                                                           string
	RelationshipName                                                            string   // such as "Owner" for OwnerId; empty when there is none
	ReferenceTo                                                                 []string // objects a reference field may point to
	Length                                                                      int
	Filterable, Sortable, Groupable, Aggregatable, Nillable, Calculated, Custom bool
	ExternalID                                                                  bool
	Picklist                                                                    []PicklistValue
}

// PicklistValue is one value of a picklist with the label that users see.
type PicklistValue struct {
	Value, Label string
	Active       bool
}

// ChildRelationship is a relationship from a parent to its children, such as Contacts on Account.
type ChildRelationship struct{ Name, Object, Field string }
