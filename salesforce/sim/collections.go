package sim

import (
	"net/http"
	"strings"
)

var errRollback = badRequest("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid and the request was using AllOrNone header")

// collection serves /composite/sobjects: up to 200 records created, updated or deleted at once.
func (rq *request) collection() error {
	if rq.r.Method == http.MethodDelete {
		return rq.deleteCollection()
	}
	if rq.r.Method == http.MethodGet {
		return notFound()
	}
	return rq.eachRecord(func(t *tx, o *object, rec map[string]any) (id string, created bool, err error) {
		if rq.r.Method == http.MethodPost {
			row, err := t.insert(o, rec)
			return idText(rowID(o.packed, row)), true, err
		}
		id = takeID(rec)
		row, err := t.alive(o, id)
		if err != nil {
			return id, false, err
		}
		return idText(rowID(o.packed, row)), false, t.update(o, row, rec)
	}, false)
}

// takeID removes the id, in whatever spelling, from a record.
func takeID(rec map[string]any) string {
	for k, v := range rec {
		if strings.EqualFold(k, "id") {
			delete(rec, k)
			s, _ := v.(string)
			return s
		}
	}
	return ""
}

// eachRecord applies fn to the records of the body and answers with a result for each in their order; the status is 200 even when all failed.
func (rq *request) eachRecord(fn func(*tx, *object, map[string]any) (string, bool, error), tellCreated bool) error {
	var in struct {
		AllOrNone bool
		Records   []map[string]any
	}
	if err := rq.decode(&in); err != nil {
		return err
	}
	if len(in.Records) > maxCollection {
		return badRequest("EXCEEDED_MAX_SOBJECTS", "The number of records (%d) exceeds the maximum of %d", len(in.Records), maxCollection)
	}
	results := make([]map[string]any, len(in.Records))
	failed := false
	err := rq.change(false, func(t *tx) error {
		for i, rec := range in.Records {
			attributes, _ := rec["attributes"].(map[string]any)
			typ, _ := attributes["type"].(string)
			o := t.w.visibleObject(typ)
			if o == nil {
				failed = true
				results[i] = refused(badRequest("INVALID_TYPE", "sObject type '%s' is not supported.", typ))
				continue
			}
			id, created, err := fn(t, o, rec)
			if err != nil {
				failed = true
				results[i] = refused(err)
				continue
			}
			results[i] = map[string]any{"id": id, "success": true, "errors": []any{}}
			if tellCreated {
				results[i]["created"] = created
			}
		}
		if failed && in.AllOrNone {
			return errRollback
		}
		return nil
	})
	if err != nil {
		for i := range results {
			if results[i]["success"] == true {
				results[i] = refused(errRollback)
			}
		}
	}
	return rq.json(http.StatusOK, results)
}

func refused(err error) map[string]any {
	return map[string]any{"success": false, "errors": []any{rowError(err)}}
}

