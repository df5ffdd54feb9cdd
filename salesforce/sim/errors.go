package sim

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// apiError is an error as the REST API shows it: one entry of a JSON array.
type apiError struct {
	status  int
	code    string
	message string
	fields  []string // nil leaves the key out
	extra   map[string]any
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// body is what goes on the wire; collections and trees name the code statusCode.
func (e *apiError) body(codeKey string) map[string]any {
	m := map[string]any{"message": e.message, codeKey: e.code}
	if e.fields != nil {
		m["fields"] = e.fields
	}
	for k, v := range e.extra {
		m[k] = v
	}
	return m
}

func fail(status int, code, format string, args ...any) *apiError {
	message := format
	if len(args) > 0 {
		message = fmt.Sprintf(format, args...)
	}
	return &apiError{status: status, code: code, message: message}
}

func badRequest(code, format string, args ...any) *apiError {
	return fail(http.StatusBadRequest, code, format, args...)
}

func (e *apiError) on(fields ...string) *apiError {
	e.fields = append([]string{}, fields...)
	return e
}

func notFound() *apiError {
	return fail(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

func sessionInvalid() *apiError {
	return fail(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
}

// caret renders an error the way SOQL errors come: an excerpt of the query, a caret under the place, its row and column, and the text. line and
// column are 1-based and count characters.
func caret(query string, line, column int, text string) string {
	lines := strings.Split(query, "\n")
	if line < 1 || line > len(lines) {
		return text
	}
	row := []rune(strings.TrimSuffix(lines[line-1], "\r"))
	p := min(max(column-1, 0), len(row))
	from, to := max(p-30, 0), min(p+31, len(row))
	blank := func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }
	for from > 0 && !blank(row[from-1]) {
		from--
	}
	for to < len(row) && !blank(row[to]) {
		to++
	}
	for from < p && blank(row[from]) {
		from++
	}
	for to > max(p, from) && blank(row[to-1]) {
		to--
	}
	var b strings.Builder
	b.Grow(utf8.UTFMax * (to - from))
	b.WriteByte('\n')
	b.WriteString(string(row[from:to]))
	b.WriteByte('\n')
	b.WriteString(strings.Repeat(" ", p-from))
	fmt.Fprintf(&b, "^\nERROR at Row:%d:Column:%d\n%s", line, column, text)
	return b.String()
}
