package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestClockNamesTheDay shows times to somebody in another zone: one of today, by that zone's days, is only a time of the day; one of the day after has its day, as other dates have.
func TestClockNamesTheDay(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	ahead := 20 - now.Hour() // it is evening there
	if ahead > 14 {
		ahead -= 24
	} else if ahead == 0 {
		ahead = -8
	}
	there := now.Add(time.Duration(ahead) * time.Hour)
	midnight := time.Date(there.Year(), there.Month(), there.Day()+1, -ahead, 0, 0, 0, time.UTC)
	page := fmt.Sprintf(`<!doctype html><html lang="en" data-time-zone="Etc/GMT%+d"><title>Times</title><script src="/app.js"></script>`, -ahead)
	for id, at := range map[string]time.Time{"today": midnight.Add(-time.Minute), "tomorrow": midnight, "later": midnight.AddDate(0, 0, 3)} {
		for _, as := range []string{"clock", "absolute"} {
			page += fmt.Sprintf(`<p><time id="%s-%s" datetime="%s" data-time="%s">as the server wrote it</time>`, id, as, at.Format(time.RFC3339), as)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/app.js" {
			http.ServeFile(w, r, "../static/app.js")
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(server.Close)
	b := newBrowser(t)
	b.open(server.URL)
	for _, id := range []string{"tomorrow", "later"} {
		if got, want := b.text("#"+id+"-clock"), b.text("#"+id+"-absolute"); got != want || !strings.Contains(got, fmt.Sprint(midnight.Year())) {
			t.Errorf("%s: %q, and as a date %q", id, got, want)
		}
	}
	if got, whole := b.text("#today-clock"), b.text("#today-absolute"); !strings.HasSuffix(whole, ", "+got) || strings.Contains(got, fmt.Sprint(there.Year())) {
		t.Errorf("today: %q, and as a date %q", got, whole)
	}
}
