package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// asker asks Salesforce about one account. What one filter has asked, another that holds the same condition need not ask again.
type asker struct {
	source Sampler
	id     string

	mu      sync.Mutex
	answers map[string]answer // by canonical SOQL
}

type answer struct {
	verdict Verdict
	problem string
}

// filter asks for the verdicts of a filter and its clauses. condition is nil when the filter cannot be read.
func (a *asker) filter(ctx context.Context, f settings.Filter, condition soql.Expr) (FilterVerdict, error) {
	out := FilterVerdict{Filter: f}
	if condition == nil {
		_, findings := soql.ParseFilter(f.SOQL)
		out.Problem = (&soql.FilterError{Findings: findings}).Error()
		return out, nil
	}
	for _, c := range soql.Clauses(condition) {
		out.Clauses = append(out.Clauses, ClauseVerdict{Clause: c, Typed: f.SOQL[c.Start.Offset:c.End.Offset]})
	}
	if err := a.clause(ctx, out.Clauses, 0); err != nil {
		return FilterVerdict{}, err
	}
	out.Verdict, out.Problem = out.Clauses[0].Verdict, out.Clauses[0].Problem
	return out, nil
}

// clause decides clause i and everything below it.
func (a *asker) clause(ctx context.Context, clauses []ClauseVerdict, i int) error {
	c := &clauses[i]
	var below []int
	for j := i + 1; j < len(clauses); j++ {
		if clauses[j].Parent == i {
			below = append(below, j)
		}
	}
	// A subquery may not stand beneath an OR that the record's id is joined to by AND, but each branch can be asked alone.
	apart := c.Join == soql.Any && len(soql.JoinedObjects(c.Expr)) > 0
	if c.Verdict == Undecided && !apart {
		if err := a.ask(ctx, c); err != nil {
			return err
		}
	}
	switch {
	case c.Join == soql.All && c.Verdict == Passes, c.Join == soql.Any && c.Verdict == Fails:
		for _, j := range below {
			clauses[j].Verdict = c.Verdict
		}
	}
	for k, j := range below {
		if k == len(below)-1 {
			clauses[j].Verdict = remaining(c, clauses, below, clauses[j].Verdict)
		}
		if err := a.clause(ctx, clauses, j); err != nil {
			return err
		}
	}
	if c.Verdict == Undecided && apart {
		c.Verdict, c.Problem = either(clauses, below)
	}
	return nil
}

// remaining is what the last of the clauses below c must say when all before it say the opposite of what decided c; otherwise what it says already.
func remaining(c *ClauseVerdict, clauses []ClauseVerdict, below []int, known Verdict) Verdict {
	var others Verdict
	switch {
	case c.Join == soql.All && c.Verdict == Fails:
		others = Passes
	case c.Join == soql.Any && c.Verdict == Passes:
		others = Fails
	default:
		return known
	}
	for _, j := range below[:len(below)-1] {
		if clauses[j].Verdict != others {
			return known
		}
	}
	return c.Verdict
}

// either is what the branches make of an OR that was not asked as a whole.
func either(clauses []ClauseVerdict, below []int) (v Verdict, problem string) {
	for _, j := range below {
		switch clauses[j].Verdict {
		case Passes:
			return Passes, ""
		case Undecided:
			problem = clauses[j].Problem
		}
	}
	if problem != "" {
		return Undecided, problem
	}
	return Fails, ""
}

// ask counts the account under the clause's condition: one or none. A condition that Salesforce refuses stays undecided.
func (a *asker) ask(ctx context.Context, c *ClauseVerdict) error {
	a.mu.Lock()
	known, asked := a.answers[c.Text]
	a.mu.Unlock()
	if !asked {
		own, err := soql.Compare("Id", soql.Equal, soql.Text(a.id))
		if err != nil {
			return err
		}
		q, err := soql.Count(accounts.Object, soql.AllOf(own, c.Expr))
		if err != nil {
			return err
		}
		n, err := a.source.Count(ctx, q.String())
		var f *Fault
		switch {
		case errors.As(err, &f) && f.Kind == Refused:
			known.problem = strings.TrimPrefix(f.Message, refusedPrefix)
		case err != nil:
			return err
		case n > 0:
			known.verdict = Passes
		default:
			known.verdict = Fails
		}
		a.mu.Lock()
		a.answers[c.Text] = known
		a.mu.Unlock()
	}
	c.Verdict, c.Problem = known.verdict, known.problem
	return nil
}
