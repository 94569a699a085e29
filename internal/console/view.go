package console

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/a-h/templ"

	"github.com/fastshop/pipeline/internal/decision"
)

// frame is what every page has around its content.
type frame struct {
	T             *texts
	Path          string // for the language switch
	CSS, JS, Icon string // URLs
	Demo          bool
	Session       bool // somebody can log out
	Version       string
}

func (s *site) frame(r *http.Request) frame {
	return frame{
		T: language(r), Path: r.URL.Path, CSS: s.assets.urls["console.css"], JS: s.assets.urls["live.js"],
		Icon: s.assets.urls["icon.svg"], Demo: s.Demo, Version: s.Version,
	}
}

// view is the live page ready to be shown: every field is text in the viewer's language.
type view struct {
	frame
	Seq                   string
	Empty                 bool
	Rate, Total, Peak     string
	Area, HeldArea, Line  string // paths of the chart in its 600 × 160 box
	P50, P99, Backlog     string
	Share, Caught, OfAll  string // detection; empty Share: nothing is known yet
	FalseAlarms, Saved    string
	CaughtOffset          string // of the ring, 0 to 100
	Mix                   []slice
	Rows                  []row
	HaveTruth, HaveQueued bool
}

// slice is one outcome of the mix bar; X and Width are thousandths of it.
type slice struct {
	Key, Name, Count, Share string
	X, Width                string
}

// row is one decision.
type row struct {
	ID, Key, Machine, Clock      string
	Amount, Method, Channel      string
	Merchant, Score, ScoreWidth  string
	Outcome, Latency, Truth, Was string
	Reasons                      []grounds
	NoReason                     string
}

type grounds struct{ Code, Text string }

// outcomeKeys name the outcomes in class names.
var outcomeKeys = [outcomes]string{"invalid", "approve", "challenge", "review", "decline"}

func outcomeKey(o decision.Outcome) string {
	if int(o) < outcomes {
		return outcomeKeys[o]
	}
	return outcomeKeys[0]
}

func (s *site) view(r *http.Request, snap *Snapshot) view {
	v := view{frame: s.frame(r), Seq: strconv.FormatUint(snap.Seq, 10), Empty: snap.Seq == 0}
	v.Session = s.Access == Session
	t := v.T
	v.Rate, v.Total = t.rateText(snap.PerSecond), t.count(snap.Total())
	v.P50, v.P99 = t.duration(snap.P50), t.duration(snap.P99)
	v.Backlog, v.HaveQueued = t.count(uint64(max(0, snap.Backlog))), snap.Backlog > 0
	c := drawChart(&snap.Series)
	v.Area, v.HeldArea, v.Line, v.Peak = c.area, c.held, c.line, t.count(uint64(c.peak))+"/s"
	v.mix(snap)
	v.detection(&snap.Detection)
	for _, e := range snap.Events {
		v.Rows = append(v.Rows, newRow(t, &e))
	}
	return v
}

func (v *view) mix(snap *Snapshot) {
	total := snap.Total()
	x := 0.0
	for o := decision.Approve; int(o) < outcomes; o++ {
		share := 0.0
		if total > 0 {
			share = float64(snap.Outcomes[o]) / float64(total)
		}
		width := 1000 * share
		decimals := 1
		if share > 0 && share < 0.001 {
			decimals = 2
		}
		v.Mix = append(v.Mix, slice{
			Key: outcomeKey(o), Name: v.T.outcomeName(o), Count: v.T.count(snap.Outcomes[o]),
			Share: v.T.number(100*share, decimals) + "%", X: fixed(x), Width: fixed(width),
		})
		x += width
	}
}

func (v *view) detection(d *Detection) {
	v.HaveTruth = d.Frauds+d.Genuine > 0
	share := 0.0
	if d.Frauds > 0 {
		share = float64(d.Caught) / float64(d.Frauds)
	}
	v.Share = strconv.Itoa(int(math.Floor(100*share))) + "%"
	v.Caught = v.T.count(d.Caught)
	v.OfAll = fmt.Sprintf(v.T.ofFrauds, v.T.count(d.Frauds))
	v.FalseAlarms = v.T.count(d.FalseAlarms)
	v.Saved = v.T.money(d.CaughtCentavos)
	v.CaughtOffset = fixed(100 * (1 - share))
}

func newRow(t *texts, e *Event) row {
	// Brasília has kept UTC − 3 h all year since 2019.
	local := e.At.In(time.FixedZone("BRT", -3*60*60))
	r := row{
		ID: e.ID, Key: outcomeKey(e.Outcome), Machine: local.Format(time.RFC3339), Clock: local.Format("15:04:05"),
		Amount: t.money(e.Centavos), Method: t.methodName(e.Method), Channel: t.channelName(e.Channel),
		Merchant: e.Merchant, Score: strconv.Itoa(e.Score), ScoreWidth: strconv.Itoa(min(max(e.Score, 0), 1000)),
		Outcome: t.outcomeName(e.Outcome), Latency: t.duration(e.Latency), NoReason: t.noReason,
	}
	switch e.Truth {
	case Fraud:
		r.Truth, r.Was = t.fraudMark, "fraud"
	case Genuine:
		if e.Outcome != decision.Approve {
			r.Truth, r.Was = t.genuineMark, "genuine"
		}
	}
	for _, reason := range e.Reasons {
		r.Reasons = append(r.Reasons, grounds{reason.Code, t.reason(reason)})
	}
	return r
}

// texts are the changing texts of the page by element id.
func (v *view) texts() map[string]string {
	m := map[string]string{
		"rate": v.Rate, "total": v.Total, "peak": v.Peak, "p50": v.P50, "p99": v.P99, "backlog": v.Backlog,
		"share": v.Share, "caught": v.Caught, "known": v.OfAll, "alarms": v.FalseAlarms, "saved": v.Saved,
	}
	for _, s := range v.Mix {
		m["count-"+s.Key], m["share-"+s.Key] = s.Count, s.Share
	}
	return m
}

// attributes are the changing attributes of the page by element id.
func (v *view) attributes() map[string]map[string]string {
	m := map[string]map[string]string{
		"area": {"d": v.Area}, "held-area": {"d": v.HeldArea}, "line": {"d": v.Line},
		"ring":   {"stroke-dashoffset": v.CaughtOffset},
		"truth":  {"data-known": strconv.FormatBool(v.HaveTruth)},
		"queue":  {"data-waiting": strconv.FormatBool(v.HaveQueued)},
		"stream": {"data-empty": strconv.FormatBool(v.Empty)},
	}
	for _, s := range v.Mix {
		m["mix-"+s.Key] = map[string]string{"x": s.X, "width": s.Width}
	}
	return m
}

// render writes a page; it is rendered in full first, so that an error is an answer of its own.
func (s *site) render(w http.ResponseWriter, r *http.Request, page templ.Component) {
	buf := templ.GetBuffer()
	defer templ.ReleaseBuffer(buf)
	if err := page.Render(r.Context(), buf); err != nil {
		s.Logger.ErrorContext(r.Context(), "console page failed", "error", err)
		http.Error(w, "page failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = buf.WriteTo(w) // the client is gone; nobody to tell
}
