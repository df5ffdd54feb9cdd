package db

import (
	"context"
	"time"

	"github.com/lib/pq"
)

// FormulaRead says of a set of records when the fields whose changes Salesforce does not tell of, such as formulas, were last read of all of them.
type FormulaRead struct {
	Fields []string // columns and further fields
	At     time.Time
}

// FormulaReads returns what is known of a connection's sets of records, by their names. Sets without such fields are left out.
func (d *DB) FormulaReads(ctx context.Context, connectionID int64) (map[string]FormulaRead, error) {
	var rows []struct {
		Records string         `db:"records"`
		Fields  pq.StringArray `db:"silent"`
		At      time.Time      `db:"silent_read_at"`
	}
	err := d.pool.SelectContext(ctx, &rows, kept(`SELECT records, silent, silent_read_at FROM millrace.read_states WHERE connection_id = $1 AND silent <> '{}'`), connectionID)
	if err != nil {
		return nil, wrapIf(asCancelled(ctx, err), "db.FormulaReads(%d)", connectionID)
	}
	out := make(map[string]FormulaRead, len(rows))
	for _, r := range rows {
		out[r.Records] = FormulaRead{Fields: r.Fields, At: r.At}
	}
	return out, nil
}
