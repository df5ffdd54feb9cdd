package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Page is one page of a step's result on its way into the store. It is read once.
type Page struct {
	Number   int    // within the step, counted from 1
	Locator  string // where it starts; empty for the first
	Next     string // locator of the next page; empty on the last
	Declared int64  // how many records Salesforce said it holds
	Claim    int64  // of the unit that it is; 0 for a page that only the run's lead reads
	Beside   bool   // its records come beside those of the step's own query
	Columns  []Column
	Extra    []Column // of these the record's column fields is made
	Careful  bool     // the store has refused the page before: it is to find out which records it refuses
	arrived  func()   // called for each record
	records  RecordReader
	close    func() error // ends the answer that the records come from; nil where they are all here. It may be called twice
	index    []int        // for each column, its field's place in a record
	beside   []int        // for each column, the place of the field without which it is empty, or -1; nil when there is no such column
	extra    []int        // for each further field, its place in a record
	keys     [][]byte
	id       int // place of the record id
	json     []byte
}

// Report is what a page turned out to hold.
type Report struct {
	Read       int64 // records in the page
	Bad        []RowError
	BadTotal   int64    // with those beyond what Bad holds
	BadIDs     []string // of all bad records whose id is known
	Duplicates bool     // some id occurs more than once; the last one counts
	MinID      string   // of the stored ids, in byte order
	MaxID      string
}

// maxBad bounds the records listed as errors per page; the others are counted.
const maxBad = 1000

// newPage reads the header through which the columns of table find their fields. Fields that the table does not know are ignored, columns whose field
// is not in the page are left out of it.
func newPage(header []string, table Table, records RecordReader) (*Page, error) {
	place := make(map[string]int, len(header))
	for i, h := range header {
		place[strings.ToLower(h)] = i
	}
	id, ok := place["id"]
	if !ok {
		return nil, &Fault{Kind: Fatal, Code: "no_id", Message: "Salesforce's answer has no Id column.",
			Err: fmt.Errorf("header %q has no Id", strings.Join(header, ","))}
	}
	p := &Page{records: records, id: id, arrived: func() {}}
	for _, c := range table.Columns {
		if at, ok := place[strings.ToLower(c.Field)]; ok {
			p.Columns = append(p.Columns, c)
			p.index = append(p.index, at)
		}
	}
	for _, b := range table.Beside {
		i := slices.IndexFunc(p.Columns, func(c Column) bool { return c.Name == b.Column })
		if at, ok := place[strings.ToLower(b.Field)]; ok && i >= 0 {
			if p.beside == nil {
				p.beside = slices.Repeat([]int{-1}, len(p.Columns))
			}
			p.beside[i] = at
		}
	}
	for _, c := range inJSON(table.Extra) {
		if at, ok := place[strings.ToLower(c.Field)]; ok {
			p.Extra = append(p.Extra, c)
			p.extra = append(p.extra, at)
			p.keys = append(p.keys, appendText(nil, []byte(c.Name)))
		}
	}
	return p, nil
}

// Copy writes the page's records to w, the record id first, then Columns, then, when there are Extra fields, a JSON object of those that are not empty. Records with a bad value are left out and reported. It fails when the
// page does not hold as many records as Salesforce said.
func (p *Page) Copy(ctx context.Context, w RowWriter) (Report, error) {
	var r Report
	met := idSet{ids: make([][18]byte, 0, min(p.Declared, 100_000))}
	var id [18]byte
	for {
		fields, err := p.records.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, badBody(err)
		}
		p.arrived()
		if r.Read++; r.Read%1024 == 0 && ctx.Err() != nil {
			return r, ctx.Err()
		}
		bad, err := p.row(w, fields, &id)
		if err != nil {
			return r, err
		}
		if bad != nil {
			bad.Name = p.name(fields)
			r.addBad(*bad)
			continue
		}
		r.Duplicates = met.add(id) || r.Duplicates
	}
	if r.Read != p.Declared {
		return r, &Fault{Kind: Transient, Code: "short_page", Message: "Salesforce sent an incomplete page of results.",
			Err: fmt.Errorf("page %d holds %d records where Salesforce announced %d", p.Number, r.Read, p.Declared)}
	}
	if len(met.ids) > 0 {
		r.MinID, r.MaxID = string(met.least[:]), string(met.greatest[:])
	}
	return r, nil
}

