package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	t.Parallel()
	const layout = "2006-01-02 15:04 MST"
	for _, c := range []struct {
		name, after string // after in the zone
		spec        Spec
		want        []string
	}{
		{"daily", "2026-06-01 02:00", Spec{24, "02:00", 0, "Europe/Berlin"},
			[]string{"2026-06-02 02:00 CEST", "2026-06-03 02:00 CEST"}},
		{"every four hours, from an odd start", "2026-06-01 22:00", Spec{4, "03:30", 0, "UTC"},
			[]string{"2026-06-01 23:30 UTC", "2026-06-02 03:30 UTC", "2026-06-02 07:30 UTC", "2026-06-02 11:30 UTC"}},
		{"every eight hours", "2026-06-01 00:00", Spec{8, "02:00", 0, "UTC"},
			[]string{"2026-06-01 02:00 UTC", "2026-06-01 10:00 UTC", "2026-06-01 18:00 UTC", "2026-06-02 02:00 UTC"}},
		{"every twelve hours", "2026-06-01 14:00", Spec{12, "14:00", 0, "America/New_York"},
			[]string{"2026-06-02 02:00 EDT", "2026-06-02 14:00 EDT"}},
		{"weekly", "2026-06-01 02:00", Spec{Weekly, "02:00", time.Monday, "Europe/Berlin"},
			[]string{"2026-06-08 02:00 CEST", "2026-06-15 02:00 CEST"}},
		{"weekly on Sunday", "2026-06-01 02:00", Spec{Weekly, "02:00", time.Sunday, "Europe/Berlin"}, []string{"2026-06-07 02:00 CEST"}},

		{"New York in spring: 02:30 is skipped", "2026-03-07 12:00", Spec{24, "02:30", 0, "America/New_York"},
			[]string{"2026-03-08 03:00 EDT", "2026-03-09 02:30 EDT"}},
		{"New York in spring: the hours keep their places", "2026-03-07 23:00", Spec{4, "02:00", 0, "America/New_York"},
			[]string{"2026-03-08 03:00 EDT", "2026-03-08 06:00 EDT", "2026-03-08 10:00 EDT"}},
		{"New York in autumn: 01:30 comes twice", "2026-10-31 12:00", Spec{24, "01:30", 0, "America/New_York"},
			[]string{"2026-11-01 01:30 EDT", "2026-11-02 01:30 EST"}},
		{"Berlin in spring", "2026-03-28 12:00", Spec{24, "02:00", 0, "Europe/Berlin"},
			[]string{"2026-03-29 03:00 CEST", "2026-03-30 02:00 CEST"}},
		{"Berlin in autumn", "2026-10-24 12:00", Spec{24, "02:00", 0, "Europe/Berlin"},
			[]string{"2026-10-25 02:00 CEST", "2026-10-26 02:00 CET"}},
		{"Berlin in autumn: after the change", "2026-10-24 23:00", Spec{4, "00:00", 0, "Europe/Berlin"},
			[]string{"2026-10-25 00:00 CEST", "2026-10-25 04:00 CET", "2026-10-25 08:00 CET"}},
		{"Lord Howe in spring: half an hour", "2026-10-03 12:00", Spec{24, "02:10", 0, "Australia/Lord_Howe"},
			[]string{"2026-10-04 02:30 +11", "2026-10-05 02:10 +11"}},
		{"Lord Howe in autumn: half an hour", "2026-04-04 12:00", Spec{24, "01:45", 0, "Australia/Lord_Howe"},
			[]string{"2026-04-05 01:45 +11", "2026-04-06 01:45 +1030"}},
		{"Samoa skipped a day", "2011-12-29 01:00", Spec{12, "02:00", 0, "Pacific/Apia"},
			[]string{"2011-12-29 02:00 -10", "2011-12-29 14:00 -10", "2011-12-31 00:00 +14", "2011-12-31 02:00 +14"}},
		{"hourly in Lord Howe", "2026-04-05 00:30", Spec{Hourly, "00:00", 0, "Australia/Lord_Howe"},
			[]string{"2026-04-05 01:00 +11", "2026-04-05 01:30 +1030", "2026-04-05 02:30 +1030"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.spec.TimeZone)
			if err != nil {
				t.Fatal(err)
			}
			after, err := time.ParseInLocation("2006-01-02 15:04", c.after, zone)
			if err != nil {
				t.Fatal(err)
			}
			s, err := New(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, at := range s.Next(after, len(c.want)) {
				got = append(got, at.In(zone).Format(layout))
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
		})
	}
}

