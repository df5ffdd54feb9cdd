package sim

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// kind says what a value holds.
type kind uint8

const (
	kNull kind = iota
	kText
	kBool     // n is 0 or 1
	kNumber   // n × 10^-scale
	kDate     // n is days since 1970-01-01
	kDateTime // n is milliseconds since 1970-01-01T00:00Z
	kTime     // n is milliseconds since midnight
	kID       // n is a packed record id
)

// value is one field's value. The zero value is null.
type value struct {
	kind  kind
	scale uint8
	n     int64
	s     string
}

var null value

func textValue(s string) value {
	if s == "" {
		return null
	}
	return value{kind: kText, s: s}
}

func boolValue(b bool) value {
	if b {
		return value{kind: kBool, n: 1}
	}
	return value{kind: kBool}
}

func intValue(n int64) value                  { return value{kind: kNumber, n: n} }
func decimalValue(n int64, scale uint8) value { return value{kind: kNumber, n: n, scale: scale} }
func idValue(id int64) value                  { return value{kind: kID, n: id} }
func dateValue(days int64) value              { return value{kind: kDate, n: days} }
func timeValue(t time.Time) value             { return value{kind: kDateTime, n: t.UnixMilli()} }
func (v value) isNull() bool                  { return v.kind == kNull }
func (v value) isTrue() bool                  { return v.kind == kBool && v.n == 1 }
func (v value) time() time.Time               { return time.UnixMilli(v.n).UTC() }
func daysOf(t time.Time) int64                { return floorDiv(t.Unix(), 86400) }
func dayTime(days int64) time.Time            { return time.Unix(days*86400, 0).UTC() }
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

var pow10 = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// parseDecimal reads a decimal number, with or without an exponent, into at most 18 digits.
func parseDecimal(s string) (value, bool) {
	r, ok := new(big.Rat).SetString(s)
	if !ok || strings.ContainsAny(s, "/_xXbBoOpP") {
		return null, false
	}
	for scale := uint8(0); scale <= 18; scale++ {
		m := new(big.Rat).Mul(r, new(big.Rat).SetInt64(pow10[scale]))
		if m.IsInt() {
			if !m.Num().IsInt64() {
				return null, false
			}
			return decimalValue(m.Num().Int64(), scale), true
		}
	}
	f, _ := r.Float64()
	return numberFromFloat(f), true
}

// numberFromFloat keeps nine decimals of f, fewer when it is large.
func numberFromFloat(f float64) value {
	scale := uint8(9)
	for scale > 0 && math.Abs(f)*float64(pow10[scale]) >= 9e17 {
		scale--
	}
	return decimalValue(int64(math.Round(f*float64(pow10[scale]))), scale).trimmed()
}

// trimmed drops trailing zero decimals.
func (v value) trimmed() value {
	for v.scale > 0 && v.n%10 == 0 {
		v.n /= 10
		v.scale--
	}
	return v
}

// rounded returns the number with at most scale decimals, halves away from zero.
func (v value) rounded(scale int) value {
	for int(v.scale) > scale {
		d := int64(10)
		half := int64(5)
		if v.n < 0 {
			half = -5
		}
		if int(v.scale) == scale+1 {
			v.n = (v.n + half) / d
		} else {
			v.n /= d
		}
		v.scale--
	}
	return v
}

func (v value) float() float64 { return float64(v.n) / float64(pow10[v.scale]) }

