package sim

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bulk API 2.0 sizes and lives.
const (
	defaultPageRows = 50_000
	maxPageRows     = 250_000
	jobLife         = 7 * 24 * time.Hour
	pagesPerList    = 5
)

// Job states of the Bulk API.
const (
	stateOpen           = "Open"
	stateUploadComplete = "UploadComplete"
	stateInProgress     = "InProgress"
	stateComplete       = "JobComplete"
	stateFailed         = "Failed"
	stateAborted        = "Aborted"
)

// jobState holds the bulk jobs of both directions.
type jobState struct {
	mu   sync.Mutex
	next int
	byID map[int64]*job
}

// job is one bulk job. Its rows are fixed when it is created, so that pages may be read again and in any order.
type job struct {
	id        int64
	kind      string // V2Query or V2Ingest
	operation string
	object    string
	query     string
	version   int
	user      int
	created   time.Time
	changed   time.Time
	delimiter string // COMMA and so on
	ending    string // LF or CRLF
	aborted   bool
	failed    string
	plan      *plan // of a query job

	ingest *ingest // of an ingest job
}

var delimiters = map[string]byte{"COMMA": ',', "SEMICOLON": ';', "TAB": '\t', "PIPE": '|', "CARET": '^', "BACKQUOTE": '`'}

// state is where a query job has got to by now; polling moves nothing.
func (j *job) state(now time.Time, delay time.Duration) string {
	switch {
	case j.aborted:
		return stateAborted
	case j.failed != "":
		return stateFailed
	case j.ingest != nil:
		return j.ingest.state
	case delay > 0 && now.Sub(j.created) < delay:
		return stateInProgress
	}
	return stateComplete
}

// queryJobs serves POST and GET /jobs/query.
func (rq *request) queryJobs() error {
	if rq.r.Method == http.MethodGet {
		return rq.listJobs("V2Query", "query")
	}
	var in struct{ Operation, Query, ColumnDelimiter, LineEnding, ContentType string }
	if err := rq.decode(&in); err != nil {
		return err
	}
	if in.Operation != "query" && in.Operation != "queryAll" {
		return badRequest("INVALIDJOB", "InvalidJob : Must specify a valid operation: query or queryAll")
	}
	in.ColumnDelimiter, in.LineEnding = strings.ToUpper(in.ColumnDelimiter), strings.ToUpper(in.LineEnding)
	if in.ColumnDelimiter == "" {
		in.ColumnDelimiter = "COMMA"
	}
	if in.LineEnding == "" {
		in.LineEnding = "LF"
	}
	if delimiters[in.ColumnDelimiter] == 0 || in.LineEnding != "LF" && in.LineEnding != "CRLF" {
		return badRequest("INVALIDJOB", "InvalidJob : Unknown columnDelimiter or lineEnding")
	}
	p, err := rq.org.prepare(rq.world, in.Query, rq.session.user, mode{all: in.Operation == "queryAll", bulk: true})
	if err != nil {
		return err
	}
	now := rq.org.now()
	j := &job{kind: "V2Query", operation: in.Operation, object: p.obj.name, query: in.Query, version: rq.version, user: rq.session.user, created: now,
		changed: now, delimiter: in.ColumnDelimiter, ending: in.LineEnding, plan: p}
	rq.org.jobs.add(j, now)
	u := &rq.org.usage
	u.mu.Lock()
	u.jobs++
	u.mu.Unlock()
	return rq.json(http.StatusOK, rq.jobInfo(j, stateUploadComplete, false))
}

// add gives a job its id and forgets the jobs that are too old.
func (s *jobState) add(j *job, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[int64]*job{}
	}
	for id, old := range s.byID {
		if now.Sub(old.created) > jobLife {
			delete(s.byID, id)
		}
	}
	j.id = rowID(prefixJob, s.next)
	s.next++
	s.byID[j.id] = j
}

