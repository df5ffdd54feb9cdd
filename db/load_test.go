package db

import (
	"testing"
	"time"
)

// TestEntriesNearMidnightAreLeftToPostgres copies the entries of a load into the day's own part, except where the day may change before they are written.
func TestEntriesNearMidnightAreLeftToPostgres(t *testing.T) {
	for at, want := range map[string]string{
		"2026-03-01T00:05:00Z": "audit_log", "2026-03-01T00:11:00Z": "audit_log_20260301", "2026-03-01T12:00:00Z": "audit_log_20260301",
		"2026-03-01T23:49:00Z": "audit_log_20260301", "2026-03-01T23:51:00Z": "audit_log", "2026-03-01T01:30:00+02:00": "audit_log_20260228",
	} {
		began, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		l := loader{pageWork: &pageWork{began: began}, begun: time.Now()}
		if got := l.auditTable(); got != want {
			t.Errorf("at %s: got %s, want %s", at, got, want)
		}
	}
	// A page may take long to arrive.
	l := loader{pageWork: &pageWork{began: time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)}, begun: time.Now().Add(-119 * time.Minute)}
	if got := l.auditTable(); got != "audit_log" {
		t.Errorf("of a page that began two hours ago: got %s", got)
	}
}
