package web

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// chatterForm is what the section sends; an empty value leaves the field out.
func chatterForm(base string, change ...string) url.Values {
	form := url.Values{
		"base": {base}, settings.PathChatterEnabled: {"on"}, settings.PathChatterAccounts: {"on"}, settings.PathChatterOpportunities: {"on"}, settings.PathChatterComments: {"on"},
	}
	for i := 0; i+1 < len(change); i += 2 {
		if change[i+1] == "" {
			form.Del(change[i])
		} else {
			form[change[i]] = []string{change[i+1]}
		}
	}
	return form
}

// chatterApp is an app with a connected and configured org.
func chatterApp(t *testing.T) (o *orgApp, b *browser, c db.Connection, path string) {
	o = newOrgApp(t, sim.Options{Accounts: 60})
	b = o.as(o.admin)
	c = o.connected(b)
	o.configure(c, "Name != null")
	return o, b, c, orgPath(c.ID, "/settings/chatter")
}

// chatterSchedule returns the schedule of Chatter; nil when there is none in force.
func (o *orgApp) chatterSchedule(c db.Connection) *db.Schedule {
	o.t.Helper()
	list, err := o.db.Schedules(o.t.Context(), c.ID)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, s := range list {
		if s.Entity == pipeline.EntityChatter && s.Enabled {
			return &s
		}
	}
	return nil
}

func TestChatter(t *testing.T) {
	t.Parallel()
	o, b, c, path := chatterApp(t)

	p := b.get(path).is(http.StatusOK)
	p.says("#chatter-state", "Nothing of Chatter is read")
	p.lacks("#chatter-enabled[checked]")
	for _, id := range []string{"#chatter-accounts", "#chatter-opportunities", "#chatter-comments"} {
		p.has(id + "[checked]")
	}
	p.lacks("#chatter-tracked_changes[checked]")
	p.has("button[value=run][disabled]")
	p.says("#no-chatter", "Chatter is switched off.")

	// Further fields are searched and added; the form is kept.
	added := b.post(path, chatterForm("1", "do", "add:chatter.fields:Visibility")).is(http.StatusOK)
	added.has("[data-picked=Visibility]")
	added.says("[data-state-after]", "After Save:", "On, never runs: no schedule")

	saved := b.follow(b.post(path, chatterForm("1", settings.PathChatterFields, "Visibility", settings.PathChatterComments, "", settings.PathChatterTrackedChanges, "on",
		settings.PathChatterAccountFilter, "Type = 'TextPost'")).is(http.StatusSeeOther))
	saved.says("#version", "v2")
	saved.says("#chatter-state", "On, never runs: no schedule", "Without a schedule")
	v, err := o.db.CurrentSettings(t.Context(), c.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, TrackedChanges: true, AccountFilter: "Type = 'TextPost'", Fields: []string{"Visibility"}}
	if got := v.Settings.Chatter; !slices.Equal(got.Fields, want.Fields) || got.Enabled != want.Enabled || got.Comments || !got.TrackedChanges || got.AccountFilter != want.AccountFilter {
		t.Errorf("saved %+v", got)
	}
	if o.chatterSchedule(c) != nil {
		t.Error("Save made a schedule")
	}
	saved.lacks("button[value=run][disabled]")
	run := b.post(path+"/schedule", chatterForm("2", settings.PathChatterComments, "", "do", "run")).is(http.StatusSeeOther)
	b.follow(run).says("main", "Chatter sync")
}

