// Package pipeline is the sync itself. MakePlan turns settings and the org's schema into steps, Run executes them, and Preview shows what a filter
// selects through the same plan.
//
// A run goes through its steps in order: users, accounts (once per filter), contacts, opportunities. A step is counted, then read page by page,
// through Bulk API 2.0 when many records are expected and through REST queries otherwise. A page streams from its response body through value
// checks into the store, which takes it over in one transaction together with its audit rows and its checkpoint. After a stop, a crash or a fault
// the run goes on at the first page that has not been committed.
//
// The package knows neither HTTP nor SQL: Source reads the org, Store keeps the records. What went wrong on either side arrives as a Fault, whose
// Kind decides what happens next.
package pipeline
