package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"millrace/salesforce/soql"
)

// insteadAtOnce is how many records one query names of which a further field is asked for.
const insteadAtOnce = 100

// insteadRows is how many records a page of a bulk result has at most when it is held in memory: as many as a page of a REST query.
const insteadRows = restRows

// instead fills the column of which the table says so in those of the page's records that have nothing in it. The records are read to their end first, so that neither the answer nor a transaction stays open while more is asked.
func (j Work) instead(ctx context.Context, t Table, p *Page) error {
	if t.Instead == nil {
		return nil
	}
	place := slices.IndexFunc(p.Columns, func(c Column) bool { return c.Name == t.Instead.Column })
	if place < 0 {
		return nil
	}
	at := p.index[place]
	all, err := readAll(ctx, p.records)
	if err != nil {
		return err
	}
	if p.close != nil {
		if err := p.close(); err != nil {
			j.Log.Info("could not end an answer that was read", "object", t.Object, "err", err)
		}
	}
	lacking := map[string][]int{} // places of records, by their ids
	var ids []string
	var id [18]byte
	for i, fields := range all {
		if max(at, p.id) < len(fields) && len(fields[at]) == 0 && fullID(&id, fields[p.id]) {
			if len(lacking[string(id[:])]) == 0 {
				ids = append(ids, string(id[:]))
			}
			lacking[string(id[:])] = append(lacking[string(id[:])], i)
		}
	}
	for some := range slices.Chunk(ids, insteadAtOnce) {
		err := j.askInstead(ctx, t, some, func(id string, text []byte) {
			for _, i := range lacking[id] {
				all[i][at] = text
			}
		})
		if err != nil {
			return err
		}
	}
	p.records = &readRecords{all}
	return nil
}

// askInstead asks for the field of some records, and tells the text of each that has any.
func (j Work) askInstead(ctx context.Context, t Table, ids []string, tell func(id string, text []byte)) error {
	these, err := soql.In("Id", ids)
	if err != nil {
		return err
	}
	q, err := soql.Select(t.Object, []string{"Id", t.Instead.Field}, these)
	if err != nil {
		return err
	}
	rows, err := j.Source.Rows(ctx, q.String())
	if err != nil {
		return err
	}
	return eachPage(ctx, rows, j.Source.MoreRows, func(part *Rows) error { // large records come in several
		for _, r := range part.Records {
			if id, text := idOf(r, "Id"), PlainText(textOf(r, t.Instead.Field)); id != "" && text != "" {
				tell(id, []byte(text))
			}
		}
		return nil
	})
}

// readAll reads records to their end.
func readAll(ctx context.Context, records RecordReader) ([][][]byte, error) {
	var all [][][]byte
	for {
		fields, err := records.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, badBody(err)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		own := make([][]byte, len(fields))
		for i, f := range fields {
			own[i] = bytes.Clone(f)
		}
		all = append(all, own)
	}
}

// readRecords yields records that were read before.
type readRecords struct{ all [][][]byte }

// Next implements RecordReader.
func (r *readRecords) Next() ([][]byte, error) {
	if len(r.all) == 0 {
		return nil, io.EOF
	}
	fields := r.all[0]
	r.all = r.all[1:]
	return fields, nil
}
