package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Reading says how much of its records a step asks Salesforce for. It is decided when the run is planned and stays with the step.
type Reading struct {
	Changes     bool      // only what has changed since Since, and what belongs to parents that have come; else everything
	Since       time.Time // by the org's clock
	Why         string    // why everything is read, for people
	Fingerprint string    // of what decides which records of the set are kept, and how; empty for sets that keep no state
	Doubted     bool      // everything is read because so many parents are in doubt, and none comes to be for that
	Replanned   bool      // fields have gone since the fingerprint was taken, and the step was read without them
	Last        bool      // the last step of its set: with it the set's state is written
	After       int64     // the run whose reading of the set the step goes on from; 0 for none
	Try         bool      // how many records there are is not known: REST's first answer tells, and more than a few go through Bulk

	Whole   string   // the query that reads everything
	Anytime string   // the same without the window of the table; empty where there is none
	List    string   // the query that lists everything of the object that has changed, deleted or not; empty where there is none
	Listed  int64    // how many records its first page announced, where they are more than that holds
	Again   []string // records that could not be stored the last time
	Silent  []string // the columns and further fields that change without the record's time of change moving
}

// ReadState says up to where a set of records is complete here.
type ReadState struct {
	Fingerprint string
	Watermark   time.Time     // by the org's clock
	Run         int64         // that wrote it
	Quiet       time.Duration // since that run began to read the set
	Whole       time.Duration // since everything was last read
	Silent      time.Duration // since the fields that change silently were last read of all records
	Again       []string      // records that could not be stored
	Stranger    bool          // another Salesforce user was connected then
}

// ParentNews is what has become of the parents of a set's records since the set was last read.
type ParentNews struct {
	Lost    bool // what was known of the set is not valid any more
	Entered int  // parents that have come into the copy, counted up to a limit
	Doubted int  // parents whose children may have been overlooked, counted likewise
	Written bool // some parent has been written at all
}

// timeField holds when a record was last changed.
const timeField = "SystemModstamp"

// masterField holds what a deleted record was merged into.
const masterField = "MasterRecordId"

// readVersion stands for how this program keeps records. A change that keeps more of them than before counts it up, so that everything is read once more.
const readVersion = 1

// remembered is how long Salesforce keeps deleted records, less a day.
const remembered = 14 * 24 * time.Hour

// sets returns the places in steps of each set's steps, in the order of the plan. Steps that read nothing are left out.
func sets(steps []Step) [][]int {
	var out [][]int
	place := map[string]int{}
	for i, s := range steps {
		if s.Query == "" {
			continue
		}
		at, ok := place[s.Table.Records()]
		if !ok {
			at = len(out)
			place[s.Table.Records()], out = at, append(out, nil)
		}
		out[at] = append(out[at], i)
	}
	return out
}

// decide chooses for each step whether it reads everything or what has changed.
func (j Work) decide(ctx context.Context, plan *Plan) error {
	if j.Entity == EntityImpact || j.Entity == EntityGap {
		return nil
	}
	if err := j.forget(ctx); err != nil {
		return err
	}
	states, whole, err := j.Store.ReadStates(ctx)
	if err != nil {
		return err
	}
	after := map[int][]Step{} // refreshes, by the place of the step before them
	for _, set := range sets(plan.Steps) {
		first := &plan.Steps[set[0]]
		state, known := states[first.Table.Records()]
		print, err := fingerprint(plan.Steps, set)
		if err != nil {
			return err
		}
		why := j.whyWhole(state, known, whole, print)
		for _, i := range set {
			s := &plan.Steps[i]
			if why == "" {
				why = s.unsteady
			}
		}
		for n, i := range set {
			s := &plan.Steps[i]
			s.Reading = Reading{Fingerprint: print, Last: n == len(set)-1, Whole: s.Query, Anytime: s.anytime, Why: why, Silent: s.silent}
			if why == "" {
				s.Reading.Why = s.narrowTo(state, j.Options.Overlap)
			}
		}
		// What one step of a set cannot do, none of them does.
		if i := slices.IndexFunc(set, func(i int) bool { return !plan.Steps[i].Reading.Changes }); i >= 0 {
			for _, k := range set {
				s := &plan.Steps[k]
				s.Query = s.Reading.Whole
				s.Reading.Changes, s.Reading.Try, s.Reading.Why = false, false, plan.Steps[set[i]].Reading.Why
				if known && (s.stamped || s.windowed()) {
					s.Reading.Since = state.Watermark.Add(-j.Options.Overlap).UTC()
				}
			}
		}
		// Below zero it is when the clock of Postgres was set back: how long ago it was is not known then.
		if first.Reading.Changes && (state.Silent >= RefreshAfter(j.Options.Silent) || state.Silent < 0) {
			if after[set[len(set)-1]], err = refreshes(plan.Steps, set); err != nil {
				return err
			}
		}
	}
	plan.insert(after)
	return shareLists(plan.Steps)
}

