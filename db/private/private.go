// Package private runs a Postgres server of our own: for the demo, for development and for tests. The server's programs are searched for on the
// machine; its data, password and log live in one folder; it listens on a unix socket and on loopback only; it stops with the process that started
// it, even when that one is killed. It runs as an ordinary user and, where the process is root, under another user, since Postgres refuses root.
package private

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options says where and how the server runs.
type Options struct {
	Dir      string    // home of the data, made when missing
	Port     int       // TCP port on 127.0.0.1; 0 takes the one used last, or a free one
	BinDir   string    // folder of initdb and postgres; empty to search
	FsyncOff bool      // for tests: fast, and lost when the machine crashes
	Log      io.Writer // gets what the server logs, besides the file postgres.log in Dir; may be nil
}

// Name of the server's superuser and of the database made for the application.
const (
	userName = "millrace"
	database = "millrace"
)

// Server is a running Postgres.
type Server struct {
	dir      string
	port     int
	password string
	socket   string // folder of the unix socket
	version  string
	lock     *dirLock
	log      *serverLog
	exited   chan struct{} // closed when the process has ended
	signal   func(os.Signal) error
}

// Start starts the server on o.Dir and returns when it answers; the first start makes the data. It recovers by itself after a crash. An error is a
// sentence for people: nothing to run was found (with the command that installs it), the folder is in use (by which process), the disk is full,
// or the server's own last words.
func Start(ctx context.Context, o Options) (*Server, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("private Postgres: %w", err)
	}
	s, err := start(ctx, dir, o)
	if err != nil {
		return nil, fmt.Errorf("private Postgres in %s: %w", dir, err)
	}
	return s, nil
}

func start(ctx context.Context, dir string, o Options) (_ *Server, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, plain(err, "")
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.release()
		}
	}()
	c, err := prepare(ctx, dir, o)
	if err != nil {
		return nil, err
	}
	if err := c.endOrphan(ctx); err != nil {
		return nil, err
	}
	s, err := c.launch(ctx, o)
	if err != nil {
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// cluster is a folder that is ready for a server to start on.
type cluster struct {
	dir      string // the folder as asked for: lock, password, log
	data     string
	socket   string
	password string
	programs programs
	as       account
}

// prepare finds the programs and the user, and makes the data at the first start.
func prepare(ctx context.Context, dir string, o Options) (*cluster, error) {
	c := &cluster{dir: dir, data: filepath.Join(dir, "data")}
	if target, err := os.Readlink(c.data); err == nil {
		c.data = target // moved by an earlier start
	}
	made, err := dataVersion(c.data)
	if err != nil {
		return nil, plain(err, "")
	}
	if c.programs, err = findPrograms(ctx, o.BinDir, dir, made); err != nil {
		return nil, err
	}
	if c.as, err = chooseAccount(c); err != nil {
		return nil, err
	}
	if err := c.makeSocketDir(); err != nil {
		return nil, plain(err, "")
	}
	if made == 0 {
		if err := c.initialize(ctx, o); err != nil {
			return nil, err
		}
	}
	password, err := os.ReadFile(c.passwordFile())
	if err != nil {
		return nil, fmt.Errorf("the password of the existing data cannot be read (%w); restore the file, or move the folder away to start afresh", err)
	}
	c.password = string(password)
	return c, c.own()
}

// launch starts the server, on another port when the chosen one was taken in between.
func (c *cluster) launch(ctx context.Context, o Options) (*Server, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		port, err := c.choosePort(o.Port, attempt)
		if err != nil {
			return nil, err
		}
		s, err := c.run(ctx, o, port)
		if err == nil {
			_ = os.WriteFile(filepath.Join(c.dir, "port"), []byte(strconv.Itoa(port)), 0o644) // only a preference for the next start
			return s, nil
		}
		if !errors.Is(err, errPortTaken) || o.Port != 0 || attempt == attempts {
			return nil, err
		}
	}
}

// run starts one server process and waits until it answers.
func (c *cluster) run(ctx context.Context, o Options, port int) (*Server, error) {
	log, err := openLog(filepath.Join(c.dir, "postgres.log"), o.Log)
	if err != nil {
		return nil, plain(err, "")
	}
	cmd := exec.Command(c.programs.path("postgres"), c.arguments(o, port)...)
	cmd.Dir = c.data
	cmd.Env = serverEnv()
	cmd.Stdout, cmd.Stderr = log.writer(), log.writer()
	cmd.WaitDelay = 5 * time.Second // a straggler must not hold the log open for ever
	cmd.SysProcAttr = c.as.attributes()
	exited, err := startBound(cmd)
	if err != nil {
		log.close()
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	s := &Server{dir: c.dir, port: port, password: c.password, socket: c.socket, log: log, exited: exited, signal: cmd.Process.Signal}
	if err := s.awaitReady(ctx); err != nil {
		_ = s.halt(context.WithoutCancel(ctx)) // the start's error says more
		return nil, err
	}
	return s, nil
}

func (c *cluster) arguments(o Options, port int) []string {
	args := []string{
		"-D", c.data, "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + c.socket, "-c", "unix_socket_permissions=0700",
		"-c", "max_connections=200", "-c", "max_wal_size=4GB", "-c", "jit=off",
		"-c", "logging_collector=off", "-c", "log_destination=stderr", "-c", "log_line_prefix=%m [%p] ", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
	}
	if o.FsyncOff {
		// A test's database lives for seconds: nobody replicates it, and little of its log is worth keeping.
		return append(args, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "wal_level=minimal", "-c", "max_wal_senders=0", "-c", "max_wal_size=256MB", "-c", "min_wal_size=64MB")
	}
	return append(args, "-c", "wal_compression="+c.compression())
}

// compression is how images of pages are packed in the write-ahead log: of a sync that changes a few records here and there they are nearly all of it. lz4 takes a fifth of the time of what every
// server has, and not every server has it.
func (c *cluster) compression() string {
	cmd := exec.Command(c.programs.path("postgres"), "-C", "wal_compression", "-c", "wal_compression=lz4", "-D", c.data)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = c.data, serverEnv(), c.as.attributes()
	if out, err := cmd.Output(); err == nil && strings.TrimSpace(string(out)) == "lz4" {
		return "lz4"
	}
	return "on"
}

// serverEnv is the environment without the PG… variables of the person who started us, which would change what the server does.
func serverEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// URL returns the address of the application's database over loopback, password included.
func (s *Server) URL() string { return s.urlOf(database) }

func (s *Server) urlOf(name string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(userName, s.password), Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/" + name,
		RawQuery: "sslmode=disable"}
	return u.String()
}

// SocketURL returns the same address over the unix socket, which only the server's own user and root may use.
func (s *Server) SocketURL() string {
	q := url.Values{"host": {s.socket}, "port": {strconv.Itoa(s.port)}}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(userName, s.password), Host: "", Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}

// Version returns the server's version, such as "15.18".
func (s *Server) Version() string { return s.version }

// Exited is closed when the server has ended, asked or not.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// Stop ends the server in order: sessions are cut, everything is written. When ctx ends first the server is stopped at once and recovers at its
// next start; the context's error is returned then. A second Stop does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.halt(ctx); err != nil {
		return fmt.Errorf("stop private Postgres in %s: %w", s.dir, err)
	}
	return nil
}
