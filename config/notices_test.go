package config

import (
	"io"
	"strings"
	"testing"
)

func TestNotices(t *testing.T) {
	t.Parallel()
	env := map[string]string{"MILLRACE_SMTP_PASSWORD": "p"}
	s := Source{Getenv: func(name string) string { return env[name] }, Output: io.Discard}
	got, err := s.Migrate([]string{"-smtp-addr", "mail.example.com:465", "-smtp-from", "Millrace <m@example.com>", "-smtp-user", "u", "-alert-origins", "http://10.0.0.5:9000, https://a.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if got.SMTPHost() != "mail.example.com" || got.SMTPPort() != 465 || got.SMTPSecurity() != "implicit" || got.SMTPPassword != "p" || len(got.NoticeOrigins()) != 2 {
		t.Errorf("got %+v", got.Notices)
	}
	if got := (Notices{SMTPAddr: "mail.example.com:587"}).SMTPSecurity(); got != "starttls" {
		t.Errorf("port 587: %s", got)
	}
}

func TestNoticesRefused(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"-smtp-addr mail": "host:port", "-smtp-addr mail:x -smtp-from m@example.com": "port must be a number", "-smtp-addr mail:25": "-smtp-from is", "-smtp-from m@example.com": "-smtp-addr is not set",
		"-smtp-addr mail:25 -smtp-from m@example.com -smtp-user u":                                "belong together",
		"-smtp-addr mail:25 -smtp-from m@example.com -smtp-tls none":                              "must be starttls",
		"-smtp-addr mail:25 -smtp-from m@example.com -smtp-user u -smtp-password p -smtp-tls off": "unprotected",
		"-metrics-addr 9090": "host:port", "-metrics-token abc": "at least 16",
		"-alert-origins http://a/b":  "-alert-origins has",
		"-alert-origins ftp://a.com": "-alert-origins has",
	} {
		var said strings.Builder
		s := Source{Getenv: func(string) string { return "" }, Output: &said}
		if _, err := s.Migrate(strings.Fields(args)); err == nil || !strings.Contains(said.String(), want) {
			t.Errorf("%s: %v, said %q", args, err, said.String())
		}
	}
}
