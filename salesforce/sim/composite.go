package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	maxSubrequests = 25
	maxQueries     = 5 // of the subrequests of a composite request
	maxCollection  = 200
)

// recorder catches the answer of a subrequest.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// sub runs one subrequest through the same resources as a request of its own.
func (rq *request) sub(method, address string, body []byte, header map[string]string, locked bool) *recorder {
	rec := &recorder{header: http.Header{}}
	u, err := url.Parse(address)
	if err != nil {
		writeError(rec, badRequest("INVALID_INPUT", "Invalid url: %s", address))
		return rec
	}
	path := strings.TrimPrefix(cleanPath(u.EscapedPath()), "/")
	path = strings.TrimPrefix(path, "services/data/")
	seg := strings.Split(path, "/")
	for i := range seg {
		if s, err := url.PathUnescape(seg[i]); err == nil {
			seg[i] = s
		}
	}
	version, err := parseVersion(seg[0])
	if err != nil {
		writeError(rec, err)
		return rec
	}
	if len(seg) > 1 && (strings.EqualFold(seg[1], "jobs") || strings.EqualFold(seg[1], "composite") && len(seg) == 2) {
		writeError(rec, badRequest("INVALID_INPUT", "The resource %s cannot be part of a composite request", address))
		return rec
	}
	r := rq.r.Clone(rq.r.Context())
	r.Method, r.URL, r.Body = strings.ToUpper(method), u, io.NopCloser(bytes.NewReader(body))
	for k, v := range header {
		r.Header.Set(k, v)
	}
	// What a fault does to the body as it is sent concerns the whole answer only.
	if _, ok := rq.org.inject(rec, r, lower("/services/data/"+path)); !ok {
		return rec
	}
	s := &request{org: rq.org, w: rec, r: r, query: u.Query(), version: version, root: "/services/data/v" + strconv.Itoa(version) + ".0", seg: seg[1:],
		session: rq.session, world: rq.org.world.Load().as(rq.session.user), locked: locked}
	if err := s.dispatch(); err != nil {
		writeError(rec, err)
	}
	if rec.status == 0 {
		rec.status = http.StatusOK
	}
	return rec
}

// value is the answer's body as JSON, null when it has none, and a text where it is something else.
func (r *recorder) value() any {
	b := bytes.TrimSpace(r.body.Bytes())
	if len(b) == 0 {
		return nil
	}
	if !json.Valid(b) {
		return string(b)
	}
	return json.RawMessage(b)
}

type subrequest struct {
	Method      string
	URL         string
	ReferenceID string `json:"referenceId"`
	Body        json.RawMessage
	HTTPHeaders map[string]string `json:"httpHeaders"`
}

// composite serves /composite: dependent subrequests in one transaction if allOrNone is set.
func (rq *request) composite() error {
	var in struct {
		AllOrNone        bool
		CompositeRequest []subrequest
	}
	if err := rq.decode(&in); err != nil {
		return err
	}
	if len(in.CompositeRequest) > maxSubrequests {
		return badRequest("LIMIT_EXCEEDED", "Limit exceeded: the maximum number of subrequests is %d", maxSubrequests)
	}
	queries := 0
	for _, s := range in.CompositeRequest {
		if p := lower(s.URL); strings.Contains(p, "/query") || strings.Contains(p, "/composite/sobjects") {
			queries++
		}
	}
	if queries > maxQueries {
		return badRequest("LIMIT_EXCEEDED", "Limit exceeded: the maximum number of query and sObject collections subrequests is %d", maxQueries)
	}
	if in.AllOrNone {
		rq.org.write.Lock()
		defer rq.org.write.Unlock()
	}
	before := rq.org.world.Load()
	answers := map[string]any{}
	var out []map[string]any
	failed := false
	for _, s := range in.CompositeRequest {
		address, body := substitute(s.URL, answers), substitute(string(s.Body), answers)
		rec := rq.sub(s.Method, address, []byte(body), s.HTTPHeaders, in.AllOrNone)
		failed = failed || rec.status >= 400
		out = append(out, map[string]any{"body": rec.value(), "httpHeaders": rec.headers(), "httpStatusCode": rec.status, "referenceId": s.ReferenceID})
		var parsed any
		if json.Unmarshal(rec.body.Bytes(), &parsed) == nil {
			answers[s.ReferenceID] = parsed
		}
		if failed && in.AllOrNone {
			break
		}
	}
	if failed && in.AllOrNone {
		rq.org.world.Store(before)
		out = halted(in.CompositeRequest, out)
	}
	return rq.json(http.StatusOK, map[string]any{"compositeResponse": out})
}

// halted replaces every answer but the failing one when a transaction was rolled back.
func halted(all []subrequest, out []map[string]any) []map[string]any {
	last := out[len(out)-1]
	var list []map[string]any
	for i, s := range all {
		if i == len(out)-1 {
			list = append(list, last)
			continue
		}
		list = append(list, map[string]any{"body": []any{map[string]any{"errorCode": "PROCESSING_HALTED",
			"message": "The transaction was rolled back since another operation in the same transaction failed."}},
			"httpHeaders": map[string]string{}, "httpStatusCode": http.StatusBadRequest, "referenceId": s.ReferenceID})
	}
	return list
}

func (r *recorder) headers() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"Location", "ETag", "Last-Modified"} {
		if v := r.header.Get(name); v != "" {
			out[name] = v
		}
	}
	return out
}

// substitute replaces @{reference.path} by what an earlier answer holds there.
func substitute(text string, answers map[string]any) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "@{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		path, after, ok := strings.Cut(rest, "}")
		if !ok {
			b.WriteString("@{" + rest)
			return b.String()
		}
		b.WriteString(dig(answers, path))
		text = after
	}
}

// dig follows a path such as ref.records[0].Id through decoded JSON.
func dig(v any, path string) string {
	for _, part := range strings.Split(strings.NewReplacer("[", ".", "]", "").Replace(path), ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
			if v == nil {
				for k, y := range x {
					if strings.EqualFold(k, part) {
						v = y
					}
				}
			}
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return ""
			}
			v = x[i]
		}
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil || v == nil {
		return ""
	}
	return string(b)
}

// batch serves /composite/batch: independent subrequests.
func (rq *request) batch() error {
	var in struct {
		HaltOnError   bool
		BatchRequests []struct {
			Method    string
			URL       string
			RichInput json.RawMessage
		}
	}
	if err := rq.decode(&in); err != nil {
		return err
	}
	if len(in.BatchRequests) > maxSubrequests {
		return badRequest("LIMIT_EXCEEDED", "Limit exceeded: the maximum number of subrequests is %d", maxSubrequests)
	}
	results := []map[string]any{}
	failed := false
	for _, s := range in.BatchRequests {
		if failed && in.HaltOnError {
			results = append(results, map[string]any{"statusCode": http.StatusPreconditionFailed, "result": []any{map[string]any{
				"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing was halted due to an error in a previous request."}}})
			continue
		}
		rec := rq.sub(s.Method, s.URL, s.RichInput, nil, false)
		failed = failed || rec.status >= 400
		results = append(results, map[string]any{"statusCode": rec.status, "result": rec.value()})
	}
	return rq.json(http.StatusOK, map[string]any{"hasErrors": failed, "results": results})
}

// rowError is an error of one record of a collection.
func rowError(err error) map[string]any {
	var e *apiError
	if !errors.As(err, &e) {
		e = fail(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", "%s", err.Error())
	}
	m := e.body("statusCode")
	if e.fields == nil {
		m["fields"] = []string{}
	}
	return m
}
