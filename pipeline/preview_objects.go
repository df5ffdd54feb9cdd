package pipeline

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// ObjectPreview is what a custom object's settings select at this moment.
type ObjectPreview struct {
	Count    int64 // records that the filter selects and that have a parent
	Exact    bool  // Count holds the records of accounts that match an account filter only; otherwise those of other accounts are in it too
	Unlinked int64 // records that the filter selects and whose matching field is empty; Unknown when Salesforce has no query for it
	// Elsewhere counts the records that the filter selects and that belong to accounts that no account filter matches; Unknown when Count has them in it.
	Elsewhere int64
	Records   []LinkedRecord
	Fields    []string // API names of the fields that are synced
	Query     string   // of the run
	Note      string   // what the run leaves out and why; empty for nothing
	Took      time.Duration
}

// LinkedRecord is one record with the parent that it leads to.
type LinkedRecord struct {
	ID, Name string
	Key      string   // what the matching field holds
	Parents  []Parent // more than one when several have the same External ID: then the record is not synced
	Values   map[string]any
}

// Parent is the account or contact that a record belongs to.
type Parent struct{ ID, Name string }

// PreviewCustomObject counts the records that one custom object of the settings selects and shows a few of them with their parents, by the query of a run.
// The object need not be among those of the settings. Nothing is written. It returns *QueryRefused when Salesforce does not accept the filter, and a Fault
// when the object's settings cannot work or the org does not answer.
func PreviewCustomObject(ctx context.Context, source Sampler, s settings.Settings, c settings.CustomObject, schema soql.Schema) (ObjectPreview, error) {
	started := time.Now()
	s = withObject(s, c).Normalize()
	c = s.CustomObjects[len(s.CustomObjects)-1]
	object := schema.Object(c.Object)
	if object == nil {
		return ObjectPreview{}, invalidObject(c, "The connected Salesforce user cannot see the object %s.", c.Object)
	}
	match := fieldOf(object, c.Match)
	if match == nil {
		return ObjectPreview{}, invalidObject(c, "The connected Salesforce user cannot see the matching field %s.%s.", c.Object, c.Match)
	}
	c.Object = object.Name
	p := planner{schema: schema}
	read, count, exact := p.customObject(s, c, object, match, s.Accounts.Filters())
	if p.err != nil {
		return ObjectPreview{}, p.err
	}
	step := p.plan.Steps[0]
	out := ObjectPreview{Query: step.Query, Note: step.Note, Exact: exact, Unlinked: Unknown, Elsewhere: Unknown}
	for _, f := range step.Table.Extra {
		out.Fields = append(out.Fields, f.Field)
	}
	if len(url.QueryEscape(read.Text)) > longQuery {
		few := planner{schema: schema}
		c.Fields = out.Fields[:min(len(out.Fields), fewFields)]
		if read, _, _ = few.customObject(s, c, object, match, s.Accounts.Filters()); few.err != nil {
			return ObjectPreview{}, few.err
		}
	}
	group, asking := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		out.Count, err = source.Count(asking, count.Text)
		return refused(err, count)
	})
	group.Go(func() (err error) {
		out.Unlinked, err = countWhere(asking, source, c, match, soql.Equal)
		return err
	})
	linkedAtAll := int64(Unknown)
	if exact {
		group.Go(func() (err error) {
			linkedAtAll, err = countWhere(asking, source, c, match, soql.NotEqual)
			return err
		})
	}
	group.Go(func() error {
		rows, err := source.Rows(asking, limited(read.Text, sampleSize))
		if err != nil {
			return refused(err, read)
		}
		out.Records, err = linked(asking, source, c, object, match, rows.Records)
		return err
	})
	err := group.Wait()
	if linkedAtAll != Unknown {
		out.Elsewhere = max(linkedAtAll-out.Count, 0)
	}
	out.Took = time.Since(started)
	return out, err
}

// fewFields is how many fields a preview reads of an object that has too many for one call.
const fewFields = 40

// withObject returns the settings with the object in place of another of the same API name, as the last one.
func withObject(s settings.Settings, c settings.CustomObject) settings.Settings {
	s.CustomObjects = slices.DeleteFunc(slices.Clone(s.CustomObjects), func(o settings.CustomObject) bool { return o.Object == c.Object })
	s.CustomObjects = append(s.CustomObjects, c)
	return s
}

