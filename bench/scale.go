package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
)

// point is one size of the scaling plot.
type point struct {
	n              float64 // records of both objects
	seconds, cpu   float64
	resident, size int64 // bytes; of the org, accounts
}

// scaling measures the first sync at several sizes, prints the slope of the straight line through them where both axes are logarithmic, and draws them.
func (b *bench) scaling(ctx context.Context) error {
	var points []point
	fmt.Fprint(b.out, "\n| First sync of | seconds | microseconds a record | CPU of all sides | peak memory |\n|---|---|---|---|---|\n")
	for _, n := range b.scale {
		var all []measure
		for i := range b.runs {
			m, err := b.engineRun(ctx, n, i)
			if err != nil {
				return err
			}
			all = append(all, m)
			if n > 1_000_000 {
				break
			}
		}
		m := median(all)
		p := point{n: float64(m.Rows), seconds: m.Seconds, cpu: m.CPU.all(), resident: m.RSS, size: int64(n)}
		points = append(points, p)
		fmt.Fprintf(b.out, "| %s of each | %.2f | %.2f | %.1f s | %.0f MB |\n", thousands(n), p.seconds, p.seconds/p.n*1e6, p.cpu, float64(p.resident)/1e6)
	}
	if len(points) < 2 {
		return nil
	}
	slope, at := fit(points)
	fmt.Fprintf(b.out, "\nSlope of the line through log(seconds) over log(records): %.3f (1 is linear; aimed for: at most 1.05)\n", slope)
	if b.plot == "" {
		return nil
	}
	return os.WriteFile(b.plot, []byte(drawing(points, slope, at)), 0o644)
}

// fit returns the slope of the line that fits best, by least squares of the logarithms, and its value at one record.
func fit(points []point) (slope, at float64) {
	var x, y, xx, xy float64
	for _, p := range points {
		lx, ly := math.Log(p.n), math.Log(p.seconds)
		x, y, xx, xy = x+lx, y+ly, xx+lx*lx, xy+lx*ly
	}
	n := float64(len(points))
	slope = (n*xy - x*y) / (n*xx - x*x)
	return slope, math.Exp((y - slope*x) / n)
}

// The measures of the drawing, in pixels.
const (
	width, height           = 760, 440
	left, right, top, below = 70, 70, 60, 60
)

// drawing is the plot as SVG: both axes logarithmic, the points, the line through them, and the line on which time would grow as the records do.
func drawing(points []point, slope, at float64) string {
	first, last := points[0], points[len(points)-1]
	lowX, highX := math.Floor(math.Log10(first.n)), math.Ceil(math.Log10(last.n))
	lowY, highY := math.Floor(math.Log10(first.seconds)), math.Ceil(math.Log10(last.seconds))
	x := func(n float64) float64 { return left + (math.Log10(n)-lowX)/(highX-lowX)*(width-left-right) }
	y := func(s float64) float64 { return height - below - (math.Log10(s)-lowY)/(highY-lowY)*(height-top-below) }
	var s strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="13" fill="#1f2937">`, width, height, width, height)
	put(`<title id="title">How long a first sync takes, by the number of records</title>`)
	var told []string
	for _, p := range points {
		told = append(told, fmt.Sprintf("%s records in %s seconds", thousands(int(p.n)), short(p.seconds)))
	}
	put(`<desc id="desc">Both axes are logarithmic. %s. The slope of the line through the points is %.2f; 1 would be exactly linear.</desc>`, strings.Join(told, ", "), slope)
	put(`<rect width="%d" height="%d" fill="#ffffff"/>`, width, height)
	put(`<text x="%d" y="28" font-size="16" font-weight="600">First sync: seconds by records, slope %.2f</text>`, left, slope)
	for e := lowX; e <= highX; e++ {
		at := x(math.Pow(10, e))
		put(`<path d="M%.1f %d V%d" stroke="#d1d5db"/>`, at, top, height-below)
		put(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, at, height-below+20, thousands(int(math.Pow(10, e))))
	}
	for e := lowY; e <= highY; e++ {
		at := y(math.Pow(10, e))
		put(`<path d="M%d %.1f H%d" stroke="#d1d5db"/>`, left, at, width-right)
		put(`<text x="%d" y="%.1f" text-anchor="end">%s s</text>`, left-8, at+4, short(math.Pow(10, e)))
	}
	put(`<text x="%d" y="%d" text-anchor="middle">records (accounts and contacts, as many of each)</text>`, (width+left-right)/2, height-14)
	put(`<path d="M%.1f %.1f L%.1f %.1f" stroke="#2563eb" stroke-width="2" fill="none"/>`, x(first.n), y(at*math.Pow(first.n, slope)), x(last.n), y(at*math.Pow(last.n, slope)))
	for i, p := range points {
		put(`<circle cx="%.1f" cy="%.1f" r="5" fill="#2563eb"/>`, x(p.n), y(p.seconds))
		anchor, dx := "start", 10.0
		if i == len(points)-1 {
			anchor, dx = "end", -10
		}
		put(`<text x="%.1f" y="%.1f" text-anchor="%s">%s s</text>`, x(p.n)+dx, y(p.seconds)+map[bool]float64{true: -8, false: 16}[anchor == "end"], anchor, short(p.seconds))
	}
	put(`</svg>`)
	return s.String()
}

// short writes a number of seconds with what matters of it.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 1:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	return strings.TrimRight(fmt.Sprintf("%.2f", v), "0")
}
