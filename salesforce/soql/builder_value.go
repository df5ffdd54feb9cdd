package soql

import (
	"strings"
	"time"
)

// typed turns what a person typed for the field into a literal, or says in a sentence why it cannot.
func typed(f *Field, text string) (*Literal, string) {
	kind := kindOf(f.Type)
	switch kind {
	case InputText, InputPicklist:
		return Text(text), ""
	case InputMultiPicklist:
		if strings.Contains(text, ";") {
			return nil, "A value of a multi-select picklist holds no semicolon. Separate several values by commas."
		}
		return Text(text), ""
	case InputID:
		return typedID(f, strings.TrimSpace(text))
	}
	text = strings.TrimSpace(text)
	l := literalOf(text)
	if l == nil && kind == InputDateTime {
		l = momentOf(text)
	}
	if l == nil {
		l = &Literal{Kind: NullLiteral}
	}
	switch kind {
	case InputNumber:
		if l.Kind == NumberLiteral || l.Kind == CurrencyLiteral && f.Type == "currency" {
			return l, ""
		}
		return nil, said(text) + " is not a number. Write digits with a point for decimals and no separators, such as 1000000 or -2.5."
	case InputDate:
		switch l.Kind {
		case NamedDateLiteral:
			return l, ""
		case DateLiteral:
			if l.valid() {
				return l, ""
			}
			return nil, said(text) + " does not exist in the calendar. Dates run from 1700-01-01 to 4000-12-31."
		case DateTimeLiteral:
			return nil, f.Name + " is a date without a time. Write " + text[:len("2026-01-31")] + "."
		}
		return nil, said(text) + " is not a date. Write year, month and day, such as 2026-01-31, or a relative date such as TODAY or LAST_N_DAYS:30."
	case InputDateTime:
		switch l.Kind {
		case NamedDateLiteral:
			return l, ""
		case DateTimeLiteral:
			if l.valid() {
				return l, ""
			}
			return nil, said(text) + " does not exist in the calendar or on the clock. Dates run from 1700-01-01 to 4000-12-31."
		case DateLiteral:
			return nil, f.Name + " is a date with a time. Write the moment with its time zone, such as " + text + "T00:00:00Z."
		}
		return nil, said(text) + " is not a date with a time. Write it with its time zone, such as 2026-01-31T10:00:00Z, or a relative date such as TODAY or LAST_N_DAYS:30."
	case InputTime:
		if l.Kind == TimeLiteral && l.valid() {
			return l, ""
		}
		return nil, said(text) + " is not a time of day. Write it such as 10:00:00Z."
	}
	return nil, f.Name + " " + holds[f.Type] + " and takes no value."
}

func said(text string) string { return "“" + shortened(text) + "”" }

// literalOf reads one value of SOQL that is not a text, or returns nil.
func literalOf(text string) *Literal {
	p := &parser{tokens: lex(text), text: text}
	if kind := p.peek().kind; kind == tokString || kind == tokEOF {
		return nil
	}
	l := p.value(inWhere, Equal)
	if l == nil || p.peek().kind != tokEOF || p.first != nil {
		return nil
	}
	l.Span = Span{}
	return l
}

// momentOf reads the forms in which people and browsers write a moment and SOQL does not: with a blank for the T, or without seconds. A time zone
// is still needed.
func momentOf(text string) *Literal {
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02 15:04Z07:00", "2006-01-02 15:04:05Z07:00"} {
		if t, err := time.Parse(layout, strings.ToUpper(text)); err == nil {
			return &Literal{Kind: DateTimeLiteral, Text: t.Format("2006-01-02T15:04:05Z07:00")}
		}
	}
	return nil
}

// typedID checks the form of an id.
func typedID(f *Field, text string) (*Literal, string) {
	switch {
	case ValidID(text):
		return Text(text), ""
	case len(text) == 18 && ValidID(text[:15]):
		return nil, said(text) + " is not a valid id: its last three characters do not fit the others. Was the case of a letter changed?"
	case f.RelationshipName != "":
		return nil, said(text) + " is not an id of 15 or 18 letters and digits. To compare the name, choose the field " + f.RelationshipName + ".Name."
	}
	return nil, said(text) + " is not an id of 15 or 18 letters and digits."
}

// pattern is the LIKE pattern of exactly these characters between what stands before and behind them.
func pattern(before, text, behind string) *Literal {
	l := Text(before + text + behind)
	for i := len(before); i < len(l.Text)-len(behind); i++ {
		if c := l.Text[i]; c == '%' || c == '_' {
			l.Escaped = append(l.Escaped, i)
		}
	}
	return l
}
