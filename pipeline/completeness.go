package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Check is how many records of a step Salesforce has, to be held against what is here.
type Check struct {
	Name        string // of the step
	Part        Entity
	Position    int
	Label       string
	Table       Table
	AccountType settings.AccountType
	Salesforce  *int64    // nil when it was not counted
	Asked       time.Time // by the org's clock; Salesforce counted no later
	Loose       bool      // the count holds records that are not to be here: those of accounts that are not synced
	Note        string    // why it was not counted
	Waiting     int64     // of Salesforce's count, how many belong to records that could not be stored: they come with these
	Orphans     int64     // of Salesforce's count, how many belong to deleted records; asked for when records are missing
}

// check counts in Salesforce what the plan of the run selects, with a request for every five steps, and has it held against what is here. The copy is
// complete or not without that: a fault of Salesforce leaves the question open and does not hold up the run's end.
func (j Work) check(ctx context.Context) error {
	steps, err := j.Store.Steps(ctx)
	if err != nil {
		return err
	}
	plan, err := j.describe(ctx, false, true)
	if err != nil {
		return j.unchecked(ctx, err)
	}
	schema, err := j.Source.Schema(ctx, false, ObjectsOf(j.Settings)...)
	if err != nil {
		return j.unchecked(ctx, err)
	}
	var checks []Check
	for _, s := range plan.Steps {
		// What Salesforce has refused to read it would refuse to count.
		read := slices.ContainsFunc(steps, func(r Step) bool { return r.Name == s.Name && r.Query != "" && r.Refusal == nil })
		if read && s.Query != "" && s.CountQuery != "" && !s.Table.Quiet && s.Batches == nil {
			checks = append(checks, Check{
				Name: s.Name, Part: partOf(s.Table), Position: s.Position, Label: s.Label, Table: s.Table, AccountType: s.AccountType, Loose: j.loose(s, schema),
			})
		}
	}
	if len(checks) == 0 {
		return nil
	}
	if err := j.Store.SetPhase(ctx, "Counting what Salesforce has"); err != nil {
		return err
	}
	if err := j.countChecks(ctx, plan, checks); err != nil {
		return err
	}
	for i := range checks {
		if err := j.countWaiting(ctx, plan, schema, &checks[i]); err != nil {
			return err
		}
	}
	missing, err := j.Store.SaveChecks(ctx, checks)
	if err != nil || len(missing) == 0 {
		return err
	}
	// A filter that was changed may select records of deleted accounts that no read in full has met.
	checks = slices.DeleteFunc(checks, func(c Check) bool { return !slices.Contains(missing, c.Name) })
	for i := range checks {
		if err := j.countOrphans(ctx, plan, schema, &checks[i]); err != nil {
			return err
		}
	}
	checks = slices.DeleteFunc(checks, func(c Check) bool { return c.Orphans == 0 })
	if len(checks) > 0 {
		_, err = j.Store.SaveChecks(ctx, checks)
	}
	return err
}

// countOrphans asks Salesforce how many of the records of a check belong to deleted ones, which it counts as long as these are in the Recycle Bin. What it is not told stays unexplained.
func (j Work) countOrphans(ctx context.Context, plan Plan, schema soql.Schema, c *Check) error {
	object := schema.Object(c.Table.Object)
	if object == nil || c.Table.parentField() == "" {
		return nil
	}
	f := fieldOf(object, c.Table.parentField())
	if f == nil || len(f.ReferenceTo) != 1 || f.RelationshipName == "" {
		return nil
	}
	deleted, err := soql.Compare(f.RelationshipName+".IsDeleted", soql.Equal, soql.Bool(true))
	if err != nil {
		return err
	}
	c.Orphans, _, err = j.countAmong(ctx, plan.Steps[c.Position-1], deleted)
	return err
}

// countAmong asks how many of what a step selects meet a condition, and reports whether Salesforce has told.
func (j Work) countAmong(ctx context.Context, s Step, among soql.Expr) (n int64, told bool, err error) {
	query, err := narrow(s.CountQuery, among)
	if err != nil {
		return 0, false, err
	}
	if j.Afford != nil {
		if err := j.Afford(ctx, 1); err != nil {
			return 0, false, j.unchecked(ctx, err)
		}
	}
	if n, err = j.Source.Count(ctx, query); err != nil {
		return 0, false, j.unchecked(ctx, err)
	}
	return n, true, nil
}

