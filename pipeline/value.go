package pipeline

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
)

// RowWriter takes rows in column order. EndRow returns a *RowError when a value of the row cannot be stored: that row is left out, and writing may
// go on. Any other error ends the page.
type RowWriter interface {
	Null()
	Bytes([]byte)
	String(string)
	EndRow() error
}

// RowError is a record that could not be taken over.
type RowError struct {
	Line    int64  // of the record in its page, counted from 1; 0 when it is not known
	ID      string // of the record; empty when it has no valid one
	Name    string // of the record, where the page has it
	Field   string // the column or field with the offending value
	Message string // a plain sentence
}

// Error implements error.
func (e *RowError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Message) }

// check returns what is wrong with v as a value of kind k, or "". An empty v is a NULL and always right; text is checked by the RowWriter.
func (k Kind) check(v []byte) (wrong string) {
	if len(v) == 0 {
		return ""
	}
	ok := true
	switch k {
	case ID:
		var id [18]byte
		ok = fullID(&id, v)
	case Number:
		ok = isNumber(v)
	case Date:
		ok = len(v) == 10 && isDate(v)
	case DateTime:
		ok = isDateTime(v)
	case Moment:
		ok = len(v) == 10 && isDate(v) || isDateTime(v)
	case Bool:
		ok = string(v) == "true" || string(v) == "false"
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("%q is not %s.", excerpt(v), k.noun())
}

// write writes a checked value.
func (k Kind) write(w RowWriter, v []byte) {
	switch {
	case len(v) == 0:
		w.Null()
	case k == ID && len(v) == 15:
		var id [18]byte
		fullID(&id, v)
		w.Bytes(id[:])
	case k == Domain:
		if d := domain(string(v)); d != "" {
			w.String(d)
		} else {
			w.Null()
		}
	case k == Moment && len(v) == 10:
		w.String(string(v) + "T00:00:00Z")
	default:
		w.Bytes(v)
	}
}

func (k Kind) noun() string {
	return [...]string{"a text", "a Salesforce id", "a number", "a date", "a date and time", "true or false", "a web address", "a date or a date and time"}[k]
}

// excerpt shortens a value for a message and keeps it printable.
func excerpt(v []byte) string {
	s := strings.ReplaceAll(strings.ToValidUTF8(string(v[:min(len(v), 60)]), "�"), "\x00", "�") // Postgres holds no NUL
	if len(v) > 60 {
		s += "…"
	}
	return s
}

const checkDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

// noIDChar marks what no id holds.
const noIDChar = 1 << 7

// idChars says of each character whether it is a capital letter, 1, another one of an id, 0, or noIDChar.
var idChars = func() (kinds [256]byte) {
	for c := range kinds {
		switch {
		case 'A' <= c && c <= 'Z':
			kinds[c] = 1
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		default:
			kinds[c] = noIDChar
		}
	}
	return kinds
}()

// fullID writes the 18-character form of the id v into out. It refuses what is no id, and an 18-character id whose check characters do not fit, such
// as one whose letters changed case on the way.
func fullID(out *[18]byte, v []byte) bool {
	if len(v) != 15 && len(v) != 18 {
		return false
	}
	for group := range 3 {
		g := v[group*5 : group*5+5]
		k0, k1, k2, k3, k4 := idChars[g[0]], idChars[g[1]], idChars[g[2]], idChars[g[3]], idChars[g[4]]
		if (k0|k1|k2|k3|k4)&noIDChar != 0 {
			return false
		}
		out[15+group] = checkDigits[k0|k1<<1|k2<<2|k3<<3|k4<<4]
	}
	copy(out[:15], v)
	return len(v) == 15 || bytes.Equal(out[15:], v[15:])
}

// maxExponent keeps numbers within what Postgres' numeric holds exactly.
const maxExponent = 1000

// isNumber accepts a finite decimal, with or without an exponent.
func isNumber(v []byte) bool {
	i, digits := 0, 0
	if v[0] == '-' || v[0] == '+' {
		i++
	}
	for ; i < len(v) && isDigit(v[i]); i++ {
		digits++
	}
	if i < len(v) && v[i] == '.' {
		for i++; i < len(v) && isDigit(v[i]); i++ {
			digits++
		}
	}
	if digits == 0 || digits > maxExponent {
		return false
	}
	if i == len(v) {
		return true
	}
	return (v[i] == 'e' || v[i] == 'E') && isExponent(v[i+1:])
}

func isExponent(v []byte) bool {
	if len(v) > 0 && (v[0] == '-' || v[0] == '+') {
		v = v[1:]
	}
	n, ok := number(v)
	return ok && len(v) <= 4 && n <= maxExponent
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number reads v, digits only, as an integer.
func number(v []byte) (n int, ok bool) {
	for _, c := range v {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, len(v) > 0
}

// isDate accepts YYYY-MM-DD at the start of v, of a day that exists.
func isDate(v []byte) bool {
	if len(v) < 10 || v[4] != '-' || v[7] != '-' {
		return false
	}
	y, ok1 := number(v[:4])
	m, ok2 := number(v[5:7])
	d, ok3 := number(v[8:10])
	return ok1 && ok2 && ok3 && y >= 1 && m >= 1 && m <= 12 && d >= 1 && d <= daysIn(y, m)
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// isDateTime accepts 2024-01-31T10:00:00.000Z and the forms with +0000 and +00:00; the fraction may be missing.
func isDateTime(v []byte) bool {
	if len(v) < 20 || !isDate(v) || v[10] != 'T' || v[13] != ':' || v[16] != ':' {
		return false
	}
	h, ok1 := number(v[11:13])
	m, ok2 := number(v[14:16])
	s, ok3 := number(v[17:19])
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || s > 59 {
		return false
	}
	v = v[19:]
	if v[0] == '.' {
		n := 1
		for n < len(v) && isDigit(v[n]) {
			n++
		}
		if n == 1 || n > 10 {
			return false
		}
		v = v[n:]
	}
	return isZone(v)
}

func isZone(v []byte) bool {
	if len(v) == 1 {
		return v[0] == 'Z'
	}
	if len(v) == 6 && v[3] == ':' {
		v = []byte{v[0], v[1], v[2], v[4], v[5]}
	}
	if len(v) != 5 || v[0] != '+' && v[0] != '-' {
		return false
	}
	h, ok1 := number(v[1:3])
	m, ok2 := number(v[3:])
	return ok1 && ok2 && h <= 15 && m <= 59
}

// domain returns the host name of a web address as people type it, in lower case and without "www."; "" when there is none.
func domain(website string) string {
	s := strings.ToLower(strings.TrimSpace(website))
	if plainHost(s) {
		return strings.TrimPrefix(s, "www.")
	}
	if host, ok := plainAddress(s); ok {
		return strings.TrimPrefix(host, "www.")
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || !plainHost(u.Hostname()) {
		return ""
	}
	return strings.TrimPrefix(u.Hostname(), "www.")
}

// plainAddress returns the host of an address without anything in it that needs a closer look, as nearly all are.
func plainAddress(s string) (host string, ok bool) {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	for _, c := range []byte(rest[end:]) {
		if c <= ' ' || c >= 0x7f || c == '%' {
			return "", false
		}
	}
	return rest[:end], ok && plainHost(rest[:end])
}

// plainHost reports whether s is a host name with at least one dot and nothing around it.
func plainHost(s string) bool {
	dot := false
	for i, c := range s {
		switch {
		case c == '.':
			if i == 0 || i == len(s)-1 {
				return false
			}
			dot = true
		case c == '-', '0' <= c && c <= '9', 'a' <= c && c <= 'z', c >= 0x80:
		default:
			return false
		}
	}
	return dot
}
