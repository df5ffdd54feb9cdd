package pipeline

import "testing"

// TestPageRows cuts results of several sizes into pages.
func TestPageRows(t *testing.T) {
	t.Parallel()
	changes := Step{Reading: Reading{Changes: true}}
	for name, c := range map[string]struct {
		options Options
		step    Step
		records int64
		want    int
	}{
		"everything":              {Options{}, Step{}, 3_000, 50_000},
		"few changes":             {Options{}, changes, 1_200, 1_500},
		"changes":                 {Options{}, changes, 3_000, 1_500},
		"more changes":            {Options{}, changes, 10_001, 2_501},
		"very many changes":       {Options{}, changes, 1_000_000, 50_000},
		"more workers":            {Options{Workers: 5}, changes, 100_000, 10_000},
		"small pages are allowed": {Options{PageRows: 1_000}, changes, 10_000, 1_000},
	} {
		if got := c.options.withDefaults().pageRows(c.step, c.records); got != c.want {
			t.Errorf("%s: pages of %d, want %d", name, got, c.want)
		}
	}
}
