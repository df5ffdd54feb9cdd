package settings

import "strings"

// ValueMode says where a value of an account comes from.
type ValueMode string

// The value modes.
const (
	NoValue         ValueMode = "none"       // it is not synced
	DirectValue     ValueMode = "direct"     // a field of the account holds it
	CalculatedValue ValueMode = "calculated" // it is computed from related records
)

// Combine says how the values of several related records become one.
type Combine string

// The ways to combine. A renewal date knows no sum.
const (
	Sum    Combine = "sum"
	Max    Combine = "max"
	Latest Combine = "latest" // the value of the record that is last by ValueRule.LatestBy
)

// Label returns the way's name as people read it.
func (c Combine) Label() string {
	switch c {
	case Sum:
		return "Sum"
	case Max:
		return "Largest"
	case Latest:
		return "Latest"
	}
	return string(c)
}

// ValueRule says where an account's ARR, a number, or its renewal date comes from. The names are API names. What a mode does not use is kept, so
// that trying another mode loses nothing.
type ValueRule struct {
	Mode     ValueMode `json:"mode"`
	Field    string    `json:"field,omitempty"`     // direct: the Account field
	Object   string    `json:"object,omitempty"`    // calculated: the related object
	Link     string    `json:"link,omitempty"`      // the field of Object that points to the account
	Value    string    `json:"value,omitempty"`     // the field of Object with the value
	Combine  Combine   `json:"combine,omitempty"`   // how several become one
	LatestBy string    `json:"latest_by,omitempty"` // the date or date and time field of Object by which the latest is found
	Filter   string    `json:"filter,omitempty"`    // a SOQL condition on Object, or empty for all records
}

// Field paths of the two rules; the parts of a rule follow after a dot.
const (
	PathARR     = "arr"
	PathRenewal = "renewal"
)

// The parts of a ValueRule's field path.
const (
	PartMode     = ".mode"
	PartField    = ".field"
	PartObject   = ".object"
	PartLink     = ".link"
	PartValue    = ".value"
	PartCombine  = ".combine"
	PartLatestBy = ".latest_by"
	PartFilter   = ".filter"
)

// Origin says where the value comes from, for the middle of a line; it is empty when it is not synced.
func (v ValueRule) Origin() string {
	text := ""
	switch {
	case v.Mode == DirectValue:
		return "from " + v.Field
	case v.Mode != CalculatedValue:
		return ""
	case v.Combine == Latest:
		text = "latest " + v.Value + " of " + v.Object + " by " + v.LatestBy
	case v.Combine == Max:
		text = "largest " + v.Value + " of " + v.Object
	default:
		text = "sum of " + v.Value + " over " + v.Object
	}
	if v.Filter != "" {
		text += " where " + strings.Join(strings.Fields(v.Filter), " ")
	}
	return text
}

func (v ValueRule) validate(errs FieldErrors, path string) {
	switch v.Mode {
	case NoValue:
		return
	case DirectValue:
		if v.Field == "" {
			errs.Add(path+PartField, "Choose the Account field that holds the value.")
		}
		validateName(errs, path+PartField, v.Field)
		return
	case CalculatedValue:
	default:
		errs.Add(path+PartMode, "Choose None, Direct field or Calculated from related records.")
		return
	}
	for _, f := range []struct{ part, name, missing string }{
		{PartObject, v.Object, "Choose the object whose records are counted."},
		{PartLink, v.Link, "Choose the field that points to the account."},
		{PartValue, v.Value, "Choose the field that holds the value."},
	} {
		if f.name == "" {
			errs.Add(path+f.part, f.missing)
		}
		validateName(errs, path+f.part, f.name)
	}
	switch {
	case v.Combine == Latest:
		if v.LatestBy == "" {
			errs.Add(path+PartLatestBy, "Choose the date by which the latest record is found.")
		}
		validateName(errs, path+PartLatestBy, v.LatestBy)
	case v.Combine == Sum && path == PathRenewal:
		errs.Add(path+PartCombine, "Dates cannot be added up. Choose Largest or Latest.")
	case v.Combine != Sum && v.Combine != Max:
		errs.Add(path+PartCombine, "Choose how the values of several records become one.")
	}
}

func (v *ValueRule) normalize() {
	v.Mode = ValueMode(orElse(clean(string(v.Mode)), string(NoValue)))
	for _, t := range []*string{&v.Field, &v.Object, &v.Link, &v.Value, &v.LatestBy, &v.Filter} {
		*t = clean(*t)
	}
}

func (v ValueRule) entries(path, label string) []entry {
	return []entry{
		{path + PartMode, label + ": origin", string(v.Mode)},
		{path + PartField, label + ": field", v.Field},
		{path + PartObject, label + ": related object", v.Object},
		{path + PartLink, label + ": link to the account", v.Link},
		{path + PartValue, label + ": value field", v.Value},
		{path + PartCombine, label + ": combined by", string(v.Combine)},
		{path + PartLatestBy, label + ": latest by", v.LatestBy},
		{path + PartFilter, label + ": filter", v.Filter},
	}
}
