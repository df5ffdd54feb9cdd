// Package schedule calculates when something is due that repeats by the clock on the wall of some place. It knows neither the database nor the present
// time: callers say after which instant they ask.
//
// The calculation is done on the clock on the wall, which has neither gaps nor repetitions, and each of its readings is then looked up in the zone. A
// reading that the clock skips on the day when it is put forward is due at the next minute that exists; one that it shows twice is due the first time.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // machines without time zones of their own know them too

	"github.com/robfig/cron/v3"
)

// The lengths of the periods, in hours.
const (
	Hourly = 1
	Daily  = 24
	Weekly = 7 * 24
)

// Spec says when something is due: every so many hours, counted from a time of day in a zone.
type Spec struct {
	Hours    int          // 1, a divisor of 24, 24, or Weekly
	Start    string       // the time of day from which the hours count, as 15:04
	Weekday  time.Weekday // of Weekly
	TimeZone string       // IANA name
}

// Schedule is a Spec that has been checked.
type Schedule struct {
	hours cron.Schedule // on the clock on the wall
	every time.Duration // set instead for Hourly: hours as they pass, whatever the clock on the wall does
	at    time.Duration // the part of an hour at which Hourly is due
	zone  *time.Location
}

// New checks a spec. Its error says what is wrong with it.
func New(s Spec) (*Schedule, error) {
	start, err := time.Parse("15:04", s.Start)
	if err != nil || len(s.Start) != len("15:04") {
		return nil, fmt.Errorf("%q is not a time of day such as 02:00", s.Start)
	}
	zone, err := zoneOf(s.TimeZone)
	if err != nil {
		return nil, err
	}
	out := &Schedule{zone: zone}
	if s.Hours == Hourly {
		out.every, out.at = time.Hour, time.Duration(start.Minute())*time.Minute
		return out, nil
	}
	hours, day := []string{fmt.Sprint(start.Hour())}, "*"
	switch {
	case s.Hours == Weekly && s.Weekday >= time.Sunday && s.Weekday <= time.Saturday:
		day = fmt.Sprint(int(s.Weekday))
	case s.Hours == Weekly:
		return nil, fmt.Errorf("%d is not a day of the week", s.Weekday)
	case s.Hours > 1 && s.Hours <= 24 && 24%s.Hours == 0:
		for h := s.Hours; h < 24; h += s.Hours {
			hours = append(hours, fmt.Sprint((start.Hour()+h)%24))
		}
	default:
		return nil, fmt.Errorf("a schedule of every %d hours does not keep its times of day", s.Hours)
	}
	out.hours, err = parse(fmt.Sprintf("%d %s * * %s", start.Minute(), strings.Join(hours, ","), day))
	return out, err
}

// zoneOf returns a zone by its name. The machine's own zone is none: it is another one on another machine.
func zoneOf(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("a schedule needs a time zone such as Europe/Berlin or UTC")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone; one is such as Europe/Berlin or UTC", name)
	}
	return zone, nil
}

// parse reads a cron line. The parser panics on some lines, and accepts some that are never due.
func parse(line string) (s cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			s, err = nil, fmt.Errorf("%q is not a schedule", line)
		}
	}()
	if strings.HasPrefix(line, "@") || strings.Contains(line, "TZ=") {
		return nil, fmt.Errorf("%q is not a schedule: give the five fields of cron, and the time zone apart", line)
	}
	if s, err = cron.ParseStandard(line); err != nil {
		return nil, fmt.Errorf("%q is not a schedule: %w", line, err)
	}
	if s.Next(time.Unix(0, 0).UTC()).IsZero() {
		return nil, fmt.Errorf("%q is never due: there is no such day", line)
	}
	return s, nil
}

// maxShift is more than any zone has ever moved its clocks by: some have skipped or repeated a whole day.
const maxShift = 25 * time.Hour

// Next returns the next n instants that lie after an instant, in order, in UTC.
func (s *Schedule) Next(after time.Time, n int) []time.Time {
	var out []time.Time
	if s.every > 0 {
		for t := after.UTC().Truncate(s.every).Add(s.at - s.every); len(out) < n; t = t.Add(s.every) {
			if t.After(after) {
				out = append(out, t)
			}
		}
		return out
	}
	last := after
	for wall := onWall(after, s.zone).Add(-maxShift); len(out) < n; {
		if wall = s.hours.Next(wall); wall.IsZero() {
			return out
		}
		if t := instant(wall, s.zone); t.After(last) {
			out, last = append(out, t), t
		}
	}
	return out
}

// onWall returns what the clock on the wall shows, as if it were a time in UTC.
func onWall(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant returns when the clock on the wall shows a reading for the first time, or the end of the gap in which it lies.
func instant(wall time.Time, zone *time.Location) time.Time {
	t := wall.Add(-maxShift)
	for {
		_, end := t.In(zone).ZoneBounds()
		if end.IsZero() || onWall(end.Add(-1), zone).After(wall) || onWall(end.Add(-1), zone).Equal(wall) {
			// Before this period ends its clock comes to the reading, unless it began past it.
			_, offset := t.In(zone).Zone()
			at := wall.Add(-time.Duration(offset) * time.Second)
			if start, _ := t.In(zone).ZoneBounds(); !start.IsZero() && at.Before(start) {
				at = start
			}
			return at.UTC()
		}
		t = end
	}
}

// String says a spec in words, for the middle of a sentence: "every 4 hours from 02:00, Europe/Berlin".
func (s Spec) String() string {
	switch s.Hours {
	case Hourly:
		return "every hour"
	case Daily:
		return fmt.Sprintf("daily at %s, %s", s.Start, s.TimeZone)
	case Weekly:
		return fmt.Sprintf("every %s at %s, %s", s.Weekday, s.Start, s.TimeZone)
	}
	return fmt.Sprintf("every %d hours from %s, %s", s.Hours, s.Start, s.TimeZone)
}
