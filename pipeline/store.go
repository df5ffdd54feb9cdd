package pipeline

import (
	"context"
	"time"

	"millrace/settings"
)

// Store keeps one claimed run and its records. Each method is one transaction, refused with ErrFenced when another runner has taken the run over and
// with ErrCancelled when a person has cancelled it. Other errors are Faults.
type Store interface {
	// Steps returns the run's steps in order; none before SaveSteps.
	Steps(ctx context.Context) ([]Step, error)
	// SaveSteps stores the plan.
	SaveSteps(ctx context.Context, steps []Step) error
	// ReadStates returns up to where each set of records is complete here, by the sets' names, and whether the run was asked to read everything.
	ReadStates(ctx context.Context) (states map[string]ReadState, whole bool, err error)
	// ForgetStates drops the states of sets, which are then read in full the next time.
	ForgetStates(ctx context.Context, sets []string) error
	// SetReading replaces the readings and the queries of steps, of all or none.
	SetReading(ctx context.Context, steps ...Step) error
	// ParentNews tells what has become of the parents of s's records since s's set was last read, and counts up to limit of those that have come.
	ParentNews(ctx context.Context, s Step, limit int) (ParentNews, error)
	// Entered returns, in order, the next parents after an id that have come into the copy since s's set was last read; fewer than limit when there are no more.
	Entered(ctx context.Context, s Step, after string, limit int) ([]string, error)
	// Again returns, in order, the next of the records after an id that could not be stored the last time, without those that the run has met by now; fewer than limit when there are no more.
	Again(ctx context.Context, s Step, after string, limit int) ([]string, error)
	// Unmet returns those of the records listed that s's set has not met in this run, and that belong to parents which are here.
	Unmet(ctx context.Context, s Step, all []Listed) ([]string, error)
	// Behind returns those of the records listed that are here, that s's set has not met in this run, and that may have been too old for its window when Salesforce was asked.
	Behind(ctx context.Context, s Step, all []Listed) ([]string, error)
	// Sweep takes note of records that have changed: those that are here and were not met by any step of s's set have left it. It does nothing while a step of the set is incomplete, and may be called
	// again with the same. It returns ErrSeenLost as CommitPage does.
	Sweep(ctx context.Context, s Step, all []Listed) error
	// SetPhase stores what the run is doing, for people.
	SetPhase(ctx context.Context, phase string) error
	// StartStep marks a step as running, in a mode. It returns the step with Fresh decided.
	StartStep(ctx context.Context, s Step, mode Mode) (Step, error)
	// SetJob stores the bulk job that a step reads from.
	SetJob(ctx context.Context, s Step, jobID string) error
	// SetExpected stores how many records the step's result holds, without those of pages that are Beside it, and the org's clock, zero while it is not known: what the step reads was asked for before.
	SetExpected(ctx context.Context, s Step, expected int64, clock time.Time) error
	// SetQuery replaces the query of a step that has to leave out fields.
	SetQuery(ctx context.Context, s Step) error
	// SetNote replaces the note of a step.
	SetNote(ctx context.Context, s Step) error
	// RestartStep forgets the pages and the job of a step, so that it is read from its beginning; what the pages wrote stays.
	RestartStep(ctx context.Context, s Step) error
	// RestartObject does so for all steps of s's object, and forgets which of its records were met.
	RestartObject(ctx context.Context, s Step) error
	// SaveLabels replaces the labels of the picklists that are in labels.
	SaveLabels(ctx context.Context, labels []PicklistLabel) error
	// Parents returns, in order, the next records here after an id whose children s asks for; fewer than limit when there are no more.
	Parents(ctx context.Context, s Step, after string, limit int) ([]string, error)
	// Asked counts the records that Parents returns, and how many children they say that they have.
	Asked(ctx context.Context, s Step) (parents, children int64, err error)
	// Here counts the records of s's set that are here.
	Here(ctx context.Context, s Step) (int64, error)
	// CallsOfChanges returns how many API requests those of the run's steps took that read changes, in the last two runs that did so, by their labels: the less of both, since a change of very many records is rare. What is not known is left out.
	CallsOfChanges(ctx context.Context) (map[string]int64, error)
	// QueriesBeside returns how many queries were made beside the bulk results when everything of the step was last read through them, and how many records there were; none where that is not known.
	QueriesBeside(ctx context.Context, s Step) (queries, records int64, err error)
	// SaveObjects notes the custom objects that the settings name. Together with Retire it makes what is here follow the settings.
	SaveObjects(ctx context.Context, objects []settings.CustomObject) error
	// Retire marks the records of a table's other sets as having left.
	Retire(ctx context.Context, r Retirement) error
	// Conversations returns the next conversations whose sentiment is not worked out by one of the methods, or that have changed since; none when there are no more. One that the
	// scorer has refused RefusedTries times is left out when it is worked out by SentimentMethod.
	Conversations(ctx context.Context, wanted WantedConversations) ([]Conversation, error)
	// SaveSentiments stores how conversations sound, and what the scorer has refused of them.
	SaveSentiments(ctx context.Context, all []Sentiment) error
	// TakeSentimentCall counts one call of the endpoint for sentiments; it reports whether today's calls allow it.
	TakeSentimentCall(ctx context.Context, most int) (ok bool, err error)
	// Pages returns the committed pages of a step by locator.
	Pages(ctx context.Context, s Step) (map[string]PageMark, error)
	// OpenUnits makes the units of a step whose result can be read, unless they are there: of the pages that are known and not committed. New ones ask
	// for rows records.
	OpenUnits(ctx context.Context, s Step, rows int) error
	// ClaimUnit takes the next unit of a step that nobody holds, for as long as lease; nil when there is none. more reports whether others hold some.
	// The answer may get lost on its way: asked again with the same ticket, which no other claim has, it returns the same unit.
	ClaimUnit(ctx context.Context, s Step, ticket int64, lease time.Duration) (u *Unit, more bool, err error)
	// AddUnit adds the unit of the page after u's, unless that is known. It returns ErrUnitLost when u is held no more, and the fault of a successor that
	// cannot be right.
	AddUnit(ctx context.Context, s Step, u Unit, next string) error
	// KeepUnit extends the hold on a unit and notes how many of its records have arrived. It returns ErrUnitLost when u is held no more.
	KeepUnit(ctx context.Context, s Step, u Unit, lease time.Duration, arrived int64) error
	// ReleaseUnit gives a unit back for others to take at once. It does nothing when u is held no more.
	ReleaseUnit(ctx context.Context, s Step, u Unit) error
	// CommitPage takes a page over: records, audit rows, counts and checkpoint together or not at all. A page with a
	// claim is refused with ErrUnitLost when its unit is held no more, others by the run's fence. It returns ErrSeenLost when the records met earlier in the
	// run are no longer known.
	CommitPage(ctx context.Context, s Step, p *Page) error
	// GiveUp marks a step as done whose object is not there any more, with its note. What is here of the object stays as it is.
	GiveUp(ctx context.Context, s Step) error
	// FailStep ends a step that cannot be read, with its Refusal. What is here of it stays as it is.
	FailStep(ctx context.Context, s Step) error
	// SeenObjects returns what the settings used of the org when they were saved.
	SeenObjects(ctx context.Context) ([]SeenObject, error)
	// NoteDrifts keeps the changes in the org that touch the settings: new ones, those that last, and, of those that are known, which are over.
	NoteDrifts(ctx context.Context, drifts []NoticedDrift) error
	// Leavers returns up to limit of the records that FinishStep has marked as having left with this step, or with those of earlier runs of which NoteLeavers has not said that it is known, and that
	// are not known to be deleted, and of those that the step read nothing of, nor of a list of changes, because they have not been changed for so long.
	Leavers(ctx context.Context, s Step, limit int) ([]string, error)
	// DeletedSince says since when it is open what was deleted of a step's object, by steps of earlier runs which TellsDeleted and of which NoteLeavers has not said that it is known; zero for nothing.
	DeletedSince(ctx context.Context, s Step) (time.Time, error)
	// NoteLeavers notes whether it is known now which of the Leavers of a step were deleted.
	NoteLeavers(ctx context.Context, s Step, known bool) error
	// Deleted lists records of a step's set that are marked as deleted in Salesforce, the newest marks first, as far back as Salesforce may have restored them.
	Deleted(ctx context.Context, s Step, limit int) ([]string, error)
	// MarkDeleted notes that some of the Leavers are deleted in Salesforce. Those that had not left do so with it.
	MarkDeleted(ctx context.Context, s Step, gone []Listed) error
	// NotStored returns, in order, a part of the Ids of the records of a table that could not be stored and that are not here.
	NotStored(ctx context.Context, t Table, offset, limit int) ([]string, error)
	// SaveChecks holds what is here against what Salesforce counts, and keeps how they differ. It returns the names of those by which records are missing here.
	SaveChecks(ctx context.Context, checks []Check) (missing []string, err error)
	// Gaps returns the names of the steps that the latest checks found incomplete.
	Gaps(ctx context.Context) ([]string, error)
	// Retries returns the sets of which the run was asked to read records once more.
	Retries(ctx context.Context) (sets []string, err error)
	// Missing returns, in order, the next Ids behind after that match in Salesforce and are not here, or that the run was asked to read once more; fewer than limit when there are no more.
	Missing(ctx context.Context, s Step, after string, limit int) ([]string, error)
	// SaveForecast keeps what a sync by the settings of an impact would read.
	SaveForecast(ctx context.Context, steps []Forecast) error
	// Compare holds what an impact has read against what is here, and keeps how they differ.
	Compare(ctx context.Context) error
	// FinishStep marks a step as done. With the last step of an object whose steps are all complete, records that the run did not meet are
	// marked as having left. Records that were skipped count as met.
	FinishStep(ctx context.Context, s Step) error
}

