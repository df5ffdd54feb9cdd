package db

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPackedIDs keeps ids packed and finds exactly those: dense and scattered ones, of several kinds, at the borders of blocks and of parts.
func TestPackedIDs(t *testing.T) {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	random := rand.New(rand.NewPCG(1, 2))
	idOf := func(high string, low uint64) string {
		text := make([]byte, idLow)
		for i := idLow - 1; i >= 0; i-- {
			text[i], low = digits[low%62], low/62
		}
		return high + string(text) + "AAA"
	}
	var all []string
	for i := range uint64(100_000) {
		all = append(all, idOf("0010A", 1000+i*2), idOf("001zz", random.Uint64N(1<<59)))
	}
	all = append(all, idOf("0010A", 0), idOf("00600", 5), "zzzzzzzzzzzzzzzAAA")
	slices.Sort(all)
	all = slices.Compact(all)

	var ids packedIDs
	for _, id := range all {
		if !ids.add([]byte(id)) {
			t.Fatalf("%s is refused", id)
		}
	}
	if ids.n != int64(len(all)) || len(ids.parts) < 3 {
		t.Fatalf("%d ids in %d parts, want %d in several", ids.n, len(ids.parts), len(all))
	}
	for _, id := range all {
		if !ids.has([]byte(id)) {
			t.Fatalf("%s is not found", id)
		}
	}
	for i := range uint64(100_000) {
		for _, id := range []string{idOf("0010A", 1001+i*2), idOf("0010B", 1000+i*2), idOf("001zz", random.Uint64N(1<<59))} {
			if _, here := slices.BinarySearch(all, id); here != ids.has([]byte(id)) {
				t.Fatalf("%s is found: %t", id, !here)
			}
		}
	}
	for _, id := range []string{all[0], all[len(all)-1], "00600000000-005AAA", "0060000000000ZZ", ""} {
		if ids.add([]byte(id)) {
			t.Errorf("%q is taken after greater ones", id)
		}
	}
	if (&packedIDs{}).has([]byte(all[0])) {
		t.Error("an empty set has an id")
	}
	if each := float64(ids.size()) / float64(ids.n); each > 6 {
		t.Errorf("%s bytes an id", fmt.Sprintf("%.1f", each))
	}
}

// TestLoadedIDsAreJoined puts the ids of pages together that were committed in any order, and notices when some are missing or pages overlap.
func TestLoadedIDsAreJoined(t *testing.T) {
	idOf := func(n int) string { return fmt.Sprintf("0010A%010dAAA", n) }
	page := func(from, to int) (ids []byte) {
		for n := from; n < to; n++ {
			ids = append(ids, idOf(n)...)
		}
		return ids
	}
	var p parents
	p.keepLoaded(page(2000, 3000))
	p.keepLoaded(nil)
	p.keepLoaded(page(0, 1000))
	p.keepLoaded(page(1000, 1500))
	if ids := p.joinLoaded(2501); ids != nil {
		t.Errorf("2501 ids of which only %d were loaded are known", ids.n)
	}
	ids := p.joinLoaded(2500)
	if ids == nil {
		t.Fatal("the pages are not joined")
	}
	for n := range 3100 {
		if want := n < 1500 || 2000 <= n && n < 3000; ids.has([]byte(idOf(n))) != want {
			t.Fatalf("%s is found: %t", idOf(n), !want)
		}
	}
	if !ids.add([]byte(idOf(3000))) || !ids.has([]byte(idOf(3000))) || !ids.has([]byte(idOf(2999))) {
		t.Error("an id that is added to joined ones is not found")
	}

	p = parents{}
	p.keepLoaded(page(0, 1000))
	p.keepLoaded(page(999, 1999))
	if p.joinLoaded(2000) != nil {
		t.Error("pages that overlap are joined")
	}

	p = parents{}
	p.keepLoaded(append(page(5, 10), page(0, 5)...))
	if len(p.loaded) > 0 {
		t.Error("a page out of order is kept")
	}
}
