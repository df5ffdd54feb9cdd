package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Count writes n with thousands separators.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, digit := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return sign + b.String()
}

// Plural writes a count with its noun: "1 account", "1,204 accounts".
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Bytes writes a size: "840 B", "12 KB", "1.2 MB".
func Bytes(n int64) string {
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	size := float64(n)
	for _, unit := range []string{"KB", "MB", "GB"} {
		if size /= 1000; size < 999.5 || unit == "GB" {
			digits := 0
			if size < 9.95 {
				digits = 1
			}
			return strconv.FormatFloat(size, 'f', digits, 64) + " " + unit
		}
	}
	return ""
}

// Duration writes d as people say it: "0.4 s", "38 s", "2 min 14 s", "3 h 05 min".
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d min", int(d.Hours()), int(d.Minutes())%60)
}

// Span writes a time that was set, in full words: "30 minutes", "12 hours", "1 hour 30 minutes". Less than a second is left out.
func Span(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		of        time.Duration
		one, many string
	}{{24 * time.Hour, "day", "days"}, {time.Hour, "hour", "hours"}, {time.Minute, "minute", "minutes"}, {time.Second, "second", "seconds"}} {
		// Up to two days are said in hours, which is how they are set.
		if unit.of > time.Hour && d < 2*unit.of {
			continue
		}
		if n := d / unit.of; n > 0 {
			parts = append(parts, Plural(int64(n), unit.one, unit.many))
			d %= unit.of
		}
	}
	return strings.Join(parts, " ")
}

// Estimate writes a time that is left, in whole seconds.
func Estimate(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.Itoa(max(1, int(d.Round(time.Second).Seconds()))) + " s"
	}
	return Duration(d)
}

// utc is the text of a time that needs no script to be right.
func utc(at time.Time) string { return at.UTC().Format("2 Jan 2006, 15:04 UTC") }

// clock is the text of a time that is usually of the same day as now: others have their day.
func clock(at, now time.Time) string {
	if at.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return at.UTC().Format("15:04 UTC")
	}
	return utc(at)
}

// ago is the text of a recent time; older ones are absolute.
func ago(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case d < 0 || d >= 24*time.Hour:
		return utc(at)
	case d < 5*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h ago", int(d.Hours()))
}

// Initials returns up to two letters that stand for a person.
func Initials(name string) string {
	var out []rune
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == ' ' || r == '.' || r == '@' || r == '-' }) {
		if out = append(out, []rune(strings.ToUpper(word))[0]); len(out) == 2 {
			break
		}
	}
	return string(out)
}

// Decimal writes a decimal as Salesforce has it with its thousands apart. What is no decimal stays as it is.
func Decimal(text string) string {
	sign, digits := "", text
	if strings.HasPrefix(text, "-") {
		sign, digits = "-", text[1:]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if n, err := strconv.ParseInt(whole, 10, 64); err == nil && n >= 0 {
		whole = Count(n)
	} else {
		return text
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		fraction = "." + fraction
	}
	return sign + whole + fraction
}
