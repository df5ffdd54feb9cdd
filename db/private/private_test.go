package private_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"

	"millrace/db/private"
)

// When this variable names a folder, the test program is the process to be killed: it starts a server there, says so and waits.
const victimDir = "MILLRACE_TEST_VICTIM_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		s, err := private.Start(context.Background(), private.Options{Dir: dir, FsyncOff: true})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.URL())
		select {}
	}
	os.Exit(m.Run())
}

// tempDir is a folder that the server's user can reach: unlike t.TempDir it is not below a folder with mode 0700 of ours.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "millrace-private-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, o private.Options) *private.Server {
	t.Helper()
	o.FsyncOff = true
	s, err := private.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *private.Server) {
	t.Helper()
	if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

func query(t *testing.T, url, text string) string {
	t.Helper()
	pool, err := sql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var out string
	if err := pool.QueryRowContext(t.Context(), text).Scan(&out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func TestDataSurvivesARestartOnTheSamePort(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, private.Options{Dir: dir})
	query(t, s.URL(), `CREATE TABLE kept AS SELECT 'still here' AS what; SELECT 'ok'`)
	if got := query(t, s.URL(), `SHOW data_checksums`); got != "on" {
		t.Errorf("checksums are %s", got)
	}
	if got := query(t, s.SocketURL(), `SELECT current_user`); got != "millrace" {
		t.Errorf("over the socket: signed in as %s", got)
	}
	stop(t, s)
	again := start(t, private.Options{Dir: dir})
	if got := query(t, again.URL(), `SELECT what FROM kept`); got != "still here" {
		t.Errorf("got %q", got)
	}
	if again.URL() != s.URL() {
		t.Errorf("the address changed from %s to %s", s.URL(), again.URL())
	}
	info, err := os.Stat(filepath.Join(dir, "password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("password file: %v %v", info.Mode(), err)
	}
}

// TestPageImagesArePacked keeps data as a user has it: most that a small change writes into the log are images of pages.
func TestPageImagesArePacked(t *testing.T) {
	t.Parallel()
	s, err := private.Start(t.Context(), private.Options{Dir: tempDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if got := query(t, s.URL(), `SHOW wal_compression`); got != "lz4" && got != "pglz" {
		t.Errorf("images of pages are packed: %s", got)
	}
}

func TestPasswordIsRequired(t *testing.T) {
	t.Parallel()
	s := start(t, private.Options{Dir: tempDir(t)})
	at := strings.Index(s.URL(), "@")
	pool, err := sql.Open("postgres", "postgres://millrace:wrong"+s.URL()[at:])
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := pool.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		t.Errorf("got %v", err)
	}
}

func TestSecondStartOnAFolderNamesTheProcess(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	start(t, private.Options{Dir: dir})
	_, err := private.Start(t.Context(), private.Options{Dir: dir})
	var inUse *private.InUseError
	if !errors.As(err, &inUse) || inUse.PID != strconv.Itoa(os.Getpid()) {
		t.Errorf("got %v", err)
	}
}

// TestLockOutlivesAForgottenServer: a server whose value nobody holds any more still owns its folder.
func TestLockOutlivesAForgottenServer(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s, err := private.Start(t.Context(), private.Options{Dir: dir, FsyncOff: true})
	if err != nil {
		t.Fatal(err)
	}
	exited, address := s.Exited(), s.URL()
	s = nil
	for range 3 {
		runtime.GC()
		time.Sleep(10 * time.Millisecond) // finalizers run in their own time
	}
	var inUse *private.InUseError
	if _, err := private.Start(t.Context(), private.Options{Dir: dir, FsyncOff: true}); !errors.As(err, &inUse) {
		t.Errorf("got %v, want the folder in use", err)
	}
	pool, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := pool.PingContext(t.Context()); err != nil {
		t.Errorf("the server is gone: %v", err)
	}
	select {
	case <-exited:
		t.Error("the server has ended")
	default:
	}
}

func TestKilledStarterTakesTheServerWithItAndTheDataRecovers(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 1000)
	n, err := out.Read(line)
	url := strings.TrimSpace(string(line[:n]))
	if err != nil || !strings.HasPrefix(url, "postgres://") {
		t.Fatalf("the victim said %q, %v", url, err)
	}
	query(t, url, `CREATE TABLE kept AS SELECT 'still here' AS what; SELECT 'ok'`)
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // "signal: killed"
	s := start(t, private.Options{Dir: dir})
	if got := query(t, s.URL(), `SELECT what FROM kept`); got != "still here" {
		t.Errorf("got %q", got)
	}
}

func TestStalePidFileOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, private.Options{Dir: dir})
	stop(t, s)
	stale := fmt.Sprintf("%d\n%s\n1\n%d\n\n127.0.0.1\n0 0\nready\n", os.Getpid(), filepath.Join(dir, "data"), 1)
	if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(stale), 0o644); err != nil {
		t.Fatal(err)
	}
	start(t, private.Options{Dir: dir})
}

func TestFirstStartCutShortIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := private.Start(ctx, private.Options{Dir: dir}); err == nil {
		t.Fatal("started although the context had ended")
	}
	start(t, private.Options{Dir: dir})
}

func TestFolderClosedToOthers(t *testing.T) {
	t.Parallel()
	closed := tempDir(t)
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "below")
	s := start(t, private.Options{Dir: dir})
	query(t, s.URL(), `CREATE TABLE kept AS SELECT 'still here' AS what; SELECT 'ok'`)
	stop(t, s)
	s = start(t, private.Options{Dir: dir})
	if got := query(t, s.URL(), `SELECT what FROM kept`); got != "still here" {
		t.Errorf("got %q", got)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(tempDir(t), strings.Repeat("long", 20), strings.Repeat("longer", 10))
	s := start(t, private.Options{Dir: dir})
	if got := query(t, s.SocketURL(), `SELECT 'answers'`); got != "answers" {
		t.Errorf("got %q", got)
	}
}

func TestTakenPortIsSaid(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = private.Start(t.Context(), private.Options{Dir: tempDir(t), Port: port})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(port)) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}

func TestServerThatEndsIsNoticed(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, private.Options{Dir: dir})
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Exited():
	case <-time.After(time.Minute):
		t.Error("nothing was noticed")
	}
}

func TestStartErrorsQuoteTheServer(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	s := start(t, private.Options{Dir: dir})
	stop(t, s)
	conf, err := os.OpenFile(filepath.Join(dir, "data", "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conf.WriteString("\nno_such_setting = 1\n"); err != nil {
		t.Fatal(err)
	}
	if err := conf.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = private.Start(t.Context(), private.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "Postgres said:") || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("got %v", err)
	}
}

func TestFolderWithoutPrograms(t *testing.T) {
	t.Parallel()
	bin := tempDir(t)
	_, err := private.Start(t.Context(), private.Options{Dir: tempDir(t), BinDir: bin})
	if err == nil || !strings.Contains(err.Error(), bin) {
		t.Errorf("got %v", err)
	}
}
