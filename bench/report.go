package main

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// report prints the table in Markdown.
func report(w io.Writer, results []result) error {
	if _, err := fmt.Fprintf(w, "%s, %s/%s, %d CPUs, %s\n\n", time.Now().UTC().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, "| First sync of | by | seconds | accounts/s | Millrace takes | peak memory | WAL |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		for _, l := range r.lines() {
			if err == nil {
				_, err = fmt.Fprintf(w, "| %d accounts | %s | %.1f | %.0f | %s | %.0f MB | %.0f MB | %.2f |\n", r.accounts, l.name, l.Seconds, float64(l.Rows)/l.Seconds,
					l.ratio, float64(l.RSS)/1e6, float64(l.WAL)/1e6, l.CPU)
			}
		}
	}
	return err
}

type line struct {
	measure
	name, ratio string
}

func (r result) lines() []line {
	against := func(seconds float64) string { return fmt.Sprintf("%.2fx as long", r.engine.Seconds/seconds) }
	out := []line{
		{r.engine, "Millrace: checked, merged, audited, resumable", ""},
		{r.floor, "the floor: same pages, COPY into the same table", against(r.floor.Seconds)},
	}
	if r.copyScript.Rows > 0 {
		out = append(out, line{r.copyScript, "script: jsforce Bulk 2.0 + pg COPY", against(r.copyScript.Seconds)})
	}
	if r.rowsScript.Rows > 0 {
		whole := r.rowsScript
		factor := float64(r.accounts) / float64(r.rowsSampled)
		whole.Seconds, whole.Rows, whole.WAL = whole.Seconds*factor, int64(r.accounts), int64(float64(whole.WAL)*factor)
		name := "script: jsforce + row-wise upserts"
		if factor > 1 {
			name += fmt.Sprintf(" (%d rows measured, extrapolated)", r.rowsSampled)
		}
		out = append(out, line{whole, name, fmt.Sprintf("1/%.0f of the time", whole.Seconds/r.engine.Seconds)})
	}
	return out
}
