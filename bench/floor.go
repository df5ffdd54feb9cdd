package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
)

// pageRows is the size of a page, the same as the engine's.
const pageRows = 50_000

// selections are what the contenders read, in this order, by object.
var selections = []struct{ object, condition string }{{"Account", filter}, {"Contact", "Account.Name != null AND AccountId != null"}}

// floor downloads the pages that the engine downloads and copies them straight into the tables that the engine fills, all their columns, with the same indexes in place. It
// compares nothing, audits nothing, derives nothing, leaves nothing out and could not resume.
func floor(ctx context.Context, j job) (measure, error) {
	store, err := db.Open(ctx, db.Options{URL: j.Database, SecretKey: secretKey})
	if err != nil {
		return measure{}, err
	}
	defer store.Close()
	meter, err := newMeter(ctx, j)
	if err != nil {
		return measure{}, err
	}
	m := measure{Of: map[string]float64{}}
	client := j.client()
	for _, s := range selections {
		f := floorRun{job: j, store: store, client: client}
		began := time.Now()
		if err := f.prepare(ctx, s.object, s.condition); err != nil {
			return measure{}, err
		}
		for locator, first := "", true; first || locator != ""; first = false {
			if locator, err = f.page(ctx, locator); err != nil {
				return measure{}, err
			}
		}
		m.Of[s.object] = time.Since(began).Seconds()
		m.Seconds += m.Of[s.object]
		m.Rows += f.rows
	}
	err = meter.read(ctx, &m)
	return m, err
}

type floorRun struct {
	job
	store   *db.DB
	client  *salesforce.Client
	jobID   string
	table   pipeline.Table
	columns []string
	again   []int // fields of which a further column is derived; it gets the field as it is
	fixed   []string
	rows    int64
}

// prepare starts the bulk job and waits for it, as the engine does.
func (f *floorRun) prepare(ctx context.Context, object, where string) error {
	f.table, _ = pipeline.TableOf(object)
	fields := []string{"Id"}
	f.columns = []string{"sf_id"}
	var derived []string
	for _, c := range f.table.Columns {
		if c.Kind == pipeline.Domain {
			f.again, derived = append(f.again, slices.Index(fields, c.Field)), append(derived, c.Name)
			continue
		}
		fields, f.columns = append(fields, c.Field), append(f.columns, c.Name)
	}
	f.columns = append(f.columns, derived...)
	f.columns, f.fixed = append(f.columns, "connection_id", "first_seen_run", "last_seen_run"), []string{fmt.Sprint(f.Connection), "1", "1"}
	if f.table.Typed {
		f.columns, f.fixed = append(f.columns, "account_type"), append(f.fixed, "customer")
	}
	condition, findings := soql.ParseFilter(where)
	if soql.Refused(findings) {
		return errors.New(findings[0].Message)
	}
	query, err := soql.Select(object, fields, condition)
	if err != nil {
		return err
	}
	started, err := f.client.CreateQueryJob(ctx, query.String())
	if err != nil {
		return err
	}
	f.jobID = started.ID
	for started.State != salesforce.JobComplete {
		time.Sleep(100 * time.Millisecond)
		if started, err = f.client.Job(ctx, f.jobID); err != nil {
			return err
		}
	}
	return nil
}

func (f *floorRun) page(ctx context.Context, locator string) (next string, err error) {
	res, err := f.client.Results(ctx, f.jobID, locator, pageRows)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	err = f.store.Pinned(ctx, func(c *db.Conn) error {
		if err := c.Begin(ctx); err != nil {
			return err
		}
		if err := c.CopyText(ctx, fmt.Sprintf("millrace.%s_%d", f.table.Name, f.Connection), f.columns, f.writer(salesforce.NewCSVReader(res.Body))); err != nil {
			return err
		}
		return c.Commit(ctx)
	})
	return res.Locator, err
}

func (f *floorRun) writer(csv *salesforce.CSVReader) func(*db.CopyWriter) error {
	return func(w *db.CopyWriter) error {
		w.Fix(f.fixed)
		for {
			row, err := csv.Next()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			put := func(value []byte) {
				if len(value) == 0 {
					w.Null()
				} else {
					w.Bytes(value)
				}
			}
			for _, value := range row {
				put(value)
			}
			for _, i := range f.again {
				put(row[i])
			}
			if err := w.EndRow(); err != nil {
				return err
			}
			f.rows++
		}
	}
}
