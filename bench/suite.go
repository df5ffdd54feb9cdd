package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"

	"millrace/db/private"
)

// plan is what the whole benchmark measures.
type plan struct {
	sizes   []int // of the org, in accounts; it has as many contacts
	parts   []string
	runs    int
	peers   bool
	sample  int    // rows of the row-wise script
	scale   []int  // sizes of the scaling plot
	plot    string // file of the plot; empty for none
	keep    string // file in which measures are kept; empty for none
	profile string // folder for CPU profiles; empty for none
	server  string // URL of the Postgres to measure on; empty for one of its own
}

// parts are what can be measured, in the order in which it is.
var parts = []struct {
	name, what string
	run        func(*bench, context.Context) error
}{
	{"first", "the first sync against the floor and the scripts", (*bench).firstSyncs},
	{"audit", "the first sync with and without audit rows", (*bench).auditCost},
	{"again", "later syncs: nothing changed, and 1% changed", (*bench).laterSyncs},
	{"scale", "the first sync of orgs of several sizes, with a plot", (*bench).scaling},
}

// bench is one execution of the benchmark.
type bench struct {
	plan
	out      io.Writer
	binary   string // of millrace
	postgres string // URL of the server
	kept     map[string]measure
	org      *org // the one that is running
	accounts int  // its size
}

// suite starts what is needed and measures the parts that are asked for.
func suite(ctx context.Context, p plan) error {
	b := &bench{plan: p, out: os.Stdout}
	if err := b.readKept(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user when this runs as root
		return err
	}
	b.binary = filepath.Join(dir, "millrace")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", b.binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	stopPostgres, err := b.startPostgres(ctx, filepath.Join(dir, "postgres"))
	if err != nil {
		return err
	}
	defer stopPostgres()
	defer b.stopOrg()
	for _, part := range parts {
		if !slices.Contains(p.parts, part.name) {
			continue
		}
		if err := part.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// startPostgres starts a server in a folder, unless there is one to measure on, and tells what is measured on.
func (b *bench) startPostgres(ctx context.Context, dir string) (stop func(), err error) {
	stop = func() {}
	version := "of one's own"
	if b.postgres = b.server; b.postgres == "" {
		pg, err := private.Start(ctx, private.Options{Dir: dir, Log: io.Discard})
		if err != nil {
			return nil, err
		}
		b.postgres, version = pg.URL(), pg.Version()
		stop = func() {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			if err := pg.Stop(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "bench: stopping Postgres:", err)
			}
		}
	}
	fmt.Fprintf(b.out, "%s, %s/%s, %d CPUs, %s, Postgres %s\n", time.Now().UTC().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), version)
	return stop, nil
}

// orgOf returns an org of n accounts and as many contacts. One is running at a time.
func (b *bench) orgOf(ctx context.Context, n int) (*org, error) {
	if b.org != nil && b.accounts == n {
		return b.org, nil
	}
	b.stopOrg()
	// Opportunities are synced with the accounts; few of them leave the accounts and contacts to be seen.
	o, err := startOrg(ctx, b.binary, n, "--contacts", strconv.Itoa(n), "--opportunities", "100")
	if err == nil {
		b.org, b.accounts = o, n
	}
	return o, err
}

// stopOrg stops the org that is running, if any.
func (b *bench) stopOrg() {
	if b.org != nil {
		b.org.stop()
	}
	b.org = nil
}

// job is what processes are told that work on d.
func (b *bench) job(d *database) job {
	return job{Database: d.url, Connection: d.connection, Org: b.org.address, OrgProcess: b.org.pid, Token: b.org.token, ClientID: b.org.clientID,
		ClientSecret: b.org.clientSecret, Profile: b.profile}
}

// inDatabase measures fn on an org of n accounts and a fresh database with the app's schema, unless that has been measured and kept.
func (b *bench) inDatabase(ctx context.Context, n int, name string, fn func(job) (measure, error)) (measure, error) {
	return b.once(fmt.Sprintf("%d %s", n, name), func() (measure, error) {
		o, err := b.orgOf(ctx, n)
		if err != nil {
			return measure{}, err
		}
		d, err := newDatabase(ctx, b.postgres, o)
		if err != nil {
			return measure{}, err
		}
		defer d.drop()
		return fn(b.job(d))
	})
}

// once measures fn under a name, unless a measure of that name has been kept.
func (b *bench) once(name string, fn func() (measure, error)) (measure, error) {
	if m, ok := b.kept[name]; ok {
		fmt.Fprintln(os.Stderr, name+": kept")
		return m, nil
	}
	fmt.Fprintln(os.Stderr, name)
	m, err := fn()
	if err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	return m, b.keepMeasure(name, m)
}

// keptMeasure is a line of the file of kept measures.
type keptMeasure struct {
	Name    string
	Measure measure
}

// readKept reads what an earlier execution has kept, so that this one goes on where that was stopped.
func (b *bench) readKept() error {
	b.kept = map[string]measure{}
	if b.keep == "" {
		return nil
	}
	f, err := os.Open(b.keep)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var k keptMeasure
		if err := json.Unmarshal(lines.Bytes(), &k); err != nil {
			return fmt.Errorf("%s: %w", b.keep, err)
		}
		b.kept[k.Name] = k.Measure
	}
	return lines.Err()
}

func (b *bench) keepMeasure(name string, m measure) error {
	b.kept[name] = m
	if b.keep == "" {
		return nil
	}
	f, err := os.OpenFile(b.keep, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(json.NewEncoder(f).Encode(keptMeasure{name, m}), f.Close())
}

// median returns the measure with the median time.
func median(all []measure) measure {
	slices.SortFunc(all, func(a, b measure) int { return cmp.Compare(a.Seconds, b.Seconds) })
	return all[len(all)/2]
}
