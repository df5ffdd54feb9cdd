package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"millrace/db"
	"millrace/db/private"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/web"
)

// listDays is how many days the generated audit log covers; on the first of them everything was created.
const listDays = 90

// bigDatabase is a database of the size that the lists are measured with.
type bigDatabase struct {
	sql            *sqlx.DB
	store          *db.DB
	connection     int64
	accounts, rows int
	only           string
}

// auditPlace is a place of the audit log as an address has it.
type auditPlace struct {
	At     int64  `db:"at"`
	Block  string `db:"block"`
	Offset string `db:"place"`
}

// matchAfter returns where the list goes on behind the first n matches of a search, or before its last page.
func (b *bigDatabase) matchAfter(ctx context.Context, text string, n int) (string, error) {
	q := db.AuditQuery{ConnectionID: b.connection, Global: true, Search: text, Limit: 1000}
	for met := 0; met < n; {
		page, err := b.store.AuditLog(ctx, q)
		if err != nil || !page.More {
			return "", errors.Join(err, fmt.Errorf("there are %d matches of %q", met, text))
		}
		met += len(page.Rows)
		next := page.Next
		q.Start = &next
	}
	return fmt.Sprintf("older=%d-%s", q.Start.At.UnixMicro(), strings.ReplaceAll(strings.Trim(q.Start.Place, "()"), ",", "-")), nil
}

