package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// The API versions that the org serves; older ones are retired.
const (
	minVersion = 31
	maxVersion = 67
)

// maxBody bounds a request body: Bulk 2.0 takes 150 MB after base64.
const maxBody = 150 << 20

// request is one call of the data API on its way to a resource.
type request struct {
	org     *Org
	w       http.ResponseWriter
	r       *http.Request
	query   url.Values
	version int
	root    string   // "/services/data/v66.0" in the caller's version
	seg     []string // path segments after the root, unescaped, case kept
	session *session
	world   *world
	locked  bool // part of a composite transaction, which holds the write lock
}

// resource answers one method on one path pattern.
type resource struct {
	methods string
	pattern string // segments in lower case, * for one segment of any text
	serve   func(*request) error
}

// resources is the whole of the data API, most specific patterns first.
var resources []resource

func init() {
	resources = []resource{
		{"GET", "", (*request).resourceList},
		{"GET", "limits", (*request).limits},
		{"GET", "limits/recordcount", (*request).recordCount},
		{"GET", "sobjects", (*request).describeGlobal},
		{"GET", "sobjects/*/describe", (*request).describe},
		{"GET", "query", (*request).runQuery},
		{"GET", "queryall", (*request).runQueryAll},
		{"GET", "query/*", (*request).queryMore},
		{"GET", "queryall/*", (*request).queryMore},
		{"GET", "search", (*request).runSearch},
		{"GET,POST", "parameterizedsearch", (*request).parameterizedSearch},
		{"GET,POST", "jobs/query", (*request).queryJobs},
		{"GET,PATCH,DELETE", "jobs/query/*", (*request).queryJob},
		{"GET", "jobs/query/*/results", (*request).jobResults},
		{"GET", "jobs/query/*/resultpages", (*request).jobResultPages},
	}
	resources = append(append(resources, writeResources...), chatterResources...)
}

