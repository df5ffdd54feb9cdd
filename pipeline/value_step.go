package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// ValueKind is a value of an account that a settings.ValueRule gives.
type ValueKind string

// The kinds of values. They are the names of their steps too.
const (
	ARR     ValueKind = "arr"     // a number with a currency
	Renewal ValueKind = "renewal" // a date
)

// ValueKinds lists both kinds.
var ValueKinds = []ValueKind{ARR, Renewal}

// Label returns the value's name as people read it.
func (k ValueKind) Label() string {
	if k == Renewal {
		return "Renewal dates"
	}
	return "ARR"
}

// Rule returns the rule of the kind.
func (k ValueKind) Rule(s settings.Settings) settings.ValueRule {
	if k == Renewal {
		return s.Renewal
	}
	return s.ARR
}

// Columns returns the columns of accounts that hold the value.
func (k ValueKind) Columns() []string {
	if k == Renewal {
		return []string{"renewal_date"}
	}
	return []string{"arr", "arr_currency"}
}

// Calculation is what is worked out when a step is done: the value of each account from the records that the step has read.
type Calculation struct {
	Kind  ValueKind
	Rule  settings.ValueRule
	Rates bool // the run reads the rates of the org's currencies
}

// currencies holds the rates by which values in several currencies are brought into the corporate one.
var currencies = Table{
	Object: "CurrencyType", Name: "currencies", Entity: "currency", Label: "Currencies", Quiet: true,
	Columns: []Column{
		{"IsoCode", "iso_code", Text}, {"ConversionRate", "rate", Number}, {"IsCorporate", "is_corporate", Bool}, {"SystemModstamp", "system_modstamp", DateTime},
	},
}

// currencyField holds a record's currency in orgs with several; other orgs do not have it.
const currencyField = "CurrencyIsoCode"

// valueTable returns the records that a calculated value is made of. CurrencyIsoCode is left out where the org has none.
func valueTable(k ValueKind, rule settings.ValueRule) Table {
	t := Table{
		Object: rule.Object, Name: "value_records", Set: string(k), Entity: "value", Label: k.Label(), Quiet: true, Parent: "account_id",
		Keys:    []Key{{"kind", string(k)}},
		Columns: []Column{{rule.Link, "account_id", ID}},
	}
	if k == Renewal {
		t.Columns = append(t.Columns, Column{rule.Value, "day", Date})
	} else {
		t.Columns = append(t.Columns, Column{rule.Value, "amount", Number}, Column{currencyField, "currency", Text})
	}
	if rule.Combine == settings.Latest {
		t.Columns = append(t.Columns, Column{rule.LatestBy, "latest_by", Moment})
	}
	t.Columns = append(t.Columns, Column{"SystemModstamp", "system_modstamp", DateTime})
	return t
}

// accountValues adds to the accounts the columns of the values: filled from the field of a direct rule, emptied where there is no rule, and left alone
// where the value is calculated.
func accountValues(t Table, s settings.Settings) Table {
	for _, k := range ValueKinds {
		switch rule := k.Rule(s); rule.Mode {
		case settings.NoValue:
			t.Cleared = append(t.Cleared, k.Columns()...)
		case settings.DirectValue:
			if k == Renewal {
				t.Columns = append(t.Columns, Column{rule.Field, "renewal_date", Date})
			} else {
				t.Columns = append(t.Columns, Column{rule.Field, "arr", Number}, Column{currencyField, "arr_currency", Text})
				t.Beside = append(t.Beside, Beside{"arr_currency", rule.Field})
			}
		}
	}
	return t
}

// unfitValues lists the values that are taken from a field without such values.
func (p *planner) unfitValues(s settings.Settings) (out []unfit) {
	object := p.schema.Object(accounts.Object)
	for _, k := range ValueKinds {
		if rule := k.Rule(s); rule.Mode == settings.DirectValue && object != nil {
			if f := unfitValue(k, object, rule.Field); f != nil {
				out = append(out, unfit{k.Columns(), was(k) + leftAlone(k), f})
			}
		}
	}
	return out
}

// unfitValue says of a field that its values are not of the kind. A field that is not there is no mistake of the settings: it is left out.
func unfitValue(k ValueKind, object *soql.Object, field string) *Fault {
	f := fieldOf(object, field)
	if f == nil {
		return nil
	}
	kind, _ := kindOf(f.Type)
	switch {
	case k == ARR && kind != Number:
		return valueFault(k, "%s of %s, from which the ARR is taken, holds no numbers. Choose a number or currency field.", f.Name, object.Label)
	case k == Renewal && kind != Date:
		return valueFault(k, "%s of %s, from which the renewal date is taken, is not a date field. Choose one that is.", f.Name, object.Label)
	}
	return nil
}

// valueFault is a fault of the settings of ARR or the renewal date.
func valueFault(k ValueKind, format string, args ...any) *Fault {
	err := fmt.Errorf(format, args...)
	return &Fault{Kind: Fatal, Code: string(k) + "_invalid", Message: err.Error() + " The setting is under ARR & Renewal.", Err: err}
}