func TestChatterValidates(t *testing.T) {
	t.Parallel()
	o, b, c, path := chatterApp(t)
	posts, err := o.org.EvalCount("SELECT COUNT() FROM AccountFeed WHERE Type = 'LinkPost'")
	if err != nil || posts == 0 {
		t.Fatalf("%d posts: %v", posts, err)
	}
	first := b.get(path)
	if got := first.attr("#chatter-lookback_days", "value"); got != "30" {
		t.Errorf("the lookback is %q at first", got)
	}
	b.post(path, chatterForm("1", settings.PathChatterLookback, "400")).is(http.StatusUnprocessableEntity).says("#summary", "up to 365")
	few := b.post(path, chatterForm("1", settings.PathChatterAccountFilter, "Type = 'LinkPost'", settings.PathChatterLookback, "1", "do", "validate:chatter.account_filter")).is(http.StatusOK)
	few.says("#result-chatter-account_filter", "Only posts that were written or changed in the last 1 day are counted")
	p := b.post(path, chatterForm("1", settings.PathChatterAccountFilter, "Type = 'LinkPost'", settings.PathChatterLookback, "0", "do", "validate:chatter.account_filter")).is(http.StatusOK)
	p.says("#result-chatter-account_filter", itoa(int64(posts)), "LinkPost", "Created Date")
	anyway := b.get(orgPath(c.ID, "/settings/pick") + "?object=AccountFeed&path=chatter.fields&for=additional&q=body").is(http.StatusOK)
	anyway.says("[data-pick-found=Body]", "Synced anyway")
	if n := len(p.all("#result-chatter-account_filter tbody tr")); n != min(posts, 5) {
		t.Errorf("%d samples", n)
	}
	p.says("#unsaved", "unsaved change")

	// What Salesforce writes itself counts only when it is wanted.
	written := []string{settings.PathChatterLookback, "0", settings.PathChatterOpportunityFilter, "Type = 'TrackedChange'", "do", "validate:chatter.opportunity_filter"}
	for row, r := range []string{"", "on"} {
		p := b.post(path, chatterForm("1", append(written, settings.PathChatterTrackedChanges, r)...)).is(http.StatusOK)
		if row == 0 {
			p.says("#result-chatter-opportunity_filter", "0 records match")
		}
		p.says("#result-chatter-opportunity_filter .code", "FROM OpportunityFeed")
	}

	wrong := b.post(path, chatterForm("1", settings.PathChatterAccountFilter, "Typ = 'x'", "do", "validate:chatter.account_filter")).is(http.StatusOK)
	wrong.says("#result-chatter-account_filter", "SOQL validation failed", "Type")
	// A run reads the posts of the accounts that the account filters select, and so does Validate.
	if _, _, err := o.db.SaveSettings(t.Context(), c.ID, 1, settings.Settings{Accounts: settings.AccountFiltering{Single: "Name = 'Nobody of that name'"}}, "", o.admin.ID); err != nil {
		t.Fatal(err)
	}
	b.post(path+"/discard", nil)
	b.post(path, chatterForm("2", settings.PathChatterAccountFilter, "Type = 'LinkPost'", "do", "validate:chatter.account_filter")).says("#result-chatter-account_filter", "0 records match")
	b.post(path, chatterForm("2", "do", "validate:chatter.nope")).is(http.StatusBadRequest)
}

func TestChatterRefused(t *testing.T) {
	t.Parallel()
	o, b, c, path := chatterApp(t)
	for _, x := range []struct{ field, value, id, says string }{
		{settings.PathChatterFields, "Nope__c", "#chatter-fields", "Nope__c is not a field"},
		{settings.PathChatterAccountFilter, "Typ = 'x'", "#chatter-account_filter", "Typ"},
		{settings.PathChatterOpportunityFilter, "Type = ", "#chatter-opportunity_filter", "stops too early"},
	} {
		p := b.post(path, chatterForm("1", x.field, x.value)).is(http.StatusUnprocessableEntity)
		p.says(x.id+"-error", x.says)
		p.has("#summary a[href='" + x.id + "']")
	}
	p := b.post(path, chatterForm("1", settings.PathChatterAccounts, "", settings.PathChatterOpportunities, "")).is(http.StatusUnprocessableEntity)
	p.says("#summary", "Choose Accounts, Opportunities or both")
	p.has("#chatter-accounts")

	o.org.HideObject("AccountFeed")
	b.post(orgPath(c.ID, "/settings/refresh-schema"), url.Values{})
	p = b.get(path).is(http.StatusOK)
	p.says("main", "Accounts have no feed", "Feed Tracking", "Account")
	p = b.post(path, chatterForm("1")).is(http.StatusUnprocessableEntity)
	p.says("#summary", "Accounts have no feed", "Setup")
	b.post(path, chatterForm("1", settings.PathChatterAccounts, "")).is(http.StatusSeeOther)
}

