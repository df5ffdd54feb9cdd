package web

import (
	"net/http"
	"testing"
	"time"

	"millrace/db"
	"millrace/db/dbtest"
)

func TestProfileStatesTheConfiguredTimes(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, db.Options{URL: dbtest.NewURL(t), SessionIdle: 90 * time.Minute, SessionAbsolute: 8 * time.Hour})
	a := newEmptyApp(t, func(o *Options) { o.DB = d })
	a.db = d
	ana := a.user("ana@example.com", "Ana", db.RoleViewer)
	a.as(ana).get("/profile").is(http.StatusOK).says("main", "after 1 hour 30 minutes without use, and after 8 hours in any case.")
}
