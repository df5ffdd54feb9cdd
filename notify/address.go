package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"millrace/salesforce"
)

// maxAddress is the longest address of a webhook.
const maxAddress = 2000

// AddressError says in a sentence why an address cannot be used.
type AddressError struct{ Sentence string }

// Error implements error.
func (e *AddressError) Error() string { return e.Sentence }

// CheckURL checks the address of a webhook as somebody enters it, and returns the part of it that people may see: the rest is often a secret. It is an https
// address, or one of an origin that the operator allows. Where the name leads is judged when it is sent to.
func CheckURL(raw string, origins []string) (shown string, err error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", &AddressError{fmt.Sprintf(format, args...)}
	}
	if raw == "" {
		return refuse("Enter the address that the receiver gave you. It begins with https://.")
	}
	if len(raw) > maxAddress || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return refuse("An address has no spaces or backslashes, and at most %d characters.", maxAddress)
	}
	u, perr := url.Parse(raw)
	if perr != nil || u.Hostname() == "" || u.Opaque != "" {
		return refuse("This is not a web address. It begins with https://.")
	}
	if u.User != nil {
		return refuse("The address has a user name in it, which is not sent. Leave that part out.")
	}
	if u.Fragment != "" {
		return refuse("Leave out the part after #: it is not sent.")
	}
	shown = u.Scheme + "://" + u.Host
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		shown += "/…"
	}
	if slices.ContainsFunc(origins, func(o string) bool { return strings.EqualFold(o, u.Scheme+"://"+u.Host) }) {
		return shown, nil
	}
	host := strings.ToLower(u.Hostname())
	ip, ipErr := netip.ParseAddr(host)
	switch {
	case u.Scheme != "https":
		return refuse("Only https is allowed, so that nobody on the way reads or changes what is sent.")
	case host == "localhost", strings.HasSuffix(host, ".localhost"), strings.HasSuffix(host, ".internal"), strings.HasSuffix(host, ".local"),
		ipErr == nil && !salesforce.PublicAddress(ip), ipErr != nil && strings.Trim(host, "0123456789.") == "":
		return refuse("%s is no address of the public internet. If it is meant, the operator can allow it (MILLRACE_ALERT_ORIGINS).", host)
	}
	return shown, nil
}

// MaxAddresses is how many addresses one channel may have.
const MaxAddresses = 20

// CheckAddresses reads a list of e-mail addresses, separated by commas, semicolons or white space. Its error names those that are none.
func CheckAddresses(text string) (list []string, err error) {
	var wrong []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r <= ' ' }) {
		a, perr := mail.ParseAddress(word)
		_, domain, _ := strings.Cut(word, "@")
		if perr != nil || a.Name != "" || a.Address != word || len(word) > 254 || !strings.Contains(domain, ".") && domain != "localhost" || strings.HasSuffix(domain, ".") {
			wrong = append(wrong, "“"+word+"”")
			continue
		}
		if !slices.ContainsFunc(list, func(known string) bool { return strings.EqualFold(known, word) }) {
			list = append(list, word)
		}
	}
	switch {
	case len(wrong) == 1:
		return list, &AddressError{wrong[0] + " is no e-mail address."}
	case len(wrong) > 1:
		return list, &AddressError{strings.Join(wrong, ", ") + " are no e-mail addresses."}
	case len(list) == 0:
		return nil, &AddressError{"Enter at least one e-mail address."}
	case len(list) > MaxAddresses:
		return list, &AddressError{fmt.Sprintf("A channel has at most %d addresses. Use a mailing list, or a second channel.", MaxAddresses)}
	}
	return list, nil
}

// unreached says why who, such as "The receiver", could not be asked. Nothing of the error but its kind gets into it: errors of the HTTP client repeat the address.
func unreached(ctx context.Context, who string, err error) Outcome {
	var host *salesforce.HostError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var timeout net.Error
	switch {
	case errors.As(err, &host):
		return Outcome{Final: true, Said: "The address leads to a place outside the public internet, so nothing was sent. If it is meant, the operator can allow it (MILLRACE_ALERT_ORIGINS)."}
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Outcome{Said: who + " did not answer in time."}
	case errors.As(err, &dns):
		return Outcome{Said: who + " was not found: nothing is known under its name."}
	case errors.As(err, &cert), errors.As(err, &authority), errors.As(err, &name):
		return Outcome{Said: who + " has a certificate that cannot be trusted, so nothing was sent."}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Outcome{Said: who + " refused the connection: nothing listens at its address."}
	}
	return Outcome{Said: who + " broke the connection off before it answered."}
}
