package jobs

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/pipeline/remote"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// foretold runs a sync to its end. It returns how many requests it was expected to take before it read anything, and how many it took from then on.
func (s *scene) foretold(o Options, e pipeline.Entity, whole bool) (foretold, made int64) {
	s.t.Helper()
	ctx := s.t.Context()
	request := func() (err error) {
		if whole {
			_, _, _, err = s.db.RequestWholeRun(ctx, s.conn, e, &s.admin)
		} else {
			_, _, err = s.db.RequestRun(ctx, s.conn, e, db.TriggerManual, &s.admin)
		}
		return err
	}
	s.must(request())
	claimed, err := s.db.Claim(ctx, "test", time.Minute)
	s.must(err)
	client, err := s.open(ctx, s.conn)
	s.must(err)
	version, err := s.db.SettingsVersionAt(ctx, s.conn, claimed.SettingsVersion)
	s.must(err)
	r, calls := New(o), new(callTally)
	p := &purse{db: s.db, client: client, connection: s.conn, since: claimed.CreatedAt, log: s.log, calls: calls}
	before := int64(-1)
	err = pipeline.Run(ctx, pipeline.Work{
		Settings: version.Settings, Entity: claimed.Entity, Source: remote.Metered(client, p.pay), Store: s.db.RunStore(claimed), Options: r.Pipeline, Log: s.log, InFlight: new(atomic.Int64),
		Afford: func(ctx context.Context, need int64) error {
			if before < 0 {
				foretold, before = need, client.Calls()
			}
			return p.afford(ctx, need)
		},
	})
	made = client.Calls() - before
	p.close(ctx)
	r.settle(ctx, claimed, calls, err, s.log)
	run, err := s.db.RunByID(ctx, claimed.ID)
	s.must(err)
	s.completed(run)
	return foretold, made
}

// TestASyncTakesWhatWasForetold holds what syncs are expected to take against what they take, in an org with thousands of posts with comments: first and later reads of everything, changes as many as the last two times, and
// accounts that come into the filter with all that belongs to them.
func TestASyncTakesWhatWasForetold(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 4000, Contacts: 500, Opportunities: 500, DailyAPILimit: 10_000_000})
	all := everything()
	all.Accounts.Single = "Name < 'P'"
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true}
	s.saveAll(all)
	o := s.incremental()
	o.Pipeline.RESTLimit, o.PageRows = 0, 0 // as anywhere else
	expect := func(what string, e pipeline.Entity, whole bool, most int64) {
		t.Helper()
		foretold, made := s.foretold(o, e, whole)
		if foretold < made-made/5 || foretold > made+most {
			t.Errorf("%s: %d requests were foretold, and %d made", what, foretold, made)
		}
	}
	expect("everything, for the first time", pipeline.EntityAll, false, 10)
	expect("Chatter, for the first time", pipeline.EntityChatter, false, 15) // how many posts have comments is not known yet
	if n := s.count(`SELECT count(*) FROM millrace.chatter_posts WHERE comment_count > 0`); n < 1000 {
		t.Fatalf("%d posts have comments", n)
	}
	expect("Chatter again", pipeline.EntityChatter, true, 3)
	expect("Chatter without changes", pipeline.EntityChatter, false, 5)
	all.Accounts.Single = allAccounts
	s.saveAll(all)
	expect("accounts that come into the filter", pipeline.EntityAll, false, 10)
	expect("Chatter of accounts that have come", pipeline.EntityChatter, false, 10)
	for _, title := range []string{"One", "Two", "Three"} {
		_, err := s.org.UpdateAll("FeedItem", nil, map[string]any{"Title": title})
		s.must(err)
		s.org.Advance(time.Hour)
		if title != "Three" { // as many changes as never before
			s.foretold(o, pipeline.EntityChatter, false)
		}
	}
	expect("as many changes as the last two times", pipeline.EntityChatter, false, 3)
	s.foretold(o, pipeline.EntityChatter, false)
	expect("without changes once more", pipeline.EntityChatter, false, 8) // far from what very many changes took
}

// TestHTMLOfEmailsIsForetold has thousands of emails of HTML alone: how many requests that takes is known once all were read, also by an impact.
func TestHTMLOfEmailsIsForetold(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 4000, Contacts: 500, Opportunities: 500, DailyAPILimit: 10_000_000})
	_, err := s.org.UpdateAll("EmailMessage", nil, map[string]any{"TextBody": nil})
	s.must(err)
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 365, Conversation: settings.EmailMessages}
	s.saveAll(all)
	o := s.incremental()
	o.Pipeline.RESTLimit, o.PageRows = 0, 0 // as anywhere else
	first, made := s.foretold(o, pipeline.EntityAll, false)
	if made-first < 20 {
		t.Fatalf("%d requests were foretold, and %d made", first, made)
	}
	foretold, made := s.foretold(o, pipeline.EntityCases, true)
	if foretold < made-made/10 || foretold > made+10 {
		t.Errorf("read again: %d requests were foretold, and %d made", foretold, made)
	}
	run, _, err := s.db.RequestImpact(t.Context(), s.conn, s.admin, 1, all)
	s.must(err)
	s.start(o)
	s.completed(s.until(run.ID, ended))
	impact, err := s.db.ImpactOf(t.Context(), run.ID)
	s.must(err)
	emails := slices.IndexFunc(impact.Forecast, func(f pipeline.Forecast) bool { return f.Label == "Email messages" })
	if emails < 0 || impact.Forecast[emails].Calls < 20 {
		t.Errorf("an impact says %+v", impact.Forecast)
	}
}
