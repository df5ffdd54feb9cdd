package db

import (
	"context"
	"fmt"
	"time"
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
}

// AuditPage is a part of the audit log, the newest entry first.
type AuditPage struct {
	Rows    []AuditRow
	More    bool       // there are further entries in the direction that was read
	Reached *time.Time // entries were only looked through up to here: going on from Next looks further; nil when nothing was left out
	Next    AuditPlace // where to go on in the direction that was read
	NameCut bool       // so many records have such a name that only some of them were looked for
}

// How much is looked through for one page before the reader is asked whether to go on. Taking an entry's words apart costs more than comparing it.
const (
	auditReach      = 20_000
	auditReachWords = 4_000
	maxAuditLimit   = 2_000
	maxAuditSet     = 20_000 // matches of a search in one look
	auditWholeScan  = 32 << 20
)

// AuditLog returns a page of the audit log. The order is complete and does not change while entries arrive, so that reading on from Next leaves nothing out and
// brings nothing twice.
func (d *DB) AuditLog(ctx context.Context, q AuditQuery) (AuditPage, error) {
	q.Limit = min(max(q.Limit, 1), maxAuditLimit)
	var page AuditPage
	s, err := d.auditSearch(ctx, q)
	if err == nil {
		page, err = s.page(ctx)
	}
	if err != nil {
		return AuditPage{}, fmt.Errorf("db.AuditLog(%d): %w", q.ConnectionID, asCancelled(ctx, err))
	}
	return page, nil
}

// CountAudit counts the entries that q selects, wherever it starts, but no further than limit. More says that there may be further ones.
func (d *DB) CountAudit(ctx context.Context, q AuditQuery, limit int) (n int, more bool, err error) {
	s, err := d.auditSearch(ctx, q)
	if err == nil {
		n, more, err = s.count(ctx, limit)
	}
	if err != nil {
		return 0, false, fmt.Errorf("db.CountAudit(%d): %w", q.ConnectionID, asCancelled(ctx, err))
	}
	return n, more, nil
}
