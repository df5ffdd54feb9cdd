package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"millrace/db/private"
)

// plan is what the whole benchmark measures.
type plan struct {
	sizes  []int
	runs   int
	peers  bool
	sample int
}

// result is what was measured at one size.
type result struct {
	accounts               int
	engine, floor          measure // of the run with the median time
	copyScript, rowsScript measure
	rowsSampled            int64
}

// suite starts what is needed, measures every size and prints the table.
func suite(ctx context.Context, p plan) error {
	dir, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user when this runs as root
		return err
	}
	binary := filepath.Join(dir, "millrace")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	pg, err := private.Start(ctx, private.Options{Dir: filepath.Join(dir, "postgres"), Log: io.Discard})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: stopping Postgres:", err)
		}
	}()
	b := bench{plan: p, binary: binary, postgres: pg.URL()}
	for _, n := range p.sizes {
		r, err := b.size(ctx, n)
		if err != nil {
			return fmt.Errorf("%d accounts: %w", n, err)
		}
		b.results = append(b.results, r)
	}
	return report(os.Stdout, b.results)
}

type bench struct {
	plan
	binary   string // of millrace
	postgres string // URL of the server
	results  []result
}

// size measures everything for an org of n accounts. Engine and floor take turns, so that a slow moment of the machine hits both.
func (b *bench) size(ctx context.Context, n int) (result, error) {
	r := result{accounts: n}
	o, err := startOrg(ctx, b.binary, n)
	if err != nil {
		return r, err
	}
	defer o.stop()
	var engines, floors []measure
	for i := range b.runs {
		fmt.Fprintf(os.Stderr, "%d accounts: run %d of %d\n", n, i+1, b.runs)
		m, err := b.inDatabase(ctx, func(j job) (measure, error) { return own(ctx, "engine", j) }, o)
		if err != nil {
			return r, fmt.Errorf("engine: %w", err)
		}
		engines = append(engines, m)
		if m, err = b.inDatabase(ctx, func(j job) (measure, error) { return own(ctx, "floor", j) }, o); err != nil {
			return r, fmt.Errorf("floor: %w", err)
		}
		floors = append(floors, m)
	}
	r.engine, r.floor = median(engines), median(floors)
	if !b.peers {
		return r, nil
	}
	fmt.Fprintf(os.Stderr, "%d accounts: the jsforce scripts\n", n)
	if r.copyScript, err = b.inDatabase(ctx, func(j job) (measure, error) { return script(ctx, "copy.mjs", j) }, o); err != nil {
		return r, fmt.Errorf("jsforce and COPY: %w", err)
	}
	r.rowsScript, err = b.inDatabase(ctx, func(j job) (measure, error) {
		j.Rows = int64(min(n, b.sample))
		return script(ctx, "rows.mjs", j)
	}, o)
	if err != nil {
		return r, fmt.Errorf("jsforce and row-wise upserts: %w", err)
	}
	r.rowsSampled = r.rowsScript.Rows
	return r, nil
}

// inDatabase measures fn in a fresh database with the app's schema, and the write-ahead log that it made.
func (b *bench) inDatabase(ctx context.Context, fn func(job) (measure, error), o *org) (measure, error) {
	d, err := newDatabase(ctx, b.postgres, o)
	if err != nil {
		return measure{}, err
	}
	defer d.drop()
	before, err := d.wal(ctx)
	if err != nil {
		return measure{}, err
	}
	var backend int
	if err := d.admin.GetContext(ctx, &backend, `SELECT pg_backend_pid()`); err != nil {
		return measure{}, err
	}
	postmaster := processes()[backend].parent
	pg0, org0 := cpuOf(postmaster), cpuOf(o.pid)
	m, err := fn(job{Database: d.url, Connection: d.connection, Org: o.address, Token: o.token, ClientID: o.clientID, ClientSecret: o.clientSecret, Profile: os.Getenv("PROF")})
	if err != nil {
		return measure{}, err
	}
	after, err := d.wal(ctx)
	m.WAL = after - before
	m.CPU.Postgres, m.CPU.Org = cpuOf(postmaster)-pg0, cpuOf(o.pid)-org0
	return m, err
}

// median returns the measure with the median time.
func median(all []measure) measure {
	slices.SortFunc(all, func(a, b measure) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return all[len(all)/2]
}
