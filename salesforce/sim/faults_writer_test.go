package sim

import (
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowRate writes bodies in small and large pieces: the time they take is that of the rate, however they are cut up.
func TestSlowRate(t *testing.T) {
	t.Parallel()
	for _, piece := range []int{1, 100, 4096, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			const rate, size = 1 << 20, 3 << 20
			w := &faultWriter{ResponseWriter: httptest.NewRecorder(), f: &Fault{SlowBytesPerSecond: rate}, ctx: t.Context()}
			began := time.Now()
			for range size / piece {
				if _, err := w.Write(make([]byte, piece)); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took > 3*time.Second || took < 3*time.Second-lead {
				t.Errorf("in pieces of %d bytes: %v", piece, took)
			}
		})
	}
}

// TestSlowWriterIsNotSlowedFurther writes at half the rate that the fault allows.
func TestSlowWriterIsNotSlowedFurther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &faultWriter{ResponseWriter: httptest.NewRecorder(), f: &Fault{SlowBytesPerSecond: 1000}, ctx: t.Context()}
		began := time.Now()
		for range 10 {
			if _, err := w.Write(make([]byte, 500)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
