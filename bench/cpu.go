package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of the times in /proc; Linux fixes it for programs whatever the kernel uses.
const ticksPerSecond = 100

// process is what /proc says of one process.
type process struct {
	parent   int
	own, all float64 // seconds of CPU time: its own, and with those of its ended children
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
		n, _ := strconv.ParseFloat(fields[i], 64)
		return n
	}
	p.parent = int(number(1))
	p.own = (number(11) + number(12)) / ticksPerSecond
	p.all = p.own + (number(13)+number(14))/ticksPerSecond
	return p, true
}

// cpuOf returns the seconds of CPU time that a process and its children have used so far.
func cpuOf(pid int) (seconds float64) {
	all := processes()
	for id, p := range all {
		for at := id; at > 1; at = all[at].parent {
			if at == pid {
				seconds += p.all
				break
			}
		}
	}
	return seconds
}