// countWhere counts the records that the filter selects and whose matching field is empty, for soql.Equal, or is not, for soql.NotEqual.
func countWhere(ctx context.Context, source Sampler, c settings.CustomObject, match *soql.Field, how soql.Op) (int64, error) {
	if how == soql.Equal && (!match.Nillable || !match.Filterable) {
		return 0, nil
	}
	none, err := soql.Compare(match.Name, how, soql.Null())
	if err != nil {
		return Unknown, err
	}
	_, count, err := around(c.Object, []string{"Id"}, none, c.Filter)
	if err != nil {
		return Unknown, err
	}
	n, err := source.Count(ctx, count.Text)
	if KindOf(err) == Refused {
		return Unknown, nil
	}
	return n, err
}

// linked finds out which parents the records lead to.
func linked(ctx context.Context, source Sampler, c settings.CustomObject, object *soql.Object, match *soql.Field, records []map[string]any) ([]LinkedRecord, error) {
	name := nameField(object)
	var out []LinkedRecord
	var keys []string
	for _, r := range records {
		l := LinkedRecord{ID: textOf(r, "Id"), Name: textOf(r, name), Key: textOf(r, match.Name), Values: r}
		if l.Key != "" && !slices.Contains(keys, l.Key) {
			keys = append(keys, l.Key)
		}
		out = append(out, l)
	}
	if len(keys) == 0 {
		return out, nil
	}
	by := "Id"
	if match.Type != "reference" {
		by = c.To
	}
	these, err := soql.In(by, keys)
	if err != nil {
		return nil, err
	}
	fields := []string{"Id", "Name"}
	if by != "Id" {
		fields = append(fields, by)
	}
	q, err := soql.Select(objectOf(c.Parent), fields, these)
	if err != nil {
		return nil, err
	}
	rows, err := source.Rows(ctx, q.String())
	if err != nil {
		return nil, err
	}
	for i := range out {
		for _, r := range rows.Records {
			if strings.EqualFold(textOf(r, by), out[i].Key) {
				out[i].Parents = append(out[i].Parents, Parent{textOf(r, "Id"), textOf(r, "Name")})
			}
		}
	}
	return out, nil
}

// CasesPreview is what the settings of the support cases select at this moment.
type CasesPreview struct {
	Count int64
	Exact bool // Count holds the cases of accounts that match an account filter only; otherwise those of other accounts are in it too, which a run leaves out
	// MessagesExact says that Comments and Emails hold the messages of these cases only; otherwise those of other cases are in them too.
	MessagesExact bool
	Samples       []CaseSample
	Comments      int64 // Case Comments on these cases; Unknown when the connected user cannot see any
	Emails        int64 // Email Messages of these cases, without drafts; likewise
	Query         string
	Note          string // what the run leaves out and why; empty for nothing
	Took          time.Duration
}

// CaseSample is one case.
type CaseSample struct {
	ID, Number, Subject, Status, Priority, AccountID string
	Created                                          string // as Salesforce writes it
	Values                                           map[string]any
}

// PreviewCases counts the cases that the settings select, shows a few of them and counts their messages by either source, by the queries of a run. It does
// not mind whether cases are switched on. Nothing is written. It returns *QueryRefused when Salesforce does not accept the case filter, and a Fault
// otherwise.
func PreviewCases(ctx context.Context, source Sampler, s settings.Settings, schema soql.Schema) (CasesPreview, error) {
	started := time.Now()
	s = s.Normalize()
	if schema.Object(cases.Object) == nil {
		return CasesPreview{}, &Fault{Kind: Fatal, Code: "object_missing", Message: "The connected Salesforce user cannot see cases. Give that user read access to the object."}
	}
	p := planner{schema: schema}
	read, count := p.casesThemselves(s, s.Accounts.Filters())
	if p.err != nil {
		return CasesPreview{}, p.err
	}
	step := p.plan.Steps[0]
	out := CasesPreview{Query: step.Query, Note: step.Note, Comments: Unknown, Emails: Unknown}
	var err error
	if out.Exact, err = follows(s.Accounts.Filters(), "Account", "AccountId"); err != nil {
		return out, err
	}
	out.MessagesExact = out.Exact && throughCase(s.Cases.Filter)
	switch {
	case !out.Exact:
		out.Note = strings.TrimSpace(out.Note + " Salesforce cannot apply the account filters to cases, so the counts are the most that there can be: cases of other accounts are in them, which a sync leaves out.")
	case !out.MessagesExact:
		out.Note = strings.TrimSpace(out.Note + " Salesforce cannot apply the case filter to messages, so their counts are the most that there can be: messages of other cases are in them, which a sync leaves out.")
	}
	group, asking := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		out.Count, err = source.Count(asking, count.Text)
		return refused(err, count)
	})
	group.Go(func() error {
		rows, err := source.Rows(asking, limited(read.Text, sampleSize))
		if err != nil {
			return refused(err, read)
		}
		for _, r := range rows.Records {
			out.Samples = append(out.Samples, CaseSample{ID: textOf(r, "Id"), Number: textOf(r, "CaseNumber"), Subject: textOf(r, "Subject"),
				Status: textOf(r, "Status"), Priority: textOf(r, "Priority"), AccountID: textOf(r, "AccountId"), Created: textOf(r, "CreatedDate"), Values: r})
		}
		return nil
	})
	for from, n := range map[settings.Conversation]*int64{settings.CaseComments: &out.Comments, settings.EmailMessages: &out.Emails} {
		group.Go(func() (err error) {
			*n, err = countMessages(asking, source, s, schema, from)
			return err
		})
	}
	err = group.Wait()
	out.Took = time.Since(started)
	return out, err
}

