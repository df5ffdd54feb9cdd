package web

import (
	"encoding/json"
	"testing"
)

func TestValueText(t *testing.T) {
	t.Parallel()
	for want, value := range map[string]any{
		"":                     nil,
		"Acme":                 "Acme",
		"2026-01-31T10:00:00":  "2026-01-31T10:00:00.000+0000",
		"722,577,000":          json.Number("7.22577E8"),
		"1,789,000":            json.Number("1789000.0"),
		"-1,234.5":             json.Number("-1234.50"),
		"-0.5":                 json.Number("-0.5"),
		"true":                 true,
		"Bern, CH":             map[string]any{"attributes": map[string]any{"type": "x"}, "city": "Bern", "country": "CH", "street": nil},
		"12345678901234567890": json.Number("12345678901234567890"),
	} {
		if got := valueText(value); got != want {
			t.Errorf("%v is written %q, want %q", value, got, want)
		}
	}
}
