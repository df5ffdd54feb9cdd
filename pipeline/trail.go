package pipeline

import (
	"context"
	"fmt"
)

// trail is the locators by which a reader has come through an answer of several pages.
type trail map[string]bool

// follow notes the locator of the page that is next. Pages that lead back to one that was read would be read for ever: that is a fault.
func (t trail) follow(locator string) error {
	if t[locator] {
		return repeats(fmt.Errorf("locator %q comes twice", locator))
	}
	t[locator] = true
	return nil
}

// eachPage hands do the pages of a REST answer whose first one is here, and fetches the others by more. A page without Next is the last.
func eachPage(ctx context.Context, rows *Rows, more func(ctx context.Context, next string) (*Rows, error), do func(*Rows) error) error {
	for way := (trail{}); ; {
		if err := do(rows); err != nil || rows.Next == "" {
			return err
		}
		next := rows.Next
		if err := way.follow(next); err != nil {
			return err
		}
		var err error
		if rows, err = more(ctx, next); err != nil {
			return err
		}
	}
}

// moreRows is Source.MoreRows, with as many attempts as another call has.
func (j Work) moreRows(ctx context.Context, next string) (rows *Rows, err error) {
	err = j.attempt(ctx, func() (err error) {
		rows, err = j.Source.MoreRows(ctx, next)
		return err
	})
	return rows, err
}

// LocatorRepeats is the fault of a page that names a successor which comes elsewhere in the step already.
func LocatorRepeats(s Step, locator string) error {
	return repeats(fmt.Errorf("bulk job %s: locator %q comes twice", s.JobID, locator))
}

func repeats(err error) error {
	return &Fault{Kind: Gone, Code: "locator_repeats", Message: "Salesforce's pages of results lead back to one another.", Err: err}
}
