package soql

import "strings"

// Func is a SOQL function by its canonical spelling.
type Func string

// The functions of SOQL.
const (
	FuncCount           Func = "COUNT"
	FuncCountDistinct   Func = "COUNT_DISTINCT"
	FuncSum             Func = "SUM"
	FuncAvg             Func = "AVG"
	FuncMin             Func = "MIN"
	FuncMax             Func = "MAX"
	FuncToLabel         Func = "toLabel"
	FuncFormat          Func = "FORMAT"
	FuncConvertCurrency Func = "convertCurrency"
	FuncConvertTimezone Func = "convertTimezone"
	FuncGrouping        Func = "GROUPING"
	FuncFields          Func = "FIELDS"
	FuncDistance        Func = "DISTANCE"
	FuncGeolocation     Func = "GEOLOCATION"
	FuncFormula         Func = "FORMULA"

	FuncCalendarMonth   Func = "CALENDAR_MONTH"
	FuncCalendarQuarter Func = "CALENDAR_QUARTER"
	FuncCalendarYear    Func = "CALENDAR_YEAR"
	FuncDayInMonth      Func = "DAY_IN_MONTH"
	FuncDayInWeek       Func = "DAY_IN_WEEK"
	FuncDayInYear       Func = "DAY_IN_YEAR"
	FuncDayOnly         Func = "DAY_ONLY"
	FuncFiscalMonth     Func = "FISCAL_MONTH"
	FuncFiscalQuarter   Func = "FISCAL_QUARTER"
	FuncFiscalYear      Func = "FISCAL_YEAR"
	FuncHourInDay       Func = "HOUR_IN_DAY"
	FuncWeekInMonth     Func = "WEEK_IN_MONTH"
	FuncWeekInYear      Func = "WEEK_IN_YEAR"
)

// FuncKind sorts the functions by where they may stand.
type FuncKind int

// The kinds of function.
const (
	KindAggregate FuncKind = iota + 1 // COUNT, SUM, …: SELECT, HAVING and ORDER BY
	KindDate                          // CALENDAR_YEAR, …: SELECT, WHERE, GROUP BY, HAVING and ORDER BY
	KindConvert                       // toLabel, FORMAT, convertCurrency, convertTimezone
	KindGeo                           // DISTANCE and, inside it, GEOLOCATION
	KindOther                         // GROUPING, FIELDS, FORMULA
)

// Kind returns the sort of the function, or 0 for a name that is no function.
func (f Func) Kind() FuncKind { return funcKinds[f] }

var funcKinds = map[Func]FuncKind{
	FuncCount: KindAggregate, FuncCountDistinct: KindAggregate, FuncSum: KindAggregate, FuncAvg: KindAggregate, FuncMin: KindAggregate, FuncMax: KindAggregate,
	FuncToLabel: KindConvert, FuncFormat: KindConvert, FuncConvertCurrency: KindConvert, FuncConvertTimezone: KindConvert,
	FuncGrouping: KindOther, FuncFields: KindOther, FuncFormula: KindOther,
	FuncDistance: KindGeo, FuncGeolocation: KindGeo,
	FuncCalendarMonth: KindDate, FuncCalendarQuarter: KindDate, FuncCalendarYear: KindDate,
	FuncDayInMonth: KindDate, FuncDayInWeek: KindDate, FuncDayInYear: KindDate, FuncDayOnly: KindDate,
	FuncFiscalMonth: KindDate, FuncFiscalQuarter: KindDate, FuncFiscalYear: KindDate,
	FuncHourInDay: KindDate, FuncWeekInMonth: KindDate, FuncWeekInYear: KindDate,
}

// funcsByName finds a function by its lower-case name.
var funcsByName = func() map[string]Func {
	byName := make(map[string]Func, len(funcKinds))
	for f := range funcKinds {
		byName[strings.ToLower(string(f))] = f
	}
	return byName
}()
