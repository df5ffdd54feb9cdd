package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/notify/notifytest"
)

var (
	began  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	opened = Message{
		ID: "msg_1", Kind: Opened, At: began, AlertID: 7, Cause: "run_failed", CauseLabel: "Sync failed", Subject: "accounts",
		Title: "The sync of accounts failed", Text: "The field Größe__c <is> gone & \"lost\".", Connection: "Brightwater", ConnID: 3, Environment: "production",
		Link: "https://millrace.example.com/connections/3/runs/R-1", LinkLabel: "See the sync R-1", OpenedAt: &began,
	}
)

// receiver is a webhook's receiver and what it got.
func receiver(t *testing.T, answer http.HandlerFunc) (address string, got func() (*http.Request, []byte)) {
	t.Helper()
	type request struct {
		r    *http.Request
		body []byte
	}
	requests := make(chan request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests <- request{r, body}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() (*http.Request, []byte) {
		select {
		case one := <-requests:
			return one.r, one.body
		default:
			return nil, nil
		}
	}
}

func sender(origins ...string) *Sender {
	return New(Options{Origins: origins, Timeout: 30 * time.Second})
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// verified checks a request as the specification tells receivers to, and knows nothing of how it was made.
func verified(h http.Header, body []byte, secret string, now time.Time) error {
	sent, err := time.Parse(time.RFC3339, time.Unix(atoi(h.Get("webhook-timestamp")), 0).UTC().Format(time.RFC3339))
	if err != nil || now.Sub(sent).Abs() > 5*time.Minute {
		return errors.New("too old or from the future")
	}
	key, err := base64.StdEncoding.DecodeString(secret[len("whsec_"):])
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(h.Get("webhook-id")))
	mac.Write([]byte{'.'})
	mac.Write([]byte(h.Get("webhook-timestamp")))
	mac.Write([]byte{'.'})
	mac.Write(body)
	want := mac.Sum(nil)
	for _, one := range strings.Split(h.Get("webhook-signature"), " ") {
		version, text, _ := strings.Cut(one, ",")
		if got, err := base64.StdEncoding.DecodeString(text); version == "v1" && err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return errors.New("no signature fits")
}

func atoi(s string) (n int64) {
	for _, c := range s {
		n = n*10 + int64(c-'0')
	}
	return n
}

// TestWebhookIsSigned verifies what arrives with either of two secrets, and that nothing of it can be changed.
func TestWebhookIsSigned(t *testing.T) {
	t.Parallel()
	address, got := receiver(t, status(http.StatusNoContent))
	old := "whsec_" + base64.StdEncoding.EncodeToString([]byte("the secret before this one, long"))
	o := sender(address).Webhook(t.Context(), address+"/hook?token=t", []string{secret, old}, opened, time.Now())
	if !o.Delivered || o.Code != http.StatusNoContent || o.Took <= 0 {
		t.Fatalf("got %+v", o)
	}
	r, body := got()
	if r.Method != http.MethodPost || r.URL.RequestURI() != "/hook?token=t" || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("webhook-id") != "msg_1" {
		t.Errorf("arrived as %s %s %v", r.Method, r.URL, r.Header)
	}
	for _, s := range []string{secret, old} {
		if err := verified(r.Header, body, s, time.Now()); err != nil {
			t.Errorf("%v", err)
		}
	}
	tampered := map[string]error{
		"body":        verified(r.Header, append(body, ' '), secret, time.Now()),
		"old":         verified(r.Header, body, secret, time.Now().Add(6*time.Minute)),
		"other":       verified(r.Header, body, "whsec_"+base64.StdEncoding.EncodeToString([]byte("of somebody else")), time.Now()),
		"replayed id": verified(with(r.Header, "webhook-id", "msg_2"), body, secret, time.Now()),
		"timestamp":   verified(with(r.Header, "webhook-timestamp", "1"+r.Header.Get("webhook-timestamp")), body, secret, time.Unix(atoi("1"+r.Header.Get("webhook-timestamp")), 0)),
	}
	for what, err := range tampered {
		if err == nil {
			t.Errorf("tampered %s passes", what)
		}
	}
	var p map[string]any
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	data := p["data"].(map[string]any)
	if p["type"] != "alert.opened" || p["timestamp"] != "2026-03-04T05:06:07Z" || data["title"] != opened.Title || data["text"] != opened.Text ||
		data["alert"].(map[string]any)["cause"] != "run_failed" || data["connection"].(map[string]any)["name"] != "Brightwater" || data["link"].(map[string]any)["url"] != opened.Link {
		t.Errorf("the body is %s", body)
	}
}

func with(h http.Header, name, value string) http.Header {
	h = h.Clone()
	h.Set(name, value)
	return h
}

// TestSignatureOfTheSpecification is the example that the specification gives.
func TestSignatureOfTheSpecification(t *testing.T) {
	t.Parallel()
	got, err := Sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestSlack(t *testing.T) {
	t.Parallel()
	address, got := receiver(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	if o := sender(address).Slack(t.Context(), address+"/services/T/B/x", opened); !o.Delivered || o.Excerpt != "ok" {
		t.Fatalf("got %+v", o)
	}
	r, body := got()
	var p map[string]string
	if err := json.Unmarshal(body, &p); err != nil || len(p) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	for _, want := range []string{"*Brightwater: The sync of accounts failed*", "Größe__c &lt;is&gt; gone &amp; \"lost\".", "<" + opened.Link + "|See the sync R-1>"} {
		if !strings.Contains(p["text"], want) {
			t.Errorf("the text is %q, which lacks %q", p["text"], want)
		}
	}
	if r.Header.Get("webhook-signature") != "" {
		t.Error("it is signed")
	}
}

// TestReceiversThatDoNotTakeIt says of each what that means.
func TestReceiversThatDoNotTakeIt(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   Outcome
		says   string
	}{
		"gone":      {status(410), Outcome{Code: 410, Final: true, Gone: true}, "wants no more notices"},
		"not found": {status(404), Outcome{Code: 404}, "does not know this address"},
		"refused":   {status(400), Outcome{Code: 400}, "did not accept"},
		"broken":    {status(503), Outcome{Code: 503}, "wrong on its side"},
		"too many": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "120"); w.WriteHeader(429) },
			Outcome{Code: 429, RetryAfter: 2 * time.Minute}, "fewer notices"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, Outcome{Code: 307}, "That is not followed"},
		"cut off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Outcome{}, "broke the connection off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, got := receiver(t, test.answer)
			o := sender(address).Webhook(t.Context(), address, []string{secret}, opened, time.Now())
			if !strings.Contains(o.Said, test.says) {
				t.Errorf("says %q", o.Said)
			}
			o.Said, o.Took, o.Excerpt = "", 0, ""
			if o != test.want {
				t.Errorf("got %+v", o)
			}
			if r, _ := got(); r == nil || r.URL.Path == "/elsewhere" {
				t.Errorf("first came %v", r)
			}
			if r, _ := got(); r != nil {
				t.Errorf("and then %v", r)
			}
		})
	}
}

