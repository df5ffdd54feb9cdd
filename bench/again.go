package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"millrace/db"
	"millrace/pipeline"
)

// later is one sync after the first.
type later struct {
	name    string
	full    bool // it reads everything, whatever is known to be unchanged
	changed int  // one of so many records has changed since the sync before it; 0 for none, negative for one record in all
}

// laters begin with those that read only changes: what has changed a moment ago is read again by the next of them.
var laters = []later{
	{"nothing changed", false, 0},
	{"one account changed", false, -1},
	{"1% changed", false, 100},
	{"nothing changed, read in full", true, 0},
	{"1% changed, read in full", true, 100},
}

// laterSyncs measures syncs after the first, one after the other in the same database. Each begins right after a checkpoint, with tables as autovacuum keeps them.
func (b *bench) laterSyncs(ctx context.Context) error {
	fmt.Fprint(b.out, "\n| Sync of | | seconds | against the first | the whole run | WAL | against the first | API calls | read | written | CPU of Postgres |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, n := range b.sizes {
		if err := b.laterSyncsOf(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) laterSyncsOf(ctx context.Context, n int) error {
	o, err := b.orgOf(ctx, n)
	if err != nil {
		return err
	}
	d, err := newDatabase(ctx, b.postgres, o)
	if err != nil {
		return err
	}
	defer d.drop()
	store, err := db.Open(ctx, db.Options{URL: d.url, SecretKey: secretKey})
	if err != nil {
		return err
	}
	defer store.Close()
	// These go on from one another, so that none can be kept.
	first, err := own(ctx, "engine", b.job(d))
	if err != nil {
		return fmt.Errorf("first sync of %d: %w", n, err)
	}
	print := func(name string, m measure) {
		fmt.Fprintf(b.out, "| %s of each | %s | %.2f | %.2fx | %.2f s | %.1f MB | %.2fx | %d | %d | %d | %.2f s |\n", thousands(n), name, m.Seconds, m.Seconds/first.Seconds, m.Whole,
			float64(m.WAL)/1e6, float64(m.WAL)/float64(first.WAL), m.Calls, m.Rows, m.Touched, m.CPU.Postgres)
	}
	print("the first", first)
	for _, l := range laters {
		if known, err := d.readsChanges(ctx); err != nil || !known && !l.full {
			return err
		}
		if err := d.ready(ctx, store, l.full); err != nil {
			return err
		}
		if err := o.change(ctx, d, l.changed); err != nil {
			return err
		}
		if _, _, err := store.RequestRun(ctx, d.connection, pipeline.EntityAll, db.TriggerManual, nil); err != nil {
			return err
		}
		if _, err := d.admin.ExecContext(ctx, `CHECKPOINT`); err != nil {
			return err
		}
		m, err := own(ctx, "engine", b.job(d))
		if err != nil {
			return fmt.Errorf("%d, %s: %w", n, l.name, err)
		}
		print(l.name, m)
	}
	return nil
}

// ready puts the tables into the state in which a server that has been left alone for a while has them. With full the next run reads everything.
func (d *database) ready(ctx context.Context, store *db.DB, full bool) error {
	if err := errors.Join(store.EnsureReadIndexes(ctx, d.connection), store.EnsureNameIndexes(ctx, d.connection)); err != nil {
		return err
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, `VACUUM (ANALYZE)`); err != nil {
		return err
	}
	if full {
		if known, err := d.readsChanges(ctx); err != nil || !known {
			return err
		}
		_, err = conn.ExecContext(ctx, `DELETE FROM millrace.read_states`)
	}
	return err
}

// readsChanges reports whether runs can read only what has changed.
func (d *database) readsChanges(ctx context.Context) (yes bool, err error) {
	conn, err := d.connect(ctx)
	if err != nil {
		return false, err
	}
	err = conn.GetContext(ctx, &yes, `SELECT to_regclass('millrace.read_states') IS NOT NULL`)
	return yes, err
}

// batch is how many records Salesforce changes with one call.
const batch = 200

// change changes one of every so many accounts and contacts of the org, or with a negative number one account.
func (o *org) change(ctx context.Context, d *database, every int) error {
	if every == 0 {
		return nil
	}
	conn, err := d.connect(ctx)
	if err != nil {
		return err
	}
	o.changes++
	for _, of := range []struct{ object, table, field string }{{"Account", "accounts", "Description"}, {"Contact", "contacts", "Title"}} {
		var ids []string
		if every < 0 {
			err = conn.SelectContext(ctx, &ids, `SELECT sf_id FROM millrace.`+of.table+` LIMIT 1`)
		} else {
			err = conn.SelectContext(ctx, &ids, `SELECT sf_id FROM (SELECT sf_id, row_number() OVER (ORDER BY sf_id) AS n FROM millrace.`+of.table+`) r WHERE n % $1 = 0`, every)
		}
		if err != nil {
			return err
		}
		for len(ids) > 0 {
			n := min(len(ids), batch)
			if err := o.update(ctx, of.object, of.field, fmt.Sprint("Change ", o.changes), ids[:n]); err != nil {
				return err
			}
			ids = ids[n:]
		}
		if every < 0 {
			return nil
		}
	}
	return nil
}

// update gives a field of some records a value.
func (o *org) update(ctx context.Context, object, field, value string, ids []string) error {
	var records []map[string]any
	for _, id := range ids {
		records = append(records, map[string]any{"attributes": map[string]string{"type": object}, "Id": id, field: value})
	}
	body, err := json.Marshal(map[string]any{"allOrNone": true, "records": records})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, o.address+"/services/data/v66.0/composite/sobjects", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+o.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answers []struct {
		Success bool `json:"success"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answers); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("change records of the org: HTTP %d, %v", resp.StatusCode, err)
	}
	for _, a := range answers {
		if !a.Success {
			return fmt.Errorf("the org did not change a record of %s", object)
		}
	}
	return nil
}
