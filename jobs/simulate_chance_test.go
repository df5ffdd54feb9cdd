package jobs

import (
	"context"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// What chance decides in a simulation: settings, runs, and faults.

// chance is true once in n times.
func (s *simulation) chance(n int) bool { return s.IntN(n) == 0 }

func pick[T any](s *simulation, of ...T) T { return of[s.IntN(len(of))] }

// some returns some of the values, none in half of the cases.
func some[T any](s *simulation, of ...T) (out []T) {
	if s.chance(2) {
		return nil
	}
	for _, v := range of {
		if s.chance(2) {
			out = append(out, v)
		}
	}
	return out
}

// save saves the settings as they are.
func (s *simulation) save(why string) {
	s.t.Helper()
	base := 0
	now, err := s.behind.CurrentSettings(context.Background(), s.conn)
	s.must(err)
	if now != nil {
		base = now.Version
	}
	_, _, err = s.behind.SaveSettings(context.Background(), s.conn, base, s.set, "", s.admin)
	s.must(err)
	s.tell("settings (%s): %+v", why, s.set)
}

func (s *simulation) accountFilter() string {
	return pick(s, "Name != null", "Industry != null", "Type = 'Customer'", "Type != 'Partner'", "NumberOfEmployees > 100", "Owner.IsActive = true", "Parent.Industry != 'Energy'", "Days_To_Renewal__c > 10",
		"CreatedDate < LAST_N_DAYS:40", "Type = 'Customer' AND Industry IN ('Energy', 'Media', 'Banking')", "Id IN (SELECT Account__c FROM Subscription__c WHERE Status__c = 'Active')", "Name LIKE '%a%'", "ARR__c > 1000 OR Tier__c = 'SMB'")
}

func (s *simulation) accountFiltering() settings.AccountFiltering {
	if s.chance(2) {
		return settings.AccountFiltering{Mode: settings.SingleFilter, Single: s.accountFilter()}
	}
	return settings.AccountFiltering{Mode: settings.TypedFilters, Customer: s.accountFilter(), Prospect: pick(s, "", s.accountFilter()), Partner: pick(s, "", s.accountFilter())}
}

func (s *simulation) arr() settings.ValueRule {
	return pick(s, settings.ValueRule{Mode: settings.NoValue}, settings.ValueRule{Mode: settings.DirectValue, Field: pick(s, "ARR__c", "AnnualRevenue")},
		settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "ARR__c", Combine: pick(s, settings.Sum, settings.Max, settings.Latest), LatestBy: "Start_Date__c",
			Filter: pick(s, "", "Status__c = 'Active'", "End_Date__c > TODAY")},
		settings.ValueRule{Mode: settings.CalculatedValue, Object: "Opportunity", Link: "AccountId", Value: "Amount", Combine: pick(s, settings.Sum, settings.Max), Filter: pick(s, "", "IsWon = true")})
}

func (s *simulation) renewal() settings.ValueRule {
	return pick(s, settings.ValueRule{Mode: settings.NoValue}, settings.ValueRule{Mode: settings.DirectValue, Field: "Renewal_Date__c"},
		settings.ValueRule{Mode: settings.CalculatedValue, Object: "Subscription__c", Link: "Account__c", Value: "End_Date__c", Combine: pick(s, settings.Max, settings.Latest), LatestBy: "Start_Date__c", Filter: pick(s, "", "Status__c = 'Active'")})
}

func (s *simulation) customObjects() []settings.CustomObject {
	return some(s,
		settings.CustomObject{Object: "Subscription__c", Name: "Subscriptions", Parent: settings.ParentAccount, Match: pick(s, "Account__c", "Account__c", "Billing_Reference__c"), To: "ERP_Number__c",
			Filter: pick(s, "", "Status__c = 'Active'", "Account__r.Type = 'Customer'"), Fields: []string{"Status__c", "ARR__c", "MRR__c", "Start_Date__c", "Auto_Renew__c"}},
		settings.CustomObject{Object: "Success_Plan__c", Name: "Plans", Parent: settings.ParentContact, Match: "Sponsor__c", Filter: pick(s, "", "Stage__c != 'Kickoff'"), Fields: []string{"Stage__c", "Objectives__c"}})
}

func (s *simulation) casesSettings(days int) settings.Cases {
	if s.chance(2) {
		return settings.Cases{LookbackDays: days, Conversation: settings.CaseComments}
	}
	return settings.Cases{Enabled: true, LookbackDays: days, Conversation: pick(s, settings.CaseComments, settings.EmailMessages), Filter: pick(s, "", "Priority != 'Low'", "Account.Type = 'Customer'"), Fields: some(s, "Reason", "Description")}
}