func TestSlowReceiverIsLeft(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	address, _ := receiver(t, func(http.ResponseWriter, *http.Request) { <-hold })
	defer close(hold)
	s := New(Options{Origins: []string{address}, Timeout: 50 * time.Millisecond})
	if o := s.Slack(t.Context(), address, opened); o.Delivered || o.Final || !strings.Contains(o.Said, "did not answer in time") {
		t.Errorf("got %+v", o)
	}
}

// TestExcerptHoldsNoSecrets lets a receiver repeat everything that it was sent.
func TestExcerptHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*excerptBytes)
	address, _ := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "no\x00 "+r.URL.String()+" http://"+r.Host+r.URL.RequestURI()+" "+secret+" "+secret[6:]+long+secret)
	})
	o := sender(address).Webhook(t.Context(), address+"/services/canary-one?key=canary-two", []string{secret}, opened, time.Now())
	if !strings.HasPrefix(o.Excerpt, "no ") || len(o.Excerpt) > excerptBytes+len("…") {
		t.Errorf("the excerpt is %q", o.Excerpt)
	}
	for _, canary := range []string{"canary-one", "canary-two", secret[6:], "whsec_M"} {
		if strings.Contains(o.Excerpt, canary) {
			t.Errorf("%q is in %q", canary, o.Excerpt)
		}
	}
}

