package sim

import (
	"testing"

	"millrace/salesforce/soql"
)

// FuzzQuery runs any text as a query. Nothing may panic, and what the checker passes must run.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{
		"SELECT Id, Name, Owner.Name, (SELECT Id FROM Contacts LIMIT 1) FROM Account WHERE Name LIKE 'A%' AND (ARR__c > 5 OR Type = null) ORDER BY ARR__c DESC NULLS LAST LIMIT 5 OFFSET 2",
		"SELECT Type, COUNT(Id) n, AVG(ARR__c) FROM Account GROUP BY ROLLUP(Type) HAVING COUNT(Id) > 1 ORDER BY COUNT(Id)",
		"SELECT TYPEOF What WHEN Account THEN Website ELSE Name END, CALENDAR_YEAR(CreatedDate) FROM Task WHERE What.Type IN ('Account') AND ActivityDate = LAST_N_DAYS:30",
		"SELECT FIELDS(ALL) FROM Opportunity WHERE AccountId IN (SELECT Id FROM Account WHERE Tags__c INCLUDES ('Champion;At Risk')) LIMIT 200",
		"SELECT toLabel(Tier__c), FORMAT(ARR__c) a, convertCurrency(AnnualRevenue) FROM Account USING SCOPE mine WHERE DISTANCE(BillingAddress, GEOLOCATION(1,2), 'km') < 5",
		"SELECT MAX(CreatedDate), COUNT_DISTINCT(Email) FROM Contact WHERE Account.Parent.Owner.Name != 'x' AND (NOT Email = null)",
		"SELECT DAY_ONLY(convertTimezone(CreatedDate)) d, COUNT(Id) FROM Case GROUP BY DAY_ONLY(convertTimezone(CreatedDate))",
	} {
		f.Add(q)
	}
	o, err := New(Options{Accounts: 12})
	if err != nil {
		f.Fatal(err)
	}
	w := o.world.Load()
	f.Fuzz(func(t *testing.T, text string) {
		q, err := soql.ParseQuery(text)
		if err != nil {
			return
		}
		rows, err := o.Eval(text)
		if _, bulk := o.prepare(w, text, userIntegration, mode{bulk: true}); err != nil && bulk == nil {
			t.Errorf("%q is refused by REST (%v) and taken by bulk", text, err)
		}
		if err == nil && q.Limit != nil && int64(len(rows)) > q.Limit.N && !q.IsCount() {
			t.Errorf("%q: %d rows", text, len(rows))
		}
	})
}
