package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readREST reads a step through REST queries, page after page. Cursors live for days, so an earlier attempt is continued at its last page.
func (j Work) readREST(ctx context.Context, s Step) error {
	done, err := j.Store.Pages(ctx, s)
	if err != nil {
		return err
	}
	if err := j.Store.SetPhase(ctx, "Loading "+lower(s.Label)); err != nil {
		return err
	}
	way := trail{}
	for number, locator := 1, ""; number == 1 || locator != ""; number++ {
		if err := way.follow(locator); err != nil {
			return err
		}
		if mark, ok := done[locator]; ok {
			locator = mark.Next
			continue
		}
		if locator, err = j.loadRows(ctx, s, number, locator); err != nil {
			return err
		}
	}
	return nil
}

// loadRows brings one page over and returns the locator of the next.
func (j Work) loadRows(ctx context.Context, s Step, number int, locator string) (next string, err error) {
	err = j.attempt(ctx, func() error {
		var rows *Rows
		if locator == "" {
			rows, err = j.Source.Rows(ctx, s.Query)
		} else {
			rows, err = j.Source.MoreRows(ctx, locator)
		}
		if err != nil {
			return err
		}
		if number == 1 && s.Reading.Try && !s.Table.Paged && rows.Total > j.Options.RESTLimit {
			return errMany
		}
		if number == 1 {
			if err := j.Store.SetExpected(ctx, s, rows.Total, j.Source.Clock()); err != nil {
				return err
			}
		}
		p, err := jsonPage(rows.Records, s.Table)
		if err != nil {
			return err
		}
		p.Number, p.Locator, p.Next, p.Declared = number, locator, rows.Next, int64(len(rows.Records))
		next = rows.Next
		return j.commit(ctx, s, p)
	})
	return next, err
}

// jsonRecords reads decoded JSON records as fields.
type jsonRecords struct {
	records []map[string]any
	header  []string
	fields  [][]byte
}

// jsonPage returns the page of a REST answer's records.
func jsonPage(records []map[string]any, table Table) (*Page, error) {
	header := []string{"Id"}
	if len(records) > 0 {
		for name := range records[0] {
			if name != "Id" && name != "attributes" {
				header = append(header, name)
			}
		}
	} else {
		for _, c := range slices.Concat(table.Columns, table.Extra) {
			header = append(header, c.Field)
		}
	}
	return newPage(header, table, &jsonRecords{records: records, header: header})
}

// Next implements RecordReader.
func (r *jsonRecords) Next() ([][]byte, error) {
	if len(r.records) == 0 {
		return nil, io.EOF
	}
	r.fields = r.fields[:0]
	for _, name := range r.header {
		r.fields = append(r.fields, jsonField(r.records[0][name]))
	}
	r.records = r.records[1:]
	return r.fields, nil
}

// jsonField returns a value in the form in which the bulk CSV has it.
func jsonField(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	case json.Number:
		return []byte(v)
	case bool:
		return fmt.Append(nil, v)
	case float64:
		return []byte(strings.TrimSuffix(fmt.Sprintf("%g", v), ".0"))
	}
	return fmt.Append(nil, v)
}
