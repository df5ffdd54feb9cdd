package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"millrace/db"
)

// lose has a connection lost and looks at it, as the alerts of package jobs do.
func (a *app) lose(c db.Connection) {
	a.t.Helper()
	if err := a.db.MarkNeedsReconnect(a.t.Context(), c.ID, 0, "The token was revoked."); err != nil {
		a.t.Fatal(err)
	}
	a.watch(c)
}

func (a *app) watch(c db.Connection) {
	a.t.Helper()
	_, err := a.db.WatchAlerts(a.t.Context(), c.ID, func(_ db.Connection, s db.Seen) db.AlertWords {
		return db.AlertWords{Title: "The connection is lost", Detail: s.Detail, Place: "/integrations", PlaceLabel: "Reconnect"}
	}, func(db.Alert) string { return "It was found again." })
	if err != nil {
		a.t.Fatal(err)
	}
}

// find makes a lost connection work again.
func (a *app) find(org string) {
	a.t.Helper()
	a.watch(a.connection(org))
}

func TestAlertsPage(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	admin, viewer := a.as(a.admin), a.as(a.viewer)
	admin.get("/alerts").is(http.StatusOK).says("main", "Nothing is wrong", "Nobody is told", "No alert has ended")
	c := a.connection("acme")
	a.connection("globex")
	a.lose(c)
	for who, b := range map[string]*browser{"admin": admin, "viewer": viewer} {
		p := b.get("/alerts").is(http.StatusOK)
		p.says("#open-alerts", "Open (1)", "Connection lost", "The connection is lost", "The token was revoked.", "acme")
		if p.attr("#open-alerts h3 + p + p a", "href") != "/integrations" {
			t.Errorf("%s: the alert does not lead to where it is cured", who)
		}
		p.says("nav a[href='/alerts']", "1 open")
	}
	viewer.get("/alerts").lacks("form[action^='/alerts']")
	viewer.get("/alerts").lacks("a[href='/alerts/channels']")

	form := url.Values{"connection": {itoa(c.ID)}, "cause": {"connection_lost"}, "subject": {""}, "for": {"8"}}
	admin.follow(admin.post("/alerts/mutes", form)).says("#flash", "Muted")
	p := admin.get("/alerts")
	p.says("#mutes", "Connection lost", "acme", "by Ana Ruiz")
	p.says("#open-alerts", "Muted")
	p.lacks("nav a[href='/alerts'] .pill")
	viewer.get("/alerts").lacks("#mutes form")
	admin.follow(admin.post(p.attr("#mutes form", "action"), url.Values{})).says("#flash", "The mute is over")
	for _, bad := range []url.Values{{"connection": {"x"}}, {"connection": {"1"}, "for": {"-1"}}, {"connection": {itoa(c.ID)}, "for": {"1"}, "cause": {"nothing"}}, {"connection": {itoa(c.ID)}, "for": {"1"}, "subject": {"x"}}} {
		admin.post("/alerts/mutes", bad).is(http.StatusBadRequest)
	}
	admin.post("/alerts/mutes", url.Values{"connection": {"999"}, "for": {"1"}}).is(http.StatusNotFound)

	a.find("acme")
	p = admin.get("/alerts")
	p.says("#open-alerts", "Nothing is wrong")
	p.says("#ended-alerts", "The connection is lost", "It was found again.")
}

// TestHistoryOfAlertsIsPaged loses and finds a connection often.
func TestHistoryOfAlertsIsPaged(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	for range 30 {
		a.lose(c)
		a.find("acme")
	}
	admin := a.as(a.admin)
	first := admin.get("/alerts")
	older := strings.TrimSuffix(first.attr("#ended-alerts nav a", "href"), "#ended-alerts")
	second := admin.get(older)
	if n, m := len(first.all("#ended-alerts tbody tr")), len(second.all("#ended-alerts tbody tr")); n != 25 || m != 5 {
		t.Errorf("%d and %d alerts on the two pages", n, m)
	}
	for _, bad := range []string{"?before=x", "?before=1", "?before=-1.1", "?before=99999999999999999.1"} {
		admin.get("/alerts" + bad).is(http.StatusOK)
	}
}

