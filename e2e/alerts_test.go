package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"millrace/notify/notifytest"
)

// lose has the org take back its grant, and a sync notice it.
func (d *demo) lose(b *browser) {
	b.t.Helper()
	d.control(b.t, "revoke")
	d.sync(b)
	b.waitText("#run-live", "no longer accepts")
}

// TestAlerts sets up channels, has a connection lost and found, and looks at every page; first without scripts, then by keyboard.
func TestAlerts(t *testing.T) {
	t.Parallel()
	smtp := notifytest.NewSMTP(t)
	var answer atomic.Int64
	answer.Store(http.StatusOK)
	signed := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		signed <- r.Header.Get("webhook-signature")
		w.WriteHeader(int(answer.Load()))
		_, _ = io.WriteString(w, "thank you")
	}))
	t.Cleanup(receiver.Close)
	d := startReady(t, "--smtp-addr", smtp.Host+":"+strconv.Itoa(smtp.Port), "--smtp-from", "Millrace <millrace@example.org>", "--smtp-tls", "off", "--alert-origins", receiver.URL)

	var secret string
	t.Run("without scripts", func(t *testing.T) {
		b := newBrowser(t, withoutJS)
		signIn(d, b)
		b.open(d.app + "/integrations")
		b.follow("nav a[href='/alerts']")
		b.waitText("#open-alerts", "Nothing is wrong")
		b.waitText("main", "Nobody is told")
		b.shot("empty")
		b.follow("a[href='/alerts/channels']")
		b.follow("a[href='/alerts/channels/new?kind=email']")
		b.fill("#name", "On call")
		b.fill("#addresses", "ops@example.com, nobody")
		b.follow("#channel-form button")
		b.waitText("#summary", "“nobody” is no e-mail address")
		b.shot("refused")
		b.fill("#addresses", "ops@example.com")
		b.follow("#channel-form button")
		b.waitText("#flash", "The channel is added")
		b.follow("#test button")
		b.waitText("#flash", "A test is on its way")
		b.open(d.app + "/alerts/channels/1")
		b.waitFor("the delivery", `document.querySelector("#test").innerText.includes("Delivered: the mail server")`)
		b.open(d.app + "/alerts/channels/new?kind=webhook")
		b.fill("#name", "Pager")
		b.fill("#url", receiver.URL+"/hook/canary-of-the-url")
		b.follow("#channel-form button")
		secret = b.text("#secret code")
		if !strings.HasPrefix(secret, "whsec_") {
			t.Fatalf("the secret is %q", secret)
		}
		b.shot("secret")
		b.open(d.app + "/alerts/channels/2")
		if body := b.text("body"); strings.Contains(body, secret) || strings.Contains(body, "canary") {
			t.Error("the page shows a secret again")
		}
	})
	if mails := smtp.Mails(); len(mails) != 1 || !strings.Contains(mails[0].Body, "This is only a test") {
		t.Errorf("mails: %+v", mails)
	}

	t.Run("by keyboard", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		b.open(d.app + "/alerts/channels/2")
		b.do("focusing the test button", chromedp.Focus(chromedp.CSS("#test form button")))
		b.press(kb.Enter)
		b.waitText("#test", "Delivered: the receiver answered 200") // live, without a reload
		if got := <-signed; !strings.HasPrefix(got, "v1,") {
			t.Errorf("the signature is %q", got)
		}
		d.lose(b)
		b.open(d.app + "/alerts")
		b.waitFor("the alert", `document.querySelector("#open-alerts").innerText.includes("The connection to Salesforce is lost")`)
		b.waitText("#open-alerts", "Salesforce ended the connection")
		b.do("focusing Mute", chromedp.Focus(chromedp.CSS("#open-alerts summary")))
		b.press(kb.Enter)
		b.waitFor("the form", `document.querySelector("#open-alerts details").open`)
		b.shot("mute")
		d.reconnect(b)
		d.awaitLog(t, "alert ended")
		b.open(d.app + "/alerts")
		b.waitText("#ended-alerts", "Salesforce accepts the connection again")
		for range 120 { // the page shows what had been delivered when it was opened
			b.open(d.app + "/alerts/deliveries?state=delivered")
			if strings.Contains(b.text("#delivery-list"), "Over: The connection to Salesforce is lost") {
				break
			}
			time.Sleep(250 * time.Millisecond)
		}
		b.waitText("#delivery-list", "Over: The connection to Salesforce is lost")
		b.open(d.app + "/connections/1/alert-rules")
		b.do("focusing a threshold", chromedp.Focus(chromedp.CSS("#threshold-api_budget")))
		value[bool](b, `document.activeElement.select() || true`)
		b.press("101")
		b.press(kb.Enter)
		b.waitText("#summary", "API budget: Enter a whole number from 1 to 100.")
		b.fill("#threshold-api_budget", "70")
		b.press(kb.Enter)
		b.waitText("#flash", "Saved")
		b.noComplaints()
	})
	if mails := smtp.Mails(); len(mails) != 3 || !strings.Contains(mails[1].Body, d.app+"/integrations") {
		t.Errorf("mails: %+v", mails)
	}

	// A receiver that wants no more switches its channel off.
	answer.Store(http.StatusGone)
	t.Run("every page", func(t *testing.T) {
		b := newBrowser(t)
		signIn(d, b)
		d.lose(b)
		d.awaitLog(t, "notice given up")
		for page, path := range map[string]string{
			"alerts": "/alerts", "rules": "/connections/1/alert-rules", "channels": "/alerts/channels", "new": "/alerts/channels/new?kind=slack", "mail": "/alerts/channels/1",
			"gone": "/alerts/channels/2", "remove": "/alerts/channels/2/remove", "log": "/alerts/deliveries", "none": "/alerts/deliveries?state=queued", "notice": "/alerts/deliveries/1",
		} {
			b.open(d.app + path)
			b.lookAround(page)
		}
		b.noComplaints()
	})
	if log := d.printed(); strings.Contains(log, secret) || strings.Contains(log, "canary-of-the-url") {
		t.Error("a secret is in the log")
	}
}
