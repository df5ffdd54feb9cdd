package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"millrace/salesforce/soql"
)

// errMany means that a REST query has announced more records than are read that way.
var errMany = errors.New("more records than are read through REST")

// lists keeps the first pages of the lists of changes that a run has asked for, so that the sets of one object share them.
type lists map[string]changeList

type changeList struct {
	rows  *Rows
	asked time.Time // by the org's clock, before the question
}

// any reports whether the first page holds a record that has changed since.
func (l changeList) any(since time.Time) bool {
	for _, r := range l.rows.Records {
		if !moment(textOf(r, timeField)).Before(since) {
			return true
		}
	}
	return false
}

// Listed is a record of a list of changes.
type Listed struct {
	ID      string
	Deleted bool
	Master  string    // the record that it was merged into; empty for none
	Parent  string    // the record that it belongs to, in a set whose records name it; else empty
	Changed time.Time // by the org's clock
}

// unlisted is the note of a step whose list of changes was refused.
const unlisted = "Edited ones are not among them: Salesforce lists edits only for a user with the permission “View All Data”. They come when everything is read again, which is once a week."

// approach prepares a step that starts for the first time: it looks whether reading changes will do and whether there are any, and notes the org's time.
func (j Work) approach(ctx context.Context, s Step) (Step, error) {
	s.Clock = j.Source.Clock()
	if !s.Reading.Changes {
		return s, nil
	}
	if s.Table.Parent != "" {
		news, err := j.Store.ParentNews(ctx, s, j.Options.Entering+1)
		if err != nil {
			return s, err
		}
		var why string
		if why, s.Reading.Doubted = s.whyWiden(news, j.Options.Entering); why != "" {
			return j.widen(ctx, s, why)
		}
	}
	if s.Reading.List == "" {
		return s, nil
	}
	l, err := j.listed(ctx, s)
	if s.Batches != nil && KindOf(err) == Refused {
		// Salesforce lists some objects only under named parents, unless the user may view all data.
		j.Log.Warn("cannot list what has changed; the next complete read finds it", "step", s.Name, "err", err)
		s.Reading.List = ""
		s.Note = strings.TrimSpace(s.Note + " " + unlisted)
		return s, j.Store.SetReading(ctx, s)
	}
	if err != nil {
		return s, err
	}
	if l.asked.Before(s.Clock) {
		s.Clock = l.asked
	}
	if l.rows.Next == "" {
		return s, nil
	}
	if why := s.whyNotList(l.rows.Total, j.Options.Listing); why != "" {
		set, err := j.unbegun(ctx, s, why)
		if err != nil {
			return s, err
		}
		if len(set) > 0 {
			return s.whole(why), j.Store.SetReading(ctx, set...)
		}
	}
	s.Reading.Listed = l.rows.Total
	return s, j.Store.SetReading(ctx, s)
}

// whyNotList says why the list of what has changed is not gone through, which takes a request for each 2,000 records and begins anew whenever the run does: where there are very many, reading everything takes
// fewer. What is selected by time needs the list also when everything is read, and what is asked for by its parents is not read otherwise.
func (s Step) whyNotList(listed, limit int64) string {
	if listed <= limit || s.Batches != nil || s.windowed() {
		return ""
	}
	return "the list of what has changed holds more than " + thousands(limit) + " records"
}

// unbegun returns the steps of the step's set as ones that read everything, which all of them do or none; none where another step of the set has begun.
func (j Work) unbegun(ctx context.Context, s Step, why string) (set []Step, err error) {
	steps, err := j.Store.Steps(ctx)
	if err != nil {
		return nil, err
	}
	for _, of := range steps {
		switch {
		case of.Position == s.Position:
			set = append(set, s.whole(why))
		case of.Table.Records() != s.Table.Records() || of.Query == "":
		case of.Done || of.Mode != "":
			return nil, nil
		default:
			set = append(set, of.whole(why))
		}
	}
	return set, nil
}

// whole is the step as one that reads everything.
func (s Step) whole(why string) Step {
	s.Reading.Changes, s.Reading.Why, s.Reading.Try = false, why, true
	s.Query = s.Reading.Whole
	return s
}

// whyWiden says why news of the parents make a step read everything; doubted, that it is only because so many of them are in doubt.
func (s Step) whyWiden(news ParentNews, limit int) (why string, doubted bool) {
	parents := parentLabel(s.Table)
	switch {
	case news.Lost:
		why = parents + " were read anew"
	case s.Batches != nil:
	case s.Table.parentField() == "" && news.Written:
		why = "they name their parents by an External ID, and " + parents + " have changed"
	case news.Entered > limit:
		why = fmt.Sprintf("more than %d %s are new here", limit, parents)
	case news.Doubted > limit:
		orAccounts := ""
		if s.Table.Under != "" {
			orAccounts = " or their accounts"
		}
		return fmt.Sprintf("more than %d %s%s have changed since everything was read, and may not have matched just then", limit, parents, orAccounts), true
	}
	return why, false
}