func TestAlertRulesOfAConnection(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	path := "/connections/" + itoa(c.ID) + "/alert-rules"
	admin := a.as(a.admin)
	p := admin.get(path).is(http.StatusOK)
	p.says("main", "nothing was changed yet")
	if n := len(p.all("#rules input[role=switch][checked]")); n != len(db.AlertCauses) {
		t.Errorf("%d causes are on at first", n)
	}
	form := url.Values{"version": {"0"}, "on.run_failed": {"on"}, "on.api_budget": {"on"}, "threshold.api_budget": {"101"}, "threshold.record_errors": {"1,500"}, "threshold.run_waiting": {"x"}}
	p = admin.post(path, form).is(http.StatusUnprocessableEntity)
	p.says("#summary", "API budget: Enter a whole number from 1 to 100.", "Sync waiting long: Enter a whole number")
	if p.attr("#threshold-api_budget", "value") != "101" || p.attr("#threshold-record_errors", "value") != "1,500" || p.attr("#threshold-api_budget", "aria-invalid") != "true" {
		t.Error("what was typed is lost")
	}
	form.Set("threshold.api_budget", "70 %")
	form.Set("threshold.run_waiting", "")
	admin.follow(admin.post(path, form)).says("#flash", "Saved")
	rules, err := a.db.AlertRules(t.Context(), c.ID)
	if err != nil || rules.Causes["api_budget"] != (db.AlertRule{Threshold: 70}) || rules.Causes["record_errors"] != (db.AlertRule{Off: true, Threshold: 1500}) || rules.Causes["run_waiting"].Threshold != 60 {
		t.Errorf("saved %+v, %v", rules, err)
	}
	// The second admin saves what he read before.
	second := a.as(a.user("bo@example.com", "Bo", db.RoleAdmin))
	form.Set("threshold.api_budget", "55")
	p = second.post(path, form).is(http.StatusConflict)
	p.says("#summary", "Ana Ruiz has saved them")
	if p.attr("#threshold-api_budget", "value") != "55" || p.attr("#rules input[name=version]", "value") != "1" {
		t.Error("the page does not show what was typed, on the version that is saved")
	}
	form.Set("version", "1")
	second.follow(second.post(path, form)).says("main", "by Bo")
	admin.post(path, url.Values{}).is(http.StatusBadRequest)
	admin.get("/connections/999/alert-rules").is(http.StatusNotFound)
}

const slackURL = "https://hooks.slack.com/services/T0/B0/canary-of-the-address"

func (b *browser) addChannel(kind string, fields url.Values) *page {
	b.t.Helper()
	form := b.get("/alerts/channels/new?kind=" + kind).is(http.StatusOK)
	fields.Set("kind", kind)
	fields.Set("form_key", form.attr("#channel-form input[name=form_key]", "value"))
	return b.post("/alerts/channels", fields)
}

func TestChannelsAreCheckedAndKept(t *testing.T) {
	t.Parallel()
	a := newApp(t, func(o *Options) { o.MailFrom = "m@example.org" })
	admin := a.as(a.admin)
	admin.get("/alerts/channels").is(http.StatusOK).says("#channels", "There is none yet")
	p := admin.addChannel("email", url.Values{"name": {" "}, "addresses": {"a@example.com, nobody"}}).is(http.StatusUnprocessableEntity)
	p.says("#summary", "Enter a name", "“nobody” is no e-mail address")
	p.says("#addresses", "a@example.com, nobody")
	admin.follow(admin.addChannel("email", url.Values{"name": {"On call"}, "addresses": {"a@example.com\r\nb@example.com"}})).says("#flash", "The channel is added")
	for address, want := range map[string]string{"http://example.com": "Only https", "https://10.0.0.1/x": "no address of the public internet", "": "Enter the address"} {
		admin.addChannel("slack", url.Values{"name": {"Chat"}, "url": {address}}).is(http.StatusUnprocessableEntity).says("#url-error", want)
	}
	admin.follow(admin.addChannel("slack", url.Values{"name": {"Chat"}, "url": {slackURL}}))
	p = admin.get("/alerts/channels/2")
	p.says("#channel-form", "It is https://hooks.slack.com/… at present")
	list := admin.get("/alerts/channels")
	list.says("#channels", "On call", "a@example.com, b@example.com", "Chat", "https://hooks.slack.com/…", "Nothing was sent yet")
	for _, page := range []*page{p, list, admin.get("/alerts/deliveries")} {
		if strings.Contains(page.Body, "canary") {
			t.Error("a page shows the address")
		}
	}
	// Saving without an address keeps it; a second admin who saves from an older page is told.
	admin.follow(admin.post("/alerts/channels/2", url.Values{"version": {"1"}, "name": {"Talk"}, "url": {""}})).says("h1", "Talk")
	if target, err := a.db.ChannelTarget(t.Context(), 2); err != nil || target.URL != slackURL {
		t.Errorf("the address is %q, %v", target.URL, err)
	}
	p = a.as(a.user("bo@example.com", "Bo", db.RoleAdmin)).post("/alerts/channels/2", url.Values{"version": {"1"}, "name": {"Gossip"}}).is(http.StatusConflict)
	p.says("#summary", "somebody else has changed this channel")
	if p.attr("#name", "value") != "Gossip" || p.attr("#channel-form input[name=version]", "value") != "2" {
		t.Error("the page does not show what was typed, on the version that is saved")
	}
	admin.post("/alerts/channels/2", url.Values{"version": {"2"}, "name": {"x"}, "url": {"nonsense"}}).is(http.StatusUnprocessableEntity).says("#url-error", "not a web address")
	admin.follow(admin.post("/alerts/channels/2/switch", url.Values{"version": {"2"}})).says("main", "Off", "The channel is off")
	admin.get("/alerts/channels/1/remove").says("main", "No other channel is on")
	admin.follow(admin.post("/alerts/channels/2/switch", url.Values{"version": {"3"}, "on": {"on"}})).says("#flash", "The channel is on")
	admin.get("/alerts/channels/1/remove").is(http.StatusOK)
	admin.follow(admin.post("/alerts/channels/1/remove", url.Values{"version": {"1"}})).says("#flash", "The channel is removed")
	admin.get("/alerts/channels/1").is(http.StatusNotFound)
	admin.post("/alerts/channels/2", url.Values{"name": {"x"}}).is(http.StatusBadRequest)
	admin.post("/alerts/channels", url.Values{"kind": {"pigeon"}}).is(http.StatusUnprocessableEntity)
}

