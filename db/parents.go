package db

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"slices"
	"sync"
)

// Most records of a first load belong to a parent that is here, and asking Postgres for each of them costs about as much as storing its row. The runner that leads a
// large step therefore keeps the ids of all parents, packed: those that it has loaded itself in the same run, or else all that are here, which it reads once. Those that are not among
// them are asked for as before. That a parent has left since, in a run of its own beside this one, is noticed by the step's next run, as when it leaves a moment after a page was committed.
const (
	parentsPerRecord = 4       // more than so many are dearer to read than the step's own parents are to ask for
	parentsBytes     = 8 << 20 // what they may take; about five million fit
	parentsBatch     = 20_000  // ids that are read at a time
)

// accountTable is the table of the records that most others belong to.
const accountTable = "accounts"

// parents are the ids of the records that one step's records may belong to. Workers share it; the first that asks reads them.
type parents struct {
	mu     sync.Mutex
	of     int // position of the step
	ready  bool
	ids    *packedIDs   // nil for too many of them
	loaded []*packedIDs // of the accounts that first loads of this runner have brought, page by page
	bytes  int          // that these take
}

// keepLoaded keeps the ids of the accounts of a page that has been committed. They come in the order of the page.
func (p *parents) keepLoaded(ids []byte) {
	page := &packedIDs{}
	for id := range slices.Chunk(ids, idLength) {
		if !page.add(id) {
			return // not in their order: they are read when they are needed
		}
	}
	page.clip()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes += page.size(); p.bytes > parentsBytes {
		p.loaded = nil
	} else if page.n > 0 {
		p.loaded = append(p.loaded, page)
	}
}

// joinLoaded returns the ids of the accounts that were loaded, or nil when it is not known that they are all of the n.
func (p *parents) joinLoaded(n int64) *packedIDs {
	slices.SortFunc(p.loaded, func(a, b *packedIDs) int { return a.blocks[0].compare(b.blocks[0]) })
	if len(p.loaded) > 1 {
		all := &packedIDs{}
		for _, page := range p.loaded {
			if !all.follow(page) {
				return nil
			}
		}
		p.loaded = []*packedIDs{all}
	}
	if len(p.loaded) == 0 || p.loaded[0].n != n {
		return nil
	}
	return p.loaded[0]
}

// parentsOf returns the parents of the step in progress, or nil where asking Postgres is better.
func (c *chunk) parentsOf() (*packedIDs, error) {
	if c.expected < c.db.opts.KeepParentsFrom || c.fence == noFence {
		return nil, nil
	}
	p := &c.parents
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready && p.of == c.step.Position {
		return p.ids, nil
	}
	if c.step.Table.ParentTable() == accountTable {
		// More are here when other runners loaded some, or an attempt before this one.
		var n int64
		if err := c.conn.Get(c.ctx, &n, `SELECT coalesce(sum(created), 0) FROM millrace.run_steps WHERE run_id = $1 AND records = 'Account'`, c.runID); err != nil {
			return nil, err
		}
		if ids := p.joinLoaded(n); n > 0 && ids != nil {
			p.of, p.ready, p.ids = c.step.Position, true, ids
			return ids, nil
		}
	}
	ids, err := readParents(c.ctx, c.conn, c.part(c.step.Table.ParentTable()), c.connectionID, c.expected*parentsPerRecord)
	if err != nil {
		return nil, err
	}
	p.of, p.ready, p.ids = c.step.Position, true, ids
	return ids, nil
}

// readParents reads the ids of the records of a part. It returns nil for more than most, or more than can be kept.
func readParents(ctx context.Context, conn *Conn, part string, connectionID, most int64) (*packedIDs, error) {
	// Without statistics of a table that has just been filled the planner would read all of it for each batch.
	if _, err := conn.Exec(ctx, `SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off`); err != nil {
		return nil, err
	}
	ids := &packedIDs{}
	for last := ""; ; {
		var batch []byte
		err := conn.Get(ctx, &batch, `
			SELECT coalesce(string_agg(k.sf_id, ''), '') FROM (
			    SELECT sf_id FROM millrace.`+part+` WHERE connection_id = $1 AND left_filter_at IS NULL AND sf_id > $2 ORDER BY sf_id LIMIT $3) k`, connectionID, last, parentsBatch)
		if err != nil {
			return nil, err
		}
		for at := 0; at+idLength <= len(batch); at += idLength {
			if !ids.add(batch[at : at+idLength]) {
				return nil, nil
			}
		}
		if ids.n > most || ids.size() > parentsBytes {
			return nil, nil
		}
		if len(batch) < idLength*parentsBatch {
			return ids, nil
		}
		last = string(batch[len(batch)-idLength:])
	}
}

