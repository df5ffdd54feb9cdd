package soql

import "strings"

const (
	customField  = " If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names."
	customRel    = " If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names."
	customObject = " If you are attempting to use a custom object, be sure to append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
)

// Salesforce returns the finding as the REST API reports it: an errorCode such as INVALID_FIELD, and the message without the excerpt of the query
// that the API puts before it.
func (f Finding) Salesforce() (code, message string) {
	code, message = f.generalError()
	if f.code != "" {
		code = f.code
	}
	if f.server != "" {
		message = f.server
	}
	return code, message
}

func (f Finding) generalError() (code, message string) {
	switch f.Kind {
	case KindUnknownObject:
		return "INVALID_TYPE", "sObject type '" + f.Subject + "' is not supported." + customObject
	case KindUnknownField:
		return "INVALID_FIELD", "No such column '" + f.Subject + "' on entity '" + f.Object + "'." + customField
	case KindUnknownRelationship:
		return "INVALID_FIELD", "Didn't understand relationship '" + f.Subject + "' in field path." + customRel
	case KindValueType:
		return "INVALID_FIELD", "value of filter criterion for field '" + f.Subject + "' must be of type " + f.requiredType()
	case KindOperator:
		if f.Want == "id" || f.Want == "reference" {
			return "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on id field"
		}
		return "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on " + f.Want + " field"
	case KindBadID:
		return "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: " + f.Want
	case KindNotFilterable:
		return "INVALID_FIELD", "field '" + f.Subject + "' can not be filtered in a query call"
	case KindNotSortable:
		return "INVALID_FIELD", "field '" + f.Subject + "' can not be sorted in a query call"
	case KindNotGroupable:
		return "INVALID_FIELD", "field '" + f.Subject + "' can not be grouped in a query call"
	case KindNotAggregatable:
		return "INVALID_FIELD", "field " + f.Subject + " does not support aggregate operator"
	case KindNotGrouped:
		return "MALFORMED_QUERY", "Field must be grouped or aggregated: " + f.Subject
	case KindDuplicateField:
		return "INVALID_FIELD", "duplicate field selected: " + f.Subject
	case KindBadDate:
		if strings.ContainsAny(f.Subject, "Tt") {
			return "MALFORMED_QUERY", "Invalid datetime: " + f.Subject
		}
		return "MALFORMED_QUERY", "Invalid date: " + f.Subject
	case KindScope:
		return "MALFORMED_QUERY", "unexpected token: '" + f.Subject + "'"
	case KindTooManyLevels:
		return "MALFORMED_QUERY", "SOQL statements cannot query more than 5 relationship levels: " + f.Subject
	}
	return "MALFORMED_QUERY", f.Message
}

// requiredType words a describe type as the API does in its complaint about a value.
func (f Finding) requiredType() string {
	switch typ := f.Want; {
	case typ == "datetime":
		return "dateTime and should not be enclosed in quotes"
	case typ == "boolean", typ == "date", typ == "time":
		return typ + " and should not be enclosed in quotes"
	case typ == "int" || typ == "long":
		return "int and should not be enclosed in quotes"
	case isNumber(typ):
		return "double and should not be enclosed in quotes"
	case typ == "id" || typ == "reference":
		return "ID and should be enclosed in quotes"
	}
	return "string and should be enclosed in quotes"
}
