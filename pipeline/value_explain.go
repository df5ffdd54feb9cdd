package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// ValueQuestion asks how the value of one account comes about.
type ValueQuestion struct {
	Kind      ValueKind
	Account   string // its name, its id or the address of its page
	Compare   string // the Account field that the value is compared with; empty for none
	NameField string // by which people know a related record; empty when it has none
}

// ValueExplanation is how the calculated value of one account comes about. Message and Candidates are as in an Explanation; the rest is for Explained.
type ValueExplanation struct {
	State      ExplanationState
	Message    string
	Candidates []Sample

	Account  Sample
	Value    Value
	Query    string // that selects the records of the account
	Rates    Rates
	Mixed    bool              // amounts were converted to the corporate currency
	Records  []ExplainedRecord // those that count first; at most mostExplained
	Counted  int
	LeftOut  int
	Compared *Comparison // nil when nothing is compared
}

// ExplainedRecord is one related record of the account.
type ExplainedRecord struct {
	ValueRecord
	Name      string
	Counts    bool
	Gives     bool   // of the records that count, it alone gives the value
	Converted string // its amount in the corporate currency, where amounts are converted
	Why       string // why it does not count, when no clause of the filter says so
	Clauses   []LeftOutBy
}

// LeftOutBy is a clause of the filter that a record does not meet, with what the record holds.
type LeftOutBy struct {
	Clause string
	Values []FieldValue
}

// Comparison sets a value beside what a field of the account holds.
type Comparison struct {
	Field, Label string
	Value        string // as Salesforce writes it; empty for none
	Currency     string
	Difference   string // the value less the field's: an amount, or days
	In           string // currency of Difference
	Note         string // why there is no difference
}

// Bounds of an explanation.
const (
	mostExplained = 200 // records that are listed
	mostClauses   = 30  // clauses that are asked about
)

// ExplainValue says which related records of an account its value is made of, which are left out and by which clause of the rule's filter, and what comes
// out. The records that count are those that the query of a run selects, put together by the same Aggregate. It returns *QueryRefused when Salesforce does
// not accept the filter, and a Fault for other failures and for a rule that does not fit the org.
func ExplainValue(ctx context.Context, source Pager, ask ValueQuestion, s settings.Settings, schema soql.Schema) (ValueExplanation, error) {
	account, unanswered, err := accountAsked(ctx, source, ask, schema)
	if account == nil || err != nil {
		return unanswered, err
	}
	v, err := planValue(ctx, source, ask.Kind, s.Normalize(), schema)
	if err != nil {
		return ValueExplanation{}, err
	}
	out := ValueExplanation{State: Explained, Account: sampleOf(account, schema), Rates: v.rates}
	own, err := soql.Compare(v.calc.Rule.Link, soql.Equal, soql.Text(out.Account.ID))
	if err != nil {
		return ValueExplanation{}, err
	}
	of, query, err := v.recordsOf(ctx, source, own)
	if err != nil {
		return ValueExplanation{}, err
	}
	out.Query = query
	selected := of[out.Account.ID]
	out.Value = v.calc.Aggregate(selected, v.rates)
	if err := v.explain(ctx, source, ask.NameField, own, selected, &out); err != nil {
		return ValueExplanation{}, err
	}
	if ask.Compare != "" {
		out.Compared = compare(ask, account, out.Value, v.rates, schema)
	}
	return out, nil
}

// accountAsked reads the account that the question names; nil with the reason when it is not one alone.
func accountAsked(ctx context.Context, source Sampler, ask ValueQuestion, schema soql.Schema) (map[string]any, ValueExplanation, error) {
	ref, problem := ParseRecordRef(ask.Account)
	switch {
	case problem != "":
		return nil, ValueExplanation{State: RefUnreadable, Message: problem}, nil
	case ref.Name != "":
		found, unanswered, err := accountsNamed(ctx, source, ref.Name, schema)
		if err != nil {
			return nil, ValueExplanation{}, err
		}
		if len(found) != 1 {
			return nil, ValueExplanation{State: unanswered.State, Message: unanswered.Message, Candidates: unanswered.Candidates}, nil
		}
		ref.ID = found[0].ID
	case !strings.HasPrefix(ref.ID, accountPrefix):
		return nil, ValueExplanation{State: RefUnreadable, Message: "This is the id of another kind of record. The ids of accounts begin with 001."}, nil
	}
	fields := sampleFields(schema)
	for _, name := range readable(accounts.Object, schema, currencyField, ask.Compare) {
		if !slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, name) }) {
			fields = append(fields, name)
		}
	}
	record, err := recordOf(ctx, source, accounts.Object, ref.ID, fields)
	if record == nil && err == nil {
		return nil, ValueExplanation{State: NotVisible, Message: fmt.Sprintf(invisible, "account")}, nil
	}
	return record, ValueExplanation{}, err
}