func TestChatterScheduleAppliesAtOnce(t *testing.T) {
	t.Parallel()
	o, b, c, path := chatterApp(t)
	schedule := path + "/schedule"
	freq := func(f string, change ...string) url.Values {
		return chatterForm("1", append([]string{"chatter_frequency", f}, change...)...)
	}

	// Save Schedule saves only the schedule; what is typed stays as a draft.
	p := b.follow(b.post(schedule, freq("hourly", "do", "schedule", settings.PathChatterAccountFilter, "Type = 'LinkPost'", "note", "why")).is(http.StatusSeeOther))
	p.says("#flash", "schedule of Chatter is saved", "Nothing else was saved")
	p.says("#version", "v1")
	p.says("#scheduled", "Currently scheduled:", "every hour")
	p.says("#chatter-state", "Scheduled but switched off: nothing is read", "After Save:", "Runs hourly, next")
	if got := p.text("#chatter-account_filter"); got != "Type = 'LinkPost'" || p.attr("#note", "value") != "why" {
		t.Errorf("the form holds %q", got)
	}
	if n := len(p.all("#sync-frequency .next-runs time")); n != 3 {
		t.Errorf("%d next runs", n)
	}
	if s := o.chatterSchedule(c); s == nil || s.ChatterFrequency() != settings.Hourly {
		t.Errorf("the schedule is %+v", s)
	}

	// The toggle as saved decides, and what Save would make of it is said too.
	b.post(path, chatterForm("1")).is(http.StatusSeeOther)
	p = b.get(path)
	p.says("[data-state]", "Runs hourly, next")
	p.lacks("[data-state-after]")
	p = b.post(path, chatterForm("2", settings.PathChatterEnabled, "", "do", "search:chatter.fields")).is(http.StatusOK)
	p.says("[data-state]", "Runs hourly, next")
	p.says("[data-state-after]", "Scheduled but switched off")
	p.has("#chatter-state button[value='both-off']")

	p = b.follow(b.post(schedule, chatterForm("2", "do", "unschedule")).is(http.StatusSeeOther))
	p.says("#chatter-state", "On, never runs: no schedule")
	p.says("#scheduled", "not at all")
	p.lacks("button[value=unschedule]")
	if o.chatterSchedule(c) != nil {
		t.Error("the schedule is still there")
	}

	// A frequency that is none is refused at its field, and nothing typed is lost.
	p = b.post(schedule, freq("yearly", "do", "schedule", settings.PathChatterAccountFilter, "Type = 'X'")).is(http.StatusUnprocessableEntity)
	p.says("#summary", "Choose Hourly, Daily or Weekly")
	p.has("#summary a[href='#chatter-frequency']")
	p.has("#chatter-frequency[aria-invalid=true]")
	if got := p.text("#chatter-account_filter"); got != "Type = 'X'" {
		t.Errorf("the filter is now %q", got)
	}
	b.post(schedule, freq("daily", "do", "dance")).is(http.StatusBadRequest)
}

func TestChatterSavesBoth(t *testing.T) {
	t.Parallel()
	o, b, c, path := chatterApp(t)
	schedule := path + "/schedule"

	p := b.post(path, chatterForm("1", "do", "search:chatter.fields")).is(http.StatusOK)
	p.has("#save-both button[value=both]")
	p.says("#chatter-state", "Save both")
	// A refused save leaves the schedule alone too.
	b.post(schedule, chatterForm("1", "chatter_frequency", "daily", settings.PathChatterAccountFilter, "Typ = 1", "do", "both")).is(http.StatusUnprocessableEntity)
	if o.chatterSchedule(c) != nil {
		t.Error("a refused save made a schedule")
	}
	p = b.follow(b.post(schedule, chatterForm("1", "chatter_frequency", "daily", "do", "both")).is(http.StatusSeeOther))
	p.says("#flash", "Saved as v2, together with the schedule")
	p.says("[data-state]", "Runs daily, next")
	if s := o.chatterSchedule(c); s == nil || s.ChatterFrequency() != settings.Daily {
		t.Errorf("the schedule is %+v", s)
	}
	p = b.follow(b.post(schedule, chatterForm("2", settings.PathChatterEnabled, "", "do", "both-off")).is(http.StatusSeeOther))
	p.says("#flash", "Saved as v3. The schedule of Chatter is off.")
	p.says("[data-state]", "Nothing of Chatter is read")

	// A schedule beside a switch that is off: a warning with both ways out.
	p = b.follow(b.post(schedule, chatterForm("3", settings.PathChatterEnabled, "", "chatter_frequency", "weekly", "do", "schedule")).is(http.StatusSeeOther))
	p.says("#chatter-state", "A schedule is active while Chatter is switched off")
	p.has("#chatter-state button[value=unschedule]")
	p = b.follow(b.post(schedule, chatterForm("3", settings.PathChatterEnabled, "", "do", "turn-on")).is(http.StatusSeeOther))
	p.says("[data-state]", "Runs weekly, next")
	p.says("#scheduled", "every Monday at 02:00, UTC")
}

func TestChatterWhileDisconnected(t *testing.T) {
	t.Parallel()
	o, b, c, path := chatterApp(t)
	b.post(path+"/schedule", chatterForm("1", "chatter_frequency", "daily", "do", "both")).is(http.StatusSeeOther)
	if err := o.db.MarkNeedsReconnect(t.Context(), c.ID, 0, "The grant was revoked."); err != nil {
		t.Fatal(err)
	}
	p := b.get(path).is(http.StatusOK)
	p.says("#chatter-state", "nothing is read until it is connected again")
	p.has("button[value=run][disabled]")
}