// throughCase reports whether a case filter can be applied to the messages of cases.
func throughCase(filter string) bool {
	if filter == "" {
		return true
	}
	own, findings := soql.ParseFilter(filter)
	if soql.Refused(findings) {
		return true // the count of the cases says more
	}
	_, ok := rewritten(own, cases.Object, "Parent", "ParentId")
	return ok
}

// countMessages counts the messages of a source that a run would read.
func countMessages(ctx context.Context, source Sampler, s settings.Settings, schema soql.Schema, from settings.Conversation) (int64, error) {
	p := planner{schema: schema}
	p.messages(s, s.Accounts.Filters(), from)
	if p.err != nil {
		return Unknown, p.err
	}
	query := p.plan.Steps[0].CountQuery
	if query == "" {
		return Unknown, nil
	}
	n, err := source.Count(ctx, query)
	if KindOf(err) == Refused { // by the case filter, about which the count of the cases says more
		return Unknown, nil
	}
	return n, err
}

// ChatterPreview is what the settings of Chatter select at this moment on one kind of parent.
type ChatterPreview struct {
	Missing string // why there are no posts to read at all; empty when there can be some
	Count   int64
	Exact   bool // Count holds the posts on what a sync keeps only; otherwise those of other accounts are in it too
	Samples []PostSample
	Query   string
	Note    string // what the run leaves out and why; empty for nothing
	Took    time.Duration
}

// PostSample is one post.
type PostSample struct {
	ID, Type, Title, Body, ParentID, Created string
	Comments                                 string
	Values                                   map[string]any
}

// PreviewChatter counts the posts on one kind of parent that the settings select and shows a few of them, by the query of a run. It does not mind what is
// switched on. Nothing is written. It returns *QueryRefused when Salesforce does not accept the filter of these posts, and a Fault otherwise.
func PreviewChatter(ctx context.Context, source Sampler, s settings.Settings, on FeedParent, schema soql.Schema) (ChatterPreview, error) {
	started := time.Now()
	s = s.Normalize()
	if schema.Object(on.Object()) == nil {
		return ChatterPreview{Missing: missingFeed(on), Took: time.Since(started)}, nil
	}
	p := planner{schema: schema}
	read, count := p.feed(s, on, s.Accounts.Filters())
	if p.err != nil {
		return ChatterPreview{}, p.err
	}
	step := p.plan.Steps[0]
	out := ChatterPreview{Query: step.Query, Note: step.Note}
	var err error
	relationship, id := "Parent", "ParentId"
	if on == OnOpportunities {
		relationship, id = "Parent.Account", "Parent.AccountId"
	}
	if out.Exact, err = follows(s.Accounts.Filters(), relationship, id); err != nil {
		return out, err
	}
	if !out.Exact {
		out.Note = strings.TrimSpace(out.Note + " Salesforce cannot apply the account filters to posts, so the count is the most that there can be: posts of other accounts are in it, which a sync leaves out.")
	}
	group, asking := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		out.Count, err = source.Count(asking, count.Text)
		return refused(err, count)
	})
	group.Go(func() error {
		rows, err := source.Rows(asking, limited(read.Text, sampleSize))
		if err != nil {
			return refused(err, read)
		}
		for _, r := range rows.Records {
			out.Samples = append(out.Samples, PostSample{ID: textOf(r, "Id"), Type: textOf(r, "Type"), Title: textOf(r, "Title"), Body: textOf(r, "Body"),
				ParentID: textOf(r, "ParentId"), Created: textOf(r, "CreatedDate"), Comments: string(jsonField(r["CommentCount"])), Values: r})
		}
		return nil
	})
	err = group.Wait()
	out.Took = time.Since(started)
	return out, err
}