// mostWaitedFor is how many records that could not be stored one count of their children names, and how many such counts there are.
const (
	mostWaitedFor = 200
	mostWaits     = 5
)

// countWaiting asks Salesforce how many of the records of a check belong to records that could not be stored, or to ones of accounts that could not. What it is not told stays unexplained.
func (j Work) countWaiting(ctx context.Context, plan Plan, schema soql.Schema, c *Check) error {
	field := c.Table.parentField()
	if c.Salesforce == nil || field == "" {
		return nil
	}
	type level struct {
		of    Table
		field string // of the check's records
	}
	var levels []level
	for _, t := range []Table{accounts, contacts, opportunities, cases} {
		if t.Name == c.Table.ParentTable() {
			levels = append(levels, level{t, field})
		}
	}
	if object := schema.Object(c.Table.Object); c.Table.Under != "" && object != nil {
		if f := fieldOf(object, field); f != nil && len(f.ReferenceTo) == 1 && f.RelationshipName != "" {
			levels = append(levels, level{accounts, f.RelationshipName + ".AccountId"})
		}
	}
	for batch := range mostWaits {
		var of []soql.Expr
		for _, l := range levels {
			ids, err := j.Store.NotStored(ctx, l.of, batch*mostWaitedFor, mostWaitedFor)
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				continue
			}
			among, err := soql.In(l.field, ids)
			if err != nil {
				return err
			}
			of = append(of, among)
		}
		if len(of) == 0 {
			return nil
		}
		n, told, err := j.countAmong(ctx, plan.Steps[c.Position-1], soql.AnyOf(of...))
		if err != nil || !told {
			return err
		}
		c.Waiting += n
	}
	return nil
}

// unchecked passes on what ends the run, and lets other errors be.
func (j Work) unchecked(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, ErrFenced) || errors.Is(err, ErrCancelled) {
		return err
	}
	j.Log.Warn("the copy is not held against salesforce's counts", "err", err)
	return nil
}

// countChecks asks for the counts. Accounts get the type of the first filter that they match, so the count of a type is that of all filters up to its own
// without that of the filters before.
func (j Work) countChecks(ctx context.Context, plan Plan, checks []Check) error {
	if j.Afford != nil {
		if err := j.Afford(ctx, countCalls(int64(len(checks)))); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			for i := range checks {
				checks[i].Note = "Not counted, to save API requests: the allowance is nearly used up."
			}
			return nil
		}
	}
	filters := j.Settings.Normalize().Accounts.Filters()
	typed := func(c *Check) bool { return c.AccountType != "" && len(filters) > 1 }
	var queries []string
	for i := range checks {
		c := &checks[i]
		query := plan.Steps[c.Position-1].CountQuery
		if typed(c) {
			at := slices.IndexFunc(filters, func(f settings.Filter) bool { return f.Type == c.AccountType })
			query, c.Note = countAny(filters[:at+1])
		}
		if c.Note == "" {
			queries = append(queries, query)
		}
	}
	answers, asked := j.Source.Counts(ctx, queries), j.Source.Clock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	before, known := int64(0), true
	for i := range checks {
		c := &checks[i]
		if c.Note != "" { // a type that could not be asked for
			known = false
			continue
		}
		c.Asked = asked
		n, err := answers[0].Records, answers[0].Err
		answers = answers[1:]
		switch {
		case err == nil && !typed(c):
			c.Salesforce = &n
		case err == nil && !known:
			c.Note = "Not compared: the filters before it could not be counted."
			before, known = n, true
		case err == nil:
			own := max(n-before, 0)
			before, c.Salesforce = n, &own
		default:
			known, c.Note = known && !typed(c), uncounted(FaultOf(err))
			j.Log.Warn("a count for the completeness check failed", "step", c.Name, "err", err)
		}
	}
	return nil
}

// uncounted says why there is no count.
func uncounted(f *Fault) string {
	switch {
	case f.Kind == OverBudget:
		return "Not counted, to save API requests: the allowance is nearly used up."
	case f.Code == "QUERY_TIMEOUT":
		return "Salesforce could not count them in time."
	case f.Kind == DailyLimit:
		return "Not counted: the daily API limit is used up."
	case f.Kind == Transient:
		return "Salesforce could not be asked."
	}
	return "Salesforce could not count them."
}

