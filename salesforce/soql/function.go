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
	AggregateFunc FuncKind = iota + 1 // COUNT, SUM, …: SELECT, HAVING and ORDER BY
	DateFunc                          // CALENDAR_YEAR, …: SELECT, WHERE, GROUP BY, HAVING and ORDER BY
	ConvertFunc                       // toLabel, FORMAT, convertCurrency, convertTimezone
	GeoFunc                           // DISTANCE and, inside it, GEOLOCATION
	OtherFunc                         // GROUPING, FIELDS, FORMULA
)

// Kind returns the sort of the function, or 0 for a name that is no function.
func (f Func) Kind() FuncKind { return funcKinds[f] }

var funcKinds = map[Func]FuncKind{
	FuncCount: AggregateFunc, FuncCountDistinct: AggregateFunc, FuncSum: AggregateFunc, FuncAvg: AggregateFunc, FuncMin: AggregateFunc, FuncMax: AggregateFunc,
	FuncToLabel: ConvertFunc, FuncFormat: ConvertFunc, FuncConvertCurrency: ConvertFunc, FuncConvertTimezone: ConvertFunc,
	FuncGrouping: OtherFunc, FuncFields: OtherFunc, FuncFormula: OtherFunc,
	FuncDistance: GeoFunc, FuncGeolocation: GeoFunc,
	FuncCalendarMonth: DateFunc, FuncCalendarQuarter: DateFunc, FuncCalendarYear: DateFunc,
	FuncDayInMonth: DateFunc, FuncDayInWeek: DateFunc, FuncDayInYear: DateFunc, FuncDayOnly: DateFunc,
	FuncFiscalMonth: DateFunc, FuncFiscalQuarter: DateFunc, FuncFiscalYear: DateFunc,
	FuncHourInDay: DateFunc, FuncWeekInMonth: DateFunc, FuncWeekInYear: DateFunc,
}

// funcsByName finds a function by its lower-case name.
var funcsByName = func() map[string]Func {
	byName := make(map[string]Func, len(funcKinds))
	for f := range funcKinds {
		byName[strings.ToLower(string(f))] = f
	}
	return byName
}()
