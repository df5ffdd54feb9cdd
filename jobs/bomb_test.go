package jobs

import (
	"compress/gzip"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/salesforce/sim"
)

// TestBombInAPage has a page of accounts inflate to a gigabyte in one field. The run ends and says why, in bounded memory, and the next one is as any other. It has the process to itself,
// since it looks at its memory.
func TestBombInAPage(t *testing.T) {
	s := newScene(t, sim.Options{Accounts: 120})
	s.filter(allAccounts)
	var armed atomic.Bool
	armed.Store(true)
	org := s.server.Config.Handler
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !armed.Load() || !strings.HasSuffix(r.URL.Path, "/results") {
			org.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/csv")
		w.Header().Set("Sforce-Locator", "null")
		w.Header().Set("Sforce-NumberOfRecords", "1")
		z := gzip.NewWriter(w)
		defer z.Close()
		io.WriteString(z, `"Id","Name"`+"\n\"001000000000001AAA\",\"")
		for mb := []byte(strings.Repeat("0", 1<<20)); r.Context().Err() == nil; {
			if _, err := z.Write(mb); err != nil {
				return
			}
		}
	})
	heap := func() (n uint64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	run := s.request()
	s.start(s.quick())
	run = s.until(run.ID, func(r db.Run) bool {
		most = max(most, heap())
		return ended(r)
	})
	if run.State != db.RunFailed || run.ErrorCode != "too_large" || !strings.Contains(run.Error, "refused for its size: it holds a value of more than 2 MB in Name") {
		t.Errorf("the run is %s: %s %q", run.State, run.ErrorCode, run.Error)
	}
	if most > before+100<<20 {
		t.Errorf("the heap grew from %d to %d MB", before>>20, most>>20)
	}
	if n := s.count(`SELECT count(*) FROM millrace.accounts`); n != 0 {
		t.Errorf("%d accounts of a page that is none", n)
	}
	armed.Store(false)
	s.completed(s.sync())
	s.equalsOrg("", "AccountId != null")
}
