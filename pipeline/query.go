package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// childCondition selects the children of the accounts that match any filter: the filters are rewritten to look at the account through the child, which
// reaches it by relationship and holds its id in the field id. Where that has no form, all children of any account are read, and the store keeps those whose
// account is here.
func childCondition(filters []settings.Filter, relationship, id string) (soql.Expr, error) {
	linked, err := soql.Compare(id, soql.NotEqual, soql.Null())
	if err != nil {
		return nil, err
	}
	if len(filters) == 0 {
		return linked, nil
	}
	var any []soql.Expr
	for _, f := range filters {
		own, findings := soql.ParseFilter(f.SOQL)
		if soql.Refused(findings) {
			err := &soql.FilterError{Findings: findings}
			return nil, &Fault{Kind: Fatal, Code: "filter_invalid", Message: fmt.Sprintf("The filter of %s is not valid: %s", lower(f.Type.Label()), err), Err: err}
		}
		through, ok := rewritten(own, accounts.Object, relationship, id)
		if !ok {
			return linked, nil
		}
		any = append(any, through)
	}
	chosen := soql.AnyOf(any...)
	if implies(chosen, linked.String()) {
		return chosen, nil
	}
	return soql.AllOf(chosen, linked), nil
}

// follows reports whether childCondition selects the children of the accounts that match only.
func follows(filters []settings.Filter, relationship, id string) (bool, error) {
	for _, f := range filters {
		own, findings := soql.ParseFilter(f.SOQL)
		if soql.Refused(findings) {
			_, err := childCondition(filters, relationship, id) // says which
			return false, err
		}
		if _, ok := rewritten(own, accounts.Object, relationship, id); !ok {
			return false, nil
		}
	}
	return true, nil
}

// rewritten returns a condition on an object as one on its children; ok is false where it has no such form.
func rewritten(own soql.Expr, object, relationship, id string) (through soql.Expr, ok bool) {
	if len(soql.JoinedObjects(own)) > 0 {
		return nil, false
	}
	last := relationship[strings.LastIndexByte(relationship, '.')+1:]
	for _, p := range soql.Paths(own) {
		// A path may begin with the object's own name, or with a relationship of the object that is called as the one to it.
		if first := p.Names[0]; len(p.Names) > 1 && !strings.EqualFold(last, object) && (strings.EqualFold(first, object) || strings.EqualFold(first, last)) {
			return nil, false
		}
	}
	through, err := soql.Prefix(own, relationship, id)
	return through, err == nil
}

// implies reports whether e says what condition does in every of its branches, so that condition need not be said again.
func implies(e soql.Expr, condition string) bool {
	says := func(term soql.Expr) bool { return implies(term, condition) }
	switch e := e.(type) {
	case *soql.And:
		return slices.ContainsFunc(e.Terms, says)
	case *soql.Or:
		return !slices.ContainsFunc(e.Terms, func(term soql.Expr) bool { return !says(term) })
	case *soql.Group:
		return says(e.X)
	case nil:
		return false
	}
	return e.String() == condition
}

// queries returns the query that reads an object and the one that counts what it will return.
func queries(object string, fields []string, where soql.Expr) (read, count string, err error) {
	r, err := soql.Select(object, fields, where)
	if err != nil {
		return "", "", err
	}
	c, err := soql.Count(object, where)
	if err != nil {
		return "", "", err
	}
	return r.String(), c.String(), nil
}

// filtered is queries for a filter as the admin typed it, which stays recognisable in them, and a condition of ours, which may be nil.
func filtered(object string, fields []string, filter string, where soql.Expr) (read, count *soql.Composed, err error) {
	r, err := soql.Select(object, fields, where)
	if err != nil {
		return nil, nil, err
	}
	c, err := soql.Count(object, where)
	if err != nil {
		return nil, nil, err
	}
	if read, err = soql.Embed(r, filter); err != nil {
		return nil, nil, err
	}
	count, err = soql.Embed(c, filter)
	return read, count, err
}

// overlap counts what filter and any of prior select.
func overlap(filter settings.Filter, prior []settings.Filter) (count string, err error) {
	mine, _ := soql.ParseFilter(filter.SOQL)
	var others []soql.Expr
	for _, f := range prior {
		other, _ := soql.ParseFilter(f.SOQL)
		others = append(others, other)
	}
	q, err := soql.Count(accounts.Object, soql.AllOf(mine, soql.AnyOf(others...)))
	if err != nil {
		return "", err
	}
	return q.String(), nil
}

// refusal reports whether a failed job's message names a query that Salesforce does not accept.
func refusal(message string) bool {
	for _, code := range []string{"INVALID_FIELD", "MALFORMED_QUERY", "INVALID_TYPE", "No such column"} {
		if strings.Contains(message, code) {
			return true
		}
	}
	return false
}