// explain lists the records of the account, with why each counts or does not.
func (v *plannedValue) explain(ctx context.Context, source Pager, nameField string, own soql.Expr, selected []ValueRecord, out *ValueExplanation) error {
	condition, _ := soql.ParseFilter(v.calc.Rule.Filter)
	clauses := soql.Clauses(condition)
	fields := []string{"Id"}
	add := func(name string) {
		path, _, problem := soql.FieldAt(name, v.calc.Rule.Object, v.schema)
		if problem == "" && !slices.Contains(fields, path) {
			fields = append(fields, path)
		}
	}
	if nameField != "" {
		add(nameField)
	}
	for _, c := range v.step.Table.Columns {
		add(c.Field)
	}
	for _, p := range soql.Paths(condition) {
		add(p.String())
	}
	q, err := soql.Select(v.calc.Rule.Object, fields, own)
	if err != nil {
		return err
	}
	all, err := allRows(ctx, source, q.String())
	if err != nil {
		return err
	}
	chosen := map[string]bool{}
	for _, r := range selected {
		chosen[r.ID] = true
	}
	var meets []map[string]bool
	if len(all) > len(selected) {
		if meets, err = v.clauses(ctx, source, own, clauses); err != nil {
			return err
		}
	}
	out.Mixed = out.Value.Currency != "" && slices.ContainsFunc(selected, func(r ValueRecord) bool { return r.Currency != out.Value.Currency && v.calc.LeftOut(r) == "" })
	gives := v.giver(selected, out)
	for _, raw := range all {
		_, r := v.record(raw)
		e := ExplainedRecord{ValueRecord: r, Name: textOf(raw, nameField)}
		switch {
		case !chosen[r.ID]:
			for _, i := range failing(clauses, meets, r.ID, 0) {
				c := clauses[i]
				e.Clauses = append(e.Clauses, LeftOutBy{Clause: v.calc.Rule.Filter[c.Start.Offset:c.End.Offset], Values: valuesOf(v.calc.Rule.Object, raw, pathsBelow(clauses, i), v.schema)})
			}
			if len(e.Clauses) == 0 {
				e.Why = "The filter leaves it out"
			}
		case v.calc.LeftOut(r) != "":
			e.Why = v.calc.LeftOut(r)
		default:
			e.Counts, e.Gives = true, r.ID == gives
			if out.Mixed {
				e.Converted, _ = v.rates.Convert(r.Amount, r.Currency)
			}
		}
		if e.Counts {
			out.Counted++
		} else {
			out.LeftOut++
		}
		out.Records = append(out.Records, e)
	}
	slices.SortStableFunc(out.Records, func(a, b ExplainedRecord) int {
		rank := func(e ExplainedRecord) int {
			switch {
			case e.Gives:
				return 0
			case e.Counts:
				return 1
			}
			return 2
		}
		return rank(a) - rank(b)
	})
	out.Records = out.Records[:min(len(out.Records), mostExplained)]
	return nil
}

// giver returns the id of the record that alone gives the value: the latest, or the first with the largest.
func (v *plannedValue) giver(selected []ValueRecord, out *ValueExplanation) string {
	if v.calc.Rule.Combine == settings.Sum {
		return ""
	}
	var best *ValueRecord
	for i := range selected {
		r := &selected[i]
		if v.calc.LeftOut(*r) != "" {
			continue
		}
		if v.calc.Rule.Combine == settings.Latest {
			if best == nil || r.after(*best) {
				best = r
			}
			continue
		}
		amount := r.Amount
		if out.Mixed {
			amount, _ = v.rates.Convert(r.Amount, r.Currency)
		}
		if best == nil && (v.calc.Kind == Renewal && r.Day == out.Value.Day || v.calc.Kind == ARR && sameNumber(amount, out.Value.Amount)) {
			best = r
		}
	}
	if best == nil {
		return ""
	}
	return best.ID
}