func TestNoMailWithoutAServer(t *testing.T) {
	t.Parallel()
	admin := newApp(t, nil)
	b := admin.as(admin.admin)
	b.get("/alerts/channels").says("#add", "No mail server is set up")
	b.get("/alerts/channels").lacks("a[href='/alerts/channels/new?kind=email']")
	b.post("/alerts/channels", url.Values{"kind": {"email"}, "name": {"x"}, "addresses": {"a@example.com"}}).is(http.StatusUnprocessableEntity)
	if got := b.get("/alerts/channels/new?kind=email").Header.Get("Location"); got != "/alerts/channels" {
		t.Errorf("leads to %q", got)
	}
}

// TestSecretIsShownOnce at its making and at each new one, and nowhere else.
func TestSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	admin := a.as(a.admin)
	fields := url.Values{"name": {"Pager"}, "url": {"https://example.com/hook"}}
	p := admin.addChannel("webhook", fields).is(http.StatusOK)
	secret := p.text("#secret code")
	if !strings.HasPrefix(secret, "whsec_") || p.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("the secret is %q, %v", secret, p.Header)
	}
	// Sent again, as a reload does, the form makes nothing and shows nothing.
	again := admin.follow(admin.post("/alerts/channels", fields))
	again.says("#flash", "The channel is there already")
	if n := len(admin.get("/alerts/channels").all("#channels li")); n != 1 || strings.Contains(again.Body, secret) {
		t.Errorf("%d channels", n)
	}
	p = admin.post("/alerts/channels/1/rotate", url.Values{"version": {"1"}}).is(http.StatusOK)
	next := p.text("#secret code")
	if next == secret || !strings.HasPrefix(next, "whsec_") {
		t.Errorf("the new secret is %q", next)
	}
	p.says("#signing", "Two secrets sign at present")
	again = admin.post("/alerts/channels/1/rotate", url.Values{"version": {"1"}}).is(http.StatusConflict)
	if strings.Contains(again.Body, next) || len(again.all("#secret")) > 0 {
		t.Error("a reload shows a secret")
	}
	admin.follow(admin.post("/alerts/channels/1/end-old-secret", url.Values{"version": {"2"}})).lacks("#signing .note")
	for _, path := range []string{"/alerts", "/alerts/channels", "/alerts/channels/1", "/alerts/deliveries"} {
		if body := admin.get(path).Body; strings.Contains(body, secret) || strings.Contains(body, next) {
			t.Errorf("%s shows a secret", path)
		}
	}
	admin.follow(admin.addChannel("slack", url.Values{"name": {"Chat"}, "url": {slackURL}}))
	admin.post("/alerts/channels/2/rotate", url.Values{"version": {"1"}}).is(http.StatusNotFound)
}

