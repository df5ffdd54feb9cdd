package sim

import (
	"fmt"
	"slices"
	"time"
)

// named returns the object of that name or an error that says so.
func (t *tx) named(name string) (*object, error) {
	o := t.w.object(name)
	if o == nil {
		return nil, fmt.Errorf("simulated org: no object %q", name)
	}
	if o.view != nil {
		o = o.view
	}
	return o, nil
}

// rowOf returns the row of a record, deleted or not.
func (t *tx) rowOf(o *object, id string) (int, error) {
	packed, ok := parseID(id)
	found, row := t.w.find(packed)
	if !ok || found != o {
		return 0, fmt.Errorf("simulated org: no %s %q", o.name, id)
	}
	return row, nil
}

// steer runs a change of the control API on an object.
func (o *Org) steer(name string, fn func(*tx, *object) error) error {
	return o.change(userIntegration, true, func(t *tx) error {
		obj, err := t.named(name)
		if err != nil {
			return err
		}
		return fn(t, obj)
	})
}

// Insert adds a record and returns its id. It may set fields that no client may, such as CreatedDate; required fields may be missing.
func (o *Org) Insert(objectName string, fields map[string]any) (id string, err error) {
	err = o.steer(objectName, func(t *tx, obj *object) error {
		row, err := t.insert(obj, fields)
		id = idText(rowID(obj.packed, row))
		return err
	})
	return id, err
}

// Update changes fields of a record and moves its LastModifiedDate and SystemModstamp to the org's now, unless the fields say otherwise.
func (o *Org) Update(objectName, id string, fields map[string]any) error {
	return o.steer(objectName, func(t *tx, obj *object) error {
		row, err := t.rowOf(obj, id)
		if err != nil {
			return err
		}
		return t.update(obj, row, fields)
	})
}

