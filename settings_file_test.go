package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/config"
	"millrace/db"
	"millrace/db/dbtest"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/web"
)

// TestSettingsFileCommands exports settings, checks files and saves one. The connection has no grant, so its org says nothing of what is checked.
func TestSettingsFileCommands(t *testing.T) {
	t.Parallel()
	address := dbtest.NewURL(t)
	d := dbtest.Open(t, db.Options{URL: address})
	ana, err := d.CreateUser(t.Context(), "ana@example.com", "Ana", "correct horse battery", db.RoleAdmin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateUser(t.Context(), "vic@example.com", "Vic", "correct horse battery", db.RoleViewer); err != nil {
		t.Fatal(err)
	}
	command := func(args ...string) (string, error) {
		t.Helper()
		var out, said bytes.Buffer
		env := map[string]string{"DATABASE_URL": address, "MILLRACE_SECRET_KEY": string(dbtest.SecretKey), "MILLRACE_LOG_LEVEL": "error"}
		err := run(t.Context(), args, config.Source{Getenv: func(k string) string { return env[k] }, Output: &said}, strings.NewReader(""), &out)
		return out.String(), err
	}
	if _, err := command("export", "--connection", "1"); err == nil || err.Error() != "no org is connected yet" {
		t.Errorf("without a connection: %v", err)
	}
	c, err := d.SaveConnection(t.Context(), db.NewConnection{
		Name: "Acme", Environment: "production", LoginURL: "https://login.salesforce.com", ClientID: "key", ClientSecret: "secret", OrgID: "00D000000000001AAA", OrgName: "Acme",
		UserID: "005000000000001AAA", Username: "ana@acme.example", DisplayName: "Ana", Grant: db.Grant{AccessToken: "a", RefreshToken: "r", InstanceURL: "https://acme.my.salesforce.com"}, By: ana.ID,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := settings.Defaults()
	s.Accounts.Single = "Type = 'Customer'"
	if _, _, err := d.SaveSettings(t.Context(), c.ID, 0, s, "", ana.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.Disconnect(t.Context(), c.ID, ana.ID); err != nil {
		t.Fatal(err)
	}

	text, err := command("export", "--connection", "1")
	if err != nil || !strings.Contains(text, "org: Acme") || !strings.Contains(text, "version: 1") || strings.Contains(text, "secret\"") {
		t.Fatalf("%v\n%s", err, text)
	}
	if _, err := command("export", "--connection", "1", "--version", "7"); err == nil || !strings.Contains(err.Error(), "no version 7; the newest is 1") {
		t.Errorf("a version that is not: %v", err)
	}
	if _, err := command("export", "--connection", "5"); err == nil || !strings.Contains(err.Error(), "There are: 1 (Acme)") {
		t.Errorf("a connection that is not: %v", err)
	}

	file := filepath.Join(t.TempDir(), "settings.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(text, "lookback_days: 30", "lookback_dayz: 30\n    fields: 5", 1))
	out, err := command("import", "--connection", "1", file, "--check")
	if err == nil || exitCode(err, &bytes.Buffer{}) != exitFailed || !strings.Contains(out, "settings.yaml:") || !strings.Contains(out, "“lookback_dayz” is not known here") {
		t.Errorf("a file that cannot be read: %v\n%s", err, out)
	}
	write(strings.Replace(text, "lookback_days: 30", "lookback_days: 999", 1))
	out, err = command("import", "--connection", "1", "--check", file)
	if err == nil || !strings.Contains(out, "Support Cases, Case lookback: Enter a number of days from 1 to 365.") || !strings.Contains(err.Error(), "nothing was imported") {
		t.Errorf("a file that does not fit: %v\n%s", err, out)
	}
	if out, err = command("import", "--connection", "1", file, "--apply", "--as", "ana@example.com"); err == nil || !strings.Contains(out, "It could not be validated") {
		t.Errorf("an org that cannot be asked: %v\n%s", err, out)
	}
	if v, err := d.CurrentSettings(t.Context(), c.ID); err != nil || v.Version != 1 {
		t.Errorf("saved: %+v, %v", v, err)
	}

	// What follows once the checks have found nothing.
	site, err := web.New(web.Options{DB: d, Client: func(context.Context, int64) (*salesforce.Client, error) { return nil, db.ErrDisconnected }})
	if err != nil {
		t.Fatal(err)
	}
	if c, err = d.Connection(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	now, err := currentVersion(t.Context(), d, c)
	if err != nil {
		t.Fatal(err)
	}
	all := now.Settings
	all.Accounts.Single = "Type = 'Prospect'"
	apply := func(now db.SettingsVersion, as string) (string, error) {
		var out bytes.Buffer
		err := applySettings(t.Context(), d, site, c, now, all, config.Import{Note: "from a file", As: as}, &out)
		return out.String(), err
	}
	for _, as := range []string{"vic@example.com", "nobody@example.com"} {
		if _, err := apply(now, as); err == nil || !strings.Contains(err.Error(), "who is no admin here") {
			t.Errorf("as %s: %v", as, err)
		}
	}
	draft := settings.Settings{Owners: settings.OwnerMapping{CSM: "CSM__c"}}
	if _, err := d.KeepSection(t.Context(), c.ID, ana.ID, db.SectionForm{Base: 1, Section: settings.SectionOwners, Settings: draft}); err != nil {
		t.Fatal(err)
	}
	if out, err := apply(now, "ana@example.com"); err != nil || !strings.Contains(out, "Saved as version 2") {
		t.Errorf("%v: %s", err, out)
	}
	if kept, err := d.Draft(t.Context(), c.ID, ana.ID); err != nil || kept == nil {
		t.Errorf("the author's draft is gone: %v", err)
	}
	if _, err := apply(now, "ana@example.com"); err == nil || !strings.Contains(err.Error(), "saved version 2 meanwhile") {
		t.Errorf("from an older version: %v", err)
	}
	if now, err = currentVersion(t.Context(), d, c); err != nil || now.Version != 2 || now.Note != "from a file" {
		t.Errorf("got %+v, %v", now, err)
	}
	if out, err := apply(now, "ana@example.com"); err != nil || !strings.Contains(out, "no new version") {
		t.Errorf("%v: %s", err, out)
	}
	var diff bytes.Buffer
	if err := printChanges(&diff, settings.Diff(s, all)); err != nil || !strings.Contains(diff.String(), "Account Filtering, Account filter\n  - Type = 'Customer'\n  + Type = 'Prospect'\n") {
		t.Errorf("%v: %s", err, diff.String())
	}
}
