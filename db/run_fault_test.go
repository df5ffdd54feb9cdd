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
