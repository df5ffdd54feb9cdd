package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"

	"millrace/db"
	"millrace/pipeline"
)

// readyFilter is the account filter that `demo --ready` saves.
const readyFilter = "Type = 'Customer'"

// readyWalk is what `demo --ready` needs to do the clicking: it fills in the pages' own forms, so that it takes the paths that a person takes.
type readyWalk struct {
	app, email, password string
	orgUser, orgPassword string
}

// makeReady connects the demo org, saves a first filter and waits for the first sync, as far as that has not been done at an earlier start.
func makeReady(ctx context.Context, d *db.DB, w readyWalk, out io.Writer) error {
	connections, err := d.Connections(ctx)
	if err != nil {
		return err
	}
	if len(connections) == 0 || connections[0].Status != db.StatusConnected {
		if err := w.connect(ctx); err != nil {
			return fmt.Errorf("connecting the demo org: %w", err)
		}
		if connections, err = d.Connections(ctx); err != nil {
			return err
		}
		if len(connections) == 0 {
			return errors.New("connecting the demo org: no connection came of it")
		}
	}
	id := connections[0].ID
	current, err := d.CurrentSettings(ctx, id)
	if err != nil {
		return err
	}
	if current == nil {
		if err := w.saveFilter(ctx, id); err != nil {
			return fmt.Errorf("saving the first filter: %w", err)
		}
	}
	return reportRun(ctx, d, id, out)
}

// reportRun waits for the newest run of everything to end and prints the counts of a first one, or what a later one did.
func reportRun(ctx context.Context, d *db.DB, connectionID int64, out io.Writer) error {
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		run, err := d.LatestRunOf(ctx, connectionID, pipeline.EntityAll)
		if err != nil {
			return err
		}
		if run != nil && !run.State.Active() {
			tick.Stop()
			return printSynced(ctx, d, run, out)
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return nil
		case <-tick.C:
		}
	}
}

func printSynced(ctx context.Context, d *db.DB, run *db.Run, out io.Writer) error {
	if run.State != db.RunCompleted && run.State != db.RunCompletedWithErrors {
		return fmt.Errorf("the sync ended as %s: %s", run.State.Label(), run.Error)
	}
	if run.Trigger != db.TriggerFirst {
		fmt.Fprintf(out, "Synced: earlier, and last by %s. %s\n", run.ShortID, run.Outcome)
		return nil
	}
	steps, err := d.RunSteps(ctx, run.ID)
	if err != nil {
		return err
	}
	var order []string
	counts := map[string]int64{}
	for _, s := range steps {
		entity := strings.ToLower(s.Label)
		if _, ok := counts[entity]; !ok {
			order = append(order, entity)
		}
		counts[entity] += s.Created + s.Updated + s.Unchanged
	}
	var parts []string
	for _, entity := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[entity], entity))
	}
	fmt.Fprintln(out, "Synced:", strings.Join(parts, ", "))
	return nil
}

// connect signs in and walks through Connect and the org's own sign-in and consent pages.
func (w readyWalk) connect(ctx context.Context) error {
	b, err := w.signedIn(ctx)
	if err != nil {
		return err
	}
	if err := b.open(ctx, w.app+"/integrations/salesforce/connect"); err != nil {
		return err
	}
	if err := b.submit(ctx, "form[action$='/salesforce/connect']", nil); err != nil {
		return err
	}
	// A page between the two sites leads on by itself in a browser.
	if onward := b.find("a[href*='/services/oauth2/authorize']"); onward != nil {
		if err := b.open(ctx, attr(onward, "href")); err != nil {
			return err
		}
	}
	if b.find("input[name=username]") != nil {
		if err := b.submit(ctx, "form", url.Values{"username": {w.orgUser}, "password": {w.orgPassword}}); err != nil {
			return err
		}
	}
	return b.submit(ctx, "form", url.Values{"decision": {"allow"}})
}

// saveFilter saves readyFilter through the settings page.
func (w readyWalk) saveFilter(ctx context.Context, connectionID int64) error {
	b, err := w.signedIn(ctx)
	if err != nil {
		return err
	}
	page := fmt.Sprintf("/connections/%d/settings/account-filtering", connectionID)
	if err := b.open(ctx, w.app+page); err != nil {
		return err
	}
	return b.submit(ctx, "form[action$='"+page+"']", url.Values{"accounts.mode": {"single"}, "accounts.single": {readyFilter}, "note": {"First filter"}})
}

func (w readyWalk) signedIn(ctx context.Context) (*formBrowser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &formBrowser{client: &http.Client{Jar: jar, Timeout: 30 * time.Second}}
	if err := b.open(ctx, w.app+"/sign-in"); err != nil {
		return nil, err
	}
	return b, b.submit(ctx, "form[action$='/sign-in']", url.Values{"email": {w.email}, "password": {w.password}})
}

// formBrowser opens pages and submits their forms, as a browser without scripts does.
type formBrowser struct {
	client *http.Client
	at     *url.URL
	page   *html.Node
}

func (b *formBrowser) open(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return b.do(req)
}

// submit sends the first form that matches, with what its fields hold and values over that.
func (b *formBrowser) submit(ctx context.Context, selector string, values url.Values) error {
	form := b.find(selector)
	if form == nil {
		return fmt.Errorf("no form %s on %s", selector, b.at)
	}
	data := formData(form)
	for k, v := range values {
		data[k] = v
	}
	target, err := b.at.Parse(attr(form, "action"))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(data.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(req)
}

func (b *formBrowser) do(req *http.Request) error {
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b.page, err = html.Parse(io.LimitReader(resp.Body, 4<<20)); err != nil {
		return err
	}
	b.at = resp.Request.URL
	if resp.StatusCode >= 400 {
		return fmt.Errorf("%s %s answered %s", req.Method, b.at.Path, resp.Status)
	}
	return nil
}

func (b *formBrowser) find(selector string) *html.Node {
	return cascadia.Query(b.page, cascadia.MustCompile(selector))
}

// formData collects what a form would send as it stands, without its buttons.
func formData(form *html.Node) url.Values {
	data := url.Values{}
	for _, n := range cascadia.QueryAll(form, cascadia.MustCompile("input[name], textarea[name], select[name]")) {
		name := attr(n, "name")
		switch {
		case n.Data == "textarea":
			data.Add(name, text(n))
		case n.Data == "select":
			chosen := cascadia.Query(n, cascadia.MustCompile("option[selected]"))
			if chosen == nil {
				chosen = cascadia.Query(n, cascadia.MustCompile("option"))
			}
			if chosen != nil {
				data.Add(name, attr(chosen, "value"))
			}
		case attr(n, "type") == "submit":
		case attr(n, "type") == "radio" || attr(n, "type") == "checkbox":
			if has(n, "checked") {
				data.Add(name, attr(n, "value"))
			}
		default:
			data.Add(name, attr(n, "value"))
		}
	}
	return data
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, key string) bool {
	for _, a := range n.Attr {
		if a.Key == key {
			return true
		}
	}
	return false
}

func text(n *html.Node) string {
	if n.Type == html.TextNode {
		return n.Data
	}
	var out strings.Builder
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		out.WriteString(text(c))
	}
	return out.String()
}
