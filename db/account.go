package db

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Account is a synced account as the screens show it. Texts are empty where Salesforce has none.
type Account struct {
	SFID         string     `db:"sf_id"` // 18 characters
	Name         string     `db:"name"`
	Type         string     `db:"account_type"` // customer, prospect or partner
	OwnerID      string     `db:"owner_id"`
	OwnerName    string     `db:"owner_name"` // empty for an owner that is not known here
	Website      string     `db:"website"`
	Domain       string     `db:"domain"`
	Industry     string     `db:"industry"`
	SFType       string     `db:"sf_type"` // the Type field in Salesforce
	Description  string     `db:"description"`
	LastSynced   time.Time  `db:"synced_at"` // when the row was last written
	LeftFilterAt *time.Time `db:"left_filter_at"`
	DeletedAt    *time.Time `db:"deleted_in_salesforce_at"`
	MergedInto   string     `db:"merged_into_id"` // the account into which it was merged in Salesforce; empty for none
	FirstSeenRun int64      `db:"first_seen_run"`
	LastSeenRun  int64      `db:"last_seen_run"`
}

// MaxListed is how many rows of a list can be paged through, and how far the matches of a search are counted. What lies beyond is found by
// searching or by sorting the other way.
const MaxListed = 10_000

// AccountQuery selects a page of a connection's accounts.
type AccountQuery struct {
	ConnectionID int64
	Search       string // beginnings of words of the name, the beginning of the domain, or an Id; empty for all
	Type         string // an account type; empty for all
	Left         string // LeftNone or LeftOnly; empty for those in the filter and those that left it
	Sort         string // name (also for anything unknown), type, owner, website, industry or synced
	Desc         bool
	Page         int // from 1
	PerPage      int // 25, 50 or 100; 50 for anything else
}

// Which accounts a query takes by whether they are in the filter.
const (
	LeftNone = "none" // without those that left
	LeftOnly = "only" // only those that left
)

func (q AccountQuery) normal() AccountQuery {
	if q.PerPage != 25 && q.PerPage != 100 {
		q.PerPage = 50
	}
	q.Page = min(max(q.Page, 1), MaxListed/q.PerPage)
	q.Search = strings.TrimSpace(shorten(q.Search, 200))
	return q
}

// accountSorts are the sort keys. Each but the last is an index's, see readIndexes and lastChanged; sf_id follows, so that the order is complete.
var accountSorts = map[string]string{
	"name": "lower(a.name)", "type": "a.account_type", "website": `a.domain COLLATE "C"`, "industry": "a.industry", "synced": "a.synced_at",
}

const accountColumns = `a.sf_id, a.account_type, a.name, a.website, a.domain, a.industry, a.sf_type, a.description, a.owner_id, a.synced_at,
	a.left_filter_at, a.deleted_in_salesforce_at, a.merged_into_id, a.first_seen_run, a.last_seen_run`

const accountFields = `a.sf_id, a.account_type, coalesce(a.name, '') AS name, coalesce(a.website, '') AS website, coalesce(a.domain, '') AS domain,
	coalesce(a.industry, '') AS industry, coalesce(a.sf_type, '') AS sf_type, coalesce(a.description, '') AS description,
	coalesce(a.owner_id, '') AS owner_id, coalesce(u.name, '') AS owner_name, a.synced_at, a.left_filter_at, a.deleted_in_salesforce_at,
	coalesce(a.merged_into_id, '') AS merged_into_id,
	a.first_seen_run, a.last_seen_run`

// Accounts returns a page of accounts, those that left the filter included, and how many there are: exactly when all are listed, up to MaxListed + 1
// when they are searched or narrowed. A page past the last listed one is the last listed one.
func (d *DB) Accounts(ctx context.Context, q AccountQuery) (rows []Account, total int, err error) {
	q = q.normal()
	indexed, err := d.validReadIndexes(ctx, q.ConnectionID)
	switch {
	case err != nil:
	case q.Search != "" && indexed["words"]:
		rows, total, err = d.searchAccounts(ctx, q)
	default:
		rows, total, err = d.listAccounts(ctx, q, indexed)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("db.Accounts(%d): %w", q.ConnectionID, asCancelled(ctx, err))
	}
	return rows, total, nil
}

