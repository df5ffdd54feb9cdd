package ui

import (
	"strings"
	"testing"
	"time"
)

func TestNextRuns(t *testing.T) {
	t.Parallel()
	first := time.Date(2026, 10, 24, 0, 0, 0, 0, time.UTC)
	times := []time.Time{first, first.Add(25 * time.Hour), first.Add(49 * time.Hour)}
	for _, c := range []struct {
		zone string
		says []string
	}{
		{"Europe/Berlin", []string{"Sat 24 Oct, 02:00 CEST", "Sun 25 Oct, 02:00 CET", "Mon 26 Oct, 02:00 CET"}},
		{"", []string{"Sat 24 Oct, 00:00 UTC", "Sun 25 Oct, 01:00 UTC"}},
		{"Nowhere", []string{"Sat 24 Oct, 00:00 UTC"}},
	} {
		var b strings.Builder
		if err := NextRuns(times, c.zone).Render(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		for _, want := range append(c.says, `title="2026-10-25 01:00:00 UTC"`, `datetime="2026-10-24T00:00:00Z"`, `data-time="slot"`) {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q lacks %q: %s", c.zone, want, b.String())
			}
		}
	}
	var b strings.Builder
	if err := NextRuns(nil, "").Render(t.Context(), &b); err != nil || !strings.Contains(b.String(), "No run is planned") {
		t.Errorf("got %s, %v", b.String(), err)
	}
}
