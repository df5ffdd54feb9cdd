package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/db"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// valuesForm is what the section sends: a sum of active subscriptions, unless something else is asked for.
func valuesForm(base string, change ...string) url.Values {
	form := url.Values{
		"base": {base}, "arr.mode": {"calculated"}, "arr.object": {"Subscription__c"}, "arr.link": {"Account__c"}, "arr.value": {"ARR__c"}, "arr.combine": {"sum"},
		"arr.filter": {"Status__c = 'Active'"}, "renewal.mode": {"none"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		form[change[i]] = []string{change[i+1]}
	}
	return form
}

// valuesApp is an app whose accounts are all selected.
func valuesApp(t *testing.T, accounts int) (*orgApp, *browser, db.Connection, string) {
	t.Helper()
	o := newOrgApp(t, sim.Options{Accounts: accounts})
	b := o.as(o.admin)
	c := o.connected(b)
	o.configure(c, "Name != null")
	return o, b, c, orgPath(c.ID, "/settings/arr-and-renewal")
}

func TestValuesOfAnAccount(t *testing.T) {
	t.Parallel()
	o, b, c, path := valuesApp(t, 40)

	p := b.get(path).is(http.StatusOK)
	p.has("#arr-mode-none[checked]")
	p.has("#arr-field option[value=AnnualRevenue]") // a currency
	p.has("#arr-field option[value=NumberOfEmployees]")
	p.lacks("#arr-field option[value=Usage__c]") // a percentage
	p.lacks("#arr-field option[value=Name]")
	p.has("#renewal-field option[value=Renewal_Date__c]")
	p.lacks("#renewal-field option[value=Onboarded_At__c]") // with a time
	p.lacks("#renewal-field option[value=ARR__c]")
	p.has("#arr-object option[value=Subscription__c]")
	p.lacks("#arr-object option[value=User]")
	p.lacks("#arr-link")

	// Without scripts a button shows the fields of the chosen object; the only link to the account is chosen.
	shown := b.post(path, valuesForm("1", "do", "fields:arr", "arr.link", "", "arr.value", "Amount", "arr.combine", "")).is(http.StatusOK)
	shown.has("#arr-link option[value=Account__c][selected]")
	shown.has("#arr-value option[value=ARR__c]")
	shown.lacks("#arr-value option[value=Discount__c]") // a percentage
	shown.lacks("#arr-value option[value=Amount]")      // of another object
	shown.has("#arr-latest_by option[value=End_Date__c]")
	shown.has("#arr-filter[data-suggest*='object=Subscription__c']")
	shown.has("#arr-combine option[value=sum]")
	shown.has("#arr-object[hx-post='" + path + "'][hx-vals*='fields:arr']")
	dates := b.post(path, valuesForm("1", "do", "fields:renewal", "renewal.mode", "calculated", "renewal.object", "Subscription__c")).is(http.StatusOK)
	dates.has("#renewal-value option[value=End_Date__c]")
	dates.lacks("#renewal-combine option[value=sum]")

	box := b.post(path, valuesForm("1", "do", "validate:arr.filter")).is(http.StatusOK)
	n, err := o.org.EvalCount("SELECT COUNT() FROM Subscription__c WHERE Status__c = 'Active'")
	if err != nil {
		t.Fatal(err)
	}
	box.says("#result-arr-filter", itoa(int64(n))+" records match", "SUB-")
	fixed := b.post(path, valuesForm("1", "arr.filter", "Status__c == 'Active'", "do", "fix:arr.filter:10")).is(http.StatusOK)
	if got := fixed.text("#arr-filter"); got != "Status__c = 'Active'" {
		t.Errorf("the repair made %q", got)
	}

	saved := b.follow(b.post(path, valuesForm("1", "renewal.mode", "direct", "renewal.field", "Renewal_Date__c")).is(http.StatusSeeOther))
	saved.says("#version", "v2")
	v, err := o.db.CurrentSettings(t.Context(), c.ID)
	if err != nil || v.Settings.ARR.Combine != settings.Sum || v.Settings.ARR.Object != "Subscription__c" || v.Settings.Renewal.Field != "Renewal_Date__c" {
		t.Errorf("saved %+v: %v", v, err)
	}
	for _, do := range []string{"dance", "fields:nothing", "validate:arr.object", "explain:"} {
		b.post(path, valuesForm("2", "do", do)).is(http.StatusBadRequest)
	}
}

// sumOf adds up the ARR of an account's records by the org itself.
func sumOf(t *testing.T, o *orgApp, account, and string) (total string, counted int) {
	t.Helper()
	rows, err := o.org.Eval("SELECT SUM(ARR__c) total, COUNT(ARR__c) n FROM Subscription__c WHERE Account__c = '" + account + "' AND " + and)
	if err != nil || len(rows) != 1 {
		t.Fatalf("%v: %v", rows, err)
	}
	if _, err := fmt.Sscan(fmt.Sprint(rows[0]["n"]), &counted); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(fmt.Sprint(rows[0]["total"]), ".0"), counted
}

func TestValidateShowsTheValues(t *testing.T) {
	t.Parallel()
	o, b, _, path := valuesApp(t, 40)

	p := b.post(path, valuesForm("1", "do", "validate:arr")).is(http.StatusOK)
	rows := p.all("#arr-result tbody tr")
	if len(rows) != 5 {
		t.Fatalf("%d accounts: %s", len(rows), p.text("#arr-result"))
	}
	p.says("#arr-result", "Query as sent", "FROM Subscription__c WHERE (Status__c = 'Active') AND Account__c != NULL", "selected in the org")
	for i := range rows {
		at := "#arr-result tbody tr:nth-child(" + itoa(int64(i+1)) + ")"
		id := p.attr(at+" a", "href")[len(o.host)+1:]
		want, n := sumOf(t, o, id, "Status__c = 'Active'")
		if got := strings.ReplaceAll(p.text(at+" td:nth-child(2)"), ",", ""); got != want {
			t.Errorf("%s: %q instead of %s", id, got, want)
		}
		p.says(at, fmt.Sprintf("%d record", n))
	}

	// A direct field.
	direct := b.post(path, valuesForm("1", "do", "validate:arr", "arr.mode", "direct", "arr.field", "ARR__c")).is(http.StatusOK)
	n, err := o.org.EvalCount("SELECT COUNT() FROM Account WHERE ARR__c = null")
	if err != nil {
		t.Fatal(err)
	}
	direct.says("#arr-result", "Empty on "+itoa(int64(n))+" of 40 accounts", "ARR__c")
	if got := len(direct.all("#arr-result tbody tr")); got != 5 {
		t.Errorf("%d accounts", got)
	}
	date := b.post(path, valuesForm("1", "do", "validate:renewal", "renewal.mode", "direct", "renewal.field", "Renewal_Date__c")).is(http.StatusOK)
	date.says("#renewal-result tbody", "20")

	// The latest record, by date.
	latest := b.post(path, valuesForm("1", "do", "validate:renewal", "renewal.mode", "calculated", "renewal.object", "Subscription__c", "renewal.link", "Account__c", "renewal.value", "End_Date__c",
		"renewal.combine", "latest", "renewal.latest_by", "Start_Date__c", "renewal.filter", "")).is(http.StatusOK)
	id := latest.attr("#renewal-result tbody tr a", "href")[len(o.host)+1:]
	found, err := o.org.Eval("SELECT End_Date__c FROM Subscription__c WHERE Account__c = '" + id + "' ORDER BY Start_Date__c DESC, SystemModstamp DESC, Id DESC LIMIT 1")
	if err != nil || len(found) != 1 || latest.text("#renewal-result tbody tr:first-child td:nth-child(2)") != fmt.Sprint(found[0]["End_Date__c"]) {
		t.Errorf("the latest is %q instead of %v: %v", latest.text("#renewal-result tbody tr:first-child td:nth-child(2)"), found, err)
	}

	// What stands in the way is said with a way to it.
	b.post(path, valuesForm("1", "do", "validate:renewal")).says("#renewal-result", "None is chosen")
	wrong := b.post(path, valuesForm("1", "do", "validate:arr", "arr.filter", "Stauts__c = 'x'", "arr.combine", "")).is(http.StatusOK)
	wrong.has("#arr-result a[href='#arr-combine']")
	wrong.has("#arr-combine[aria-invalid=true]")
	b.post(path, valuesForm("1", "do", "validate:arr", "arr.filter", "Stauts__c = 'x'")).says("#arr-result", "SOQL validation failed", "Status__c")
}

func TestARRExplained(t *testing.T) {
	t.Parallel()
	o, b, _, path := valuesApp(t, 40)
	account := ""
	for r := range o.org.Records("Account") {
		account = r["Id"].(string)
		break
	}
	if err := o.org.Update("Account", account, map[string]any{"Name": "Explained Ltd", "ARR__c": 1000.5}); err != nil {
		t.Fatal(err)
	}
	add := func(status string, arr any, seats int) string {
		id, err := o.org.Insert("Subscription__c", map[string]any{"Account__c": account, "Status__c": status, "ARR__c": arr, "Seats__c": seats})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	counts, expired, small, empty := add("Active", 700.25, 50), add("Expired", 10, 50), add("Active", 20, 1), add("Active", nil, 60)
	const filter = "Status__c = 'Active' AND (Seats__c > 10 OR Seats__c = null)"
	want, n := sumOf(t, o, account, filter)
	row := func(p *page, id string) string {
		t.Helper()
		return "#arr-explained tr:has(a[href='" + o.host + "/" + id + "'])"
	}

	for _, name := range []string{account, account[:15], "Explained Ltd", o.host + "/lightning/r/Account/" + account + "/view"} {
		p := b.post(path, valuesForm("1", "do", "explain:arr", "arr.filter", filter, "arr.explain.account", name, "arr.explain.compare", "ARR__c")).is(http.StatusOK)
		if got := strings.ReplaceAll(p.text("#arr-explained [data-value]"), ",", ""); got != want {
			t.Errorf("by %q the value is %q instead of %s", name, got, want)
		}
		p.says("#arr-explained", "Explained Ltd", fmt.Sprintf("Sum of %d record", n), "left out")
		p.says(row(p, counts), "Counts", "700.25")
		p.says(row(p, expired), "Left out", "by Status__c = 'Active'", "Status: Expired")
		p.says(row(p, small), "Left out", "by Seats__c > 10 OR Seats__c = null", "Seats: 1")
		p.says(row(p, empty), "Left out", "ARR__c is empty")
		p.says("[data-compared]", "ARR (ARR__c)", "1,000.5", "The value here is")
		if p.attr("#arr-explain-account", "value") != name {
			t.Error("the question is lost")
		}
	}
	// A sample's button asks for it by its id.
	sample := b.post(path, valuesForm("1", "do", "explain:arr:"+account, "arr.combine", "max", "arr.filter", "")).is(http.StatusOK)
	sample.says("#arr-explained", "Largest of", "Gives the value")
	if got := len(sample.all("#arr-explained tr[data-counts=true]:has(td):first-child")); got != 1 {
		t.Errorf("%d rows lead the list", got)
	}
	for name, says := range map[string]string{
		"": "Write the name", "003000000000001": "another kind of record", "No such account at all": "sees no account", "a": "Several accounts",
	} {
		b.post(path, valuesForm("1", "do", "explain:arr", "arr.explain.account", name)).is(http.StatusOK).says("#arr-explained", says)
	}
}

func TestCurrenciesAreNeverAddedUpSilently(t *testing.T) {
	t.Parallel()
	o, b, _, path := valuesApp(t, 10)
	o.org.SetMultiCurrency(true)
	o.server.Forget(1)
	account := ""
	for r := range o.org.Records("Account") {
		account = r["Id"].(string)
		break
	}
	for code, amount := range map[string]int{"USD": 100, "EUR": 100} {
		if _, err := o.org.Insert("Subscription__c", map[string]any{"Account__c": account, "Status__c": "Active", "ARR__c": amount, "Product__c": "Core", "CurrencyIsoCode": code, "Seats__c": 99999}); err != nil {
			t.Fatal(err)
		}
	}
	form := func() url.Values {
		return valuesForm("1", "do", "explain:arr", "arr.explain.account", account, "arr.filter", "Seats__c = 99999", "arr.explain.compare", "ARR__c")
	}
	rates, err := o.org.Eval("SELECT IsoCode, ConversionRate, IsCorporate FROM CurrencyType")
	if err != nil || len(rates) == 0 {
		t.Fatalf("no rates: %v", err)
	}
	p := b.post(path, form()).is(http.StatusOK)
	p.says("#arr-explained [data-rates]", "converted to USD", "EUR")
	p.says("#arr-explained [data-value]", "USD")
	p.says("#arr-explained tbody", "100 EUR", "= ", "100 USD")
	if p.text("#arr-explained [data-value]") == "200 USD" {
		t.Error("amounts of two currencies are added up")
	}

	o.org.HideField("CurrencyType", "ConversionRate")
	o.server.Forget(1)
	p = b.post(path, form()).is(http.StatusOK)
	p.says("#arr-explained [data-value]", "several currencies", "never added up")
	p.lacks("#arr-explained [data-rates]")
}

func TestValuesRefused(t *testing.T) {
	t.Parallel()
	o, b, c, path := valuesApp(t, 10)
	for _, x := range []struct{ field, value, id, says string }{
		{"arr.mode", "magic", "#arr-mode", "Choose None"},
		{"arr.object", "", "#arr-object", "Choose the object"},
		{"arr.object", "Nothing__c", "#arr-object", "cannot see the object Nothing__c"},
		{"arr.link", "OwnerId", "#arr-link", "not to Account"},
		{"arr.value", "", "#arr-value", "Choose the field that holds the value"},
		{"arr.value", "Discount__c", "#arr-value", "A percentage, not an amount"},
		{"arr.value", "AAR__c", "#arr-value", "ARR__c"},
		{"arr.combine", "", "#arr-combine", "Choose how"},
		{"arr.combine", "latest", "#arr-latest_by", "Choose the date"},
		{"arr.filter", "Stauts__c = 'x'", "#arr-filter", "SOQL validation failed"},
	} {
		p := b.post(path, valuesForm("1", x.field, x.value)).is(http.StatusUnprocessableEntity)
		p.says("#summary", x.says)
		p.has("#summary a[href='" + x.id + "']")
		p.has(x.id)
	}
	for _, x := range [][4]string{
		{"arr.field", "", "#arr-field", "Choose the Account field"},
		{"arr.field", "Usage__c", "#arr-field", "A percentage"},
		{"arr.field", "Name", "#arr-field", "Not a number"},
	} {
		p := b.post(path, valuesForm("1", "arr.mode", "direct", x[0], x[1])).is(http.StatusUnprocessableEntity)
		p.says(x[2]+"-error", x[3])
		p.has(x[2] + "[aria-invalid=true]")
	}
	p := b.post(path, valuesForm("1", "arr.mode", "none", "renewal.mode", "direct", "renewal.field", "Onboarded_At__c")).is(http.StatusUnprocessableEntity)
	p.says("#renewal-field-error", "Holds a time too")
	p = b.post(path, valuesForm("1", "arr.mode", "none", "renewal.mode", "calculated", "renewal.object", "Subscription__c", "renewal.link", "Account__c", "renewal.value", "End_Date__c", "renewal.combine", "sum"))
	p.is(http.StatusUnprocessableEntity).says("#renewal-combine-error", "Dates cannot be added up")
	if v, err := o.db.CurrentSettings(t.Context(), c.ID); err != nil || v.Version != 1 {
		t.Errorf("version %d: %v", v.Version, err)
	}
}
