package main

import (
	"context"
	"fmt"
	"os"
)

// result is what was measured of the first sync at one size.
type result struct {
	accounts               int
	engine, floor          measure // of the run with the median time
	copyScript, rowsScript measure
	rowsSampled            int64 // of each object
}

// firstSyncs measures the first sync at every size and prints a table.
func (b *bench) firstSyncs(ctx context.Context) error {
	fmt.Fprint(b.out, "\n| First sync of | by | seconds | accounts | contacts | rows/s | Millrace takes | peak memory | WAL | CPU: client | Postgres | org |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, n := range b.sizes {
		r, err := b.firstSync(ctx, n)
		if err != nil {
			return err
		}
		for _, l := range r.lines() {
			fmt.Fprintf(b.out, "| %s of each | %s | %.1f | %.1f | %.1f | %.0f | %s | %.0f MB | %.0f MB | %.1f s | %.1f s | %.1f s |\n", thousands(n), l.name, l.Seconds, l.Of["Account"], l.Of["Contact"],
				float64(l.Rows)/l.Seconds, l.ratio, float64(l.RSS)/1e6, float64(l.WAL)/1e6, l.CPU.Client, l.CPU.Postgres, l.CPU.Org)
		}
	}
	return nil
}

// firstSync measures everything for an org of n accounts. Engine and floor take turns, so that a slow moment of the machine hits both.
func (b *bench) firstSync(ctx context.Context, n int) (result, error) {
	r := result{accounts: n}
	var engines, floors []measure
	for i := range b.runs {
		m, err := b.engineRun(ctx, n, i)
		if err != nil {
			return r, err
		}
		engines = append(engines, m)
		m, err = b.inDatabase(ctx, n, fmt.Sprintf("floor, run %d", i+1), func(j job) (measure, error) { return own(ctx, "floor", j) })
		if err != nil {
			return r, err
		}
		floors = append(floors, m)
	}
	r.engine, r.floor = median(engines), median(floors)
	if !b.peers {
		return r, nil
	}
	var err error
	if r.copyScript, err = b.inDatabase(ctx, n, "script: COPY", func(j job) (measure, error) { return script(ctx, "copy.mjs", j) }); err != nil {
		return r, err
	}
	r.rowsScript, err = b.inDatabase(ctx, n, fmt.Sprintf("script: upserts of %d rows", b.sample), func(j job) (measure, error) {
		j.Rows = int64(min(n, b.sample))
		return script(ctx, "rows.mjs", j)
	})
	r.rowsSampled = int64(min(n, b.sample))
	return r, err
}

// engineRun measures the engine's i-th first sync of an org of n accounts.
func (b *bench) engineRun(ctx context.Context, n, i int) (measure, error) {
	m, err := b.inDatabase(ctx, n, fmt.Sprintf("engine, run %d", i+1), func(j job) (measure, error) { return own(ctx, "engine", j) })
	if err == nil && m.RSS > memoryGoal {
		fmt.Fprintf(os.Stderr, "bench: Millrace had %.0f MB resident, more than the %d MB aimed for\n", float64(m.RSS)/1e6, memoryGoal>>20)
	}
	return m, err
}

// memoryGoal is the most resident memory that the app is meant to need, in bytes.
const memoryGoal = 64 << 20

type line struct {
	measure
	name, ratio string
}

func (r result) lines() []line {
	against := func(m measure) string {
		return fmt.Sprintf("%.2fx as long, %.2fx the CPU", r.engine.Seconds/m.Seconds, r.engine.CPU.all()/m.CPU.all())
	}
	out := []line{
		{r.engine, "Millrace: checked, linked, audited, resumable", ""},
		{r.floor, "the floor: same pages, COPY into the same tables", against(r.floor)},
	}
	if r.copyScript.Rows > 0 {
		out = append(out, line{r.copyScript, "script: jsforce Bulk 2.0 + pg COPY", against(r.copyScript)})
	}
	if r.rowsScript.Rows > 0 {
		whole := r.rowsScript
		factor := float64(r.accounts) / float64(r.rowsSampled)
		whole.Of = map[string]float64{}
		for object, seconds := range r.rowsScript.Of {
			whole.Of[object] = seconds * factor
		}
		whole.Seconds, whole.Rows, whole.WAL = whole.Seconds*factor, int64(float64(whole.Rows)*factor), int64(float64(whole.WAL)*factor)
		whole.CPU = seconds{whole.CPU.Client * factor, whole.CPU.Postgres * factor, whole.CPU.Org * factor}
		name := "script: jsforce + row-wise upserts"
		if factor > 1 {
			name += fmt.Sprintf(" (%s rows of each measured, extrapolated)", thousands(int(r.rowsSampled)))
		}
		out = append(out, line{whole, name, fmt.Sprintf("1/%.0f of the time", whole.Seconds/r.engine.Seconds)})
	}
	return out
}

// thousands writes a number as people read it.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// auditCost compares first syncs with and without audit rows, in turns.
func (b *bench) auditCost(ctx context.Context) error {
	fmt.Fprint(b.out, "\n| First sync of | with audit rows | without | costs | WAL with | without | CPU of Postgres with | without |\n|---|---|---|---|---|---|---|---|\n")
	for _, n := range b.sizes {
		var with, without []measure
		for i := range b.runs {
			m, err := b.engineRun(ctx, n, i)
			if err != nil {
				return err
			}
			with = append(with, m)
			m, err = b.inDatabase(ctx, n, fmt.Sprintf("engine without audit rows, run %d", i+1), func(j job) (measure, error) {
				j.NoAudit = true
				return own(ctx, "engine", j)
			})
			if err != nil {
				return err
			}
			without = append(without, m)
		}
		w, wo := median(with), median(without)
		fmt.Fprintf(b.out, "| %s of each | %.1f s | %.1f s | %+.0f%% | %.0f MB | %.0f MB | %.1f s | %.1f s |\n", thousands(n), w.Seconds, wo.Seconds, 100*(w.Seconds/wo.Seconds-1),
			float64(w.WAL)/1e6, float64(wo.WAL)/1e6, w.CPU.Postgres, wo.CPU.Postgres)
	}
	return nil
}