func (d *DB) listAccounts(ctx context.Context, q AccountQuery, indexed map[string]bool) (rows []Account, total int, err error) {
	where, args := q.where(false)
	if q.Sort == "synced" && q.Desc && q.Search == "" && indexed["name"] {
		if err := d.pool.SelectContext(ctx, &rows, q.lastChanged(where), args...); err != nil {
			return nil, 0, err
		}
	}
	if len(rows) < q.PerPage {
		rows = nil
		if err := d.pool.SelectContext(ctx, &rows, q.page("millrace.accounts", where, indexed["owner"]), args...); err != nil {
			return nil, 0, err
		}
	}
	if q.Search == "" && q.Type == "" {
		n, left, err := d.CountAccounts(ctx, q.ConnectionID)
		switch q.Left {
		case LeftNone:
			n -= left
		case LeftOnly:
			n = left
		}
		return rows, int(n), err
	}
	err = d.pool.GetContext(ctx, &total, countMatches(where), args...)
	return rows, total, err
}

// searchAccounts counts first: the planner cannot tell a rare word from a frequent one. Few matches are collected by the indexes and then sorted; of
// many, the page's are soon met by going through the sort's index.
func (d *DB) searchAccounts(ctx context.Context, q AccountQuery) (rows []Account, total int, err error) {
	where, args := q.where(true)
	err = d.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off`); err != nil { // leaves bitmaps
			return err
		}
		if err := tx.GetContext(ctx, &total, countMatches(where), args...); err != nil {
			return err
		}
		if total > MaxListed {
			if _, err := tx.ExecContext(ctx, `SET LOCAL enable_indexscan = on`); err != nil {
				return err
			}
			return tx.SelectContext(ctx, &rows, q.page("millrace.accounts", where, false), args...)
		}
		few := fmt.Sprintf("WITH few AS MATERIALIZED (SELECT * FROM millrace.accounts a WHERE %s LIMIT %d) ", where, MaxListed)
		return tx.SelectContext(ctx, &rows, few+q.page("few", "true", false), args...)
	})
	return rows, total, err
}

func countMatches(where string) string {
	return fmt.Sprintf(`SELECT count(*) FROM (SELECT FROM millrace.accounts a WHERE %s LIMIT %d) m`, where, MaxListed+1)
}

// where builds the condition; the connection is $1. Without the index of words, names are compared as text, which finds nearly the same and costs less
// than taking every name apart.
func (q AccountQuery) where(words bool) (string, []any) {
	cond, args := "a.connection_id = $1", []any{q.ConnectionID}
	add := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if q.Type != "" {
		cond += " AND a.account_type = " + add(q.Type)
	}
	switch q.Left {
	case LeftNone:
		cond += " AND a.left_filter_at IS NULL"
	case LeftOnly:
		cond += " AND a.left_filter_at IS NOT NULL"
	}
	if q.Search == "" {
		return cond, args
	}
	if id := fullID(q.Search); id != "" {
		return cond + " AND a.sf_id = " + add(id), args
	}
	var match string
	if words {
		match = "to_tsvector('simple', a.name) @@ to_tsquery('simple', " + add(prefixQuery(q.Search)) + ")"
	} else {
		for _, word := range strings.Fields(q.Search) {
			match += " AND ' ' || a.name ILIKE " + add("% "+likePrefix(word))
		}
		match = "(" + strings.TrimPrefix(match, " AND ") + ")"
	}
	if !strings.ContainsAny(q.Search, " \t") {
		match = "(" + match + ` OR a.domain COLLATE "C" LIKE ` + add(likePrefix(strings.ToLower(q.Search))) + ")"
	}
	return cond + " AND " + match, args
}

// prefixQuery is the text of a tsquery: every word must begin a word of the name. What is typed is quoted, so it holds no operators.
func prefixQuery(search string) string {
	var terms []string
	for _, word := range strings.Fields(search) {
		terms = append(terms, "'"+strings.NewReplacer("'", "''", `\`, `\\`).Replace(word)+"':*")
	}
	return strings.Join(terms, " & ")
}

// likePrefix is the LIKE pattern of a beginning. It is fixed text to the server, so an index on the column serves it.
func likePrefix(s string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s) + "%"
}

// page builds the query of a page of the rows of from. Only the page's rows are joined with their owners. owners says that the index by owner may
// be used.
func (q AccountQuery) page(from, where string, owners bool) string {
	dir := ""
	if q.Desc {
		dir = " DESC"
	}
	window := fmt.Sprintf(" LIMIT %d OFFSET %d", q.PerPage, (q.Page-1)*q.PerPage)
	const owner = " LEFT JOIN millrace.sf_users u ON u.connection_id = $1 AND u.sf_id = a.owner_id "
	if q.Sort == "owner" {
		if owners && q.Search == "" {
			return ownerPage(where, dir, window, q.Page*q.PerPage)
		}
		order := " ORDER BY lower(u.name)" + dir + ", a.owner_id" + dir + ", a.sf_id" + dir
		return "SELECT " + accountFields + " FROM " + from + " a" + owner + "WHERE " + where + order + window
	}
	key, ok := accountSorts[q.Sort]
	if !ok {
		key = accountSorts["name"]
	}
	order := " ORDER BY " + key + dir + ", a.sf_id" + dir
	return "SELECT " + accountFields + " FROM (SELECT " + accountColumns + " FROM " + from + " a WHERE " + where + order + window + ") a" + owner + order
}

// lastEntries is how many entries of the audit log are looked through for the accounts that were changed last.
const lastEntries = 10_000

// lastChanged builds the query of a page of the accounts that were changed last, from the audit log, which holds an entry of each change, at its time or after it: an account that was changed after the oldest
// of the entries is among those that these entries name. A page that is not full may lack accounts. No index holds the time of the last change; see readIndexes.
func (q AccountQuery) lastChanged(where string) string {
	entries := `WITH entries AS MATERIALIZED (SELECT at, entity, sf_id FROM millrace.audit_log WHERE connection_id = $1 ORDER BY at DESC LIMIT ` + strconv.Itoa(lastEntries) + `),
		named AS MATERIALIZED (SELECT a.* FROM (SELECT DISTINCT sf_id FROM entries WHERE entity = 'account') e JOIN millrace.accounts a ON a.connection_id = $1 AND a.sf_id = e.sf_id
		                        WHERE a.synced_at > (SELECT min(at) FROM entries)) `
	return entries + q.page("named", where, false)
}

// ownerPage goes through the owners in the order of their names and stops when the page is full: it reads reach rows of an owner at most. The
// owners are found by jumping along the index from one to the next.
func ownerPage(where, dir, window string, reach int) string {
	return fmt.Sprintf(`
		WITH RECURSIVE owners AS (
		    (SELECT owner_id FROM millrace.accounts WHERE connection_id = $1 ORDER BY owner_id LIMIT 1)
		    UNION ALL
		    SELECT (SELECT n.owner_id FROM millrace.accounts n WHERE n.connection_id = $1 AND n.owner_id > o.owner_id ORDER BY n.owner_id LIMIT 1)
		      FROM owners o WHERE o.owner_id IS NOT NULL)
		SELECT %[1]s
		  FROM (SELECT u.id, u.name, a.sf_id
		          FROM (SELECT o.owner_id AS id, u.name FROM owners o LEFT JOIN millrace.sf_users u ON u.connection_id = $1 AND u.sf_id = o.owner_id
		                 ORDER BY lower(u.name)%[3]s, o.owner_id%[3]s) u
		         CROSS JOIN LATERAL (
		               (SELECT a.sf_id FROM millrace.accounts a WHERE %[2]s AND a.owner_id = u.id ORDER BY a.sf_id%[3]s LIMIT %[5]d)
		               UNION ALL
		               (SELECT a.sf_id FROM millrace.accounts a WHERE %[2]s AND u.id IS NULL AND a.owner_id IS NULL ORDER BY a.sf_id%[3]s LIMIT %[5]d)) a
		         ORDER BY lower(u.name)%[3]s, u.id%[3]s, a.sf_id%[3]s %[4]s) u
		  JOIN millrace.accounts a ON a.connection_id = $1 AND a.sf_id = u.sf_id
		 ORDER BY lower(u.name)%[3]s, u.id%[3]s, a.sf_id%[3]s`, accountFields, where, dir, window, reach)
}

// counts remembers the sizes of connections for which counting takes long, for a few seconds.
type counts struct {
	mu sync.Mutex
	of map[int64]accountCount
}

type accountCount struct {
	total, left int64
	until       time.Time
}

// slowCount is how long counting may take before the result is remembered; a remembered one is used for countMemory.
const (
	slowCount   = 20 * time.Millisecond
	countMemory = 5 * time.Second
)

// CountAccounts returns how many accounts of a connection there are here and how many of them have left the filter. At a size at which counting takes
// long the numbers may be a few seconds old.
func (d *DB) CountAccounts(ctx context.Context, connectionID int64) (total, left int64, err error) {
	d.counts.mu.Lock()
	c, ok := d.counts.of[connectionID]
	d.counts.mu.Unlock()
	start := time.Now()
	if ok && start.Before(c.until) {
		return c.total, c.left, nil
	}
	err = d.pool.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM millrace.accounts WHERE connection_id = $1),
		       (SELECT count(*) FROM millrace.accounts WHERE connection_id = $1 AND left_filter_at IS NOT NULL)`, connectionID).Scan(&c.total, &c.left)
	if err != nil {
		return 0, 0, fmt.Errorf("db.CountAccounts(%d): %w", connectionID, asCancelled(ctx, err))
	}
	if now := time.Now(); now.Sub(start) > slowCount {
		c.until = now.Add(countMemory)
		d.counts.mu.Lock()
		d.counts.of[connectionID] = c
		d.counts.mu.Unlock()
	}
	return c.total, c.left, nil
}

