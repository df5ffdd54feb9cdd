package db_test

import (
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
)

// TestCalculatedValuesAgree makes random records of random accounts and holds what Postgres works out of them against pipeline.Aggregate, which previews use.
func TestCalculatedValuesAgree(t *testing.T) {
	t.Parallel()
	d, user, c := connected(t)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", user.ID); err != nil {
		t.Fatal(err)
	}
	mixed, valued := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		world := drawValues(rt)
		world.store(t, d, c.ID)
		run := world.finish(t, d, c.ID, user.ID)
		for account, records := range world.records {
			want := world.calc.Aggregate(records, world.rates)
			got := get[struct {
				Amount, Currency, Day string
			}](t, d, `SELECT coalesce(arr::text, '') AS amount, coalesce(arr_currency, '') AS currency, coalesce(renewal_date::text, '') AS day
			            FROM millrace.accounts WHERE connection_id = $1 AND sf_id = $2`, c.ID, account)
			if !sameNumber(got.Amount, want.Amount) || got.Currency != want.Currency || got.Day != want.Day {
				rt.Fatalf("%s: Postgres has %+v, previews %+v of %+v by %+v, %+v", account, got, want, records, world.calc, world.rates)
			}
			listed := get[int](t, d, `SELECT count(*) FROM millrace.run_errors WHERE run_id = $1 AND sf_id = $2`, run, account)
			if (listed == 1) != (want.Problem != "") {
				rt.Fatalf("%s is listed %d times: %s", account, listed, want.Problem)
			}
			if want.Problem != "" {
				mixed++
			} else if want != (pipeline.Value{}) {
				valued++
			}
		}
	})
	if mixed == 0 || valued < 50 {
		t.Errorf("%d accounts in currencies without rates, %d with a value", mixed, valued)
	}
}

func sameNumber(a, b string) bool {
	x, okX := new(big.Rat).SetString(a)
	y, okY := new(big.Rat).SetString(b)
	return okX == okY && (!okX || x.Cmp(y) == 0)
}

// valueWorld is what a step of a calculated value finds.
type valueWorld struct {
	calc    pipeline.Calculation
	rates   pipeline.Rates
	records map[string][]pipeline.ValueRecord // by account
}

func drawValues(t *rapid.T) valueWorld {
	w := valueWorld{records: map[string][]pipeline.ValueRecord{}, rates: pipeline.Rates{Of: map[string]string{}}}
	w.calc.Kind = rapid.SampledFrom(pipeline.ValueKinds).Draw(t, "kind")
	ways := []settings.Combine{settings.Sum, settings.Max, settings.Latest}
	if w.calc.Kind == pipeline.Renewal {
		ways = ways[1:]
	}
	w.calc.Rule = settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Value: "V__c", LatestBy: "L__c", Combine: rapid.SampledFrom(ways).Draw(t, "combine")}
	if w.calc.Rates = rapid.Bool().Draw(t, "rates"); w.calc.Rates {
		w.rates = pipeline.Rates{Corporate: "USD", Of: map[string]string{"USD": "1.0", "EUR": fmt.Sprintf("0.%06d", rapid.IntRange(1, 999999).Draw(t, "rate")), "JPY": "150.2"}}
	}
	currencies := rapid.SampledFrom([][]string{{""}, {"EUR"}, {"USD", "EUR"}, {"USD", "EUR", "JPY", "CHF"}}).Draw(t, "currencies")
	for i := range rapid.IntRange(1, 6).Draw(t, "accounts") {
		account := fmt.Sprintf("001%012dAAA", i)
		w.records[account] = nil
		for n := range rapid.IntRange(0, 5).Draw(t, "records") {
			r := pipeline.ValueRecord{
				ID: fmt.Sprintf("a0%s%06d%06dAAA", rapid.SampledFrom([]string{"a", "B", "0"}).Draw(t, "letter"), i, n), Currency: rapid.SampledFrom(currencies).Draw(t, "currency"),
				SystemModstamp: fmt.Sprintf("2026-05-01T10:00:00.00%dZ", rapid.IntRange(0, 2).Draw(t, "modstamp")),
			}
			if rapid.IntRange(0, 5).Draw(t, "empty") > 0 {
				if w.calc.Kind == pipeline.ARR {
					r.Amount = fmt.Sprintf("%d.%02d", rapid.Int64Range(-100, 1e13).Draw(t, "units"), rapid.IntRange(0, 99).Draw(t, "cents"))
				} else {
					r.Day = fmt.Sprintf("20%02d-02-%02d", rapid.IntRange(20, 30).Draw(t, "year"), rapid.IntRange(1, 28).Draw(t, "day"))
				}
			}
			if rapid.IntRange(0, 5).Draw(t, "undated") > 0 {
				r.LatestBy = rapid.SampledFrom([]string{"2026-01-01", "2026-01-01T00:00:00.000+0000", "2026-01-01T12:00:00Z", "2025-12-31"}).Draw(t, "latest")
			}
			w.records[account] = append(w.records[account], r)
		}
	}
	return w
}

