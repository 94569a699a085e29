package report

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// The box of a plot in its own units, and the margins around the field that data are drawn in.
const (
	boxWidth, boxHeight      = 640.0, 340.0
	left, right, top, bottom = 66.0, 18.0, 26.0, 50.0
	fieldRight, fieldBottom  = boxWidth - right, boxHeight - bottom
	fieldWidth, fieldHeight  = fieldRight - left, fieldBottom - top
	mostTicks                = 6
	decade                   = 10.0
	lowestOnLog              = 0.5 // below 1, so that a single one is seen
)

// axis is a scale with what is written on it.
type axis struct {
	title  string // with the unit
	lo, hi float64
	log    bool
	ticks  []float64
	label  func(float64) string
}

// part is where v lies between the ends, 0 to 1.
func (a *axis) part(v float64) float64 {
	lo, hi := a.lo, a.hi
	if a.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, a.lo))
	}
	if hi <= lo {
		return 0
	}
	return min(max((v-lo)/(hi-lo), 0), 1)
}

// linear makes an axis from 0, or from a value below it, to a round value from which on all is on it.
func linear(title string, lo, hi float64, label func(float64) string) axis {
	if hi <= lo {
		hi = lo + 1
	}
	rough := (hi - lo) / (mostTicks - 1)
	step := math.Pow(decade, math.Floor(math.Log10(rough)))
	for _, by := range []float64{1, 2, 5, decade} {
		if by*step >= rough {
			step *= by
			break
		}
	}
	a := axis{title: title, lo: math.Floor(lo/step) * step, hi: math.Ceil(hi/step-1e-9) * step, label: label}
	for i := 0; a.lo+float64(i)*step <= a.hi+step/2; i++ {
		a.ticks = append(a.ticks, a.lo+float64(i)*step)
	}
	return a
}

// logarithmic makes an axis of counts with a tick at every power of ten.
func logarithmic(title string, hi float64) axis {
	a := axis{title: title, log: true, lo: lowestOnLog, hi: decade, label: func(v float64) string { return count(int(v)) }}
	for a.hi < hi {
		a.hi *= decade
	}
	for v := 1.0; v <= a.hi; v *= decade {
		a.ticks = append(a.ticks, v)
	}
	return a
}

// plot is an SVG that is being drawn. Its colors are those of the page's classes.
type plot struct {
	x, y axis
	b    strings.Builder
}

func newPlot(title, description string, x, y axis) *plot {
	p := &plot{x: x, y: y}
	fmt.Fprintf(&p.b, `<svg viewBox="0 0 %g %g" role="img" xmlns="http://www.w3.org/2000/svg"><title>%s</title><desc>%s</desc>`,
		boxWidth, boxHeight, escape(title), escape(description))
	for _, v := range y.ticks {
		at := p.py(v)
		fmt.Fprintf(&p.b, `<path class="grid" d="M%s %sH%s"/>`, fixed(left), at, fixed(fieldRight))
		p.text(fixed(left-8), at, "end", "tick", ` dy="0.35em"`, y.label(v))
	}
	for _, v := range x.ticks {
		at := p.px(v)
		fmt.Fprintf(&p.b, `<path class="edge" d="M%s %sv5"/>`, at, fixed(fieldBottom))
		p.text(at, fixed(fieldBottom+19), "middle", "tick", "", x.label(v))
	}
	fmt.Fprintf(&p.b, `<path class="edge" d="M%s %sH%s"/>`, fixed(left), fixed(fieldBottom), fixed(fieldRight))
	p.text(fixed(left+fieldWidth/2), fixed(boxHeight-8), "middle", "axis", "", x.title)
	p.text("4", "13", "start", "axis", "", y.title)
	return p
}

func (p *plot) px(v float64) string { return fixed(left + fieldWidth*p.x.part(v)) }
func (p *plot) py(v float64) string { return fixed(fieldBottom - fieldHeight*p.y.part(v)) }

func (p *plot) text(x, y, anchor, class, more, words string) {
	fmt.Fprintf(&p.b, `<text x="%s" y="%s" text-anchor="%s" class="%s"%s>%s</text>`, x, y, anchor, class, more, escape(words))
}

// point is a place in the units of the axes.
type point struct{ x, y float64 }

// line joins points.
func (p *plot) line(class string, points []point) {
	if len(points) == 0 {
		return
	}
	fmt.Fprintf(&p.b, `<path class="line %s" d="`, class)
	for i, at := range points {
		verb := "L"
		if i == 0 {
			verb = "M"
		}
		p.b.WriteString(verb + p.px(at.x) + " " + p.py(at.y))
	}
	p.b.WriteString(`"/>`)
}

// bar fills from one height to another. It has words that a pointer shows.
func (p *plot) bar(class string, x0, x1, y0, y1 float64, words string) {
	a, b := left+fieldWidth*p.x.part(x0), left+fieldWidth*p.x.part(x1)
	low, high := fieldBottom-fieldHeight*p.y.part(y0), fieldBottom-fieldHeight*p.y.part(y1)
	if low-high < 0.01 {
		return
	}
	fmt.Fprintf(&p.b, `<rect class="fill %s" x="%s" y="%s" width="%s" height="%s"><title>%s</title></rect>`,
		class, fixed(a), fixed(high), fixed(max(b-a, 0.5)), fixed(low-high), escape(words))
}

// dot marks a place. Words show at the pointer, name beside it.
func (p *plot) dot(class string, at point, words, name string) {
	fmt.Fprintf(&p.b, `<circle class="dot %s" cx="%s" cy="%s" r="4.5"><title>%s</title></circle>`, class, p.px(at.x), p.py(at.y), escape(words))
	if name != "" {
		p.text(p.px(at.x), p.py(at.y), "start", "note", ` dx="8" dy="-6"`, name)
	}
}

// span draws an upright bar from one value to another, as the bounds of a dot.
func (p *plot) span(class string, x, lo, hi float64) {
	fmt.Fprintf(&p.b, `<path class="line thin %s" d="M%s %sV%s"/>`, class, p.px(x), p.py(lo), p.py(hi))
}

// mark draws a dashed upright line over the whole field with a name at its head.
func (p *plot) mark(x float64, name string) {
	fmt.Fprintf(&p.b, `<path class="mark" d="M%s %sV%s"/>`, p.px(x), fixed(fieldBottom), fixed(top))
	p.text(p.px(x), fixed(top), "start", "note", ` dx="4" dy="0.8em"`, name)
}

// empty says that there is nothing to draw.
func (p *plot) empty(words string) {
	p.text(fixed(left+fieldWidth/2), fixed(top+fieldHeight/2), "middle", "axis", "", words)
}

func (p *plot) svg() template.HTML {
	return template.HTML(p.b.String() + "</svg>") //nolint:gosec // every text in it was escaped
}

func escape(s string) string { return template.HTMLEscapeString(s) }

// fixed writes a length.
func fixed(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