// UpdateAll changes the same fields of every record that is not deleted and for which choose is true (nil chooses all), in one step. It returns
// how many it changed.
func (o *Org) UpdateAll(objectName string, choose func(row int, record map[string]any) bool, fields map[string]any) (n int, err error) {
	err = o.steer(objectName, func(t *tx, obj *object) error {
		rows := t.w.table(obj).rows
		for row := range rows {
			if !t.w.table(obj).alive(row) || choose != nil && !choose(row, t.w.recordMap(obj, row)) {
				continue
			}
			if err := t.update(obj, row, fields); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// Delete moves a record to the Recycle Bin with all that goes with it: contacts, opportunities and cases of an account, details of a master.
func (o *Org) Delete(objectName, id string) error {
	return o.steer(objectName, func(t *tx, obj *object) error {
		row, err := t.rowOf(obj, id)
		if err != nil {
			return err
		}
		if !t.w.table(obj).alive(row) {
			return fmt.Errorf("simulated org: %s %s is deleted already", obj.name, id)
		}
		t.remove(obj, row)
		return nil
	})
}

// Undelete brings a record back from the Recycle Bin with what was deleted along with it.
func (o *Org) Undelete(objectName, id string) error {
	return o.steer(objectName, func(t *tx, obj *object) error {
		row, err := t.rowOf(obj, id)
		if err != nil {
			return err
		}
		if t.w.table(obj).alive(row) {
			return fmt.Errorf("simulated org: %s %s is not deleted", obj.name, id)
		}
		t.restore(obj, row)
		return nil
	})
}

// Purge empties the Recycle Bin of an object: its deleted records vanish without trace, from queryAll too.
func (o *Org) Purge(objectName string) error {
	return o.steer(objectName, func(t *tx, obj *object) error {
		t.purge(obj)
		return nil
	})
}

// Merge merges the losers into the master: their children move, they are deleted, and their MasterRecordId names the master.
func (o *Org) Merge(objectName, master string, losers ...string) error {
	return o.steer(objectName, func(t *tx, obj *object) error {
		into, err := t.rowOf(obj, master)
		if err != nil {
			return err
		}
		var rows []int
		for _, id := range losers {
			row, err := t.rowOf(obj, id)
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return t.merge(obj, into, rows)
	})
}

// hide sets whether the connected user may see something.
func (o *Org) hide(key string, hidden bool) {
	// The function cannot fail, so neither can the change.
	_ = o.change(userIntegration, true, func(t *tx) error {
		m := make(map[string]bool, len(t.w.hidden)+1)
		for k := range t.w.hidden {
			m[k] = true
		}
		delete(m, lower(key))
		if hidden {
			m[lower(key)] = true
		}
		t.w.hidden = m
		t.schemaChanged()
		return nil
	})
}

// HideField takes a field away from the connected user, as field-level security does: it is missing from describes and unknown to queries.
func (o *Org) HideField(object, field string) { o.hide(object+"."+field, true) }

// ShowField undoes HideField.
func (o *Org) ShowField(object, field string) { o.hide(object+"."+field, false) }

// HideObject takes a whole object away from the connected user.
func (o *Org) HideObject(object string) { o.hide(object, true) }

// ShowObject undoes HideObject.
func (o *Org) ShowObject(object string) { o.hide(object, false) }

// RenameField gives a custom field a new API name, as an administrator can: under the old name it is unknown from then on.
func (o *Org) RenameField(objectName, from, to string) error {
	return o.alterField(objectName, from, func(f *field) { f.name = to })
}

// RelabelValue gives a value of a picklist another label.
func (o *Org) RelabelValue(objectName, name, value, label string) error {
	return o.alterField(objectName, name, func(f *field) { f.picks = slices.Clone(f.picks); f.labels(value, label) })
}

// DropField deletes a field with its data.
func (o *Org) DropField(objectName, name string) error {
	return o.alterField(objectName, name, nil)
}

// alterField changes a field, or drops it when fn is nil.
func (o *Org) alterField(objectName, name string, fn func(*field)) error {
	return o.steer(objectName, func(t *tx, obj *object) error {
		f := obj.field(name)
		if f == nil {
			return fmt.Errorf("simulated org: no field %s.%s", objectName, name)
		}
		t.alterField(obj, f, fn)
		return nil
	})
}

// alterField replaces a field by a changed copy, or by nothing when fn is nil.
func (t *tx) alterField(obj *object, f *field, fn func(*field)) {
	c := obj.clone()
	delete(c.byName, lower(f.name))
	for i := range c.fields {
		if c.fields[i] != f {
			continue
		}
		if fn == nil {
			c.fields = append(c.fields[:i], c.fields[i+1:]...)
			break
		}
		changed := *f
		fn(&changed)
		c.fields[i] = &changed
		c.byName[lower(changed.name)] = &changed
	}
	t.replace(obj, c)
}

// replace publishes a changed object in place of the old one.
func (t *tx) replace(old, new *object) {
	w := t.w
	objects := make(map[string]*object, len(w.objects))
	for k, o := range w.objects {
		objects[k] = o
	}
	objects[lower(new.name)] = new
	w.objects = objects
	w.order = append([]*object(nil), w.order...)
	for i := range w.order {
		if w.order[i] == old {
			w.order[i] = new
		}
	}
	byPrefix := make(map[int64]*object, len(w.byPrefix))
	for k, o := range w.byPrefix {
		byPrefix[k] = o
	}
	if new.prefix != "" {
		byPrefix[new.packed] = new
	}
	w.byPrefix = byPrefix
	table := *w.tables[new.idx]
	table.obj = new
	table.index = &indexes{}
	w.tables[new.idx] = &table
	t.schemaChanged()
}

// Advance moves the org's clock forward, with all that hangs on it: sessions expire, the daily limit frees itself, relative dates move.
func (o *Org) Advance(d time.Duration) { o.offset.Add(int64(d)) }

// Now returns the org's clock.
func (o *Org) Now() time.Time { return o.now() }

// SetFiscalYearStart sets the month in which the fiscal year begins. It fails for what is not a month.
func (o *Org) SetFiscalYearStart(month time.Month) error {
	if month < time.January || month > time.December {
		return fmt.Errorf("simulated org: the fiscal year cannot start in month %d", month)
	}
	return o.steer("Organization", func(t *tx, org *object) error {
		t.w.fiscal = month
		return t.update(org, 0, map[string]any{"FiscalYearStartMonth": int(month)})
	})
}

// SetMultiCurrency turns multiple currencies on or off: currency literals in queries and CurrencyIsoCode on every record with an owner.
func (o *Org) SetMultiCurrency(on bool) {
	// The function cannot fail, so neither can the change.
	_ = o.change(userIntegration, true, func(t *tx) error {
		if t.w.multiCurrent == on {
			return nil
		}
		t.w.multiCurrent = on
		for _, obj := range append([]*object(nil), t.w.order...) {
			if obj.view != nil || obj.setup || obj.field("OwnerId") == nil {
				continue
			}
			c := obj.clone()
			if on {
				f := pickField("CurrencyIsoCode", "Currency ISO Code", "USD", "EUR", "GBP", "JPY").
					from(func(row int) value { return value{kind: kText, s: [...]string{"USD", "USD", "EUR", "GBP"}[row%4]} })
				f.defaulted, f.picks[0].isDefault = true, true // the corporate currency
				c.add(f)
			} else if f := c.field("CurrencyIsoCode"); f != nil {
				delete(c.byName, "currencyisocode")
				for i := range c.fields {
					if c.fields[i] == f {
						c.fields = append(c.fields[:i], c.fields[i+1:]...)
						break
					}
				}
			}
			t.replace(obj, c)
		}
		t.schemaChanged()
		return nil
	})
}
