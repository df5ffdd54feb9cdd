package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience bounds each wait for a page; it is long because the machine may be slow, and no test measures it.
const patience = 60 * time.Second

// browser is one browser profile with one tab.
type browser struct {
	t     *testing.T
	ctx   context.Context
	noJS  bool
	setup browserSetup

	mu         sync.Mutex
	complaints []string // what the page's console and the content security policy complained about
}

type browserOption func(*browserSetup)

type browserSetup struct {
	width, height int64
	dark, noJS    bool
}

func narrow(s *browserSetup)    { s.width, s.height = 390, 844 }
func dark(s *browserSetup)      { s.dark = true }
func withoutJS(s *browserSetup) { s.noJS = true }

// chromium is the one browser process of the tests, in which each newBrowser gets a profile of its own.
var chromium struct {
	mu   sync.Mutex
	ctx  context.Context
	stop func()
}

// sharedChromium returns the browser process, which it starts at the first call, and again should it have ended.
func sharedChromium() (context.Context, error) {
	chromium.mu.Lock()
	defer chromium.mu.Unlock()
	if chromium.ctx != nil {
		if chromedp.Do(chromium.ctx) == nil {
			return chromium.ctx, nil
		}
		chromium.stop()
		chromium.ctx = nil
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-software-rasterizer", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("mute-audio", true), chromedp.Flag("no-pings", true), chromedp.Flag("disable-domain-reliability", true),
		// What costs time and is of no use here: a process held ready for a page that never comes, pages kept alive after they were left.
		chromedp.Flag("disable-features", "Translate,SpareRendererForSitePerProcess,BackForwardCache,MediaRouter,OptimizationHints,AcceptCHFrame,CalculateNativeWinOcclusion"),
		// A machine under load now and then fails to start a browser in time.
		chromedp.WSURLReadTimeout(2*time.Minute),
	)
	if tempRoot() != os.TempDir() { // there is room in /dev/shm
		flags = append(flags, chromedp.Flag("disable-dev-shm-usage", false))
	}
	if path := os.Getenv("MILLRACE_CHROMIUM"); path != "" {
		flags = append(flags, chromedp.ExecPath(path))
	}
	var err error
	for range 3 {
		allocated, cancelAllocator := chromedp.NewExecAllocator(context.Background(), flags...)
		ctx, cancel := chromedp.NewContext(allocated)
		stop := func() { cancel(); cancelAllocator() }
		if err = chromedp.Do(ctx); err == nil {
			chromium.ctx, chromium.stop = ctx, stop
			return ctx, nil
		}
		stop()
	}
	return nil, err
}

// stopChromium ends the browser process, if there is one.
func stopChromium() {
	chromium.mu.Lock()
	defer chromium.mu.Unlock()
	if chromium.ctx != nil {
		chromium.stop()
		chromium.ctx = nil
	}
}

// newBrowser opens a tab of an empty profile.
func newBrowser(t *testing.T, options ...browserOption) *browser {
	t.Helper()
	setup := browserSetup{width: 1440, height: 1000}
	for _, o := range options {
		o(&setup)
	}
	b := &browser{t: t, noJS: setup.noJS, setup: setup}
	shared, err := sharedChromium()
	if err != nil {
		t.Fatalf("starting the browser: %v", err)
	}
	ctx, cancel := chromedp.NewContext(shared, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b.ctx = ctx
	if err := b.begin(ctx, setup); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	return b
}

// begin sets the page of ctx up.
func (b *browser) begin(ctx context.Context, setup browserSetup) error {
	for _, step := range []func() error{
		func() error { return chromedp.Listen(ctx, b.listen) },
		func() error { return call(ctx, log.Enable, cdp.Empty{}) },
		func() error { return call(ctx, runtime.Enable, cdp.Empty{}) },
		func() error { return chromedp.Do(ctx, chromedp.EmulateViewport(setup.width, setup.height)) },
		func() error { return emulateScheme(ctx, setup.dark) },
		// A window that the machine never brought to the front fires no focus events otherwise.
		func() error {
			return call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		},
		func() error {
			return call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: setup.noJS})
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// emulateScheme has pages see a person who likes light or dark screens, without motion.
func emulateScheme(ctx context.Context, dark bool) error {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// call runs a protocol command that answers nothing.
func call[P any](ctx context.Context, command cdp.Command[P, cdp.Empty], params P) error {
	_, err := chromedp.Call(ctx, command, params)
	return err
}

func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError && !strings.Contains(e.Entry.Text, "Failed to load resource") {
			b.complaints = append(b.complaints, e.Entry.Text)
		}
	case *page.EventJavascriptDialogOpening:
		// The question whether to leave a page with unsaved changes: yes. Answering waits for the browser, which this function must not.
		go func() {
			_ = call(b.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) // only fails when the page has gone
		}()
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, fmt.Sprintf("%s (%s:%d)", e.ExceptionDetails.Text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber))
	}
}

