package jobs

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// emailScene has emails of which a third are of HTML alone. asked is how many emails were asked for their HTML, by so many queries.
func emailScene(t *testing.T) (s *scene, asked, queries *atomic.Int64) {
	t.Helper()
	s = newScene(t, sim.Options{Accounts: 130})
	asked, queries = new(atomic.Int64), new(atomic.Int64)
	org := s.server.Config.Handler
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query().Get("q"); strings.Contains(q, "HtmlBody") {
			queries.Add(1)
			asked.Add(int64(strings.Count(q, "'02s")))
		}
		org.ServeHTTP(w, r)
	})
	if n, err := s.org.UpdateAll("EmailMessage", func(row int, _ map[string]any) bool { return row%3 == 0 }, map[string]any{"TextBody": nil}); err != nil || n < 60 {
		t.Fatalf("%d emails of HTML alone, %v", n, err)
	}
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365, Conversation: settings.EmailMessages}
	s.saveAll(all)
	return s, asked, queries
}

// bodies holds what the emails say here against the org, and returns how many are of HTML alone.
func (s *scene) bodies(withHTML bool) (ofHTML int) {
	s.t.Helper()
	here := s.copied("case_messages", "", "body")
	for r := range s.org.Records("EmailMessage") {
		id, want := str(r["Id"]), str(r["TextBody"])
		if here[id] == nil {
			continue
		}
		if want == "" {
			ofHTML++
			if withHTML {
				want = pipeline.PlainText(str(r["HtmlBody"]))
			}
		}
		if got := here[id]["body"]; got != want {
			s.t.Errorf("email %s says %q, want %q", id, got, want)
		}
	}
	if ofHTML < 40 {
		s.t.Fatalf("%d emails of HTML alone among %d", ofHTML, len(here))
	}
	return ofHTML
}

// TestEmailsOfHTMLAlone come over as the text of their HTML, the same whichever way they are read; the HTML of others is not asked for.
func TestEmailsOfHTMLAlone(t *testing.T) {
	t.Parallel()
	s, asked, queries := emailScene(t)
	run := s.completed(s.sync())
	if step := s.step(run, "case_messages"); step.Mode != pipeline.Bulk {
		t.Errorf("the emails were read by %s", step.Mode)
	}
	ofHTML := s.bodies(true)
	if n := asked.Swap(0); n < int64(ofHTML) || n > int64(ofHTML)*3/2 {
		t.Errorf("%d emails were asked for their HTML, %d are of HTML alone", n, ofHTML)
	}

	// Read in full through REST, nothing is different.
	queries.Store(0)
	o := s.quick()
	o.Pipeline.RESTLimit = 10_000
	run = s.completed(s.syncWith(o))
	if step := s.step(run, "case_messages"); step.Mode != pipeline.REST || step.Updated != 0 || step.Created != 0 {
		t.Errorf("read through REST: %+v", step)
	}
	if n, q := asked.Swap(0), queries.Load(); n < int64(ofHTML) || q < (n+99)/100 || q > (n+99)/100+1 {
		t.Errorf("%d emails were asked for their HTML by %d queries", n, q)
	}

	// One loses its text, another is changed and keeps it: only the first is asked about.
	here := s.copied("case_messages", " AND body IS NOT NULL", "body")
	var some []string
	for r := range s.org.Records("EmailMessage") {
		if here[str(r["Id"])] != nil && str(r["TextBody"]) != "" {
			some = append(some, str(r["Id"]))
		}
	}
	s.completed(s.syncWith(s.incremental()))
	asked.Store(0)
	s.must(s.org.Update("EmailMessage", some[0], map[string]any{"TextBody": nil, "HtmlBody": "<div>Now <b>HTML</b></div>"}))
	s.must(s.org.Update("EmailMessage", some[1], map[string]any{"Subject": "Changed"}))
	run = s.completed(s.syncWith(s.incremental()))
	if step := s.step(run, "case_messages"); step.Updated != 2 || asked.Load() > int64(step.Read) {
		t.Errorf("%d asked for their HTML; the step is %+v", asked.Load(), step)
	}
	if got := textOf(s, `SELECT body FROM millrace.case_messages WHERE sf_id = $1`, some[0]); got != "Now HTML" {
		t.Errorf("the email says %q", got)
	}
	s.bodies(true)

	// One is missing and fetched.
	s.mustExec(`DELETE FROM millrace.case_messages WHERE sf_id = $1`, some[0])
	s.mustExec(`UPDATE millrace.completeness_checks SET unexplained = 1 WHERE name = 'case_messages'`)
	gap, _, err := s.db.RequestGap(t.Context(), s.conn, s.admin)
	s.must(err)
	stop := s.start(s.incremental())
	s.completed(s.until(gap.ID, ended))
	stop()
	if got := textOf(s, `SELECT body FROM millrace.case_messages WHERE sf_id = $1`, some[0]); got != "Now HTML" {
		t.Errorf("fetched, the email says %q", got)
	}

	// One cannot be stored, and is read once more.
	s.mustExec(`ALTER TABLE millrace.case_messages ADD CONSTRAINT poison CHECK (body NOT LIKE 'poison%')`)
	s.must(s.org.Update("EmailMessage", some[0], map[string]any{"HtmlBody": "<p>poison</p>"}))
	s.syncWith(s.incremental())
	s.mustExec(`ALTER TABLE millrace.case_messages DROP CONSTRAINT poison`)
	for _, g := range s.causes() {
		if g.Kind == db.RecordErrors {
			s.completed(s.retry(g))
		}
	}
	if got := textOf(s, `SELECT body FROM millrace.case_messages WHERE sf_id = $1`, some[0]); got != "poison" {
		t.Errorf("read once more, the email says %q", got)
	}
}

// TestEmailsWithoutSightOfHTML are read as far as the connected user may see them. A copy that was made without the HTML is read in full, and filled, as soon as there is any.
func TestEmailsWithoutSightOfHTML(t *testing.T) {
	t.Parallel()
	s, asked, _ := emailScene(t)
	s.org.HideField("EmailMessage", "HtmlBody")
	run := s.completed(s.syncWith(s.incremental()))
	if note := s.step(run, "case_messages").Note; strings.Contains(note, "HtmlBody") || asked.Load() != 0 {
		t.Errorf("%d were asked for; the note is %q", asked.Load(), note)
	}
	ofHTML := s.bodies(false)
	s.org.ShowField("EmailMessage", "HtmlBody")
	client, err := s.open(t.Context(), s.conn)
	s.must(err)
	client.RefreshSchema()
	run = s.completed(s.syncWith(s.incremental()))
	if step := s.step(run, "case_messages"); step.Updated != int64(ofHTML) {
		t.Errorf("%d were to be filled: %+v", ofHTML, step)
	}
	s.bodies(true)
}

// TestSignInEndsWhileHTMLIsAskedFor renews the sign-in while a page of emails is open in Postgres: nothing that the page has locked stands in the way.
func TestSignInEndsWhileHTMLIsAskedFor(t *testing.T) {
	t.Parallel()
	s, _, queries := emailScene(t)
	org := s.server.Config.Handler
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Query().Get("q"), "HtmlBody") && queries.Load() == 0 {
			s.org.ExpireAccessTokens()
		}
		org.ServeHTTP(w, r)
	})
	before, err := s.db.Grant(t.Context(), s.conn)
	s.must(err)
	s.completed(s.sync())
	s.bodies(true)
	if after, err := s.db.Grant(t.Context(), s.conn); err != nil || after.Version == before.Version {
		t.Errorf("the sign-in was not renewed: %v", err)
	}
}