// insert puts further steps behind the places of others and counts the positions anew.
func (p *Plan) insert(after map[int][]Step) {
	var steps []Step
	for i, s := range p.Steps {
		steps = append(append(steps, s), after[i]...)
	}
	for i := range steps {
		steps[i].Position = i + 1
	}
	p.Steps = steps
}

// forget drops what is known of records that values were calculated from once: should they be again, the accounts do not hold what was worked out then.
func (j Work) forget(ctx context.Context) error {
	var gone []string
	for _, k := range ValueKinds {
		if k.Rule(j.Settings.Normalize()).Mode != settings.CalculatedValue {
			gone = append(gone, string(k))
		}
	}
	if len(gone) == 0 || j.Entity == EntityImpact {
		return nil
	}
	return j.Store.ForgetStates(ctx, gone)
}

// whyWhole says why a set has to be read in full whatever its steps are; it is empty when that is not so.
func (j Work) whyWhole(state ReadState, known, whole bool, print string) string {
	switch {
	case whole:
		return "an admin asked for it"
	case !known:
		return "there is no complete earlier read to go on from"
	case state.Stranger:
		return "another Salesforce user has been connected since, who may see other records"
	case state.Fingerprint != print:
		return "the settings, or the fields that can be read, have changed"
	case state.Whole >= j.Options.Reconcile:
		return "the last time was more than " + days(j.Options.Reconcile) + " ago"
	case state.Quiet >= remembered:
		return "the last read was more than " + days(remembered) + " ago, and Salesforce forgets what was deleted"
	}
	return ""
}

