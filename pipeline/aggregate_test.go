package pipeline_test

import (
	"testing"

	"millrace/pipeline"
	"millrace/settings"
)

func TestAggregate(t *testing.T) {
	t.Parallel()
	rates := pipeline.Rates{Corporate: "USD", Of: map[string]string{"USD": "1.0", "EUR": "0.8", "JPY": "150.2"}}
	amounts := func(pairs ...string) (out []pipeline.ValueRecord) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, pipeline.ValueRecord{Amount: pairs[i], Currency: pairs[i+1]})
		}
		return out
	}
	for name, c := range map[string]struct {
		kind    pipeline.ValueKind
		combine settings.Combine
		records []pipeline.ValueRecord
		want    pipeline.Value
	}{
		"nothing":            {pipeline.ARR, settings.Sum, nil, pipeline.Value{}},
		"only empty ones":    {pipeline.ARR, settings.Sum, amounts("", "USD", "", "EUR"), pipeline.Value{}},
		"zero is a value":    {pipeline.ARR, settings.Sum, amounts("0.00", "USD"), pipeline.Value{Amount: "0", Currency: "USD"}},
		"exact":              {pipeline.ARR, settings.Sum, amounts("0.1", "", "0.2", "", "-0.05", ""), pipeline.Value{Amount: "0.25"}},
		"one currency":       {pipeline.ARR, settings.Sum, amounts("100", "EUR", "50.5", "EUR", "", "JPY"), pipeline.Value{Amount: "150.5", Currency: "EUR"}},
		"converted":          {pipeline.ARR, settings.Sum, amounts("100", "EUR", "50", "USD", "100", "JPY"), pipeline.Value{Amount: "175.665779", Currency: "USD"}},
		"largest":            {pipeline.ARR, settings.Max, amounts("-5", "USD", "-7", "USD"), pipeline.Value{Amount: "-5", Currency: "USD"}},
		"largest converted":  {pipeline.ARR, settings.Max, amounts("1000", "JPY", "10", "EUR"), pipeline.Value{Amount: "12.5", Currency: "USD"}},
		"a rate is missing":  {pipeline.ARR, settings.Sum, amounts("1", "USD", "1", "CHF"), pipeline.Value{Problem: pipeline.MixedCurrencies}},
		"its own needs none": {pipeline.ARR, settings.Sum, amounts("1", "CHF", "1", "CHF"), pipeline.Value{Amount: "2", Currency: "CHF"}},
		"largest date":       {pipeline.Renewal, settings.Max, []pipeline.ValueRecord{{Day: "2026-03-01"}, {Day: ""}, {Day: "2027-01-31"}, {Day: "2025-12-31"}}, pipeline.Value{Day: "2027-01-31"}},
		"latest": {pipeline.ARR, settings.Latest, []pipeline.ValueRecord{
			{ID: "a", Amount: "1", Currency: "EUR", LatestBy: "2026-01-02"}, {ID: "b", Amount: "2", Currency: "USD", LatestBy: "2026-01-03"},
			{ID: "c", Amount: "", LatestBy: "2026-01-04"}, {ID: "d", Amount: "9"}}, pipeline.Value{Amount: "2", Currency: "USD"}},
		"latest by change": {pipeline.Renewal, settings.Latest, []pipeline.ValueRecord{
			{ID: "a", Day: "2026-01-01", LatestBy: "2026-01-02T10:00:00.000+0000", SystemModstamp: "2026-02-01T10:00:00.001Z"},
			{ID: "b", Day: "2026-01-02", LatestBy: "2026-01-02T10:00:00.000Z", SystemModstamp: "2026-02-01T10:00:00.000+0000"}}, pipeline.Value{Day: "2026-01-01"}},
		"latest by id": {pipeline.Renewal, settings.Latest, []pipeline.ValueRecord{
			{ID: "B", Day: "2026-01-01", LatestBy: "2026-01-02"}, {ID: "a", Day: "2026-01-02", LatestBy: "2026-01-02"}}, pipeline.Value{Day: "2026-01-02"}},
	} {
		calc := pipeline.Calculation{Kind: c.kind, Rule: settings.ValueRule{Mode: settings.CalculatedValue, Value: "V__c", LatestBy: "L__c", Combine: c.combine}}
		if got := calc.Aggregate(c.records, rates); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
