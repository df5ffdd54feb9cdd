package jobs

import (
	"strings"

	"millrace/db"
)

// retried says what became of the records that a run was asked to read once more.
func retried(r db.RetryResult) db.Ending {
	e := db.Ending{State: db.RunCompleted}
	var parts []string
	for _, part := range []struct {
		n     int64
		words string
	}{
		{r.Stored, "taken over"}, {r.Failed, "still cannot be stored"}, {r.Skipped, "still skipped"}, {r.Gone, "not to be here any more"},
		{r.Asked - r.Stored - r.Failed - r.Skipped - r.Gone, "could not be read by themselves"},
	} {
		if part.n > 0 {
			parts = append(parts, count(part.n)+" "+part.words)
		}
	}
	e.Outcome = "Retry: " + strings.Join(parts, ", ")
	if len(parts) == 0 {
		e.Outcome = "Nothing was left to read once more"
	}
	if r.Failed > 0 {
		e.State = db.RunCompletedWithErrors
	}
	return e
}

// retryCutShort says how far one got that ended early.
func retryCutShort(how string, steps []db.RunStep) string {
	var read int64
	for _, s := range steps {
		read += s.Read
	}
	if read == 0 {
		return how + " before the first record was read once more"
	}
	return how + " after " + count(read) + " records were read once more"
}
