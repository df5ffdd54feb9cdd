package sim

import (
	"math"
	"strings"
	"time"

	"millrace/salesforce/soql"
)

// span is a stretch of time; to is exclusive.
type span struct{ from, to time.Time }

// named works out the stretch of time that a named date literal stands for, in the running user's zone. The week begins on Sunday, as in
// the en_US locale, and fiscal quarters and years with the org's month.
func (c *compiler) named(name string, n int) span {
	now := c.now.In(c.zone)
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, c.zone)
	switch name {
	case "YESTERDAY":
		return span{day.AddDate(0, 0, -1), day}
	case "TODAY":
		return span{day, day.AddDate(0, 0, 1)}
	case "TOMORROW":
		return span{day.AddDate(0, 0, 1), day.AddDate(0, 0, 2)}
	case "LAST_90_DAYS":
		return span{day.AddDate(0, 0, -90), day.AddDate(0, 0, 1)}
	case "NEXT_90_DAYS":
		return span{day.AddDate(0, 0, 1), day.AddDate(0, 0, 91)}
	case "LAST_N_DAYS":
		return span{day.AddDate(0, 0, -n), day.AddDate(0, 0, 1)}
	case "NEXT_N_DAYS":
		return span{day.AddDate(0, 0, 1), day.AddDate(0, 0, 1+n)}
	case "N_DAYS_AGO":
		return span{day.AddDate(0, 0, -n), day.AddDate(0, 0, 1-n)}
	}
	start := time.January
	if fiscal := strings.ReplaceAll(name, "FISCAL_", ""); fiscal != name {
		name, start = fiscal, c.w.fiscal
	}
	which, unit, _ := strings.Cut(name, "_")
	switch {
	case strings.HasSuffix(name, "_AGO"):
		unit = strings.TrimSuffix(strings.TrimPrefix(name, "N_"), "S_AGO")
		return period(day, unit, start, -n, 1)
	case strings.HasPrefix(unit, "N_"):
		unit = strings.TrimSuffix(strings.TrimPrefix(unit, "N_"), "S")
		if which == "LAST" {
			return period(day, unit, start, -n, n)
		}
		return period(day, unit, start, 1, n)
	}
	switch which {
	case "LAST":
		return period(day, unit, start, -1, 1)
	case "NEXT":
		return period(day, unit, start, 1, 1)
	}
	return period(day, unit, start, 0, 1)
}

// period returns count whole weeks, months, quarters or years, beginning first such units after the one that day is in. Years begin with the month
// start, and quarters with it or three, six or nine months later.
func period(day time.Time, unit string, start time.Month, first, count int) span {
	y, m, d := day.Date()
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, day.Location()) }
	switch unit {
	case "WEEK":
		sunday := d - int(day.Weekday())
		return span{date(y, m, sunday+7*first), date(y, m, sunday+7*(first+count))}
	case "MONTH":
		return span{date(y, m+time.Month(first), 1), date(y, m+time.Month(first+count), 1)}
	case "QUARTER":
		q := m - (m-start+12)%3
		return span{date(y, q+time.Month(3*first), 1), date(y, q+time.Month(3*(first+count)), 1)}
	}
	if m < start {
		y--
	}
	return span{date(y+first, start, 1), date(y+first+count, start, 1)}
}

// fiscal returns the fiscal year that a day lies in, named after the calendar year in which it ends, and the month counted from its start.
func fiscal(t time.Time, start time.Month) (year, month int64) {
	year, month = int64(t.Year()), int64(t.Month()-start+12)%12+1
	if start > time.January && t.Month() >= start {
		year++
	}
	return year, month
}

// inUnits turns a span into the numbers that date or datetime values hold.
func (s span) inUnits(typ string) (from, to int64) {
	if typ == "date" {
		day := func(t time.Time) int64 {
			y, m, d := t.Date()
			return daysOf(time.Date(y, m, d, 0, 0, 0, 0, time.UTC))
		}
		return day(s.from), day(s.to)
	}
	return s.from.UnixMilli(), s.to.UnixMilli()
}

// datetimeForms are the ways to write a date with a time; a zone is required.
var datetimeForms = []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700"}

func parseDateTime(s string) (value, bool) {
	for _, form := range datetimeForms {
		if t, err := time.Parse(form, s); err == nil {
			return timeValue(t), t.Year() >= 1700 && t.Year() <= 4000
		}
	}
	return null, false
}

func parseDate(s string) (value, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return null, false
	}
	return dateValue(daysOf(t)), t.Year() >= 1700 && t.Year() <= 4000
}

func parseTime(s string) (value, bool) {
	s = strings.TrimSuffix(s, "Z")
	for _, form := range []string{"15:04:05.999", "15:04"} {
		if t, err := time.Parse(form, s); err == nil {
			return value{kind: kTime, n: int64(t.Hour()*3600+t.Minute()*60+t.Second())*1000 + int64(t.Nanosecond()/1_000_000)}, true
		}
	}
	return null, false
}

