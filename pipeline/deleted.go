package pipeline

import (
	"context"
	"errors"
	"slices"

	"millrace/salesforce/soql"
)

// A run asks of so many records of a step whether they were deleted, so many with each call. Beyond that the reason stays open.
const (
	maxAsked     = 2000
	askedAtATime = 200
	maxRestored  = 400 // of those that were deleted earlier
)

// findDeleted tells, of the records that left with this run, or were too old to be met, those that were deleted in Salesforce from the others. The copy is complete without that, so
// a fault of Salesforce leaves the question open and does not hold up the run's end.
func (j Work) findDeleted(ctx context.Context) error {
	steps, err := j.Store.Steps(ctx)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s.Table.Object == users.Object || s.Table.Quiet { // users are never deleted
			continue
		}
		ids, err := j.Store.Leavers(ctx, s, maxAsked)
		if err != nil {
			return err
		}
		for len(ids) > 0 {
			n := min(len(ids), askedAtATime)
			gone, err := j.deleted(ctx, s.Table.Object, ids[:n])
			if stop, err := j.unasked(ctx, s, err); stop {
				return err
			}
			if len(gone) > 0 {
				if err := j.Store.MarkDeleted(ctx, s, gone); err != nil {
					return err
				}
			}
			ids = ids[n:]
		}
		if err := j.findRestored(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// findRestored takes the mark off records that were restored in Salesforce and are not selected: a step that reads changes is told of them, one that reads everything does not meet them.
func (j Work) findRestored(ctx context.Context, s Step) error {
	if s.Query == "" || s.Refusal != nil || s.Reading.Changes || s.Reading.List != "" || !s.Reading.Last || s.Refresh || s.Missing != nil {
		return nil
	}
	ids, err := j.Store.Deleted(ctx, s, maxRestored)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(ids, askedAtATime) {
		among, err := soql.In("Id", some)
		if err != nil {
			return err
		}
		query, err := soql.Select(s.Table.Object, []string{"Id"}, among)
		if err != nil {
			return err
		}
		var rows *Rows
		err = j.attempt(ctx, func() error {
			rows, err = j.Source.Rows(ctx, query.String())
			return err
		})
		if stop, err := j.unasked(ctx, s, err); stop {
			return err
		}
		var back []Listed
		for _, r := range rows.Records {
			if id := idOf(r, "Id"); id != "" {
				back = append(back, Listed{ID: id})
			}
		}
		if len(back) > 0 {
			err := j.attempt(ctx, func() error { return j.Store.Sweep(ctx, s, back) })
			if errors.Is(err, ErrSeenLost) {
				return nil // who of them was met is not known any more: the next run tells
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// unasked reports whether a question about leavers had no answer, and whether that ends the run.
func (j Work) unasked(ctx context.Context, s Step, err error) (stop bool, ends error) {
	if ctx.Err() != nil {
		return true, context.Cause(ctx)
	}
	if k := KindOf(err); err != nil && (k == OverBudget || k == DailyLimit) {
		return true, err
	}
	if err != nil {
		j.Log.Warn("cannot ask which leavers were deleted or restored", "step", s.Name, "err", err)
	}
	return err != nil, nil
}

// deleted asks which of the records were deleted, and what they were merged into.
func (j Work) deleted(ctx context.Context, object string, ids []string) ([]Listed, error) {
	among, err := soql.In("Id", ids)
	if err != nil {
		return nil, err
	}
	deleted, err := soql.Compare("IsDeleted", soql.Equal, soql.Bool(true))
	if err != nil {
		return nil, err
	}
	fields := []string{"Id"}
	schema, err := j.Source.Schema(ctx, false, object)
	if err != nil {
		return nil, err
	}
	if o := schema.Object(object); o != nil && fieldOf(o, masterField) != nil {
		fields = append(fields, masterField)
	}
	query, err := soql.Select(object, fields, soql.AllOf(among, deleted))
	if err != nil {
		return nil, err
	}
	var rows *Rows
	err = j.attempt(ctx, func() error {
		rows, err = j.Source.AllRows(ctx, query.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	var gone []Listed
	for _, r := range rows.Records {
		if id := idOf(r, "Id"); id != "" {
			gone = append(gone, Listed{ID: id, Deleted: true, Master: idOf(r, masterField)})
		}
	}
	return gone, nil
}