// upsertCollection serves PATCH /composite/sobjects/T/{external id}.
func (rq *request) upsertCollection() error {
	o, err := rq.objectOf(rq.seg[2])
	if err != nil {
		return err
	}
	f := rq.world.visibleField(o, rq.seg[3])
	if f == nil || !f.externalID && !f.idLookup {
		return fail(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: %s", rq.seg[3])
	}
	return rq.eachRecord(func(t *tx, have *object, rec map[string]any) (string, bool, error) {
		if have != o {
			return "", false, badRequest("INVALID_TYPE", "All records must be of type %s", o.name)
		}
		key := ""
		for k, v := range rec {
			if strings.EqualFold(k, f.name) {
				key, _ = v.(string)
				delete(rec, k)
			}
		}
		if key == "" {
			return "", false, badRequest("MISSING_ARGUMENT", "%s not specified", f.name)
		}
		return t.upsert(rq, o, f, key, rec, false)
	}, true)
}

// deleteCollection serves DELETE /composite/sobjects?ids=.
func (rq *request) deleteCollection() error {
	ids := strings.FieldsFunc(rq.query.Get("ids"), func(r rune) bool { return r == ',' })
	if len(ids) > maxCollection {
		return badRequest("EXCEEDED_MAX_SOBJECTS", "The number of records (%d) exceeds the maximum of %d", len(ids), maxCollection)
	}
	allOrNone := strings.EqualFold(rq.query.Get("allOrNone"), "true")
	results := make([]map[string]any, len(ids))
	failed := false
	err := rq.change(false, func(t *tx) error {
		for i, id := range ids {
			packed, _ := parseID(id)
			o, row := t.w.find(packed)
			switch {
			case o == nil || t.w.visibleObject(o.name) == nil:
				failed = true
				results[i] = refused(badRequest("MALFORMED_ID", "malformed id %s", id))
			case !t.w.table(o).alive(row):
				failed = true
				results[i] = refused(entityDeleted())
			default:
				if err := t.discard(o, row); err != nil {
					failed = true
					results[i] = refused(err)
					continue
				}
				results[i] = map[string]any{"id": idText(packed), "success": true, "errors": []any{}}
			}
		}
		if failed && allOrNone {
			return errRollback
		}
		return nil
	})
	if err != nil {
		for i := range results {
			if results[i]["success"] == true {
				results[i] = refused(errRollback)
			}
		}
	}
	return rq.json(http.StatusOK, results)
}

// retrieveCollection serves /composite/sobjects/T with ids and fields: the records in the order of the ids, null for a missing one.
func (rq *request) retrieveCollection() error {
	o, err := rq.objectOf(rq.seg[2])
	if err != nil {
		return err
	}
	var in struct{ IDs, Fields []string }
	if rq.r.Method == http.MethodPost {
		if err := rq.decode(&in); err != nil {
			return err
		}
	} else {
		in.IDs, in.Fields = strings.Split(rq.query.Get("ids"), ","), strings.Split(rq.query.Get("fields"), ",")
	}
	if len(in.IDs) > defaultBatch {
		return badRequest("EXCEEDED_ID_LIMIT", "The number of ids (%d) exceeds the maximum of %d", len(in.IDs), defaultBatch)
	}
	c := &compiler{w: rq.world}
	var nodes []*node
	for _, name := range in.Fields {
		f := rq.world.visibleField(o, strings.TrimSpace(name))
		if f == nil {
			return badRequest("INVALID_FIELD", "No such column '%s' on sobject of type %s", name, o.name)
		}
		nodes = append(nodes, c.leaf(o, f, f.name, f.name))
	}
	jw := &writer{w: rq.world, root: rq.root}
	dst := []byte{'['}
	for i, id := range in.IDs {
		if i > 0 {
			dst = append(dst, ',')
		}
		row, err := (&tx{w: rq.world}).alive(o, id)
		if err != nil {
			dst = append(dst, "null"...)
			continue
		}
		dst = jw.record(dst, o, row, nodes)
	}
	return rq.raw(http.StatusOK, append(dst, ']'))
}

// tree serves /composite/tree/T: records with their children, all or none.
func (rq *request) tree() error {
	o, err := rq.objectOf(rq.seg[2])
	if err != nil {
		return err
	}
	var in struct{ Records []map[string]any }
	if err := rq.decode(&in); err != nil {
		return err
	}
	var results, failures []map[string]any
	count := 0
	err = rq.change(false, func(t *tx) error {
		var plant func(o *object, rec map[string]any, parent *field, parentID string)
		plant = func(o *object, rec map[string]any, parent *field, parentID string) {
			count++
			attributes, _ := rec["attributes"].(map[string]any)
			ref, _ := attributes["referenceId"].(string)
			fields := map[string]any{}
			type branch struct {
				obj     *object
				link    *field
				records []any
			}
			var branches []branch
			for k, v := range rec {
				if m, ok := v.(map[string]any); ok && k != "attributes" {
					child, link := t.childRelation(o, k)
					list, _ := m["records"].([]any)
					if child == nil {
						failures = append(failures, map[string]any{"referenceId": ref, "errors": []any{rowError(badRequest("INVALID_FIELD", "No such relationship '%s' on %s", k, o.name))}})
						return
					}
					branches = append(branches, branch{child, link, list})
					continue
				}
				fields[k] = v
			}
			if parent != nil {
				fields[parent.name] = parentID
			}
			row, err := t.insert(o, fields)
			if err != nil {
				failures = append(failures, map[string]any{"referenceId": ref, "errors": []any{rowError(err)}})
				return
			}
			id := idText(rowID(o.packed, row))
			results = append(results, map[string]any{"referenceId": ref, "id": id})
			for _, b := range branches {
				for _, r := range b.records {
					if child, ok := r.(map[string]any); ok {
						plant(b.obj, child, b.link, id)
					}
				}
			}
		}
		for _, rec := range in.Records {
			plant(o, rec, nil, "")
		}
		if count > maxCollection {
			failures = append(failures, map[string]any{"referenceId": nil, "errors": []any{rowError(badRequest("EXCEEDED_MAX_SOBJECTS",
				"The number of records (%d) exceeds the maximum of %d", count, maxCollection))}})
		}
		if len(failures) > 0 {
			return errRollback
		}
		return nil
	})
	if err != nil {
		return rq.json(http.StatusBadRequest, map[string]any{"hasErrors": true, "results": failures})
	}
	return rq.json(http.StatusCreated, map[string]any{"hasErrors": false, "results": results})
}

// childRelation finds the children that a relationship name stands for.
func (t *tx) childRelation(parent *object, name string) (*object, *field) {
	for _, o := range t.w.order {
		for _, f := range o.fields {
			if f.childRel != "" && strings.EqualFold(f.childRel, name) && refers(f, parent.name) {
				return o, f
			}
		}
	}
	return nil, nil
}
