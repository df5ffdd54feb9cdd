package web

import (
	"strings"
	"unicode/utf8"
)

// want is what can stand at a place of a condition.
type want int

const (
	wantNothing  want = iota
	wantField         // a field, or a path to one
	wantOperator      // what compares the field
	wantList          // the parenthesis behind IN
	wantValue         // a value of the field
	wantListed        // a value inside IN (…)
	wantJoiner        // AND or OR
)

// spot says what is being typed at the end of a text.
type spot struct {
	want    want
	field   string // the path that is compared, for wantOperator and the values
	partial string // what is typed of it so far; a text with its opening quote
}

// spotAt reads a condition up to the place where somebody types. It follows the order of field, operator, value and joiner, and forgives everything
// else: what is wrong with the text the checker says.
func spotAt(before string) spot {
	words, partial := cut(before)
	r := reader{want: wantField}
	for _, w := range words {
		r.read(w)
	}
	out := spot{want: r.want, field: r.field, partial: partial}
	if quoted := strings.HasPrefix(partial, "'"); quoted && r.want != wantValue && r.want != wantListed || strings.HasPrefix(partial, "\"") {
		out.want = wantNothing
	}
	return out
}

// reader follows a condition word by word.
type reader struct {
	want  want
	field string
	open  []byte // parentheses: g of a group, l of a list, f of a function, s of a subquery
}

func (r *reader) read(text string) {
	upper := strings.ToUpper(text)
	if n := len(r.open); n > 0 && r.open[n-1] == 's' {
		switch text {
		case "(":
			r.open = append(r.open, 's')
		case ")":
			r.shut()
		}
		return
	}
	switch {
	case text == "(" && r.want == wantField:
		r.open = append(r.open, 'g')
	case text == "(" && r.want == wantOperator: // the name before it is a function's
		r.open = append(r.open, 'f')
		r.want = wantField
	case text == "(":
		r.open = append(r.open, 'l')
		r.want = wantListed
	case text == ")":
		r.shut()
	case text == "," && r.want == wantJoiner && len(r.open) > 0 && r.open[len(r.open)-1] == 'l':
		r.want = wantListed
	case upper == "SELECT" && r.want == wantListed:
		r.open[len(r.open)-1] = 's'
		r.want = wantNothing
	case r.want == wantField && upper != "NOT":
		r.field, r.want = text, wantOperator
	case r.want == wantOperator && (upper == "IN" || upper == "INCLUDES" || upper == "EXCLUDES"):
		r.want = wantList
	case r.want == wantOperator && upper != "NOT":
		r.want = wantValue
	case r.want == wantValue || r.want == wantListed:
		r.want = wantJoiner
	case r.want == wantJoiner && (upper == "AND" || upper == "OR"):
		r.want = wantField
	}
}

// shut closes a parenthesis.
func (r *reader) shut() {
	r.want = wantJoiner
	n := len(r.open)
	if n == 0 {
		return
	}
	if r.open[n-1] == 'f' {
		r.want = wantOperator
	}
	r.open = r.open[:n-1]
	if n > 1 && r.open[n-2] == 's' {
		r.want = wantNothing
	}
}

// cut divides a condition into words; the one that reaches its end is still being typed.
func cut(text string) (done []string, partial string) {
	for i := 0; i < len(text); {
		c := text[i]
		end := i + 1
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '\'' || c == '"':
			open := true
			for ; end < len(text) && open; end++ {
				if text[end] == '\\' {
					end++
				} else if text[end] == c {
					open = false
				}
			}
			if open {
				return done, text[i:]
			}
		case strings.IndexByte("=!<>&|", c) >= 0:
			for end < len(text) && strings.IndexByte("=!<>&|", text[end]) >= 0 {
				end++
			}
		case inWord(c):
			for end < len(text) && inWord(text[end]) {
				end++
			}
			if end == len(text) {
				return done, text[i:]
			}
		}
		done = append(done, text[i:min(end, len(text))])
		i = end
	}
	return done, ""
}

func inWord(c byte) bool {
	return c >= utf8.RuneSelf || c == '_' || c == '.' || c == ':' || c == '-' || c == '+' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
