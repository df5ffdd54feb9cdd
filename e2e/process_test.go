package e2e

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

// binary is the built program; TestMain makes it.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	// A run that was killed leaves its data behind, in main memory even. No run lasts for hours.
	left, _ := filepath.Glob(filepath.Join(tempRoot(), "millrace-e2e-*")) // the pattern is a good one
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 3*time.Hour {
			_ = os.RemoveAll(dir) // only a leftover
		}
	}
	programs, err := os.MkdirTemp("", "millrace-e2e-")
	if err == nil {
		defer os.RemoveAll(programs)
		template.home, err = os.MkdirTemp(tempRoot(), "millrace-e2e-")
	}
	if err == nil {
		defer os.RemoveAll(template.home)
		err = os.Chmod(template.home, 0o755) // the unprivileged user of a private Postgres goes through it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(programs, "millrace")
	build := exec.Command("go", "build", "-o", binary, "millrace")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		return 1
	}
	defer stopChromium()
	return m.Run()
}

// process is a running command of the program.
type process struct {
	cmd    *exec.Cmd
	exited chan error

	mu  sync.Mutex
	log strings.Builder
}

// startProcess starts a command and waits until it has printed a line for each of wants. It is stopped when the test ends.
func startProcess(t *testing.T, env []string, wants map[string]func(string), args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, args...), exited: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), env...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = writer(func(b []byte) { p.note(string(b)) })
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serves := make(chan struct{})
	go func() {
		open := maps.Clone(wants)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.note(lines.Text() + "\n")
			for prefix, take := range open {
				if value, ok := strings.CutPrefix(lines.Text(), prefix); ok {
					take(value)
					if delete(open, prefix); len(open) == 0 {
						close(serves)
					}
				}
			}
		}
		p.exited <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("what %s printed:\n%s", args[0], p.printed())
		}
	})
	select {
	case <-serves:
	case err := <-p.exited:
		p.exited <- err
		t.Fatalf("%s ended before it served: %v\n%s", args[0], err, p.printed())
	case <-time.After(2 * time.Minute):
		t.Fatalf("%s does not serve after two minutes\n%s", args[0], p.printed())
	}
	return p
}

// into takes a line's value into a variable.
func into(s *string) func(string) { return func(value string) { *s = value } }

// demo is a running `millrace demo`.
type demo struct {
	*process
	app, email, password string // the app and its sign-in
	org, postgres        string // addresses of the simulated org and the database
}

// startDemo starts a demo in a new folder and stops it when the test ends.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	return startDemoIn(t, filepath.Join(sharedTempDir(t), "data"), args...)
}

// startReady starts a demo that is connected and synced.
func startReady(t *testing.T, args ...string) *demo {
	t.Helper()
	return startReadyIn(t, filepath.Join(sharedTempDir(t), "data"), args...)
}

// startReadyIn does the same in the folder dir, which it makes.
func startReadyIn(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	from := readyFolder(t)
	if out, err := exec.Command("cp", "-a", from, dir).CombinedOutput(); err != nil {
		t.Fatalf("copying %s: %v\n%s", from, err, out)
	}
	d := startDemoIn(t, dir, append([]string{"--ready"}, args...)...)
	d.awaitLine(t, "Synced: ")
	return d
}

// template is the data folder of a demo that was made ready and stopped. Tests start from copies of it.
var template struct {
	mu         sync.Mutex
	home, data string
}

// readyFolder returns the template, which it makes at the first call.
func readyFolder(t *testing.T) string {
	t.Helper()
	template.mu.Lock()
	defer template.mu.Unlock()
	if template.data != "" {
		return template.data
	}
	dir := filepath.Join(template.home, "ready")
	if err := os.RemoveAll(dir); err != nil { // of a test that failed at making it
		t.Fatal(err)
	}
	d := startDemoIn(t, dir, "--ready")
	d.awaitLine(t, "Synced: ")
	d.query(t, `UPDATE millrace.users SET password_hash = '`+cheapHash(d.password)+`'`)
	if err := d.stop(); err != nil {
		t.Fatalf("stopping the demo: %v", err)
	}
	// Copies that run at the same time take ports of their own.
	if err := os.Remove(filepath.Join(dir, "postgres", "port")); err != nil {
		t.Fatal(err)
	}
	template.data = dir
	return dir
}

// cheapHash is a password's hash that takes no time to check.
func cheapHash(password string) string {
	salt := []byte("sixteen bytes of")
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=8,t=1,p=1$%s$%s", argon2.Version, b64(salt), b64(argon2.IDKey([]byte(password), salt, 1, 8, 1, 32)))
}

// sharedTempDir is a folder that the unprivileged user of the private Postgres can reach, unlike t.TempDir.
func sharedTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(tempRoot(), "millrace-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// tempRoot is where the tests keep their data: in main memory where there is plenty of room, else in the temporary folder.
var tempRoot = sync.OnceValue(func() string {
	const memory, enough = "/dev/shm", 6 << 30
	var at syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || runtime.GOOS != "linux" || syscall.Statfs(memory, &at) != nil || at.Bavail*uint64(at.Bsize) < enough {
		return os.TempDir()
	}
	return memory
})

// startDemoIn starts a demo on the data folder dir and waits until it serves.
func startDemoIn(t *testing.T, dir string, args ...string) *demo {
	t.Helper()
	d := &demo{}
	d.process = startProcess(t, nil, map[string]func(string){
		"Millrace: ": into(&d.app), "Salesforce (simulated): ": into(&d.org), "Postgres: ": into(&d.postgres),
		"Sign in: ": func(value string) { d.email, d.password, _ = strings.Cut(value, " / ") },
	}, append([]string{"demo", "--addr", "127.0.0.1:0", "--org-addr", "127.0.0.1:0", "--data", dir}, args...)...)
	return d
}

// awaitLine waits until the demo has printed a line that begins so.
func (p *process) awaitLine(t *testing.T, prefix string) {
	t.Helper()
	waitUntil(t, "the line "+prefix, func() bool {
		for line := range strings.Lines(p.printed()) {
			if strings.HasPrefix(line, prefix) {
				return true
			}
		}
		return false
	})
}

// awaitLog waits until the process has said something, on a line of its own or in its log.
func (p *process) awaitLog(t *testing.T, text string) {
	t.Helper()
	waitUntil(t, "the words "+text, func() bool { return strings.Contains(p.printed(), text) })
}

// stop asks the process to stop, as Ctrl-C does, and returns what its end was.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	return p.wait()
}

// kill ends the process with SIGKILL.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.wait()
}

func (p *process) wait() error {
	select {
	case err := <-p.exited:
		p.exited <- err
		return err
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("the process did not stop within a minute")
	}
}

func (p *process) note(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log.WriteString(s)
}

func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }
