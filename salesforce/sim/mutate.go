package sim

import (
	"fmt"
	"strings"
	"time"
)

// tx is a change of the org in the making. It works on a copy of the world that nobody sees until it is published.
type tx struct {
	w      *world
	now    value // the stamp that changed records get, to the second
	user   value // who changes
	row    int   // of that user
	system bool  // may write fields that no client may
	unique map[*field]map[string]int
	locks  *rowLocks // records that a fault holds locked
}

// change runs fn on a copy of the world and publishes it when fn succeeds. Changes happen one after the other.
func (o *Org) change(user int, system bool, fn func(*tx) error) error {
	o.write.Lock()
	defer o.write.Unlock()
	return o.changeLocked(user, system, fn)
}

// changeLocked is change for who holds the write lock.
func (o *Org) changeLocked(user int, system bool, fn func(*tx) error) error {
	t := &tx{w: o.world.Load().clone().as(user), now: timeValue(o.now().Truncate(time.Second)), user: idValue(rowID(prefixUser, user)), row: user, system: system}
	if err := fn(t); err != nil {
		return err
	}
	o.world.Store(t.w)
	return nil
}

// change is a change by the caller of a request, alone or as part of a composite transaction.
func (rq *request) change(system bool, fn func(*tx) error) error {
	locks, do := lockedRows(rq.r.Context()), fn
	fn = func(t *tx) error {
		t.locks = locks
		return do(t)
	}
	if rq.locked {
		return rq.org.changeLocked(rq.session.user, system, fn)
	}
	return rq.org.change(rq.session.user, system, fn)
}

// fieldsOf matches names to fields and coerces the values. It refuses what the caller may not write.
func (t *tx) fieldsOf(o *object, in map[string]any, create bool) (map[*field]value, error) {
	out := make(map[*field]value, len(in))
	for name, raw := range in {
		if strings.EqualFold(name, "attributes") {
			continue
		}
		f := o.field(name)
		if f == nil || !t.system && !t.w.sees(o, f) {
			return nil, badRequest("INVALID_FIELD", "No such column '%s' on sobject of type %s", name, o.name)
		}
		may := f.updateable
		if create {
			may = f.createable
		}
		may = may && (t.system || t.w.mayField(o, f, mayEdit))
		if f.col < 0 || f.typ == "id" || !may && !t.system {
			return nil, badRequest("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: %s. Please check the security settings of this field and verify that it is read/write for your profile or permission set.", f.name).on(f.name)
		}
		v, err := t.w.coerce(o, f, raw)
		if err != nil {
			return nil, err
		}
		out[f] = v
	}
	return out, nil
}

// insert adds a record and returns its row.
func (t *tx) insert(o *object, in map[string]any) (int, error) {
	if err := t.allow(o, mayCreate); err != nil {
		return 0, err
	}
	vals, err := t.fieldsOf(o, in, true)
	if err != nil {
		return 0, err
	}
	row := t.w.table(o).rows
	r := &record{}
	var missing []string
	for _, f := range o.fields {
		v, given := vals[f]
		if !given {
			v = t.initial(o, f, row)
		}
		if v.isNull() && !f.nillable && f.col >= 0 && f.typ != "id" && f.createable && !f.defaulted {
			missing = append(missing, f.name)
		}
		if !v.isNull() && f.col >= 0 {
			r.set(f.col, v)
		}
	}
	if len(missing) > 0 && !t.system {
		return 0, requiredMissing(missing)
	}
	if err := t.checkUnique(o, vals, row); err != nil {
		return 0, err
	}
	t.derive(o, nil, vals, r)
	t.put(o, row, r)
	return row, t.after(o, row, nil, vals)
}

// initial is the value that a new record has in a field that the caller left out.
func (t *tx) initial(o *object, f *field, row int) value {
	switch f.name {
	case "CreatedDate", "LastModifiedDate", "SystemModstamp":
		return t.now
	case "CreatedById", "LastModifiedById", "OwnerId", "InsertedById":
		return t.user
	case "RecordTypeId":
		if types := t.w.recordTypes(o); len(types) > 0 {
			return idValue(rowID(prefixRecordType, types[0]))
		}
		return null
	}
	switch {
	case f.autoNumber:
		return textValue(autoNumber(f.numberFormat, row+1001))
	case f.typ == "boolean" && f.col >= 0:
		return boolValue(f.defaultValue == "true")
	}
	for _, p := range f.picks {
		if p.isDefault {
			return textValue(p.value)
		}
	}
	if v, ok := newRecordValue[o.name+"."+f.name]; ok {
		return textValue(v)
	}
	return null
}

// newRecordValue is what standard picklists say on a record that was created without a choice.
var newRecordValue = map[string]string{"Case.Status": "New", "Case.Priority": "Medium", "Case.Origin": "Web", "Task.Status": "Not Started", "Task.Priority": "Normal",
	"FeedItem.Type": "TextPost", "FeedItem.Status": "Published", "FeedItem.Visibility": "InternalUsers", "FeedComment.CommentType": "TextComment",
	"FeedComment.Status": "Published", "EmailMessage.Status": "0"}

// autoNumber fills the braces of a display format, such as REQ-{00000}.
func autoNumber(format string, n int) string {
	open, end := strings.IndexByte(format, '{'), strings.IndexByte(format, '}')
	if open < 0 || end < open {
		return format + fmt.Sprint(n)
	}
	return fmt.Sprintf("%s%0*d%s", format[:open], end-open-1, n, format[end+1:])
}

