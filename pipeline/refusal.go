package pipeline

import (
	"context"
	"fmt"
	"strings"
)

// explained turns a refusal of a query into one that says which filter no longer fits the org, and what to write instead. A refusal for another reason
// stays as it is, and so does any other error.
func (j Work) explained(ctx context.Context, err error) error {
	if KindOf(err) != Refused {
		return err
	}
	schema, schemaErr := j.Source.Schema(ctx, false)
	if schemaErr != nil {
		return err
	}
	for _, f := range j.Settings.Accounts.Filters() {
		var wrong []string
		for _, finding := range CheckFilter(f.SOQL, schema) {
			if !finding.Warning {
				wrong = append(wrong, finding.Message)
			}
		}
		if len(wrong) == 0 {
			continue
		}
		which := "The account filter"
		if f.Type != "" && len(j.Settings.Accounts.Filters()) > 1 {
			which = "The " + f.Type.Label() + " filter"
		}
		return &Fault{Kind: Refused, Code: FaultOf(err).Code, Err: err, Message: fmt.Sprintf(
			"%s no longer fits the org: %s A field may have been renamed, deleted or hidden from the connected user. Correct the filter in the settings and save it.",
			which, strings.Join(wrong, " "))}
	}
	return err
}
