package sim

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"millrace/salesforce/soql"
)

// maxFound is how many records a search returns at most.
const maxFound = 2000

// search is one search: what to find, in which fields, and what to return of whom.
type search struct {
	text      string
	in        string // ALL, NAME, EMAIL, PHONE or SIDEBAR
	returning []returning
	limit     int
}

// returning is one object of a search, its fields and the conditions after them, as SOQL has them.
type returning struct{ object, fields, rest string }

// searched are the objects that a search looks in when it names none.
var searched = split("Account,Contact,Opportunity,Lead,Case,User")

// runSearch serves /search?q=FIND….
func (rq *request) runSearch() error {
	s, err := parseSOSL(rq.query.Get("q"))
	if err != nil {
		return err
	}
	return rq.find(s)
}

// parameterizedSearch serves /parameterizedSearch, by query parameters or a JSON body.
func (rq *request) parameterizedSearch() error {
	type object struct {
		Name, Where string
		Fields      []string
		Limit       int
	}
	var in struct {
		Q, In                      string
		Fields                     []string
		SObjects                   []object
		OverallLimit, DefaultLimit int
	}
	if rq.r.Method == http.MethodPost {
		if err := rq.decode(&in); err != nil {
			return err
		}
	} else {
		list := func(name string) []string {
			return strings.FieldsFunc(rq.query.Get(name), func(r rune) bool { return r == ',' || r == ' ' })
		}
		number := func(name string) int {
			n, _ := strconv.Atoi(rq.query.Get(name)) // nothing and nonsense count as no limit
			return n
		}
		in.Q, in.In, in.Fields, in.OverallLimit, in.DefaultLimit = rq.query.Get("q"), rq.query.Get("in"), list("fields"), number("overallLimit"), number("defaultLimit")
		for _, name := range rq.query["sobject"] {
			in.SObjects = append(in.SObjects, object{name, rq.query.Get(name + ".where"), list(name + ".fields"), number(name + ".limit")})
		}
	}
	s := search{text: in.Q, in: strings.ToUpper(in.In), limit: in.OverallLimit}
	for _, o := range in.SObjects {
		r := returning{object: o.Name, fields: strings.Join(o.Fields, ", ")}
		if r.fields == "" {
			r.fields = strings.Join(in.Fields, ", ")
		}
		if o.Where != "" {
			r.rest = " WHERE " + o.Where
		}
		if o.Limit == 0 {
			o.Limit = in.DefaultLimit
		}
		if o.Limit > 0 {
			r.rest += " LIMIT " + strconv.Itoa(o.Limit)
		}
		s.returning = append(s.returning, r)
	}
	return rq.find(s)
}

// find runs a search. Each object is queried as SOQL would, its text matched, and only then its limit applied.
func (rq *request) find(s search) error {
	match, err := searchMatcher(s.text)
	if err != nil {
		return err
	}
	if len(s.returning) == 0 {
		for _, name := range searched {
			if rq.world.visibleObject(name) != nil {
				s.returning = append(s.returning, returning{object: name, fields: "Id"})
			}
		}
	}
	if s.limit <= 0 || s.limit > maxFound {
		s.limit = maxFound
	}
	dst, n := []byte{'['}, 0
	for _, r := range s.returning {
		if r.fields == "" {
			r.fields = "Id"
		}
		text := "SELECT " + r.fields + " FROM " + r.object + r.rest
		q, err := soql.ParseQuery(text)
		if err != nil {
			return syntaxFailure(text, err)
		}
		left := s.limit - n
		if q.Limit != nil {
			left = min(left, int(q.Limit.N))
			q.Limit = nil
		}
		p, err := rq.org.prepare(rq.world, q.String(), rq.session.user, mode{})
		if err != nil {
			return err
		}
		fields := p.c.w.searchedFields(p.obj, s.in)
		jw := &writer{w: p.c.w, root: rq.root}
		for _, row := range p.rows {
			if left <= 0 {
				break
			}
			if !match(p.c.w, p.obj, fields, int(row)) {
				continue
			}
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = jw.record(dst, p.obj, int(row), p.nodes)
			n, left = n+1, left-1
		}
	}
	dst = append(dst, ']')
	if rq.version >= 37 {
		dst = append(append([]byte(`{"searchRecords":`), dst...), '}')
	}
	return rq.raw(http.StatusOK, dst)
}