// noComplaints fails the test when a page threw an error or broke its content security policy.
func (b *browser) noComplaints() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the browser's console says: %s", c)
	}
}

// do runs actions and fails the test, with a picture, when one does not come about.
func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.shot("failed")
		b.t.Fatalf("%s: %v\nat %s\n%s", what, err, b.location(), b.text("body"))
	}
}

func (b *browser) open(address string) {
	b.t.Helper()
	b.do("opening "+address, chromedp.Navigate(address))
}

// click clicks the first visible element that matches.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("clicking "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// follow clicks what leads to another page, and waits until that has loaded.
func (b *browser) follow(selector string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)); err != nil {
		b.shot("failed")
		b.t.Fatalf("following %s: %v\nat %s\n%s", selector, err, b.location(), b.text("body"))
	}
}

// fill replaces what a field holds.
func (b *browser) fill(selector, text string) {
	b.t.Helper()
	b.do("focusing "+selector, chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible))
	value[bool](b, `document.activeElement.select() || true`)
	b.do("filling "+selector, chromedp.KeyEvent(kb.Backspace), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// waitText waits until the first match is shown and its text contains want.
func (b *browser) waitText(selector, want string) {
	b.t.Helper()
	// What is not shown has all its text for innerText. An element without a box of its own is shown where its children are.
	expression := fmt.Sprintf(`((e) => e !== null && [e, ...e.children].some((part) => part.checkVisibility()) && e.innerText.includes(%s))(document.querySelector(%s))`,
		quoteJS(want), quoteJS(selector))
	b.waitFor(fmt.Sprintf("%s to say %q", selector, want), expression)
}

// waitFor waits until a JavaScript expression is true. It asks from outside, so that it works in a page without scripts too.
func (b *browser) waitFor(what, expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if ok, err := quickly(b, chromedp.Evaluate[bool](expression)); err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			b.shot("failed")
			b.t.Fatalf("waited in vain for %s\nat %s\n%s", what, b.location(), b.text("body"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// quickly runs what a browser answers at once unless it hangs, as behind a dialog.
func quickly[T any](b *browser, action chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Run(ctx, action)
}

func quoteJS(s string) string {
	q, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(q)
}

func (b *browser) location() string {
	at, _ := quickly(b, chromedp.Location())
	return at
}

// text returns the visible text of the first match, or nothing.
func (b *browser) text(selector string) string {
	s, _ := quickly(b, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector)))
	return s
}

// value evaluates a JavaScript expression.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("evaluating %.200s: %v", expression, err)
	}
	return v
}

// count returns how many elements match.
func (b *browser) count(selector string) int {
	b.t.Helper()
	return value[int](b, fmt.Sprintf(`document.querySelectorAll(%q).length`, selector))
}

// shot keeps a picture of the whole page in shots/, which is not part of the repository, if MILLRACE_SHOTS is set.
func (b *browser) shot(name string) {
	if os.Getenv("MILLRACE_SHOTS") == "" {
		return
	}
	png, err := quickly(b, chromedp.FullScreenshot(100))
	if err != nil {
		return
	}
	if err := os.MkdirAll("shots", 0o755); err != nil {
		return
	}
	name = strings.ReplaceAll(b.t.Name(), "/", "_") + "_" + name + ".png"
	_ = os.WriteFile(filepath.Join("shots", name), png, 0o644)
}

// axeSource is the text of axe-core.
var axeSource = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile("../node_modules/axe-core/axe.min.js")
	return string(source) + "\n;0", err
})

