package pipeline

import (
	"context"
	"errors"
	"slices"

	"millrace/salesforce/soql"
)

// A run asks of so many records of a step whether they were deleted, so many with each call. Of more it is cheaper to go through all that was deleted, as far as
// a number of calls reaches.
const (
	maxAsked     = 2000
	askedAtATime = 200
	maxListed    = 200 // calls for a list of what was deleted, each of up to 2,000 records; what is behind them stays marked as having left
	maxRestored  = 400 // of those that were deleted earlier
)

// findDeleted tells, of the records that left with this run, or were too old to be met, those that were deleted in Salesforce from the others. The copy is complete without that, so
// a fault of Salesforce leaves the question open, for the next run of the set to ask, and does not hold up the run's end. A run that does not come here leaves it open too.
func (j Work) findDeleted(ctx context.Context) error {
	steps, err := j.Store.Steps(ctx)
	if err != nil {
		return err
	}
	silent := false // Salesforce did not answer: it is not asked any more
	for _, s := range steps {
		if !s.Table.Mortal() {
			continue
		}
		if !silent {
			if silent, err = j.listDeleted(ctx, s); err != nil {
				return err
			}
		}
		ids, err := j.Store.Leavers(ctx, s, maxAsked+1)
		if err != nil {
			return err
		}
		if len(ids) > 0 && !silent {
			if silent, err = j.askDeleted(ctx, s, ids); err != nil {
				return err
			}
		}
		if len(ids) > 0 || !silent {
			if err := j.Store.NoteLeavers(ctx, s, !silent); err != nil {
				return err
			}
		}
		if silent {
			continue
		}
		if err := j.findRestored(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// askDeleted asks which of the leavers of a step were deleted, and marks them. Where they are very many, it goes through what was deleted of the object: records that are here are marked, others are
// none of them. What Salesforce does not list it may tell of some records by their ids. It reports whether that is open, because Salesforce did not answer: what is refused once is refused again.
func (j Work) askDeleted(ctx context.Context, s Step, leavers []string) (open bool, err error) {
	return j.marking(ctx, s, func(mark func([]Listed) error) error {
		if len(leavers) > maxAsked {
			var stored error
			err := j.eachDeleted(ctx, s.Table.Object, func(gone []Listed) error {
				stored = mark(gone)
				return stored
			})
			if k := KindOf(err); err == nil || stored != nil || ctx.Err() != nil || k == OverBudget || k == DailyLimit {
				return err
			}
		}
		return j.deletedAmong(ctx, s.Table.Object, leavers[:min(len(leavers), maxAsked)], mark)
	})
}

// TellsDeleted reports whether it is to be asked what was deleted since the step's set was last read. What has left before that is met by no reading of everything, and the next list of changes begins behind its
// deletion.
func (s Step) TellsDeleted() bool {
	return s.endsWhole() && !s.Reading.Since.IsZero() && !s.windowed() && s.Batches == nil && s.Table.Mortal()
}

// endsWhole reports whether the step is the last one of a set that is read in full.
func (s Step) endsWhole() bool {
	return s.Query != "" && s.Refusal == nil && !s.Reading.Changes && s.Reading.Last && !s.Refresh && s.Missing == nil
}

// listDeleted marks what was deleted of the step's object since its set was last read, or since the reading before a run that did not come to ask. It reports whether that is open, as askDeleted does.
func (j Work) listDeleted(ctx context.Context, s Step) (open bool, err error) {
	if !s.Reading.Last {
		return false, nil
	}
	since, err := j.Store.DeletedSince(ctx, s)
	if err != nil {
		return false, err
	}
	if s.TellsDeleted() && (since.IsZero() || s.Reading.Since.Before(since)) {
		since = s.Reading.Since
	}
	if since.IsZero() {
		return false, nil
	}
	changed, err := changedSince(since)
	if err != nil {
		return false, err
	}
	return j.marking(ctx, s, func(mark func([]Listed) error) error { return j.eachDeleted(ctx, s.Table.Object, mark, changed) })
}

// marking has ask hand deleted records over, which are marked, and reports whether the question is open: Salesforce did not answer, and what is refused once is refused again.
func (j Work) marking(ctx context.Context, s Step, ask func(mark func([]Listed) error) error) (open bool, err error) {
	var stored error
	err = ask(func(gone []Listed) error {
		if len(gone) > 0 {
			stored = j.Store.MarkDeleted(ctx, s, gone)
		}
		return stored
	})
	if stored != nil {
		return false, stored
	}
	stop, ends := j.unasked(ctx, s, err)
	return stop && KindOf(err) == Transient, ends
}

// deletedAmong goes through the deleted records of an object that have one of the ids.
func (j Work) deletedAmong(ctx context.Context, object string, ids []string, do func([]Listed) error) error {
	for some := range slices.Chunk(ids, askedAtATime) {
		among, err := soql.In("Id", some)
		if err != nil {
			return err
		}
		if err := j.eachDeleted(ctx, object, do, among); err != nil {
			return err
		}
	}
	return nil
}

// findRestored takes the mark off records that were restored in Salesforce and are not selected: a step that reads changes is told of them, one that reads everything does not meet them.
func (j Work) findRestored(ctx context.Context, s Step) error {
	if !s.endsWhole() || s.windowed() && s.Reading.List != "" {
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

// eachDeleted goes through the deleted records of an object that meet the conditions, with what they were merged into, as far as Salesforce still has them.
func (j Work) eachDeleted(ctx context.Context, object string, do func([]Listed) error, among ...soql.Expr) error {
	deleted, err := soql.Compare("IsDeleted", soql.Equal, soql.Bool(true))
	if err != nil {
		return err
	}
	fields := []string{"Id"}
	schema, err := j.Source.Schema(ctx, false, object)
	if err != nil {
		return err
	}
	if o := schema.Object(object); o != nil && fieldOf(o, masterField) != nil {
		fields = append(fields, masterField)
	}
	query, err := soql.Select(object, fields, soql.AllOf(append(among, deleted)...))
	if err != nil {
		return err
	}
	var first *Rows
	err = j.attempt(ctx, func() (err error) {
		first, err = j.Source.AllRows(ctx, query.String())
		return err
	})
	if err != nil {
		return err
	}
	pages := 0
	return eachPage(ctx, first, j.moreRows, func(rows *Rows) error {
		var gone []Listed
		for _, r := range rows.Records {
			if id := idOf(r, "Id"); id != "" {
				gone = append(gone, Listed{ID: id, Deleted: true, Master: idOf(r, masterField)})
			}
		}
		if pages++; pages == maxListed && rows.Next != "" {
			j.Log.Warn("too much was deleted to ask for all of it", "object", object, "calls", maxListed)
			rows.Next = ""
		}
		return do(gone)
	})
}
