package salesforce

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// myDomains are the suffixes of "My Domain" hosts, from the My Domain URL formats in Salesforce Help: everywhere including sandboxes and Government
// Cloud, the defence regions of Government Cloud, and Salesforce on Alibaba Cloud. What stands before is one name, or a name and a partition such as
// acme--uat.sandbox.
var myDomains = []string{".my.salesforce.com", ".my.salesforce.mil", ".my.sfcrmproducts.cn", ".my.sfcrmapps.cn"}

var label = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// salesforceHost reports whether host, in lower case, is one that serves OAuth and the data APIs.
func salesforceHost(host string) bool {
	if host == "login.salesforce.com" || host == "test.salesforce.com" {
		return true
	}
	for _, suffix := range myDomains {
		if name, ok := strings.CutSuffix(host, suffix); ok {
			name, partition, parted := strings.Cut(name, ".")
			return label.MatchString(name) && (!parted || label.MatchString(partition))
		}
	}
	return false
}

// check returns a *HostError unless the policy allows requests to u's origin.
func (p HostPolicy) check(u *url.URL) error {
	refuse := func(reason string) error { return &HostError{Host: u.Host, Reason: reason} }
	if u.User != nil {
		return refuse("The address carries a user name.")
	}
	if p.extra(u) {
		return nil
	}
	switch {
	case u.Scheme != "https":
		return refuse("Only https is allowed.")
	case u.Port() != "" && u.Port() != "443":
		return refuse("Only the standard port is allowed.")
	case !salesforceHost(strings.ToLower(u.Hostname())):
		return refuse("It is not one of Salesforce's own hosts.")
	}
	return nil
}

// extra reports whether u's origin is one that the operator allowed.
func (p HostPolicy) extra(u *url.URL) bool {
	for _, raw := range p.Extra {
		if e, err := url.Parse(raw); err == nil && e.Host != "" && e.Scheme == u.Scheme && hostPort(e) == hostPort(u) {
			return true
		}
	}
	return false
}

// extraAddress reports whether address, as a dialer gets it, belongs to an origin that the operator allowed.
func (p HostPolicy) extraAddress(address string) bool {
	for _, raw := range p.Extra {
		if e, err := url.Parse(raw); err == nil && e.Host != "" && hostPort(e) == strings.ToLower(address) {
			return true
		}
	}
	return false
}

// hostPort is u's host and port in lower case, with the scheme's port when u names none.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// CheckLoginURL turns what an admin typed as the org's login address into the origin to use. It accepts a My Domain name (acme, acme--uat), a My Domain
// host, a full https address, and the origins in Extra. The text of the error is a sentence for that admin.
func (p HostPolicy) CheckLoginURL(raw string) (normalised string, err error) {
	text := strings.TrimSpace(raw)
	if text == "" {
		return "", &loginURLError{"Enter your org's My Domain, such as acme.my.salesforce.com. It is in Salesforce under Setup → My Domain."}
	}
	if len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return "", &loginURLError{"An address cannot contain spaces or backslashes. Enter your org's My Domain, such as acme.my.salesforce.com."}
	}
	if name := strings.ToLower(text); label.MatchString(name) && name != "localhost" && !allDigits(name) {
		return "https://" + name + suffixOf(name), nil
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, perr := url.Parse(text)
	if perr != nil || u.Hostname() == "" {
		return "", &loginURLError{fmt.Sprintf("%q is not a web address. Enter your org's My Domain, such as acme.my.salesforce.com.", raw)}
	}
	u.Host, u.Scheme = strings.ToLower(u.Host), strings.ToLower(u.Scheme)
	if err := p.refusal(u); err != nil {
		return "", err
	}
	if u.Port() == "443" && !p.extra(u) {
		u.Host = u.Hostname()
	}
	return u.Scheme + "://" + u.Host, nil
}

// loginURLError is a refused login address; its text is the whole sentence for the admin.
type loginURLError struct{ sentence string }

func (e *loginURLError) Error() string { return e.sentence }

// refusal says in a sentence why u cannot be a login address, or returns nil.
func (p HostPolicy) refusal(u *url.URL) error {
	host := u.Hostname()
	if u.User == nil && p.extra(u) {
		return nil
	}
	_, ipErr := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case u.User != nil:
		return &loginURLError{fmt.Sprintf("The address has an @ in it, so it would lead to %s. Enter only your org's My Domain, such as acme.my.salesforce.com.", host)}
	case ipErr == nil || allDigits(strings.ReplaceAll(host, ".", "")):
		return &loginURLError{"A number is not a Salesforce address. Enter your org's My Domain, such as acme.my.salesforce.com."}
	case u.Port() != "":
		return &loginURLError{"Leave out the port. Salesforce is always reached on the standard one."}
	case u.Scheme != "https":
		return &loginURLError{"Salesforce is only reached over https. Start the address with https://, or leave that part out."}
	case salesforceHost(host):
		return nil
	}
	for _, ui := range []string{".lightning.force.com", ".my.salesforce-setup.com", ".my.site.com", ".vf.force.com", ".content.force.com", ".file.force.com"} {
		if name, ok := strings.CutSuffix(host, ui); ok {
			name, _, _ = strings.Cut(name, ".")
			name, _, _ = strings.Cut(name, "--c")
			if label.MatchString(name) {
				return &loginURLError{fmt.Sprintf("%s shows pages and cannot be signed in to from here. Use %s instead.", host, name+suffixOf(name))}
			}
		}
	}
	for _, own := range []string{"salesforce.com", "force.com", "salesforce.mil"} {
		if host == own || strings.HasSuffix(host, "."+own) {
			return &loginURLError{fmt.Sprintf("%s is a Salesforce address, but not a My Domain. Use the one under Setup → My Domain, such as acme.my.salesforce.com.", host)}
		}
	}
	return &loginURLError{fmt.Sprintf("%s is not a Salesforce address. A My Domain ends in .my.salesforce.com, such as acme.my.salesforce.com.", host)}
}

// suffixOf is the My Domain suffix of a bare name; a sandbox's name holds two hyphens, such as acme--uat.
func suffixOf(name string) string {
	if strings.Contains(name, "--") {
		return ".sandbox.my.salesforce.com"
	}
	return ".my.salesforce.com"
}

func allDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }
