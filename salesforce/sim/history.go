package sim

import "fmt"

// tracked are the fields of an opportunity whose changes are kept in its field history.
var tracked = [...]string{"StageName", "Amount", "CloseDate"}

// opportunityHistory adds a row when stage, amount, probability or close date changed, and one to the field history for each tracked field.
func (t *tx) opportunityHistory(o *object, row int, old func(*field) value, vals map[*field]value) error {
	changed := func(name string) bool {
		f := o.field(name)
		v, given := vals[f]
		return given && old != nil && compare(old(f), v) != 0
	}
	for _, name := range tracked {
		if changed(name) {
			f := o.field(name)
			t.appendHistory("OpportunityFieldHistory", o, row, map[string]value{"Field": textValue(name), "OldValue": textValue(old(f).text()),
				"NewValue": textValue(t.w.get(o, f, row).text())})
		}
	}
	if old == nil {
		t.appendHistory("OpportunityFieldHistory", o, row, map[string]value{"Field": textValue("created")})
	} else if !changed("StageName") && !changed("Amount") && !changed("CloseDate") && !changed("Probability") {
		return nil
	}
	entry := map[string]value{}
	for _, name := range [...]string{"StageName", "Amount", "Probability", "CloseDate", "ExpectedRevenue", "ForecastCategory"} {
		entry[name] = t.w.get(o, o.field(name), row)
	}
	if old != nil {
		entry["PrevAmount"], entry["PrevCloseDate"] = old(o.field("Amount")), old(o.field("CloseDate"))
	}
	t.appendHistory("OpportunityHistory", o, row, entry)
	return nil
}

// appendHistory adds a row to a table that clients only read.
func (t *tx) appendHistory(table string, o *object, row int, entry map[string]value) {
	h := t.w.object(table)
	r := &record{}
	for _, f := range h.fields {
		if f.col >= 0 && f.typ != "id" {
			if v := t.initial(h, f, 0); !v.isNull() {
				r.set(f.col, v)
			}
		}
	}
	r.set(h.field("OpportunityId").col, idValue(o.id(row)))
	for name, v := range entry {
		if !v.isNull() {
			r.set(h.field(name).col, v)
		}
	}
	t.put(h, t.w.table(h).rows, r)
}

// MoveStage moves an opportunity to a stage of the org, with all that follows from it: probability, forecast, history. It fails for a stage that the org
// does not have.
func (o *Org) MoveStage(opportunity, stage string) error {
	for _, s := range stages {
		if s.name == stage {
			return o.Update("Opportunity", opportunity, map[string]any{"StageName": stage})
		}
	}
	return fmt.Errorf("simulated org: no stage %q", stage)
}
