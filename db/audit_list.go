package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// AuditRow is an entry of the audit log as it is read.
type AuditRow struct {
	At           time.Time `db:"at"`
	Place        string    `db:"place"` // sets it apart from others of the same instant
	ConnectionID int64     `db:"connection_id"`
	RunID        *int64    `db:"run_id"`
	ActorID      *int64    `db:"actor_id"`
	Entity       string    `db:"entity"`
	SFID         string    `db:"sf_id"`
	Action       string    `db:"action"`
	Changes      []byte    `db:"changes"` // JSON: for each field the value before and after; nil for none
	Detail       string    `db:"detail"`
}

// AuditPlace is a point in the order of the audit log: right at an entry or, without a Place, right before the entries of an instant.
type AuditPlace struct {
	At    time.Time
	Place string // "(block,offset)"
}

// AuditEntity selects the entries about one kind of thing. With Global it is a thing of no connection.
type AuditEntity struct {
	Name   string
	Global bool
}

// AuditQuery selects entries of a connection's audit log. The zero value of a field means all.
type AuditQuery struct {
	ConnectionID int64
	Global       bool          // entries of no connection too, such as sign-ins
	Entities     []AuditEntity // only these, when there are any
	Hidden       []string      // entities of the connection that the reader may not see
	Actions      []string
	RunID        int64
	ActorID      int64
	From, Until  time.Time // from the one on, before the other
	Search       string    // a record's Id or name, a field's name, or words of the detail
	SFIDs        []string  // of these records only; 18 characters each

	Start     *AuditPlace // entries older than this place; with Ascending newer ones; nil for the newest
	Ascending bool
	Limit     int

	Count int // how far to count all that is selected, wherever the page starts; 0 for not at all
}

// AuditPage is a part of the audit log, the newest entry first.
type AuditPage struct {
	Rows    []AuditRow
	More    bool       // there are further entries in the direction that was read
	Reached *time.Time // entries were only looked through up to here: going on from Next looks further; nil when nothing was left out
	Next    AuditPlace // where to go on in the direction that was read

	Total     int  // as far as it was counted
	TotalMore bool // there may be more
}

// auditBounds are how much is done for one page before the reader is asked whether to go on. They decide how quickly something is found, not what.
type auditBounds struct {
	reach      int // entries that a walk looks at
	reachWords int // the same where each may have to be taken apart into its words, which costs more than a comparison
	reachNames int // the same where the record of each is looked up
	reachLeast int // the same of each kind of entries
	glance     int // the same before the indexes of what is searched for are used at all
	most       int // entries of one day that indexes lead to
	collected  int // entries that are put in order
	enough     int // entries that indexes lead to, after which no further day is begun
	lookups    int // how often a record is looked up in a day
	named      int // records of one name that are looked up; of more, each entry is asked whether it is about one
	sureNamed  int // so many that a sample promises are not even listed: the index would read them all
	count      int // how far matches of a search are counted
}

var usualBounds = auditBounds{
	reach: 20_000, reachWords: 4_000, reachNames: 3_000, reachLeast: 200, glance: 500,
	most: 100_000, collected: 3_000, enough: 5_000, lookups: 10_000, named: 2_000, sureNamed: 10_000, count: 1_000,
}

const (
	auditWholeScan = 32 << 20 // bytes of a day without indexes that are read for single records
	maxAuditLimit  = 2_000
)

// AuditLog returns a page of the audit log. The order is complete and does not change while entries arrive, so that reading on from Next leaves nothing out and
// brings nothing twice.
func (d *DB) AuditLog(ctx context.Context, q AuditQuery) (AuditPage, error) {
	q.Limit = min(max(q.Limit, 1), maxAuditLimit)
	var page AuditPage
	err := d.readAudit(ctx, q, func(r *auditReader) (err error) {
		page, err = r.page(ctx)
		return err
	})
	if err != nil {
		return AuditPage{}, fmt.Errorf("db.AuditLog(%d): %w", q.ConnectionID, asCancelled(ctx, err))
	}
	return page, nil
}

// CountAudit counts the entries that q selects from its start on, but no further than limit. More says that there may be further ones.
func (d *DB) CountAudit(ctx context.Context, q AuditQuery, limit int) (n int, more bool, err error) {
	err = d.readAudit(ctx, q, func(r *auditReader) (err error) {
		n, more, err = r.count(ctx, r.Start, limit)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("db.CountAudit(%d): %w", q.ConnectionID, asCancelled(ctx, err))
	}
	return n, more, nil
}

// readAudit calls fn with a reader of what q asks for, unless there surely is nothing.
func (d *DB) readAudit(ctx context.Context, q AuditQuery, fn func(*auditReader) error) error {
	for again := false; ; again = true {
		s, err := d.auditSearch(ctx, q)
		if err != nil || s.nothing {
			return err
		}
		err = s.look(ctx, func(tx *sqlx.Tx) error { return fn(&auditReader{auditSearch: s, tx: tx}) })
		if again || !isCode(err, "42P01") { // a day was dropped meanwhile
			return err
		}
	}
}
