package pipeline

import (
	"context"
	"errors"
	"time"
)

// FaultKind says what to do about an error.
type FaultKind int

// The kinds of faults. The zero value fails the run.
const (
	Fatal          FaultKind = iota
	Transient                // worth the same attempt again later
	Conflict                 // lost against another transaction; worth an immediate attempt
	DailyLimit               // the org's daily API requests are used up
	NeedsReconnect           // the grant is dead: a person must connect the org again
	Gone                     // the bulk job or the query's cursor no longer exists
	Refused                  // Salesforce does not accept the query
	Blocked                  // a setting here forbids the way to Salesforce: a person must change it
	Poisoned                 // the store refuses some record of a page: worth another attempt with Page.Careful, which finds out which
	OverBudget               // the allowance of API requests has no room
)

// Fault is an error of the source or the store with what it means for the run.
type Fault struct {
	Kind    FaultKind
	Code    string // stable and short, such as "postgres_disk_full" or Salesforce's errorCode
	Message string // a plain sentence with the remedy; may be empty
	Line    int    // of a refused query, counted from 1, where Salesforce names the place; 0 otherwise
	Column  int
	Tried   int        // how often it was tried already by who reports it
	Grant   int64      // version of the sign-in that was refused; 0 where it is not known
	Until   *time.Time // when a wait for it to pass is over, where that is known
	Err     error
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Err != nil {
		return f.Err.Error()
	}
	return f.Message
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// KindOf returns the kind of err: that of its Fault, or Fatal. The end of a context has no kind of its own; ask the context first.
func KindOf(err error) FaultKind {
	var f *Fault
	if errors.As(err, &f) {
		return f.Kind
	}
	return Fatal
}

// FaultOf returns err as a Fault; one without a kind becomes Fatal with the code "internal".
func FaultOf(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return &Fault{Kind: Fatal, Code: "internal", Err: err}
}

var (
	// ErrFenced means that another runner has taken the run over; whoever gets it stops at once.
	ErrFenced = errors.New("the run has been taken over")
	// ErrCancelled means that a person has cancelled the run.
	ErrCancelled = errors.New("the run has been cancelled")
	// ErrSeenLost means that the list of records met so far was lost when Postgres crashed.
	ErrSeenLost = errors.New("the list of records met was lost")
)

// retryable reports whether the same page may be tried again at once.
func retryable(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	k := KindOf(err)
	return k == Transient || k == Conflict || k == Poisoned
}