func sameNumber(a, b string) bool {
	x, ok := new(big.Rat).SetString(a)
	y, also := new(big.Rat).SetString(b)
	return ok && also && x.Cmp(y) == 0
}

// clauses asks for each clause which records of the account meet it. A nil entry stands for a clause that Salesforce cannot be asked about alone.
func (v *plannedValue) clauses(ctx context.Context, source Pager, own soql.Expr, clauses []soql.Clause) ([]map[string]bool, error) {
	out := make([]map[string]bool, len(clauses))
	for i, c := range clauses[:min(len(clauses), mostClauses)] {
		q, err := soql.Select(v.calc.Rule.Object, []string{"Id"}, soql.AllOf(own, c.Expr))
		if err != nil {
			return nil, err
		}
		rows, err := allRows(ctx, source, q.String())
		var f *Fault
		if errors.As(err, &f) && f.Kind == Refused {
			continue
		}
		if err != nil {
			return nil, err
		}
		out[i] = map[string]bool{}
		for _, r := range rows {
			out[i][textOf(r, "Id")] = true
		}
	}
	return out, nil
}

// failing returns the clauses by which clause i, which a record does not meet, leaves the record out: of those that must all hold the ones that do not.
func failing(clauses []soql.Clause, meets []map[string]bool, id string, i int) []int {
	if i >= len(clauses) {
		return nil
	}
	if clauses[i].Join != soql.All {
		return []int{i}
	}
	var out []int
	for j := i + 1; j < len(clauses); j++ {
		if clauses[j].Parent == i && meets[j] != nil && !meets[j][id] {
			out = append(out, failing(clauses, meets, id, j)...)
		}
	}
	if len(out) == 0 {
		return []int{i}
	}
	return out
}

// pathsBelow are the fields that a clause and those below it read.
func pathsBelow(clauses []soql.Clause, i int) []*soql.Path {
	out := slices.Clone(clauses[i].Paths)
	for j := i + 1; j < len(clauses); j++ {
		if clauses[j].Parent == i {
			for _, p := range pathsBelow(clauses, j) {
				if !slices.ContainsFunc(out, func(o *soql.Path) bool { return o.String() == p.String() }) {
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// compare sets a value beside a field of the account.
func compare(ask ValueQuestion, account map[string]any, value Value, rates Rates, schema soql.Schema) *Comparison {
	path, f, problem := soql.FieldAt(ask.Compare, accounts.Object, schema)
	if problem != "" {
		return &Comparison{Field: ask.Compare, Note: problem}
	}
	out := &Comparison{Field: path, Label: f.Label, Value: string(jsonField(account[path]))}
	if f.Type == "currency" {
		out.Currency = textOf(account, currencyField)
	}
	switch {
	case out.Value == "":
		out.Note = "The field is empty on this account."
	case value.Problem != "", value.Amount == "" && value.Day == "":
		out.Note = "There is no value to compare it with."
	case ask.Kind == Renewal:
		mine, theirs := moment(value.Day), moment(out.Value)
		out.Difference = fmt.Sprint(int(mine.Sub(theirs.Truncate(24*time.Hour)).Hours() / 24))
	default:
		mine, theirs := value.Amount, out.Value
		out.In = value.Currency
		if out.Currency != "" && value.Currency != "" && out.Currency != value.Currency {
			var one, other bool
			mine, one = rates.Convert(mine, value.Currency)
			theirs, other = rates.Convert(theirs, out.Currency)
			if !one || !other {
				out.Note = "It is in " + out.Currency + " and the value in " + value.Currency + ", so there is no difference to tell."
				return out
			}
			out.In = rates.Corporate
			out.Note = "Both converted to " + rates.Corporate + "."
		}
		a, ok := new(big.Rat).SetString(mine)
		b, also := new(big.Rat).SetString(theirs)
		if !ok || !also {
			out.Note = "The field holds no number."
			return out
		}
		out.Difference = decimal(a.Sub(a, b))
	}
	return out
}
