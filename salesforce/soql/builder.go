package soql

// Builder is a filter as rows of field, operator and values that must all hold. It writes the SOQL that it stands for, and FromFilter opens SOQL in it.
type Builder struct{ Rows []Row }

// Row is one condition of a Builder. Values are as a person types them: text without quotes, numbers, dates, ids. An operator that takes one value
// reads the first; SplitList makes several values of one text.
type Row struct {
	Field    string // a field's name or a path over relationships, such as Owner.Name
	Operator Operator
	Values   []string
}

// Operator is what a Row does with its field. Its text is stable and fit for forms.
type Operator string

// The operators of the builder.
const (
	OpEquals              Operator = "equals"
	OpNotEquals           Operator = "not-equals"
	OpContains            Operator = "contains"
	OpDoesNotContain      Operator = "does-not-contain"
	OpGreaterThan         Operator = "greater-than"
	OpLessThan            Operator = "less-than"
	OpGreaterThanOrEqual  Operator = "greater-than-or-equal"
	OpLessThanOrEqual     Operator = "less-than-or-equal"
	OpIsEmpty             Operator = "is-empty"
	OpIsNotEmpty          Operator = "is-not-empty"
	OpIsTrue              Operator = "is-true"
	OpIsFalse             Operator = "is-false"
	OpStartsWith          Operator = "starts-with"
	OpEndsWith            Operator = "ends-with"
	OpIsOneOf             Operator = "is-one-of"
	OpIsNotOneOf          Operator = "is-not-one-of"
	OpHasProperty         Operator = "has-property"
	OpDoesNotHaveProperty Operator = "does-not-have-property"
)

// operatorLabels holds every operator with its name for people.
var operatorLabels = map[Operator]string{
	OpEquals: "Equals", OpNotEquals: "Not equals", OpContains: "Contains", OpDoesNotContain: "Does not contain",
	OpGreaterThan: "Greater than", OpLessThan: "Less than", OpGreaterThanOrEqual: "Greater than or equal", OpLessThanOrEqual: "Less than or equal",
	OpIsEmpty: "Is empty", OpIsNotEmpty: "Is not empty", OpIsTrue: "Is true", OpIsFalse: "Is false", OpStartsWith: "Starts with", OpEndsWith: "Ends with",
	OpIsOneOf: "Is one of", OpIsNotOneOf: "Is not one of", OpHasProperty: "Has property", OpDoesNotHaveProperty: "Does not have property",
}

// Label returns the operator as people read it; for what is no operator, the text itself.
func (o Operator) Label() string {
	if label, ok := operatorLabels[o]; ok {
		return label
	}
	return string(o)
}

// InputKind says how the values of a Row are entered.
type InputKind string

// The kinds of input. How each is typed, InputOf's Hint says.
const (
	InputNone          InputKind = "none" // the operator takes no value
	InputText          InputKind = "text"
	InputNumber        InputKind = "number"
	InputDate          InputKind = "date"
	InputDateTime      InputKind = "datetime"
	InputTime          InputKind = "time"
	InputPicklist      InputKind = "picklist"
	InputMultiPicklist InputKind = "multi-picklist"
	InputBoolean       InputKind = "boolean" // a checkbox; its operators take no value
	InputID            InputKind = "id"
)

// Input describes the value input of an operator on a field.
type Input struct {
	Kind    InputKind
	Many    bool            // several values; as one text they are separated by commas, which SplitList reads
	Hint    string          // how a value is typed; empty for InputNone
	Options []PicklistValue // of a picklist; values outside it are allowed, since records may hold them
}

// kindOf sorts a describe's field types by how their values are entered; what the builder cannot filter by is InputNone.
func kindOf(typ string) InputKind {
	switch typ {
	case "string", "textarea", "url", "email", "phone", "combobox", "encryptedstring":
		return InputText
	case "int", "long", "double", "percent", "currency":
		return InputNumber
	case "date":
		return InputDate
	case "datetime":
		return InputDateTime
	case "time":
		return InputTime
	case "picklist":
		return InputPicklist
	case "multipicklist":
		return InputMultiPicklist
	case "boolean":
		return InputBoolean
	case "id", "reference":
		return InputID
	}
	return InputNone
}

var (
	emptiness = []Operator{OpIsEmpty, OpIsNotEmpty, OpHasProperty, OpDoesNotHaveProperty}
	equality  = []Operator{OpEquals, OpNotEquals}
	membering = []Operator{OpIsOneOf, OpIsNotOneOf}
	texting   = []Operator{OpContains, OpDoesNotContain, OpStartsWith, OpEndsWith}
	ordering  = []Operator{OpGreaterThan, OpLessThan, OpGreaterThanOrEqual, OpLessThanOrEqual}
)

// operatorsByKind holds, in the order of a menu, what the builder offers.
var operatorsByKind = map[InputKind][]Operator{
	InputText:          joined(equality, texting, membering, emptiness),
	InputPicklist:      joined(equality, membering, texting, emptiness),
	InputMultiPicklist: joined([]Operator{OpContains, OpDoesNotContain}, membering, equality, emptiness),
	InputNumber:        joined(equality, ordering, membering, emptiness),
	InputDate:          joined(equality, ordering, membering, emptiness),
	InputDateTime:      joined(equality, ordering, emptiness),
	InputTime:          joined(equality, ordering, emptiness),
	InputBoolean:       {OpIsTrue, OpIsFalse},
	InputID:            joined(equality, membering, emptiness),
}

