package soql

import (
	"strings"
	"time"
)

func isNumber(typ string) bool {
	switch typ {
	case "int", "long", "double", "percent", "currency":
		return true
	}
	return false
}

// operator checks that the field's type allows the operator.
func (c *checker) operator(v *operandType, op Op, at Span, value *Literal) {
	if v.fn == FuncDistance {
		if op != Less && op != Greater && op != LessOrEqual && op != GreaterOrEqual {
			c.distanceOperator(at)
		}
		return
	}
	f := Finding{Kind: KindOperator, Subject: v.name, Object: v.object, Want: v.typ}
	ordered := op == Less || op == LessOrEqual || op == Greater || op == GreaterOrEqual
	switch {
	case op == Like:
		switch v.typ {
		case "string", "textarea", "url", "email", "phone", "picklist", "combobox", "anyType", "encryptedstring", "":
			if value.Kind != StringLiteral {
				f.Kind, f.Want = KindValueType, "string"
				f.Message = "LIKE is followed by a text in single quotes, such as 'Acme%'."
				c.note(value.Span, f)
			}
			return
		case "multipicklist":
			f.Message = "LIKE works only on text; " + v.described() + ". Use INCLUDES ('…')."
		default:
			f.Message = "LIKE works only on text; " + v.described() + ". Use = or IN."
		}
	case ordered && value.Kind == NullLiteral:
		f.Message = "NULL can be compared only with = and !=."
	case ordered && v.typ == "boolean":
		f.Message = string(op) + " does not work on a checkbox. Use = TRUE or = FALSE."
	case ordered && v.typ == "multipicklist":
		f.Message = string(op) + " does not work on a multi-select picklist. Use INCLUDES ('…'), EXCLUDES, = or !=."
	default:
		return
	}
	c.note(at, f)
}

func (c *checker) distanceOperator(at Span) {
	c.note(at, Finding{Kind: KindOperator, Subject: "DISTANCE", Want: "location", Message: "A distance can be compared only with < and >."})
}

// value checks that the literal is of the field's type.
func (c *checker) value(v *operandType, l *Literal) {
	if l == nil || l.Kind == NullLiteral {
		return
	}
	ok := true
	switch typ := v.typ; {
	case typ == "id" || typ == "reference":
		if l.Kind == StringLiteral {
			c.id(v, l)
			return
		}
		ok = false
	case typ == "boolean":
		ok = l.Kind == BoolLiteral
	case typ == "date":
		ok = l.Kind == DateLiteral || l.Kind == NamedDateLiteral
	case typ == "datetime":
		ok = l.Kind == DateTimeLiteral || l.Kind == NamedDateLiteral
	case typ == "time":
		ok = l.Kind == TimeLiteral
	case isNumber(typ):
		ok = l.Kind == NumberLiteral || l.Kind == CurrencyLiteral && typ == "currency"
	case typ == "anyType" || typ == "":
	default:
		ok = l.Kind == StringLiteral
	}
	if !ok {
		f := Finding{Kind: KindValueType, Subject: v.name, Object: v.object, Want: v.typ, Message: v.described() + ", but " + written(l) + ". " + example(v.typ)}
		if text := converted(v.typ, l); text != "" {
			f.Fix = c.fix(l.Span, text)
		}
		c.note(l.Span, f)
	}
}

// written says what the literal is, as seen by the writer.
func written(l *Literal) string {
	text := shortened(l.String())
	if l.Kind == StringLiteral {
		return text + " is text, since it stands in quotes"
	}
	return text + " is " + l.Kind.String()
}

// example tells how a value of the type is written.
func example(typ string) string {
	switch {
	case typ == "id" || typ == "reference":
		return "Write the id in single quotes: '001000000000001AAA'."
	case typ == "boolean":
		return "Write TRUE or FALSE without quotes."
	case typ == "date":
		return "Write a date such as 2026-01-31 or TODAY, without quotes and without a time."
	case typ == "datetime":
		return "Write a date with its time and zone, such as 2026-01-31T00:00:00Z, or a word such as TODAY, without quotes."
	case typ == "time":
		return "Write a time such as 10:00:00Z without quotes."
	case isNumber(typ):
		return "Write the number without quotes."
	}
	return "Put the value in single quotes."
}

// converted rewrites the literal for the type where that cannot change its meaning, or returns nothing.
func converted(typ string, l *Literal) string {
	if l.Kind != StringLiteral {
		switch typ {
		case "string", "picklist", "multipicklist", "textarea", "url", "email", "phone", "combobox":
			if l.Kind == NumberLiteral || l.Kind == BoolLiteral {
				return Quote(l.String())
			}
		case "date":
			if l.Kind == DateTimeLiteral {
				return l.Text[:len("2026-01-31")]
			}
		}
		return ""
	}
	inner := &parser{tokens: lex(l.Text), text: l.Text}
	got := inner.value(inWhere, Equal)
	if got == nil || inner.peek().kind != tokEOF || inner.first != nil || !got.valid() {
		return ""
	}
	switch {
	case isNumber(typ) && got.Kind == NumberLiteral, typ == "boolean" && got.Kind == BoolLiteral,
		typ == "date" && (got.Kind == DateLiteral || got.Kind == NamedDateLiteral),
		typ == "datetime" && (got.Kind == DateTimeLiteral || got.Kind == NamedDateLiteral),
		typ == "time" && got.Kind == TimeLiteral:
		return got.String()
	}
	return ""
}

// id checks the form of an id.
func (c *checker) id(v *operandType, l *Literal) {
	if l.Text == "" || ValidID(l.Text) {
		return
	}
	m := "An id has 15 or 18 letters and digits; " + shortened(l.String()) + " is none."
	if n := len(l.Text); n == 18 && ValidID(l.Text[:15]) {
		m = shortened(l.String()) + " is not a valid id: its last three characters do not fit the others. Was the case of a letter changed?"
	} else if v.field != nil && v.field.RelationshipName != "" {
		m += " To compare the name, write " + v.field.RelationshipName + ".Name."
	}
	c.note(l.Span, Finding{Kind: KindBadID, Subject: v.name, Object: v.object, Want: l.Text, Message: m})
}

// ValidID tells whether s is a record id: 15 letters and digits or, with the three that protect the case of the others, 18.
func ValidID(s string) bool {
	if len(s) != 15 && len(s) != 18 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isLetter(s[i]) && !isDigit(s[i]) {
			return false
		}
	}
	return len(s) == 15 || strings.EqualFold(s[15:], idSuffix(s[:15]))
}

// idSuffix computes the last three characters of an 18-character id: each stands for five characters, with a bit set for every capital.
func idSuffix(id string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	suffix := make([]byte, 3)
	for i := range suffix {
		bits := 0
		for j := range 5 {
			if ch := id[5*i+j]; ch >= 'A' && ch <= 'Z' {
				bits |= 1 << j
			}
		}
		suffix[i] = digits[bits]
	}
	return string(suffix)
}

// valid tells whether a date or time exists; every other literal is valid.
func (l *Literal) valid() bool {
	var layouts []string
	switch l.Kind {
	case DateLiteral:
		layouts = []string{"2006-01-02"}
	case DateTimeLiteral:
		layouts = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700"}
	case TimeLiteral:
		layouts = []string{"15:04:05Z07:00", "15:04:05Z0700"}
	default:
		return true
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, strings.ToUpper(l.Text)); err == nil {
			return l.Kind == TimeLiteral || t.Year() >= 1700 && t.Year() <= 4000
		}
	}
	return false
}
