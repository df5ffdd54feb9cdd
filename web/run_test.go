package web

import (
	"database/sql/driver"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/db"
	"millrace/settings"
)

func runFilter(connectionID int64) db.RunFilter { return db.RunFilter{ConnectionID: connectionID} }

// TestRunSyncJobAfterNewerSettings asks for a sync while one goes by older settings.
func TestRunSyncJobAfterNewerSettings(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Id != null")
	begun, err := a.db.Claim(t.Context(), "somebody", time.Minute)
	if err != nil || begun == nil {
		t.Fatal(begun, err)
	}
	newer := settings.Settings{Accounts: settings.AccountFiltering{Single: "Name != null"}}
	if _, _, err := a.db.SaveSettings(t.Context(), c.ID, 1, newer, "", a.admin.ID); err != nil {
		t.Fatal(err)
	}
	b := a.as(a.admin)
	b.get(orgPath(c.ID, "/runs")).lacks("#run-blocked")
	b.follow(b.post(orgPath(c.ID, "/runs"), nil)).says("#flash", "was requested", "when the sync under way, which goes by older ones, is done")
	b.follow(b.post(orgPath(c.ID, "/runs"), nil)).says("#flash", "is active already")
	b.get(orgPath(c.ID, "/runs")).says("#run-blocked", "A sync is active already")
	if _, total, err := a.db.Runs(t.Context(), runFilter(c.ID)); err != nil || total != 2 {
		t.Errorf("%d runs: %v", total, err)
	}
}

func TestRunSyncJobNeverStartsTwo(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	b := a.as(a.admin)
	p := b.get(orgPath(c.ID, "/runs")).is(http.StatusOK)
	p.says("main", "Nothing was synced yet", "Never synced", "Save an account filter first")
	p.lacks("main a[href$='/whole']") // nothing was read that could be read again
	b.post(orgPath(c.ID, "/runs"), nil).is(http.StatusConflict).says("main", "Save an account filter first")
	a.configure(c, "Id != null")
	first, err := a.db.LatestRun(t.Context(), c.ID)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	b.follow(b.post(orgPath(c.ID, "/runs"), nil)).says("#flash", first.ShortID+" is active already")

	// The filter is in the address, and the list says which runs there are.
	list := b.get(orgPath(c.ID, "/runs?state=queued")).is(http.StatusOK)
	list.says("tbody", first.ShortID, "Queued", "first sync")
	list.has("#state option[value=queued][selected]")
	b.get(orgPath(c.ID, "/runs?state=failed")).says("main", "No such runs", "Failed")

	b.follow(b.post(runPath(c.ID, first.ShortID)+"/cancel", nil)).says("#run-live", "Cancelled")
	b.follow(b.post(runPath(c.ID, first.ShortID)+"/cancel", nil)).says("#flash", "had ended already")
	started := b.follow(b.post(orgPath(c.ID, "/runs"), nil)).is(http.StatusOK)
	started.says("#flash", "was requested")
	started.says("#run-live", "Queued", "started by hand", "Ana Ruiz")
	b.get(runPath(c.ID, "R-NOSUCH")).is(http.StatusNotFound)
	if _, total, err := a.db.Runs(t.Context(), runFilter(c.ID)); err != nil || total != 2 {
		t.Errorf("%d runs: %v", total, err)
	}
}

func TestARunIsReachedThroughItsOwnConnectionOnly(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	mine, other := a.connection("acme"), a.connection("bolt")
	a.configure(mine, "Id != null")
	run, err := a.db.LatestRun(t.Context(), mine.ID)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	b := a.as(a.admin)
	b.get(runPath(other.ID, run.ShortID)).is(http.StatusNotFound)
	b.post(runPath(other.ID, run.ShortID)+"/cancel", nil).is(http.StatusNotFound)
	if again, err := a.db.RunByID(t.Context(), run.ID); err != nil || again.CancelRequestedAt != nil {
		t.Errorf("the run was cancelled through another connection: %v", err)
	}
}

func TestBannerUpdatesOnlyWhileARunIsActive(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Id != null")
	run, err := a.db.LatestRun(t.Context(), c.ID)
	if err != nil || run == nil {
		t.Fatal(run, err)
	}
	viewer := a.as(a.viewer)
	live := viewer.get(orgPath(c.ID, "/banner")).is(http.StatusOK)
	live.has("#sync-banner[hx-get][hx-trigger='every 1s'][data-live]")
	live.lacks("form")
	live.lacks("html > head > title")
	if live.Header.Get("HX-Trigger") != "" {
		t.Error("a queued run is said to be over")
	}
	viewer.get(orgPath(c.ID, "/accounts")).has("noscript")
	if !strings.Contains(viewer.get(orgPath(c.ID, "/accounts")).Body, `http-equiv="refresh"`) {
		t.Error("without scripts the page does not renew itself")
	}
	if strings.Contains(a.as(a.admin).get(orgPath(c.ID, "/settings/account-filtering")).Body, `http-equiv="refresh"`) {
		t.Error("the settings page would renew itself under what is being typed")
	}
	if err := a.db.RequestCancel(t.Context(), run.ID, a.admin.ID); err != nil {
		t.Fatal(err)
	}
	over := viewer.get(orgPath(c.ID, "/banner"))
	over.lacks("#sync-banner[hx-get]")
	over.says("#sync-banner", "Cancelled")
	if over.Header.Get("HX-Trigger") != "run-finished" {
		t.Errorf("HX-Trigger is %q", over.Header.Get("HX-Trigger"))
	}
}

func TestViewersSeeNoButtons(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.configure(c, "Id != null")
	viewer := a.as(a.viewer)
	for _, path := range []string{"/integrations", orgPath(c.ID, "/accounts"), orgPath(c.ID, "/runs")} {
		p := viewer.get(path).is(http.StatusOK)
		p.lacks("#run-sync")
		p.lacks("a[href*='/settings']")
		p.lacks("a[href*='/disconnect'], a[href*='/salesforce/connect']")
		p.lacks("form[action$='/cancel']")
	}
}

func TestNewsOfTheDatabase(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	s := a.server
	h := s.chain(s.wrap(func(http.ResponseWriter, *http.Request) error {
		return fmt.Errorf("db.Accounts(7): %w", driver.ErrBadConn)
	}))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/x?y=1", nil))
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
	}
	if body := rec.Body.String(); strings.Contains(body, "bad connection") || !strings.Contains(body, `href="/x?y=1"`) {
		t.Errorf("the page: %s", body)
	}
	panicking := s.chain(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") }))
	rec = httptest.NewRecorder()
	panicking.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("after a panic: %d %s", rec.Code, rec.Body.String())
	}
}