// countAny counts the accounts that any of the filters selects.
func countAny(filters []settings.Filter) (query, note string) {
	var any []soql.Expr
	for _, f := range filters {
		e, findings := soql.ParseFilter(f.SOQL)
		if soql.Refused(findings) {
			return "", "The filter is not valid."
		}
		if len(filters) > 1 && len(soql.JoinedObjects(e)) > 0 {
			return "", "Not counted by type: Salesforce cannot combine filters that look into other objects."
		}
		any = append(any, e)
	}
	q, err := soql.Count(accounts.Object, soql.AnyOf(any...))
	if err != nil {
		return "", "The filters cannot be combined."
	}
	return q.String(), ""
}

// partOf returns the entity whose runs read a table.
func partOf(t Table) Entity {
	switch t.Name {
	case contacts.Name:
		return EntityContacts
	case cases.Name, "case_messages":
		return EntityCases
	case chatterPosts, feedComments.Name:
		return EntityChatter
	}
	return EntityAccounts
}

// loose reports whether the step selects children of records that are not here too, because what is here cannot be said of the child.
func (j Work) loose(s Step, schema soql.Schema) bool {
	filters := j.Settings.Normalize().Accounts.Filters()
	through := func(relationship, id string) bool {
		where, err := childCondition(filters, relationship, id)
		linked, lerr := soql.Compare(id, soql.NotEqual, soql.Null())
		return err == nil && lerr == nil && where.String() != linked.String()
	}
	object := schema.Object(s.Table.Object)
	switch {
	case s.Table.Parent == "" || object == nil:
		return false
	case s.Table.Name == customTable:
		for _, c := range j.Settings.Normalize().CustomObjects {
			if CustomStep(object.Name) != CustomStep(c.Object) && c.Object != s.Table.Object {
				continue
			}
			if f := fieldOf(object, c.Match); f != nil {
				_, exact, err := linkedTo(c, f, filters)
				return err != nil || !exact || c.Parent == settings.ParentContact // contacts without an Email are not here
			}
		}
		return true
	case s.Table.Under == "":
		if f := fieldOf(object, "ParentId"); s.Table.Name == chatterPosts && f != nil {
			return len(f.ReferenceTo) != 1 || f.RelationshipName == "" || !through(f.RelationshipName, f.Name)
		}
		return !through("Account", "AccountId")
	}
	f := fieldOf(object, "ParentId")
	if f == nil || len(f.ReferenceTo) != 1 || f.RelationshipName == "" {
		return true
	}
	if s.Table.Name == "case_messages" && j.Settings.Cases.Filter != "" {
		own, findings := soql.ParseFilter(j.Settings.Cases.Filter)
		if soql.Refused(findings) {
			return true
		}
		if _, ok := rewritten(own, cases.Object, f.RelationshipName, f.Name); !ok {
			return true
		}
	}
	return !through(f.RelationshipName+".Account", f.RelationshipName+".AccountId")
}

// Missing makes a step fetch only the records that match in Salesforce and are not here, and mark those that are here and do not match.
type Missing struct {
	Ids  string   // the name under which the Ids that match are kept
	Not  []string // the names of Ids that an earlier filter takes
	Last bool     // the last step of its set: it marks who is not there

	Retry bool // the records are those that the run was asked to read once more, where they still match
}

// gapBatch is how many records one query names.
const gapBatch = 100

// idsStep begins the names of the steps that read Ids.
const idsStep = "ids:"

// gapPlan turns a plan into one that closes the gaps of the named steps: for each set of records with such a step it reads the Ids that match, and then the records that
// are missing.
func (j Work) gapPlan(ctx context.Context, plan Plan) (Plan, error) {
	names, err := j.Store.Gaps(ctx)
	if err != nil {
		return Plan{}, err
	}
	out := Plan{Labels: plan.Labels}
	done := map[string]bool{}
	for _, s := range plan.Steps {
		set := s.Table.Records()
		if done[set] || !slices.Contains(names, s.Name) {
			continue
		}
		done[set] = true
		var ids, fetch []Step
		var earlier []string
		for _, of := range plan.Steps {
			if of.Table.Records() != set || of.Query == "" || of.CountQuery == "" || of.Batches != nil {
				continue
			}
			one, two, err := gapSteps(of, earlier)
			if err != nil {
				return Plan{}, err
			}
			ids, fetch, earlier = append(ids, one), append(fetch, two), append(earlier, of.Name)
		}
		if len(fetch) > 0 {
			fetch[len(fetch)-1].Missing.Last = true
		}
		out.Steps = append(append(out.Steps, ids...), fetch...)
	}
	for i := range out.Steps {
		out.Steps[i].Position = i + 1
	}
	return out, nil
}