// TestTestAndRedeliverCountOnce presses both twice.
func TestTestAndRedeliverCountOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	admin := a.as(a.admin)
	admin.addChannel("webhook", url.Values{"name": {"Pager"}, "url": {"https://example.com/hook"}})
	key := url.Values{"form_key": {admin.get("/alerts/channels/1").attr("#test input[name=form_key]", "value")}}
	for _, want := range []string{"A test is on its way.", "no second one was queued"} {
		p := admin.follow(admin.post("/alerts/channels/1/test", key))
		p.says("#flash", want)
		p.says("#test", "On the way", "Test")
		if p.attr("#test", "hx-trigger") == "" {
			t.Error("the page does not follow what becomes of it")
		}
	}
	admin.post("/alerts/channels/1/test", url.Values{}).is(http.StatusBadRequest)
	n, err := a.db.ClaimDelivery(t.Context(), "test", time.Minute)
	if err != nil || n == nil {
		t.Fatal(n, err)
	}
	admin.get("/alerts/deliveries/1").lacks("form[action$='/redeliver']")
	if err := a.db.EndAttempt(t.Context(), *n, db.AttemptEnd{Code: 500, Excerpt: "<script>alert(1)</script>", Said: "The receiver answered 500."}); err != nil {
		t.Fatal(err)
	}
	p := admin.get("/alerts/deliveries/1").is(http.StatusOK)
	p.says("main", "Not delivered", "The receiver answered 500.", "Ana Ruiz", "<script>alert(1)</script>", n.MessageID)
	p.lacks("pre script")
	again := url.Values{"attempts": {p.attr("form[action$='/redeliver'] input", "value")}}
	for _, want := range []string{"The notice is sent again", "nothing was queued"} {
		admin.follow(admin.post("/alerts/deliveries/1/redeliver", again)).says("#flash", want)
	}
	admin.get("/alerts/deliveries?state=queued&channel=1").says("#delivery-list", "Test", "On the way")
	admin.get("/alerts/deliveries?state=delivered").says("#delivery-list", "No such notices")
	admin.get("/alerts/deliveries?state=x&channel=y&before=z").is(http.StatusOK)
	for _, path := range []string{"/alerts/deliveries/99", "/alerts/deliveries/x", "/alerts/channels/x"} {
		admin.get(path).is(http.StatusNotFound)
	}
	admin.post("/alerts/deliveries/99/redeliver", url.Values{"attempts": {"1"}}).is(http.StatusNotFound)
	admin.post("/alerts/deliveries/1/redeliver", url.Values{}).is(http.StatusBadRequest)
}

func TestDeliveriesArePaged(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	admin := a.as(a.admin)
	admin.addChannel("webhook", url.Values{"name": {"Pager"}, "url": {"https://example.com/hook"}})
	for i := range 30 {
		if _, err := a.db.TestAlertChannel(t.Context(), 1, strconv.Itoa(i), a.admin.ID); err != nil {
			t.Fatal(err)
		}
	}
	first := admin.get("/alerts/deliveries?channel=1")
	second := admin.get(first.attr("#delivery-list nav a", "href"))
	if n, m := len(first.all("tbody tr")), len(second.all("tbody tr")); n != 25 || m != 5 {
		t.Errorf("%d and %d notices on the two pages", n, m)
	}
	second.has("#delivery-list nav a[href='/alerts/deliveries?channel=1']")
}

// TestWholeNumbers reads numbers as people write them, and takes no fraction for a number ten times as large.
func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"60": 60, "70 %": 70, " 5% ": 5, "1,500": 1500, "1.500.000": 1_500_000, "1 500": 1500, "1\u00a0500": 1500, "1.5": -1, "1,5": -1, "0.75": -1, "1,50": -1, "": -1, "1e3": -1, "٣": -1} {
		n, err := wholeNumber(text)
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%q is %d, %v", text, n, err)
		}
	}
}

// TestNoticeToARemovedAddress is not sent again; the page says why.
func TestNoticeToARemovedAddress(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	admin := a.as(a.admin)
	admin.addChannel("webhook", url.Values{"name": {"Pager"}, "url": {"https://example.com/hook"}})
	admin.post("/alerts/channels/1/test", url.Values{"form_key": {admin.get("/alerts/channels/1").attr("#test input[name=form_key]", "value")}}).is(http.StatusSeeOther)
	n, err := a.db.ClaimDelivery(t.Context(), "test", time.Minute)
	if err != nil || n == nil {
		t.Fatal(n, err)
	}
	if err := a.db.EndAttempt(t.Context(), *n, db.AttemptEnd{Delivered: true, Said: "ok"}); err != nil {
		t.Fatal(err)
	}
	a.exec(`UPDATE millrace.alert_deliveries SET address = 'left@example.com' WHERE id = 1`)
	p := admin.get("/alerts/deliveries/1").is(http.StatusOK)
	p.says("#not-again", "left@example.com is no longer one of the channel's addresses")
	p.lacks("form[action$='/redeliver']")
	admin.post("/alerts/deliveries/1/redeliver", url.Values{"attempts": {"1"}}).is(http.StatusConflict).says("main", "an address that is no longer one of the channel's")
	a.exec(`UPDATE millrace.alert_channels SET addresses = '{left@example.com}' WHERE id = 1`)
	admin.get("/alerts/deliveries/1").has("form[action$='/redeliver']")
}
