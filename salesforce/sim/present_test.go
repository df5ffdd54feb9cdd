package sim

import (
	"strings"
	"testing"
)

// TestRequiredFieldsAreGenerated looks for generated rows without a value in a field that must have one: conditions on it take for granted that there is none.
func TestRequiredFieldsAreGenerated(t *testing.T) {
	t.Parallel()
	o, err := New(Options{Accounts: 400})
	if err != nil {
		t.Fatal(err)
	}
	w := o.world.Load()
	fields := 0
	for _, obj := range w.order {
		for _, f := range obj.fields {
			has := w.haver(obj, f)
			if has == nil {
				continue
			}
			fields++
			get := w.getter(obj, f)
			for row := range w.table(obj).rows {
				if has(row) == get(row).isNull() {
					t.Errorf("%s.%s of row %d is %q", obj.name, f.name, row, get(row).text())
					break
				}
			}
		}
	}
	if fields == 0 {
		t.Error("no field must have a value")
	}
}

// TestPresence compares conditions that ask only whether there is a value with the values, after records were changed, added and deleted.
func TestPresence(t *testing.T) {
	t.Parallel()
	o, err := New(Options{Accounts: 40})
	if err != nil {
		t.Fatal(err)
	}
	contacts, err := o.Eval("SELECT Id, AccountId FROM Contact WHERE AccountId != null LIMIT 30")
	if err != nil {
		t.Fatal(err)
	}
	id := func(row int, field string) string { return contacts[row][field].(string) }
	added, err := o.Insert("Account", map[string]any{"Name": "Added"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.Insert("Contact", map[string]any{"LastName": "Added"})
	for _, err := range []error{err, o.Update("Contact", id(0, "Id"), map[string]any{"AccountId": nil}), o.Update("Contact", id(1, "Id"), map[string]any{"AccountId": added}), o.Delete("Account", added), o.Delete("Account", id(29, "AccountId")),
		o.Purge("Account")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, of := range []struct{ object, field, path string }{
		{"Account", "Name", ""}, {"Account", "Website", ""}, {"Contact", "AccountId", ""}, {"Contact", "LastName", ""}, {"Contact", "Account", "Name"}, {"Contact", "Account", "Website"},
	} {
		field := strings.TrimSuffix(of.field+"."+of.path, ".")
		rows, err := o.Eval("SELECT Id, " + field + " FROM " + of.object)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{}
		for _, r := range rows {
			v := r[of.field]
			if parent, ok := v.(map[string]any); ok {
				v = parent[of.path]
			}
			if v == nil {
				want["="]++
			} else {
				want["!="]++
			}
		}
		for op, want := range want {
			if n, err := o.EvalCount("SELECT COUNT() FROM " + of.object + " WHERE " + field + " " + op + " null"); err != nil || n != want {
				t.Errorf("%s %s null: %d records, want %d, %v", field, op, n, want, err)
			}
		}
		if of.path != "" && want["="] == 0 {
			t.Errorf("every contact has %s", field)
		}
	}
}
