package e2e

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// line is the way from a browser to the app, which can be cut.
type line struct {
	*httptest.Server
	cut   atomic.Bool
	polls atomic.Int64 // requests that came through it, but for assets
}

// newLine puts a line before the app at the address.
func newLine(t *testing.T, app string) *line {
	t.Helper()
	to, err := url.Parse(app)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }}
	l := &line{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.cut.Load() {
			panic(http.ErrAbortHandler) // as a server that has gone: the connection ends without an answer
		}
		if !strings.HasPrefix(r.URL.Path, "/static/") {
			l.polls.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// TestLiveProgress follows a sync from its start to its end on its page: the numbers grow by themselves, a reload goes on where they were, a hidden tab asks nothing, a lost connection to
// the app is said, and the page catches up when it is back. Sync Status shows the same, and both are quiet once the run is over.
func TestLiveProgress(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--ready", "--accounts", "3000", "--page-rows", "1000")
	d.awaitLine(t, "Synced: ")
	l := newLine(t, d.app)
	d.app = l.URL
	b := newBrowser(t)
	signIn(d, b)
	db := open(t, d)
	d.control(t, "fault", "match", "/services/data/*/jobs/query/*/results", "slowBytesPerSecond", "4000", "count", "-1")
	d.syncWhole(b)
	page := b.location()
	run := page[strings.LastIndex(page, "/")+1:]

	const figures = `[...(document.querySelector("#run-live")?.innerText ?? "").matchAll(/([\d,]+) of ([\d,]+) records/g)].map((m) => m[1].replaceAll(",", "") | 0)`
	const shown = `Math.max(0, ...` + figures + `)`
	more := func(than int) int {
		t.Helper()
		b.waitFor("more records than before", shown+` > `+strconv.Itoa(than))
		return value[int](b, shown)
	}
	first := more(0)
	b.shot("under-way")
	b.axe()
	second := more(first)

	b.do("reloading", chromedp.Reload())
	b.waitText("#run-live", run)
	if again := more(0); again < first {
		t.Errorf("after the reload the page shows %d records, before %d", again, second)
	}
	if bars := b.count("#run-live progress"); bars == 0 {
		t.Error("the reloaded page shows no progress")
	}

	// A hidden tab asks nothing, while the run goes on.
	moved := func() int {
		return count(t, db, `SELECT in_flight + coalesce((SELECT sum(read) FROM millrace.run_steps WHERE run_id = r.id), 0)
		+ coalesce((SELECT sum(in_flight) FROM millrace.run_units WHERE run_id = r.id), 0) FROM millrace.runs r WHERE short_id = '`+run+`'`)
	}
	value[bool](b, `Object.defineProperty(document, "hidden", { configurable: true, get: () => true }) && true`)
	waitUntil(t, "the request that was on its way to be answered", func() bool {
		n, before := l.polls.Load(), moved()
		waitUntil(t, "records to arrive", func() bool { return moved() != before })
		return l.polls.Load() == n
	})
	quiet, still := l.polls.Load(), value[int](b, shown)
	for range 3 {
		before := moved()
		waitUntil(t, "records to arrive", func() bool { return moved() != before })
	}
	if n := l.polls.Load() - quiet; n != 0 {
		t.Errorf("a hidden tab asked %d times", n)
	}
	value[bool](b, `delete document.hidden`)
	b.waitFor("the tab to be seen", `!document.hidden`)
	third := more(still)

	// The server is gone: the page says so in view, however far it is scrolled, keeps what it has, and asks on.
	value[bool](b, `scrollTo(0, document.documentElement.scrollHeight) || true`)
	b.waitFor("the page to be scrolled", `scrollY > 200`)
	l.cut.Store(true)
	b.waitFor("the notice", `!document.querySelector("#contact").hidden`)
	b.waitFor("the notice to be in view", `(() => { const at = document.querySelector("#contact").getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight; })()`)
	b.waitText("#contact", "The server does not answer")
	b.shot("cut-off")
	b.axe()
	if kept := value[int](b, shown); kept < third {
		t.Errorf("cut off, the page shows %d records, before %d", kept, third)
	}
	d.control(t, "reset-faults")
	waitUntil(t, "the run to end without being watched", func() bool {
		return count(t, db, `SELECT count(*) FROM millrace.runs WHERE short_id = '`+run+`' AND finished_at IS NOT NULL`) == 1
	})
	if text := b.text("#run-live"); strings.Contains(text, "Completed") {
		t.Errorf("cut off, the page knows that the run is over: %s", text)
	}
	l.cut.Store(false)
	b.waitText("#run-live", "Completed")
	b.waitFor("the notice to go", `document.querySelector("#contact").hidden`)
	if at := b.location(); at != page {
		t.Errorf("the page is now %s", at)
	}
	b.shot("caught-up")
	b.axe()
	b.waitFor("the page to be quiet", `!document.querySelector("#run-live").matches("[data-live], [hx-get]")`)
	b.noComplaints()
}
