package soql

// Kind sorts findings, so that a caller can act on one without reading its sentence. The simulated org chooses Salesforce's error code by it.
type Kind int

// The kinds of finding. What Subject, Object and Want hold is said beside each that uses them.
const (
	KindSyntax              Kind = iota // the text is not SOQL
	KindTooLong                         // the text has more than 100,000 characters
	KindTooDeep                         // parentheses or subqueries are nested too deeply to be sensible
	KindHabit                           // valid SOQL that most likely does not mean what its writer wants; always a Warning
	KindUnknownObject                   // Subject: the object
	KindUnknownField                    // Subject: the field, Object: the object that was searched
	KindUnknownRelationship             // Subject: the relationship, Object: the object that was searched
	KindValueType                       // Subject: the field, Object: its object, Want: the describe's type of the field
	KindOperator                        // an operator or function that the field's type does not allow; Subject: the field, Want: its type
	KindNotFilterable                   // Subject: the field
	KindNotSortable                     // Subject: the field
	KindNotGroupable                    // Subject: the field
	KindNotAggregatable                 // Subject: the field
	KindNotGrouped                      // a field of a grouped query that is neither grouped nor aggregated; Subject: the field
	KindBadID                           // Subject: the field, Want: what was written
	KindBadDate                         // a date, date with time or time that does not exist; Subject: what was written
	KindStringTooLong                   // a text of more than 4,000 characters
	KindTooManyLevels                   // a path over more than five relationships; Subject: the path
	KindSemiJoin                        // a rule of IN (SELECT …) is broken
	KindSubquery                        // a rule of child subqueries is broken
	KindDuplicateField                  // Subject: the field
	KindFields                          // FIELDS(ALL) or FIELDS(CUSTOM) without LIMIT 200 or less, or an unknown FIELDS
	KindLimit                           // LIMIT or OFFSET where it may not stand, or beyond its bounds
	KindScope                           // an unknown USING SCOPE; Subject: the scope
	KindApexOnly                        // a clause that exists in Apex but not in the API; Subject: the clause
)

// maxFindings bounds the findings for one text: nobody reads more, and garbage of 100,000 characters must not make 100,000 of them.
const maxFindings = 50

// SyntaxError is the first place at which a query stops being SOQL. Its Message is worded as Salesforce words it, without the excerpt.
type SyntaxError struct {
	Pos, End Pos // the offending token; End is exclusive
	Message  string
}

// Error returns the message alone, as the API's short form of the error does.
func (e *SyntaxError) Error() string { return e.Message }
