package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Pager is the part of a Source that reads whole results.
type Pager interface {
	Sampler
	MoreRows(ctx context.Context, next string) (*Rows, error)
}

// ValuePreview is what a rule makes of a few accounts that the filters select.
type ValuePreview struct {
	Query    string // of a run: for the related records, or for the accounts that hold the field
	Records  int64  // calculated: related records that the rule's filter selects in the whole org
	Total    int64  // direct: accounts that the filters select, or Unknown
	Empty    int64  // direct: of these, the ones whose field is empty, or Unknown
	Note     string // what cannot be read, and why; empty for nothing
	Rates    Rates
	Accounts []ValuedAccount
	Took     time.Duration
}

// ValuedAccount is one account with its value.
type ValuedAccount struct {
	Sample
	Value   Value
	Counted int // related records that count
	Without int // related records that the filter selects and that do not count, since a field is empty
}

// How much a preview reads at most.
const (
	recordsAhead = 200    // records in which accounts with a value are looked for
	mostRecords  = 20_000 // related records of the sample accounts
)

// PreviewValue works out a value for a few accounts by the plan of a run and by its Aggregate. Nothing is written. It returns *QueryRefused when Salesforce
// does not accept the rule's filter, and a Fault for other failures and for a rule that does not fit the org.
func PreviewValue(ctx context.Context, source Pager, k ValueKind, s settings.Settings, schema soql.Schema) (ValuePreview, error) {
	started := time.Now()
	s = s.Normalize()
	var out ValuePreview
	var err error
	if k.Rule(s).Mode == settings.DirectValue {
		out, err = previewDirect(ctx, source, k, s, schema)
	} else {
		out, err = previewCalculated(ctx, source, k, s, schema)
	}
	out.Took = time.Since(started)
	return out, err
}

func previewDirect(ctx context.Context, source Sampler, k ValueKind, s settings.Settings, schema soql.Schema) (ValuePreview, error) {
	if odd := (&planner{schema: schema}).unfitValues(s); len(odd) > 0 {
		return ValuePreview{}, odd[0].fault
	}
	field, _, problem := soql.FieldAt(k.Rule(s).Field, accounts.Object, schema)
	if problem != "" {
		return ValuePreview{}, &Fault{Kind: Fatal, Code: string(k) + "_invalid", Message: problem}
	}
	records, query, err := firstAccounts(ctx, source, s, schema, []string{field})
	if err != nil {
		return ValuePreview{}, err
	}
	out := ValuePreview{Query: query}
	for _, r := range records {
		a := ValuedAccount{Sample: sampleOf(r, schema)}
		text := string(jsonField(r[field]))
		switch {
		case k == Renewal:
			a.Value.Day = text
		case text != "":
			a.Value = Value{Amount: text, Currency: textOf(r, currencyField)}
		}
		out.Accounts = append(out.Accounts, a)
	}
	if out.Total, err = countSelected(ctx, source, s.Accounts.Filters(), nil); err != nil {
		return ValuePreview{}, err
	}
	none, err := soql.Compare(field, soql.Equal, soql.Null())
	if err != nil {
		return ValuePreview{}, err
	}
	out.Empty, err = countSelected(ctx, source, s.Accounts.Filters(), none)
	return out, err
}

