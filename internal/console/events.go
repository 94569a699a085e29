package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	newPerKind   = 4                // new rows of a kind in one update: more than that nobody can read
	heartbeat    = 10 * time.Second // of a stream with nothing to say, so that proxies keep it
	writeTimeout = 10 * time.Second // for one update; a viewer that takes longer is let go
	retryMS      = 2000             // tells the browser when to come back
)

// update is what one server-sent event holds: new texts and attributes of elements
// by id, and new rows as HTML.
type update struct {
	Text map[string]string            `json:"text"`
	Attr map[string]map[string]string `json:"attr"`
	Rows string                       `json:"rows,omitempty"`
}

// events streams updates until the viewer leaves, its session or the key
// that opened it ends, or the server stops. Each event's id is the sequence number of the latest decision in it, so a
// viewer that comes back gets what it missed, as far as it is kept.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.viewers <- struct{}{}:
		defer func() { <-s.viewers }()
	default:
		w.Header().Set("Retry-After", "15")
		http.Error(w, "too many viewers", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold the stream back
	st := stream{site: s, w: w, r: r, rc: http.NewResponseController(w)}
	st.after, _ = strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 64)
	if st.after == 0 {
		st.after, _ = strconv.ParseUint(r.URL.Query().Get("after"), 10, 64) // what the page was rendered with
	}
	if st.write(fmt.Appendf(nil, "retry: %d\n\n", retryMS)) != nil || st.refresh(true) != nil {
		return
	}
	tick := time.NewTicker(s.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			if s.Access == Session && !s.admits(r, false) {
				_ = st.write([]byte("event: over\ndata: {}\n\n"))
				return
			}
			if st.refresh(false) != nil {
				return
			}
		}
	}
}

// stream is one viewer's connection.
type stream struct {
	*site
	w     http.ResponseWriter
	r     *http.Request
	rc    *http.ResponseController
	after uint64    // sequence number that the viewer has seen
	shown time.Time // the second of the last update
	wrote time.Time
}

// refresh sends an update when there is something new: a decision, or another second
// of a chart that still moves; else a heartbeat now and then.
func (st *stream) refresh(force bool) error {
	now := st.Now()
	snap := st.Feed.Snapshot(st.after, newPerKind)
	second := now.Truncate(time.Second)
	moving := !snap.Last.IsZero() && now.Sub(snap.Last) < (seriesSeconds+2)*time.Second && second != st.shown
	if !force && !moving && snap.Seq == st.after {
		if now.Sub(st.wrote) < heartbeat {
			return nil
		}
		return st.write([]byte(": still here\n\n"))
	}
	u, err := st.update(st.r, &snap)
	if err != nil {
		return err
	}
	data, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("encode update: %w", err)
	}
	st.after, st.shown = snap.Seq, second
	return st.write(fmt.Appendf(nil, "id: %d\nevent: update\ndata: %s\n\n", snap.Seq, data))
}

func (st *stream) write(b []byte) error {
	st.wrote = st.Now()
	// A recorder in a test has no deadline; a real connection does, and a failure shows in the write.
	_ = st.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := st.w.Write(b); err != nil {
		return fmt.Errorf("write stream: %w", err)
	}
	if err := st.rc.Flush(); err != nil {
		return fmt.Errorf("flush stream: %w", err)
	}
	return nil
}

// update renders what changed since the viewer's last look.
func (s *site) update(r *http.Request, snap *Snapshot) (update, error) {
	v := s.view(r, snap)
	u := update{Text: v.texts(), Attr: v.attributes()}
	if len(v.Rows) > 0 {
		var b bytes.Buffer
		if err := rows(v.Rows).Render(r.Context(), &b); err != nil {
			return update{}, fmt.Errorf("render rows: %w", err)
		}
		u.Rows = b.String()
	}
	return u, nil
}
