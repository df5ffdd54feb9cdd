package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// mostCandidates is how many accounts of a name an Explanation offers.
const mostCandidates = 10

// Explanation answers why an account is here, or why it is not.
type Explanation struct {
	State      ExplanationState
	Message    string   // the answer in a sentence
	Candidates []Sample // accounts to choose from, for SeveralAccounts; at most ten
	Account    Sample   // for Explained
	Child      *ExplainedChild
	Filters    []FilterVerdict      // in match order, for Explained
	Type       settings.AccountType // that the account gets; empty for none
}

// ExplanationState says how far an Explanation got.
type ExplanationState string

// The states of an explanation.
const (
	RefUnreadable   ExplanationState = "unreadable" // the text names no record
	NotVisible      ExplanationState = "not-visible"
	SeveralAccounts ExplanationState = "several"
	Explained       ExplanationState = "explained"
)

// ExplainedChild is the contact, opportunity or support case that was asked for; the rest of the Explanation is about its account.
type ExplainedChild struct {
	Object, Label string // "Contact" and "contact"
	ID, Name      string
	MissingEmail  bool // of a contact: such contacts are not synced
	AccountID     string
	Problems      []string // why it would not be synced although its account is, in sentences
}

// Verdict is Salesforce's answer to whether a record meets a condition.
type Verdict string

// The verdicts.
const (
	Undecided Verdict = ""
	Passes    Verdict = "passes"
	Fails     Verdict = "fails"
)

// FilterVerdict is one filter's answer.
type FilterVerdict struct {
	Filter  settings.Filter
	Verdict Verdict
	Wins    bool   // the account gets this filter's type
	Problem string // why the verdict is Undecided
	Clauses []ClauseVerdict
}

// ClauseVerdict is the answer of one part of a filter.
type ClauseVerdict struct {
	soql.Clause
	Typed   string // the part as the admin typed it
	Verdict Verdict
	Problem string // why the verdict is Undecided
	Values  []FieldValue
}

// FieldValue is what the record holds in a field that a clause reads.
type FieldValue struct {
	Path, Label string
	Value       string // as Salesforce writes it
	Empty       bool
	Unknown     string // why the value is not known, in a sentence
}

// Explain answers for the account that text names, or for the account of the contact, opportunity or support case: whether the connected user can see it, what each filter of the settings and each
// clause of it says to the record, with the record's values, and the type that it gets. Every verdict is Salesforce's own, asked with the record's id beside
// the condition; only what follows from others by AND and OR is worked out here. It returns a Fault when the org does not answer.
func Explain(ctx context.Context, source Sampler, text string, s settings.Settings, schema soql.Schema) (Explanation, error) {
	ref, problem := ParseRecordRef(text)
	if problem != "" {
		return Explanation{State: RefUnreadable, Message: problem}, nil
	}
	if ref.Name != "" {
		return explainName(ctx, source, ref.Name, s, schema)
	}
	switch ref.ID[:3] {
	case accountPrefix:
		return explainAccount(ctx, source, ref.ID, s, schema)
	}
	if kind, ok := childKindOf(ref.ID); ok {
		return explainChild(ctx, source, kind, ref.ID, s, schema)
	}
	return Explanation{State: RefUnreadable, Message: "This is the id of another kind of record. The ids of accounts begin with 001, those of contacts with 003, of opportunities with 006, of support cases with 500."}, nil
}

// invisible is the message for a record that a query by its id does not return.
const invisible = "The connected Salesforce user sees no %s of this id: it was deleted or merged, it never existed in this org, or it is not shared with that user."

// explainName looks for accounts of exactly that name, then for those that contain it.
func explainName(ctx context.Context, source Sampler, name string, s settings.Settings, schema soql.Schema) (Explanation, error) {
	found, unanswered, err := accountsNamed(ctx, source, name, schema)
	switch {
	case err != nil:
		return Explanation{}, err
	case len(found) == 1:
		return explainAccount(ctx, source, found[0].ID, s, schema)
	case len(found) > 1:
		return unanswered, nil
	}
	children, err := childrenNamed(ctx, source, name, schema)
	if err != nil || len(children) == 0 {
		return unanswered, err
	}
	if kind, ok := childKindOf(children[0].ID); ok && len(children) == 1 {
		return explainChild(ctx, source, kind, children[0].ID, s, schema)
	}
	return Explanation{State: SeveralAccounts, Message: fmt.Sprintf("No account goes by “%s”, but these records do. Choose one.", name), Candidates: children}, nil
}

// accountsNamed looks for accounts of exactly that name, then for those that contain it. Where it does not find one alone, unanswered says so.
func accountsNamed(ctx context.Context, source Sampler, name string, schema soql.Schema) (found []Sample, unanswered Explanation, err error) {
	for _, op := range []soql.Operator{soql.OpEquals, soql.OpContains} {
		where, problems := (soql.Builder{Rows: []soql.Row{{Field: "Name", Operator: op, Values: []string{name}}}}).SOQL(accounts.Object, schema)
		if len(problems) > 0 {
			return nil, Explanation{State: RefUnreadable, Message: problems[0].Message}, nil
		}
		e, _ := soql.ParseFilter(where)
		q, err := soql.Select(accounts.Object, sampleFields(schema), e)
		if err != nil {
			return nil, Explanation{}, err
		}
		path, err := soql.NewPath("Name")
		if err != nil {
			return nil, Explanation{}, err
		}
		q.OrderBy, q.Limit = []soql.OrderItem{{Value: path}}, &soql.RowCount{N: mostCandidates}
		rows, err := source.Rows(ctx, q.String())
		if err != nil {
			return nil, Explanation{}, err
		}
		if found = samples(rows, schema); len(found) > 0 {
			break
		}
	}
	switch len(found) {
	case 0:
		unanswered = Explanation{State: NotVisible, Message: fmt.Sprintf("The connected Salesforce user sees no account whose name contains “%s”: "+
			"it is named otherwise, it was deleted or merged, or it is not shared with that user. No contact, opportunity or support case goes by that name either.", name)}
	case 1:
	default:
		unanswered = Explanation{State: SeveralAccounts, Message: fmt.Sprintf("Several accounts go by “%s”. Choose one.", name), Candidates: found}
	}
	return found, unanswered, nil
}

