package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"millrace/pipeline"
	"millrace/settings"
)

// TestAccountPageSaysWhereValuesComeFrom shows owners, ARR, renewal date and further fields with their origin: that of the run that wrote them, not of
// settings that were saved since.
func TestAccountPageSaysWhereValuesComeFrom(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 2)
	s := settings.Settings{
		Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Id != null"},
		Owners:   settings.OwnerMapping{CSM: "CSM__c", TAM: "TAM__c", SalesRep: "Rep__c"},
		ARR:      settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "ARR__c", Combine: settings.Sum, Filter: "Status__c = 'Active'"},
		Renewal:  settings.ValueRule{Mode: settings.DirectValue, Field: "Renewal_Date__c"},
	}
	if _, _, err := a.db.SaveSettings(t.Context(), c.ID, 0, s, "", a.admin.ID); err != nil {
		t.Fatal(err)
	}
	run, err := a.db.Claim(t.Context(), "test", time.Hour)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	accounts, _ := pipeline.TableOf("Account")
	if err := a.db.RunStore(run).SaveSteps(t.Context(), []pipeline.Step{{Position: 1, Name: "accounts:customer", Label: "Accounts", Table: accounts},
		{Position: 2, Name: "arr", Label: "ARR", Table: pipeline.Table{Object: "Subscription__c", Set: "arr"}}}); err != nil {
		t.Fatal(err)
	}
	b := a.as(a.viewer)
	page := orgPath(c.ID, "/accounts/001000000000002AAA")
	p := b.get(page).is(http.StatusOK)
	p.lacks("#fields")

	a.exec(`UPDATE millrace.run_steps SET state = 'done' WHERE run_id = $1 AND name = 'accounts:customer'`, run.ID)
	a.exec(`INSERT INTO millrace.sf_users (connection_id, sf_id, name, is_active, first_seen_run, last_seen_run)
		VALUES ($1, '005000000000002AAA', 'Ingrid', true, 1, 1), ($1, '005000000000003AAA', 'Tom', false, 1, 1)`, c.ID)
	a.exec(`UPDATE millrace.accounts SET owner_id = '005000000000002AAA', csm_id = '005000000000003AAA', sales_rep_id = '00G000000000001AAA', arr = 1234.5, arr_currency = 'EUR',
		renewal_date = '2031-05-06', fields = '{"Tier__c": "<b>Gold</b>", "Ref__c": true, "Score__c": 12.50}' WHERE sf_id = '001000000000002AAA'`)
	p = b.get(page)
	p.says("dl", "Account Owner Ingrid from OwnerId", "CSM Tom Inactive from CSM__c", "Sales Rep 00G000000000001AAA", "no user here", "Technical Account Manager", "from TAM__c",
		"EUR 1,234.50", "2031-05-06 from Renewal_Date__c")
	p.lacks("dl b")
	p.says("#fields", "Tier__c <b>Gold</b>", "Ref__c Yes", "Score__c 12.50")
	if text := p.text("dl"); strings.Contains(text, "sum of") {
		t.Errorf("the origin of an ARR that is not worked out yet: %s", text)
	}
	a.exec(`UPDATE millrace.run_steps SET state = 'done' WHERE run_id = $1`, run.ID)
	b.get(page).says("dl", "sum of ARR__c over Subscription__c where Status__c = 'Active'")
}