// days writes a length of time in the largest unit that fits.
func days(d time.Duration) string {
	unit, n := "day", int(d/(24*time.Hour))
	if n == 0 {
		unit, n = "hour", int(d/time.Hour)
	}
	if n == 0 {
		unit, n = "minute", int(d/time.Minute)
	}
	if n == 1 {
		return "a" + map[bool]string{true: "n"}[unit == "hour"] + " " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// narrowTo makes the step read only what has changed since the state, and returns why it cannot.
func (s *Step) narrowTo(state ReadState, overlap time.Duration) (why string) {
	r := &s.Reading
	r.After, r.Again = state.Run, state.Again
	if s.Batches != nil {
		r.Changes = true
		if s.stamped {
			r.Since = state.Watermark.Add(-overlap).UTC()
		}
		return ""
	}
	if !s.stamped {
		return "Salesforce does not say when these records were changed"
	}
	r.Since, r.Try = state.Watermark.Add(-overlap).UTC(), true
	changed, err := changedSince(r.Since)
	if err != nil {
		return err.Error()
	}
	narrowed, err := narrow(s.Query, changed)
	if err != nil {
		return "the query is too long for another condition"
	}
	r.Changes, s.Query = true, narrowed
	return ""
}

// shareLists gives the steps that read changes of one object the same list of them: one that reaches back as far as any of them needs.
func shareLists(steps []Step) error {
	since, parents := map[string]time.Time{}, map[string][]string{}
	for _, s := range steps {
		if !s.lists() {
			continue
		}
		object := s.Table.Object
		if at, ok := since[object]; !ok || s.Reading.Since.Before(at) {
			since[object] = s.Reading.Since
		}
		if f := s.Table.parentField(); f != "" && !slices.Contains(parents[object], f) {
			parents[object] = append(parents[object], f)
		}
	}
	for i := range steps {
		s := &steps[i]
		if !s.lists() {
			continue
		}
		changed, err := changedSince(since[s.Table.Object])
		if err != nil {
			return err
		}
		list, err := soql.Select(s.Table.Object, slices.Concat(s.listed, parents[s.Table.Object]), changed)
		if err != nil {
			return err
		}
		s.Reading.List = list.String()
	}
	return nil
}

// lists reports whether the step goes by a list of what has changed.
func (s Step) lists() bool {
	return (s.Reading.Changes || s.windowed() && !s.Reading.Since.IsZero()) && len(s.listed) > 0
}

// windowed reports whether the step's records are read only when they, or what they belong to, have been changed lately. That one which was old when it was read is not met any more says nothing, even when everything
// is read: only a list of what has changed tells whether it has been changed since and is not selected any more.
func (s Step) windowed() bool { return s.Table.Window != nil }

// changedSince selects the records that have changed since.
func changedSince(since time.Time) (soql.Expr, error) {
	return soql.Compare(timeField, soql.GreaterOrEqual, soql.DateTime(since))
}

// narrow adds a condition to a query.
func narrow(query string, also soql.Expr) (string, error) {
	q, err := soql.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("narrow a query: %w", err)
	}
	q.Where = soql.AllOf(q.Where, also)
	text := q.String()
	if _, err := soql.ParseQuery(text); err != nil {
		return "", fmt.Errorf("narrow a query: %w", err)
	}
	return text, nil
}

// fingerprint tells apart what is kept of a set of records. Words for people are no part of it.
func fingerprint(steps []Step, set []int) (string, error) {
	type part struct {
		Version     int
		Name        string
		AccountType settings.AccountType
		Selects     string
		Table       Table
		Batches     *Batches
		Calculation *Calculation
	}
	sum := sha256.New()
	for _, i := range set {
		s := steps[i]
		selects := s.Query
		if s.own != nil {
			selects = *s.own
		}
		t := s.Table
		t.Label, t.Entity, t.Lacking = "", "", ""
		err := json.NewEncoder(sum).Encode(part{readVersion, s.Name, s.AccountType, selects, t, s.Batches, s.Calculation})
		if err != nil {
			return "", fmt.Errorf("fingerprint of step %s: %w", s.Name, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// like makes a step that was planned again read what it read as old. The next run reads its set in full, whether the fields are still missing then or are back.
func (s Step) like(old Step) (Step, error) {
	if old.Refresh {
		s.Reading.Whole, s.Reading.After = s.Query, old.Reading.After
		all, err := refreshes([]Step{s}, []int{0})
		if err != nil || len(all) == 0 {
			return Step{Note: "There are no such fields any more."}, err
		}
		all[0].Reading.Last = old.Reading.Last
		return all[0], nil
	}
	s.Reading = old.Reading
	s.Reading.Whole, s.Reading.Anytime, s.Reading.Replanned = s.Query, s.anytime, true
	if !old.Reading.Changes || s.Batches != nil {
		return s, nil
	}
	changed, err := changedSince(old.Reading.Since)
	if err == nil {
		s.Query, err = narrow(s.Query, changed)
	}
	return s, err
}

// parentField returns the field with the id of the record that must be here; empty where a record names it otherwise.
func (t Table) parentField() string {
	for _, c := range t.Columns {
		if c.Name == t.Parent && c.Kind == ID {
			return c.Field
		}
	}
	return ""
}