func previewCalculated(ctx context.Context, source Pager, k ValueKind, s settings.Settings, schema soql.Schema) (ValuePreview, error) {
	v, err := planValue(ctx, source, k, s, schema)
	if err != nil {
		return ValuePreview{}, err
	}
	out := ValuePreview{Query: v.step.Query, Note: v.step.Note, Rates: v.rates}
	if out.Records, err = source.Count(ctx, v.step.CountQuery); err != nil {
		return ValuePreview{}, v.refused(err, v.count)
	}
	ahead, err := source.Rows(ctx, limited(v.step.Query, recordsAhead))
	if err != nil {
		return ValuePreview{}, v.refused(err, v.read)
	}
	var ids []string
	for _, r := range ahead.Records {
		if id := textOf(r, v.calc.Rule.Link); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	chosen, err := accountsWithValue(ctx, source, s, schema, ids)
	if err != nil {
		return ValuePreview{}, err
	}
	ids = nil
	for _, a := range chosen {
		ids = append(ids, a.ID)
	}
	if len(ids) == 0 {
		return out, nil
	}
	these, err := soql.In(v.calc.Rule.Link, ids)
	if err != nil {
		return ValuePreview{}, err
	}
	of, _, err := v.recordsOf(ctx, source, these)
	if err != nil {
		return ValuePreview{}, err
	}
	for _, a := range chosen {
		valued := ValuedAccount{Sample: a, Value: v.calc.Aggregate(of[a.ID], v.rates)}
		for _, r := range of[a.ID] {
			if v.calc.LeftOut(r) == "" {
				valued.Counted++
			} else {
				valued.Without++
			}
		}
		out.Accounts = append(out.Accounts, valued)
	}
	return out, nil
}

// accountsWithValue returns a few accounts that the filters select: those of the ids first, then others.
func accountsWithValue(ctx context.Context, source Sampler, s settings.Settings, schema soql.Schema, ids []string) ([]Sample, error) {
	var out []Sample
	add := func(records []map[string]any) {
		for _, r := range records {
			a := sampleOf(r, schema)
			if len(out) < sampleSize && !slices.ContainsFunc(out, func(o Sample) bool { return o.ID == a.ID }) {
				out = append(out, a)
			}
		}
	}
	if len(ids) > 0 {
		these, err := soql.In("Id", ids)
		if err != nil {
			return nil, err
		}
		for _, f := range s.Accounts.Filters() {
			read, _, err := around(accounts.Object, sampleFields(schema), these, f.SOQL)
			if err != nil {
				return nil, err
			}
			rows, err := source.Rows(ctx, limited(read.Text, sampleSize))
			if err != nil {
				return nil, err
			}
			add(rows.Records)
		}
	}
	if len(out) < sampleSize {
		records, _, err := firstAccounts(ctx, source, s, schema, nil)
		if err != nil {
			return nil, err
		}
		add(records)
	}
	return out, nil
}

// plannedValue is the part of a run that works out one value.
type plannedValue struct {
	schema      soql.Schema
	calc        Calculation
	step        Step
	read, count *soql.Composed // nil for a rule without a filter
	rates       Rates
}

// planValue plans a calculated value as a run does, and reads the rates that it needs.
func planValue(ctx context.Context, source Sampler, k ValueKind, s settings.Settings, schema soql.Schema) (*plannedValue, error) {
	rule := k.Rule(s)
	p := planner{schema: schema}
	object, missing := p.valueObject(k, rule)
	if p.err == nil && len(missing) > 0 {
		p.refuse(k, "The connected Salesforce user cannot see %s.", strings.Join(missing, ", "))
	}
	if p.err != nil {
		return nil, p.err
	}
	// Salesforce names the fields of its answers in their own case of letters.
	for _, name := range []*string{&rule.Link, &rule.Value, &rule.LatestBy} {
		if f := fieldOf(object, *name); f != nil {
			*name = f.Name
		}
	}
	v := &plannedValue{schema: schema, calc: Calculation{Kind: k, Rule: rule}}
	if k == ARR && rule.Combine != settings.Latest && fieldOf(object, currencyField) != nil && p.currencies() {
		v.calc.Rates = true
		rows, err := source.Rows(ctx, p.plan.Steps[len(p.plan.Steps)-1].Query)
		if err != nil {
			return nil, err
		}
		v.rates = ratesOf(rows.Records)
	}
	v.read, v.count = p.addValue(v.calc, nil)
	if p.err != nil {
		return nil, p.err
	}
	v.step = p.plan.Steps[len(p.plan.Steps)-1]
	return v, nil
}

func ratesOf(records []map[string]any) Rates {
	out := Rates{Of: map[string]string{}}
	for _, r := range records {
		code := textOf(r, "IsoCode")
		out.Of[code] = string(jsonField(r["ConversionRate"]))
		if corporate, _ := r["IsCorporate"].(bool); corporate {
			out.Corporate = code
		}
	}
	return out
}

// recordsOf reads the related records that the rule's filter and a condition of ours select, by account, and returns the query that did.
func (v *plannedValue) recordsOf(ctx context.Context, source Pager, condition soql.Expr) (map[string][]ValueRecord, string, error) {
	p := planner{schema: v.schema}
	read, _ := p.addValue(v.calc, condition)
	if p.err != nil {
		return nil, "", p.err
	}
	query := p.plan.Steps[0].Query
	records, err := allRows(ctx, source, query)
	if err != nil {
		return nil, "", v.refused(err, read)
	}
	out := map[string][]ValueRecord{}
	for _, r := range records {
		account, record := v.record(r)
		out[account] = append(out[account], record)
	}
	return out, query, nil
}

// record reads a related record as a run stores it.
func (v *plannedValue) record(r map[string]any) (account string, out ValueRecord) {
	out.ID = textOf(r, "Id")
	for _, c := range v.step.Table.Columns {
		text := string(jsonField(r[c.Field]))
		switch c.Name {
		case "account_id":
			account = text
		case "amount":
			out.Amount = text
		case "currency":
			out.Currency = text
		case "day":
			out.Day = text
		case "latest_by":
			out.LatestBy = text
		case "system_modstamp":
			out.SystemModstamp = text
		}
	}
	return account, out
}

// refused turns a refusal into one that speaks of the rule's filter, where it has one.
func (v *plannedValue) refused(err error, query *soql.Composed) error {
	if query == nil {
		return err
	}
	return refused(err, query)
}

// allRows reads all pages of a result of at most mostRecords records.
func allRows(ctx context.Context, source Pager, query string) ([]map[string]any, error) {
	rows, err := source.Rows(ctx, query)
	if err != nil {
		return nil, err
	}
	if rows.Total > mostRecords {
		return nil, &Fault{Kind: Fatal, Code: "too_many_records", Message: fmt.Sprintf("The accounts of this preview have %d related records, too many to show at once. A run reads them all.", rows.Total)}
	}
	out := rows.Records
	for rows.Next != "" && len(out) < mostRecords {
		if rows, err = source.MoreRows(ctx, rows.Next); err != nil {
			return nil, err
		}
		out = append(out, rows.Records...)
	}
	return out, nil
}

func sampleOf(record map[string]any, schema soql.Schema) Sample {
	return samples(&Rows{Records: []map[string]any{record}}, schema)[0]
}