// Account returns one account by its 15- or 18-character Id. It returns ErrNotFound when it is not here.
func (d *DB) Account(ctx context.Context, connectionID int64, sfID string) (Account, error) {
	var a Account
	err := d.pool.GetContext(ctx, &a, `
		SELECT `+accountFields+`
		  FROM millrace.accounts a LEFT JOIN millrace.sf_users u ON u.connection_id = $1 AND u.sf_id = a.owner_id
		 WHERE a.connection_id = $1 AND a.sf_id = $2`, connectionID, fullID(sfID))
	if err != nil {
		return a, fmt.Errorf("db.Account(%d, %q): %w", connectionID, sfID, asCancelled(ctx, notFound(err)))
	}
	return a, nil
}

// FullID returns the 18-character form of a Salesforce Id, empty for what is none.
func FullID(id string) string { return fullID(id) }

// fullID returns the 18-character form of a Salesforce Id, empty for what is none. The last three characters encode the case of the first fifteen
// ("Record ID field type" in the SOAP API Developer Guide).
func fullID(id string) string {
	id = strings.TrimSpace(id)
	if len(id) != 15 && len(id) != 18 {
		return ""
	}
	suffix := make([]byte, 3)
	for group := range 3 {
		bits := 0
		for i, c := range []byte(id[group*5 : group*5+5]) {
			switch {
			case c >= 'A' && c <= 'Z':
				bits |= 1 << i
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			default:
				return ""
			}
		}
		suffix[group] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bits]
	}
	if full := id[:15] + string(suffix); len(id) == 15 || strings.EqualFold(id, full) {
		return full
	}
	return ""
}
