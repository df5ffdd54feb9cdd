package db

import (
	"fmt"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"millrace/pipeline"
)

// Beside a record stands a hash of the line of COPY that it was made of, so that a run that reads it again sees by eight bytes that it is here just so. The hash is mixed with the number of the
// transaction that wrote the record, which Postgres keeps with each row as xmin: whatever writes the record without renewing the hash, be it an undo or a person with SQL, makes
// it void. Nothing is wrong then: such a record is compared value by value.

// hashColumn is the column with the hash.
const hashColumn = "line_hash"

// hashes reports whether the records that the page brings get the hash: where it brings all of each, and what is kept of a record depends on nothing but the record and its parent.
func hashes(step pipeline.Step, p *pipeline.Page) bool {
	t := step.Table
	return !t.Aside && !t.Quiet && !step.Refresh && len(t.Lookups) == 0 && len(t.Extra) == len(p.Extra)
}

// lineHash hashes lines of COPY.
type lineHash struct {
	shape uint64 // of the lines: hashes of lines that consist of other columns are others
	mark  uint64 // of the transaction, to mix in
}

// newLineHash returns the hash of the lines of a page.
func newLineHash(p *pipeline.Page) lineHash {
	shape := xxhash.New()
	for _, c := range p.Columns {
		fmt.Fprintf(shape, "%s %d\n", c.Name, c.Kind)
	}
	for _, c := range p.Extra {
		fmt.Fprintf(shape, "further %s %d\n", c.Name, c.Kind)
	}
	return lineHash{shape: shape.Sum64()}
}

// of returns the hash of a line, without its end and mixed with nothing.
func (h lineHash) of(line []byte) uint64 { return xxhash.Sum64(line) ^ h.shape }

// append appends the hash of a line as Postgres reads a number.
func (h lineHash) append(to, line []byte) []byte {
	return strconv.AppendInt(to, int64(h.of(line)^h.mark), 10)
}

// transactionMark is what the hash is mixed with in the transaction of the given number, such as xmin.
func transactionMark(number uint32) uint64 { return uint64(number) << 32 }

// markOf is transactionMark in SQL, of an expression of type xid.
func markOf(xid string) string { return "(" + xid + "::text::bigint << 32)" }

// topTransaction is, as xid in SQL, the transaction in progress: the number that rows have which it writes outside of a savepoint.
const topTransaction = "pg_current_xact_id()::xid"

// sameLine is the hash of a record that an UPDATE writes without changing anything of what it came with: the hash holds on.
func sameLine(alias string) string {
	return alias + "." + hashColumn + " # " + markOf(alias+".xmin") + " # " + markOf(topTransaction)
}
