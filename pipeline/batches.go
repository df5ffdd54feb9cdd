package pipeline

import (
	"context"
	"strings"
)

// readBatches reads the children of records here, a batch of parents with each query. A page's locator says after which parent its batch begins and, for
// the further pages of a large answer, Salesforce's own locator; so a step that was cut short goes on where it stood.
func (j Work) readBatches(ctx context.Context, s Step) error {
	done, err := j.Store.Pages(ctx, s)
	if err != nil {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Loading "+lower(s.Label)); err != nil {
		return err
	}
	for number, locator := 1, ""; number == 1 || locator != ""; number++ {
		if mark, ok := done[locator]; ok {
			locator = mark.Next
			continue
		}
		if locator, err = j.loadBatch(ctx, s, number, locator); err != nil {
			return err
		}
	}
	return nil
}

// loadBatch brings one page over and returns the locator of the next.
func (j Work) loadBatch(ctx context.Context, s Step, number int, locator string) (next string, err error) {
	after, more, _ := strings.Cut(locator, " ")
	err = j.attempt(ctx, func() error {
		var rows *Rows
		end := after
		if more == "" {
			parents, err := j.Store.Parents(ctx, s, after, batchSize)
			if err != nil {
				return err
			}
			if len(parents) == 0 {
				next = ""
				return j.commitRows(ctx, s, number, locator, "", &Rows{})
			}
			query, err := s.Batches.query(s.Table.Object, parents)
			if err != nil {
				return err
			}
			if rows, err = j.Source.Rows(ctx, query); err != nil {
				return err
			}
			end = parents[len(parents)-1]
		} else if rows, err = j.Source.MoreRows(ctx, more); err != nil {
			return err
		}
		next = end
		if rows.Next != "" {
			next += " " + rows.Next
		}
		return j.commitRows(ctx, s, number, locator, next, rows)
	})
	return next, err
}

// commitRows hands the records of a REST answer to the store.
func (j Work) commitRows(ctx context.Context, s Step, number int, locator, next string, rows *Rows) error {
	p, err := jsonPage(rows.Records, s.Table)
	if err != nil {
		return err
	}
	p.Number, p.Locator, p.Next, p.Declared = number, locator, next, int64(len(rows.Records))
	return j.commit(ctx, s, p)
}
