package config

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"
)

func source(env map[string]string, out io.Writer) Source {
	return Source{Getenv: func(k string) string { return env[k] }, Output: out}
}

func TestFlagsBeatEnvironmentBeatsDefaults(t *testing.T) {
	t.Parallel()
	s := source(map[string]string{"MILLRACE_ADDR": "127.0.0.1:1", "MILLRACE_ORG_ADDR": "127.0.0.1:2", "MILLRACE_READY": "true", "DATABASE_URL": "postgres://x"}, io.Discard)
	c, err := s.Demo([]string{"--addr", "127.0.0.1:3"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr != "127.0.0.1:3" || c.OrgAddr != "127.0.0.1:2" || !c.Ready || c.Accounts != 250 || c.DataDir != ".millrace" || c.DatabaseURL != "postgres://x" {
		t.Errorf("got %+v", c)
	}
}

func TestBadUsageIsSaidOnce(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("k", 32)
	for _, c := range []struct {
		name string
		env  map[string]string
		call func(Source) error
		want string
	}{
		{"no key", nil, func(s Source) error { _, err := s.Serve(nil); return err }, "MILLRACE_SECRET_KEY is not set"},
		{"short key", map[string]string{"MILLRACE_SECRET_KEY": "abc"}, func(s Source) error { _, err := s.Serve(nil); return err }, "has 3 characters"},
		{"bad address", nil, func(s Source) error { _, err := s.Demo([]string{"-addr", "8080"}); return err }, "must be host:port"},
		{"no accounts", nil, func(s Source) error { _, err := s.Org([]string{"-accounts", "0"}); return err }, "must be at least 1"},
		{"unknown flag", nil, func(s Source) error { _, err := s.Org([]string{"-nope"}); return err }, "not defined: -nope"},
		{"stray word", nil, func(s Source) error { _, err := s.Org([]string{"nope"}); return err }, `unexpected argument "nope"`},
		{"bad environment", map[string]string{"MILLRACE_ACCOUNTS": "many"}, func(s Source) error { _, err := s.Org(nil); return err }, "MILLRACE_ACCOUNTS"},
		{"no month", nil, func(s Source) error { _, err := s.Org([]string{"-fiscal-year-start", "13"}); return err }, "a number from 1 to 12"},
		{"no month in the environment", map[string]string{"MILLRACE_FISCAL_YEAR_START": "Brumaire"}, func(s Source) error { _, err := s.Org(nil); return err }, "MILLRACE_FISCAL_YEAR_START"},
		{"time runs backwards", nil, func(s Source) error { _, err := s.Org([]string{"-job-delay", "-1s"}); return err }, "must not be negative"},
		{"half an app", map[string]string{"MILLRACE_SECRET_KEY": key, "MILLRACE_SALESFORCE_CLIENT_ID": "x"}, func(s Source) error { _, err := s.Serve(nil); return err }, "belong together"},
		{"base url with a path", map[string]string{"MILLRACE_SECRET_KEY": key, "MILLRACE_BASE_URL": "https://x/y"}, func(s Source) error { _, err := s.Serve(nil); return err }, "-base-url"},
		{"origin with a path", map[string]string{"MILLRACE_SECRET_KEY": key}, func(s Source) error {
			_, err := s.Serve([]string{"-salesforce-origins", "http://127.0.0.1:1, http://x/y"})
			return err
		}, `has "http://x/y"`},
		{"unknown role", nil, func(s Source) error {
			_, err := s.User("add", []string{"-email", "a@b.c", "-role", "owner"})
			return err
		}, "admin or viewer"},
		{"no email", nil, func(s Source) error { _, err := s.User("passwd", nil); return err }, "-email is required"},
		{"pages of few rows", nil, func(s Source) error { _, err := s.Migrate([]string{"-page-rows", "999"}); return err }, "from 1000 to 250000"},
		{"an overlap of nothing", nil, func(s Source) error { _, err := s.Migrate([]string{"-overlap", "1s"}); return err }, "-overlap is 1s; it must be from 1m0s to 24h0m0s"},
		{"everything read all the time", nil, func(s Source) error { _, err := s.Migrate([]string{"-read-all-every", "5m"}); return err }, "from 1h0m0s to 2160h0m0s"},
		{"formulas never read", nil, func(s Source) error { _, err := s.Migrate([]string{"-formulas-every", "9000h"}); return err }, "from 15m0s to 720h0m0s"},
		{"no lease", nil, func(s Source) error { _, err := s.Migrate([]string{"-lease", "10ms"}); return err }, "at least 1s"},
		{"log level", nil, func(s Source) error { _, err := s.Migrate([]string{"-log-level", "loud"}); return err }, "-log-level"},
	} {
		var out strings.Builder
		err := c.call(source(c.env, &out))
		if !errors.Is(err, ErrUsage) {
			t.Errorf("%s: got %v, want ErrUsage", c.name, err)
		}
		if strings.Count(out.String(), c.want) != 1 {
			t.Errorf("%s: said %q, want %q once", c.name, out.String(), c.want)
		}
	}
}

func TestOrgFlags(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	env := map[string]string{"MILLRACE_SANDBOX": "true", "MILLRACE_FISCAL_YEAR_START": "4", "MILLRACE_MULTI_CURRENCY": "true", "MILLRACE_JWT_CERTIFICATE": "a.pem", "MILLRACE_JOB_DELAY": "3s"}
	c, err := source(env, &out).Org([]string{"-fiscal-year-start", "Feb"})
	if err != nil || !c.Sandbox || c.FiscalYearStart != time.February || !c.MultiCurrency || c.JWTCertificate != "a.pem" || c.JobDelay != 3*time.Second {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := source(nil, &out).Org(nil); err != nil || c.FiscalYearStart != time.January {
		t.Errorf("by default %+v, %v", c, err)
	}
}

func TestHelpIsNotAnError(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if _, err := source(nil, &out).Demo([]string{"-h"}); !errors.Is(err, flag.ErrHelp) || errors.Is(err, ErrUsage) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "-org-addr") {
		t.Errorf("no usage text in %q", out.String())
	}
}

func TestSecretKeyBytes(t *testing.T) {
	t.Parallel()
	if got := (Server{SecretKey: "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}).SecretKeyBytes(); string(got) != "01234567890123456789012345678901" {
		t.Errorf("base64: got %q", got)
	}
	plain := "not base64: a pass phrase of some length"
	if got := (Server{SecretKey: plain}).SecretKeyBytes(); string(got) != plain {
		t.Errorf("plain: got %q", got)
	}
}

func TestImportTakesAFileAmongItsFlags(t *testing.T) {
	t.Parallel()
	key := map[string]string{"MILLRACE_SECRET_KEY": strings.Repeat("k", 32)}
	for _, args := range [][]string{{"a.yaml", "--connection", "2", "--check"}, {"--connection", "2", "a.yaml", "--check"}, {"--connection", "2", "--check", "a.yaml"}} {
		c, err := source(key, io.Discard).Import(args)
		if err != nil || c.File != "a.yaml" || c.Connection != 2 || !c.Check {
			t.Errorf("%v: %+v, %v", args, c, err)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--connection", "2"}, "name the file"},
		{[]string{"a.yaml"}, "-connection is required"},
		{[]string{"a.yaml", "b.yaml", "--connection", "2"}, `unexpected argument "b.yaml"`},
		{[]string{"a.yaml", "--connection", "2", "--apply"}, "-as is required"},
		{[]string{"a.yaml", "--connection", "2", "--apply", "--check", "--as", "a@b.c"}, "give one of them"},
		{[]string{"a.yaml", "--connection", "2", "--note", strings.Repeat("x", 201)}, "longer than 200"},
		{[]string{"a.yaml", "--nope"}, "not defined: -nope"},
	} {
		var out strings.Builder
		if _, err := source(key, &out).Import(c.args); !errors.Is(err, ErrUsage) || strings.Count(out.String(), c.want) != 1 {
			t.Errorf("%v: %v, said %q", c.args, err, out.String())
		}
	}
	if _, err := source(nil, io.Discard).Export([]string{"--connection", "1", "--version", "-1"}); !errors.Is(err, ErrUsage) {
		t.Errorf("a negative version: %v", err)
	}
}
