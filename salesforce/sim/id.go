package sim

// Record ids are held packed in an int64: the three characters of the key prefix in base 62 above the sequence number. All ids of an org share
// the three instance characters between the two. The base-62 digits are in ASCII order, so packed ids sort as their texts do.

const (
	base62     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	checksum32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	instance   = "5g0" // follows the key prefix in each id of an org
	seqBits    = 44
	seqStart   = 3_500_000_000 // sequence number of the first row of a table; six digits in base 62
)

// digit62 holds the value of each base-62 digit plus one, and 0 for every other byte.
var digit62 = func() (t [256]uint8) {
	for i := range len(base62) {
		t[base62[i]] = uint8(i + 1)
	}
	return t
}()

// packPrefix packs a three-character key prefix.
func packPrefix(prefix string) int64 {
	var n int64
	for i := range 3 {
		n = n*62 + int64(digit62[prefix[i]]-1)
	}
	return n
}

// rowID returns the packed id of a table's row.
func rowID(prefix int64, row int) int64 { return prefix<<seqBits | (seqStart + int64(row)) }

// orgRow is where the one row of Organization lies in its table of ids, so that orgs of different seeds have different ids: multiplying by an odd number
// gives each of 2^35 successive seeds its own. The default seed has the first.
func orgRow(seed int64) int { return int(uint64(seed-DefaultSeed) * 0x9E3779B97F4A7C15 & (1<<35 - 1)) }

// splitID takes a packed id apart into the packed key prefix and the row.
func splitID(id int64) (prefix int64, row int) {
	return id >> seqBits, int(id&(1<<seqBits-1) - seqStart)
}

// appendID appends the 18-character form of a packed id.
func appendID(dst []byte, id int64) []byte {
	var b [15]byte
	seq := id & (1<<seqBits - 1)
	for i := 14; i >= 6; i-- {
		b[i] = base62[seq%62]
		seq /= 62
	}
	copy(b[3:6], instance)
	p := id >> seqBits
	for i := 2; i >= 0; i-- {
		b[i] = base62[p%62]
		p /= 62
	}
	dst = append(dst, b[:]...)
	for g := 0; g < 15; g += 5 {
		var bits uint8
		for i := range 5 {
			if c := b[g+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		dst = append(dst, checksum32[bits])
	}
	return dst
}

func idText(id int64) string { return string(appendID(make([]byte, 0, 18), id)) }

// validIDText reports whether s has the shape of a record id: 15 base-62 characters, or 18 with the right checksum.
func validIDText(s string) bool {
	if len(s) != 15 && len(s) != 18 {
		return false
	}
	for i := range 15 {
		if digit62[s[i]] == 0 {
			return false
		}
	}
	return len(s) == 15 || s[15:] == idChecksum(s[:15])
}

// idChecksum returns the three characters that make a 15-character id safe where case is lost.
func idChecksum(id15 string) string {
	var out [3]byte
	for g := range 3 {
		var bits uint8
		for i := range 5 {
			if c := id15[g*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		out[g] = checksum32[bits]
	}
	return string(out[:])
}

// parseID packs an id in either form. It returns false for what is not an id of this org; a well-formed id of another org is validIDText but
// does not parse.
func parseID(s string) (int64, bool) {
	if !validIDText(s) || s[3:6] != instance {
		return 0, false
	}
	var seq int64
	for i := 6; i < 15; i++ {
		seq = seq*62 + int64(digit62[s[i]]-1)
		if seq >= 1<<seqBits {
			return 0, false
		}
	}
	return packPrefix(s[:3])<<seqBits | seq, true
}