func (s *simulation) chatterSettings(days int) settings.Chatter {
	c := settings.Chatter{Enabled: s.chance(2), Accounts: s.chance(2), Opportunities: true, Comments: !s.chance(3), TrackedChanges: s.chance(2), AccountFilter: pick(s, "", "Type != 'LinkPost'"), LookbackDays: days}
	if c.Accounts && s.chance(2) {
		c.Opportunities = false
	}
	return c
}

func (s *simulation) advanced() settings.Advanced {
	a := settings.Advanced{AccountAllowlist: some(s, "Website", "Industry", "Tier__c", "Rating"), OpportunityAllowlist: some(s, "StageName", "Amount", "LeadSource"), ExcludedContact: some(s, "Phone", "Title", "Department")}
	a.ContactFields = some(s, settings.FieldMapping{Field: "MailingCity", Name: "city"}, settings.FieldMapping{Field: "Birthdate"})
	return a
}

func (s *simulation) anySettings() settings.Settings {
	set := settings.Settings{
		Accounts: s.accountFiltering(), ARR: s.arr(), Renewal: s.renewal(), CustomObjects: s.customObjects(), Cases: s.casesSettings(pick(s, 7, 30, 200)), Chatter: s.chatterSettings(pick(s, 0, 7, 200)), Advanced: s.advanced(),
		AccountFields: some(s, "NumberOfEmployees", "Days_To_Renewal__c", "Region__c", "Tags__c", "Onboarded_At__c", "Is_Reference__c"),
		Owners:        settings.OwnerMapping{AccountOwner: "OwnerId", CSM: pick(s, "", "CSM__c")},
	}
	s.keys(&set)
	return set
}

// keys drops what a matching field that is a lookup has no use for.
func (s *simulation) keys(set *settings.Settings) {
	for i := range set.CustomObjects {
		if c := &set.CustomObjects[i]; c.Match != "Billing_Reference__c" {
			c.To = ""
		}
	}
}

// alter changes a part of the settings.
func (s *simulation) alter() {
	switch s.IntN(8) {
	case 0, 1:
		s.set.Accounts = s.accountFiltering()
	case 2:
		s.set.ARR, s.set.Renewal = s.arr(), s.renewal()
	case 3:
		s.set.CustomObjects = s.customObjects()
	case 4:
		s.set.Cases = s.casesSettings(s.set.Cases.LookbackDays)
	case 5:
		s.set.Chatter = s.chatterSettings(s.set.Chatter.LookbackDays)
	case 6:
		s.set.Advanced = s.advanced()
	case 7:
		s.set.AccountFields = some(s, "NumberOfEmployees", "Days_To_Renewal__c", "Region__c")
	}
	s.keys(&s.set)
	s.save("changed")
}

// anyRun chooses what is asked for.
func (s *simulation) anyRun(earlier []db.Run) func() (db.Run, error) {
	s.faulty = true
	ctx := context.Background()
	e := pick(s, pipeline.EntityAll, pipeline.EntityAll, pipeline.EntityAll, pipeline.EntityAccounts, pipeline.EntityContacts, pipeline.EntityCases, pipeline.EntityChatter)
	if e.WhyOff(s.set) != "" {
		e = pipeline.EntityAll
	}
	kind := s.IntN(8)
	return func() (run db.Run, err error) {
		switch {
		case kind == 0:
			run, _, _, err = s.behind.RequestWholeRun(ctx, s.conn, e, &s.admin)
			return run, err
		case kind == 1 && len(earlier) > 0:
			of := earlier[len(earlier)-1]
			if of, err = s.behind.RunByID(ctx, of.ID); err != nil {
				return of, err
			}
			if run, _, err = s.behind.RequestUndo(ctx, of, s.admin); err == nil {
				return run, nil
			}
		case kind == 2 && len(earlier) > 0:
			if run, _, err = s.behind.RequestGap(ctx, s.conn, s.admin); err == nil {
				return run, nil
			}
		}
		run, _, err = s.behind.RequestRun(ctx, s.conn, e, db.TriggerManual, &s.admin)
		return run, err
	}
}

// trouble plans what goes wrong while a process works on a run.
func (s *simulation) trouble(run db.Run, kill func()) {
	if s.plagued != nil {
		s.plagued(run, kill)
	}
	if !s.faulty {
		return
	}
	for range pick(s, 0, 0, 1, 1, 2, 3) {
		s.fault(run, kill)
	}
}

// onRequest plans something for a request to come.
func (s *simulation) onRequest(n int, happens func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[s.requests+n] = happens
}

