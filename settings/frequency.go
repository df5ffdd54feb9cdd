package settings

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// PathAccountFields is the field path of the further Account fields.
const PathAccountFields = "account_fields"

// Frequency says whether and how often an entity is synced.
type Frequency struct {
	Off   bool `json:"off,omitempty"` // the entity is not synced at all
	Hours int  `json:"hours"`         // between two starts: one of Hours
}

// Frequencies are the schedules of accounts and contacts. What is neither contact nor Chatter follows the accounts.
type Frequencies struct {
	Accounts Frequency `json:"accounts"`
	Contacts Frequency `json:"contacts"`
	Start    string    `json:"start"`     // the time of day from which the hours count, as 15:04
	TimeZone string    `json:"time_zone"` // IANA name of the zone of Start
}

// Hours lists the choices of Frequency.Hours.
var Hours = []int{4, 8, 12, 24}

// DefaultHours and DefaultStart are what a schedule is until somebody chooses.
const (
	DefaultHours = 24
	DefaultStart = "02:00"
)

// HoursLabel returns a choice of Hours as people read it.
func HoursLabel(hours int) string {
	switch hours {
	case 4:
		return "Every 4 hours (more frequent)"
	case 8:
		return "Every 8 hours (balanced)"
	case 12:
		return "Every 12 hours (less frequent)"
	case 24:
		return "Every 24 hours (daily)"
	}
	return fmt.Sprintf("Every %d hours", hours)
}

// Field paths of the frequencies.
const (
	PathAccountsSync  = "sync.accounts.on"
	PathAccountsHours = "sync.accounts.hours"
	PathContactsSync  = "sync.contacts.on"
	PathContactsHours = "sync.contacts.hours"
	PathStart         = "sync.start"
	PathTimeZone      = "sync.time_zone"
)

func (f Frequencies) validate(errs FieldErrors) {
	for path, hours := range map[string]int{PathAccountsHours: f.Accounts.Hours, PathContactsHours: f.Contacts.Hours} {
		if !slices.Contains(Hours, hours) {
			errs.Add(path, "Choose 4, 8, 12 or 24 hours.")
		}
	}
	if _, err := time.Parse("15:04", f.Start); err != nil || len(f.Start) != len("15:04") {
		errs.Add(PathStart, "Enter a time of day such as 02:00.")
	}
	if !isZone(f.TimeZone) {
		errs.Add(PathTimeZone, "“"+f.TimeZone+"” is not a time zone. Enter one such as Europe/Berlin or UTC.")
	}
}

// isZone reports whether a name is that of a time zone everywhere. Those of files beside them, such as posix/Europe/Berlin or localtime, begin with a small
// letter and mean something else on another machine, or nothing.
func isZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "Local" && name != "Factory" && name != "" && 'A' <= name[0] && name[0] <= 'Z'
}

func (f *Frequencies) normalize(d Frequencies) {
	for _, e := range []*Frequency{&f.Accounts, &f.Contacts} {
		if e.Hours == 0 {
			e.Hours = DefaultHours
		}
	}
	f.Start, f.TimeZone = orElse(clean(f.Start), d.Start), orElse(clean(f.TimeZone), d.TimeZone)
}

func (f Frequencies) entries() []entry {
	return []entry{
		{PathAccountsSync, "Sync accounts", onOff(!f.Accounts.Off)},
		{PathAccountsHours, "Account sync frequency", hoursValue(f.Accounts.Hours)},
		{PathContactsSync, "Sync contacts", onOff(!f.Contacts.Off)},
		{PathContactsHours, "Contact sync frequency", hoursValue(f.Contacts.Hours)},
		{PathStart, "Start of the day's syncs", f.Start},
		{PathTimeZone, "Time zone of the schedule", f.TimeZone},
	}
}

func hoursValue(hours int) string { return "every " + strconv.Itoa(hours) + " hours" }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func orElse(text, def string) string {
	if text == "" {
		return def
	}
	return text
}
