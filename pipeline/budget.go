package pipeline

import (
	"context"
	"fmt"
	"time"
)

// Allowance says how many of an org's daily API requests runs may use.
type Allowance struct {
	ReservePercent int   // of the daily limit that stays free for other apps
	OwnPercent     int   // most of the daily limit that Millrace's own requests of 24 hours may take; 0 for no such cap
	OwnCalls       int64 // the same as a number; 0 for no such cap
}

// DefaultAllowance stops runs when the org has used 80% of its daily limit, whoever used it.
var DefaultAllowance = Allowance{ReservePercent: 20}

// ReserveWords says what stays free for other apps.
func (a Allowance) ReserveWords() string {
	return fmt.Sprintf("%d%% of the daily limit", a.ReservePercent)
}

// OwnWords says what caps Millrace's own requests.
func (a Allowance) OwnWords() string {
	switch {
	case a.OwnCalls > 0:
		return "at most " + thousands(a.OwnCalls) + " in 24 hours"
	case a.OwnPercent > 0:
		return fmt.Sprintf("at most %d%% of the daily limit", a.OwnPercent)
	}
	return "no cap"
}

// Budget is how an allowance stands.
type Budget struct {
	Allowance
	Used   int64      // requests of the org within 24 hours, by everybody, as Salesforce last told
	Limit  int64      // the org's daily limit; 0 while Salesforce has not told it
	SeenAt *time.Time // when it told
	Ahead  int64      // requests of ours that Used may not hold yet
	Own    int64      // requests of ours within 24 hours
	Now    time.Time  // of the database
	// Version is how often the allowance was changed.
	Version int
	Hours   []UsedHour // of the last 24 hours with requests of ours, oldest first
}

// UsedHour is how many requests Millrace made in an hour.
type UsedHour struct {
	Hour  time.Time `db:"hour"`
	Calls int64     `db:"calls"`
}

// StopAt is the use of the org at which runs stop; 0 while the limit is not known.
func (b Budget) StopAt() int64 { return b.Limit - (b.Limit*int64(b.ReservePercent)+99)/100 }

// OwnCap is the most requests that Millrace may make in 24 hours; ok is false when there is no cap.
func (b Budget) OwnCap() (most int64, ok bool) {
	switch {
	case b.OwnCalls > 0:
		return b.OwnCalls, true
	case b.OwnPercent > 0 && b.Limit > 0:
		return b.Limit * int64(b.OwnPercent) / 100, true
	}
	return 0, false
}

// Room is how many requests runs may make now; known is false where nothing limits it, because Salesforce has not told its limit.
func (b Budget) Room() (room int64, known bool) {
	if b.Limit > 0 {
		room, known = b.StopAt()-b.Used-b.Ahead, true
	}
	if most, ok := b.OwnCap(); ok && (!known || most-b.Own < room) {
		room, known = most-b.Own, true
	}
	return max(room, 0), known
}

// Whole is how many requests runs may make in 24 hours in which nobody else makes any; known is false where nothing limits it.
func (b Budget) Whole() (calls int64, known bool) {
	empty := b
	empty.Used, empty.Ahead, empty.Own = 0, 0, 0
	return empty.Room()
}

// capped reports whether it is the cap on Millrace's own requests that leaves the least room.
func (b Budget) capped() bool {
	most, ok := b.OwnCap()
	return ok && (b.Limit == 0 || most-b.Own <= b.StopAt()-b.Used-b.Ahead)
}

// Fault says that there is no room for so many requests, why, and until when a run waits for it: until enough of Millrace's own requests are older than 24
// hours where the cap on them is in the way, and else until the next full hour, when it looks again.
func (b Budget) Fault(need int64) *Fault {
	f := &Fault{Kind: OverBudget, Code: "api_budget"}
	hour := b.Now.Truncate(time.Hour).Add(time.Hour)
	f.Until = &hour
	if b.capped() {
		most, _ := b.OwnCap()
		at := b.freeAt(need, most)
		if at.After(hour) {
			f.Until = &at
		}
		f.Message = fmt.Sprintf("The allowance of API requests is used up: Millrace has made %s of the %s requests that it may make within 24 hours.",
			thousands(b.Own), thousands(most))
	} else {
		f.Message = fmt.Sprintf("The allowance of API requests is used up: the org has used %s of its %s requests within 24 hours, and syncs stop at %s so that other apps have room.",
			thousands(b.Used), thousands(b.Limit), thousands(b.StopAt()))
	}
	room, _ := b.Room()
	if room > 0 {
		f.Message = fmt.Sprintf("This sync needs about %s API requests, and the allowance has room for %s at the moment.", thousands(need), thousands(room))
	}
	return f
}

// freeAt is when the cap has room for need requests again: an hour's requests are all older than 24 hours when a day has passed since the hour's end.
func (b Budget) freeAt(need, most int64) time.Time {
	own := b.Own
	for _, h := range b.Hours {
		if own+need <= most {
			break
		}
		own -= h.Calls
		if own+need <= most || own == 0 {
			return h.Hour.Add(25 * time.Hour)
		}
	}
	return b.Now
}

// thousands writes n with separators.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// afford asks, before records are read, whether what is left of the run has room within the allowance.
func (j Work) afford(ctx context.Context) error {
	if j.Afford == nil {
		return nil
	}
	steps, err := j.Store.Steps(ctx)
	if err != nil {
		return err
	}
	need, err := j.callsAhead(ctx, steps)
	if err != nil || need == 0 {
		return err
	}
	return j.Afford(ctx, need)
}
