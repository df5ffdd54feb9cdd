package sim

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// usageState counts API calls over a window of 24 hours.
type usageState struct {
	mu     sync.Mutex
	limit  int64
	used   int64
	window time.Time // when the first call of the count was made
	jobs   int64     // bulk query jobs in the window
}

// countCall counts one call, tells the caller how many were used, and refuses it beyond the limit.
func (o *Org) countCall(w http.ResponseWriter) error {
	u := &o.usage
	u.mu.Lock()
	defer u.mu.Unlock()
	u.roll(o.now())
	over := u.used >= u.limit
	if !over {
		u.used++
	}
	w.Header().Set("Sforce-Limit-Info", fmt.Sprintf("api-usage=%d/%d", u.used, u.limit))
	if over {
		return fail(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	return nil
}

// roll starts a new window when the old one is over.
func (u *usageState) roll(now time.Time) {
	if now.Sub(u.window) >= 24*time.Hour {
		u.window, u.used, u.jobs = now, 0, 0
	}
}

// SetAPILimit sets how many calls count as used and how many are allowed in 24 hours.
func (o *Org) SetAPILimit(used, limit int) {
	u := &o.usage
	u.mu.Lock()
	defer u.mu.Unlock()
	u.roll(o.now())
	u.used, u.limit = int64(used), int64(limit)
}

// limits serves /limits.
func (rq *request) limits() error {
	u := &rq.org.usage
	u.mu.Lock()
	used, limit, jobs := u.used, u.limit, u.jobs
	u.mu.Unlock()
	pair := func(limit, left int64) map[string]int64 {
		return map[string]int64{"Max": limit, "Remaining": max(left, 0)}
	}
	return rq.json(http.StatusOK, map[string]any{
		"ActiveScratchOrgs": pair(3, 3), "ConcurrentAsyncGetReportInstances": pair(200, 200), "DailyApiRequests": pair(limit, limit-used),
		"DailyAsyncApexExecutions": pair(250_000, 250_000), "DailyBulkApiBatches": pair(15_000, 15_000), "DailyBulkV2QueryFileStorageMB": pair(976_562, 976_562),
		"DailyBulkV2QueryJobs": pair(10_000, 10_000-jobs), "DailyStreamingApiEvents": pair(200_000, 200_000), "DailyDeliveredPlatformEvents": pair(50_000, 50_000),
		"DataStorageMB": pair(10_240, 9_800), "FileStorageMB": pair(10_240, 10_100), "HourlyAsyncReportRuns": pair(1_200, 1_200),
		"HourlyPublishedPlatformEvents": pair(250_000, 250_000), "HourlyTimeBasedWorkflow": pair(1_000, 1_000), "MassEmail": pair(5_000, 5_000),
		"SingleEmail": pair(5_000, 5_000), "StreamingApiConcurrentClients": pair(2_000, 2_000),
	})
}

// recordCount serves /limits/recordCount.
func (rq *request) recordCount() error {
	list := []map[string]any{}
	add := func(o *object) {
		t := rq.world.table(o)
		list = append(list, map[string]any{"count": t.rows - t.gone, "name": o.name})
	}
	if names := rq.query.Get("sObjects"); names != "" {
		for _, n := range strings.Split(names, ",") {
			if o := rq.world.visibleObject(strings.TrimSpace(n)); o != nil && o.view == nil {
				add(o)
			}
		}
	} else {
		for _, o := range rq.world.order {
			if o.view == nil && rq.world.visibleObject(o.name) != nil {
				add(o)
			}
		}
	}
	return rq.json(http.StatusOK, map[string]any{"sObjects": list})
}
