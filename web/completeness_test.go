package web

import (
	"net/http"
	"testing"
)

// TestCountsSayWhatWaitsForItsParent shows counts of which everything that is missing is explained, and what is explained by errors is not called complete.
func TestCountsSayWhatWaitsForItsParent(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	run := a.ranOnce(c)
	a.exec(`INSERT INTO millrace.completeness_checks (run_id, name, connection_id, part, position, label, object, in_salesforce, here, skipped, failed, waiting, unexplained) VALUES
		($1, 'users', $2, 'accounts', 1, 'Users', 'User', 9, 9, 0, 0, 0, 0),
		($1, 'contacts', $2, 'contacts', 2, 'Contacts', 'Contact', 120, 110, 3, 0, 7, 0),
		($1, 'cases', $2, 'cases', 3, 'Support cases', 'Case', 20, 18, 0, 2, 0, 0),
		($1, 'case_messages', $2, 'cases', 4, 'Case comments', 'CaseComment', 30, 26, 0, 0, 4, 0),
		($1, 'OpportunityFeed', $2, 'chatter', 5, 'Posts on opportunities', 'OpportunityFeed', 8, 7, 0, 0, 1, 0),
		($1, 'custom:Asset__c', $2, 'accounts', 6, 'Assets', 'Asset__c', 8, 7, 0, 0, 1, 0)`, run.ID, c.ID)
	p := a.as(a.admin).get(runPath(c.ID, run.ShortID)).is(http.StatusOK)
	for i, says := range [][]string{
		{"Users", "Complete", "complete"},
		{"Contacts", "Not all stored", "3 skipped for lack of Email, 7 of accounts that could not be stored, 0 unexplained"},
		{"Support cases", "Not all stored", "2 could not be stored, 0 unexplained"},
		{"Case comments", "Not all stored", "4 of cases or accounts that could not be stored, 0 unexplained"},
		{"Posts on opportunities", "Not all stored", "1 of opportunities or accounts that could not be stored, 0 unexplained"},
		{"Assets", "Not all stored", "1 of accounts or contacts that could not be stored, 0 unexplained"},
	} {
		p.says("#completeness tbody tr:nth-child("+itoa(int64(i+1))+")", says...)
	}
	p.lacks("#completeness form")
	a.as(a.viewer).get(overviewPath(c.ID)).says("#checks li:first-child", "Not all stored")
}
