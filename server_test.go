package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestServerIsBounded sends a header that is too large, and looks for the bounds of time that end those who send theirs slowly.
func TestServerIsBounded(t *testing.T) {
	t.Parallel()
	s := newServer(http.NotFoundHandler(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	for what, d := range map[string]time.Duration{"a header": s.ReadHeaderTimeout, "a request": s.ReadTimeout, "an idle connection": s.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("%s may take %s", what, d)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	for size, want := range map[int]int{1 << 10: http.StatusNotFound, 128 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		rq, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		rq.Header.Set("X-Padding", strings.Repeat("x", size))
		resp, err := http.DefaultClient.Do(rq)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("a header of %d KB is answered with %d, want %d", size>>10, resp.StatusCode, want)
		}
	}
}

// TestLogLinesStayLines logs a name that looks like further lines of the log.
func TestLogLinesStayLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	newLog("info", &out).Info("request refused", "path", "/a\r\nlevel=ERROR msg=forged\n")
	if lines := strings.Count(out.String(), "\n"); lines != 1 || strings.Contains(out.String(), "\r") {
		t.Errorf("one entry of the log is %q", out.String())
	}
}