// find returns a job of the given kind.
func (s *jobState) find(text, kind string, now time.Time) (*job, error) {
	id, ok := parseID(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.byID[id]
	if !ok || j == nil || j.kind != kind || now.Sub(j.created) > jobLife {
		return nil, notFound()
	}
	return j, nil
}

// jobInfo is a job as its resource shows it. full adds what only GET tells.
func (rq *request) jobInfo(j *job, state string, full bool) map[string]any {
	m := map[string]any{
		"id": idText(j.id), "operation": j.operation, "object": j.object, "createdById": idText(rowID(prefixUser, j.user)), "createdDate": stamp(j.created),
		"systemModstamp": stamp(j.changed), "state": state, "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": float64(j.version),
		"lineEnding": j.ending, "columnDelimiter": j.delimiter,
	}
	if j.ingest != nil {
		j.ingest.describe(m, rq, j, full)
		return m
	}
	if full {
		m["jobType"], m["retries"], m["totalProcessingTime"], m["isPkChunkingSupported"] = j.kind, 0, 0, true
		m["numberRecordsProcessed"] = 0
		if state == stateComplete {
			m["numberRecordsProcessed"], m["totalProcessingTime"] = len(j.plan.rows), 40+len(j.plan.rows)/500
		}
		if j.failed != "" {
			m["errorMessage"] = j.failed
		}
	}
	return m
}

// listJobs serves the list of one kind of job, newest first.
func (rq *request) listJobs(kind, path string) error {
	s := &rq.org.jobs
	now := rq.org.now()
	s.mu.Lock()
	var list []*job
	for _, j := range s.byID {
		if j.kind == kind {
			list = append(list, j)
		}
	}
	slices.SortFunc(list, func(a, b *job) int { return compareInts(b.id, a.id) })
	records := []map[string]any{}
	from, _ := strconv.Atoi(rq.query.Get("queryLocator")) // a missing or strange locator means the first page
	const page = 1000
	for _, j := range list[min(max(from, 0), len(list)):min(max(from, 0)+page, len(list))] {
		m := rq.jobInfo(j, j.state(now, rq.org.opt.JobDelay), false)
		m["jobType"] = j.kind
		records = append(records, m)
	}
	s.mu.Unlock()
	var next any
	if from+page < len(list) {
		next = rq.root + "/jobs/" + path + "?queryLocator=" + strconv.Itoa(from+page)
	}
	return rq.json(http.StatusOK, map[string]any{"done": next == nil, "records": records, "nextRecordsUrl": next})
}

// queryJob serves GET, PATCH and DELETE of one query job.
func (rq *request) queryJob() error {
	now := rq.org.now()
	j, err := rq.org.jobs.find(rq.seg[2], "V2Query", now)
	if err != nil {
		return err
	}
	return rq.oneJob(j, now)
}

// oneJob serves what query and ingest jobs have in common: looking, aborting, deleting.
func (rq *request) oneJob(j *job, now time.Time) error {
	s := &rq.org.jobs
	s.mu.Lock()
	defer s.mu.Unlock()
	state := j.state(now, rq.org.opt.JobDelay)
	done := state == stateComplete || state == stateFailed || state == stateAborted
	switch rq.r.Method {
	case http.MethodPatch:
		var in struct{ State string }
		if err := rq.decode(&in); err != nil {
			return err
		}
		switch {
		case j.ingest != nil && in.State == stateUploadComplete && state == stateOpen:
			j.changed = now
			rq.runIngest(j)
			return rq.json(http.StatusOK, rq.jobInfo(j, stateUploadComplete, false))
		case in.State != stateAborted:
			return badRequest("INVALIDJOBSTATE", "Invalid job state: %s", in.State)
		case done:
			return badRequest("INVALIDJOBSTATE", "Aborting already %s Job not allowed", strings.TrimPrefix(state, "Job"))
		}
		j.aborted, j.changed = true, now
		return rq.json(http.StatusOK, rq.jobInfo(j, stateAborted, false))
	case http.MethodDelete:
		if !done && (j.ingest == nil || state != stateUploadComplete) {
			return badRequest("INVALIDJOBSTATE", "Deletion of a job in state %s is not allowed", state)
		}
		delete(s.byID, j.id)
		rq.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return rq.json(http.StatusOK, rq.jobInfo(j, state, true))
}

// finishedJob finds a query job whose results may be read.
func (rq *request) finishedJob() (*job, error) {
	now := rq.org.now()
	j, err := rq.org.jobs.find(rq.seg[2], "V2Query", now)
	if err != nil {
		return nil, err
	}
	rq.org.jobs.mu.Lock()
	state := j.state(now, rq.org.opt.JobDelay)
	rq.org.jobs.mu.Unlock()
	switch {
	case j.version != rq.version:
		return nil, fail(http.StatusConflict, "API_ERROR", "The job was created with API version %d.0; use the same version to get its results", j.version)
	case state != stateComplete:
		return nil, badRequest("INVALIDJOBSTATE", "Results are only available for completed jobs; the job is in state %s", state)
	}
	return j, nil
}

// pageRows reads maxRecords.
func (rq *request) pageRows() (int, error) {
	text := rq.query.Get("maxRecords")
	if text == "" {
		return defaultPageRows, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("API_ERROR", "Invalid maxRecords: %s", text)
	}
	return min(n, maxPageRows), nil
}

// A locator is the offset of the page's first row, in base64 as Salesforce's look.
func locatorText(offset int) string {
	return base64.RawStdEncoding.EncodeToString([]byte(strconv.Itoa(offset)))
}

func locatorOffset(text string, rows int) (int, error) {
	if text == "" {
		return 0, nil
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	n, err2 := strconv.Atoi(string(b))
	if err != nil || err2 != nil || n < 0 || n > rows {
		return 0, badRequest("API_ERROR", "Invalid locator: %s", text)
	}
	return n, nil
}

// jobResults serves one page of a query job as CSV. Every page tells its number of rows and the next page's locator, the last one "null".
func (rq *request) jobResults() error {
	j, err := rq.finishedJob()
	if err != nil {
		return err
	}
	size, err := rq.pageRows()
	if err != nil {
		return err
	}
	from, err := locatorOffset(rq.query.Get("locator"), len(j.plan.rows))
	if err != nil {
		return err
	}
	to := min(from+size, len(j.plan.rows))
	next := "null"
	if to < len(j.plan.rows) {
		next = locatorText(to)
	}
	h := rq.w.Header()
	h.Set("Content-Type", "text/csv")
	h.Set("Sforce-Locator", next)
	h.Set("Sforce-NumberOfRecords", strconv.Itoa(to-from))
	rq.w.WriteHeader(http.StatusOK)
	ending := "\n"
	if j.ending == "CRLF" {
		ending = "\r\n"
	}
	writeCSV(rq.w, j.plan.cols, j.plan.rows[from:to], delimiters[j.delimiter], ending, corruptRow(rq.r.Context()))
	return nil
}

// jobResultPages serves the addresses of the next few pages, for clients that read them side by side.
func (rq *request) jobResultPages() error {
	if rq.version < 58 {
		return notFound()
	}
	j, err := rq.finishedJob()
	if err != nil {
		return err
	}
	size, err := rq.pageRows()
	if err != nil {
		return err
	}
	from, err := locatorOffset(rq.query.Get("locator"), len(j.plan.rows))
	if err != nil {
		return err
	}
	base := strings.TrimPrefix(rq.root, "/") + "/jobs/query/" + idText(j.id)
	pages := []map[string]string{}
	for len(pages) < pagesPerList && (from < len(j.plan.rows) || len(pages) == 0) {
		url := "/" + base + "/results?locator=" + locatorText(from)
		if rq.query.Has("maxRecords") {
			url += "&maxRecords=" + strconv.Itoa(size)
		}
		pages = append(pages, map[string]string{"resultUrl": url})
		from += size
	}
	out := map[string]any{"resultPages": pages, "done": from >= len(j.plan.rows)}
	if from < len(j.plan.rows) {
		out["nextRecordsUrl"] = "/" + base + "/resultPages?locator=" + locatorText(from)
	}
	return rq.json(http.StatusOK, out)
}
