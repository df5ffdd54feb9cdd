package web

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/a-h/templ"
	"github.com/klauspost/compress/gzip"

	"millrace/db"
	"millrace/static"
)

var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	zippers = sync.Pool{New: newZipper}
)

// newZipper returns a packer of the fastest level: pages get an eighth larger than by the usual one, for a quarter of the time.
func newZipper() any {
	zw, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return zw
}

// packFrom is the size in bytes from which compressing a page pays.
const packFrom = 1400

// render writes a page. It is drawn into a buffer first, so that an error in it never leaves half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, page templ.Component) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := page.Render(r.Context(), buf); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	return write(w, r, status, buf.Bytes())
}

// write sends body, compressed if the browser takes that. A browser that has gone is no error.
func write(w http.ResponseWriter, r *http.Request, status int, body []byte) error {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if len(body) < packFrom || !acceptsGzip(r) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body)
		return nil
	}
	h.Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	zw := zippers.Get().(*gzip.Writer)
	defer zippers.Put(zw)
	zw.Reset(w)
	_, _ = zw.Write(body)
	_ = zw.Close()
	return nil
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.ReplaceAll(params, " ", "") != "q=0"
		}
	}
	return false
}

// static serves an embedded file under its content hash.
func (s *Server) static(w http.ResponseWriter, r *http.Request) error {
	asset, ok := static.Find(r.PathValue("hash"), r.PathValue("file"))
	if !ok {
		return notFound()
	}
	h := w.Header()
	h.Set("Content-Type", asset.Type)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Add("Vary", "Accept-Encoding")
	body := asset.Body
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = asset.Gzip()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}

// healthz says that the process serves.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "ok\n")
	return nil
}

// readyz says that the process can do its work: the database answers, and has the schema that this program knows.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	err := s.DB.Ready(r.Context())
	if err == nil {
		_, _ = io.WriteString(w, "ready\n")
		return nil
	}
	s.Log.WarnContext(r.Context(), "not ready", "err", err)
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
	var schema *db.SchemaError
	if errors.As(err, &schema) {
		_, _ = io.WriteString(w, schema.Error()+"\n")
		return nil
	}
	_, _ = io.WriteString(w, "the database does not answer\n")
	return nil
}
