package private

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// InUseError says that the folder is in use by a running process.
type InUseError struct {
	PID string // of the process; empty when it has not written it yet
}

// Error implements error.
func (e *InUseError) Error() string {
	if e.PID == "" {
		return "the folder is in use by another process; stop that one, or choose another folder"
	}
	return fmt.Sprintf("the folder is in use by process %s; stop that one, or choose another folder", e.PID)
}

// dirLock is held by the process that runs the server. The kernel frees it when the process ends, however it ends.
type dirLock struct {
	file *os.File
	once sync.Once
}

// A lock that was let go may be held a moment longer: by a program that is just being started, which has the file open until it runs.
const (
	lockTries = 20
	lockPause = 10 * time.Millisecond
)

func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, plain(err, "")
	}
	for range lockTries {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(lockPause)
	}
	if err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		pid := make([]byte, 20)
		n, _ := f.Read(pid) // without the number the sentence is still true
		return nil, &InUseError{PID: strings.TrimSpace(string(pid[:n]))}
	}
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid()) // only for the other one's message
	}
	l := &dirLock{file: f}
	held.Store(l, nil)
	return l, nil
}

// held keeps the locks in force reachable: a caller may drop its Server and let the process's end stop it, and the lock must not end before, when the
// file is collected.
var held sync.Map

func (l *dirLock) release() {
	if l != nil {
		l.once.Do(func() {
			held.Delete(l)
			_ = l.file.Close()
		})
	}
}
