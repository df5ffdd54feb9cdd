package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"millrace/db"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// upload posts a file as a browser does.
func (b *browser) upload(path, name, content string, fields map[string]string) *page {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for k, v := range fields {
		if err := form.WriteField(k, v); err != nil {
			b.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := part.Write([]byte(content)); err != nil {
		b.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.url+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	return b.send(req)
}

func TestExportAndImport(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.saved(c, "Type = 'Customer'", "Type = 'Prospect'")
	path := orgPath(c.ID, "/settings")
	p := b.get(path + "/export.yaml").is(http.StatusOK)
	if got := p.Header.Get("Content-Disposition"); !strings.Contains(got, "-v2.yaml") || !strings.HasPrefix(p.Header.Get("Content-Type"), "application/yaml") {
		t.Errorf("headers: %q, %q", got, p.Header.Get("Content-Type"))
	}
	second := p.Body
	first := b.get(path + "/export.yaml?version=1").is(http.StatusOK).Body
	if !strings.Contains(first, "Type = 'Customer'") || !strings.Contains(first, "version: 1") || !strings.Contains(first, "# Account Filtering") {
		t.Errorf("the file of v1:\n%s", first)
	}
	for _, none := range []string{"9", "x", "-1"} {
		b.get(path + "/export.yaml?version=" + none).is(http.StatusNotFound)
	}

	b.get(path + "/import").is(http.StatusOK).has("form[enctype='multipart/form-data'] input[type=file]")
	b.post(path+"/import", url.Values{"text": {second}}).is(http.StatusOK).says("main", "The file changes nothing")
	p = b.upload(path+"/import", "a.yaml", first, nil).is(http.StatusOK)
	p.says("#findings", "Everything in it fits this org")
	p.says("[data-path='accounts.single'] ins", "Customer")
	text := strings.TrimPrefix(inner(p.all("#text")), "\n")
	if text != first {
		t.Errorf("the page holds %q", text)
	}
	if d := o.draft(c, o.admin); d != nil {
		t.Errorf("checking left a draft: %+v", d)
	}
	p = b.follow(b.post(path+"/import", url.Values{"text": {text}, "do": {"draft"}}).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("#flash", "Taken as your draft")
	p.says("#unsaved", "1 unsaved change")
	if d := o.draft(c, o.admin); d == nil || d.Base != 2 || d.Settings.Accounts.Single != "Type = 'Customer'" || !strings.HasPrefix(d.Note, "Imported from ") {
		t.Errorf("the draft is %+v", d)
	}
	if v := o.newest(c); v.Version != 2 {
		t.Errorf("importing saved v%d", v.Version)
	}
	b.post(path+"/import", url.Values{"text": {first}}).is(http.StatusOK).says("main", "replaces your 1 unsaved change")
}

func TestImportNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/import")
	b.post(path, url.Values{}).is(http.StatusUnprocessableEntity).says("#file-error", "Choose a file")
	b.upload(path, "a.yaml", "", nil).is(http.StatusUnprocessableEntity).says("#file-error", "Choose a file")

	const head = "format: millrace-settings/1\nsettings:\n"
	p := b.upload(path, "a.yaml", head+"  accounts:\n    singel: x\n  cases:\n    lookback_days: many\n", nil).is(http.StatusUnprocessableEntity)
	p.says("#problems", "Line 4: “singel” is not known here", "Line 6: lookback_days must be a whole number")
	p.lacks("[value=draft]")
	b.upload(path, "a.yaml", "\xff", nil).is(http.StatusUnprocessableEntity).says("#problems", "not a text in UTF-8")
	b.upload(path, "a.yaml", head+"# "+strings.Repeat("x", settings.MaxFile), nil).is(http.StatusUnprocessableEntity).says("#problems", "1024 KB is the most")

	unfit := head + "  accounts:\n    single: Gone__c = 1\n  owners:\n    csm: Nobody__c\n  cases:\n    lookback_days: 999\n"
	p = b.post(path, url.Values{"text": {unfit}}).is(http.StatusOK)
	p.says("#findings", "3 things in it do not fit this org", "Line 4: Account Filtering, Account filter", "Gone__c", "Line 6: Owner Mapping, CSM", "Nobody__c", "Line 8: Support Cases, Case lookback", "from 1 to 365")
	p = b.follow(b.post(path, url.Values{"text": {unfit}, "do": {"draft"}}).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("#accounts-single-error", "Gone__c")
	p.says("#settings-sections a[href$='/owner-mapping']", "Has problems")

	p = b.post(path, url.Values{"text": {head + "  accounts:\n    single: \"A\\0 = 1\"\n"}, "do": {"draft"}}).is(http.StatusOK)
	p.says("#findings", "cannot be stored")
}

// another stores a second connection with settings of its own.
func (o *orgApp) another(filters ...string) db.Connection {
	o.t.Helper()
	other := o.connection("sandbox")
	o.saved(other, filters...)
	return other
}

func TestPromote(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	path := orgPath(c.ID, "/settings/compare-connections")
	b.get(path).is(http.StatusOK).says("main", "There is no other connection")
	o.saved(c, "Type = 'Customer'")
	other := o.another("Type = 'Prospect'")
	all := o.newest(other).Settings
	all.Owners.CSM, all.Cases.LookbackDays = "Nobody__c", 90
	if _, _, err := o.db.SaveSettings(t.Context(), other.ID, 1, all, "", o.admin.ID); err != nil {
		t.Fatal(err)
	}

	p := b.get(path).is(http.StatusOK)
	p.says("main", "sandbox")
	p.says("[data-path='accounts.single'] ins", "Prospect")
	p.says("#findings", "Owner Mapping, CSM", "Nobody__c")
	if n := len(p.all("input[name=section][checked]")); n != 3 {
		t.Errorf("%d sections are chosen", n)
	}
	b.get(path + "?with=" + itoa(c.ID)).is(http.StatusNotFound)
	b.get(path + "?with=99").is(http.StatusNotFound)

	form := url.Values{"with": {itoa(other.ID)}, "base": {"1"}, "theirs": {"2"}}
	b.post(path, form).is(http.StatusUnprocessableEntity).says("#sections-error", "Choose at least one section")
	form["section"] = []string{"support-cases", "owner-mapping"}
	form.Set("theirs", "1")
	b.post(path, form).is(http.StatusConflict).says("#conflict", "Nothing was taken")
	form.Set("theirs", "2")

	if _, err := o.db.KeepSection(t.Context(), c.ID, o.admin.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Type = 'Mine'"}}, Note: "my note"}); err != nil {
		t.Fatal(err)
	}
	p = b.follow(b.post(path, form).is(http.StatusSeeOther)).is(http.StatusOK)
	p.says("#settings-sections a[href$='/owner-mapping']", "Has problems")
	d := o.draft(c, o.admin)
	if d == nil || d.Settings.Accounts.Single != "Type = 'Mine'" || d.Settings.Owners.CSM != "Nobody__c" || d.Settings.Cases.LookbackDays != 90 || d.Note != "my note" {
		t.Errorf("the draft is %+v", d)
	}
	if v := o.newest(c); v.Version != 1 {
		t.Errorf("taking over saved v%d", v.Version)
	}

	o.saved(c, "Type = 'Partner'") // by the same person, which ends the draft
	if _, err := o.db.KeepSection(t.Context(), c.ID, o.admin.ID, db.SectionForm{Base: 1, Section: settings.SectionFiltering, Settings: settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Type = 'Mine'"}}}); err != nil {
		t.Fatal(err)
	}
	form.Set("base", "2")
	if got := b.post(path, form).is(http.StatusSeeOther).Header.Get("Location"); !strings.HasSuffix(got, "/settings/merge") {
		t.Errorf("with an outdated draft it leads to %q", got)
	}
}
