package soql

import "strings"

// SplitList takes a text of several values apart, at commas and line breaks. A value that holds one of them, or blanks at its ends that matter, stands in
// double quotes, in which a double quote is written twice. Empty places between commas count as nothing. The problem is a plain sentence, and empty when
// there is none.
func SplitList(text string) (values []string, problem string) {
	for rest := text; rest != ""; {
		rest = strings.TrimLeft(rest, " \t\r\n,")
		if rest == "" {
			break
		}
		if rest[0] != '"' {
			end := strings.IndexAny(rest, ",\r\n")
			if end < 0 {
				end = len(rest)
			}
			values = append(values, strings.TrimSpace(rest[:end]))
			rest = rest[end:]
			continue
		}
		value, after, ok := unquoted(rest)
		if !ok {
			return nil, "A double quote is opened and not closed. Close it behind the value, or write a double quote inside a quoted value twice."
		}
		values = append(values, value)
		rest = strings.TrimLeft(after, " \t")
		if rest != "" && !strings.ContainsRune(",\r\n", rune(rest[0])) {
			return nil, "A comma is missing behind the quoted value \"" + shortened(value) + "\"."
		}
	}
	return values, ""
}

// unquoted reads the value in double quotes at the start of s.
func unquoted(s string) (value, after string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] != '"':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			return b.String(), s[i+1:], true
		}
	}
	return "", "", false
}

// JoinList writes values as one text that SplitList takes apart into the same values.
func JoinList(values []string) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = v
		if v == "" || strings.ContainsAny(v, ",\r\n") || v[0] == '"' || strings.TrimSpace(v) != v {
			parts[i] = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
		}
	}
	return strings.Join(parts, ", ")
}