// ServeHTTP serves the whole org: sign-in, data and control.
func (o *Org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := cleanPath(r.URL.Path)
	o.settleDeployments()
	if path == "/control" || strings.HasPrefix(path, "/control/") {
		o.serveControl(w, r, path)
		return
	}
	low := lower(path)
	w, ok := o.inject(w, r, low)
	if !ok {
		return
	}
	if len(r.RequestURI) > 16_384 {
		http.Error(w, "URI Too Long", http.StatusRequestURITooLong)
		return
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		zr, err := gzip.NewReader(r.Body)
		if err != nil {
			writeError(w, badRequest("INVALID_CONTENT", "The request body is not valid gzip"))
			return
		}
		r.Body = io.NopCloser(zr)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h := w.Header()
	h.Set("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private")
	h.Set("Date", o.now().Format(http.TimeFormat))
	switch {
	case low == "/services/data":
		o.versions(w, r)
	case strings.HasPrefix(low, "/services/data/"):
		zw := compressed(w, r)
		o.serveData(zw, r, path)
		zw.close() // not after a panic, which cuts the connection: nothing may follow the cut
	case strings.HasPrefix(low, "/services/oauth2/"):
		o.serveOAuth(w, r, strings.TrimPrefix(low, "/services/oauth2/"))
	case strings.HasPrefix(low, "/services/soap/"):
		o.serveSOAP(w, r, strings.Split(strings.TrimPrefix(low, "/services/soap/"), "/"))
	case strings.HasPrefix(low, "/id/"), low == "/.well-known/openid-configuration":
		o.serveIdentity(w, r, strings.Split(path[1:], "/"))
	default:
		o.servePages(w, r, path)
	}
}

// cleanPath drops doubled and trailing slashes; clients send both and must never be redirected.
func cleanPath(p string) string {
	var b strings.Builder
	for _, s := range strings.Split(p, "/") {
		if s != "" {
			b.WriteByte('/')
			b.WriteString(s)
		}
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}

// serveData authenticates and counts a call of the data API and hands it to its resource.
func (o *Org) serveData(w http.ResponseWriter, r *http.Request, path string) {
	if err := func() error {
		seg := strings.Split(strings.TrimPrefix(cleanPath(r.URL.EscapedPath()), "/"), "/")[2:]
		for i := range seg {
			if s, err := url.PathUnescape(seg[i]); err == nil {
				seg[i] = s
			}
		}
		version, err := parseVersion(seg[0])
		if err != nil {
			return err
		}
		s, err := o.authenticate(r)
		if err != nil {
			return err
		}
		if err := o.countCall(w); err != nil {
			return err
		}
		rq := &request{org: o, w: w, r: r, query: r.URL.Query(), version: version, root: fmt.Sprintf("/services/data/v%d.0", version),
			seg: seg[1:], session: s, world: o.world.Load().as(s.user)}
		return rq.dispatch()
	}(); err != nil {
		writeError(w, err)
	}
}

// parseVersion reads "v66.0".
func parseVersion(s string) (int, error) {
	n, ok := strings.CutPrefix(lower(s), "v")
	n, ok2 := strings.CutSuffix(n, ".0")
	v, err := strconv.Atoi(n)
	switch {
	case !ok || !ok2 || err != nil || v > maxVersion || v < 1:
		return 0, notFound()
	case v < minVersion:
		return 0, fail(http.StatusGone, "UNSUPPORTED_API_VERSION", "API version %d.0 is retired and is no longer supported.", v)
	}
	return v, nil
}

// dispatch finds the resource for a request's path and method.
func (rq *request) dispatch() error {
	method := rq.r.Method
	if m := rq.query.Get("_HttpMethod"); m != "" && method == http.MethodPost {
		method = strings.ToUpper(m)
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	allowed := ""
	for i := range resources {
		if !matches(resources[i].pattern, rq.seg) {
			continue
		}
		if contains(resources[i].methods, method) {
			rq.r.Method = method
			return resources[i].serve(rq)
		}
		if allowed == "" {
			allowed = strings.ReplaceAll(resources[i].methods, "GET", "HEAD,GET")
		}
	}
	if allowed != "" {
		return fail(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "HTTP Method '%s' not allowed. Allowed are %s", rq.r.Method, allowed)
	}
	return notFound()
}

func contains(list, s string) bool {
	for _, m := range strings.Split(list, ",") {
		if m == s {
			return true
		}
	}
	return false
}

func matches(pattern string, seg []string) bool {
	if pattern == "" {
		return len(seg) == 0
	}
	p := strings.Split(pattern, "/")
	if len(p) != len(seg) {
		return false
	}
	for i := range p {
		if p[i] != "*" && !strings.EqualFold(p[i], seg[i]) {
			return false
		}
	}
	return true
}

// decode reads a JSON body into v.
func (rq *request) decode(v any) error {
	d := json.NewDecoder(rq.r.Body)
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return jsonError(err)
	}
	return nil
}

func jsonError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return badRequest("JSON_PARSER_ERROR", "%s at [line:1, column:%d]", syntax.Error(), syntax.Offset)
	}
	return badRequest("JSON_PARSER_ERROR", "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// json answers with a JSON body.
func (rq *request) json(status int, v any) error {
	writeJSON(rq.w, status, v, rq.r.Header.Get("X-PrettyPrint") == "1")
	return nil
}

func (rq *request) raw(status int, body []byte) error {
	rq.w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	rq.w.WriteHeader(status)
	_, _ = rq.w.Write(body) // only fails when the caller is gone
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any, pretty bool) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if pretty {
		e.SetIndent("", "  ")
	}
	_ = e.Encode(v) // only fails when the caller is gone
}

// writeError answers with Salesforce's error array.
func writeError(w http.ResponseWriter, err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = fail(http.StatusInternalServerError, "UNKNOWN_EXCEPTION",
			"An unexpected error occurred. Please include this ErrorId if you contact support: 1763600000-%d (1)", time.Now().UnixNano()%100000)
	}
	writeJSON(w, e.status, []any{e.body("errorCode")}, false)
}

// stamp writes a time as REST JSON has it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000+0000") }
