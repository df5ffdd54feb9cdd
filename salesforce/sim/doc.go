// Package sim is a simulated Salesforce org: an http.Handler that speaks Salesforce's OAuth, REST, Bulk 2.0 and SOAP protocols over
// deterministic data, so that unmodified Salesforce clients work against it and every failure that Salesforce can show may be had on demand.
//
// The map of the package:
//
//	sim.go, route.go            Options, Org, the way of a request from path to resource
//	oauth*.go, identity.go      sign-in and consent pages, every grant, identity
//	sight.go, recordtype.go     what each user sees and may do; record types
//	schema*.go, describe.go     the objects and fields, and how they are described
//	value.go, id.go, store.go   values, record ids, the copy-on-write tables
//	generate*.go                the data that an org starts with, computed from a seed and a row number
//	mutate.go, coerce.go        every change to a record, whoever asks for it
//	compile*.go, where.go, …    SOQL evaluated over the tables
//	query.go, bulk*.go, crud.go the resources that clients call
//	search*.go, chatter.go      text search and feeds
//	faults.go, control*.go      failures on demand, and the page and API that steer the org
//
// Everything a query reads hangs off one immutable world value behind an atomic pointer. A change copies the few parts that it touches and swaps
// the pointer, so a query, a cursor or a bulk job keeps seeing the org as it was when it began, without a lock.
package sim
