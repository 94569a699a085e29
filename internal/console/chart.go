package console

import (
	"math"
	"strconv"
)

// The chart's box in its own units. The SVG stretches it to the space there is.
const (
	chartWidth  = 600.0
	chartHeight = 160.0
)

// chart holds the paths of the throughput chart and the value at its top.
type chart struct {
	area, line, held string
	peak             uint32
}

// drawChart scales the series to the box: all decisions as a line over an area, the
// ones not approved as an area of their own.
func drawChart(series *[seriesSeconds]Second) chart {
	var c chart
	for _, s := range series {
		c.peak = max(c.peak, s.Total)
	}
	top := ceiling(c.peak)
	y := func(n uint32) float64 { return chartHeight - (chartHeight-6)*float64(n)/top }
	line := make([]byte, 0, 4096)
	held := make([]byte, 0, 4096)
	for i, s := range series {
		x := chartWidth * float64(i) / (seriesSeconds - 1)
		verb := byte('L')
		if i == 0 {
			verb = 'M'
		}
		line = appendPoint(line, verb, x, y(s.Total))
		held = appendPoint(held, verb, x, y(s.Held))
	}
	c.line = string(line)
	c.area = string(line) + "L600 160L0 160Z"
	c.held = string(held) + "L600 160L0 160Z"
	return c
}

func appendPoint(b []byte, verb byte, x, y float64) []byte {
	b = append(b, verb)
	b = strconv.AppendFloat(b, math.Round(x*10)/10, 'f', -1, 64)
	b = append(b, ' ')
	return strconv.AppendFloat(b, math.Round(y*10)/10, 'f', -1, 64)
}

// ceiling is the value of the top edge: the peak with some air, so that a steady rate is not a full box.
func ceiling(peak uint32) float64 { return max(1, float64(peak)*1.12) }

// fixed writes an SVG length.
func fixed(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