// gapSteps returns the step that reads the Ids of a step's records, and the one that reads those of them that are missing.
func gapSteps(of Step, earlier []string) (ids, fetch Step, err error) {
	count, err := soql.ParseQuery(of.CountQuery)
	if err != nil {
		return ids, fetch, fmt.Errorf("close the gap of %s: %w", of.Name, err)
	}
	read, err := soql.ParseQuery(of.Query)
	if err != nil {
		return ids, fetch, fmt.Errorf("close the gap of %s: %w", of.Name, err)
	}
	t := Table{
		Object: of.Table.Object, Name: "gap_ids", Set: idsStep + of.Name, Label: of.Label, Quiet: true, Paged: of.Table.Paged,
		Keys: []Key{{"records", of.Name}},
	}
	fields := []string{"Id"}
	for _, c := range of.Table.Columns {
		if c.Name == of.Table.Parent && c.Kind == ID {
			t.Columns = []Column{{c.Field, "parent_id", ID}}
			fields = append(fields, c.Field)
		}
	}
	some, err := soql.Select(of.Table.Object, fields, count.Where)
	if err != nil {
		return ids, fetch, err
	}
	ids = Step{Name: idsStep + of.Name, Label: "Ids: " + of.Label, Table: t, Query: some.String(), CountQuery: of.CountQuery}
	fetch = of
	fetch.CountQuery = ""
	fetch.Missing = &Missing{Ids: of.Name, Not: slices.Clone(earlier)}
	// The condition is replaced by the Ids that are missing when they are known.
	var all []string
	for _, item := range read.Select {
		if p, ok := item.Value.(*soql.Path); ok {
			all = append(all, p.String())
		}
	}
	fetch.Fields = all
	return ids, fetch, nil
}

// readMissing reads the records that match in Salesforce and are not here, some with each query. A page's locator is the Id behind which its records begin.
func (j Work) readMissing(ctx context.Context, s Step) error {
	done, err := j.Store.Pages(ctx, s)
	if err != nil {
		return err
	}
	doing := "Fetching missing "
	if s.Missing.Retry {
		doing = "Reading once more "
	}
	if err := j.Store.SetPhase(ctx, doing+lower(s.Label)); err != nil {
		return err
	}
	for number, locator := 1, ""; number == 1 || locator != ""; number++ {
		if mark, ok := done[locator]; ok {
			locator = mark.Next
			continue
		}
		next := ""
		err := j.attempt(ctx, func() error {
			missing, err := j.Store.Missing(ctx, s, locator, gapBatch)
			if err != nil {
				return err
			}
			if len(missing) == 0 {
				next = ""
				return j.commitRows(ctx, s, number, locator, "", &Rows{})
			}
			next = missing[len(missing)-1]
			among, err := soql.In("Id", missing)
			if err != nil {
				return err
			}
			query, err := s.missingQuery(among)
			if err != nil {
				return err
			}
			rows, err := j.Source.Rows(ctx, query)
			if err != nil {
				return err
			}
			var all Rows
			err = eachPage(ctx, rows, j.Source.MoreRows, func(part *Rows) error { // large records come in several
				all.Records = append(all.Records, part.Records...)
				return nil
			})
			if err != nil {
				return err
			}
			return j.commitRows(ctx, s, number, locator, next, &all)
		})
		if err != nil {
			return err
		}
		locator = next
	}
	return nil
}

// missingQuery is the query for some of the step's records.
func (s Step) missingQuery(among soql.Expr) (string, error) {
	if s.Missing.Retry {
		return narrow(s.Query, among)
	}
	q, err := soql.Select(s.Table.Object, s.Fields, among)
	if err != nil {
		return "", err
	}
	return q.String(), nil
}

// planGap stores the steps of a run that closes gaps. Whatever other runs read, this one reads the Ids of all records.
func (j Work) planGap(ctx context.Context, plan Plan) error {
	plan, err := j.gapPlan(ctx, plan)
	if err != nil {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Counting records"); err != nil {
		return err
	}
	if err := j.count(ctx, plan, false); err != nil {
		return err
	}
	return j.Store.SaveSteps(ctx, plan.Steps)
}