// idSet notices ids that come again. Salesforce sends records in the order of their ids, nearly always; as long as it does, a comparison with the last one is
// enough.
type idSet struct {
	ids             [][18]byte
	least, greatest [18]byte
	index           map[[18]byte]struct{} // nil while the ids ascend
}

// add reports whether the id is there already.
func (s *idSet) add(id [18]byte) (again bool) {
	ascends := len(s.ids) == 0 || bytes.Compare(id[:], s.greatest[:]) > 0
	if !ascends && s.index == nil {
		s.index = make(map[[18]byte]struct{}, cap(s.ids))
		for _, known := range s.ids {
			s.index[known] = struct{}{}
		}
	}
	if len(s.ids) == 0 || bytes.Compare(id[:], s.least[:]) < 0 {
		s.least = id
	}
	if ascends {
		s.greatest = id
	}
	if s.index == nil {
		s.ids = append(s.ids, id)
		return false
	}
	before := len(s.index)
	s.index[id] = struct{}{}
	return len(s.index) == before
}

// row writes one record; bad tells why it was left out.
func (p *Page) row(w RowWriter, fields [][]byte, id *[18]byte) (bad *RowError, err error) {
	if len(fields) <= p.id {
		return &RowError{Message: "The record has too few fields."}, nil
	}
	if !fullID(id, fields[p.id]) {
		return &RowError{Field: "Id", Message: fmt.Sprintf("%q is not a Salesforce id.", excerpt(fields[p.id]))}, nil
	}
	// All values are checked before the first is written: a row that has begun must be ended.
	for i, c := range p.Columns {
		if at := p.index[i]; at >= len(fields) {
			return &RowError{ID: string(id[:]), Message: "The record has too few fields."}, nil
		} else if wrong := c.Kind.check(fields[at]); wrong != "" {
			return &RowError{ID: string(id[:]), Field: c.Field, Message: wrong}, nil
		}
	}
	for i, c := range p.Extra {
		if at := p.extra[i]; at >= len(fields) {
			return &RowError{ID: string(id[:]), Message: "The record has too few fields."}, nil
		} else if wrong := c.Kind.checkExtra(fields[at]); wrong != "" {
			return &RowError{ID: string(id[:]), Field: c.Field, Message: wrong}, nil
		}
	}
	w.Bytes(id[:])
	for i, c := range p.Columns {
		if p.beside != nil && p.beside[i] >= 0 && len(fields[p.beside[i]]) == 0 {
			w.Null()
		} else {
			c.Kind.write(w, fields[p.index[i]])
		}
	}
	if len(p.Extra) > 0 {
		p.json = p.fields(p.json[:0], fields)
		w.Bytes(p.json)
	}
	if err = w.EndRow(); err == nil {
		return nil, nil
	}
	return badRecord(err, id)
}

// badRecord tells a record that cannot be stored from an error that ends the page.
func badRecord(err error, id *[18]byte) (bad *RowError, _ error) {
	if errors.As(err, &bad) {
		bad.ID = string(id[:])
		return bad, nil
	}
	return nil, err
}

// NameColumns are the columns by whose values people know a record.
var NameColumns = []string{"name", "first_name", "last_name", "case_number", "subject"}

// name is what the record is called, as far as the page says.
func (p *Page) name(fields [][]byte) string {
	var words []string
	for i, c := range p.Columns {
		if at := p.index[i]; slices.Contains(NameColumns, c.Name) && at < len(fields) && len(fields[at]) > 0 {
			words = append(words, excerpt(fields[at]))
		}
	}
	return strings.Join(words, " ")
}

func (r *Report) addBad(e RowError) {
	e.Line = r.Read
	if r.BadTotal++; r.BadTotal <= maxBad {
		r.Bad = append(r.Bad, e)
	}
	if e.ID != "" {
		r.BadIDs = append(r.BadIDs, e.ID)
	}
}

// badBody makes a fault of a body that cannot be read, unless it is one: cut, stalled or not CSV at all. All of these are worth another attempt.
func badBody(err error) error {
	var known *Fault
	if errors.As(err, &known) {
		return err
	}
	return &Fault{Kind: Transient, Code: "bad_page", Message: "A page of records from Salesforce broke off or could not be read.", Err: err}
}