// sampleFields are the fields of a Sample that the connected user can read.
func sampleFields(schema soql.Schema) []string {
	return readable(accounts.Object, schema, "Id", "Name", "Type", "Industry", "Website")
}

func readable(object string, schema soql.Schema, fields ...string) []string {
	return slices.DeleteFunc(fields, func(name string) bool {
		_, _, problem := soql.FieldAt(name, object, schema)
		return problem != ""
	})
}

func textOf(record map[string]any, field string) string {
	s, _ := record[field].(string)
	return s
}

// recordOf reads fields of one record, or nothing when the connected user does not see it.
func recordOf(ctx context.Context, source Sampler, object, id string, fields []string) (map[string]any, error) {
	own, err := soql.Compare("Id", soql.Equal, soql.Text(id))
	if err != nil {
		return nil, err
	}
	q, err := soql.Select(object, fields, own)
	if err != nil {
		return nil, err
	}
	rows, err := source.Rows(ctx, q.String())
	if err != nil || len(rows.Records) == 0 {
		return nil, err
	}
	return rows.Records[0], nil
}

// explainAccount reads what the filters look at and asks for their verdicts.
func explainAccount(ctx context.Context, source Sampler, id string, s settings.Settings, schema soql.Schema) (Explanation, error) {
	filters := s.Accounts.Filters()
	conditions := make([]soql.Expr, len(filters))
	fields := sampleFields(schema)
	for i, f := range filters {
		conditions[i], _ = soql.ParseFilter(f.SOQL)
		for _, p := range soql.Paths(conditions[i]) {
			path, _, problem := soql.FieldAt(p.String(), accounts.Object, schema)
			if problem == "" && !slices.Contains(fields, path) {
				fields = append(fields, path)
			}
		}
	}
	record, err := recordOf(ctx, source, accounts.Object, id, fields)
	if err != nil {
		return Explanation{}, err
	}
	if record == nil {
		return unseen(ctx, source, accounts.Object, "account", id, schema)
	}
	out := Explanation{State: Explained, Account: sampleOf(record, schema)}
	ask := &asker{source: source, id: id, answers: map[string]answer{}}
	out.Filters = make([]FilterVerdict, len(filters))
	group, asking := errgroup.WithContext(ctx)
	for i, f := range filters {
		group.Go(func() (err error) {
			out.Filters[i], err = ask.filter(asking, f, conditions[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return Explanation{}, err
	}
	undecided := false // an earlier filter, which could have taken the account
	for i, f := range filters {
		v := &out.Filters[i]
		for j := range v.Clauses {
			v.Clauses[j].Values = valuesOf(accounts.Object, record, v.Clauses[j].Paths, schema)
		}
		if v.Verdict == Passes && out.Type == "" && !undecided {
			out.Type, v.Wins = f.Type, true
		}
		undecided = undecided || v.Verdict == Undecided
	}
	out.Message = out.summary()
	return out, nil
}

// summary is the answer in a sentence.
func (e *Explanation) summary() string {
	if i := slices.IndexFunc(e.Filters, func(v FilterVerdict) bool { return v.Verdict == Undecided }); i >= 0 && e.Type == "" {
		return fmt.Sprintf("Whether the account is synced cannot be told, because of the filter of %s: %s", e.Filters[i].Filter.Type.Label(), e.Filters[i].Problem)
	}
	passed := slices.IndexFunc(e.Filters, func(v FilterVerdict) bool { return v.Verdict == Passes })
	switch {
	case len(e.Filters) == 0:
		return "No filter is set, so no account is synced."
	case passed < 0 && len(e.Filters) == 1:
		return "The account does not match the filter, so it is not synced."
	case passed < 0:
		return "The account matches none of the filters, so it is not synced."
	case len(e.Filters) == 1:
		return "The account matches the filter: the next run syncs it."
	}
	return "The account is a " + e.Filters[passed].Filter.Type.Label() + ", by the first filter that it matches: the next run syncs it."
}

// valuesOf shows what the record of an object holds at the paths.
func valuesOf(object string, record map[string]any, paths []*soql.Path, schema soql.Schema) []FieldValue {
	var out []FieldValue
	for _, p := range paths {
		path, f, problem := soql.FieldAt(p.String(), object, schema)
		if problem != "" {
			out = append(out, FieldValue{Path: p.String(), Unknown: problem})
			continue
		}
		v := FieldValue{Path: path, Label: f.Label}
		var at any = record
		for _, name := range strings.Split(path, ".") {
			parent, _ := at.(map[string]any)
			at = parent[name]
		}
		switch at := at.(type) {
		case nil:
			v.Empty = true
		case string:
			v.Value, v.Empty = at, at == ""
		case json.Number:
			v.Value = at.String()
		case bool:
			v.Value = fmt.Sprint(at)
		default:
			v.Unknown = "This is a compound field, whose parts hold the values."
		}
		out = append(out, v)
	}
	return out
}
