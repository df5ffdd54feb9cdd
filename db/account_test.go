package db_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"millrace/db"
)

// fill adds accounts 1…n with names, owners and domains that a list can be sorted and searched by.
func fill(t *testing.T, d *db.DB, connectionID int64, n int) {
	t.Helper()
	exec(t, d, `INSERT INTO millrace.sf_users (connection_id, sf_id, name, first_seen_run, last_seen_run)
		SELECT $1, '00500000000000' || i || 'AAA', 'Owner ' || (9 - i), 1, 1 FROM generate_series(1, 3) i`, connectionID)
	exec(t, d, `INSERT INTO millrace.accounts (connection_id, sf_id, account_type, name, website, domain, industry, owner_id, first_seen_run, last_seen_run, synced_at)
		SELECT $1, '001' || lpad(i::text, 12, '0') || 'AAA', (ARRAY['customer', 'prospect', 'partner'])[1 + i % 3],
		       (ARRAY['Acme', 'Éclair', 'zenith', 'Blue & Co', 'O''Neil'])[1 + i % 5] || ' Media ' || i, 'https://www.site' || i || '.com/', 'site' || i || '.com',
		       CASE WHEN i % 7 > 0 THEN 'Industry ' || i % 7 END, CASE WHEN i % 5 > 0 THEN '00500000000000' || i % 5 || 'AAA' END, 1, 1, now() - i * interval '1 second'
		  FROM generate_series(1, $2::int) i`, connectionID, n)
	exec(t, d, `INSERT INTO millrace.accounts (connection_id, sf_id, account_type, first_seen_run, last_seen_run, left_filter_at) VALUES ($1, '001999999999999AAA', 'partner', 1, 1, now())`, connectionID)
}

