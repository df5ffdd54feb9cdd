package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"mime"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"millrace/db"
)

// Body limits in bytes. A filter may have 100,000 characters, of up to 12 bytes each as a form sends them.
const (
	formLimit     = 64 << 10
	settingsLimit = 5 << 20
)

// Limits on the number of a form's fields: each costs far more memory than its bytes. A section of the settings may choose hundreds of fields of several objects, one by one.
const (
	formFields     = 1_000
	settingsFields = 5_000
)

// csp allows what the pages use: their own files and nothing inline.
const csp = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; form-action 'self'; " +
	"base-uri 'none'; object-src 'none'; frame-ancestors 'none'"

// visit is what is known of a request.
type visit struct {
	requestID string
	sessionID string // set once the request is known to be signed in
	user      db.User
	notice    string // key of the message that this answer shows, besides the one that waits
}

type visitKey struct{}

func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

// chain puts what every request passes around next; the first is the outermost.
func (s *Server) chain(next http.Handler) http.Handler {
	forged := http.NewCrossOriginProtection()
	forged.SetDenyHandler(s.wrap(func(_ http.ResponseWriter, r *http.Request) error {
		s.Log.WarnContext(r.Context(), "cross-origin request refused", "path", r.URL.Path, "origin", r.Header.Get("Origin"))
		return forbidden("This request came from another site, so it was not carried out. Open Millrace itself and try again.")
	}))
	return s.logged(s.secured(forged.Handler(limited(next))))
}

// logged gives the request its id, writes it to the log and turns a panic into an error page.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{requestID: rand.Text()[:12]}
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
		w.Header().Set("X-Request-Id", v.requestID)
		rec := &recorder{ResponseWriter: w}
		start := time.Now()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { // an answer that was cut off on purpose
					panic(p)
				}
				s.Log.ErrorContext(r.Context(), "panic in a handler", "request_id", v.requestID, "panic", p, "stack", string(debug.Stack()))
				if rec.status == 0 {
					s.fail(rec, r, internal(nil))
				}
			}
			s.Metrics.Request(r.Pattern, r.Method, rec.status, time.Since(start))
			if strings.HasPrefix(r.URL.Path, "/static/") || r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
				return
			}
			s.Log.DebugContext(r.Context(), "request", "request_id", v.requestID, "method", r.Method, "path", r.URL.Path, "status", rec.status,
				"user_id", v.user.ID, "duration_ms", time.Since(start).Milliseconds())
		}()
		next.ServeHTTP(rec, r)
	})
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// secured sets the headers that protect every answer.
func (s *Server) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// limited bounds the body of every request, and the number of fields in it.
func limited(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit, fields := int64(formLimit), formFields
		switch {
		case strings.Contains(r.URL.Path, "/settings/"):
			limit, fields = settingsLimit, settingsFields
		case r.URL.Path == "/sign-in" && keptPage(r.URL.Query().Get("next")) != "": // it carries a settings form
			limit, fields = keptLimit+formLimit, settingsFields
		}
		if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
			r.Body = &fewFields{ReadCloser: r.Body, most: fields}
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}

// fewFields reads a form and ends with a *tooManyFields where it has more than most.
type fewFields struct {
	io.ReadCloser
	most, seen int
}

// Read implements io.Reader.
func (f *fewFields) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if f.seen += bytes.Count(p[:n], []byte("&")); f.seen >= f.most {
		return n, &tooManyFields{f.most}
	}
	return n, err
}

// tooManyFields says that a form has more fields than are read.
type tooManyFields struct{ most int }

func (e *tooManyFields) Error() string {
	return "the form has more than " + strconv.Itoa(e.most) + " fields"
}

// clientIP is the address at the other end of the connection.
func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
