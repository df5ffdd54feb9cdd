package pipeline

import "context"

// Forecast is what one step of a sync would read.
type Forecast struct {
	Label   string `json:"label"`
	Records *int64 `json:"records"` // nil when Salesforce could not count them in time
	Calls   int64  `json:"calls"`   // API requests, about
	Mode    Mode   `json:"mode"`
	Note    string `json:"note,omitempty"` // what is left out and why
}

// Impact is how many accounts other settings would change, by kind.
type Impact struct {
	Now    int64                `json:"now"`  // accounts that are in step
	Then   int64                `json:"then"` // accounts that would be
	Counts map[ImpactKind]int64 `json:"counts"`
	Whole  bool                 `json:"whole"` // Salesforce sent as many records as it had announced; else nobody is said to leave
}

// ImpactKind is a way in which settings change an account.
type ImpactKind string

// The kinds of impact. Changes of owners are of the kind that is named like the column.
const (
	Enters         ImpactKind = "enters"
	Leaves         ImpactKind = "leaves"
	ChangesType    ImpactKind = "account_type"
	ChangesARR     ImpactKind = "arr"
	ChangesRenewal ImpactKind = "renewal_date"
)

// Aside returns the part of a plan that says what becomes of the accounts, with its records kept beside those that are synced.
func (p Plan) Aside() Plan {
	var out Plan
	for _, s := range p.Steps {
		switch s.Table.Name {
		case accounts.Name:
		case "value_records":
			s.Table.Under = AsidePrefix + accounts.Name
		case currencies.Name:
		default:
			continue
		}
		s.Table.Aside, s.Table.Quiet, s.Table.Name = true, true, AsidePrefix+s.Table.Name
		s.Position = len(out.Steps) + 1
		out.Steps = append(out.Steps, s)
	}
	return out
}

// AsidePrefix begins the names of the tables whose records are kept beside.
const AsidePrefix = "impact_"

// forecast says what each step of the plan would cost.
func (j Work) forecast(ctx context.Context, p Plan) ([]Forecast, error) {
	var out []Forecast
	for _, s := range p.Steps {
		if s.Refusal != nil {
			continue
		}
		f := Forecast{Label: s.Label, Records: s.Expected, Mode: Bulk, Note: s.Note}
		if s.Expected != nil && *s.Expected <= j.Options.RESTLimit {
			f.Mode = REST
		}
		beside, err := j.callsInstead(ctx, s)
		if err != nil {
			return nil, err
		}
		f.Calls = calls(s, f.Mode, j.Options) + beside
		out = append(out, f)
	}
	return out, nil
}

// restRows is how many records one page of a REST query holds.
const restRows = 2000

// calls estimates the API requests of one step: its count and its pages, and with a bulk job its making, a few looks at it and its removal.
func calls(s Step, mode Mode, o Options) int64 {
	n := int64(0)
	if s.Expected != nil {
		n = *s.Expected
	}
	if mode == REST {
		return 1 + max(1, (n+restRows-1)/restRows)
	}
	return 1 + 5 + max(1, (n+int64(o.mostRows(s))-1)/int64(o.mostRows(s)))
}

// compare ends an impact: what was read is held against what is here.
func (j Work) compare(ctx context.Context) error {
	if err := j.Store.SetPhase(ctx, "Comparing with what is here"); err != nil {
		return err
	}
	return j.Store.Compare(ctx)
}
