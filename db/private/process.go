package private

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startBound starts cmd on a thread that lives as long as the process: the kernel's parent-death signal watches the thread, not our process.
// The channel is closed when the process has ended.
func startBound(cmd *exec.Cmd) (exited chan struct{}, err error) {
	started := make(chan error)
	exited = make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in cmd.ProcessState and in the log
			close(exited)
		}
		runtime.UnlockOSThread()
	}()
	return exited, <-started
}

// orphanPatience is how long a server whose starter was killed may take to end by itself.
const orphanPatience = 5 * time.Second

// endOrphan deals with the server that an earlier process may have left: it waits for one that is ending, ends one that nothing ties to a parent,
// refuses one that somebody else started, and removes a pid file whose number now belongs to another program.
func (c *cluster) endOrphan(ctx context.Context) error {
	file := filepath.Join(c.data, "postmaster.pid")
	for deadline := time.Now().Add(orphanPatience); ; {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return plain(err, "")
		}
		line, _, _ := strings.Cut(string(text), "\n")
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || pid <= 0 || syscall.Kill(pid, 0) == syscall.ESRCH {
			return nil // the server recovers from that by itself
		}
		if !strings.Contains(commandOf(pid), c.data) {
			return plain(os.Remove(file), "")
		}
		if time.Now().After(deadline) {
			if diesWithUs {
				return fmt.Errorf("another Postgres (process %d) runs on this data: stop it first", pid)
			}
			_ = syscall.Kill(pid, syscall.SIGINT) // it may have ended meanwhile; the loop sees that
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the end of the earlier Postgres (process %d): %w", pid, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// commandOf returns the command line of a process, empty when it has none any more.
func commandOf(pid int) string {
	if text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")); err == nil {
		return string(text)
	}
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
