package pipeline

import "context"

type purposeKey struct{}

// forPurpose returns a context in which a run asks the org for a step, which it names for people, or for one of the purposes below.
func forPurpose(ctx context.Context, purpose string) context.Context {
	return context.WithValue(ctx, purposeKey{}, purpose)
}

// What a run asks the org for besides its steps.
const (
	purposePlan    = "Planning"
	purposeDeleted = "Telling deleted records from those that left"
	purposeCheck   = "Comparing the counts"
)

// Purpose is what a run asks the org for within ctx, for people; empty for nothing in particular.
func Purpose(ctx context.Context) string {
	purpose, _ := ctx.Value(purposeKey{}).(string)
	return purpose
}
