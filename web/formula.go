package web

import (
	"net/http"
	"slices"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/views"
)

// formulaAges tells how old values are whose changes Salesforce does not tell of, such as those of formulas.
type formulaAges struct {
	reads    map[string]db.FormulaRead
	every    time.Duration
	accounts db.Schedule // by which the objects of an account's page are read
}

func (s *Server) formulaAges(r *http.Request, c db.Connection) (formulaAges, error) {
	reads, err := s.DB.FormulaReads(r.Context(), c.ID)
	if err != nil || len(reads) == 0 {
		return formulaAges{}, err
	}
	a := formulaAges{reads: reads, every: s.FormulasEvery}
	schedules, err := s.DB.Schedules(r.Context(), c.ID)
	if i := slices.IndexFunc(schedules, func(one db.Schedule) bool { return one.Entity == pipeline.EntityAccounts }); i >= 0 {
		a.accounts = schedules[i]
	}
	return a, err
}

// recordRead says what the record itself tells of when it was read.
type recordRead struct {
	set   string     // of records that it is one of
	since *time.Time // all of it was read then or later; nil when it does not tell
	left  *time.Time // when it left, after which it is not read; nil while it is in step
}

// of returns how old a record's value of a field is; nil for a field whose changes Salesforce tells of, and for one that is not known.
func (a formulaAges) of(record recordRead, field string) *views.ReadAge {
	read, ok := a.reads[record.set]
	if !ok || !slices.Contains(read.Fields, field) {
		return nil
	}
	if record.left != nil {
		return &views.ReadAge{Left: record.left}
	}
	age := views.ReadAge{At: read.At, Due: read.At.Add(pipeline.RefreshAfter(a.every))}
	if record.since != nil && record.since.After(age.At) {
		age.At = *record.since
	}
	if slot, ok := a.accounts.NextFrom(age.Due); ok {
		age.Slot = &slot
	}
	return &age
}

// ofValue returns how old an account's value is, whether it comes from a field of the account or from those of other records.
func (a formulaAges) ofValue(account recordRead, k pipeline.ValueKind) *views.ReadAge {
	if age := a.of(account, string(k.Columns()[0])); age != nil {
		return age
	}
	made := a.reads[string(k)]
	if len(made.Fields) == 0 {
		return nil
	}
	return a.of(recordRead{set: string(k), left: account.left}, made.Fields[0])
}
