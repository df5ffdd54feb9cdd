package db

import (
	"bytes"
	"encoding/binary"
	"sort"
	"strconv"

	"millrace/pipeline"
)

// compare finds out which of some records of the chunk are here just so: by the hashes that stand beside those that are here, or where these say little, by such as Postgres works out.
func (s *sieve) compare(rows []int, same []bool) error {
	if len(rows) == 0 {
		return nil
	}
	if !s.works {
		known, err := s.known(rows)
		if err != nil {
			return err
		}
		n := 0
		for _, row := range rows {
			if same[row] = known.has(s.merge.hash.of(s.text(s.rows[row]))); same[row] {
				n++
			}
		}
		s.works = n < len(rows)*3/4 // to stage a record that is the same costs as much as to hash several
	}
	if s.works {
		here, err := s.here(rows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if !same[row] {
				hash, ok := s.rowHash(s.text(s.rows[row]))
				same[row] = ok && here.has(s.idText(row), hash)
			}
		}
	}
	for _, row := range rows {
		if same[row] {
			s.counts.unchanged++
			s.kept.add(s.idText(row))
		}
	}
	return nil
}

// lineHashes are hashes of the lines that records were made of, in the order of the records' ids.
type lineHashes struct {
	Hashes []byte         `db:"hashes"`
	Marks  []byte         `db:"marks"` // of the transactions that wrote the records, four bytes each
	at     int            // behind the one that was found last
	places map[uint64]int // of the hashes; nil until one is not where it is expected
}

func (h *lineHashes) len() int { return len(h.Hashes) / 8 }

func (h *lineHashes) hash(i int) uint64 {
	return binary.BigEndian.Uint64(h.Hashes[i*8:]) ^ transactionMark(binary.BigEndian.Uint32(h.Marks[i*4:]))
}

// has reports whether a record was made of a line with the hash. Lines come in the order of their ids, nearly always.
func (h *lineHashes) has(hash uint64) bool {
	if h.at < h.len() && h.hash(h.at) == hash {
		h.at++
		return true
	}
	if h.places == nil {
		h.places = make(map[uint64]int, h.len())
		for i := range h.len() {
			h.places[h.hash(i)] = i
		}
	}
	i, ok := h.places[hash]
	if ok {
		h.at = i + 1
	}
	return ok
}

// known reads the hashes that stand beside the records that are here.
func (s *sieve) known(rows []int) (*lineHashes, error) {
	out := &lineHashes{}
	return out, s.read(out, rows, `coalesce(string_agg(int8send(x.hash), ''), '') AS hashes, coalesce(string_agg(xidsend(x.mark), ''), '') AS marks`,
		`t.`+hashColumn+` AS hash, t.xmin AS mark`, ` AND t.`+hashColumn+` IS NOT NULL`)
}

// here reads the hashes of the records that are here, as Postgres works them out.
func (s *sieve) here(rows []int) (*hashed, error) {
	out := &hashed{}
	return out, s.read(out, rows, `coalesce(string_agg(x.sf_id, ''), '') AS ids, coalesce(string_agg(int8send(x.hash), ''), '') AS hashes`,
		`t.sf_id, hash_record_extended(ROW(`+s.values+`), `+strconv.FormatInt(int64(s.seed), 10)+`) AS hash`, s.none)
}

// read reads what of the records that are here, put together into out, in the order of their ids: of those that can be the same as one of the rows, and of which holds what also says.
func (s *sieve) read(out interface{ len() int }, rows []int, together, what, also string) error {
	most := 4*len(rows) + 1000 // ids of a page that follow each other have few others between them
	question := `
		SELECT ` + together + `
		  FROM (SELECT ` + what + ` FROM ` + s.merge.table + ` t
		         WHERE t.connection_id = $1 AND {among}` + sameSet(s.step.Table, "t.") + ` AND ` + s.alike + also + ` ORDER BY t.sf_id LIMIT ` + strconv.Itoa(most) + `) x`
	err := s.conn.Get(s.ctx, out, s.inRange(question, "t", rows))
	if err == nil && !s.scattered && out.len() == most {
		s.scattered = true
		return s.read(out, rows, together, what, also)
	}
	return asCancelled(s.ctx, err)
}

// rowHash hashes the values of a line as Postgres hashes those that are here. It is not ok where a value has no such hash.
func (s *sieve) rowHash(line []byte) (sum uint64, ok bool) {
	hash := rowHash{seed: s.seed}
	for field := 0; ; field++ {
		value, rest, more := bytes.Cut(line, []byte{'\t'})
		switch {
		case field == 0: // the id
		case string(value) == `\N`:
			hash.null()
		case s.kinds[field] == pipeline.DateTime || s.kinds[field] == pipeline.Moment:
			sent, ok := sentTime(value)
			if !ok {
				return 0, false
			}
			hash.bytes(sent[:])
		default:
			hash.bytes(unescape(value))
		}
		if !more {
			return hash.sum, true
		}
		line = rest
	}
}

// hashed are ids of records in their order, and the hash of each.
type hashed struct {
	IDs    []byte `db:"ids"`
	Hashes []byte `db:"hashes"`
	at     int    // behind the one that was found last
}

func (h *hashed) len() int { return len(h.Hashes) / 8 }

// has reports whether a record has the hash.
func (h *hashed) has(id []byte, hash uint64) bool {
	order := func(i int) int { return bytes.Compare(h.IDs[i*idLength:(i+1)*idLength], id) }
	if h.at >= h.len() || order(h.at) != 0 {
		h.at = sort.Search(h.len(), func(i int) bool { return order(i) >= 0 })
	}
	if h.at >= h.len() || order(h.at) != 0 {
		return false
	}
	h.at++
	return binary.BigEndian.Uint64(h.Hashes[(h.at-1)*8:]) == hash
}
