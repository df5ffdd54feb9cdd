package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
)

// seconds of CPU time, of the three sides. On a machine with other work they say more than a clock does.
type seconds struct{ Client, Postgres, Org float64 }

func (s seconds) all() float64 { return s.Client + s.Postgres + s.Org }

// meter reads what a process uses between two moments: processor time of all sides, and write-ahead log.
type meter struct {
	database   *sqlx.DB
	postmaster int
	org        int
	began      measure
}

// newMeter begins to measure.
func newMeter(ctx context.Context, j job) (*meter, error) {
	database, err := sqlx.ConnectContext(ctx, "postgres", j.Database)
	if err != nil {
		return nil, err
	}
	var backend int
	if err := database.GetContext(ctx, &backend, `SELECT pg_backend_pid()`); err != nil {
		return nil, err
	}
	m := &meter{database: database, postmaster: processes()[backend].parent, org: j.OrgProcess}
	m.began, err = m.now(ctx)
	return m, err
}

// read adds to what a process measured itself what it used up to now.
func (m *meter) read(ctx context.Context, into *measure) error {
	defer m.database.Close()
	now, err := m.now(ctx)
	if err != nil {
		return err
	}
	into.WAL = now.WAL - m.began.WAL
	into.CPU = seconds{now.CPU.Client - m.began.CPU.Client, now.CPU.Postgres - m.began.CPU.Postgres, now.CPU.Org - m.began.CPU.Org}
	return nil
}

func (m *meter) now(ctx context.Context) (out measure, err error) {
	err = m.database.GetContext(ctx, &out.WAL, `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint`)
	all := processes()
	out.CPU = seconds{cpuOf(all, os.Getpid()), cpuOf(all, m.postmaster), cpuOf(all, m.org)}
	return out, err
}

// ticksPerSecond is the unit of the times in /proc; Linux fixes it for programs whatever the kernel uses.
const ticksPerSecond = 100

// process is what /proc says of one process.
type process struct {
	parent int
	cpu    float64 // seconds, with those of its ended children
}

// processes reads every process that can be seen.
func processes() map[int]process {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well formed
	all := map[int]process{}
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if p, ok := processOf(path); ok {
			all[pid] = p
		}
	}
	return all
}

// processOf reads one; it may have ended meanwhile.
func processOf(path string) (p process, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return p, false
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 15 {
		return p, false
	}
	number := func(i int) float64 {
		n, _ := strconv.ParseFloat(fields[i], 64) // the kernel writes numbers
		return n
	}
	return process{parent: int(number(1)), cpu: (number(11) + number(12) + number(13) + number(14)) / ticksPerSecond}, true
}

// cpuOf returns the seconds of CPU time that a process and its children have used so far; 0 for none.
func cpuOf(all map[int]process, pid int) (sum float64) {
	if pid == 0 {
		return 0
	}
	for id, p := range all {
		for at := id; at > 1; at = all[at].parent {
			if at == pid {
				sum += p.cpu
				break
			}
		}
	}
	return sum
}