// The rules of axe-core that a look asks for: all of them, and those that depend on colours.
const (
	allRules    = `{resultTypes: ["violations"], preload: false}`
	colourRules = `{resultTypes: ["violations"], preload: false, runOnly: {type: "rule", values: ["color-contrast", "link-in-text-block"]}}`
)

// axe fails the test for each accessibility violation that axe-core finds on the page.
func (b *browser) axe() { b.t.Helper(); b.axeRules(allRules) }

func (b *browser) axeRules(rules string) {
	b.t.Helper()
	if !value[bool](b, `typeof axe === "object"`) {
		source, err := axeSource()
		if err != nil {
			b.t.Fatalf("axe-core is not installed: %v", err)
		}
		value[int](b, source)
	}
	found := value[[]string](b, `axe.run(`+rules+`).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + v.help + " at " + n.target.join(" ") + " " + n.failureSummary)))`)
	for _, v := range found {
		b.t.Errorf("accessibility at %s: %s", b.location(), v)
	}
}

// look checks what holds on every page: nothing for axe, in light and in dark, nothing wider than the screen, and one h1. It keeps pictures of both.
func (b *browser) look(name string) {
	b.t.Helper()
	b.lookTwice(name, b.setup.dark)
	b.scheme(b.setup.dark)
}

// lookAround looks at a page in the width of a large screen and in that of a telephone.
func (b *browser) lookAround(name string) {
	b.t.Helper()
	b.lookTwice(name, b.setup.dark)
	width, height := int64(390), int64(844)
	if b.setup.width == width {
		width, height = 1440, 1000
	}
	b.viewport(width, height)
	b.lookTwice(fmt.Sprintf("%s_%d", name, width), !b.setup.dark) // the colours are those of the last look
	b.viewport(b.setup.width, b.setup.height)
}

// lookTwice looks at a page in the colours that it has, which are dark or light, and in the others, and leaves it in these.
func (b *browser) lookTwice(name string, dark bool) {
	b.t.Helper()
	b.waitFor("the page", `document.readyState === "complete"`)
	suffix := map[bool]string{b.setup.dark: "", !b.setup.dark: map[bool]string{false: "_light", true: "_dark"}[!b.setup.dark]}
	b.lookOnce(name+suffix[dark], allRules)
	b.scheme(!dark)
	b.lookOnce(name+suffix[!dark], colourRules)
}

func (b *browser) lookOnce(name, rules string) {
	b.t.Helper()
	b.shot(name)
	b.axeRules(rules)
	if over := value[int](b, `document.documentElement.scrollWidth - window.innerWidth`); over > 0 {
		b.t.Errorf("%s is %d pixels wider than the screen", b.location(), over)
	}
	b.tablesFit()
	if value[int](b, `document.querySelectorAll("h1").length`) != 1 {
		b.t.Errorf("%s does not have exactly one h1", b.location())
	}
}

// tablesFit fails the test when a table whose rows become cards on a narrow screen has to be moved sideways to see all of it.
func (b *browser) tablesFit() {
	b.t.Helper()
	wide := value[string](b, `[...document.querySelectorAll(".table-wrap:has(> .table-cards)")].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.getAttribute("aria-label")).join(", ")`)
	if wide != "" {
		b.t.Errorf("%s: cut off at the right: %s", b.location(), wide)
	}
}

// scheme has the page see a person who likes light or dark screens, and waits until it does.
func (b *browser) scheme(dark bool) {
	b.t.Helper()
	if err := emulateScheme(b.ctx, dark); err != nil {
		b.t.Fatalf("changing the colours: %v", err)
	}
	b.waitFor("the other colours", fmt.Sprintf(`matchMedia("(prefers-color-scheme: dark)").matches === %t`, dark))
	// With a duration, however short, the colours of each element go over one after another where they are inherited; on a large page that takes a second.
	if moving := value[int](b, `document.getAnimations().filter((a) => a instanceof CSSTransition).length`); moving > 0 {
		b.t.Errorf("%d colours of %s change bit by bit, for a person who likes less motion", moving, b.location())
	}
}

// viewport gives the page another size, and waits until it has it.
func (b *browser) viewport(width, height int64) {
	b.t.Helper()
	b.do("resizing", chromedp.EmulateViewport(width, height))
	b.waitFor("the other size", fmt.Sprintf(`window.innerWidth === %d`, width))
}