// fault plans one thing.
func (s *simulation) fault(run db.Run, kill func()) {
	n := 1 + s.IntN(pick(s, 4, 20, 60))
	die := func() { s.dead.Store(true); s.wire.setDown(true); kill() }
	switch k := s.IntN(19); k {
	case 0, 1:
		s.tell("fault: killed at request %d", n)
		s.onRequest(n, die)
	case 2, 3, 4:
		n, late := 1+s.IntN(200), s.chance(2)
		s.tell("fault: killed at exchange %d, late: %t", n, late)
		s.wire.plan(n, cut{late, die})
	case 5, 6:
		n, late := 1+s.IntN(200), s.chance(2)
		s.tell("fault: the connection to Postgres breaks at exchange %d, late: %t", n, late)
		s.wire.plan(n, cut{late, nil})
	case 7:
		changes := 1 + s.IntN(5)
		s.tell("fault: the org changes %d times at request %d", changes, n)
		s.onRequest(n, func() { s.change(changes) })
	case 8:
		d := pick(s, time.Second, 11*time.Minute, 3*time.Hour)
		s.tell("fault: the org's clock jumps by %s at request %d", d, n)
		s.onRequest(n, func() { s.advance(d) })
	case 9:
		s.tell("fault: the access token expires at request %d", n)
		s.onRequest(n, func() { s.org.ExpireAccessTokens() })
	case 10:
		s.tell("fault: the grant is revoked at request %d", n)
		s.onRequest(n, func() { s.org.RevokeRefreshTokens(); s.org.ExpireAccessTokens() })
	case 11:
		s.tell("fault: cancelled at request %d", n)
		s.onRequest(n, func() { _ = s.behind.RequestCancel(context.Background(), run.ID, s.admin) })
	case 12, 13:
		s.tell("fault: frozen at request %d, until another process has taken over", n)
		s.onRequest(n, s.takeOver)
	case 14:
		f := pick(s, [2]string{"Contact", "Title"}, [2]string{"Account", "Website"}, [2]string{"Opportunity", "Amount"}, [2]string{"Case", "Subject"})
		s.tell("fault: %v is hidden at request %d", f, n)
		s.onRequest(n, func() { s.hidden = append(s.hidden, f); s.org.HideField(f[0], f[1]) })
	default:
		f := s.misbehaviour()
		f.Count = pick(s, 1, 1, 2, 4, 7, 30)
		s.tell("fault: from request %d on %+v", n, f)
		s.onRequest(n, func() { s.org.Fail(f) })
	}
}

// takeOver has another process take the run over and work on it to its end, while the one that asked waits for its answer.
func (s *simulation) takeOver() {
	if s.dead.Load() {
		return
	}
	s.mustExec(`UPDATE millrace.runs SET lease_until = now() - interval '1 second' WHERE state = 'running'`)
	s.mustExec(`UPDATE millrace.run_units SET lease_until = now() - interval '1 second' WHERE owner <> ''`)
	s.known = nil // the first process may wait in the middle of asking for an object, and who asks through its client waits with it
	heir := s.process(0)
	s.known = nil
	heir.DB, heir.Owner = s.behind, "heir"
	held, err := heir.claimNow(context.Background())
	if err != nil || held == nil {
		s.tell("the heir finds nothing: %v", err)
		return
	}
	heir.execute(context.Background(), held)
	s.tell("the other process is done; the first one wakes up")
}

// misbehaviour is a way in which an org goes wrong.
func (s *simulation) misbehaviour() sim.Fault {
	return pick(s,
		sim.Fault{Match: anyData, Status: 503},
		sim.Fault{Match: anyData, Status: 500},
		sim.Fault{Match: anyData, Status: 429},
		sim.Fault{Match: anyData, Status: 403, Code: "REQUEST_LIMIT_EXCEEDED"},
		sim.Fault{Match: "/services/data/*/query", Status: 400, Code: "UNABLE_TO_LOCK_ROW"},
		sim.Fault{Match: "/services/data/*/query", Status: 400, Code: "QUERY_TIMEOUT"},
		sim.Fault{Match: anyData, Status: 200, Body: "<html>Maintenance</html>"},
		sim.Fault{Match: anyData, Status: 200, Body: "{}"},
		sim.Fault{Match: anyData, TruncateAfter: 1 + s.IntN(3000)},
		sim.Fault{Match: anyData, TruncateAfter: 1 + s.IntN(3000), CleanCut: true},
		sim.Fault{Match: anyResults, CorruptRow: 1 + s.IntN(20)},
		sim.Fault{Match: anyResults, Status: 404, Code: "NOT_FOUND"},
		sim.Fault{Match: "/services/data/*/query", Status: 404, Code: "INVALID_QUERY_LOCATOR"},
		sim.Fault{Match: "/services/data/*/jobs/query", Status: 500},
		sim.Fault{Match: "/services/data/*/composite", Status: 404, Code: "NOT_FOUND"},
		sim.Fault{Match: "/services/data/*/composite", Status: 200, Body: "<html>Maintenance</html>"},
		sim.Fault{Match: "/services/data/*/composite", Status: 500},
		sim.Fault{Match: anyResults, StallAfter: 200, Stall: time.Minute},
	)
}
