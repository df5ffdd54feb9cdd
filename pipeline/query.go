package pipeline

import (
	"strings"

	"millrace/settings"
)

// childCondition selects the children of the accounts that match any filter.
func childCondition(filters []settings.Filter) string {
	return "AccountId != null"
}

// overlap selects what filter and any of prior select.
func overlap(filter settings.Filter, prior []settings.Filter) string {
	any := make([]string, len(prior))
	for i, f := range prior {
		any[i] = "(" + f.SOQL + ")"
	}
	return "(" + filter.SOQL + ") AND (" + strings.Join(any, " OR ") + ")"
}

func selectQuery(object string, fields []string, where string) string {
	q := "SELECT " + strings.Join(fields, ", ") + " FROM " + object
	if where != "" {
		q += " WHERE " + where
	}
	return q
}

func countQuery(object, where string) string {
	return selectQuery(object, []string{"COUNT()"}, where)
}

// refusal reports whether a failed job's message names a query that Salesforce does not accept.
func refusal(message string) bool {
	for _, code := range []string{"INVALID_FIELD", "MALFORMED_QUERY", "INVALID_TYPE", "No such column"} {
		if strings.Contains(message, code) {
			return true
		}
	}
	return false
}
