package db

import (
	"slices"
	"time"
)

// auditWindow is a stretch of days that are read by one statement, in the order of reading.
type auditWindow struct {
	parts   []auditPart
	indexed bool
	large   bool        // a day that may hold very much of what is searched for
	start   *AuditPlace // entries beyond this place only; nil for all
}

// windowSizes are how many days are read at once: what is frequent is found in the first, and what is rare takes few statements.
var windowSizes = []int{1, 7, 30, 1000}

// windows cuts the days that hold something beyond the start into stretches. A day without its indexes stands alone.
func (s *auditSearch) windows(start *AuditPlace) []auditWindow {
	var out []auditWindow
	for left, step := s.daysFrom(start), 0; len(left) > 0; {
		w := auditWindow{parts: left[:1], indexed: left[0].indexed(), start: start}
		if w.indexed {
			n := 1
			for n < len(left) && n < windowSizes[step] && left[n].indexed() {
				n++
			}
			w.parts = left[:n]
			step = min(step+1, len(windowSizes)-1)
		}
		out, left = append(out, w), left[len(w.parts):]
	}
	return out
}

// daysFrom returns the days that may hold something that is asked for beyond the start.
func (s *auditSearch) daysFrom(start *AuditPlace) []auditPart {
	lo, hi := s.lo, s.hi
	if start != nil {
		if s.Ascending {
			lo = later(lo, start.At)
		} else if end := start.At.Add(time.Microsecond); hi.IsZero() || end.Before(hi) {
			hi = end
		}
	}
	parts := slices.DeleteFunc(slices.Clone(s.parts), func(p auditPart) bool {
		return !hi.IsZero() && !p.Day.Before(hi) || !p.end().After(lo)
	})
	if s.Ascending {
		slices.Reverse(parts)
	}
	return parts
}

// first is the window of the first n of its days.
func (w auditWindow) first(n int) auditWindow {
	w.parts = w.parts[:n]
	return w
}

// bounds are the beginning and the end of a window.
func (w auditWindow) bounds() (lo, hi time.Time) {
	first, last := w.parts[0], w.parts[len(w.parts)-1]
	if last.Day.Before(first.Day) {
		first, last = last, first
	}
	return first.Day, last.end()
}

// behind is the window of the days behind the first n.
func (w auditWindow) behind(n int) auditWindow {
	w.parts = w.parts[n:]
	return w
}