// parentLabel names the records that a table's records belong to.
func parentLabel(t Table) string {
	switch t.ParentTable() {
	case contacts.Name:
		return "contacts"
	case opportunities.Name:
		return "opportunities"
	case cases.Name:
		return "cases"
	case chatterPosts:
		return "posts"
	}
	return "accounts"
}

// widen makes the step read everything.
func (j Work) widen(ctx context.Context, s Step, why string) (Step, error) {
	s = s.whole(why)
	return s, j.Store.SetReading(ctx, s)
}

// listed returns the first page of the list of changes of the step's object.
func (j Work) listed(ctx context.Context, s Step) (changeList, error) {
	if l, ok := j.lists[s.Reading.List]; ok {
		return l, nil
	}
	l := changeList{asked: j.Source.Clock()}
	err := j.attempt(ctx, func() (err error) {
		l.rows, err = j.Source.AllRows(ctx, s.Reading.List)
		return err
	})
	if err == nil {
		j.lists[s.Reading.List] = l
	}
	return l, err
}

// readChanges reads what has changed since the step's state: see docs/decisions/0012.
func (j Work) readChanges(ctx context.Context, s Step, started bool) error {
	if s.Batches != nil {
		if err := j.readBatches(ctx, s); err != nil {
			return err
		}
		if err := j.readListed(ctx, s); err != nil {
			return err
		}
		return j.readAgain(ctx, s)
	}
	some := true
	if !started && s.Reading.List != "" {
		l, err := j.listed(ctx, s)
		if err != nil {
			return err
		}
		some = l.rows.Next != "" || l.any(s.Reading.Since)
	}
	if some {
		if err := j.readSelected(ctx, s); err != nil {
			return err
		}
	} else if err := j.Store.SetExpected(ctx, s, 0, j.Source.Clock()); err != nil {
		return err
	}
	if s.Table.Parent != "" && s.Table.parentField() != "" {
		if err := j.readAlong(ctx, s, j.entered(s)); err != nil {
			return err
		}
	}
	if err := j.readBehind(ctx, s); err != nil {
		return err
	}
	return j.readAgain(ctx, s)
}

// readAgain reads what could not be stored the last time.
func (j Work) readAgain(ctx context.Context, s Step) error {
	if len(s.Reading.Again) == 0 {
		return nil
	}
	return j.readAlong(ctx, s, j.again(s))
}

// readListed reads the records that have changed although their parents tell nothing of it, such as a comment that was edited.
func (j Work) readListed(ctx context.Context, s Step) error {
	if s.Reading.List == "" {
		return nil
	}
	return j.readOfList(ctx, s, s.Reading.Whole, j.Store.Unmet)
}

// readBehind reads the records that are here, have changed, and have become too old to be looked back for before anybody has read them: because the object could not be seen for a while, or no run came. Those
// that do not come back do not match any more.
func (j Work) readBehind(ctx context.Context, s Step) error {
	if s.Reading.List == "" || s.Reading.Anytime == "" || !s.Reading.Last || s.Fresh {
		return nil
	}
	if w, now := s.Table.Window, j.Source.Clock(); w.Under == "" && !now.IsZero() && s.Reading.Since.After(now.AddDate(0, 0, -w.Days).Add(time.Hour)) {
		return nil // nothing that is listed is so old
	}
	return j.readOfList(ctx, s, s.Reading.Anytime, j.Store.Behind)
}