// PageMark is a committed page.
type PageMark struct {
	Number  int
	Next    string // locator of the page after it; empty on the last
	Records int64
}

// Mode is the API through which a step reads.
type Mode string

// The modes.
const (
	Bulk Mode = "bulk"
	REST Mode = "rest"
)

// Options tunes a run. Zero values mean the defaults.
type Options struct {
	PageRows  int           // records per page of a bulk result; 50,000 by default
	RESTLimit int64         // most expected records that are read through REST; 2,000 by default
	Workers   int           // pages in progress at once; 2 by default
	Attempts  int           // attempts per page; 5 by default
	Backoff   time.Duration // first pause between attempts, doubled each time; 500 ms by default
	PollMin   time.Duration // first pause between looks at a bulk job; 300 ms by default
	PollMax   time.Duration // longest such pause; 15 s by default
	Patience  time.Duration // how long a bulk job may make no progress; 1 h by default
	Lease     time.Duration // how long a page stays held without a sign of life; 15 s by default
	UnitPoll  time.Duration // pause between looks for a page that others give back; 100 ms by default

	Overlap   time.Duration // how far before the last read changes are asked for again; 10 min by default
	Reconcile time.Duration // how often everything is read; 7 days by default
	Silent    time.Duration // how often fields are read of all records whose changes do not show, such as formulas; 24 h by default
	Listing   int64         // most records of a list of changes that is gone through; 40,000 by default
	Entering  int           // most new parents whose children are asked for by name; 2,000 by default
}

// DefaultWorkers is how many pages are in progress at once unless Options say otherwise.
const DefaultWorkers = 2

func (o Options) withDefaults() Options {
	set(&o.PageRows, 50_000)
	set(&o.RESTLimit, 2_000)
	set(&o.Workers, DefaultWorkers)
	set(&o.Attempts, 5)
	set(&o.Backoff, 500*time.Millisecond)
	set(&o.PollMin, 300*time.Millisecond)
	set(&o.PollMax, 15*time.Second)
	set(&o.Patience, time.Hour)
	set(&o.Lease, 15*time.Second)
	set(&o.UnitPoll, 100*time.Millisecond)
	set(&o.Overlap, 10*time.Minute)
	set(&o.Reconcile, 7*24*time.Hour)
	set(&o.Silent, 24*time.Hour)
	set(&o.Entering, 2_000)
	set(&o.Listing, 40_000)
	return o
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