// TestWebhooksStayOutside tries addresses inside: by name, by number, and by a name that only turns out to be inside once it is looked up.
func TestWebhooksStayOutside(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 10)
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{} }))
	defer inside.Close()
	port := inside.URL[strings.LastIndex(inside.URL, ":"):]
	s := New(Options{Timeout: 10 * time.Second, Resolver: resolving(t, [4]byte{127, 0, 0, 1})})
	for _, address := range []string{"https://rebound.example.com" + port, "https://127.0.0.1" + port, "https://[::1]" + port, "https://localhost" + port,
		"http://127.0.0.1" + port, "https://169.254.169.254/latest", "https://10.0.0.1/", "https://2130706433/", "https://metadata.google.internal/"} {
		o := s.Webhook(t.Context(), address, []string{secret}, opened, time.Now())
		if o.Delivered || !o.Final || o.Code != 0 {
			t.Errorf("%s: %+v", address, o)
		}
	}
	select {
	case <-reached:
		t.Error("the inside was reached")
	default:
	}
}

// resolving answers every question for an address with the same one.
func resolving(t *testing.T, ip [4]byte) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			q := buf[:n]
			end := 12
			for end < n && q[end] != 0 {
				end += int(q[end]) + 1
			}
			end += 5
			if end > n {
				continue
			}
			answer := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
			if q[end-3] == 1 { // A
				answer[7] = 1
				answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4), ip[:]...)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://hooks.slack.com/services/T/B/x": "https://hooks.slack.com/…", "https://a.example.com": "https://a.example.com", "https://a.example.com:8443/": "https://a.example.com:8443",
		"https://1.1.1.1/x?y": "https://1.1.1.1/…", "http://10.1.2.3:9000/in": "http://10.1.2.3:9000/…",
	} {
		if shown, err := CheckURL(raw, []string{"http://10.1.2.3:9000"}); shown != want || err != nil {
			t.Errorf("%s: %q, %v", raw, shown, err)
		}
	}
	for raw, want := range map[string]string{
		"": "Enter the address", "hooks.slack.com/x": "not a web address", "http://a.example.com": "Only https", "https://a b": "no spaces", "https://u:p@a.example.com": "user name",
		"https://a.example.com/#x": "after #", "ftp://a.example.com": "Only https", "https:///x": "not a web address", "https://" + strings.Repeat("a", 2000): "at most 2000",
		"https://10.1.2.3/": "no address of the public internet", "https://localhost/": "no address of the public internet", "https://0x7f000001/": "",
		"http://10.1.2.3:9001/in": "Only https", "javascript:alert(1)": "not a web address",
	} {
		var refused *AddressError
		_, err := CheckURL(raw, []string{"http://10.1.2.3:9000"})
		if want == "" {
			continue // judged when it is dialled
		}
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestCheckAddresses(t *testing.T) {
	t.Parallel()
	got, err := CheckAddresses(" a@example.com, B@example.com;\n c.d+e@sub.example.com\tA@EXAMPLE.com")
	if strings.Join(got, " ") != "a@example.com B@example.com c.d+e@sub.example.com" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for text, want := range map[string]string{
		"": "at least one", "a@example.com nobody": "“nobody” is no e-mail", "a@b, @c.de": "“a@b”, “@c.de” are no", "Ann <a@example.com>": "“Ann”", "a@example.com\r\nBcc:x@example.com": "Bcc",
		strings.Repeat("x@example.com,", 1) + many(21): "at most 20",
	} {
		if _, err := CheckAddresses(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func many(n int) string {
	var list []string
	for i := range n {
		list = append(list, strings.Repeat("a", i+1)+"@example.com")
	}
	return strings.Join(list, ", ")
}

func mailTo(s *notifytest.SMTP, tls TLS) Mail {
	return Mail{Host: s.Host, Port: s.Port, TLS: tls, From: "Millrace <millrace@example.org>"}
}

func TestEmail(t *testing.T) {
	t.Parallel()
	smtp := notifytest.NewSMTP(t)
	s := New(Options{Mail: mailTo(smtp, NoTLS), Timeout: 30 * time.Second})
	evil := opened
	evil.Title = "It failed\r\nBcc: victim@example.com"
	if o := s.Email(t.Context(), "ops@example.com", evil); !o.Delivered || o.Code != 250 {
		t.Fatalf("got %+v", o)
	}
	over := opened
	ended := began.Add(time.Hour)
	over.ID, over.Kind, over.Title, over.EndedAt, over.OpeningID = "msg_2", Recovered, "Over: it failed", &ended, "msg_1"
	if o := s.Email(t.Context(), "ops@example.com", over); !o.Delivered {
		t.Fatalf("got %+v", o)
	}
	mails := smtp.Mails()
	if len(mails) != 2 {
		t.Fatalf("%d mails", len(mails))
	}
	first, second := mails[0], mails[1]
	subject, err := new(mime.WordDecoder).DecodeHeader(first.Header.Get("Subject"))
	if err != nil || subject != "Brightwater: It failed Bcc: victim@example.com" || first.Header.Get("Bcc") != "" || first.To != "ops@example.com" || first.From != "millrace@example.org" {
		t.Errorf("the first is %+v, its subject %q", first, subject)
	}
	if first.Header.Get("Message-Id") != "<msg_1@example.org>" || second.Header.Get("In-Reply-To") != "<msg_1@example.org>" || first.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("headers %v, %v", first.Header, second.Header)
	}
	for _, want := range []string{opened.Text, "See the sync R-1:\n" + opened.Link, "Noticed on 4 March 2026 at 05:06 UTC"} {
		if !strings.Contains(first.Body, want) {
			t.Errorf("the body lacks %q: %s", want, first.Body)
		}
	}
	if !strings.Contains(second.Body, "ended on 4 March 2026 at 06:06 UTC") {
		t.Errorf("the second body is %s", second.Body)
	}
}

// TestMailServersThatDoNotTakeIt says of each what that means.
func TestMailServersThatDoNotTakeIt(t *testing.T) {
	t.Parallel()
	smtp := notifytest.NewSMTP(t)
	smtp.Refuse("gone@example.com", "550 no such user")
	smtp.Refuse("full@example.com", "452 mailbox full")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := Mail{Host: "127.0.0.1", Port: free.Addr().(*net.TCPAddr).Port, TLS: NoTLS, From: "m@example.org"}
	free.Close()
	signIn := mailTo(smtp, NoTLS)
	signIn.User, signIn.Password = "u", "canary-password"
	for name, test := range map[string]struct {
		mail  Mail
		to    string
		final bool
		code  int
		says  string
	}{
		"refused for good": {mailTo(smtp, NoTLS), "gone@example.com", true, 550, "does not take mail for this address"},
		"refused for now":  {mailTo(smtp, NoTLS), "full@example.com", false, 452, "did not take it (452)"},
		"no STARTTLS":      {mailTo(smtp, StartTLS), "a@example.com", true, 0, "does not offer STARTTLS"},
		"no TLS":           {mailTo(smtp, ImplicitTLS), "a@example.com", false, 0, ""},
		"no sign-in":       {signIn, "a@example.com", true, 0, "no sign-in"},
		"nobody there":     {nobody, "a@example.com", false, 0, "refused the connection"},
		"no server":        {Mail{}, "a@example.com", true, 0, "No mail server is set up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := New(Options{Mail: test.mail, Timeout: 30 * time.Second}).Email(t.Context(), test.to, opened)
			if o.Delivered || o.Final != test.final || o.Code != test.code || !strings.Contains(o.Said, test.says) || strings.Contains(o.Said+o.Excerpt, "canary") {
				t.Errorf("got %+v", o)
			}
		})
	}
	if n := len(smtp.Mails()); n != 0 {
		t.Errorf("%d mails were taken", n)
	}
}
