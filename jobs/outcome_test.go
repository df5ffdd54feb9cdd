package jobs

import (
	"testing"

	"millrace/db"
)

// TestOneReasonIsSaidOnce has several objects refused for one reason and another for one of its own.
func TestOneReasonIsSaidOnce(t *testing.T) {
	t.Parallel()
	e := ending([]db.RunStep{
		{Label: "Users", State: "failed", Note: "No query is accepted."}, {Label: "Accounts", State: "failed", Note: "The filter no longer fits."},
		{Label: "Contacts", State: "failed", Note: "No query is accepted."},
	}, nil)
	if want := "Users, Contacts: No query is accepted. Accounts: The filter no longer fits."; e.State != db.RunFailed || e.Error != want {
		t.Errorf("the run is %s: %s", e.State, e.Error)
	}
}