// update changes fields of a record.
func (t *tx) update(o *object, row int, in map[string]any) error {
	if err := t.allow(o, mayEdit); err != nil {
		return err
	}
	vals, err := t.fieldsOf(o, in, false)
	if err != nil {
		return err
	}
	for f, v := range vals {
		if v.isNull() && !f.nillable && f.typ != "boolean" && !t.system {
			return requiredMissing([]string{f.name})
		}
	}
	if err := t.checkUnique(o, vals, row); err != nil {
		return err
	}
	before := t.w.clone() // put changes t.w in place
	old := func(f *field) value { return before.get(o, f, row) }
	r := t.w.table(o).rec(row).copy()
	t.touch(o, r)
	t.derive(o, old, vals, r)
	for f, v := range vals {
		r.set(f.col, v)
	}
	t.put(o, row, r)
	return t.after(o, row, old, vals)
}

// touch moves the stamps of a changed record.
func (t *tx) touch(o *object, r *record) {
	for _, name := range [...]string{"LastModifiedDate", "SystemModstamp"} {
		if f := o.field(name); f != nil {
			r.set(f.col, t.now)
		}
	}
	if f := o.field("LastModifiedById"); f != nil {
		r.set(f.col, t.user)
	}
}

func (t *tx) put(o *object, row int, r *record) {
	if o.view != nil {
		o = o.view
	}
	if len(t.unique) > 0 {
		for f, index := range t.unique {
			if o.byName[lower(f.name)] != f {
				continue
			}
			if v, ok := r.get(f.col); ok && !v.isNull() && !r.deleted {
				index[uniqueKey(f, v)] = row
			}
		}
	}
	t.w.tables[o.idx] = t.w.tables[o.idx].put(row, r)
}

func uniqueKey(f *field, v value) string {
	if f.caseSensitive {
		return v.text()
	}
	return lower(v.text())
}

// lookup finds the record that has a value in a unique field or external id. It returns -1 for none.
func (t *tx) lookup(o *object, f *field, v value) int {
	index := t.unique[f]
	table := t.w.table(o)
	if index == nil {
		index = make(map[string]int, table.rows)
		for row := range table.rows {
			if table.alive(row) {
				if have := t.w.get(o, f, row); !have.isNull() {
					index[uniqueKey(f, have)] = row
				}
			}
		}
		if t.unique == nil {
			t.unique = map[*field]map[string]int{}
		}
		t.unique[f] = index
	}
	row, ok := index[uniqueKey(f, v)]
	if !ok || !table.alive(row) || uniqueKey(f, t.w.get(o, f, row)) != uniqueKey(f, v) {
		return -1
	}
	return row
}

func (t *tx) checkUnique(o *object, vals map[*field]value, row int) error {
	for f, v := range vals {
		if !f.unique || v.isNull() {
			continue
		}
		if other := t.lookup(o, f, v); other >= 0 && other != row {
			return badRequest("DUPLICATE_VALUE", "duplicate value found: %s duplicates value on record with id: %s", f.name, idText(rowID(o.packed, other))[:15]).on()
		}
	}
	return nil
}

// derive sets what follows from other fields before a record is stored. old is nil for a new record.
func (t *tx) derive(o *object, old func(*field) value, vals map[*field]value, r *record) {
	switch o.name {
	case "Opportunity":
		stageField, probability := o.field("StageName"), o.field("Probability")
		v, ok := vals[stageField]
		if !ok || old != nil && compare(old(stageField), v) == 0 {
			return
		}
		if _, given := vals[probability]; !given {
			r.set(probability.col, decimalValue(stageOf(v).probability*10, 1))
		}
		if old != nil {
			r.set(o.field("LastStageChangeDate").col, t.now)
		}
	case "Case":
		if v, ok := vals[o.field("Status")]; ok {
			closed := null
			if v.s == "Closed" {
				closed = t.now
			}
			r.set(o.field("ClosedDate").col, closed)
		}
	case "FeedComment":
		if v, ok := vals[o.field("FeedItemId")]; ok && old == nil {
			if item, row := t.w.target(v); item != nil {
				r.set(o.field("ParentId").col, t.w.get(item, item.field("ParentId"), row))
			}
		}
	}
}

// after does what a stored change brings about elsewhere.
func (t *tx) after(o *object, row int, old func(*field) value, vals map[*field]value) error {
	switch o.name {
	case "Opportunity":
		return t.opportunityHistory(o, row, old, vals)
	case "FieldPermissions", "ObjectPermissions", "PermissionSetAssignment":
		t.schemaChanged()
	case "User":
		if _, given := vals[o.field("ProfileId")]; given {
			t.schemaChanged()
		}
	case "RecordType":
		t.recordTypeAdded(row)
	}
	return nil
}

// schemaChanged makes describes newer than any that a caller has seen.
func (t *tx) schemaChanged() {
	at := t.now.time()
	if earliest := t.w.schemaAt.Add(time.Second); at.Before(earliest) {
		at = earliest
	}
	t.w.schemaAt = at
	t.w.sights = &sights{}
	t.w.sight = t.w.sights.of(t.w, t.row)
}
