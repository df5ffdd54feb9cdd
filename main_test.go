package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"millrace/config"
	"millrace/db"
)

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		code int
		said string
	}{
		{nil, 0, ""},
		{flag.ErrHelp, 0, ""},
		{fmt.Errorf("serving: %w", context.Canceled), 0, ""},
		{fmt.Errorf("%w: -addr", config.ErrUsage), 2, ""},
		{errors.New("no room"), 1, "millrace: no room\n"},
		{fmt.Errorf("db.CheckSecretKey: %w", db.ErrWrongSecretKey), 1, "millrace: " + db.ErrWrongSecretKey.Error() + "\n"},
	} {
		var said bytes.Buffer
		if code := exitCode(c.err, &said); code != c.code || said.String() != c.said {
			t.Errorf("%v: got %d %q, want %d %q", c.err, code, said.String(), c.code, c.said)
		}
	}
}

func TestUnknownCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "Usage: millrace"},
		{[]string{"bogus"}, `no command "bogus"`},
		{[]string{"user"}, `no command "user"`},
		{[]string{"user", "remove"}, `no command "user remove"`},
	} {
		var said, out bytes.Buffer
		err := run(t.Context(), c.args, config.Source{Getenv: func(string) string { return "" }, Output: &said}, strings.NewReader(""), &out)
		if !errors.Is(err, config.ErrUsage) || !strings.Contains(said.String(), c.want) || out.Len() > 0 {
			t.Errorf("%v: %v, said %q, printed %q", c.args, err, said.String(), out.String())
		}
	}
}

func TestSOQLCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ object, in, want string }{
		{"", "SELECT Id FROM Account\nSELECT Id, FROM Account\n",
			`{"line":1,"ok":true}` + "\n" + `{"line":2,"ok":false,"errors":[{"row":1,"col":12,"message":"unexpected token: 'FROM'"}]}` + "\n"},
		{"Account", "Type = 'x'\nName LIKE '*x'\n", `{"line":1,"ok":true}` + "\n" + `{"line":2,"ok":true}` + "\n"},
	} {
		var out bytes.Buffer
		if err := soqlCheck(config.SOQLCheck{Object: c.object}, strings.NewReader(c.in), &out); err != nil || out.String() != c.want {
			t.Errorf("got %q, %v; want %q", out.String(), err, c.want)
		}
	}
	var out bytes.Buffer
	if err := soqlCheck(config.SOQLCheck{Object: "Account"}, strings.NewReader("Type == 'x' LIMIT 1\n"), &out); err != nil || strings.Count(out.String(), `"col"`) < 2 {
		t.Errorf("all errors of a condition: got %q, %v", out.String(), err)
	}
}

// TestOrgFromFlags asks the org what its flags have told it.
func TestOrgFromFlags(t *testing.T) {
	t.Parallel()
	o, err := newOrg(config.Org{Accounts: 1, Sandbox: true, FiscalYearStart: time.April, MultiCurrency: true})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := o.Eval("SELECT IsSandbox, FiscalYearStartMonth FROM Organization WHERE IsSandbox = TRUE AND FiscalYearStartMonth = 4")
	if err != nil || len(rows) != 1 {
		t.Errorf("sandbox, fiscal year: %v, %v", rows, err)
	}
	if _, err := o.Eval("SELECT CurrencyIsoCode FROM Account WHERE ARR__c > EUR5"); err != nil {
		t.Errorf("several currencies: %v", err)
	}
	file := filepath.Join(t.TempDir(), "app.pem")
	if _, err := newOrg(config.Org{Accounts: 1, JWTCertificate: file}); err == nil || !strings.Contains(err.Error(), "-jwt-certificate") {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := newOrg(config.Org{Accounts: 1, JWTCertificate: file}); err == nil || !strings.Contains(err.Error(), "not a certificate") {
		t.Errorf("a file that is no certificate: %v", err)
	}
}

func TestKeptIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	first, err := kept(path)
	if err != nil || len(first) < 32 {
		t.Fatalf("got %q, %v", first, err)
	}
	if again, err := kept(path); err != nil || again != first {
		t.Errorf("got %q, %v; want %q", again, err, first)
	}
}

func TestFormData(t *testing.T) {
	t.Parallel()
	page, err := html.Parse(strings.NewReader(`<form><input name=a value=1><input type=radio name=b value=x><input type=radio name=b value=y checked>
		<input type=checkbox name=c value=on><textarea name=d>text &amp; more</textarea><select name=e><option value=1><option value=2 selected></select>
		<input type=submit name=f value=go><button name=g value=go></button></form>`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := formData(page).Encode(), "a=1&b=y&d=text+%26+more&e=2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
