package jobs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"millrace/pipeline"
)

// rows are records by id, each as its column values in text.
type rows map[string]map[string]string

// inOrg reads all records of an object from the org, through the real client, in the form of their table's columns.
func (s *scene) inOrg(table pipeline.Table, where string) rows {
	s.t.Helper()
	client, err := s.open(s.t.Context(), s.conn)
	if err != nil {
		s.t.Fatal(err)
	}
	schema, err := client.Schema(s.t.Context(), table.Object)
	if err != nil {
		s.t.Fatal(err)
	}
	fields := []string{"Id"}
	for _, f := range schema.Object(table.Object).Fields {
		if slices.ContainsFunc(table.Columns, func(c pipeline.Column) bool { return c.Field == f.Name }) {
			fields = append(fields, f.Name)
		}
	}
	query := "SELECT " + strings.Join(fields, ", ") + " FROM " + table.Object
	if where != "" {
		query += " WHERE " + where
	}
	page, err := client.Query(s.t.Context(), query)
	out := rows{}
	for ; err == nil; page, err = client.QueryMore(s.t.Context(), page.Next) {
		for _, r := range page.Records {
			values := map[string]string{}
			for _, c := range table.Columns {
				if c.Kind != pipeline.Domain && r[c.Field] != nil {
					values[c.Name] = canonical(c.Kind, fmt.Sprint(r[c.Field]))
				}
			}
			out[r["Id"].(string)] = values
		}
		if page.Done {
			return out
		}
	}
	s.t.Fatal(err)
	return nil
}

// canonical writes a value as inTable does.
func canonical(k pipeline.Kind, v string) string {
	switch {
	case k == pipeline.DateTime:
		return strings.Replace(strings.TrimSuffix(strings.TrimSuffix(v, "+0000"), "Z"), "T", " ", 1)
	case k == pipeline.Number && strings.Contains(v, "."):
		return strings.TrimSuffix(strings.TrimRight(v, "0"), ".")
	}
	return v
}

// inTable reads the records of a table that are in the filter.
func (s *scene) inTable(table pipeline.Table) rows {
	s.t.Helper()
	var exprs []string
	for _, c := range table.Columns {
		switch c.Kind {
		case pipeline.Domain:
		case pipeline.DateTime:
			exprs = append(exprs, fmt.Sprintf(`to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS %s`, c.Name, c.Name))
		case pipeline.Number:
			exprs = append(exprs, fmt.Sprintf(`trim_scale(%s)::text AS %s`, c.Name, c.Name))
		default:
			exprs = append(exprs, c.Name+"::text AS "+c.Name)
		}
	}
	found, err := s.sql.Queryx(fmt.Sprintf(`SELECT sf_id, %s FROM millrace.%s WHERE connection_id = $1 AND left_filter_at IS NULL`,
		strings.Join(exprs, ", "), table.Name), s.conn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer found.Close()
	out := rows{}
	for found.Next() {
		raw := map[string]any{}
		if err := found.MapScan(raw); err != nil {
			s.t.Fatal(err)
		}
		values := map[string]string{}
		for k, v := range raw {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			if k != "sf_id" && v != nil {
				values[k] = fmt.Sprint(v)
			}
		}
		out[fmt.Sprint(text(raw["sf_id"]))] = values
	}
	return out
}

func text(v any) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}

// same fails the test when the two differ, naming a few of the differences.
func same(t *testing.T, what string, org, table rows) {
	t.Helper()
	shown := 0
	complain := func(format string, args ...any) {
		if shown++; shown <= 5 {
			t.Errorf(what+": "+format, args...)
		}
	}
	for id, want := range org {
		if got, ok := table[id]; !ok {
			complain("%s is missing: %v", id, want)
		} else if !maps.Equal(got, want) {
			complain("%s is\n%v, in the org it is\n%v", id, got, want)
		}
	}
	for id := range table {
		if _, ok := org[id]; !ok {
			complain("%s is not in the org's answer", id)
		}
	}
	if shown > 5 {
		t.Errorf("%s: %d differences in all", what, shown)
	}
}

// tableOf returns the table of an object.
func tableOf(t *testing.T, object string) pipeline.Table {
	t.Helper()
	table, ok := pipeline.TableOf(object)
	if !ok {
		t.Fatalf("no table for %s", object)
	}
	return table
}

// equalsOrg compares everything that is synced under an account condition with the org, record by record.
func (s *scene) equalsOrg(accountWhere, childWhere string) {
	s.t.Helper()
	for object, where := range map[string]string{
		"User": "", "Account": accountWhere, "Contact": and(childWhere, "Email != null"), "Opportunity": childWhere,
	} {
		table := tableOf(s.t, object)
		want, got := s.inOrg(table, where), s.inTable(table)
		if len(want) == 0 {
			s.t.Errorf("the org has no %s to compare with", table.Label)
		}
		same(s.t, table.Label, want, got)
	}
}

func and(a, b string) string {
	if a == "" {
		return b
	}
	return a + " AND " + b
}

// count runs a query that returns one number.
func (s *scene) count(query string, args ...any) int64 {
	s.t.Helper()
	var n int64
	if err := s.sql.GetContext(s.t.Context(), &n, query, args...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
	return n
}
