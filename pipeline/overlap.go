package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Unknown stands for a number that the org cannot be asked for.
const Unknown int64 = -1

// OverlapView says how the account filters divide an org's accounts. A number is Unknown when Salesforce has no query for it; a note then says why.
type OverlapView struct {
	Total     int64 // accounts that the connected user can see
	Unmatched int64 // of these, the ones that no filter selects
	Types     []TypeCount
	Shared    []SharedCount // accounts that several filters select: first the pairs, then three at once
}

// TypeCount is one filter's share.
type TypeCount struct {
	Type    settings.AccountType
	Matches int64  // accounts that the filter selects
	Gets    int64  // of these, the ones that no earlier filter takes
	Note    string // why a number is Unknown; empty when both are known
}

// SharedCount is how many accounts all of some filters select.
type SharedCount struct {
	Types  []settings.AccountType // in match order
	Winner settings.AccountType   // the type that these accounts get
	Count  int64
	Note   string // why Count is Unknown; empty when it is known
}

// overlapQueries bounds the counts that are asked for at the same time.
const overlapQueries = 4

// Overlaps counts the accounts of each filter, of each combination of filters and of none, for filters in match order. It asks for one count per combination
// and works the rest out of them, so that the numbers agree with each other. Combinations of filters of which one selects nothing are not asked for.
// It returns a Fault when the org does not answer; a filter that Salesforce refuses is told in its note.
func Overlaps(ctx context.Context, source Sampler, filters []settings.Filter, schema soql.Schema) (OverlapView, error) {
	o := &overlaps{source: source, schema: schema, filters: filters, counts: make([]int64, 1<<len(filters)), notes: make([]string, 1<<len(filters))}
	for size := range len(filters) + 1 {
		if err := o.round(ctx, size); err != nil {
			return OverlapView{}, err
		}
	}
	return o.view(), nil
}

// overlaps holds the counts by combination: bit i of a combination is set when filter i is part of it.
type overlaps struct {
	source  Sampler
	schema  soql.Schema
	filters []settings.Filter
	counts  []int64
	notes   []string
}

// round counts the combinations of size filters, when all smaller ones have been counted.
func (o *overlaps) round(ctx context.Context, size int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(overlapQueries)
	for set := range o.counts {
		if bits.OnesCount(uint(set)) == size {
			group.Go(func() error { return o.count(ctx, set) })
		}
	}
	return group.Wait()
}

// count counts one combination.
func (o *overlaps) count(ctx context.Context, set int) error {
	for i := range o.filters {
		part := set &^ (1 << i)
		if part == set || part == 0 {
			continue
		}
		switch {
		case o.counts[part] == 0:
			o.counts[set], o.notes[set] = 0, ""
			return nil
		case o.notes[part] != "":
			o.counts[set], o.notes[set] = Unknown, o.notes[part]
		}
	}
	if o.notes[set] != "" {
		return nil
	}
	query, problem := o.query(set)
	if problem != "" {
		o.counts[set], o.notes[set] = Unknown, problem
		return nil
	}
	n, err := o.source.Count(ctx, query)
	if f := (*Fault)(nil); errors.As(err, &f) && f.Kind == Refused {
		o.counts[set], o.notes[set] = Unknown, fmt.Sprintf("Salesforce cannot count %s: %s", o.named(set), strings.TrimPrefix(f.Message, refusedPrefix))
		return nil
	}
	o.counts[set] = n
	return err
}

// query is the count of the accounts that all filters of the combination select, or the sentence that says why there is none.
func (o *overlaps) query(set int) (query, problem string) {
	var all []soql.Expr
	for i, f := range o.filters {
		if set&(1<<i) == 0 {
			continue
		}
		e, findings := soql.ParseFilter(f.SOQL)
		if soql.Refused(findings) {
			return "", fmt.Sprintf("The filter of %s is not valid: %s", f.Type.Label(), (&soql.FilterError{Findings: findings}).Error())
		}
		all = append(all, e)
	}
	where := soql.AllOf(all...)
	if len(all) > 1 {
		if findings := soql.CheckFilter(where.String(), accounts.Object, o.schema); soql.Refused(findings) {
			return "", fmt.Sprintf("Salesforce has no query for %s together: %s", o.named(set), (&soql.FilterError{Findings: findings}).Error())
		}
	}
	q, err := soql.Count(accounts.Object, where)
	if err != nil {
		return "", err.Error()
	}
	return q.String(), ""
}

// named lists the types of a combination.
func (o *overlaps) named(set int) string {
	if set == 0 {
		return "all accounts"
	}
	var names []string
	for _, t := range o.types(set) {
		names = append(names, t.Label())
	}
	return strings.Join(names, " and ")
}

func (o *overlaps) types(set int) []settings.AccountType {
	var types []settings.AccountType
	for i, f := range o.filters {
		if set&(1<<i) != 0 {
			types = append(types, f.Type)
		}
	}
	return types
}

// gets is how many accounts of filter i no earlier filter selects: those of the filter, without those it shares with one earlier filter, with those it
// shares with two added again, and so on.
func (o *overlaps) gets(i int) (n int64, note string) {
	for earlier := range 1 << i {
		set := earlier | 1<<i
		if o.notes[set] != "" {
			return Unknown, o.notes[set]
		}
		if bits.OnesCount(uint(earlier))%2 == 0 {
			n += o.counts[set]
		} else {
			n -= o.counts[set]
		}
	}
	return max(n, 0), "" // records may change between two counts
}

// view puts the counts in order.
func (o *overlaps) view() OverlapView {
	v := OverlapView{Total: o.counts[0], Unmatched: o.counts[0]}
	for i, f := range o.filters {
		t := TypeCount{Type: f.Type, Matches: o.counts[1<<i]}
		t.Gets, t.Note = o.gets(i)
		if t.Gets == Unknown || v.Unmatched == Unknown {
			v.Unmatched = Unknown
		} else {
			v.Unmatched = max(v.Unmatched-t.Gets, 0)
		}
		v.Types = append(v.Types, t)
	}
	for set := range o.counts {
		if bits.OnesCount(uint(set)) > 1 {
			types := o.types(set)
			v.Shared = append(v.Shared, SharedCount{Types: types, Winner: types[0], Count: o.counts[set], Note: o.notes[set]})
		}
	}
	slices.SortStableFunc(v.Shared, func(a, b SharedCount) int { return len(a.Types) - len(b.Types) })
	return v
}
