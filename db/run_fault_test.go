package db_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lib/pq"

	"millrace/db"
	"millrace/pipeline"
)

// TestLogsQuoteNoRecords keeps what Postgres quotes of a record out of what is logged, and in what the page of the run shows.
func TestLogsQuoteNoRecords(t *testing.T) {
	t.Parallel()
	err := db.StoreFault("store page 3 of contacts", &pq.Error{Code: "22P02", Message: `invalid input syntax for type date: "canary"`, Column: "close_date"})
	if text := err.Error(); strings.Contains(text, "canary") || text != "store page 3 of contacts: postgres refused a value (22P02), column close_date" {
		t.Errorf("the log would say %q", text)
	}
	var pe *pq.Error
	if f := pipeline.FaultOf(err); f.Kind != pipeline.Poisoned || f.Code != "postgres_22P02" || !strings.Contains(f.Message, "canary") || !errors.As(err, &pe) {
		t.Errorf("the fault is %+v", f)
	}
}

// TestLackOfAnAuditDayIsNoPoison tells the lack of a day of the audit log, which passes, from what Postgres holds against a record, and from an entry of another day than that of its part.
func TestLackOfAnAuditDayIsNoPoison(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    pq.Error
		kind   pipeline.FaultKind
		poison bool
	}{
		{pq.Error{Code: "42P01", Message: `relation "millrace.audit_log_20260301" does not exist`}, pipeline.Transient, false},
		{pq.Error{Code: "23514", Message: `no partition of relation "audit_log" found for row`, Schema: "millrace", Table: "audit_log"}, pipeline.Transient, false},
		{pq.Error{Code: "42P01", Message: `relation "millrace.accounts_7" does not exist`}, pipeline.Fatal, false},
		{pq.Error{Code: "23514", Message: `new row for relation "audit_log_20260301" violates partition constraint`, Schema: "millrace", Table: "audit_log_20260301"}, pipeline.Poisoned, true},
		{pq.Error{Code: "23514", Message: `new row violates check constraint "poison"`, Schema: "millrace", Table: "accounts", Constraint: "poison"}, pipeline.Poisoned, true},
	} {
		if f := pipeline.FaultOf(db.StoreFault("store a page", &c.err)); f.Kind != c.kind || db.Poisonous(&c.err) != c.poison {
			t.Errorf("%s: %+v, poisonous %t", c.err.Message, f, db.Poisonous(&c.err))
		}
	}
}
