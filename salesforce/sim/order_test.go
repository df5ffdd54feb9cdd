package sim

import (
	"fmt"
	"testing"
	"time"
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

// TestChangedSince compares what has changed since a moment with what has not changed before it, on both sides of the epoch.
func TestChangedSince(t *testing.T) {
	t.Parallel()
	epoch := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	at := epoch.Add(10 * 24 * time.Hour)
	o, err := New(Options{Accounts: 3000, Epoch: epoch, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := o.UpdateAll("Account", func(row int, _ map[string]any) bool { return row%1000 == 7 }, map[string]any{"Description": "early"}); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	at = at.Add(time.Hour)
	if n, err := o.UpdateAll("Account", func(row int, _ map[string]any) bool { return row == 600 || row == 1007 }, map[string]any{"Description": "late"}); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := o.Insert("Account", map[string]any{"Name": "New"}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		since time.Time
		want  int // -1 for some, not all
	}{{epoch.Add(-100 * 24 * time.Hour), -1}, {epoch.Add(-time.Hour), -1}, {epoch, 5}, {at.Add(-time.Minute), 3}, {at.Add(time.Minute), 0}} {
		since := x.since.Format("2006-01-02T15:04:05Z")
		got, err := o.Eval("SELECT Id FROM Account WHERE Name != null AND SystemModstamp >= " + since)
		if err != nil {
			t.Fatal(err)
		}
		want, err := o.Eval("SELECT Id FROM Account WHERE Name != null AND (NOT SystemModstamp < " + since + ")")
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || x.want >= 0 && len(got) != x.want || x.want < 0 && (len(got) < 6 || len(got) > 3000) {
			t.Errorf("since %s: %d rows, %d that were not changed before", since, len(got), len(want))
		}
	}
}
