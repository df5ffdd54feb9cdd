package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"

	"millrace/salesforce/soql"
)

// What is asked for beside the records of a page.
const (
	insteadAtOnce = 100     // most records that one query names
	insteadFirst  = 25      // records that the first one of a page names: how large their texts are, only its answer tells
	insteadBytes  = 4 << 20 // about how much text is asked for at a time
	lackingBytes  = 4 << 20 // how much is held of the records that wait for theirs
)

// insteadRows is how many records a page of a bulk result has at most when more may be asked beside them. A page that breaks off asks for all of it once more, and its transaction is open meanwhile.
const insteadRows = 10_000

// instead has the page fill the column of which the table says so in those of its records that have nothing in it.
func (j Work) instead(ctx context.Context, t Table, p *Page) {
	if t.Instead == nil {
		return
	}
	if place := slices.IndexFunc(p.Columns, func(c Column) bool { return c.Name == t.Instead.Column }); place >= 0 {
		p.records = &insteadReader{ctx: ctx, work: j, table: t, records: p.records, close: p.close, id: p.id, at: p.index[place], atOnce: insteadFirst, most: insteadAtOnce}
	}
}

// insteadReader yields the records of an answer as they come, but for those that lack the field: these follow with what they hold instead. The answer is read to its end and closed before more is asked for, so that it
// takes up none of the few requests that the org is sent at once; only where those that lack the field are too much to hold it stays open.
type insteadReader struct {
	ctx     context.Context // of the page
	work    Work
	table   Table
	records RecordReader // nil when it is read to its end
	close   func() error
	id, at  int // places of the id and of the field

	lacking [][]byte // records that wait, packed
	size    int      // of them
	atOnce  int      // how many the next query names
	most    int      // how many any may name
	ready   [][]byte // records, packed, whose texts are here
	texts   map[string]string
	fields  [][]byte
}

// Next implements RecordReader.
func (r *insteadReader) Next() ([][]byte, error) {
	for len(r.ready) == 0 {
		if r.records == nil && len(r.lacking) == 0 {
			return nil, io.EOF
		}
		if r.records == nil || r.size >= lackingBytes {
			if err := r.ask(); err != nil {
				return nil, err
			}
			continue
		}
		fields, err := r.records.Next()
		switch {
		case errors.Is(err, io.EOF):
			if err := r.end(); err != nil {
				return nil, err
			}
		case err != nil:
			return nil, err
		case r.lacks(fields):
			r.lacking = append(r.lacking, packed(fields))
			r.size += held(r.lacking[len(r.lacking)-1])
		default:
			return fields, nil
		}
	}
	r.fields = unpacked(r.ready[0], r.fields[:0])
	r.fields[r.at] = []byte(r.texts[idIn(r.fields[r.id])])
	r.ready = r.ready[1:]
	return r.fields, nil
}

// lacks reports whether a record has nothing in the field, and can be asked for it.
func (r *insteadReader) lacks(fields [][]byte) bool {
	return max(r.at, r.id) < len(fields) && len(fields[r.at]) == 0 && idIn(fields[r.id]) != ""
}

// end closes the answer, and asks whether the allowance has room for what is to be asked now: a page that runs out of it in the middle has asked in vain.
func (r *insteadReader) end() error {
	r.records = nil
	if r.close != nil {
		if err := r.close(); err != nil {
			r.work.Log.Info("could not end an answer that was read", "object", r.table.Object, "err", err)
		}
	}
	if r.work.Afford == nil || len(r.lacking) == 0 {
		return nil
	}
	behind := max(len(r.lacking)-r.atOnce, 0) // the next query
	return r.work.Afford(r.ctx, int64(1+(behind+insteadAtOnce-1)/insteadAtOnce))
}

// ask asks for the texts of the first records that wait: for as many as lets the answer have about insteadBytes, by the answer before.
func (r *insteadReader) ask() error {
	some := r.lacking[:min(len(r.lacking), r.atOnce)]
	texts := make(map[string]string, len(some)) // empty ones at first
	for _, record := range some {
		r.fields = unpacked(record, r.fields[:0])
		texts[idIn(r.fields[r.id])] = ""
	}
	size, err := r.work.askInstead(r.ctx, r.table, texts)
	if FaultOf(err).Code == "too_large" && len(some) > 1 {
		r.most = len(some) / 2
		r.atOnce = r.most
		return nil
	}
	if err != nil {
		return err
	}
	r.atOnce = min(max(insteadBytes*len(some)/max(size, 1), 1), r.most)
	r.ready, r.lacking, r.texts = some, r.lacking[len(some):], texts
	for _, record := range some {
		r.size -= held(record)
	}
	return nil
}

// idIn is the full id in a field; empty for none.
func idIn(field []byte) string {
	var id [18]byte
	if !fullID(&id, field) {
		return ""
	}
	return string(id[:])
}

// packed are the fields of a record in one piece.
func packed(fields [][]byte) []byte {
	size := 0
	for _, f := range fields {
		size += len(f) + binary.MaxVarintLen16
	}
	out := make([]byte, 0, size)
	for _, f := range fields {
		out = append(binary.AppendUvarint(out, uint64(len(f))), f...)
	}
	return out
}

// unpacked appends the fields of a packed record, which lie within it.
func unpacked(record []byte, fields [][]byte) [][]byte {
	for len(record) > 0 {
		size, n := binary.Uvarint(record)
		end := n + int(size)
		fields, record = append(fields, record[n:end:end]), record[end:]
	}
	return fields
}

// held is how much memory a packed record takes, in the list of which it is part.
func held(record []byte) int { return cap(record) + 24 }

// askInstead asks for the field of the records whose ids texts has, puts in their texts, and returns how large the answer was.
func (j Work) askInstead(ctx context.Context, t Table, texts map[string]string) (size int, err error) {
	these, err := soql.In("Id", slices.Sorted(maps.Keys(texts)))
	if err != nil {
		return 0, err
	}
	q, err := soql.Select(t.Object, []string{"Id", t.Instead.Field}, these)
	if err != nil {
		return 0, err
	}
	rows, err := j.Source.Rows(ctx, q.String())
	if err != nil {
		return 0, err
	}
	err = eachPage(ctx, rows, j.Source.MoreRows, func(part *Rows) error { // large records come in several
		for _, r := range part.Records {
			text := textOf(r, t.Instead.Field)
			size += len(text)
			if id := idOf(r, "Id"); id != "" {
				texts[id] = PlainText(text)
			}
		}
		return nil
	})
	return size, err
}
