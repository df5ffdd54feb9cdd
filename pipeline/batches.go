package pipeline

import (
	"context"
	"strings"
)

// along is what a step reads batch by batch, so many ids with each query: all that it reads, or what it reads beside its own query.
type along struct {
	prefix string // begins the locators of its pages
	first  int    // number of its first page
	next   func(ctx context.Context, after string, limit int) ([]string, error)
	query  func(ids []string) (string, error)
}

// readBatches reads the children of records here, a batch of parents with each query.
func (j Work) readBatches(ctx context.Context, s Step) error {
	return j.readInBatches(ctx, s, along{
		first: 1,
		next: func(ctx context.Context, after string, limit int) ([]string, error) {
			return j.Store.Parents(ctx, s, after, limit)
		},
		query: func(ids []string) (string, error) { return s.Batches.query(s.Table.Object, ids) },
	})
}

// readInBatches reads batch after batch. A page's locator says after which id its batch begins and, for the further pages of a large answer, Salesforce's own locator; so a step that was cut
// short goes on where it stood.
func (j Work) readInBatches(ctx context.Context, s Step, a along) error {
	done, err := j.Store.Pages(ctx, s)
	if err != nil {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Loading "+lower(s.Label)); err != nil {
		return err
	}
	way := trail{}
	for number, locator := a.first, a.prefix; number == a.first || locator != a.prefix; number++ {
		if err := way.follow(locator); err != nil {
			return err
		}
		if mark, ok := done[locator]; ok {
			locator = mark.Next
			continue
		}
		if locator, err = j.loadBatch(ctx, s, a, number, locator); err != nil {
			return err
		}
	}
	return nil
}

// loadBatch brings one page over and returns the locator of the next, which is the first one's when there is none.
func (j Work) loadBatch(ctx context.Context, s Step, a along, number int, locator string) (next string, err error) {
	after, more, _ := strings.Cut(strings.TrimPrefix(locator, a.prefix), " ")
	err = j.attempt(ctx, func() error {
		var rows *Rows
		end := after
		if more == "" {
			ids, err := a.next(ctx, after, batchSize)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				next = a.prefix
				return j.commitRows(ctx, s, number, locator, next, &Rows{})
			}
			query, err := a.query(ids)
			if err != nil {
				return err
			}
			if rows, err = j.Source.Rows(ctx, query); err != nil {
				return err
			}
			end = ids[len(ids)-1]
		} else if rows, err = j.Source.MoreRows(ctx, more); err != nil {
			return err
		}
		next = a.prefix + end
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
	p.Beside = number >= BesidePages
	return j.commit(ctx, s, p)
}
