package sim_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"millrace/salesforce/sim"
)

// TestControlPage opens the control page in a browser, wide and narrow, light and dark: it is accessible, it fits, and its buttons do what they say.
func TestControlPage(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 30})
	org.Fail(sim.Fault{Match: "/services/data", Status: 503, Count: 3})
	org.HideField("Account", "ARR__c")
	server := httptest.NewServer(org)
	defer server.Close()
	axe, err := os.ReadFile("../../node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU)
	if path := os.Getenv("MILLRACE_CHROMIUM"); path != "" {
		flags = append(flags, chromedp.ExecPath(path))
	}
	allocated, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	defer stop()
	tab, closeTab := chromedp.NewContext(allocated)
	defer closeTab()
	if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil { // the browser lives as long as the context that starts it
		t.Fatal(err)
	}
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			ctx, cancel := context.WithTimeout(tab, time.Minute)
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media)
			if err == nil {
				err = chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(server.URL+"/control"))
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.querySelectorAll('details').forEach(d => d.open = true);"+string(axe)+"\n;0")); err != nil {
				t.Fatal(err)
			}
			wrong, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`axe.run().then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target.join(" ") + " " + n.failureSummary)))`,
				chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range wrong {
				t.Errorf("%s, %d px: %s", scheme, width, v)
			}
			over, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - innerWidth"))
			if err != nil || over > 0 {
				t.Errorf("%s: %d px too wide for %d (%v)", scheme, over, width, err)
			}
			cancel()
		}
	}
	ctx, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	c := serve(t, org)
	if err := chromedp.Do(ctx, chromedp.Click(`form[action="/control/expire"] button`), chromedp.WaitVisible(`[role=status]`)); err != nil {
		t.Fatal(err)
	}
	note, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.querySelector('[role=status]').textContent"))
	if err != nil || !strings.Contains(note, "Every access token has expired.") {
		t.Errorf("the page says %q (%v)", note, err)
	}
	org.ClearFaults(0)
	if a := c.get("/services/data/v66.0/limits"); a.status != 401 {
		t.Errorf("after the click: %v", a)
	}
}

// TestControlForms posts each form of the page as a browser does: what works is said in plain words, what fails too.
func TestControlForms(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 30})
	c := serve(t, org)
	deal := ids(t, org, "Opportunity")[0]
	for _, tt := range [][3]string{
		{"rotation", "on=true", "Rotation of refresh tokens is on."},
		{"block", "on=true", "Blocking the app is on."},
		{"move-stage", "stage=Closed+Won&id=" + deal, "The opportunity has moved."},
		{"move-stage", "stage=Nowhere&id=" + deal, "That did not work: no stage"},
		{"insert", "object=Account&field=Name&value=By+hand", "The record is created."},
		{"purge", "object=Account", "The Recycle Bin is empty."},
		{"fiscal-year", "month=4", "The fiscal year is set."},
		{"fault", "match=/services/data&count=1&nth=1&lockRows=2&status=&stall=", "Armed"},
		{"certificate", "pem=x", "That did not work: not a certificate"},
		{"rename-field", "object=Account&field=Nope__c&to=X__c", "That did not work: no field"},
	} {
		form := c.do("POST", "/control/"+tt[0], tt[1], "Content-Type", "application/x-www-form-urlencoded")
		page := c.get("/control", "Cookie", strings.Split(form.header.Get("Set-Cookie"), ";")[0])
		if form.status != 303 || !strings.Contains(page.body, tt[2]) {
			t.Errorf("%s %s: %d, and the page does not say %q", tt[0], tt[1], form.status, tt[2])
		}
	}
	if got := fmt.Sprint(org.Record(deal)["StageName"], len(org.Faults())); got != "Closed Won1" && got != "Closed Won 1" {
		t.Errorf("stage and faults: %s", got)
	}
	if a := c.get("/control"); strings.Contains(a.body, "Back to the app") {
		t.Error("a way back to an app that never came")
	}
	org.BlockApp(false)
	c.visit(authorizeQuery(), "allow")
	if a := c.get("/control"); !strings.Contains(a.body, `href="http://localhost:1717/"`) {
		t.Error("no way back to the app")
	}
}
