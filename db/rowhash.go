package db

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// What follows is how Postgres works out hash_record_extended of a row of texts and of bytes, so that a row that comes can be compared with one that is here by eight bytes. It depends on the seed,
// which is another one for each page. Should Postgres ever work it out in another way, no row would look the same: that costs time and is never wrong. A test compares both.

// rowHash is the hash of the fields so far.
type rowHash struct {
	seed uint64
	sum  uint64
}

func (h *rowHash) null() { h.sum *= 31 }

func (h *rowHash) bytes(v []byte) { h.sum = h.sum*31 + hashBytes(v, h.seed) }

// hashBytes is Postgres' hash_any_extended on a machine with the least byte first.
func hashBytes(k []byte, seed uint64) uint64 {
	a := uint32(0x9e3779b9) + uint32(len(k)) + 3923095
	b, c := a, a
	if seed != 0 {
		a, b, c = mix(a+uint32(seed>>32), b+uint32(seed), c)
	}
	for len(k) >= 12 {
		a, b, c = mix(a+binary.LittleEndian.Uint32(k), b+binary.LittleEndian.Uint32(k[4:]), c+binary.LittleEndian.Uint32(k[8:]))
		k = k[12:]
	}
	var rest [12]byte
	n := copy(rest[:], k)
	a += binary.LittleEndian.Uint32(rest[:])
	b += binary.LittleEndian.Uint32(rest[4:])
	if n > 8 { // the lowest byte of c is the length's
		c += binary.LittleEndian.Uint32(rest[8:]) << 8
	}
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	c = (c ^ b) - bits.RotateLeft32(b, 24)
	return uint64(b)<<32 | uint64(c)
}

func mix(a, b, c uint32) (uint32, uint32, uint32) {
	a = (a - c) ^ bits.RotateLeft32(c, 4)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 6)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 8)
	b += a
	a = (a - c) ^ bits.RotateLeft32(c, 16)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 19)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 4)
	b += a
	return a, b, c
}

// sentTime is a checked date and time as Postgres sends it: microseconds since the beginning of 2000. It is not ok for one that is written in an unusual way.
func sentTime(v []byte) (out [8]byte, ok bool) {
	if len(v) < 20 {
		return out, false
	}
	digits := func(at, n int) (d int) {
		for _, c := range v[at : at+n] {
			d = d*10 + int(c-'0')
		}
		return d
	}
	micros, zone := 0, v[19:]
	if zone[0] == '.' {
		n, scale := 1, 100_000
		for ; n < len(zone) && '0' <= zone[n] && zone[n] <= '9'; n++ {
			micros += int(zone[n]-'0') * scale
			scale /= 10
		}
		if n > 7 {
			return out, false // Postgres rounds
		}
		zone = zone[n:]
	}
	if z := string(zone); z != "Z" && z != "+0000" && z != "+00:00" {
		return out, false
	}
	at := time.Date(digits(0, 4), time.Month(digits(5, 2)), digits(8, 2), digits(11, 2), digits(14, 2), digits(17, 2), 0, time.UTC)
	binary.BigEndian.PutUint64(out[:], uint64((at.Unix()-epoch2000)*1_000_000+int64(micros)))
	return out, true
}

const epoch2000 = 946_684_800
