package pipeline_test

import (
	"strings"
	"testing"

	"millrace/pipeline"
	"millrace/settings"
)

// TestChildrenOfNoAccountAreLeftOutOnce: the query of the children says that they have an account, and says it once.
func TestChildrenOfNoAccountAreLeftOutOnce(t *testing.T) {
	t.Parallel()
	_, source := orgSource(t)
	schema := schemaOf(t, source)
	for filter, want := range map[string]string{
		"Id != null":                                "WHERE AccountId != NULL",
		"Id != null AND Type = 'Customer'":          "WHERE AccountId != NULL AND Account.Type = 'Customer'",
		"Name = 'a' OR Id != null":                  "WHERE (Account.Name = 'a' OR AccountId != NULL) AND AccountId != NULL",
		"(Id != null)":                              "WHERE (AccountId != NULL)",
		"NOT Id != null":                            "WHERE (NOT AccountId != NULL) AND AccountId != NULL",
		"Type = 'Customer'":                         "WHERE Account.Type = 'Customer' AND AccountId != NULL",
		"Id != null AND (Type = 'a' OR Id != null)": "WHERE AccountId != NULL AND (Account.Type = 'a' OR AccountId != NULL)",
	} {
		plan, err := pipeline.MakePlan(settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: filter}}, schema, pipeline.EntityAll)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range plan.Steps {
			if s.Name == "contacts" && !strings.HasSuffix(s.Query, want) {
				t.Errorf("%s becomes %s, want %s", filter, s.Query[strings.Index(s.Query, "WHERE"):], want)
			}
		}
	}
}