// searchedFields are the fields of an object that a search group covers and the user may read.
func (w *world) searchedFields(o *object, in string) (list []*field) {
	for _, f := range o.fields {
		if !w.sees(o, f) || f.col < 0 && f.calc == nil {
			continue
		}
		text := f.typ == "string" || f.typ == "email" || f.typ == "phone"
		switch in {
		case "NAME":
			text = f.nameField || f.compound == "Name"
		case "EMAIL":
			text = f.typ == "email"
		case "PHONE":
			text = f.typ == "phone"
		case "SIDEBAR":
			text = text || f.nameField
		default:
			text = text || f.nameField || f.typ == "textarea" || f.typ == "url"
		}
		if text {
			list = append(list, f)
		}
	}
	return list
}

// parseSOSL reads FIND {text} [IN group FIELDS] [RETURNING object(fields …), …] [LIMIT n]. WITH and UPDATE clauses are read over.
func parseSOSL(text string) (search, error) {
	malformed := func(message string) (search, error) { return search{}, badRequest("MALFORMED_SEARCH", "%s", message) }
	from, to := strings.IndexByte(text, '{'), closingBrace(text)
	if !strings.EqualFold(strings.TrimSpace(text[:max(from, 0)]), "FIND") || to < 0 {
		return malformed("No search term found. The search term must be enclosed in braces.")
	}
	s := search{text: text[from+1 : to]}
	rest := strings.TrimSpace(text[to+1:])
	if words := strings.Fields(rest); len(words) > 0 && strings.EqualFold(words[0], "IN") {
		if len(words) < 3 || !strings.EqualFold(words[2], "FIELDS") || !slices.Contains(split("ALL,NAME,EMAIL,PHONE,SIDEBAR"), strings.ToUpper(words[1])) {
			return malformed("unexpected token: IN")
		}
		s.in = strings.ToUpper(words[1])
		rest = strings.TrimSpace(rest[strings.Index(lower(rest), "fields")+len("fields"):])
	}
	list, after := rest, ""
	returns := len(rest) >= len("RETURNING") && strings.EqualFold(rest[:len("RETURNING")], "RETURNING")
	if returns {
		list = rest[len("RETURNING"):]
	}
	for _, item := range topLevel(list) {
		item = strings.TrimSpace(item)
		words := strings.Fields(item)
		if returns && after == "" && len(words) > 0 {
			r := returning{object: words[0]}
			if at := strings.IndexByte(item, '('); at > 0 && len(strings.Fields(item[:at])) == 1 {
				end := strings.LastIndexByte(item, ')')
				if end < at {
					return malformed("unexpected token: (")
				}
				r.object = strings.TrimSpace(item[:at])
				r.fields, r.rest = splitClauses(item[at+1 : end])
				after = strings.TrimSpace(item[end+1:])
			} else {
				after = strings.TrimSpace(item[len(words[0]):])
			}
			s.returning = append(s.returning, r)
			continue
		}
		after = strings.TrimSpace(after + " " + item)
	}
	words := strings.Fields(after)
	for i, word := range words {
		if strings.EqualFold(word, "LIMIT") && i+1 < len(words) {
			n, err := strconv.Atoi(words[i+1])
			if err != nil || n < 1 {
				return malformed("unexpected token: " + words[i+1])
			}
			s.limit = n
		}
	}
	if len(words) > 0 && !slices.Contains(split("LIMIT,WITH,UPDATE"), strings.ToUpper(words[0])) {
		return malformed("unexpected token: " + words[0])
	}
	return s, nil
}

// closingBrace returns where the brace that ends the search term is; a backslash escapes one. It returns -1 for none.
func closingBrace(text string) int {
	for i := strings.IndexByte(text, '{'); i >= 0 && i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '}':
			return i
		}
	}
	return -1
}

// topLevel splits at the commas that are outside parentheses and quotes.
func topLevel(text string) (parts []string) {
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			parts, start = append(parts, text[start:i]), i+1
		}
	}
	return append(parts, text[start:])
}

// splitClauses parts the field list of a returned object from the clauses after it.
func splitClauses(text string) (fields, rest string) {
	at := len(text)
	for _, word := range [...]string{" where ", " order by ", " limit ", " offset ", " using "} {
		if i := strings.Index(lower(text), word); i >= 0 {
			at = min(at, i)
		}
	}
	return strings.TrimSpace(text[:at]), text[at:]
}