// store puts the records where a step has put them when it is read.
func (w valueWorld) store(t *testing.T, d *db.DB, connection int64) {
	exec(t, d, `DELETE FROM millrace.value_records; DELETE FROM millrace.currencies; DELETE FROM millrace.accounts`)
	exec(t, d, `INSERT INTO millrace.currencies (connection_id, sf_id, iso_code, rate, is_corporate, first_seen_run, last_seen_run) VALUES ($1, 'old', 'CHF', 0, false, 1, 1)`, connection)
	for iso, rate := range w.rates.Of {
		exec(t, d, `INSERT INTO millrace.currencies (connection_id, sf_id, iso_code, rate, is_corporate, first_seen_run, last_seen_run) VALUES ($1, $2, $2, $3::numeric, $2 = 'USD', 1, 1)`, connection, iso, rate)
	}
	for account, records := range w.records {
		// What an older rule left is overwritten.
		exec(t, d, `INSERT INTO millrace.accounts (connection_id, sf_id, account_type, arr, renewal_date, first_seen_run, last_seen_run)
			VALUES ($1, $2, 'customer', CASE WHEN $3 = 'arr' THEN 5 END, CASE WHEN $3 = 'renewal' THEN now()::date END, 1, 1)`, connection, account, w.calc.Kind)
		for _, r := range records {
			latest := r.LatestBy
			if len(latest) == len(time.DateOnly) {
				latest += "T00:00:00Z"
			}
			exec(t, d, `INSERT INTO millrace.value_records (connection_id, kind, sf_id, account_id, amount, currency, day, latest_by, system_modstamp, first_seen_run, last_seen_run)
				VALUES ($1, $2, $3, $4, nullif($5, '')::numeric, nullif($6, ''), nullif($7, '')::date, nullif($8, '')::timestamptz, $9::timestamptz, 1, 1)`,
				connection, w.calc.Kind, r.ID, account, r.Amount, r.Currency, r.Day, latest, r.SystemModstamp)
		}
	}
}

// finish ends the step of a run that has read them, and the run.
func (w valueWorld) finish(t *testing.T, d *db.DB, connection, user int64) (run int64) {
	t.Helper()
	if _, _, err := d.RequestRun(t.Context(), connection, pipeline.EntityAll, db.TriggerManual, &user); err != nil {
		t.Fatal(err)
	}
	r, err := d.Claim(t.Context(), "test", time.Hour)
	if err != nil || r == nil {
		t.Fatal(r, err)
	}
	store := d.RunStore(r)
	none := int64(0)
	step := pipeline.Step{Position: 1, Name: string(w.calc.Kind), Label: "Value", Calculation: &w.calc, Expected: &none,
		Table: pipeline.Table{Object: "Subscription__c", Name: "value_records", Set: string(w.calc.Kind), Quiet: true, Keys: []pipeline.Key{{Name: "kind", Value: string(w.calc.Kind)}}}}
	if err := store.SaveSteps(t.Context(), []pipeline.Step{step}); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `UPDATE millrace.run_steps SET fresh = true WHERE run_id = $1`, r.ID) // all that is there has been met
	if err := store.FinishStep(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if err := d.Finish(t.Context(), r.ID, r.Fence, db.Ending{State: db.RunCompleted}); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// TestZombieWorksNothingOut lets a runner that has lost its run finish a step: nothing of what it worked out stays, and its heir does the work.
func TestZombieWorksNothingOut(t *testing.T) {
	t.Parallel()
	d, user, c := connected(t)
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, single("Id != null"), "", user.ID); err != nil {
		t.Fatal(err)
	}
	w := valueWorld{
		calc:    pipeline.Calculation{Kind: pipeline.ARR, Rule: settings.ValueRule{Combine: settings.Sum}},
		records: map[string][]pipeline.ValueRecord{"001000000000001AAA": {{ID: "a00000000000001AAA", Amount: "2.5", SystemModstamp: "2026-05-01T10:00:00Z"}}},
	}
	w.store(t, d, c.ID)
	zombie, err := d.Claim(t.Context(), "zombie", time.Millisecond)
	if err != nil || zombie == nil {
		t.Fatal(zombie, err)
	}
	none := int64(0)
	step := pipeline.Step{Position: 1, Name: "arr", Calculation: &w.calc, Expected: &none,
		Table: pipeline.Table{Object: "Subscription__c", Name: "value_records", Set: "arr", Quiet: true, Keys: []pipeline.Key{{Name: "kind", Value: "arr"}}}}
	if err := d.RunStore(zombie).SaveSteps(t.Context(), []pipeline.Step{step}); err != nil {
		t.Fatal(err)
	}
	exec(t, d, `UPDATE millrace.run_steps SET fresh = true`)
	time.Sleep(5 * time.Millisecond)
	heir, err := d.Claim(t.Context(), "heir", time.Hour)
	if err != nil || heir == nil || heir.ID != zombie.ID {
		t.Fatal(heir, err)
	}
	arr := func() string { return get[string](t, d, `SELECT arr::text FROM millrace.accounts`) }
	if err := d.RunStore(zombie).FinishStep(t.Context(), step); !errors.Is(err, db.ErrFenced) || arr() != "5" {
		t.Errorf("the zombie: %v, ARR %s", err, arr())
	}
	if err := d.RunStore(heir).FinishStep(t.Context(), step); err != nil || arr() != "2.5" {
		t.Errorf("the heir: %v, ARR %s", err, arr())
	}
	if err := d.RunStore(heir).FinishStep(t.Context(), step); err != nil { // once more, when it did not hear that it was done
		t.Error(err)
	}
	if n := get[int](t, d, `SELECT updated FROM millrace.run_steps WHERE run_id = $1 AND position = 1`, heir.ID); n != 1 {
		t.Errorf("%d accounts count as updated", n)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE changes ? 'arr'`); n != 1 {
		t.Errorf("%d audit rows", n)
	}
}