// listPages are the pages and searches that are measured, by what people call them. A new list is a line here.
func (b *bigDatabase) listPages(ctx context.Context) ([][2]string, error) {
	at := fmt.Sprintf("/connections/%d", b.connection)
	var far, rare auditPlace
	place := func(into any, skip int, cond string) error {
		return b.sql.GetContext(ctx, into, fmt.Sprintf(`
			SELECT (extract(epoch FROM at) * 1000000)::bigint AS at, split_part(trim(ctid::text, '()'), ',', 1) AS block, split_part(trim(ctid::text, '()'), ',', 2) AS place
			  FROM millrace.audit_log WHERE %s ORDER BY at DESC, ctid DESC OFFSET %d LIMIT 1`, cond, skip))
	}
	if err := place(&far, 25_000, fmt.Sprintf("connection_id IN (0, %d)", b.connection)); err != nil {
		return nil, err
	}
	if err := place(&rare, min(25_000, b.rows/200), fmt.Sprintf("connection_id = %d AND action = 'failed'", b.connection)); err != nil {
		return nil, err
	}
	var first, last, middle string
	for into, order := range map[*string]string{&first: "id", &last: "id DESC", &middle: "abs(id - (SELECT max(id) / 2 FROM millrace.runs))"} {
		if err := b.sql.GetContext(ctx, into, `SELECT short_id FROM millrace.runs ORDER BY `+order+` LIMIT 1`); err != nil {
			return nil, err
		}
	}
	n := b.accounts / 3
	account, contact, opportunity := fmt.Sprintf("001%012dAAA", n), fmt.Sprintf("003%012dAAA", n), fmt.Sprintf("006%012dAAA", n/2)
	day := time.Now().UTC().AddDate(0, 0, -40).Format(time.DateOnly)
	older := func(p auditPlace) string { return fmt.Sprintf("older=%d-%s-%s", p.At, p.Block, p.Offset) }
	deep := map[string]string{}
	for _, text := range []string{"media", "phone", "longer than"} {
		far, err := b.matchAfter(ctx, text, 25_000)
		if err != nil {
			return nil, err
		}
		deep[text] = far
	}
	return [][2]string{
		{"Accounts", at + "/accounts"},
		{"Accounts, those changed last first", at + "/accounts?sort=synced&dir=desc"},
		{"An account with its timeline", at + "/accounts/" + account},
		{"A contact with its timeline", at + "/contacts/" + contact},
		{"An opportunity with its timeline", at + "/opportunities/" + opportunity},
		{"Overview", at + "/overview"},
		{"Sync Status", at + "/runs"},
		{"… failed, of contacts", at + "/runs?show=failed&sync=contacts"},
		{"… of a range of days", at + "/runs?from=" + day + "&until=" + day},
		{"… its newest run", at + "/runs/" + last},
		{"… failed", at + "/runs?state=failed"},
		{"A run", at + "/runs/" + middle},
		{"Error inbox", at + "/errors"},
		{"… records of a frequent cause", at + "/errors/1"},
		{"Audit Logs, first page", at + "/audit"},
		{"Audit Logs, thousandth page", at + "/audit?" + older(far)},
		{"Audit Logs, 100 rows", at + "/audit?per=100"},
		{"… gone to a day", at + "/audit?day=" + day},
		{"… of a range of days", at + "/audit?from=" + day + "&until=" + day},
		{"… of accounts", at + "/audit?entity=accounts"},
		{"… of settings (rare)", at + "/audit?entity=settings"},
		{"… of sign-ins", at + "/audit?entity=sign-ins"},
		{"… failed, first page", at + "/audit?action=failed"},
		{"… failed, a thousand pages on or at the end", at + "/audit?action=failed&" + older(rare)},
		{"… contacts skipped", at + "/audit?entity=contacts&action=skipped"},
		{"… written (none)", at + "/audit?action=written"},
		{"… of the newest run", at + "/audit?run=" + last},
		{"… of the first run", at + "/audit?run=" + first},
		{"… failed in a run", at + "/audit?action=failed&run=" + middle},
		{"… of a person", at + "/audit?person=1"},
		{"search: an Id of 18 characters", at + "/audit?q=" + account},
		{"search: an Id of 15 characters", at + "/audit?q=" + account[:15]},
		{"search: the name of one account", at + "/audit?q=" + url.QueryEscape(fmt.Sprintf("Media %d", n))},
		{"search: a word of very many names", at + "/audit?q=media"},
		{"… its thousandth page", at + "/audit?q=media&" + deep["media"]},
		{"… failed", at + "/audit?q=media&action=failed"},
		{"… of contacts (none)", at + "/audit?q=media&entity=contacts"},
		{"… in the newest run", at + "/audit?q=media&run=" + last},
		{"… of a range of days", at + "/audit?q=media&from=" + day + "&until=" + day},
		{"search: a name of one account in a hundred", at + "/audit?q=" + url.QueryEscape("media 77")},
		{"search: a name of one account in a thousand", at + "/audit?q=" + url.QueryEscape("media 777")},
		{"search: a contact's last name", at + "/audit?q=" + fmt.Sprintf("person%d", n)},
		{"search: a frequent field", at + "/audit?q=phone"},
		{"… its thousandth page", at + "/audit?q=phone&" + deep["phone"]},
		{"… of contacts", at + "/audit?q=phone&entity=contacts"},
		{"… failed (none)", at + "/audit?q=phone&action=failed"},
		{"… in the newest run", at + "/audit?q=phone&run=" + last},
		{"… of a range of days", at + "/audit?q=phone&from=" + day + "&until=" + day},
		{"search: a rare field", at + "/audit?q=Tier__c"},
		{"search: a frequent error text", at + "/audit?q=" + url.QueryEscape("longer than")},
		{"… its thousandth page", at + "/audit?q=" + url.QueryEscape("longer than") + "&" + deep["longer than"]},
		{"… of accounts", at + "/audit?entity=accounts&q=" + url.QueryEscape("longer than")},
		{"… of contacts (none)", at + "/audit?entity=contacts&q=" + url.QueryEscape("longer than")},
		{"… in a run", at + "/audit?run=" + middle + "&q=" + url.QueryEscape("longer than")},
		{"search: a frequent text of the first day only", at + "/audit?q=email"},
		{"search: a frequent text of early in the newest day only", at + "/audit?q=department"},
		{"… failed (none)", at + "/audit?q=department&action=failed"},
		{"search: a rare error text", at + "/audit?q=" + url.QueryEscape("longer than 1007 ")},
		{"search: a field of contacts in a run", at + "/audit?q=phone&entity=contacts&run=" + middle},
		{"search: nothing like it", at + "/audit?q=zyxwv"},
		{"new entries since the first page", at + "/audit/fresh?since=" + fmt.Sprint(time.Now().Add(-time.Minute).UnixMicro())},
	}, nil
}

// lists measures the lists over a generated database, which stays in the folder that -data names.
func lists(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench lists", flag.ContinueOnError)
	accounts := flags.Int("accounts", 1_000_000, "accounts of the generated database")
	rows := flags.Int("audit", 10_000_000, "entries of its audit log")
	data := flags.String("data", "", "folder for the database, used again if it is there; empty for one that is removed")
	times := flags.Int("times", 100, "how often each page is opened")
	only := flags.String("only", "", "open only the pages whose line has this text")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir := *data
	if dir == "" {
		made, err := os.MkdirTemp("", "millrace-lists-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		dir = made
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)); err != nil { // Postgres runs as another user when this runs as root
		return err
	}
	pg, err := private.Start(ctx, private.Options{Dir: filepath.Join(dir, "postgres"), Log: io.Discard})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: stopping Postgres:", err)
		}
	}()
	b := &bigDatabase{accounts: *accounts, rows: *rows, only: *only}
	if b.sql, err = sqlx.ConnectContext(ctx, "postgres", pg.URL()); err != nil {
		return err
	}
	defer b.sql.Close()
	if b.store, err = db.Open(ctx, db.Options{URL: pg.URL(), SecretKey: secretKey}); err != nil {
		return err
	}
	defer b.store.Close()
	if err := b.generate(ctx); err != nil {
		return err
	}
	if err := b.measure(ctx, max(*times, 20)); err != nil {
		return err
	}
	return b.measureRetention(ctx)
}

