package private

import (
	"io"
	"os"
	"sync"
)

// maxLog is the size past which the log of earlier starts is put aside as postgres.log.old.
const maxLog = 4 << 20

// serverLog is the server's log: a file, of which the part of this start can be quoted, and a copy for the caller.
type serverLog struct {
	mu    sync.Mutex
	file  *os.File
	start int64
	copy  io.Writer
}

func openLog(path string, tee io.Writer) (*serverLog, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".old") // else it goes on growing, which is said by nobody but harms nobody
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	return &serverLog{file: f, start: end, copy: tee}, nil
}

// writer returns what the server writes to: the file itself where nobody wants a copy, so that no pipe breaks when we are killed.
func (l *serverLog) writer() io.Writer {
	if l.copy == nil {
		return l.file
	}
	return l
}

// Write implements io.Writer.
func (l *serverLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.copy.Write(p) // the copy is a courtesy
	return l.file.Write(p)
}

// excerpt returns the end of what was logged since this start.
func (l *serverLog) excerpt() string {
	const most = 4000
	info, err := l.file.Stat()
	if err != nil {
		return ""
	}
	from := max(l.start, info.Size()-most)
	text := make([]byte, info.Size()-from)
	n, _ := l.file.ReadAt(text, from)
	return string(text[:n])
}

func (l *serverLog) close() { _ = l.file.Close() }
