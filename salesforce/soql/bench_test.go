package soql

import (
	"strconv"
	"strings"
	"testing"
)

// BenchmarkCheckFilter reads and checks a filter of nearly 100,000 characters; ns per byte must not depend on the size.
func BenchmarkCheckFilter(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		unit := "(Name = 'Acme' AND Owner.Name LIKE 'A%') OR "
		text := strings.Repeat(unit, size/len(unit)-1) + "Type != NULL"
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if findings := CheckFilter(text, "Account", testSchema); len(findings) > 0 {
					b.Fatal(findings)
				}
			}
		})
	}
}
