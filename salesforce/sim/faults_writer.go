package sim

import (
	"context"
	"net/http"
	"time"
)

// lead is how far a slow body may run ahead of its rate before the writer sleeps: timers are too coarse for a sleep after every small write.
const lead = 10 * time.Millisecond

// faultWriter is a slow, stalling or breaking connection.
type faultWriter struct {
	http.ResponseWriter
	f       *Fault
	ctx     context.Context
	sent    int
	began   time.Time // of the body
	stalled bool
}

// Unwrap lets http.ResponseController reach the connection.
func (w *faultWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *faultWriter) Write(p []byte) (int, error) {
	whole := len(p)
	if w.began.IsZero() {
		w.began = time.Now()
	}
	for len(p) > 0 {
		n := w.piece(len(p))
		if n > 0 {
			if _, err := w.ResponseWriter.Write(p[:n]); err != nil {
				return 0, err
			}
			w.sent += n
			p = p[n:]
		}
		if err := w.pause(); err != nil {
			return 0, err
		}
		if w.f.TruncateAfter > 0 && w.sent >= w.f.TruncateAfter {
			if w.f.CleanCut {
				return whole, nil
			}
			w.flush()
			panic(http.ErrAbortHandler) // net/http's way to cut a connection
		}
	}
	return whole, nil
}

// piece is how much of n bytes may be sent before the next pause.
func (w *faultWriter) piece(n int) int {
	if w.f.SlowBytesPerSecond > 0 {
		n = min(n, max(w.f.SlowBytesPerSecond/20, 1))
	}
	if w.f.StallAfter > 0 && !w.stalled {
		n = min(n, w.f.StallAfter-w.sent)
	}
	if w.f.TruncateAfter > 0 {
		n = min(n, w.f.TruncateAfter-w.sent)
	}
	return n
}

// pause waits as the fault asks. What was sent is on its way before.
func (w *faultWriter) pause() error {
	if w.f.SlowBytesPerSecond > 0 {
		due := time.Duration(float64(w.sent) / float64(w.f.SlowBytesPerSecond) * float64(time.Second))
		if ahead := due - time.Since(w.began); ahead >= lead {
			w.flush()
			if !wait(w.ctx, ahead) {
				return w.ctx.Err()
			}
		}
	}
	if w.f.StallAfter > 0 && !w.stalled && w.sent >= w.f.StallAfter {
		w.stalled = true
		w.flush()
		if !wait(w.ctx, w.f.Stall) {
			return w.ctx.Err()
		}
	}
	return nil
}

func (w *faultWriter) flush() {
	_ = http.NewResponseController(w.ResponseWriter).Flush() // a recorder in a test need not flush
}