// datePart compiles CALENDAR_YEAR and its like. They work in UTC unless the argument is wrapped in convertTimezone.
func (c *compiler) datePart(x *soql.Call, arg column) (column, error) {
	if arg.f.typ != "date" && arg.f.typ != "datetime" {
		return column{}, c.at("INVALID_FIELD", x.Start, "field '%s' can not be used in %s", arg.f.name, x.Func)
	}
	if x.Func == soql.FuncHourInDay && arg.f.typ != "datetime" {
		return column{}, c.at("INVALID_FIELD", x.Start, "field '%s' can not be used in %s", arg.f.name, x.Func)
	}
	part := func(t time.Time) int64 {
		switch x.Func {
		case soql.FuncCalendarMonth:
			return int64(t.Month())
		case soql.FuncCalendarQuarter:
			return int64(t.Month()-1)/3 + 1
		case soql.FuncCalendarYear:
			return int64(t.Year())
		case soql.FuncFiscalMonth, soql.FuncFiscalQuarter, soql.FuncFiscalYear:
			year, month := fiscal(t, c.w.fiscal)
			switch x.Func {
			case soql.FuncFiscalMonth:
				return month
			case soql.FuncFiscalQuarter:
				return (month-1)/3 + 1
			}
			return year
		case soql.FuncDayInMonth:
			return int64(t.Day())
		case soql.FuncDayInWeek:
			return int64(t.Weekday()) + 1
		case soql.FuncDayInYear:
			return int64(t.YearDay())
		case soql.FuncHourInDay:
			return int64(t.Hour())
		case soql.FuncWeekInMonth:
			return int64(t.Day()-1)/7 + 1
		}
		return int64(t.YearDay()-1)/7 + 1 // WEEK_IN_YEAR
	}
	typ := "int"
	if x.Func == soql.FuncDayOnly {
		typ = "date"
	}
	f := newField(typ, arg.f.name, arg.f.label)
	get := arg.get
	return column{f: f, obj: arg.obj, rel: arg.rel, get: func(row int) value {
		v := get(row)
		var t time.Time
		switch v.kind {
		case kDate:
			t = dayTime(v.n)
		case kDateTime:
			t = v.time()
		default:
			return null
		}
		if typ == "date" {
			return dateValue(daysOf(t))
		}
		return intValue(part(t))
	}}, nil
}

// distance compiles DISTANCE(place, place, unit). A place is a compound address or GEOLOCATION(latitude, longitude).
func (c *compiler) distance(o *object, x *soql.Call) (column, error) {
	bad := func() (column, error) {
		return column{}, c.at("MALFORMED_QUERY", x.Start, "unexpected token: '%s'", x.Func)
	}
	if len(x.Args) != 3 {
		return bad()
	}
	unit, ok := x.Args[2].(*soql.Literal)
	if !ok {
		return bad()
	}
	a, err := c.place(o, x.Args[0])
	if err != nil {
		return column{}, err
	}
	b, err := c.place(o, x.Args[1])
	if err != nil {
		return column{}, err
	}
	radius := 6371.0
	if strings.EqualFold(unit.Text, "mi") {
		radius = 3958.8
	}
	return column{f: numberField("double", "distance", "Distance", 18, 9), get: func(row int) value {
		lat1, lon1, ok1 := a(row)
		lat2, lon2, ok2 := b(row)
		if !ok1 || !ok2 {
			return null
		}
		rad := math.Pi / 180
		h := math.Pow(math.Sin((lat2-lat1)*rad/2), 2) + math.Cos(lat1*rad)*math.Cos(lat2*rad)*math.Pow(math.Sin((lon2-lon1)*rad/2), 2)
		return numberFromFloat(2 * radius * math.Asin(math.Sqrt(h))).withPoint()
	}}, nil
}

// place compiles one end of a distance.
func (c *compiler) place(o *object, x soql.Operand) (func(int) (lat, lon float64, ok bool), error) {
	switch x := x.(type) {
	case *soql.Path:
		col, err := c.path(o, x)
		if err != nil {
			return nil, err
		}
		if col.f.typ != "address" || col.rel {
			return nil, c.at("INVALID_FIELD", x.Start, "field '%s' can not be used in DISTANCE", col.f.name)
		}
		prefix := strings.TrimSuffix(col.f.name, "Address")
		lat, lon := c.w.getter(o, o.field(prefix+"Latitude")), c.w.getter(o, o.field(prefix+"Longitude"))
		return func(row int) (float64, float64, bool) {
			a, b := lat(row), lon(row)
			return a.float(), b.float(), !a.isNull() && !b.isNull()
		}, nil
	case *soql.Call:
		if len(x.Args) == 2 && x.Func == soql.FuncGeolocation {
			var at [2]float64
			for i, arg := range x.Args {
				l, ok := arg.(*soql.Literal)
				if !ok {
					return nil, c.at("MALFORMED_QUERY", x.Start, "unexpected token: '%s'", arg)
				}
				v, _ := parseDecimal(l.Text)
				at[i] = v.float()
			}
			return func(int) (float64, float64, bool) { return at[0], at[1], true }, nil
		}
	}
	return nil, c.at("MALFORMED_QUERY", x.Bounds().Start, "unexpected token: '%s'", x)
}
