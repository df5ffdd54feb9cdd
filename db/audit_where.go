package db

import (
	"strconv"
	"strings"

	"github.com/lib/pq"
)

// auditSQL collects the arguments of a statement.
type auditSQL struct{ args []any }

func (b *auditSQL) add(v any) string {
	b.args = append(b.args, v)
	return "$" + strconv.Itoa(len(b.args))
}

// allOf joins conditions, of which empty ones hold always.
func allOf(conds ...string) string {
	var all []string
	for _, c := range conds {
		if c != "" {
			all = append(all, c)
		}
	}
	return strings.Join(all, " AND ")
}

// order is the order of reading, by time and, within an instant, by the place in the table.
func (s *auditSearch) order(of string) string {
	if s.Ascending {
		return " ORDER BY " + of + "at, " + of + "place"
	}
	return " ORDER BY " + of + "at DESC, " + of + "place DESC"
}

// within is the condition that an entry a lies in the window.
func (s *auditSearch) within(b *auditSQL, w auditWindow) string {
	lo, hi := w.bounds()
	lo = later(lo, s.lo)
	if !s.hi.IsZero() && s.hi.Before(hi) {
		hi = s.hi
	}
	return allOf("a.at >= "+b.add(lo)+" AND a.at < "+b.add(hi), s.beyond(b, w.start))
}

// withinDay is the condition that an entry a of a day lies beyond the start and in the time that is asked for; empty for all of the day.
func (s *auditSearch) withinDay(b *auditSQL, p auditPart, start *AuditPlace) string {
	lo, hi, beyond := "", "", ""
	if s.lo.After(p.Day) {
		lo = "a.at >= " + b.add(s.lo)
	}
	if !s.hi.IsZero() && s.hi.Before(p.end()) {
		hi = "a.at < " + b.add(s.hi)
	}
	if start != nil && p.holds(start.At) {
		beyond = s.beyond(b, start)
	}
	return allOf(lo, hi, beyond)
}

// beyond is the condition that an entry a comes after a place in the order of reading; empty for no place.
func (s *auditSearch) beyond(b *auditSQL, start *AuditPlace) string {
	if start == nil {
		return ""
	}
	at := b.add(start.At)
	switch {
	case s.Ascending && start.Place == "":
		return "a.at >= " + at
	case s.Ascending:
		return "a.at >= " + at + " AND (a.at > " + at + " OR a.ctid > " + b.add(start.Place) + "::tid)"
	case start.Place == "":
		return "a.at < " + at
	}
	return "a.at <= " + at + " AND (a.at < " + at + " OR a.ctid < " + b.add(start.Place) + "::tid)"
}

// ofConnections is the condition that an entry a is of one of the connections that are asked for.
func (s *auditSearch) ofConnections(b *auditSQL) string {
	return "a.connection_id = ANY (" + b.add(pq.Array(s.connections)) + ")"
}

// byKind reports whether entries are asked for by their kind.
func (s *auditSearch) byKind() bool { return len(s.Entities) > 0 || len(s.Actions) > 0 }

// filters is the condition that an entry a of one of the connections is selected, besides its time and what is searched for; empty for any.
func (s *auditSearch) filters(b *auditSQL) string {
	var all []string
	if len(s.Entities) > 0 {
		names := map[bool][]string{}
		for _, e := range s.Entities {
			names[e.Global] = append(names[e.Global], e.Name)
		}
		all = append(all, "CASE WHEN a.connection_id = 0 THEN a.entity = ANY ("+b.add(pq.Array(names[true]))+") ELSE a.entity = ANY ("+b.add(pq.Array(names[false]))+") END")
	}
	if len(s.Hidden) > 0 {
		all = append(all, "a.entity <> ALL ("+b.add(pq.Array(s.Hidden))+")")
	}
	if len(s.Actions) > 0 {
		all = append(all, "a.action = ANY ("+b.add(pq.Array(s.Actions))+")")
	}
	return allOf(append(all, s.ofRun(b), s.ofPerson(b))...)
}

func (s *auditSearch) ofRun(b *auditSQL) string {
	if s.RunID == 0 {
		return ""
	}
	return "a.run_id = " + b.add(s.RunID)
}

func (s *auditSearch) ofPerson(b *auditSQL) string {
	if s.ActorID == 0 {
		return ""
	}
	return "a.actor_id = " + b.add(s.ActorID)
}

const auditColumns = `a.at, a.ctid AS place, a.connection_id, a.run_id, a.actor_id, a.entity, a.sf_id, a.action, a.changes, a.detail`

// shownColumns are auditColumns as they are read.
const shownColumns = `at, place::text AS place, connection_id, run_id, actor_id, entity, sf_id, action, changes, coalesce(detail, '') AS detail`
