package pipeline

import (
	"math/big"
	"strings"
	"time"

	"millrace/settings"
)

// MixedCurrencies says why an account whose records are in several currencies has no value.
const MixedCurrencies = "The account's records are in several currencies, and the connected Salesforce user cannot see the rate of each. " +
	"The ARR stays empty: amounts of different currencies are never added up. Give the user the permission to view currencies (View Setup and Configuration), or choose a value in one currency."

// ValueRecord is one related record that may count for an account's value, with its values as Salesforce gives them. Empty means that there is none.
type ValueRecord struct {
	ID             string
	Amount         string // a decimal
	Currency       string
	Day            string // as 2006-01-02
	LatestBy       string // a day, or a date and time
	SystemModstamp string
}

// Rates are the conversion rates of an org with several currencies: units of each currency for one unit of the corporate one.
type Rates struct {
	Corporate string
	Of        map[string]string // decimals
}

// Value is what an account's records make. Without a counted record it is empty.
type Value struct {
	Amount   string // a decimal; of ARR
	Currency string // empty in orgs with one currency
	Day      string // as 2006-01-02; of a renewal date
	Problem  string // why it is empty although records count; empty otherwise
}

// LeftOut says why a record does not count although the rule's filter selects it; it is empty when the record counts.
func (c Calculation) LeftOut(r ValueRecord) string {
	switch {
	case c.Kind == ARR && r.Amount == "", c.Kind == Renewal && r.Day == "":
		return c.Rule.Value + " is empty"
	case c.Rule.Combine == settings.Latest && r.LatestBy == "":
		return c.Rule.LatestBy + " is empty, so its place in time is not known"
	}
	return ""
}

// Aggregate makes one account's value from its records, as a run does in Postgres:
//
//   - A record without a value does not count; nor, for the latest, one without a date to go by. Where none counts, the value is empty.
//   - The latest record is the last by the rule's date. Of several with the same date it is the one that Salesforce changed last, and of those that changed
//     at the same time the one with the greatest Id.
//   - The sum and the largest of amounts in one currency are in that currency. Amounts in several are first converted to the corporate currency, each
//     rounded to six places, half away from zero. Where a rate is missing there is no value, but a Problem.
func (c Calculation) Aggregate(records []ValueRecord, rates Rates) Value {
	var counted []ValueRecord
	for _, r := range records {
		if c.LeftOut(r) == "" {
			counted = append(counted, r)
		}
	}
	switch {
	case len(counted) == 0:
		return Value{}
	case c.Rule.Combine == settings.Latest:
		last := counted[0]
		for _, r := range counted[1:] {
			if r.after(last) {
				last = r
			}
		}
		if c.Kind == Renewal {
			return Value{Day: last.Day}
		}
		return Value{Amount: last.Amount, Currency: last.Currency}
	case c.Kind == Renewal:
		day := counted[0].Day
		for _, r := range counted[1:] {
			day = max(day, r.Day)
		}
		return Value{Day: day}
	}
	return c.combine(counted, rates)
}

// combine adds amounts up, or finds the largest.
func (c Calculation) combine(records []ValueRecord, rates Rates) Value {
	out := Value{Currency: records[0].Currency}
	convert := false
	for _, r := range records {
		convert = convert || r.Currency != out.Currency
	}
	if convert {
		out.Currency = rates.Corporate
	}
	total := new(big.Rat)
	for i, r := range records {
		amount, ok := new(big.Rat).SetString(r.Amount)
		if ok && convert {
			amount, ok = rates.convert(amount, r.Currency)
		}
		switch {
		case !ok:
			return Value{Problem: MixedCurrencies}
		case c.Rule.Combine == settings.Sum:
			total.Add(total, amount)
		case i == 0 || amount.Cmp(total) > 0:
			total = amount
		}
	}
	out.Amount = decimal(total)
	return out
}

// Convert brings an amount into the corporate currency, as Aggregate does. It reports false when there is no rate for it.
func (r Rates) Convert(amount, currency string) (string, bool) {
	n, ok := new(big.Rat).SetString(amount)
	if ok {
		n, ok = r.convert(n, currency)
	}
	if !ok {
		return "", false
	}
	return decimal(n), true
}

// convert brings an amount into the corporate currency.
func (r Rates) convert(amount *big.Rat, currency string) (*big.Rat, bool) {
	rate, ok := new(big.Rat).SetString(r.Of[currency])
	if !ok || rate.Sign() <= 0 || r.Corporate == "" {
		return nil, false
	}
	return new(big.Rat).SetString(new(big.Rat).Quo(amount, rate).FloatString(6)) // rounds half away from zero
}

// decimal writes a number that has a finite decimal form, in full and without needless zeros.
func decimal(r *big.Rat) string {
	places, _ := r.FloatPrec()
	text := r.FloatString(places)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// after reports whether r is later than o.
func (r ValueRecord) after(o ValueRecord) bool {
	if d := moment(r.LatestBy).Compare(moment(o.LatestBy)); d != 0 {
		return d > 0
	}
	if d := moment(r.SystemModstamp).Compare(moment(o.SystemModstamp)); d != 0 {
		return d > 0
	}
	return r.ID > o.ID
}

// moment reads a date, or a date and time, as Salesforce writes them; the zero time stands for what is neither.
func moment(v string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t
		}
	}
	return time.Time{}
}
