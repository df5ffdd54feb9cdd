package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
)

// job is what a measured process is told, as JSON in its one argument.
type job struct {
	Database     string // URL
	Connection   int64
	Org          string // address
	OrgProcess   int    // its id; 0 where it cannot be seen
	Token        string
	ClientID     string
	ClientSecret string
	Rows         int64  // of each object to take over; 0 for all
	PageRows     int    // of a replica; 0 for what is usual
	Name         string // of a replica
	Profile      string // where to write CPU profiles; empty for none
	NoAudit      bool   // records are loaded without their audit rows
}

// measure is what a measured process prints, as JSON on its last line.
type measure struct {
	Seconds float64            // for the accounts and the contacts
	Of      map[string]float64 // of these, by object
	Whole   float64            // seconds from the beginning of a run to its end
	Rows    int64              // that were read
	Touched int64              // of these, the ones that were new or differed
	Calls   int64              // to the org
	RSS     int64              // greatest resident memory in bytes
	WAL     int64              // bytes of write-ahead log
	CPU     seconds            // of CPU time
	Token   string             // of a sign-in
}

// child runs one measured process.
func child(args []string, fn func(job) (measure, error)) error {
	if len(args) != 1 {
		return errors.New("a job is missing")
	}
	var j job
	if err := json.Unmarshal([]byte(args[0]), &j); err != nil {
		return err
	}
	stop, err := j.profile()
	if err != nil {
		return err
	}
	m, err := fn(j)
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	if m.RSS, err = peakRSS(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

// profile starts a CPU profile, when one is wanted.
func (j job) profile() (stop func() error, err error) {
	if j.Profile == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(filepath.Join(j.Profile, fmt.Sprintf("%s-%d.pprof", os.Args[1], os.Getpid())))
	if err != nil {
		return nil, err
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, pprof.StartCPUProfile(f)
}

// own measures this program in a process of its own.
func own(ctx context.Context, what string, j job) (measure, error) {
	self, err := os.Executable()
	if err != nil {
		return measure{}, err
	}
	return measured(ctx, j, self, what)
}

// script measures a Node script.
func script(ctx context.Context, name string, j job) (measure, error) {
	meter, err := newMeter(ctx, j)
	if err != nil {
		return measure{}, err
	}
	m, err := measured(ctx, j, "node", filepath.Join("bench", "peers", name))
	if err != nil {
		return measure{}, err
	}
	client := m.CPU.Client
	err = meter.read(ctx, &m)
	m.CPU.Client = client
	return m, err
}

func measured(ctx context.Context, j job, name string, args ...string) (measure, error) {
	return measuredBy(j, func(job string) *exec.Cmd { return exec.CommandContext(ctx, name, append(args, job)...) })
}

// measuredBy runs the command that is made for a job, as JSON.
func measuredBy(j job, command func(job string) *exec.Cmd) (measure, error) {
	arg, err := json.Marshal(j)
	if err != nil {
		return measure{}, err
	}
	cmd := command(string(arg))
	name := cmd.Args[0]
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return measure{}, fmt.Errorf("%s: %w", name, err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var m measure
	if err := json.Unmarshal(lines[len(lines)-1], &m); err != nil {
		return measure{}, fmt.Errorf("%s printed %q: %w", name, lines[len(lines)-1], err)
	}
	if m.CPU.Client == 0 {
		m.CPU.Client = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	return m, nil
}

// peakRSS returns the greatest resident memory that this process has had, in bytes.
func peakRSS() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}