func TestFullID(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"001D000000IRFma": "001D000000IRFmaIAH", "001D000000IRFmaIAH": "001D000000IRFmaIAH", "001D000000IRFmaiah": "001D000000IRFmaIAH",
		"001D000000IRFmaIAX": "", "001D000000IRFm": "", "001D000000IRF'--": "", "": "",
	} {
		if got := db.FullID(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestAccountsListIsTheSameWithAndWithoutReadIndexes compares every sort, page by page, before and after a connection gets its read indexes.
func TestAccountsListIsTheSameWithAndWithoutReadIndexes(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	fill(t, d, c.ID, 10_050)
	exec(t, d, `UPDATE millrace.accounts SET synced_at = now() - interval '1 year'`)
	exec(t, d, `
		WITH changed AS (
		    UPDATE millrace.accounts SET synced_at = now() - interval '1 second' * (right(left(sf_id, 15), 2)::int / 10) WHERE sf_id IN (SELECT sf_id FROM millrace.accounts ORDER BY md5(sf_id) LIMIT 250) RETURNING sf_id)
		INSERT INTO millrace.audit_log (connection_id, entity, sf_id, action) SELECT $1, e, sf_id, 'updated' FROM changed, unnest(ARRAY['contact', 'account', 'account']) e`, c.ID)
	type page struct {
		q    db.AccountQuery
		rows []string
	}
	var before []page
	list := func(q db.AccountQuery) []string {
		rows, _, err := d.Accounts(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		ids := make([]string, len(rows))
		for i, r := range rows {
			ids[i] = r.SFID
		}
		return ids
	}
	for _, sort := range []string{"name", "type", "owner", "website", "industry", "synced", "'; DROP TABLE"} {
		for _, desc := range []bool{false, true} {
			for _, p := range []int{1, 2, 100, 1000} {
				q := db.AccountQuery{ConnectionID: c.ID, Sort: sort, Desc: desc, Page: p, PerPage: 100}
				before = append(before, page{q, list(q)})
			}
		}
	}
	for _, search := range []string{"acme", "media 77", "o'neil", "blue", "site1234.com", "001000000000042", "nothing"} {
		q := db.AccountQuery{ConnectionID: c.ID, Search: search}
		before = append(before, page{q, list(q)}, page{db.AccountQuery{ConnectionID: c.ID, Search: search, Sort: "owner", Type: "partner"}, nil})
		before[len(before)-1].rows = list(before[len(before)-1].q)
	}
	for range 2 { // the second time there is nothing left to do
		if err := d.EnsureReadIndexes(t.Context(), c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if n := get[int](t, d, `SELECT count(*) FROM pg_class WHERE relname LIKE 'accounts\_%\_by\_%'`); n != 6 {
		t.Errorf("%d read indexes, want 6", n)
	}
	// A record that changes stays in its place only where no index holds what each change writes.
	if written := get[string](t, d, `
		SELECT coalesce(string_agg(DISTINCT i.indexrelid::regclass::text, ', '), '')
		  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) JOIN pg_class c ON c.oid = i.indrelid
		 WHERE c.relname ~ '^(accounts|contacts|opportunities|custom_records|cases)(_[0-9]+)?$' AND a.attname IN ('system_modstamp', 'synced_at', 'last_seen_run')`); written != "" {
		t.Errorf("each change of a record writes the indexes %s", written)
	}
	for _, p := range before {
		if got := list(p.q); !slices.Equal(got, p.rows) {
			t.Errorf("%+v: differs with indexes: %d rows, %d before", p.q, len(got), len(p.rows))
		}
	}
}

func TestAccountsSearchAndTotals(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	fill(t, d, c.ID, 60)
	for _, x := range []struct {
		search, kind string
		want         int
	}{
		{"", "", 61}, {"", "partner", 21}, {"acm", "", 12}, {"media acm", "", 12}, {"MEDIA", "", 60}, {"edia", "", 0}, {"o'neil", "", 12}, {"& ", "", 12}, {"site6", "", 2},
		{"SITE60.com", "", 1}, {"001000000000042", "", 1}, {"001000000000042AAA", "", 1}, {"%", "", 0}, {"_cme", "", 0}, {`\`, "", 0}, {"' | 'x", "", 0},
		{"x\x00\xff", "", 0}, {strings.Repeat("long ", 100), "", 0}, {"éclair", "", 12}, {"ÉCLAIR", "customer", 4},
	} {
		rows, total, err := d.Accounts(t.Context(), db.AccountQuery{ConnectionID: c.ID, Search: x.search, Type: x.kind, PerPage: 100})
		if err != nil || total != x.want || len(rows) != x.want {
			t.Errorf("%q %s: %d rows of %d, want %d, %v", x.search, x.kind, len(rows), total, x.want, err)
		}
	}
	if rows, total, err := d.Accounts(t.Context(), db.AccountQuery{ConnectionID: c.ID + 1}); len(rows) != 0 || total != 0 || err != nil {
		t.Errorf("another connection sees %d of %d, %v", len(rows), total, err)
	}
	if total, left, err := d.CountAccounts(t.Context(), c.ID); total != 61 || left != 1 || err != nil {
		t.Errorf("got %d, %d, %v", total, left, err)
	}
}

func TestAccountAndItsRecords(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	fill(t, d, c.ID, 3)
	const id = "001000000000002AAA"
	exec(t, d, `INSERT INTO millrace.contacts (connection_id, sf_id, account_id, last_name, first_seen_run, last_seen_run)
		SELECT $1, '003' || lpad(i::text, 15, '0'), $2, 'Name ' || (9 - i), 1, 1 FROM generate_series(1, 3) i`, c.ID, id)
	exec(t, d, `INSERT INTO millrace.opportunities (connection_id, sf_id, account_id, name, amount, close_date, owner_id, first_seen_run, last_seen_run)
		VALUES ($1, '006000000000001AAA', $2, 'Deal', 12345678901234567.89, '2026-02-03', '005000000000001AAA', 1, 1),
		       ($1, '006000000000002AAA', $2, NULL, NULL, NULL, NULL, 1, 1)`, c.ID, id)
	a, err := d.Account(t.Context(), c.ID, "001000000000002")
	if err != nil || a.SFID != id || a.OwnerName != "Owner 7" || a.Name != "zenith Media 2" {
		t.Errorf("got %+v, %v", a, err)
	}
	contacts, n, err := d.AccountContacts(t.Context(), c.ID, id, 2, 0)
	if err != nil || n != 3 || len(contacts) != 2 || contacts[0].LastName != "Name 6" {
		t.Errorf("got %+v of %d, %v", contacts, n, err)
	}
	deals, n, err := d.AccountOpportunities(t.Context(), c.ID, id, 10, 0)
	if err != nil || n != 2 || len(deals) != 2 || deals[0].Amount == nil || *deals[0].Amount != "12345678901234567.89" || deals[0].OwnerName != "Owner 8" || deals[1].Amount != nil {
		t.Errorf("got %+v of %d, %v", deals, n, err)
	}
	for _, missing := range []string{"001000000000009", "", "x'"} {
		if _, err := d.Account(t.Context(), c.ID, missing); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("%q: got %v", missing, err)
		}
	}
}

func TestViewsAreReadableAndDescribed(t *testing.T) {
	t.Parallel()
	d, _, c := connected(t)
	fill(t, d, c.ID, 3)
	for view, want := range map[string]int{"account": 4, "contact": 0, "opportunity": 0, `"user"`: 3, "connection": 1} {
		if got := get[int](t, d, fmt.Sprintf(`SELECT count(*) FROM salesforce.%s`, view)); got != want {
			t.Errorf("%s: %d rows, want %d", view, got, want)
		}
	}
	if got := get[int](t, d, `SELECT count(*) FROM pg_views v WHERE schemaname = 'salesforce' AND obj_description(('salesforce.' || quote_ident(viewname))::regclass) IS NULL`); got != 0 {
		t.Errorf("%d views without a comment", got)
	}
}
