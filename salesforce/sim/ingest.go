package sim

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

// ingest is the part of a job that writes.
type ingest struct {
	state      string
	externalID string
	header     []string
	rows       [][]string
	uploaded   bool
	data       []byte
	done       [][]string // id, created, then the row
	failures   [][]string // id, error, then the row
	processed  int
}

var ingestOperations = []string{"insert", "update", "upsert", "delete", "hardDelete"}

func (g *ingest) describe(m map[string]any, rq *request, j *job, full bool) {
	m["jobType"] = j.kind
	m["contentUrl"] = strings.TrimPrefix(rq.root, "/") + "/jobs/ingest/" + idText(j.id) + "/batches"
	if g.externalID != "" {
		m["externalIdFieldName"] = g.externalID
	}
	if full {
		m["numberRecordsProcessed"], m["numberRecordsFailed"] = g.processed, len(g.failures)
		m["retries"], m["totalProcessingTime"], m["apiActiveProcessingTime"], m["apexProcessingTime"] = 0, 10+g.processed/10, 5+g.processed/20, 0
		if j.failed != "" {
			m["errorMessage"] = j.failed
		}
	}
}

// ingestJobs serves POST and GET /jobs/ingest.
func (rq *request) ingestJobs() error {
	if rq.r.Method == http.MethodGet {
		return rq.listJobs("V2Ingest", "ingest")
	}
	var in struct{ Object, Operation, ExternalIDFieldName, ContentType, LineEnding, ColumnDelimiter string }
	if err := rq.decode(&in); err != nil {
		return err
	}
	o := rq.world.visibleObject(in.Object)
	if o == nil {
		return badRequest("INVALIDENTITY", "InvalidEntity : Entity '%s' is not supported by the Bulk API.", in.Object)
	}
	if !slices.Contains(ingestOperations, in.Operation) {
		return badRequest("INVALIDJOB", "InvalidJob : Must specify a valid operation")
	}
	if in.Operation == "upsert" {
		f := rq.world.visibleField(o, in.ExternalIDFieldName)
		if f == nil || !f.externalID && !f.idLookup {
			return badRequest("INVALIDJOB", "InvalidJob : Field name provided, %s does not match an External ID, Salesforce Id, or indexed field for %s", in.ExternalIDFieldName, o.name)
		}
		in.ExternalIDFieldName = f.name
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
	now := rq.org.now()
	j := &job{kind: "V2Ingest", operation: in.Operation, object: o.name, version: rq.version, user: rq.session.user, created: now, changed: now,
		delimiter: in.ColumnDelimiter, ending: in.LineEnding, ingest: &ingest{state: stateOpen, externalID: in.ExternalIDFieldName}}
	rq.org.jobs.add(j, now)
	return rq.json(http.StatusOK, rq.jobInfo(j, stateOpen, false))
}

// ingestJob serves GET, PATCH and DELETE of one ingest job.
func (rq *request) ingestJob() error {
	now := rq.org.now()
	j, err := rq.org.jobs.find(rq.seg[2], "V2Ingest", now)
	if err != nil {
		return err
	}
	return rq.oneJob(j, now)
}

// ingestUpload takes the one upload that a job may have.
func (rq *request) ingestUpload() error {
	j, err := rq.org.jobs.find(rq.seg[2], "V2Ingest", rq.org.now())
	if err != nil {
		return err
	}
	if ct := rq.r.Header.Get("Content-Type"); ct != "" && !strings.HasPrefix(lower(ct), "text/csv") {
		return fail(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be text/csv")
	}
	data, err := io.ReadAll(rq.r.Body)
	if err != nil {
		return badRequest("INVALIDBATCH", "InvalidBatch : the upload could not be read")
	}
	s := &rq.org.jobs
	s.mu.Lock()
	defer s.mu.Unlock()
	g := j.ingest
	switch {
	case g.uploaded:
		return badRequest("INVALIDBATCH", "Found multiple contents for job: <%s>, please 'Close' / 'Abort' / 'Delete' the current Job then create a new Job and make sure you only do 'PUT' once on a given Job.", idText(j.id))
	case g.state != stateOpen || j.aborted:
		return badRequest("INVALIDJOBSTATE", "Job must be open to take data")
	}
	g.data, g.uploaded = data, true
	rq.w.WriteHeader(http.StatusCreated)
	return nil
}

// runIngest reads the upload and applies it row by row, a failing row leaving the others alone. The job's lock is held.
func (rq *request) runIngest(j *job) {
	g := j.ingest
	g.state = stateComplete
	if bytes.Contains(g.data, []byte("\r\n")) != (j.ending == "CRLF") && bytes.IndexByte(g.data, '\n') >= 0 {
		j.failed = "InvalidBatch : Field name not found : line ending does not match the job's lineEnding " + j.ending
		return
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(g.data, []byte("\xef\xbb\xbf"))))
	r.Comma = rune(delimiters[j.delimiter])
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		j.failed = "InvalidBatch : " + err.Error()
		return
	}
	g.header = header
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			j.failed = "InvalidBatch : " + err.Error()
			return
		}
		g.rows = append(g.rows, row)
	}
	// Rows fail one by one, so the transaction as a whole cannot.
	_ = rq.org.change(j.user, false, func(t *tx) error {
		t.locks = lockedRows(rq.r.Context())
		for _, row := range g.rows {
			id, created, err := t.ingestRow(rq, j, row)
			g.processed++
			if err != nil {
				var e *apiError
				text := "UNKNOWN_EXCEPTION:" + err.Error() + ":--"
				if errors.As(err, &e) {
					text = e.code + ":" + e.message + ":" + strings.Join(e.fields, ",") + "--"
				}
				g.failures = append(g.failures, append([]string{id, text}, row...))
				continue
			}
			flag := "false"
			if created {
				flag = "true"
			}
			g.done = append(g.done, append([]string{id, flag}, row...))
		}
		return nil
	})
	g.data = nil
}

