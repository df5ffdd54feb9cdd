package sim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// writeResources are the resources for single records and for what changed.
var writeResources = []resource{
	{"GET,POST", "sobjects/*", (*request).objectRoot},
	{"GET", "sobjects/*/describe/*", (*request).describeLooks},
	{"GET", "sobjects/*/listviews", (*request).listViews},
	{"GET", "sobjects/*/quickactions", (*request).emptyList},
	{"GET", "sobjects/*/updated", (*request).updated},
	{"GET", "sobjects/*/deleted", (*request).deleted},
	{"GET,PATCH,DELETE", "sobjects/*/*", (*request).recordByID},
	{"GET,PATCH,DELETE,POST", "sobjects/*/*/*", (*request).recordByKey},
	{"POST", "composite", (*request).composite},
	{"POST", "composite/batch", (*request).batch},
	{"POST", "composite/tree/*", (*request).tree},
	{"POST,PATCH,DELETE,GET", "composite/sobjects", (*request).collection},
	{"GET,POST", "composite/sobjects/*", (*request).retrieveCollection},
	{"PATCH", "composite/sobjects/*/*", (*request).upsertCollection},
	{"GET,POST", "jobs/ingest", (*request).ingestJobs},
	{"GET,PATCH,DELETE", "jobs/ingest/*", (*request).ingestJob},
	{"PUT", "jobs/ingest/*/batches", (*request).ingestUpload},
	{"GET", "jobs/ingest/*/successfulresults", (*request).ingestResults},
	{"GET", "jobs/ingest/*/failedresults", (*request).ingestResults},
	{"GET", "jobs/ingest/*/unprocessedrecords", (*request).ingestResults},
	{"GET", "tooling/query", (*request).toolingQuery},
	{"GET", "tooling/sobjects", (*request).toolingDescribeGlobal},
	{"GET", "tooling/sobjects/*/describe", (*request).toolingDescribe},
	{"POST", "tooling/sobjects/customfield", (*request).toolingCreateField},
	{"GET,PATCH,DELETE", "tooling/sobjects/customfield/*", (*request).toolingField},
	{"POST", "metadata/deployrequest", (*request).deployRequests},
	{"GET,PATCH", "metadata/deployrequest/*", (*request).deployRequest},
	{"GET", "recent", (*request).emptyList},
	{"GET", "quickactions", (*request).emptyList},
	{"GET", "tabs", (*request).emptyList},
	{"GET", "theme", (*request).theme},
}

// objectOf returns the visible object that a path segment names.
func (rq *request) objectOf(name string) (*object, error) {
	o := rq.world.visibleObject(name)
	if o == nil {
		return nil, notFound()
	}
	return o, nil
}

// objectRoot serves /sobjects/T: the basic describe, and creating a record.
func (rq *request) objectRoot() error {
	o, err := rq.objectOf(rq.seg[1])
	if err != nil {
		return err
	}
	if rq.r.Method == http.MethodGet {
		return rq.json(http.StatusOK, map[string]any{"objectDescribe": rq.summary(o), "recentItems": []any{}})
	}
	in := map[string]any{}
	if err := rq.decode(&in); err != nil {
		return err
	}
	id, err := rq.create(o, in)
	if err != nil {
		return err
	}
	return rq.json(http.StatusCreated, map[string]any{"id": id, "success": true, "errors": []any{}})
}

func (rq *request) create(o *object, in map[string]any) (id string, err error) {
	err = rq.change(false, func(t *tx) error {
		row, err := t.insert(o, in)
		id = idText(rowID(o.packed, row))
		return err
	})
	return id, err
}