// refuse keeps a fault of the settings of ARR or the renewal date.
func (p *planner) refuse(k ValueKind, format string, args ...any) {
	if p.err == nil {
		p.err = valueFault(k, format, args...)
	}
}

// values plans the steps that read what calculated values are made of. A value whose object or fields are not there any more, or are none for it, stays as it is, which the
// step before says.
func (p *planner) values(s settings.Settings) {
	for _, k := range ValueKinds {
		rule := k.Rule(s)
		if rule.Mode != settings.CalculatedValue || p.err != nil {
			continue
		}
		object, missing := p.valueObject(k, rule)
		if p.lenient && p.err != nil {
			p.remark(was(k) + " not worked out and" + leftAlone(k) + ". " + FaultOf(p.err).Message)
			p.err = nil
			continue
		}
		if len(missing) > 0 {
			p.remark(fmt.Sprintf("%s not worked out and%s, because the connected Salesforce user cannot see %s.", was(k), leftAlone(k), strings.Join(missing, ", ")))
			continue
		}
		rated := p.err == nil && k == ARR && rule.Combine != settings.Latest && fieldOf(object, currencyField) != nil && p.currencies()
		p.addValue(Calculation{Kind: k, Rule: rule, Rates: rated}, nil)
	}
}

func leftAlone(k ValueKind) string {
	if k == Renewal {
		return " left as they were"
	}
	return " left as it was"
}

func was(k ValueKind) string {
	if k == Renewal {
		return "Renewal dates were"
	}
	return "ARR was"
}

// valueObject checks a calculated rule against the org and returns its object, or the names of what is not there.
func (p *planner) valueObject(k ValueKind, rule settings.ValueRule) (object *soql.Object, missing []string) {
	if object = p.schema.Object(rule.Object); object == nil {
		return nil, []string{rule.Object}
	}
	needed := []string{rule.Link, rule.Value}
	if rule.Combine == settings.Latest {
		needed = append(needed, rule.LatestBy)
	}
	for _, name := range needed {
		if fieldOf(object, name) == nil {
			missing = append(missing, rule.Object+"."+name)
		}
	}
	missing = append(missing, unknownFields(rule.Filter, rule.Object, p.schema)...)
	if len(missing) > 0 {
		return object, missing
	}
	if f := fieldOf(object, rule.Link); !slices.ContainsFunc(f.ReferenceTo, func(o string) bool { return strings.EqualFold(o, accounts.Object) }) {
		p.refuse(k, "%s of %s does not point to an account.", f.Name, object.Label)
	}
	if f := unfitValue(k, object, rule.Value); f != nil && p.err == nil {
		p.err = f
	}
	if f := fieldOf(object, rule.LatestBy); rule.Combine == settings.Latest && f.Type != "date" && f.Type != "datetime" {
		p.refuse(k, "%s of %s, by which the latest record is found, is neither a date nor a date and time.", f.Name, object.Label)
	}
	return object, nil
}

// unknownFields names the fields of a filter that the org does not have, or not for the connected user.
func unknownFields(filter, object string, schema soql.Schema) (names []string) {
	if filter == "" {
		return nil
	}
	for _, f := range soql.CheckFilter(filter, object, schema) {
		if f.Kind == soql.KindUnknownField {
			names = append(names, f.Object+"."+f.Subject)
		}
	}
	return names
}

// currencies plans the reading of the rates and reports whether the connected user can see them. Without them, values in several currencies are not added up.
func (p *planner) currencies() bool {
	o := p.schema.Object(currencies.Object)
	if o == nil || fieldOf(o, "ConversionRate") == nil {
		return false
	}
	p.add(currencies, Step{Name: currencies.Name, Label: currencies.Label}, nil)
	return p.err == nil
}

// addValue plans the step of one calculated value: from the records of all accounts, or from those that a condition of ours selects.
func (p *planner) addValue(c Calculation, only soql.Expr) (read, count *soql.Composed) {
	k, rule := c.Kind, c.Rule
	s := Step{Name: string(k), Label: k.Label(), Calculation: &c, unsteady: p.unsteady("the filter of "+k.Label(), rule.Filter, rule.Object)}
	p.complete(valueTable(k, rule), s, func(fields []string, _ soql.Expr) (string, string, error) {
		where, err := only, error(nil)
		if where == nil {
			where, err = soql.Compare(rule.Link, soql.NotEqual, soql.Null())
		}
		if err != nil {
			return "", "", err
		}
		if rule.Filter == "" {
			return queries(rule.Object, fields, where)
		}
		if read, count, err = filtered(rule.Object, fields, rule.Filter, where); err != nil {
			return "", "", &Fault{Kind: Fatal, Code: string(k) + "_invalid", Message: fmt.Sprintf("The filter of %s is not valid: %s", k.Label(), err), Err: err}
		}
		return read.Text, count.Text, nil
	})
	return read, count
}

// remark adds a sentence to the note of the step before.
func (p *planner) remark(sentence string) {
	if n := len(p.plan.Steps); n > 0 {
		s := &p.plan.Steps[n-1]
		s.Note = strings.TrimSpace(s.Note + " " + sentence)
	}
}
