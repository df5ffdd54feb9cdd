package db_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/db"
)

// look looks at a connection and returns what changed. The words say what was seen.
func look(t *testing.T, d *db.DB, c db.Connection) []db.AlertChange {
	t.Helper()
	changes, err := d.WatchAlerts(t.Context(), c.ID, func(_ db.Connection, s db.Seen) db.AlertWords {
		return db.AlertWords{Title: s.Cause + " " + s.Subject, Detail: fmt.Sprintf("%s %s %s %d/%d", s.Run, s.Code, s.Detail, s.N, s.Of), Place: "/runs", PlaceLabel: "See"}
	}, func(a db.Alert) string { return a.Cause + " is over" })
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// told lists the changes as "+cause subject" and "-cause subject".
func told(changes []db.AlertChange) string {
	var out []string
	for _, c := range changes {
		mark := "-"
		if c.Opened {
			mark = "+"
		}
		out = append(out, strings.TrimSpace(mark+c.Cause+" "+c.Subject))
	}
	return strings.Join(out, ", ")
}

// endedRun stores a run that has ended.
func endedRun(t *testing.T, d *db.DB, c db.Connection, entity string, state db.RunState, columns ...string) int64 {
	t.Helper()
	set := "error = ''"
	if len(columns) > 0 {
		set = strings.Join(columns, ", ")
	}
	id := get[int64](t, d, `INSERT INTO millrace.runs (short_id, connection_id, entity, trigger, settings_version, state, started_at, finished_at)
		VALUES ('R-' || substr(md5(random()::text), 1, 6), $1, $2, 'manual', 1, $3, now(), now()) RETURNING id`, c.ID, entity, state)
	exec(t, d, `UPDATE millrace.runs SET `+set+` WHERE id = $1`, id)
	return id
}

// watched is a connection with settings whose first run is over.
func watched(t *testing.T) (*db.DB, db.User, db.Connection) {
	t.Helper()
	d, u, c := connected(t)
	save(t, d, c, u, scheduled())
	if got := told(look(t, d, c)); got != "" {
		t.Fatalf("at first: %s", got)
	}
	return d, u, c
}

// TestAlertsBeginAndEnd provokes each cause, looks again, and cures it.
func TestAlertsBeginAndEnd(t *testing.T) {
	t.Parallel()
	steps := func(failed int) string {
		return fmt.Sprintf(`INSERT INTO millrace.run_steps (run_id, position, name, label, object, query, failed)
			SELECT id, 1, 'a', 'A', 'Account', 'q', %d FROM millrace.runs ORDER BY id DESC LIMIT 1`, failed)
	}
	for name, test := range map[string]struct {
		begin, cure func(*testing.T, *db.DB, db.Connection)
		want        string // of the beginning, and of its detail after the colon
	}{
		"connection lost": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				if err := d.MarkNeedsReconnect(t.Context(), c.ID, 0, "The token was revoked."); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.connections SET status = 'connected'`)
			},
			"connection_lost: The token was revoked.",
		},
		"run failed, cured by the same": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				endedRun(t, d, c, "contacts", db.RunFailed, "error = 'The field is gone.'", "error_code = 'x'")
			},
			func(t *testing.T, d *db.DB, c db.Connection) { endedRun(t, d, c, "contacts", db.RunCompleted) },
			"run_failed contacts: x The field is gone.",
		},
		"run failed, cured by one of everything": {
			func(t *testing.T, d *db.DB, c db.Connection) { endedRun(t, d, c, "cases", db.RunFailed) },
			func(t *testing.T, d *db.DB, c db.Connection) { endedRun(t, d, c, "all", db.RunCompletedWithErrors) },
			"run_failed cases:",
		},
		"run of everything failed, cured by its parts": {
			func(t *testing.T, d *db.DB, c db.Connection) { endedRun(t, d, c, "all", db.RunFailed) },
			func(t *testing.T, d *db.DB, c db.Connection) {
				for _, e := range []string{"accounts", "contacts"} {
					endedRun(t, d, c, e, db.RunCompleted)
					if got := told(look(t, d, c)); got != "" {
						t.Errorf("after %s alone: %s", e, got)
					}
				}
				endedRun(t, d, c, "cases", db.RunCompleted)
			},
			"run_failed all:",
		},
		"run waiting": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				endedRun(t, d, c, "accounts", db.RunWaiting, "waiting_reason = 'Salesforce is busy.'", "created_at = now() - interval '59 minutes'", "started_at = now() - interval '59 minutes'")
				if got := told(look(t, d, c)); got != "" {
					t.Errorf("before the hour is over: %s", got)
				}
				exec(t, d, `UPDATE millrace.runs SET created_at = now() - interval '61 minutes', started_at = now() - interval '61 minutes' WHERE state = 'waiting'`)
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.runs SET state = 'running' WHERE state = 'waiting'`)
				if got := told(look(t, d, c)); got != "" {
					t.Errorf("a look at Salesforce in between: %s", got)
				}
				exec(t, d, `INSERT INTO millrace.run_steps (run_id, position, name, label, object, query) SELECT id, 1, 'a', 'A', 'Account', 'q' FROM millrace.runs WHERE state = 'running'`)
				exec(t, d, `INSERT INTO millrace.run_pages (run_id, position, page, locator, next_locator, records, seen, fence) SELECT id, 1, 1, '', '', 1, 1, 1 FROM millrace.runs WHERE state = 'running'`)
			},
			"run_waiting accounts: Salesforce is busy. 61/0",
		},
		"surprising": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				endedRun(t, d, c, "accounts", db.RunCompleted, "surprising = true", "outcome = 'Nothing matched'")
			},
			func(t *testing.T, d *db.DB, c db.Connection) { endedRun(t, d, c, "accounts", db.RunCompleted) },
			"run_surprising accounts: Nothing matched",
		},
		"change in Salesforce": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `INSERT INTO millrace.schema_drifts (connection_id, object, field, kind, used_by, sentence, first_run) VALUES ($1, 'Account', 'Tier__c', 'field_gone', '{}', 'Tier__c is gone', 1)`, c.ID)
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.schema_drifts SET resolved_at = now()`)
			},
			"schema_drift Account.Tier__c field_gone: Tier__c is gone",
		},
		"record errors": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				endedRun(t, d, c, "accounts", db.RunCompletedWithErrors)
				exec(t, d, steps(9))
				if got := told(look(t, d, c)); got != "" {
					t.Errorf("at 9: %s", got)
				}
				endedRun(t, d, c, "accounts", db.RunCompletedWithErrors)
				exec(t, d, steps(10))
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				endedRun(t, d, c, "accounts", db.RunCompletedWithErrors)
				exec(t, d, steps(3))
			},
			"record_errors accounts: 10/0",
		},
		"incomplete": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				counted := func(missing, tooMany int) {
					id := endedRun(t, d, c, "accounts", db.RunCompleted)
					exec(t, d, `INSERT INTO millrace.completeness_checks (run_id, name, connection_id, part, position, label, object, here, unexplained) VALUES
						($1, 'a', $2, 'accounts', 1, 'Accounts', 'Account', 5, $3), ($1, 'b', $2, 'accounts', 2, 'Opportunities', 'Opportunity', 5, $4)`, id, c.ID, missing, -tooMany)
				}
				counted(5, 4)
				if got := told(look(t, d, c)); got != "" {
					t.Errorf("at 9: %s", got)
				}
				counted(6, 4)
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.completeness_checks SET unexplained = 0`)
			},
			"incomplete: Accounts (6 missing), Opportunities (4 too many) 10/0",
		},
		"API budget": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.connections SET api_used = 799, api_limit = 1000, api_seen_at = now()`)
				if got := told(look(t, d, c)); got != "" {
					t.Errorf("at 79.9 percent: %s", got)
				}
				exec(t, d, `UPDATE millrace.connections SET api_used = 800`)
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.connections SET api_used = 760`)
				if got := told(look(t, d, c)); got != "" {
					t.Errorf("at 76 percent the alert does not flutter: %s", got)
				}
				exec(t, d, `UPDATE millrace.connections SET api_used = 740`)
			},
			"api_budget: 800/1000",
		},
		"schedule skipped": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.schedules SET skipped = 2, skip_reason = 'The org must be reconnected first.' WHERE entity = 'accounts'`)
				if got := told(look(t, d, c)); got != "" {
					t.Errorf("what was skipped for a lost connection: %s", got)
				}
				exec(t, d, `UPDATE millrace.schedules SET skip_reason = 'The sync R-1 was still active.' WHERE entity = 'accounts'`)
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.schedules SET skipped = 0, skip_reason = ''`)
			},
			"schedule accounts: skipped The sync R-1 was still active. 2/0",
		},
		"schedule overdue": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.schedules SET next_run_at = now() - interval '16 minutes' WHERE entity = 'cases'`)
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				exec(t, d, `UPDATE millrace.schedules SET next_run_at = now() + interval '1 hour'`)
			},
			"schedule cases: overdue",
		},
		"schedule late": {
			func(t *testing.T, d *db.DB, c db.Connection) {
				id := endedRun(t, d, c, "contacts", db.RunCompleted, "missed = 5")
				exec(t, d, `UPDATE millrace.schedules SET last_run_id = $1 WHERE entity = 'contacts'`, id)
			},
			func(t *testing.T, d *db.DB, c db.Connection) {
				id := endedRun(t, d, c, "contacts", db.RunCompleted)
				exec(t, d, `UPDATE millrace.schedules SET last_run_id = $1 WHERE entity = 'contacts'`, id)
			},
			"schedule contacts: late",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, _, c := watched(t)
			test.begin(t, d, c)
			what, detail, _ := strings.Cut(test.want, ":")
			began := look(t, d, c)
			if got := told(began); got != "+"+what {
				t.Fatalf("begins as %q", got)
			}
			if got := strings.Join(strings.Fields(began[0].Detail), " "); !strings.Contains(got, strings.TrimSpace(detail)) {
				t.Errorf("the detail is %q", got)
			}
			if got := told(look(t, d, c)); got != "" {
				t.Errorf("the next look: %s", got)
			}
			test.cure(t, d, c)
			if got := told(look(t, d, c)); got != "-"+what {
				t.Errorf("ends as %q", got)
			}
			if got := told(look(t, d, c)); got != "" {
				t.Errorf("after the end: %s", got)
			}
			open, err := d.OpenAlerts(t.Context())
			if err != nil || len(open) != 0 {
				t.Errorf("open: %v %v", open, err)
			}
			ended, err := d.EndedAlerts(t.Context(), db.EndedAlert{}, 10)
			if err != nil || len(ended) != 1 || ended[0].EndedText == "" || ended[0].Quiet {
				t.Errorf("ended: %+v %v", ended, err)
			}
		})
	}
}

// TestAlertRules switches causes off and moves their thresholds.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	exec(t, d, `UPDATE millrace.connections SET api_used = 500, api_limit = 1000, api_seen_at = now()`)
	endedRun(t, d, c, "accounts", db.RunFailed)
	rules := db.AlertRules{Causes: map[string]db.AlertRule{"api_budget": {Threshold: 50}, "run_failed": {Off: true}}}
	if err := d.SaveAlertRules(t.Context(), c.ID, rules, u.ID); err != nil {
		t.Fatal(err)
	}
	if got := told(look(t, d, c)); got != "+api_budget" {
		t.Errorf("got %q", got)
	}
	var conflict *db.AlertConflictError
	if err := d.SaveAlertRules(t.Context(), c.ID, rules, u.ID); !errors.As(err, &conflict) || conflict.By != u.Name && conflict.By != u.Email {
		t.Errorf("a second save of what was read before the first: %v", err)
	}
	rules.Version, rules.Causes["api_budget"] = 1, db.AlertRule{Off: true}
	if err := d.SaveAlertRules(t.Context(), c.ID, rules, u.ID); err != nil {
		t.Fatal(err)
	}
	ended := look(t, d, c)
	if got := told(ended); got != "-api_budget" || !ended[0].Quiet {
		t.Errorf("switched off: %q %+v", got, ended)
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE entity = 'alert' AND action = 'rules saved' AND changes IS NOT NULL`); n != 2 {
		t.Errorf("%d changes are in the audit log", n)
	}
	if err := d.SaveAlertRules(t.Context(), 999, db.AlertRules{}, u.ID); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("no connection: %v", err)
	}
}