// ingestRow applies one row: an empty value leaves a field alone, #N/A clears it, and Relationship.Field names a parent by external id.
func (t *tx) ingestRow(rq *request, j *job, row []string) (id string, created bool, err error) {
	o := t.w.visibleObject(j.object)
	if o == nil {
		return "", false, badRequest("INVALIDENTITY", "Entity '%s' is gone", j.object)
	}
	in := map[string]any{}
	for i, head := range j.ingest.header {
		if i >= len(row) {
			break
		}
		head, v := strings.TrimSpace(head), any(row[i])
		switch {
		case row[i] == "":
			continue
		case row[i] == "#N/A":
			v = nil
		}
		if strings.EqualFold(head, "Id") {
			id = row[i]
			continue
		}
		if rel, key, ok := strings.Cut(head, "."); ok {
			if head, v, err = t.parentByKey(o, rel, key, row[i]); err != nil {
				return id, false, err
			}
		}
		in[head] = v
	}
	switch j.operation {
	case "insert":
		at, err := t.insert(o, in)
		if err != nil {
			return "", false, err
		}
		return idText(rowID(o.packed, at)), true, nil
	case "upsert":
		f := o.field(j.ingest.externalID)
		key := id
		for name, v := range in {
			if strings.EqualFold(name, f.name) {
				key, _ = v.(string)
				delete(in, name)
			}
		}
		if key == "" {
			return "", false, badRequest("MISSING_ARGUMENT", "%s not specified", f.name)
		}
		return t.upsert(rq, o, f, key, in, false)
	}
	at, err := t.alive(o, id)
	if err != nil {
		return id, false, err
	}
	if j.operation == "update" {
		return id, false, t.update(o, at, in)
	}
	if err := t.discard(o, at); err != nil {
		return id, false, err
	}
	if j.operation == "hardDelete" {
		r := t.w.table(o).rec(at).copy()
		r.purged = true
		t.put(o, at, r)
	}
	return id, false, nil
}

// parentByKey resolves a header such as Account.ERP_Number__c (or Account:Parent.Key for one type of a polymorphic relationship) to the reference
// field and the parent's id.
func (t *tx) parentByKey(o *object, rel, key, text string) (string, any, error) {
	c := &compiler{w: t.w}
	typ := ""
	if a, b, ok := strings.Cut(rel, ":"); ok {
		typ, rel = a, b
	}
	ref := c.relation(o, rel)
	if ref == nil {
		return "", nil, badRequest("INVALID_FIELD", "No such column '%s' on sobject of type %s", rel, o.name)
	}
	if typ == "" {
		typ = ref.refs[0]
	}
	target := t.w.visibleObject(typ)
	if target == nil || target.field(key) == nil {
		return "", nil, badRequest("INVALID_FIELD", "No such column '%s' on sobject of type %s", key, typ)
	}
	if text == "#N/A" {
		return ref.name, nil, nil
	}
	rows := keyRows(t.w, target, target.field(key), text)
	if len(rows) != 1 {
		return "", nil, badRequest("INVALID_FIELD", "Foreign key external ID: %s not found for field %s in entity %s", lower(text), key, target.name)
	}
	return ref.name, idText(rowID(target.packed, rows[0])), nil
}

// ingestResults serves the rows that succeeded, failed, or were never tried.
func (rq *request) ingestResults() error {
	j, err := rq.org.jobs.find(rq.seg[2], "V2Ingest", rq.org.now())
	if err != nil {
		return err
	}
	s := &rq.org.jobs
	s.mu.Lock()
	defer s.mu.Unlock()
	g := j.ingest
	head, rows := g.header, [][]string(nil)
	switch lower(rq.seg[3]) {
	case "successfulresults":
		head, rows = append([]string{"sf__Id", "sf__Created"}, head...), g.done
	case "failedresults":
		head, rows = append([]string{"sf__Id", "sf__Error"}, head...), g.failures
	default:
		if j.aborted || j.failed != "" {
			rows = g.rows[min(g.processed, len(g.rows)):]
		}
	}
	rq.w.Header().Set("Content-Type", "text/csv")
	ending := "\n"
	if j.ending == "CRLF" {
		ending = "\r\n"
	}
	var b bytes.Buffer
	for _, row := range append([][]string{head}, rows...) {
		for i, v := range row {
			if i > 0 {
				b.WriteByte(delimiters[j.delimiter])
			}
			b.Write(closeQuote(append([]byte{'"'}, v...), 1))
		}
		b.WriteString(ending)
	}
	_, _ = rq.w.Write(b.Bytes()) // only fails when the caller is gone
	return nil
}
