package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

var began = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func cost(o decision.Outcome, fraud bool, _ int64) float64 {
	if fraud == (o == decision.Approve) {
		return 1000
	}
	return 10
}

// sample is a report on some payments, every fifth of them a fraud.
func sample(payments int, compare bool) *Report {
	policy := decision.DefaultPolicy()
	g := backtest.NewGathering(backtest.Subject{Name: "candidate", RuleSet: "rules@1", Policy: policy}, time.UTC, 10, cost)
	l := backtest.NewGathering(backtest.Subject{Name: "live set", Model: "m/1", Policy: policy}, time.UTC, 10, cost)
	c := backtest.NewContest(cost)
	for i := range payments {
		t := &payment.Transaction{OccurredAt: began.Add(time.Duration(i) * 5 * time.Hour), Customer: payment.PublicToken(strconv.Itoa(i % 7)), Amount: payment.Amount{Centavos: 12_300}}
		points := i * 389 % 1001
		v := backtest.Verdict{Outcome: policy.Outcome(points, decision.Approve), Score: points, Hits: []backtest.RuleHit{{ID: "first", Code: "<FIRST>"}, {ID: "second", Code: "SECOND", Shadow: true}}}
		w := backtest.Verdict{Outcome: decision.Approve, Score: points / 2}
		g.Add(t, i%5 == 0, &v)
		l.Add(t, i%5 == 0, &w)
		c.Add(t, i%5 == 0, &v, &w)
	}
	r := &Report{Kind: Played, Made: began, Source: "A <test>", Zone: "UTC", From: began, Until: began.AddDate(0, 0, 9), Unknown: 3, Warmup: 2,
		Costs: "Costs.", Notes: []string{"Mind & see."}, Candidate: g.Findings()}
	if compare {
		live, d := l.Findings(), c.Difference()
		r.Live, r.Difference = &live, &d
	}
	return r
}

func rendered(t testing.TB, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var svgs = regexp.MustCompile(`(?s)<svg .*?</svg>`)

func TestPageIsWholeAndNeedsNothingElse(t *testing.T) {
	html := rendered(t, sample(200, true))
	for _, want := range []string{
		"A &lt;test&gt;", "Mind &amp; see.", "the candidate against the live set", "&lt;FIRST&gt;", "prefers-color-scheme: dark", "@media print",
		"Precision and recall", "Distribution of scores", "Saved so far", "Cost a day", "Frauds and false alarms a day", "Reliability",
		"Difference to the live set", "Rules that hold together", "rules@1", "m/1", "3 whose truth is not known yet", "2 before them", "R$ ",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("page lacks %q", want)
		}
	}
	for _, not := range []string{"<script", "<link", "<img", "src=", "@import", "url(", "href=", "<test>", "ZgotmplZ", "NaN", "%!"} {
		if strings.Contains(html, not) {
			t.Errorf("page has %q", not)
		}
	}
	if outside := strings.ReplaceAll(html, "http://www.w3.org/2000/svg", ""); strings.Contains(outside, "http") {
		t.Error("page points outside")
	}
	if n := len(svgs.FindAllString(html, -1)); n != 6 {
		t.Errorf("%d plots, want 6", n)
	}
}

func TestPageWithoutComparison(t *testing.T) {
	html := rendered(t, sample(200, false))
	for _, not := range []string{"Difference to the live set", "live set", "against the"} {
		if strings.Contains(html, not) {
			t.Errorf("page without comparison has %q", not)
		}
	}
	if !strings.Contains(html, "Of 40 frauds the candidate catches") {
		t.Error("page does not say what was caught")
	}
}

// TestPlotsAreSoundForAnyHistory reads every plot as XML and looks whether all of it is inside the box.
func TestPlotsAreSoundForAnyHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := sample(rapid.IntRange(0, 60).Draw(t, "payments"), rapid.Bool().Draw(t, "compare"))
		var b strings.Builder
		if err := r.HTML(&b); err != nil {
			t.Fatal(err)
		}
		for _, svg := range svgs.FindAllString(b.String(), -1) {
			titles, texts := readSVG(t, svg)
			if titles == 0 || texts < 4 {
				t.Fatalf("a plot has %d titles and %d texts", titles, texts)
			}
		}
	})
}

func readSVG(t *rapid.T, svg string) (titles, texts int) {
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return titles, texts
		}
		if err != nil {
			t.Fatalf("a plot is no XML: %v\n%s", err, svg)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "title":
			titles++
		case "text":
			texts++
		}
		for _, a := range e.Attr {
			limit, ok := map[string]float64{"x": boxWidth, "y": boxHeight, "cx": boxWidth, "cy": boxHeight, "width": boxWidth, "height": boxHeight}[a.Name.Local]
			if !ok {
				continue
			}
			if v, err := strconv.ParseFloat(a.Value, 64); err != nil || math.IsNaN(v) || v < 0 || v > limit {
				t.Fatalf("%s of a %s is %s", a.Name.Local, e.Name.Local, a.Value)
			}
		}
	}
}

func TestAxesCoverTheirValuesWithFewTicks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := -rapid.Float64Range(0, 1e7).Draw(t, "below")
		hi := rapid.Float64Range(1e-3, 1e9).Draw(t, "above")
		a := linear("", lo, hi, numberLabel)
		if a.lo > lo || a.hi < hi-1e-6*(hi-lo) || len(a.ticks) < 2 || len(a.ticks) > 2*mostTicks || a.part(lo) < 0 || a.part(hi) > 1 {
			t.Fatalf("%v to %v has the axis %v to %v with %v", lo, hi, a.lo, a.hi, a.ticks)
		}
		most := float64(rapid.IntRange(1, 1e9).Draw(t, "most"))
		if l := logarithmic("", most); l.hi < most || l.part(1) <= 0 || math.Abs(l.part(l.hi)-1) > 1e-9 {
			t.Fatalf("%v has the axis %+v", most, l)
		}
	})
}

func TestJSONComesBackTheSame(t *testing.T) {
	r := sample(200, true)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kind", "source", "candidate", "live", "difference", "frauds_gained", "average_precision", "card_precision", "reliability", "curve", "scores", "days", "rules", "overlaps", "approve_all"} {
		if !strings.Contains(string(data), `"`+name+`":`) {
			t.Errorf("JSON lacks %s", name)
		}
	}
	var again Report
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if rendered(t, &again) != rendered(t, r) {
		t.Error("a report that was read back gives another page")
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(-1234567): "−1,234,567", signed(5): "+5", signed(-5): "−5", percent(0): "0 %", percent(0.00012): "0.012 %",
		percent(0.0123): "1.23 %", percent(0.5): "50.0 %", percent(1): "100 %", money(1234): "R$ 12.34", money(-12_345_600): "−R$ 123,456", signedMoney(150): "+R$ 1.50",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestHTMLGivesTheWritersError(t *testing.T) {
	closed, w := io.Pipe()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if err := sample(3, false).HTML(w); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error is %v", err)
	}
}

func BenchmarkHTML(b *testing.B) {
	r := sample(2000, true)
	b.ReportAllocs()
	for b.Loop() {
		if err := r.HTML(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
