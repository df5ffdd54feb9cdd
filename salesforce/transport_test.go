package salesforce

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

func TestPublicAddress(t *testing.T) {
	t.Parallel()
	for text, public := range map[string]bool{
		"8.8.8.8": true, "13.108.0.1": true, "2606:4700::1111": true, "64:ff9b::808:808": true,
		"127.0.0.1": false, "127.8.8.8": false, "10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "100.64.0.1": false, "100.127.255.254": false, "0.0.0.0": false, "0.1.2.3": false, "192.0.0.192": false,
		"198.18.0.1": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false, "192.0.2.1": false, "203.0.113.9": false,
		"::1": false, "::": false, "fe80::1": false, "fc00::1": false, "fd00:ec2::254": false, "ff02::1": false, "::ffff:8.8.8.8": false,
		"::ffff:127.0.0.1": false, "64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "2001:db8::1": false, "2002:7f00:1::": false,
		"2001:0:1::1": false, "::127.0.0.1": false, "2606:4700::1111%eth0": false,
	} {
		if got := publicAddress(netip.MustParseAddr(text)); got != public {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// A name of Salesforce's that resolves to loopback is refused after the look-up, before anything is sent.
func TestRebindingIsRefused(t *testing.T) {
	t.Parallel()
	var reached bool
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer server.Close()
	rt := newGuarded(HostPolicy{}, loopbackResolver(t))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://rebind.my.salesforce.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = rt.RoundTrip(req)
	var refused *HostError
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Host, "127.0.0.1:") || reached {
		t.Errorf("reached %v: %v", reached, err)
	}
	if network := (&NetworkError{Err: err}); IsTransient(network) {
		t.Error("a refused host counts as transient")
	}
}

// loopbackResolver resolves every name to 127.0.0.1, by a DNS server of its own.
func loopbackResolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
					Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
			}
			if answer, err := m.Pack(); err == nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestHostIsRefusedBeforeConnecting(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"https://169.254.169.254/", "https://localhost/", "http://login.salesforce.com/", "https://login.salesforce.com@evil.tld/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("secret"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Guarded(HostPolicy{}).RoundTrip(req)
		var refused *HostError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// An answer that stops in the middle ends by the deadline, and the call is made again.
func TestStalledAnswer(t *testing.T) {
	t.Parallel()
	stalled := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Sforce-Locator", "null")
		w.Header().Set("Sforce-NumberOfRecords", "2")
		io.WriteString(w, "\"Id\"\n\"1\"\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	s := newStand(t, stalled, func(c *Config) { c.Hosts.Stall = 20 * time.Millisecond })
	r, err := s.Results(t.Context(), "750000000000001AAA", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if _, err := readCSV(NewCSVReader(r.Body)); !errors.Is(err, ErrStalled) || !IsTransient(err) {
		t.Error(err)
	}
}

// The time that the consumer takes is not silence of the server: the watch runs only while a read waits.
func TestSlowConsumerIsNoStall(t *testing.T) {
	t.Parallel()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) { csvPage(w, "null", 1, "\"Id\"\n\"1\"\n") })
	r, err := s.Results(t.Context(), "750000000000001AAA", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	watched := r.Body.(*body).raw.(*watchedBody)
	if watched.timer.Stop() {
		t.Error("the watch ran before the first read")
	}
	if _, err := r.Body.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if watched.timer.Stop() {
		t.Error("the watch ran between two reads")
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	var reached bool
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer inside.Close()
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inside.URL, http.StatusFound) })
	var e *APIError
	if _, err := s.Limits(t.Context()); !errors.As(err, &e) || e.Status != http.StatusFound || reached {
		t.Errorf("reached %v: %v", reached, err)
	}
}

// Not even on the same host: a token or its request must not wander.
func TestRedirectOfTokenRequest(t *testing.T) {
	t.Parallel()
	var reached atomic.Bool
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			reached.Store(true)
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	if _, err := s.cfg.App.Exchange(t.Context(), s.transport, "code", "verifier"); err == nil || reached.Load() {
		t.Errorf("reached %v: %v", reached.Load(), err)
	}
}

// An instance outside the policy gets no token, also when the transport is the caller's own.
func TestTokenStaysWithTheInstance(t *testing.T) {
	t.Parallel()
	var reached bool
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer foreign.Close()
	s := newStand(t, func(http.ResponseWriter, *http.Request) {}, func(c *Config) { c.Transport = http.DefaultTransport })
	s.tokens.token.InstanceURL = foreign.URL
	var refused *HostError
	if _, err := s.Limits(t.Context()); !errors.As(err, &refused) || reached {
		t.Errorf("reached %v: %v", reached, err)
	}
}