const listsPassword = "long and dull long and dull"

// measure opens each page many times, through HTTP, as one signed-in admin.
func (b *bigDatabase) measure(ctx context.Context, times int) error {
	site, err := web.New(web.Options{DB: b.store, AuditDays: listDays, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Client: func(context.Context, int64) (*salesforce.Client, error) { return nil, db.ErrDisconnected }})
	if err != nil {
		return err
	}
	server := httptest.NewServer(site.Handler())
	defer server.Close()
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	v := &visitor{app: server.URL, client: &http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true}}}
	answer, err := v.client.PostForm(v.app+"/sign-in", url.Values{"email": {"bench@example.com"}, "password": {listsPassword}})
	if err != nil {
		return err
	}
	answer.Body.Close()
	pages, err := b.listPages(ctx)
	if err != nil {
		return err
	}
	var held struct {
		Accounts int64 `db:"accounts"`
		Rows     int64 `db:"rows"`
	}
	if err := b.sql.GetContext(ctx, &held, `SELECT (SELECT count(*) FROM millrace.accounts) AS accounts, (SELECT count(*) FROM millrace.audit_log) AS rows`); err != nil {
		return err
	}
	fmt.Printf("%d accounts, %d entries of the audit log, %d times each\n\n| Page | median ms | p95 ms | bytes |\n|---|---|---|---|\n", held.Accounts, held.Rows, times)
	for _, page := range pages {
		if !strings.Contains(page[0]+" "+page[1], b.only) {
			continue
		}
		for range 3 {
			if _, _, _, err := v.get(page[1]); err != nil {
				return err
			}
		}
		s, err := v.measure(page[0], page[1], times)
		if err != nil {
			return fmt.Errorf("%s: %w", page[0], err)
		}
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Printf("| %s | %.1f | %.1f | %d |\n", s.name, ms(s.p50), ms(s.p95), s.again)
	}
	return nil
}

// measureRetention drops an old day beside a writer.
func (b *bigDatabase) measureRetention(ctx context.Context) error {
	n := min(b.accounts, 500_000)
	if _, err := b.sql.ExecContext(ctx, `SELECT millrace.add_audit_day((now() AT TIME ZONE 'UTC')::date - 200)`); err != nil {
		return err
	}
	if _, err := b.sql.ExecContext(ctx, `INSERT INTO millrace.audit_log (at, connection_id, run_id, entity, sf_id, action)
		SELECT now() - interval '200 days', $1, 1, 'account', '001' || lpad(i::text, 12, '0') || 'AAA', 'created' FROM generate_series(1, $2::int) i`, b.connection, n); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	slowest := make(chan time.Duration, 1)
	go func() {
		var worst time.Duration
		for ctx.Err() == nil {
			started := time.Now()
			if err := b.store.AuditAct(ctx, db.AuditEntry{ConnectionID: b.connection, Entity: "connection", Action: "renamed"}); err == nil {
				worst = max(worst, time.Since(started))
			}
		}
		slowest <- worst
	}()
	time.Sleep(200 * time.Millisecond)
	started := time.Now()
	dropped, err := b.store.RetainAudit(ctx, listDays+1)
	took := time.Since(started)
	stop()
	if err != nil || len(dropped) != 1 {
		return fmt.Errorf("dropped %v: %w", dropped, err)
	}
	fmt.Printf("\nDropping a day of %d entries beside a writer took %d ms; the writer's slowest entry took %d ms.\n", n, took.Milliseconds(), (<-slowest).Milliseconds())
	return nil
}