// TestEveryDayOnce holds, for a year in zones with all kinds of clock changes, that each day has exactly its slots, in order.
func TestEveryDayOnce(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "Africa/Casablanca", "America/Santiago", "UTC"} {
		for _, start := range []string{"00:00", "02:15", "02:30", "23:59"} {
			for _, hours := range []int{4, 8, 12, 24} {
				s, err := New(Spec{Hours: hours, Start: start, TimeZone: name})
				if err != nil {
					t.Fatal(err)
				}
				from := time.Date(2025, 1, 1, 0, 0, 0, 0, s.zone).Add(-time.Nanosecond)
				all := s.Next(from, 365*24/hours)
				days := map[string]int{}
				for i, at := range all {
					days[at.In(s.zone).Format(time.DateOnly)]++
					if one := s.Next(at, 1); i+1 < len(all) && !one[0].Equal(all[i+1]) {
						t.Fatalf("%s %s every %d: after %s comes %s, not %s", name, start, hours, at, one[0], all[i+1])
					}
				}
				for day, n := range days {
					if n != 24/hours {
						t.Errorf("%s %s every %d: %d slots on %s", name, start, hours, n, day)
					}
				}
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec Spec
		says string
	}{
		{Spec{24, "02:00", 0, ""}, "needs a time zone"},
		{Spec{24, "02:00", 0, "Local"}, "needs a time zone"},
		{Spec{24, "02:00", 0, "TZ=0"}, "not a time zone"},
		{Spec{24, "02:00", 0, "../etc/passwd"}, "not a time zone"},
		{Spec{24, "02:00", 0, strings.Repeat("x", 10_000)}, "not a time zone"},
		{Spec{24, "24:00", 0, "UTC"}, "not a time of day"},
		{Spec{24, "", 0, "UTC"}, "not a time of day"},
		{Spec{24, "2:00", 0, "UTC"}, "not a time of day"},
		{Spec{24, "02:00 * * *", 0, "UTC"}, "not a time of day"},
		{Spec{0, "02:00", 0, "UTC"}, "every 0 hours"},
		{Spec{-4, "02:00", 0, "UTC"}, "every -4 hours"},
		{Spec{5, "02:00", 0, "UTC"}, "every 5 hours"},
		{Spec{48, "02:00", 0, "UTC"}, "every 48 hours"},
		{Spec{Weekly, "02:00", 7, "UTC"}, "not a day of the week"},
		{Spec{Weekly, "02:00", -1, "UTC"}, "not a day of the week"},
	} {
		if _, err := New(c.spec); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: got %v, want it to say %q", c.spec, err, c.says)
		}
	}
}

// TestParserTraps feeds the lines on which the parser panics, or which are never or always due.
func TestParserTraps(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"TZ=0", "TZ=", "CRON_TZ=", "CRON_TZ=0 0 0 * * *", "0 0 31 2 *", "0 0 30 2 *", "@every -1h", "@every 1ns", "@daily", "", "* * *", strings.Repeat("1,", 5_000)} {
		if s, err := parse(line); err == nil || s != nil {
			t.Errorf("%.40q was taken", line)
		}
	}
}

func FuzzNext(f *testing.F) {
	f.Add(24, "02:30", 0, "America/New_York", int64(1_772_900_000))
	f.Add(4, "00:00", 1, "Australia/Lord_Howe", int64(0))
	f.Add(168, "23:59", 6, "Pacific/Apia", int64(1_325_000_000))
	f.Fuzz(func(t *testing.T, hours int, start string, weekday int, zone string, unix int64) {
		s, err := New(Spec{hours, start, time.Weekday(weekday), zone})
		if err != nil || unix < -1e10 || unix > 1e11 {
			return
		}
		last := time.Unix(unix, 0)
		for _, at := range s.Next(last, 5) {
			if !at.After(last) {
				t.Fatalf("%s does not come after %s", at, last)
			}
			last = at
		}
	})
}
