package sim

import (
	"math"
	"strings"
	"sync/atomic"
	"time"
)

// gen computes the data that an org starts with. Every value is a function of the seed, the field and the row, so that nothing is stored until
// it is changed and a million accounts cost nothing to start.
type gen struct {
	seed  uint64
	epoch int64 // milliseconds; generated dates lie around it and no generated record was changed after it
	n     sizes
	years int64

	contactAccounts rowMemo // by contact; the complement of it where the contact does not name it
}

// rowMemo keeps a number of each row, as a stored column would, for what is looked at of all rows again and again. Its chunks are filled when they are first needed.
type rowMemo struct {
	rows   int
	of     func(row int) int32
	chunks []atomic.Pointer[[chunkRows]int32]
}

func newRowMemo(rows int, of func(row int) int32) rowMemo {
	return rowMemo{rows, of, make([]atomic.Pointer[[chunkRows]int32], (rows+chunkRows-1)/chunkRows)}
}

// get returns the number of a row. Two who fill the same chunk find the same.
func (m *rowMemo) get(row int) int32 {
	at := &m.chunks[row/chunkRows]
	c := at.Load()
	if c == nil {
		c = new([chunkRows]int32)
		from := row / chunkRows * chunkRows
		for i := range min(chunkRows, m.rows-from) {
			c[i] = m.of(from + i)
		}
		at.Store(c)
	}
	return c[row%chunkRows]
}

// sizes is how many rows of each object are generated.
type sizes struct {
	accounts, contacts, opportunities, users, cases, caseComments, emails, feedItems, feedComments, subscriptions, plans, roles, tasks int
}