// generate fills an empty database, set by set.
func (b *bigDatabase) generate(ctx context.Context) error {
	if err := b.store.Migrate(ctx); err != nil {
		return err
	}
	if err := b.store.CheckSecretKey(ctx); err != nil {
		return err
	}
	err := b.sql.GetContext(ctx, &b.connection, `SELECT coalesce((SELECT id FROM millrace.connections ORDER BY id LIMIT 1), 0)`)
	if err != nil || b.connection != 0 {
		return err
	}
	user, err := b.store.CreateUser(ctx, "bench@example.com", "Bench", listsPassword, db.RoleAdmin)
	if err != nil {
		return err
	}
	c, err := b.store.SaveConnection(ctx, db.NewConnection{Name: "Bench", Environment: "demo", LoginURL: "https://login.example.com", ClientID: "key", ClientSecret: "secret",
		OrgID: "00D000000000001AAA", By: user.ID, Grant: db.Grant{AccessToken: "access", InstanceURL: "https://bench.example.com"}})
	if err != nil {
		return err
	}
	b.connection = c.ID
	s := settings.Defaults()
	s.Accounts.Single = filter
	if _, _, err := b.store.SaveSettings(ctx, c.ID, 0, s, "", user.ID); err != nil {
		return err
	}
	first := b.accounts + b.accounts/2 + b.accounts/4 + 2*b.accounts/10 // with those of early in the newest day
	perDay := max(b.rows-first, listDays) / (listDays - 1)
	for i, statement := range strings.Split(strings.NewReplacer("$c", fmt.Sprint(c.ID), "$n", fmt.Sprint(b.accounts), "$days", fmt.Sprint(listDays), "$per", fmt.Sprint(perDay), "$u", fmt.Sprint(user.ID)).Replace(listsSQL), ";\n") {
		started := time.Now()
		if _, err := b.sql.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("statement %d: %w", i+1, err)
		}
		fmt.Fprintf(os.Stderr, "statement %d: %.1f s\n", i+1, time.Since(started).Seconds())
	}
	for _, ensure := range []func() error{
		func() error { return b.store.EnsureReadIndexes(ctx, c.ID) }, func() error { return b.store.EnsureNameIndexes(ctx, c.ID) }, func() error { return b.store.EnsureAuditIndexes(ctx) },
	} {
		started := time.Now()
		if err := ensure(); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "indexes: %.1f s\n", time.Since(started).Seconds())
	}
	return nil
}