// recordByID serves one record.
func (rq *request) recordByID() error {
	o, err := rq.objectOf(rq.seg[1])
	if err != nil {
		return err
	}
	id := rq.seg[2]
	switch rq.r.Method {
	case http.MethodGet:
		row, err := (&tx{w: rq.world}).alive(o, id)
		if err != nil {
			return err
		}
		return rq.writeRecord(o, row)
	case http.MethodDelete:
		err = rq.change(false, func(t *tx) error {
			row, err := t.alive(o, id)
			if err != nil {
				return err
			}
			return t.discard(o, row)
		})
	default:
		in := map[string]any{}
		if err := rq.decode(&in); err != nil {
			return err
		}
		err = rq.change(false, func(t *tx) error {
			row, err := t.alive(o, id)
			if err != nil {
				return err
			}
			return t.update(o, row, in)
		})
	}
	if err != nil {
		return err
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}

// writeRecord answers with a record: all its visible fields, or those that ?fields= asks for.
func (rq *request) writeRecord(o *object, row int) error {
	c := &compiler{w: rq.world}
	var nodes []*node
	if names := rq.query.Get("fields"); names != "" {
		for _, n := range strings.Split(names, ",") {
			f := rq.world.visibleField(o, strings.TrimSpace(n))
			if f == nil {
				return badRequest("INVALID_FIELD", "No such column '%s' on sobject of type %s", strings.TrimSpace(n), o.name)
			}
			nodes = append(nodes, c.leaf(o, f, f.name, f.name))
		}
	} else {
		for _, f := range o.fields {
			if rq.world.sees(o, f) {
				nodes = append(nodes, c.leaf(o, f, f.name, f.name))
			}
		}
	}
	if o.name == "Account" {
		stampValue := rq.world.get(o, o.field("SystemModstamp"), row)
		rq.w.Header().Set("Last-Modified", stampValue.time().Format(http.TimeFormat))
		tag := `"` + strconv.FormatInt(stampValue.n, 36) + `--gzip"`
		rq.w.Header().Set("ETag", tag)
		if rq.r.Header.Get("If-None-Match") == tag {
			rq.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	jw := &writer{w: rq.world, root: rq.root}
	return rq.raw(http.StatusOK, jw.record(nil, o, row, nodes))
}

// recordByKey serves a record by external id, and the parent record behind a relationship of a record.
func (rq *request) recordByKey() error {
	o, err := rq.objectOf(rq.seg[1])
	if err != nil {
		return err
	}
	f := rq.world.visibleField(o, rq.seg[2])
	if f == nil && rq.r.Method == http.MethodGet && validIDText(rq.seg[2]) {
		return rq.related(o)
	}
	if f == nil || !f.externalID && !f.idLookup {
		return fail(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: %s", rq.seg[2])
	}
	if rq.r.Method == http.MethodPatch || rq.r.Method == http.MethodPost {
		return rq.upsertOne(o, f, rq.seg[3])
	}
	rows := keyRows(rq.world, o, f, rq.seg[3])
	switch {
	case len(rows) == 0:
		return notFound()
	case len(rows) > 1:
		return rq.json(http.StatusMultipleChoices, rq.recordURLs(o, rows))
	case rq.r.Method == http.MethodGet:
		return rq.writeRecord(o, rows[0])
	}
	if err := rq.change(false, func(t *tx) error {
		if !t.w.table(o).alive(rows[0]) {
			return entityDeleted()
		}
		return t.discard(o, rows[0])
	}); err != nil {
		return err
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}

// keyRows finds the records that have a value in an external id.
func keyRows(w *world, o *object, f *field, key string) (rows []int) {
	t := w.table(o)
	if f.typ == "id" {
		if id, ok := parseID(key); ok {
			if found, row := w.find(id); found == o && t.alive(row) {
				return []int{row}
			}
		}
		return nil
	}
	for row := range t.rows {
		if t.alive(row) && equality(column{f: f}, textValue(key))(w.get(o, f, row)) {
			rows = append(rows, row)
		}
	}
	return rows
}

func (rq *request) recordURLs(o *object, rows []int) []string {
	var urls []string
	for _, row := range rows {
		urls = append(urls, rq.root+"/sobjects/"+o.name+"/"+idText(rowID(o.packed, row)))
	}
	return urls
}

// related serves /sobjects/T/{id}/{relationship}.
func (rq *request) related(o *object) error {
	row, err := (&tx{w: rq.world}).alive(o, rq.seg[2])
	if err != nil {
		return err
	}
	c := &compiler{w: rq.world}
	ref := c.relation(o, rq.seg[3])
	if ref == nil {
		return notFound()
	}
	target, at := rq.world.target(rq.world.get(o, ref, row))
	if target == nil {
		return notFound()
	}
	return rq.writeRecord(target, at)
}

// upsertOne serves PATCH by external id.
func (rq *request) upsertOne(o *object, f *field, key string) error {
	in := map[string]any{}
	if err := rq.decode(&in); err != nil {
		return err
	}
	for name := range in {
		if strings.EqualFold(name, f.name) && f.typ != "id" {
			return badRequest("INVALID_FIELD", "The %s field should not be specified in the sobject data.", f.name).on(f.name)
		}
	}
	var id string
	var created bool
	err := rq.change(false, func(t *tx) error {
		var err error
		id, created, err = t.upsert(rq, o, f, key, in, strings.EqualFold(rq.query.Get("updateOnly"), "true"))
		return err
	})
	if err != nil {
		return err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	} else if rq.version < 46 {
		rq.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return rq.json(status, map[string]any{"id": id, "success": true, "errors": []any{}, "created": created})
}

// upsert updates the record that has the key or creates one.
func (t *tx) upsert(rq *request, o *object, f *field, key string, in map[string]any, updateOnly bool) (id string, created bool, err error) {
	var rows []int
	switch {
	case f.unique:
		if row := t.lookup(o, f, textValue(key)); row >= 0 {
			rows = []int{row}
		}
	default:
		rows = keyRows(t.w, o, f, key)
	}
	if len(rows) > 1 {
		return "", false, &apiError{status: http.StatusMultipleChoices, code: "MULTIPLE_CHOICES", message: strings.Join(rq.recordURLs(o, rows), ",")}
	}
	if len(rows) == 1 {
		return idText(rowID(o.packed, rows[0])), false, t.update(o, rows[0], in)
	}
	if updateOnly || f.typ == "id" {
		return "", false, notFound()
	}
	all := map[string]any{f.name: key}
	for k, v := range in {
		all[k] = v
	}
	row, err := t.insert(o, all)
	return idText(rowID(o.packed, row)), true, err
}

// replicationWindow reads start and end, cut to the minute.
func (rq *request) replicationWindow(back time.Duration) (from, to time.Time, err error) {
	read := func(name string) (time.Time, bool) {
		v, ok := parseDateTime(strings.ReplaceAll(rq.query.Get(name), " ", "+"))
		return v.time().Truncate(time.Minute), ok
	}
	from, ok1 := read("start")
	to, ok2 := read("end")
	now := rq.org.now()
	switch {
	case !ok1 || !ok2:
		return from, to, badRequest("INVALID_REPLICATION_DATE", "startDate and endDate are required")
	case !from.Before(to):
		return from, to, badRequest("INVALID_REPLICATION_DATE", "startDate must be at least one minute before endDate")
	case now.Sub(from) > back:
		return from, to, badRequest("INVALID_REPLICATION_DATE", "startDate before org replication enabled date")
	}
	return from, to, nil
}

const maxReplicated = 600_000

// updated serves /sobjects/T/updated.
func (rq *request) updated() error {
	o, err := rq.objectOf(rq.seg[1])
	if err != nil {
		return err
	}
	from, to, err := rq.replicationWindow(30 * 24 * time.Hour)
	if err != nil {
		return err
	}
	f, t := o.field("SystemModstamp"), rq.world.table(o)
	ids := []string{}
	for row := range t.rows {
		if !t.alive(row) {
			continue
		}
		if n := rq.world.get(o, f, row).n; n >= from.UnixMilli() && n < to.UnixMilli() {
			ids = append(ids, idText(rowID(o.packed, row)))
		}
	}
	if len(ids) > maxReplicated {
		return badRequest("EXCEEDED_ID_LIMIT", "exceeded %d ids", maxReplicated)
	}
	return rq.json(http.StatusOK, map[string]any{"ids": ids, "latestDateCovered": stamp(to)})
}

// deleted serves /sobjects/T/deleted.
func (rq *request) deleted() error {
	o, err := rq.objectOf(rq.seg[1])
	if err != nil {
		return err
	}
	const back = 15 * 24 * time.Hour
	from, to, err := rq.replicationWindow(back)
	if err != nil {
		return err
	}
	t := rq.world.table(o)
	list := []map[string]string{}
	for row := range t.rows {
		if r := t.rec(row); r != nil && r.deleted && !r.purged && r.deletedAt >= from.UnixMilli() && r.deletedAt < to.UnixMilli() {
			list = append(list, map[string]string{"id": idText(rowID(o.packed, row)), "deletedDate": stamp(time.UnixMilli(r.deletedAt))})
		}
	}
	return rq.json(http.StatusOK, map[string]any{"deletedRecords": list, "earliestDateAvailable": stamp(rq.org.now().Add(-back)), "latestDateCovered": stamp(to)})
}

func (rq *request) emptyList() error { return rq.json(http.StatusOK, []any{}) }

func (rq *request) theme() error {
	return rq.json(http.StatusOK, map[string]any{"themeItems": []any{}})
}
