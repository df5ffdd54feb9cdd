package salesforce

import (
	"net/url"
	"strings"
	"testing"
)

func TestCheckLoginURLAccepts(t *testing.T) {
	t.Parallel()
	p := HostPolicy{Extra: []string{"http://127.0.0.1:8081", "https://org.internal"}}
	for raw, want := range map[string]string{
		"acme":                                   "https://acme.my.salesforce.com",
		"  Acme ":                                "https://acme.my.salesforce.com",
		"acme-dev-ed":                            "https://acme-dev-ed.my.salesforce.com",
		"acme--uat":                              "https://acme--uat.sandbox.my.salesforce.com",
		"acme.my.salesforce.com":                 "https://acme.my.salesforce.com",
		"ACME.My.Salesforce.com/":                "https://acme.my.salesforce.com",
		"https://acme.my.salesforce.com":         "https://acme.my.salesforce.com",
		"HTTPS://acme.my.salesforce.com/home?x#": "https://acme.my.salesforce.com",
		"acme--uat.sandbox.my.salesforce.com":    "https://acme--uat.sandbox.my.salesforce.com",
		"acme-dev-ed.develop.my.salesforce.com":  "https://acme-dev-ed.develop.my.salesforce.com",
		"agency.my.salesforce.mil":               "https://agency.my.salesforce.mil",
		"https://acme.my.sfcrmproducts.cn":       "https://acme.my.sfcrmproducts.cn",
		"https://login.salesforce.com":           "https://login.salesforce.com",
		"test.salesforce.com":                    "https://test.salesforce.com",
		"http://127.0.0.1:8081/":                 "http://127.0.0.1:8081",
		"https://org.internal:443":               "https://org.internal:443",
	} {
		got, err := p.CheckLoginURL(raw)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", raw, got, err, want)
			continue
		}
		u, err := url.Parse(got)
		if err != nil || p.check(u) != nil {
			t.Errorf("%q passes here but not in the transport: %v", got, p.check(u))
		}
	}
}

func TestCheckLoginURLRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ raw, says string }{
		{"", "Enter your org's My Domain"},
		{"   ", "Enter your org's My Domain"},
		{"ac me", "spaces"},
		{"acme.my.salesforce.com\n.evil.tld", "spaces"},
		{`https://evil.tld\@login.salesforce.com`, "backslashes"},
		{"https://login.salesforce.com@evil.tld", "lead to evil.tld"},
		{"https://user:pass@acme.my.salesforce.com", "@ in it"},
		{"evil.my.salesforce.com.evil.tld", "not a Salesforce address"},
		{"acme.my.salesforce.com.", "not a Salesforce address"},
		{"evilmy.salesforce.com", "not a My Domain"},
		{"evil.tld/acme.my.salesforce.com", "not a Salesforce address"},
		{"evil.tld?.my.salesforce.com", "not a Salesforce address"},
		{"evil.tld#.my.salesforce.com", "not a Salesforce address"},
		{"https://evil.a.b.my.salesforce.com", "not a My Domain"},
		{"-acme.my.salesforce.com", "not a My Domain"},
		{"my.salesforce.com", "not a My Domain"},
		{"na1.salesforce.com", "not a My Domain"},
		{"acm\u00e9.my.salesforce.com", "not a My Domain"},
		{"https://acme.lightning.force.com/lightning/page/home", "Use acme.my.salesforce.com"},
		{"acme--uat.sandbox.lightning.force.com", "Use acme--uat.sandbox.my.salesforce.com"},
		{"acme.my.salesforce-setup.com", "Use acme.my.salesforce.com"},
		{"http://acme.my.salesforce.com", "only reached over https"},
		{"ftp://acme.my.salesforce.com", "only reached over https"},
		{"javascript://acme.my.salesforce.com", "only reached over https"},
		{"https://acme.my.salesforce.com:8443", "Leave out the port"},
		{"https://acme.my.salesforce.com:443", "Leave out the port"},
		{"acme.my.salesforce.com:80", "Leave out the port"},
		{"https://169.254.169.254", "number"},
		{"10.0.0.1", "number"},
		{"2130706433", "number"},
		{"127.1", "number"},
		{"[::1]", "number"},
		{"https://[::ffff:127.0.0.1]/", "number"},
		{"localhost", "not a Salesforce address"},
		{"http://127.0.0.1:8081", "number"},
		{"https://", "not a web address"},
		{"%", "not a web address"},
		{strings.Repeat("a", 64), "not a Salesforce address"},
		{strings.Repeat("a", 3000), "spaces"},
	}
	for _, tt := range tests {
		got, err := HostPolicy{}.CheckLoginURL(tt.raw)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%.80q: %q, %v; want a sentence with %q", tt.raw, got, err, tt.says)
		}
	}
}

func TestHostPolicy(t *testing.T) {
	t.Parallel()
	p := HostPolicy{Extra: []string{"http://127.0.0.1:8081"}}
	for raw, allowed := range map[string]bool{
		"https://acme.my.salesforce.com/services/data": true,
		"https://acme.my.salesforce.com:443/":          true,
		"https://ACME.my.salesforce.com/":              true,
		"http://127.0.0.1:8081/services":               true,
		"http://127.0.0.1:8082/services":               false,
		"https://127.0.0.1:8081/services":              false,
		"http://user@127.0.0.1:8081/":                  false,
		"http://acme.my.salesforce.com/":               false,
		"https://acme.my.salesforce.com:8443/":         false,
		"https://acme.my.salesforce.com@evil.tld/":     false,
		"https://acme.my.salesforce.com.evil.tld/":     false,
		"https://169.254.169.254/latest/meta-data":     false,
		"https://salesforce.com/":                      false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.check(u); (err == nil) != allowed {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