// listsSQL makes the data: $n accounts, half as many contacts, a quarter as many opportunities, four runs a day, per day $per entries after the first, and $n / 10 more at the beginning of
// the newest day, none of which is among its latest.
const listsSQL = `UPDATE millrace.runs SET state = 'completed', started_at = now() - interval '$days days', created_at = now() - interval '$days days', finished_at = now() - interval '$days days' + interval '1 hour';
INSERT INTO millrace.runs (short_id, connection_id, trigger, settings_version, state, created_at, started_at, finished_at)
	SELECT 'R-' || upper(substr(md5(i::text), 1, 6)), $c, 'schedule', 1, 'completed', at, at, at + interval '6 hours'
	  FROM generate_series(1, ($days - 1) * 4) i, LATERAL (SELECT date_trunc('day', now()) - ($days - 2) * interval '1 day' + (i - 1) * interval '6 hours' AS at) t WHERE at < now();
INSERT INTO millrace.sf_users (connection_id, sf_id, name, first_seen_run, last_seen_run) SELECT $c, '005' || lpad(i::text, 12, '0') || 'AAA', 'Owner ' || i, 1, 1 FROM generate_series(1, 50) i;
INSERT INTO millrace.accounts_$c (connection_id, sf_id, account_type, name, website, domain, industry, owner_id, fields, first_seen_run, last_seen_run)
	SELECT $c, '001' || lpad(i::text, 12, '0') || 'AAA', 'customer', (ARRAY['Acme', 'Globex', 'Initech', 'Umbrella', 'Hooli'])[1 + i % 5] || ' Media ' || i, 'https://www.site' || i || '.com', 'site' || i || '.com',
	       'Industry ' || i % 20, '005' || lpad((1 + i % 50)::text, 12, '0') || 'AAA', '{}', 1, 1 FROM generate_series(1, $n) i;
INSERT INTO millrace.contacts_$c (connection_id, sf_id, account_id, first_name, last_name, email, first_seen_run, last_seen_run)
	SELECT $c, '003' || lpad(i::text, 12, '0') || 'AAA', '001' || lpad((2 * i)::text, 12, '0') || 'AAA', 'Ana', 'Person' || i, 'p' || i || '@example.com', 1, 1 FROM generate_series(1, $n / 2) i;
INSERT INTO millrace.opportunities_$c (connection_id, sf_id, account_id, name, stage, amount, close_date, first_seen_run, last_seen_run)
	SELECT $c, '006' || lpad(i::text, 12, '0') || 'AAA', '001' || lpad((4 * i)::text, 12, '0') || 'AAA', 'Deal ' || i, 'Open', i, current_date, 1, 1 FROM generate_series(1, $n / 4) i;
INSERT INTO millrace.skipped_records (connection_id, object, sf_id, account_id, reason, since_run, name)
	SELECT $c, 'Contact', '003' || lpad((1000000000 + i)::text, 12, '0') || 'AAA', '001' || lpad((2 * i)::text, 12, '0') || 'AAA', 'The contact has no Email', 1, 'Person ' || i FROM generate_series(1, $n / 10) i;
INSERT INTO millrace.error_groups (connection_id, kind, subject, cause, object, message, records, run_id)
	SELECT $c, 'skip', 'Contact', 'The contact has no Email', 'Contact', 'The contact has no Email', $n / 10, 1;
SELECT millrace.add_audit_day((now() AT TIME ZONE 'UTC')::date - i) FROM generate_series(0, $days) i;
INSERT INTO millrace.audit_log (at, connection_id, run_id, entity, sf_id, action, detail)
	SELECT date_trunc('day', now()) - ($days - 1) * interval '1 day' - interval '12 hours' + row_number() OVER () * interval '1 millisecond', $c, 1, entity, prefix || lpad(i::text, 12, '0') || 'AAA', action, detail
	  FROM (VALUES ('account', '001', 0, $n, 'created', NULL), ('contact', '003', 0, $n / 2, 'created', NULL), ('contact', '003', 1000000000, $n / 10, 'skipped', 'The contact has no Email'),
	               ('opportunity', '006', 0, $n / 4, 'created', NULL)) AS k (entity, prefix, before, many, action, detail), generate_series(before + 1, before + many) i;
INSERT INTO millrace.audit_log (at, connection_id, run_id, actor_id, entity, sf_id, action, changes, detail)
	SELECT date_trunc('day', now()) - d * interval '1 day' + since, CASE WHEN i % 5000 = 0 THEN 0 ELSE $c END,
	       CASE WHEN i % 2500 > 0 THEN 2 + 4 * ($days - 2 - d) + least(floor(extract(epoch FROM since) / 21600), 3) END, CASE WHEN i % 2500 = 0 THEN $u END,
	       CASE WHEN i % 5000 = 0 THEN 'session' WHEN i % 2500 = 0 THEN 'settings' WHEN i % 4 = 0 THEN 'contact' WHEN i % 4 = 1 THEN 'opportunity' ELSE 'account' END,
	       CASE WHEN i % 2500 = 0 THEN '' ELSE CASE WHEN i % 4 = 0 THEN '003' WHEN i % 4 = 1 THEN '006' ELSE '001' END || lpad((1 + (i::bigint * 7919 + d * 104729) % ($n / 4))::text, 12, '0') || 'AAA' END,
	       CASE WHEN i % 5000 = 0 THEN 'signed in' WHEN i % 2500 = 0 THEN 'saved' WHEN i % 100 = 7 THEN 'failed' WHEN i % 20 = 12 THEN 'skipped' WHEN i % 50 = 3 THEN 'left' WHEN i % 5 = 1 THEN 'created' ELSE 'updated' END,
	       CASE WHEN i % 2500 = 0 THEN NULL WHEN i % 20 = 12 OR i % 100 = 7 OR i % 50 = 3 OR i % 5 = 1 THEN NULL WHEN i % 4999 = 0 THEN '{"Tier__c": ["Gold", "Silver"]}'::jsonb
	            WHEN i % 3 = 0 THEN jsonb_build_object('phone', jsonb_build_array('+49 ' || i, '+49 ' || i + 1)) ELSE jsonb_build_object('industry', jsonb_build_array('A', 'B'), 'annual_revenue', jsonb_build_array(i, i + 1)) END,
	       CASE WHEN i % 2500 = 0 THEN 'from 10.0.0.0/24' WHEN i % 100 = 7 THEN 'Region__c: The value is longer than ' || i || ' characters' WHEN i % 20 = 12 THEN 'No e-mail address' END
	  FROM generate_series($days - 2, 0, -1) d, generate_series(1, $per) i,
	       LATERAL (SELECT i * (CASE d WHEN 0 THEN now() - date_trunc('day', now()) ELSE interval '24 hours' END / $per::float) AS since) s;
INSERT INTO millrace.audit_log (at, connection_id, run_id, entity, sf_id, action, changes)
	SELECT date_trunc('day', now()) + i * interval '1 millisecond', $c, 2 + 4 * ($days - 2), 'contact', '003' || lpad(i::text, 12, '0') || 'AAA', 'updated', jsonb_build_object('department', jsonb_build_array('A', 'B'))
	  FROM generate_series(1, $n / 10) i;
VACUUM (ANALYZE)`