// halfMonthStart is the moment that generated dates lie around when the options name none: stable for half a month, so that a restarted org has
// the same records with the same stamps, and never so long ago that a lookback of 30 days finds nothing.
func halfMonthStart(now time.Time) time.Time {
	y, m, d := now.UTC().Date()
	if d < 16 {
		d = 1
	} else {
		d = 16
	}
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func newGen(seed int64, accounts int, epoch time.Time) *gen {
	a := accounts
	return &gen{seed: uint64(seed)*0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03, epoch: epoch.UnixMilli(), years: 6, n: sizes{
		accounts: a, contacts: a * 36 / 10, opportunities: a * 16 / 10, users: min(12+a/2500, 400), cases: a * 12 / 10, caseComments: a * 2,
		emails: a * 8 / 5, feedItems: a * 2, feedComments: a * 6 / 5, subscriptions: a * 7 / 5, plans: a * 2 / 5, roles: a * 4 / 5, tasks: a,
	}}
}

// resize sets the numbers of contacts and of opportunities where they are not 0.
func (s *sizes) resize(contacts, opportunities int) {
	if contacts > 0 {
		s.contacts = contacts
	}
	if opportunities > 0 {
		s.opportunities = opportunities
	}
}

// h is a hash of a field's tag and a row: splitmix64, which is quick and passes for random here.
func (g *gen) h(tag string, row int) uint64 {
	t := tagHash(tag)
	return mix(g.seed ^ t ^ mix(uint64(row)+t))
}

// tagHash spreads a tag over 64 bits. Tags are short, so its first and last eight bytes are all of it.
func tagHash(tag string) uint64 {
	n := len(tag)
	if n >= 8 {
		return (word64(tag)*0xA24BAED4963EE407 ^ word64(tag[n-8:])) * 0x9FB21C651E98DF25
	}
	t := uint64(n)
	for i := range n {
		t = t<<8 | uint64(tag[i])
	}
	return t * 0x9FB21C651E98DF25
}

// word64 reads eight bytes as a number.
func word64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func mix(z uint64) uint64 {
	z += 0x9E3779B97F4A7C15
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// roll returns a number from 0 to n-1.
func (g *gen) roll(tag string, row, n int) int { return int(g.h(tag, row) >> 11 % uint64(n)) }

// maybe is true for about percent of the rows.
func (g *gen) maybe(tag string, row, percent int) bool { return g.roll(tag, row, 100) < percent }

// parent spreads children over parents: near neighbours share a parent, some parents have many, some have none.
func (g *gen) parent(tag string, row, children, parents int) int {
	at := int(int64(row) * int64(parents) / int64(max(children, 1)))
	block := at &^ 15
	width := min(16, parents-block)
	r := g.roll(tag, row, width*width)
	pick := int(math.Ceil(math.Sqrt(float64(r)))) // the square root favours the later of a block
	return block + min(pick, width-1)
}

// picked returns one of a list, the same for a row each time, without allocating.
func picked(g *gen, tag string, list []string) func(int) value {
	return func(row int) value { return value{kind: kText, s: list[g.roll(tag, row, len(list))]} }
}

// weighted chooses from values by weights; an empty value is null.
func weighted(g *gen, tag string, valueWeight ...any) func(int) value {
	var table []value
	for i := 0; i < len(valueWeight); i += 2 {
		for range valueWeight[i+1].(int) {
			table = append(table, textValue(valueWeight[i].(string)))
		}
	}
	return func(row int) value { return table[g.roll(tag, row, len(table))] }
}

// orNull makes about percent of a column null.
func (g *gen) orNull(tag string, percent int, f func(int) value) func(int) value {
	return func(row int) value {
		if g.maybe(tag, row, percent) {
			return null
		}
		return f(row)
	}
}

func (g *gen) orNone(tag string, percent int, f func([]byte, int) []byte) func([]byte, int) []byte {
	return func(dst []byte, row int) []byte {
		if g.maybe(tag, row, percent) {
			return dst
		}
		return f(dst, row)
	}
}

// created is when a row came to be: older rows first, over the org's years, to the second, during working hours.
func (g *gen) created(tag string, row, rows int) int64 {
	span := g.years * 365
	day := span - int64(row)*span/int64(max(rows, 1))
	sec := 7*3600 + int64(g.h(tag+"at", row)>>20%(11*3600))
	ms := g.epoch - day*86_400_000 + sec*1000
	return min(ms, g.epoch-3600_000) / 1000 * 1000
}

// modified is when a row was last changed: somewhere between its creation and the epoch, mostly lately.
func (g *gen) modified(tag string, row, rows int) int64 {
	c := g.created(tag, row, rows)
	age := (g.epoch - c) / 1000
	r := int64(g.h(tag+"mod", row) >> 33 % 1024)
	back := age * r / 1024 * r / 1024 // squared: favours the recent
	return max(c, g.epoch-1000-back*1000) / 1000 * 1000
}

// dayAround returns a date between from and to days after the epoch.
func (g *gen) dayAround(tag string, row, from, to int) int64 {
	return g.epoch/86_400_000 + int64(from+g.roll(tag, row, to-from+1))
}

// digits appends a pattern with each # replaced by a digit.
func (g *gen) digits(dst []byte, tag string, row int, pattern string) []byte {
	h := g.h(tag, row)
	for i := range len(pattern) {
		if pattern[i] == '#' {
			dst = append(dst, byte('0'+h%10))
			if h /= 10; h < 10 {
				h = mix(h + uint64(i))
			}
			continue
		}
		dst = append(dst, pattern[i])
	}
	return dst
}

func (g *gen) localeOf(tag string, row int) *locale {
	return localeOf[g.roll(tag, row, len(localeOf))]
}

// prose appends one to n sentences.
func (g *gen) prose(tag string, n int) func([]byte, int) []byte {
	return func(dst []byte, row int) []byte {
		for i := range 1 + g.roll(tag+"n", row, n) {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = append(dst, sentences[g.roll(tag, row*7+i, len(sentences))]...)
		}
		return dst
	}
}

// systemFields are those that nearly every object has. rows is how many are generated.
func (g *gen) systemFields(tag string, rows int, owner bool) []*field {
	user := func(part string) func(int) value {
		return func(row int) value { return idValue(rowID(prefixUser, g.roll(tag+part, row, g.n.users))) }
	}
	id := newField("id", "Id", "").required().readonly().lookup()
	id.length, id.defaulted = 18, true
	list := []*field{id}
	if owner {
		f := refField("OwnerId", "Owner ID", "Owner", "User").required().from(g.owner(tag))
		f.defaulted = true
		list = append(list, f)
	}
	deleted := checkField("IsDeleted", "Deleted").readonly()
	created := dateTimeField("CreatedDate", "Created Date").required().readonly().
		from(func(row int) value { return value{kind: kDateTime, n: g.created(tag, row, rows)} })
	modified := func(row int) value { return value{kind: kDateTime, n: g.modified(tag, row, rows)} }
	list = append(list, deleted, created,
		refField("CreatedById", "Created By ID", "CreatedBy", "User").required().readonly().from(user("by")),
		dateTimeField("LastModifiedDate", "Last Modified Date").required().readonly().from(modified),
		refField("LastModifiedById", "Last Modified By ID", "LastModifiedBy", "User").required().readonly().from(user("lastby")),
		dateTimeField("SystemModstamp", "System Modstamp").required().readonly().from(modified))
	for _, f := range list {
		f.defaulted = !strings.HasSuffix(f.name, "Deleted")
	}
	return list
}

// owner gives the records of one account area to a few of the users.
func (g *gen) owner(tag string) func(int) value {
	return func(row int) value {
		u := g.roll(tag+"owner", row, g.n.users)
		if u == userIntegration || u == userInactive && row%3 != 0 {
			u = (u + 2) % g.n.users
		}
		return idValue(rowID(prefixUser, u))
	}
}

// viewedFields are the dates that the user interface keeps; most records were never looked at by this user.
func (g *gen) viewedFields(tag string) []*field {
	return []*field{
		dateTimeField("LastViewedDate", "Last Viewed Date").readonly(),
		dateTimeField("LastReferencedDate", "Last Referenced Date").readonly(),
	}
}