func joined(lists ...[]Operator) []Operator {
	var all []Operator
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// Operators returns the operators that the builder offers for a field, in the order of a menu. There are none for a field that Salesforce cannot filter
// by, and for compound fields, whose parts can be filtered instead.
func Operators(f Field) []Operator {
	if !f.Filterable {
		return nil
	}
	if f.Type == "id" { // every record has one
		return joined(equality, membering)
	}
	return append([]Operator(nil), operatorsByKind[kindOf(f.Type)]...)
}

// InputOf returns how the values of the operator are entered for the field.
func InputOf(f Field, o Operator) Input {
	kind := kindOf(f.Type)
	switch o {
	case OpIsEmpty, OpIsNotEmpty, OpHasProperty, OpDoesNotHaveProperty, OpIsTrue, OpIsFalse:
		return Input{Kind: InputNone}
	case OpContains, OpDoesNotContain, OpStartsWith, OpEndsWith:
		if kind != InputMultiPicklist {
			return Input{Kind: InputText, Hint: "The text as it stands; % and _ are ordinary characters."}
		}
	}
	in := Input{Kind: kind, Many: kind == InputMultiPicklist || o == OpIsOneOf || o == OpIsNotOneOf}
	switch kind {
	case InputText:
		in.Hint = "The text without quotes; capital and small letters count the same."
	case InputPicklist, InputMultiPicklist:
		in.Hint, in.Options = "The value's API name, without quotes.", f.Picklist
	case InputNumber:
		in.Hint = "Digits with a point for decimals, such as 50000 or -2.5."
		if f.Type == "currency" {
			in.Hint += " With several currencies, USD5000 compares across them."
		}
	case InputDate:
		in.Hint = "A day such as 2026-01-31, or a relative date such as TODAY or LAST_N_DAYS:30."
	case InputDateTime:
		in.Hint = "A moment with its time zone, such as 2026-01-31T10:00:00Z, or a relative date such as TODAY or LAST_N_DAYS:30."
	case InputTime:
		in.Hint = "A time of day such as 10:00:00Z."
	case InputID:
		in.Hint = "A record id of 15 or 18 characters, such as 001000000000001AAA."
	}
	if in.Many {
		in.Hint += " Separate several by commas; a value that itself holds a comma goes in double quotes."
	}
	return in
}

// Help says in plain words which records the operator selects on the field, and what it does with records in which the field is empty.
func (o Operator) Help(f Field) string {
	multi := f.Type == "multipicklist"
	const withEmpty = " Records in which the field is empty are included."
	const withoutEmpty = " Records in which the field is empty are not included."
	switch o {
	case OpEquals:
		if multi {
			return "Exactly these values are chosen, no more and no less, in any order." + withoutEmpty
		}
		return "The field is exactly this value." + letters(f) + relative(f, " A relative date stands for its whole period.") + withoutEmpty
	case OpNotEquals:
		if multi {
			return "Other values are chosen than exactly these." + withEmpty
		}
		return "The field is anything but this value." + letters(f) + relative(f, " A relative date stands for its whole period.") + withEmpty
	case OpContains:
		if multi {
			return "All of these values are chosen, others may be too." + withoutEmpty
		}
		return "The text stands somewhere in the field." + letters(f) + withoutEmpty
	case OpDoesNotContain:
		if multi {
			return "Not all of these values are chosen." + withEmpty
		}
		return "The text stands nowhere in the field." + letters(f) + withEmpty
	case OpStartsWith:
		return "The field begins with the text." + letters(f) + withoutEmpty
	case OpEndsWith:
		return "The field ends with the text." + letters(f) + withoutEmpty
	case OpGreaterThan:
		return "The field is above this value." + relative(f, " With a relative date: after the end of its period.") + withoutEmpty
	case OpGreaterThanOrEqual:
		return "The field is this value or above it." + relative(f, " With a relative date: within its period or after it.") + withoutEmpty
	case OpLessThan:
		return "The field is below this value." + relative(f, " With a relative date: before the beginning of its period.") + withoutEmpty
	case OpLessThanOrEqual:
		return "The field is this value or below it." + relative(f, " With a relative date: within its period or before it.") + withoutEmpty
	case OpIsOneOf:
		if multi {
			return "At least one of these values is chosen." + withoutEmpty
		}
		return "The field is exactly one of these values." + letters(f) + withoutEmpty
	case OpIsNotOneOf:
		if multi {
			return "None of these values is chosen." + withEmpty
		}
		return "The field is none of these values." + letters(f) + withEmpty
	case OpIsEmpty:
		return "The field holds nothing. Salesforce does not tell an empty text from no value."
	case OpIsNotEmpty:
		return "The field holds a value."
	case OpHasProperty:
		return "The connected user can read the field, and the record has a value in it. For a field that the user can read this is the same as Is not empty; " +
			"a field that the user cannot read is reported here instead of counting as missing everywhere."
	case OpDoesNotHaveProperty:
		return "The connected user can read the field, and the record has no value in it. For a field that the user can read this is the same as Is empty; " +
			"a field that the user cannot read is reported here instead of counting as missing everywhere."
	case OpIsTrue:
		return "The box is ticked."
	case OpIsFalse:
		return "The box is not ticked. A checkbox is never empty; behind a relationship, records without the related record are not included."
	}
	return ""
}

func letters(f Field) string {
	switch kindOf(f.Type) {
	case InputText, InputPicklist:
		return " Capital and small letters count the same, unless the field is marked as case-sensitive."
	}
	return ""
}

func relative(f Field, sentence string) string {
	switch kindOf(f.Type) {
	case InputDate, InputDateTime:
		return sentence
	}
	return ""
}