// packedIDs is a set of record ids, at two to five bytes each. The first five characters of an id hardly differ within an org; the ten that follow are a number to the base of 62,
// kept as its distance from the one before. The last three characters follow from the others.
type packedIDs struct {
	n      int64
	last   uint64 // the number of the greatest
	blocks []idBlock
	parts  [][]byte // distances; those of a block lie in one part
}

// idBlock is where in the set a block begins: the id itself, and where the distances of those that follow are.
type idBlock struct {
	high     uint64
	low      uint64
	part, at uint32
	n        uint32 // of distances
}

func (b idBlock) compare(other idBlock) int {
	return cmp.Or(cmp.Compare(b.high, other.high), cmp.Compare(b.low, other.low))
}

const (
	idHigh     = 5                                      // characters that are kept as they are
	idLow      = 10                                     // characters that are kept as a number, which is below 2^60
	blockIDs   = 64                                     // in a block
	partBytes  = 256 << 10                              // of distances that are kept together
	blockBytes = (blockIDs - 1) * binary.MaxVarintLen64 // at most
)

// add adds an id, unless it is none of Salesforce's or not greater than all before it.
func (p *packedIDs) add(id []byte) bool {
	high, low, ok := numbersOf(id)
	if !ok {
		return false
	}
	if len(p.blocks) > 0 {
		b := &p.blocks[len(p.blocks)-1]
		switch {
		case high < b.high || high == b.high && low <= p.last:
			return false
		case high == b.high && b.n < blockIDs-1:
			part := &p.parts[b.part]
			*part = binary.AppendUvarint(*part, low-p.last)
			b.n++
			p.n++
			p.last = low
			return true
		}
	}
	if len(p.parts) == 0 || cap(p.parts[len(p.parts)-1])-len(p.parts[len(p.parts)-1]) < blockBytes {
		p.parts = append(p.parts, make([]byte, 0, partBytes))
	}
	part := len(p.parts) - 1
	p.blocks = append(p.blocks, idBlock{high: high, low: low, part: uint32(part), at: uint32(len(p.parts[part]))})
	p.n++
	p.last = low
	return true
}

// has reports whether an id is in the set.
func (p *packedIDs) has(id []byte) bool {
	high, low, ok := numbersOf(id)
	if !ok {
		return false
	}
	from, to := 0, len(p.blocks) // the last block that begins with the id or before it is before to
	for from < to {
		if i := int(uint(from+to) / 2); p.blocks[i].high > high || p.blocks[i].high == high && p.blocks[i].low > low {
			to = i
		} else {
			from = i + 1
		}
	}
	if to == 0 {
		return false
	}
	b := &p.blocks[to-1]
	if b.high != high {
		return false
	}
	at, distances := b.low, p.parts[b.part][b.at:]
	for n := b.n; at < low && n > 0; n-- {
		d, size := binary.Uvarint(distances)
		at, distances = at+d, distances[size:]
	}
	return at == low
}

// follow adds the ids of another set, unless not all of them are greater than those before.
func (p *packedIDs) follow(next *packedIDs) bool {
	if next.n == 0 {
		return true
	}
	if n := len(p.blocks); n > 0 && (idBlock{high: p.blocks[n-1].high, low: p.last}).compare(next.blocks[0]) >= 0 {
		return false
	}
	for _, b := range next.blocks {
		b.part += uint32(len(p.parts))
		p.blocks = append(p.blocks, b)
	}
	p.parts = append(p.parts, next.parts...)
	p.n, p.last = p.n+next.n, next.last
	return true
}

// clip gives back the room for more ids.
func (p *packedIDs) clip() {
	for i, part := range p.parts {
		p.parts[i] = bytes.Clone(part)
	}
	p.blocks = slices.Clone(p.blocks)
}

// size is how many bytes the set takes.
func (p *packedIDs) size() int {
	n := cap(p.blocks) * 40
	for _, part := range p.parts {
		n += cap(part)
	}
	return n
}

// numbersOf returns the first characters of an id as a number, and the number in it. They are in the order of ids.
func numbersOf(id []byte) (high, low uint64, ok bool) {
	if len(id) != idLength {
		return 0, 0, false
	}
	for _, c := range id[:idHigh] {
		high = high<<8 | uint64(c)
	}
	for _, c := range id[idHigh : idHigh+idLow] {
		digit := idDigits[c]
		if digit == noDigit {
			return 0, 0, false
		}
		low = low*62 + uint64(digit)
	}
	return high, low, true
}

// noDigit marks what no id holds.
const noDigit = 255

// idDigits are the values of the characters of ids, in the order of the characters.
var idDigits = func() (digits [256]byte) {
	for c := range digits {
		switch {
		case '0' <= c && c <= '9':
			digits[c] = byte(c - '0')
		case 'A' <= c && c <= 'Z':
			digits[c] = byte(c - 'A' + 10)
		case 'a' <= c && c <= 'z':
			digits[c] = byte(c - 'a' + 36)
		default:
			digits[c] = noDigit
		}
	}
	return digits
}()