// readOfList reads by their Ids those of the records listed, without those that are deleted, that some selects; query is the one that they have to match.
func (j Work) readOfList(ctx context.Context, s Step, query string, some func(context.Context, Step, []Listed) ([]string, error)) error {
	var unmet []string
	err := j.eachListed(ctx, s, func(all []Listed) error {
		all = slices.DeleteFunc(all, func(l Listed) bool { return l.Deleted })
		if len(all) == 0 {
			return nil
		}
		ids, err := some(ctx, s, all)
		unmet = append(unmet, ids...)
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(unmet)
	unmet = slices.Compact(unmet)
	return j.readAlong(ctx, s, along{
		prefix: "listed:", first: listedPages,
		next: func(_ context.Context, after string, limit int) ([]string, error) {
			from, found := slices.BinarySearch(unmet, after)
			if found {
				from++
			}
			return unmet[from:min(from+limit, len(unmet))], nil
		},
		query: func(ids []string) (string, error) { return among(query, "Id", ids) },
	})
}

// readSelected reads the step's own query: through REST, unless that turns out to be too much for it.
func (j Work) readSelected(ctx context.Context, s Step) error {
	if s.Mode == REST {
		err := j.readREST(ctx, s)
		if !errors.Is(err, errMany) {
			return err
		}
		if s, err = j.Store.StartStep(ctx, s, Bulk); err != nil {
			return err
		}
	}
	return j.readBulk(ctx, s)
}

// BesidePages is where the numbers of the pages begin that a step reads beside its own query.
const BesidePages = 1 << 20

// Where those of each kind begin.
const (
	enteredPages = BesidePages
	againPages   = 1 << 21
	listedPages  = 3 << 20
)

// entered reads the records of parents that have come into the copy since the set was last read.
func (j Work) entered(s Step) along {
	return along{
		prefix: "entered:", first: enteredPages,
		next: func(ctx context.Context, after string, limit int) ([]string, error) {
			return j.Store.Entered(ctx, s, after, limit)
		},
		query: func(ids []string) (string, error) { return s.among(s.Table.parentField(), ids) },
	}
}

// again reads the records that could not be stored the last time and have not changed since.
func (j Work) again(s Step) along {
	return along{
		prefix: "again:", first: againPages,
		next: func(ctx context.Context, after string, limit int) ([]string, error) {
			return j.Store.Again(ctx, s, after, limit)
		},
		query: func(ids []string) (string, error) { return s.among("Id", ids) },
	}
}

// among is the query for those of the step's records, changed or not, whose field is one of the ids.
func (s Step) among(field string, ids []string) (string, error) {
	return among(s.Reading.Whole, field, ids)
}

// among narrows a query to the records whose field is one of the ids.
func among(query, field string, ids []string) (string, error) {
	these, err := soql.In(field, ids)
	if err != nil {
		return "", err
	}
	return narrow(query, these)
}

// readAlong reads further records of a step, batch by batch, unless there are none.
func (j Work) readAlong(ctx context.Context, s Step, a along) error {
	ids, err := a.next(ctx, "", 1)
	if err != nil || len(ids) == 0 {
		return err
	}
	return j.readInBatches(ctx, s, a)
}

// sweep goes through the list of what has changed of the set's object: what is here and was not met by the set's steps has left. It may be done again.
func (j Work) sweep(ctx context.Context, s Step) error {
	return j.eachListed(ctx, s, func(all []Listed) error {
		return j.attempt(ctx, func() error { return j.Store.Sweep(ctx, s, all) })
	})
}

// eachListed goes through the list of what has changed of the set's object, page by page; do may come by a page twice. The first page is that of the beginning
// of the run: where the way on from there has gone meanwhile, the list is asked for anew, once.
func (j Work) eachListed(ctx context.Context, s Step, do func(all []Listed) error) error {
	err := j.walkList(ctx, s, do)
	if KindOf(err) != Gone {
		return err
	}
	j.Log.Warn("the list of what has changed has gone from Salesforce; asking for it again", "step", s.Name, "err", err)
	delete(j.lists, s.Reading.List)
	return j.walkList(ctx, s, do)
}

func (j Work) walkList(ctx context.Context, s Step, do func(all []Listed) error) error {
	l, err := j.listed(ctx, s)
	if err != nil {
		return err
	}
	return eachPage(ctx, l.rows, j.moreRows, func(rows *Rows) error {
		all, err := listedRows(rows, s.Table.parentField(), s.Reading.Since)
		if err != nil || len(all) == 0 {
			return err
		}
		return do(all)
	})
}

// listedRows reads an answer's records of a list of changes. A list may reach farther back than since: sets of one object share it.
func listedRows(rows *Rows, parent string, since time.Time) ([]Listed, error) {
	var out []Listed
	for _, r := range rows.Records {
		l := Listed{ID: idOf(r, "Id"), Master: idOf(r, masterField), Changed: moment(textOf(r, timeField))}
		if l.ID == "" || l.Changed.IsZero() {
			return nil, &Fault{Kind: Transient, Code: "bad_list", Message: "Salesforce's list of what has changed cannot be read.", Err: fmt.Errorf("record %v", r)}
		}
		l.Deleted, _ = r["IsDeleted"].(bool)
		if parent != "" {
			l.Parent = idOf(r, parent)
		}
		if !l.Changed.Before(since) {
			out = append(out, l)
		}
	}
	return out, nil
}

// idOf returns the id in a field of a record of a REST answer, in 18 characters; empty where there is none.
func idOf(record map[string]any, field string) string {
	var id [18]byte
	if !fullID(&id, []byte(textOf(record, field))) {
		return ""
	}
	return string(id[:])
}
