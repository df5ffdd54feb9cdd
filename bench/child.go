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
	Token        string
	ClientID     string
	ClientSecret string
	Rows         int64  // to take over; 0 for all
	PageRows     int    // of a replica; 0 for what is usual
	Name         string // of a replica
	Profile      string // file for a CPU profile; empty for none
}

// measure is what a measured process prints, as JSON on its last line.
type measure struct {
	Seconds float64
	Rows    int64
	RSS     int64  // greatest resident memory in bytes
	WAL     int64  // bytes of write-ahead log, added by the parent
	Token   string // of a sign-in
	CPU     cpu    // added by the parent
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
	if j.Profile != "" {
		f, err := os.Create(j.Profile + "." + os.Args[1])
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	m, err := fn(j)
	if err != nil {
		return err
	}
	if m.RSS, err = peakRSS(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
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
	return measured(ctx, j, "node", filepath.Join("bench", "peers", name))
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
	usage := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var m measure
	if err := json.Unmarshal(lines[len(lines)-1], &m); err != nil {
		return measure{}, fmt.Errorf("%s printed %q: %w", name, lines[len(lines)-1], err)
	}
	m.CPU.Client = usage.Seconds()
	return m, nil
}

// cpu is the CPU time, in seconds, of the three sides.
type cpu struct{ Client, Postgres, Org float64 }

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
