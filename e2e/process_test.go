package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the built program; TestMain makes it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "millrace-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "millrace")
	build := exec.Command("go", "build", "-o", binary, "millrace")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		return 1
	}
	return m.Run()
}

// demo is a running `millrace demo`.
type demo struct {
	app, email, password string // the app and its sign-in
	org, postgres        string // addresses of the simulated org and the database
	dir                  string // its data folder
	cmd                  *exec.Cmd
	exited               chan error

	mu  sync.Mutex
	log strings.Builder
}

// startDemo starts a demo in a new folder and stops it when the test ends.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	return startDemoIn(t, filepath.Join(sharedTempDir(t), "data"), args...)
}

// sharedTempDir is a folder that the unprivileged user of the private Postgres can reach, unlike t.TempDir.
func sharedTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startDemoIn starts a demo on the data folder dir and waits until it serves.
func startDemoIn(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	d := &demo{dir: dir, exited: make(chan error, 1)}
	d.cmd = exec.Command(binary, append([]string{"demo", "--addr", "127.0.0.1:0", "--org-addr", "127.0.0.1:0", "--data", dir}, args...)...)
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stderr = writer(func(p []byte) { d.note(string(p)) })
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	want := map[string]*string{"Millrace: ": &d.app, "Salesforce (simulated): ": &d.org, "Postgres: ": &d.postgres}
	serves := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for seen := 0; lines.Scan(); {
			d.note(lines.Text() + "\n")
			for prefix, field := range want {
				if value, ok := strings.CutPrefix(lines.Text(), prefix); ok {
					*field = value
					seen++
				}
			}
			if value, ok := strings.CutPrefix(lines.Text(), "Sign in: "); ok {
				d.email, d.password, _ = strings.Cut(value, " / ")
				seen++
			}
			if seen == 4 {
				seen++
				close(serves)
			}
		}
		d.exited <- d.cmd.Wait()
	}()
	t.Cleanup(func() {
		d.stop()
		if t.Failed() {
			t.Logf("what the demo printed:\n%s", d.printed())
		}
	})
	select {
	case <-serves:
	case err := <-d.exited:
		d.exited <- err
		t.Fatalf("the demo ended before it served: %v\n%s", err, d.printed())
	case <-time.After(2 * time.Minute):
		t.Fatalf("the demo does not serve after two minutes\n%s", d.printed())
	}
	return d
}

// awaitLine waits until the demo has printed a line that begins so.
func (d *demo) awaitLine(t *testing.T, prefix string) {
	t.Helper()
	waitUntil(t, "the line "+prefix, func() bool {
		for line := range strings.Lines(d.printed()) {
			if strings.HasPrefix(line, prefix) {
				return true
			}
		}
		return false
	})
}

// stop asks the demo to stop, as Ctrl-C does, and returns what its end was.
func (d *demo) stop() error {
	_ = d.cmd.Process.Signal(syscall.SIGINT)
	return d.wait()
}

// kill ends the demo with SIGKILL.
func (d *demo) kill() {
	_ = d.cmd.Process.Kill()
	_ = d.wait()
}

func (d *demo) wait() error {
	select {
	case err := <-d.exited:
		d.exited <- err
		return err
	case <-time.After(time.Minute):
		_ = d.cmd.Process.Kill()
		return fmt.Errorf("the demo did not stop within a minute")
	}
}

func (d *demo) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log.WriteString(s)
}

func (d *demo) printed() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
