package pipeline

import (
	"context"
	"slices"
)

// planRetry stores the steps of a run that reads some records once more: those of the plan whose sets have any, with the plan's own conditions, so that what
// does not match any more stays away. Sets whose records cannot be asked for by their Ids have no step; what became of their records stays open.
func (j Work) planRetry(ctx context.Context, plan Plan) error {
	asked, err := j.Store.Retries(ctx)
	if err != nil {
		return err
	}
	steps := retrySteps(plan, asked)
	if slices.ContainsFunc(asked, func(set string) bool { return !reads(plan, set) }) {
		chatter := j
		chatter.Entity = EntityChatter
		more, err := chatter.describe(ctx, false, false)
		if err != nil {
			return err
		}
		steps = append(steps, retrySteps(more, asked)...)
	}
	for i := range steps {
		steps[i].Position = i + 1
	}
	return j.Store.SaveSteps(ctx, steps)
}

// reads reports whether a step of the plan fills the set.
func reads(plan Plan, set string) bool {
	return slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.Table.Records() == set })
}

// retrySteps returns the steps of a plan that fill one of the sets, each made to read only what was asked for.
func retrySteps(plan Plan, asked []string) []Step {
	var out []Step
	for _, s := range plan.Steps {
		if s.Query == "" || s.Batches != nil || s.Refusal != nil || s.Table.Quiet || !slices.Contains(asked, s.Table.Records()) {
			continue
		}
		s.CountQuery, s.Expected, s.Missing = "", nil, &Missing{Retry: true}
		out = append(out, s)
	}
	for i, s := range out {
		s.Missing.Last = !slices.ContainsFunc(out[i+1:], func(later Step) bool { return later.Table.Records() == s.Table.Records() })
	}
	return out
}
