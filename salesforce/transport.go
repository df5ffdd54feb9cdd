package salesforce

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	tlsTimeout  = 10 * time.Second
	// headerTimeout is above the two minutes after which Salesforce itself gives up on a query.
	headerTimeout = 3 * time.Minute
	defaultStall  = time.Minute
)

// guardedTransport is the RoundTripper of Guarded.
type guardedTransport struct {
	policy HostPolicy
	base   *http.Transport
}

// Guarded returns a transport that reaches only the hosts which p allows. It checks the origin before it connects (a *HostError), checks the address
// after it was looked up, so that a name which resolves into a private network is refused too, never uses a proxy from the environment, and ends an
// answer that stalls (ErrStalled). It speaks HTTP/1.1: the few long downloads of a sync then have a connection, and its flow control, each.
func Guarded(p HostPolicy) http.RoundTripper { return newGuarded(p, nil) }

// PublicDialer returns the dial function of Guarded, for servers that are not Salesforce's: it connects to addresses of the public internet only, judged
// after the name was looked up, and to the origins that p allows besides. It returns a *HostError for others. The resolver may be nil.
func PublicDialer(p HostPolicy, resolver *net.Resolver) func(ctx context.Context, network, address string) (net.Conn, error) {
	public := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Resolver: resolver, Control: refusePrivate}
	anywhere := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Resolver: resolver}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if p.extraAddress(address) {
			return anywhere.DialContext(ctx, network, address)
		}
		return public.DialContext(ctx, network, address)
	}
}

// PublicAddress reports whether a is a unicast address of the public internet.
func PublicAddress(a netip.Addr) bool { return publicAddress(a) }

func newGuarded(p HostPolicy, resolver *net.Resolver) *guardedTransport {
	return &guardedTransport{policy: p, base: &http.Transport{
		DialContext:           PublicDialer(p, resolver),
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   maxConcurrent,
		DisableCompression:    true, // the client inflates by itself, faster and with a limit
		ReadBufferSize:        64 << 10,
	}}
}

// RoundTrip implements http.RoundTripper.
func (t *guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := t.policy.check(req.URL); err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	stall := t.policy.Stall
	if stall <= 0 {
		stall = defaultStall
	}
	body := &watchedBody{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, stall: stall}
	body.timer = time.AfterFunc(stall, func() { cancel(ErrStalled) })
	body.timer.Stop()
	resp.Body = body
	return resp, nil
}

// CloseIdleConnections closes the connections that no request uses.
func (t *guardedTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }

// watchedBody cancels its request when one Read waits longer than stall. The time between two reads is the consumer's own and does not count.
type watchedBody struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	stall  time.Duration
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.stall)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && err != io.EOF && errors.Is(context.Cause(b.ctx), ErrStalled) {
		err = ErrStalled
	}
	return n, err
}

func (b *watchedBody) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// refusePrivate is the Control of the dialer: it sees the address that the name resolved to, right before it is connected to.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !publicAddress(ap.Addr()) {
		return &HostError{Host: address, Reason: "It resolves to an address outside the public internet."}
	}
	return nil
}

// reserved are the blocks of the IANA special-purpose registries that netip's own predicates do not know.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}

var (
	globalIPv6 = netip.MustParsePrefix("2000::/3")
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
)

// publicAddress reports whether a is a unicast address of the public internet. IPv4 addresses in IPv6 clothes are refused, but for those of NAT64,
// which are judged by the address that they stand for.
func publicAddress(a netip.Addr) bool {
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Zone() != "" || a.Is4In6() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	if a.Is6() && !globalIPv6.Contains(a) {
		return false
	}
	for _, block := range reserved {
		if block.Contains(a) {
			return false
		}
	}
	return true
}
