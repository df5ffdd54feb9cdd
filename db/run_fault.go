package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/lib/pq"

	"millrace/pipeline"
)

// storeFault says what an error of Postgres means for a run. Errors that say so themselves pass through, and so do the ends of contexts.
func storeFault(op string, err error) error {
	var f *pipeline.Fault
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrFenced), errors.Is(err, ErrCancelled), errors.Is(err, pipeline.ErrUnitLost), errors.Is(err, pipeline.ErrSeenLost), errors.As(err, &f),
		errors.Is(err, context.Canceled):
		return err
	}
	f = &pipeline.Fault{Err: fmt.Errorf("%s: %w", op, err)}
	var pe *pq.Error
	switch {
	case errors.As(err, &pe):
		serverFault(f, op, pe)
	case Retryable(err), errors.Is(err, context.DeadlineExceeded):
		f.Kind, f.Code, f.Message = pipeline.Transient, "postgres_unreachable", "Postgres cannot be reached."
	default:
		f.Code, f.Message = "internal", "Something unexpected went wrong while the records were stored."
	}
	return f
}

// serverFault fills in f for what Postgres itself reported.
func serverFault(f *pipeline.Fault, op string, pe *pq.Error) {
	switch pe.Code {
	case "40001", "40P01", "23505": // serialization, deadlock, the same record in two pages at once
		f.Kind, f.Code, f.Message = pipeline.Conflict, "postgres_conflict", "Other work in Postgres kept getting in the way of this run."
	case "53100":
		f.Code, f.Message = "postgres_disk_full", "The disk of Postgres is full. Free some space or enlarge it, then run the sync again: it loses nothing."
	case "57014":
		f.Code = "postgres_timeout"
		f.Message = "Postgres stopped a statement because of its time limit. Raise statement_timeout for this role, then run the sync again."
	case "25006":
		f.Kind, f.Code = pipeline.Transient, "postgres_read_only"
		f.Message = "Postgres takes no changes at present: it is a read-only copy, or was set to read only."
	case "42501":
		f.Code = "postgres_no_right"
		f.Message = "Postgres does not let this role write. Check the role's rights, then run the sync again."
	default:
		if lacksAuditDay(pe) {
			f.Kind, f.Code, f.Message = pipeline.Transient, "postgres_no_audit_day", "The audit log had no room for the day; it has been made."
			return
		}
		if Retryable(pe) {
			f.Kind, f.Code, f.Message = pipeline.Transient, "postgres_unavailable", "Postgres is restarting or has no room for another connection."
			return
		}
		if poisonous(pe) {
			f.Kind, f.Err = pipeline.Poisoned, &discreetError{op, pe}
		}
		f.Code, f.Message = "postgres_"+string(pe.Code), "Postgres refused the records: "+pe.Message+"."
	}
}

// discreetError is a refusal by Postgres whose text may quote a record. Logs hold no records: they get its code and where it happened.
type discreetError struct {
	op string
	pe *pq.Error
}

// Error implements error.
func (e *discreetError) Error() string {
	text := fmt.Sprintf("%s: postgres refused a value (%s)", e.op, e.pe.Code)
	for _, at := range []struct{ what, name string }{{"table", e.pe.Table}, {"column", e.pe.Column}, {"constraint", e.pe.Constraint}} {
		if at.name != "" {
			text += ", " + at.what + " " + at.name
		}
	}
	return text
}

// Unwrap returns Postgres' own error.
func (e *discreetError) Unwrap() error { return e.pe }
