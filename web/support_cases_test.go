package web

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"millrace/settings"
)

// casesForm is what the section sends, unless something else is asked for.
func casesForm(base string, change ...string) url.Values {
	form := url.Values{"base": {base}, "cases.enabled": {"on"}, "cases.lookback_days": {"365"}, "cases.conversation": {"case_comments"}, "cases.filter": {"Priority = 'High'"}}
	for i := 0; i+1 < len(change); i += 2 {
		form[change[i]] = []string{change[i+1]}
	}
	return form
}

func TestSupportCases(t *testing.T) {
	t.Parallel()
	o, b, c, _ := objectsApp(t, "Name != null")
	path := orgPath(c.ID, "/settings/support-cases")

	p := b.get(path).is(http.StatusOK)
	p.lacks("#cases-enabled[checked]")
	p.has("#cases-conversation-case_comments[checked]")
	p.says("label[for=cases-lookback_days]", "1 to 365")
	p.has("#cases-filter[data-suggest*='object=Case']")
	p.says("main", "Always synced (", "CaseNumber")
	p.says("[data-rated]", "rated in English only, unless the operator has configured an endpoint")
	if got := p.attr("#cases-lookback_days", "value"); got != "30" {
		t.Errorf("the lookback is %q", got)
	}

	// Count and Validate say where the conversations are.
	const when = "SystemModstamp >= LAST_N_DAYS:365 AND Priority = 'High' AND AccountId != null"
	cases := o.orgCount("Case", when)
	comments := o.orgCount("CaseComment", "Parent.SystemModstamp >= LAST_N_DAYS:365 AND Parent.Priority = 'High' AND Parent.AccountId != null")
	emails := o.orgCount("EmailMessage", "Parent.SystemModstamp >= LAST_N_DAYS:365 AND Parent.Priority = 'High' AND Parent.AccountId != null AND Status != '5'")
	for _, do := range []string{"count", "validate:cases.filter"} {
		n := b.post(path, casesForm("1", "do", do)).is(http.StatusOK)
		n.says("[data-count=cases] dd", cases)
		n.says("[data-count=comments] dd", comments)
		n.says("[data-count=emails] dd", emails)
		n.says("[data-advice]", "Most of the conversation is in Case Comments: "+comments+" of ", "That is what is chosen.")
		if rows := len(n.all("#cases-result tbody tr")); rows != 5 {
			t.Errorf("%s: %d cases", do, rows)
		}
	}
	b.post(path, casesForm("1", "do", "validate:cases.filter")).says("#result-cases-filter", cases+" records match")
	fixed := b.post(path, casesForm("1", "cases.filter", "Priority == 'High'", "do", "fix:cases.filter:9")).is(http.StatusOK)
	if got := fixed.text("#cases-filter"); got != "Priority = 'High'" {
		t.Errorf("the repair made %q", got)
	}
	for _, do := range []string{"dance", "validate:cases.fields"} {
		b.post(path, casesForm("1", "do", do)).is(http.StatusBadRequest)
	}

	form := casesForm("1", "cases.fields", "Description")
	b.follow(b.post(path, form).is(http.StatusSeeOther)).says("#version", "v2")
	v, err := o.db.CurrentSettings(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Settings.Cases; !got.Enabled || got.LookbackDays != 365 || got.Filter != "Priority = 'High'" || got.Conversation != settings.CaseComments || !slices.Equal(got.Fields, []string{"Description"}) {
		t.Errorf("saved %+v", got)
	}
}

func TestSupportCasesWithoutEmailToCase(t *testing.T) {
	t.Parallel()
	o, b, c, _ := objectsApp(t, "Name != null")
	path := orgPath(c.ID, "/settings/support-cases")
	o.org.HideObject("EmailMessage")
	b.get(path).says("label[for=cases-conversation-email_messages]", "Email-to-Case is not set up")
	n := b.post(path, casesForm("1", "do", "count", "cases.filter", "")).is(http.StatusOK)
	n.says("[data-count=emails] dd", "not readable")
	n.says("[data-advice]", "are in Case Comments. That is what is chosen.", "Email-to-Case is not set up")
	p := b.post(path, casesForm("1", "cases.conversation", "email_messages")).is(http.StatusUnprocessableEntity)
	p.says("#cases-conversation-error", "Email-to-Case is not set up", "Choose the other source")
	p.has("#summary a[href='#cases-conversation']")
}

func TestSupportCasesRefused(t *testing.T) {
	t.Parallel()
	o, b, c, _ := objectsApp(t, "Name != null")
	path := orgPath(c.ID, "/settings/support-cases")
	for _, x := range [][4]string{
		{"cases.lookback_days", "0", "#cases-lookback_days", "from 1 to 365"},
		{"cases.lookback_days", "366", "#cases-lookback_days", "from 1 to 365"},
		{"cases.lookback_days", "a week", "#cases-lookback_days", "from 1 to 365"},
		{"cases.conversation", "letters", "#cases-conversation", "Choose Case Comments or Email Messages"},
		{"cases.filter", "Prioritty = 'High'", "#cases-filter", "Prioritty"},
		{"cases.fields", "Nothing__c", "#cases-fields", "Nothing__c is not a field"},
	} {
		p := b.post(path, casesForm("1", x[0], x[1])).is(http.StatusUnprocessableEntity)
		p.says(x[2]+"-error", x[3])
		p.has("#summary a[href='" + x[2] + "']")
	}
	wrong := b.post(path, casesForm("1", "do", "count", "cases.lookback_days", "400")).is(http.StatusOK)
	wrong.has("#cases-result a[href='#cases-lookback_days']")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v.Version != 1 {
		t.Errorf("version %d: %v", v.Version, err)
	}
}
