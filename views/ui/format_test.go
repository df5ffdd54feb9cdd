package ui

import (
	"strings"
	"testing"
	"time"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -12345: "-12,345"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	if got := Plural(1, "account", "accounts") + ", " + Plural(0, "account", "accounts"); got != "1 account, 0 accounts" {
		t.Errorf("Plural: %q", got)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 0: "0 ms", 340 * time.Millisecond: "340 ms", 2400 * time.Millisecond: "2.4 s", 38 * time.Second: "38 s",
		134 * time.Second: "2 min 14 s", 3*time.Hour + 5*time.Minute: "3 h 05 min",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
	if got := Estimate(200 * time.Millisecond); got != "1 s" {
		t.Errorf("Estimate: %q", got)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		30 * time.Minute: "30 minutes", time.Hour: "1 hour", 90 * time.Minute: "1 hour 30 minutes", 12 * time.Hour: "12 hours", 24 * time.Hour: "24 hours",
		7 * 24 * time.Hour: "7 days", 50 * time.Hour: "2 days 2 hours", 61 * time.Second: "1 minute 1 second",
	} {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		time.Second: "just now", 40 * time.Second: "40 s ago", 3 * time.Minute: "3 min ago", 5 * time.Hour: "5 h ago",
		25 * time.Hour: "28 Feb 2026, 11:00 UTC", -time.Hour: "1 Mar 2026, 13:00 UTC",
	} {
		if got := ago(now.Add(-d), now); got != want {
			t.Errorf("ago(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 22, 0, 0, 0, time.UTC)
	for at, want := range map[time.Time]string{
		now.Add(time.Hour):       "23:00 UTC",
		now.Add(-22 * time.Hour): "00:00 UTC",
		now.Add(2 * time.Hour):   "30 Nov 2026, 00:00 UTC",
		now.Add(22 * time.Hour):  "30 Nov 2026, 20:00 UTC",
		now.AddDate(1, 0, 0):     "29 Nov 2027, 22:00 UTC",
		time.Date(2026, 11, 30, 0, 30, 0, 0, time.FixedZone("", 3600)): "23:30 UTC",
	} {
		if got := clock(at, now); got != want {
			t.Errorf("clock(%v) = %q, want %q", at, got, want)
		}
	}
	var b strings.Builder
	at := time.Now().Add(26 * time.Hour)
	if err := Clock(at).Render(t.Context(), &b); err != nil || !strings.Contains(b.String(), ">"+utc(at)+"<") {
		t.Errorf("got %s, %v", b.String(), err)
	}
}

func TestInitials(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"Ana Ruiz": "AR", "élodie": "É", "ana.ruiz@example.com": "AR", "": "", "a b c": "AB"} {
		if got := Initials(name); got != want {
			t.Errorf("Initials(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 KB", 1240: "1.2 KB", 12_400: "12 KB", 999_400: "999 KB", 999_600: "1.0 MB", 3_440_000: "3.4 MB", 5_000_000_000: "5.0 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}
