package console

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
)

// sse is one server-sent event, or a comment.
type sse struct{ id, event, data, comment, retry string }

// subscribe opens the stream and returns a reader of its events.
func subscribe(t *testing.T, target, lastID string) (next func() sse, stop func(), status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, "GET", target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		r.Header.Set("Last-Event-ID", lastID)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if w.StatusCode == 200 && w.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("content type %s", w.Header.Get("Content-Type"))
	}
	lines := bufio.NewReader(w.Body)
	next = func() sse {
		var e sse
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return sse{event: "end"}
			}
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "":
				if value != "" {
					e.comment = value
					continue
				}
				if strings.HasPrefix(line, ":") {
					continue
				}
				return e
			case "id":
				e.id = value
			case "event":
				e.event = value
			case "data":
				e.data = value
			case "retry":
				e.retry = value
			}
		}
	}
	return next, func() { cancel(); _ = w.Body.Close() }, w.StatusCode
}

func serve(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Refresh, cfg.Logger = 5*time.Millisecond, discard
	server := httptest.NewUnstartedServer(Page(cfg))
	server.Config.WriteTimeout = 150 * time.Millisecond // a stream outlives it
	server.Start()
	t.Cleanup(server.Close)
	return server.URL + "/live/events?lang=en"
}

func decode(t *testing.T, e sse) update {
	t.Helper()
	var u update
	if e.event != "update" {
		t.Fatalf("got %+v, want an update", e)
	}
	if err := json.Unmarshal([]byte(e.data), &u); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestStream(t *testing.T) {
	c := newClock(noon)
	feed := NewFeed(c.Now)
	target := serve(t, Config{Feed: feed, Access: Open, Now: c.Now})
	feed.Publish(Event{ID: "one", Outcome: decision.Approve})
	next, stop, _ := subscribe(t, target, "")
	if e := next(); e.retry != "2000" {
		t.Errorf("the stream starts with %+v", e)
	}
	e := next()
	u := decode(t, e)
	if e.id != "1" || !strings.Contains(u.Rows, `title="one"`) || u.Text["total"] != "1" {
		t.Errorf("first update %s has %v and rows %s", e.id, u.Text, u.Rows)
	}
	time.Sleep(200 * time.Millisecond) // past the server's write timeout
	feed.Publish(Event{ID: "two", Outcome: decision.Decline, Centavos: 1999, Reasons: cannedReasons[:1]})
	e = next()
	u = decode(t, e)
	if e.id != "2" || strings.Contains(u.Rows, `title="one"`) || !strings.Contains(u.Rows, "R$\u00a019.99") || !strings.Contains(u.Rows, "Many tiny attempts") {
		t.Errorf("second update %s has rows %s", e.id, u.Rows)
	}
	if w := u.Attr["mix-decline"]; w["x"] != "500.00" || w["width"] != "500.00" {
		t.Errorf("the mix bar is %v", u.Attr)
	}
	// Another second moves the chart, without new rows.
	c.advance(time.Second)
	if u = decode(t, next()); u.Rows != "" || u.Text["rate"] != "0.4" {
		t.Errorf("a second later: %v, rows %q", u.Text, u.Rows)
	}
	stop()

	// Who comes back gets what was missed, by header or, on a new page, by parameter.
	feed.Publish(Event{ID: "three", Outcome: decision.Review})
	for _, again := range []struct{ target, id string }{{target, "2"}, {target + "&after=2", ""}} {
		next, stop, _ = subscribe(t, again.target, again.id)
		next()
		if u = decode(t, next()); !strings.Contains(u.Rows, "three") || strings.Contains(u.Rows, `title="two"`) {
			t.Errorf("after a return: %s", u.Rows)
		}
		stop()
	}
}

func TestHeartbeat(t *testing.T) {
	c := newClock(noon)
	target := serve(t, Config{Feed: NewFeed(c.Now), Access: Open, Now: c.Now})
	next, stop, _ := subscribe(t, target, "")
	defer stop()
	next()
	if u := decode(t, next()); u.Attr["stream"]["data-empty"] != "true" {
		t.Errorf("an empty feed says %v", u.Attr["stream"])
	}
	c.advance(heartbeat)
	if e := next(); e.comment != "still here" || e.data != "" {
		t.Errorf("got %+v, want a heartbeat", e)
	}
}

func TestViewersAreBounded(t *testing.T) {
	c := newClock(noon)
	target := serve(t, Config{Feed: NewFeed(c.Now), Access: Open, Now: c.Now, MaxViewers: 2})
	next, stop, _ := subscribe(t, target, "")
	next()
	other, stopOther, _ := subscribe(t, target, "")
	other()
	defer stopOther()
	if _, stopThird, status := subscribe(t, target, ""); status != http.StatusServiceUnavailable {
		t.Errorf("the third viewer gets %d", status)
	} else {
		stopThird()
	}
	stop()
	for tries := 0; ; tries++ { // the place is free once the server has noticed
		_, stopThird, status := subscribe(t, target, "")
		stopThird()
		if status == 200 {
			return
		}
		if tries > 500 {
			t.Fatal("the place of a viewer who left is never free")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestStreamEndsWithItsSession(t *testing.T) {
	for name, end := range map[string]func(*clock, *keys){
		"idle":    func(c *clock, _ *keys) { c.advance(idleLimit + time.Second) }, // a stream is no activity
		"revoked": func(_ *clock, k *keys) { k.revoke("right") },
	} {
		t.Run(name, func(t *testing.T) {
			c, known := newClock(noon), keysOf("right")
			h := Page(Config{Feed: NewFeed(c.Now), Authenticator: known, Now: c.Now, Logger: discard, Refresh: 5 * time.Millisecond})
			v := &visitor{t: t, h: h, addr: "192.0.2.1:1"}
			v.login("right")
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.AddCookie(v.cookie)
				h.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			next, stop, _ := subscribe(t, server.URL+"/live/events", "")
			defer stop()
			next()
			decode(t, next())
			end(c, known)
			for e := next(); e.event != "over"; e = next() {
				if e.event == "end" {
					t.Fatal("the stream ended without saying so")
				}
			}
			if e := next(); e.event != "end" {
				t.Errorf("after the end comes %+v", e)
			}
		})
	}
}

// patient is a viewer whose connection breaks after some writes, or cannot flush.
type patient struct {
	http.ResponseWriter
	writes int
}

func (p *patient) Write(b []byte) (int, error) {
	if p.writes--; p.writes < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

// flushing can flush as well.
type flushing struct{ patient }

func (*flushing) Flush() {}

func TestBrokenViewer(t *testing.T) {
	feed, c := smallFeed()
	h := Page(Config{Feed: feed, Access: Open, Now: c.Now, Logger: discard, Refresh: time.Millisecond, MaxViewers: 1})
	for name, w := range map[string]http.ResponseWriter{
		"at once":           &flushing{patient{httptest.NewRecorder(), 0}},
		"first update":      &flushing{patient{httptest.NewRecorder(), 1}},
		"second update":     &flushing{patient{httptest.NewRecorder(), 2}},
		"without a flusher": &patient{httptest.NewRecorder(), 1000},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			h.ServeHTTP(w, request("GET", "/live/events"))
		}()
		for ended := false; !ended; c.advance(time.Second) {
			select {
			case <-done:
				ended = true
			case <-time.After(5 * time.Millisecond):
			}
		}
		if snap := feed.Snapshot(0, 1); snap.Seq == 0 {
			t.Errorf("%s: the feed is gone", name)
		}
	}
}

func TestUpdateThatFails(t *testing.T) {
	feed, c := smallFeed()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	openPage(feed, c.Now).ServeHTTP(w, request("GET", "/live/events").WithContext(ctx))
	if got := w.Body.String(); strings.Contains(got, "data:") {
		t.Errorf("half an update was sent: %s", got)
	}
}

// What any number of viewers sees between two updates is bounded, however many payments there are.
func TestUpdateIsBounded(t *testing.T) {
	c := newClock(noon)
	feed := NewFeed(c.Now)
	for n := range 100_000 {
		feed.Publish(Event{ID: strconv.Itoa(n), Outcome: decision.Outcome(1 + n%4), Reasons: cannedReasons})
	}
	s := &site{Config: Config{Feed: feed}, assets: loadAssets()}
	snap := feed.Snapshot(1, newPerKind)
	u, err := s.update(request("GET", "/"), &snap)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	if rows := strings.Count(u.Rows, "<tr"); rows != 2*newPerKind || len(b) > 40<<10 {
		t.Errorf("an update has %d rows and %d bytes", rows, len(b))
	}
	if feed.Skipped() != 100_000-1-2*newPerKind {
		t.Errorf("%d skipped", feed.Skipped())
	}
}
