package sim

import (
	"fmt"
	"testing"
)

// TestLimitedOrder compares the first rows of ordered queries with the same rows of the whole result.
func TestLimitedOrder(t *testing.T) {
	t.Parallel()
	o, err := New(Options{Accounts: 2000})
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range []string{"Industry", "Industry DESC NULLS LAST, Name", "ARR__c DESC, Id", "Rating NULLS FIRST, AnnualRevenue DESC", "Id DESC"} {
		whole, err := o.Eval("SELECT Id FROM Account ORDER BY " + order)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range [][2]int{{0, 0}, {1, 0}, {3, 0}, {17, 5}, {499, 0}, {501, 100}, {1, 1999}, {2000, 0}, {5000, 0}} {
			q := fmt.Sprintf("SELECT Id FROM Account ORDER BY %s LIMIT %d OFFSET %d", order, n[0], n[1])
			part, err := o.Eval(q)
			if err != nil {
				t.Fatal(err)
			}
			from := min(n[1], len(whole))
			if want := whole[from:min(from+n[0], len(whole))]; fmt.Sprint(part) != fmt.Sprint(want) {
				t.Errorf("%s: %d rows that are not those of the whole result", q, len(part))
			}
		}
	}
}

func BenchmarkLimitedOrder(b *testing.B) {
	o, err := New(Options{Accounts: 1_000_000})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := o.Eval("SELECT Id, Name FROM Account ORDER BY ARR__c DESC NULLS LAST LIMIT 10"); err != nil {
			b.Fatal(err)
		}
	}
}