// compareNumbers orders two numbers of any scales.
func compareNumbers(a, b value) int {
	if a.scale == b.scale {
		return compareInts(a.n, b.n)
	}
	x := new(big.Int).Mul(big.NewInt(a.n), big.NewInt(pow10[b.scale]))
	return x.Cmp(new(big.Int).Mul(big.NewInt(b.n), big.NewInt(pow10[a.scale])))
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compare orders two values of one kind, text without regard to case; null sorts before everything.
func compare(a, b value) int {
	switch {
	case a.kind == kNull || b.kind == kNull:
		return compareInts(int64(min(a.kind, 1)), int64(min(b.kind, 1)))
	case a.kind == kText || b.kind == kText:
		return compareFold(a.text(), b.text())
	case a.kind == kNumber && b.kind == kNumber:
		return compareNumbers(a, b)
	}
	return compareInts(a.n, b.n)
}

// compareFold orders two texts by their folded characters, without allocating.
func compareFold(a, b string) int {
	for a != "" && b != "" {
		x, y := rune(a[0]), rune(b[0])
		i, j := 1, 1
		if x >= utf8.RuneSelf {
			x, i = utf8.DecodeRuneInString(a)
		}
		if y >= utf8.RuneSelf {
			y, j = utf8.DecodeRuneInString(b)
		}
		if x != y {
			if x, y = fold(x), fold(y); x != y {
				return compareInts(int64(x), int64(y))
			}
		}
		a, b = a[i:], b[j:]
	}
	return compareInts(int64(len(a)), int64(len(b)))
}

// fold maps a character to the one that stands for all its cases.
func fold(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	s := strings.ToLower(string(r))
	r, _ = utf8.DecodeRuneInString(s)
	return r
}

// text returns the value as the bulk API writes it, unquoted; null is "".
func (v value) text() string {
	switch v.kind {
	case kText:
		return v.s
	case kNull:
		return ""
	}
	return string(v.appendText(nil, true))
}

// appendText appends the value as text. Datetimes end in Z when zulu is set, as in bulk results, and in +0000 as in REST JSON otherwise.
func (v value) appendText(dst []byte, zulu bool) []byte {
	switch v.kind {
	case kText:
		return append(dst, v.s...)
	case kBool:
		return strconv.AppendBool(dst, v.n == 1)
	case kNumber:
		return v.appendNumber(dst)
	case kDate:
		return appendDate(dst, v.n)
	case kDateTime:
		dst = appendDate(dst, floorDiv(v.n, 86_400_000))
		dst = append(dst, 'T')
		dst = appendClock(dst, v.n-floorDiv(v.n, 86_400_000)*86_400_000)
		if zulu {
			return append(dst, 'Z')
		}
		return append(dst, "+0000"...)
	case kTime:
		return append(appendClock(dst, v.n), 'Z')
	case kID:
		return appendID(dst, v.n)
	}
	return dst
}

// appendNumber writes integers plainly and decimals as Java's Double.toString does: always with a point, in E notation from ten million up.
// A number with a scale of its own, even 0 fraction digits used, came from a decimal field; plain integers have scale 0.
func (v value) appendNumber(dst []byte) []byte {
	if v.scale == 0 {
		return strconv.AppendInt(dst, v.n, 10)
	}
	n := v.n
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	whole, frac := n/pow10[v.scale], n%pow10[v.scale]
	exp := 0
	var buf [40]byte
	digits := strconv.AppendInt(buf[:0], whole, 10)
	if whole >= 10_000_000 {
		exp = len(digits) - 1
		dst = append(dst, digits[0], '.')
		rest := digits[1:]
		if frac != 0 {
			rest = appendPadded(rest, frac, int(v.scale))
		}
		dst = append(dst, trimZeros(rest)...)
		return strconv.AppendInt(append(dst, 'E'), int64(exp), 10)
	}
	dst = append(append(dst, digits...), '.')
	return append(dst, trimZeros(appendPadded(buf[20:20], frac, int(v.scale)))...)
}

// trimZeros drops trailing zeros but leaves one digit.
func trimZeros(b []byte) []byte {
	for len(b) > 1 && b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

func appendPadded(dst []byte, n int64, width int) []byte {
	for i := width - 1; i >= 0; i-- {
		dst = append(dst, byte('0'+n/pow10[i]%10))
	}
	return dst
}

// appendDate appends days since 1970 as YYYY-MM-DD, by the civil-from-days method, which is several times quicker than time.Format.
func appendDate(dst []byte, days int64) []byte {
	z := days + 719468
	era := floorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d := doy - (153*mp+2)/5 + 1
	m := mp + 3
	if m > 12 {
		m -= 12
	}
	y := yoe + era*400
	if m <= 2 {
		y++
	}
	return append(dst, byte('0'+y/1000%10), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-',
		byte('0'+m/10), byte('0'+m%10), '-', byte('0'+d/10), byte('0'+d%10))
}

// appendClock appends milliseconds since midnight as hh:mm:ss.mmm.
func appendClock(dst []byte, ms int64) []byte {
	s := ms / 1000
	h, m, sec, milli := s/3600, s/60%60, s%60, ms%1000
	return append(dst, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10), ':', byte('0'+sec/10), byte('0'+sec%10), '.',
		byte('0'+milli/100), byte('0'+milli/10%10), byte('0'+milli%10))
}

// appendJSON appends the value as REST JSON.
func (v value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case kNull:
		return append(dst, "null"...)
	case kBool, kNumber:
		return v.appendText(dst, false)
	case kText:
		return appendJSONString(dst, v.s)
	}
	return append(v.appendText(append(dst, '"'), false), '"')
}

// appendJSONString quotes s for JSON, leaving characters outside ASCII as they are.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[start:]...), '"')
}

// any returns the value as encoding/json would decode it, with numbers as float64 or int64 and all else as text.
func (v value) any() any {
	switch v.kind {
	case kNull:
		return nil
	case kBool:
		return v.n == 1
	case kNumber:
		if v.scale == 0 {
			return v.n
		}
		return v.float()
	}
	return string(v.appendText(nil, false))
}