// TestDisconnectedOrgIsNotWatched ends alerts without a word.
func TestDisconnectedOrgIsNotWatched(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	endedRun(t, d, c, "accounts", db.RunFailed)
	look(t, d, c)
	if err := d.Disconnect(t.Context(), c.ID, u.ID); err != nil {
		t.Fatal(err)
	}
	ended := look(t, d, c)
	if told(ended) != "-run_failed accounts" || !ended[0].Quiet {
		t.Errorf("got %+v", ended)
	}
}

// channel makes an e-mail channel.
func channel(t *testing.T, d *db.DB, u db.User, addresses ...string) int64 {
	t.Helper()
	id, _, err := d.CreateAlertChannel(t.Context(), db.NewChannel{Kind: db.ChannelEmail, Name: "Ops", Addresses: addresses}, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestOneNoticePerCause counts the notices of an alert from its beginning to its end.
func TestOneNoticePerCause(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	endedRun(t, d, c, "accounts", db.RunFailed)
	if got := look(t, d, c); len(got) != 1 || got[0].Told != 0 {
		t.Errorf("without a channel: %+v", got)
	}
	channel(t, d, u, "a@example.com", "b@example.com")
	count := func(want map[string]int) {
		t.Helper()
		for kind, n := range want {
			if got := get[int](t, d, `SELECT count(*) FROM millrace.alert_deliveries WHERE kind = $1`, kind); got != n {
				t.Errorf("%d notices of kind %s, want %d", got, kind, n)
			}
		}
	}
	for range 3 {
		look(t, d, c)
	}
	count(map[string]int{"opened": 2, "recovered": 0})
	endedRun(t, d, c, "accounts", db.RunCompleted)
	for range 3 {
		look(t, d, c)
	}
	count(map[string]int{"opened": 2, "recovered": 2})
	if n := get[int](t, d, `SELECT count(DISTINCT message_id) FROM millrace.alert_deliveries`); n != 4 {
		t.Errorf("%d message ids", n)
	}
}

// TestMutedAlertsAreTold when the mute is over and they are still there, and not at all when they are gone by then.
func TestMutedAlertsAreTold(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	channel(t, d, u, "a@example.com")
	mute := func(cause, subject string) {
		t.Helper()
		if err := d.MuteAlerts(t.Context(), c.ID, cause, subject, time.Hour, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	mute("run_failed", "accounts")
	endedRun(t, d, c, "accounts", db.RunFailed)
	endedRun(t, d, c, "contacts", db.RunFailed)
	for _, a := range look(t, d, c) {
		if want := map[string]int64{"accounts": 0, "contacts": 1}[a.Subject]; a.Told != want {
			t.Errorf("%d notices of %s", a.Told, a.Subject)
		}
	}
	if n, err := d.CountOpenAlerts(t.Context()); n != 1 || err != nil {
		t.Errorf("%d open alerts count, %v", n, err)
	}
	exec(t, d, `UPDATE millrace.alert_mutes SET until = now() - interval '1 second'`)
	look(t, d, c)
	if n := get[int](t, d, `SELECT count(*) FROM millrace.alert_deliveries WHERE kind = 'opened'`); n != 2 {
		t.Errorf("%d notices after the mute", n)
	}
	mute("", "") // of everything
	endedRun(t, d, c, "all", db.RunCompleted)
	look(t, d, c)
	if n := get[int](t, d, `SELECT count(*) FROM millrace.alert_deliveries WHERE kind = 'recovered'`); n != 0 {
		t.Errorf("%d notices of the end while muted", n)
	}
	mutes, err := d.AlertMutes(t.Context())
	if err != nil || len(mutes) != 1 || mutes[0].Until == nil {
		t.Fatalf("mutes: %+v %v", mutes, err)
	}
	for range 2 {
		if err := d.EndAlertMute(t.Context(), mutes[0].ID, u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.audit_log WHERE entity = 'alert' AND action IN ('muted', 'unmuted')`); n != 3 {
		t.Errorf("%d audit rows of mutes", n)
	}
}

// TestWatchersTakeTurns looks from many sides at once: there is one alert, and one notice of it.
func TestWatchersTakeTurns(t *testing.T) {
	t.Parallel()
	d, u, c := watched(t)
	channel(t, d, u, "a@example.com")
	endedRun(t, d, c, "accounts", db.RunFailed)
	done := make(chan error, 8)
	for range cap(done) {
		go func() {
			_, err := d.WatchAlerts(t.Context(), c.ID, func(db.Connection, db.Seen) db.AlertWords { return db.AlertWords{Title: "x", Place: "/"} }, func(db.Alert) string { return "" })
			done <- err
		}()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := get[int](t, d, `SELECT count(*) FROM millrace.alert_deliveries`); n != 1 {
		t.Errorf("%d notices", n)
	}
}
