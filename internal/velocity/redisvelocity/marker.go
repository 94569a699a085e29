package redisvelocity

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// markers are keys all over the slots, each with the moment when a process last looked, in milliseconds. What a server
// loses takes its markers along, or sets them back: that is how a flush, a restart without data and a failover that lost
// writes are known. A marker is a hash. Its field v is
//
//	missing          all that its server had is lost, or it never had anything
//	1767225600000    all is well, and was at that moment
//	-1767225600000   writes after that moment are lost
//	h1767225600000:… somebody is bringing them back; 0 is all of them
//
// A missing marker is never made but by who heals. Field e is when that was. Every process has a field of its own with
// what v was when it last looked, and compares it too: so a process that comes new after a failover and moves v on hides
// nothing from those who were there before.
const markers = 64

const (
	markKeep   = 10 * time.Minute // how long the field of a process that does not come is kept at least
	blameSince = 3 * time.Minute  // a log that is found short lost what it lost since then
)

// marks is what this process knows of the markers.
type marks struct {
	keys []string
	lock string // key of the healer's lock
	self string // field of this process

	mu       sync.Mutex
	seen     []int64 // what each was at least, and so this process's field there; 0: nothing is known
	first    []int64 // when this process made its field there, or an earlier look
	looked   time.Time
	known    bool // they were looked at
	lost     bool
	since    time.Time
	reported bool
}

// init names the markers, which are those of one signature: to logs of a new kind all is lost.
func (m *marks) init(prefix, signature string) {
	for _, tag := range spread(markers) {
		m.keys = append(m.keys, prefix+signature+":m:{"+tag+"}")
	}
	m.seen, m.first = make([]int64, markers), make([]int64, markers)
	m.lock = prefix + signature + ":h"
}

// Health is what is known of the windows as a whole.
type Health struct {
	Ready bool // the server answered when it was last asked, and nothing is known to be lost
	Known bool // the server has told whether something is lost
	Lost  bool // something is, and readings are incomplete
	// LostSince is the moment from which on what was counted may be missing; zero if it may be anything. It is the moment of
	// counting, not the time of the event.
	LostSince time.Time
}

// Health tells what is known now, without asking.
func (w *Windows) Health() Health {
	m := &w.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	return Health{Ready: m.known && !m.lost && !w.breaker.open(), Known: m.known, Lost: m.lost, LostSince: m.since}
}

func (m *marks) incomplete() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lost || !m.known
}

// due looks at the markers if it is time: the first time at once, and later in the background.
func (m *marks) due(ctx context.Context, w *Windows, c client) {
	now := w.o.Now()
	m.mu.Lock()
	known := m.known
	due := now.Sub(m.looked) >= markEvery
	if due {
		m.looked = now
	}
	m.mu.Unlock()
	switch {
	case !known:
		if err := m.look(ctx, w, c); err != nil {
			w.o.Log.Warn("markers not read; readings are called incomplete", slog.Any("error", err))
		}
	case due:
		w.background.Go(func() { m.lookAgain(w, c) })
	}
}

// lookAgain is look in the background. Who calls the server tells when it cannot be reached.
func (m *marks) lookAgain(w *Windows, c client) {
	ctx, cancel := context.WithTimeout(w.closing, w.o.BatchTimeout)
	defer cancel()
	if err := m.look(ctx, w, c); err != nil {
		w.o.Log.Debug("markers not read", slog.Any("error", err))
	}
}

// suspect looks at the markers now, because logs were not what they had been. Those of their slots that say that all is
// well are told better.
func (m *marks) suspect(ctx context.Context, w *Windows, c client, logs []string) {
	err := m.look(ctx, w, c)
	if err == nil {
		err = m.blame(ctx, w, c, logs)
	}
	if err != nil {
		w.o.Log.Debug("markers not read", slog.Any("error", err))
	}
}

func (m *marks) blame(ctx context.Context, w *Windows, c client, logs []string) error {
	var keys []string
	for _, log := range logs {
		if key := m.keys[markerOf(log)]; !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	args := []string{strconv.FormatInt(w.o.Now().Add(-blameSince).UnixMilli(), 10), strconv.FormatInt(w.life.Milliseconds(), 10)}
	answers, err := w.each(ctx, c, &w.scripts.blame, keys, func(int) []string { return args })
	if err != nil || !slices.Contains(answers, "1") {
		return err
	}
	return m.look(ctx, w, c)
}

// markerOf is the number of the marker that shares its 64th of the slots with a log.
func markerOf(log string) int {
	_, tag, _ := strings.Cut(log, "{")
	tag, _, _ = strings.Cut(tag, "}")
	return slotOf(tag) * markers / slotCount
}

// look reads all markers and moves them on.
func (m *marks) look(ctx context.Context, w *Windows, c client) error {
	values, err := m.read(ctx, w, c)
	if err != nil {
		return err
	}
	lost, since := false, time.Time{}
	for _, value := range values {
		if at, ok := lostSince(value); ok {
			if !lost || at.Before(since) {
				since = at
			}
			lost = true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known, m.lost, m.since = true, lost, since
	if lost != m.reported {
		m.reported = lost
		w.o.Log.Warn("what redis holds", slog.Bool("lost", lost), slog.Time("since", since))
	}
	return nil
}

// read moves all markers on and returns what they were.
func (m *marks) read(ctx context.Context, w *Windows, c client) ([]string, error) {
	now := w.o.Now().UnixMilli()
	keep := markKeep.Milliseconds()
	ttl := strconv.FormatInt(w.life.Milliseconds(), 10)
	m.mu.Lock()
	args := make([][]string, markers)
	fresh := make([]bool, markers)
	for i, seen := range m.seen {
		missing := ""
		if fresh[i] = now-seen < keep/2; fresh[i] { // nobody has removed it: the server is what it was before it was made
			missing = strconv.FormatInt(m.first[i]-keep, 10)
		}
		args[i] = []string{strconv.FormatInt(now, 10), ttl, m.self, strconv.FormatInt(seen, 10), missing, strconv.FormatInt(keep, 10)}
	}
	m.looked = w.o.Now()
	m.mu.Unlock()
	values, err := w.each(ctx, c, &w.scripts.mark, m.keys, func(i int) []string { return args[i] })
	if err != nil {
		return nil, fmt.Errorf("read markers: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, value := range values {
		m.seen[i] = 0 // whoever heals may begin with any moment
		if at, err := strconv.ParseInt(value, 10, 64); err == nil && at > 0 {
			if m.seen[i] = max(at, now); !fresh[i] {
				m.first[i] = now
			}
		}
	}
	return values, nil
}

// lostSince reads a marker; ok is false if all is well.
func lostSince(value string) (since time.Time, ok bool) {
	text := ""
	switch {
	case value == "":
		return time.Time{}, true
	case value[0] == '-':
		text = value[1:]
	case value[0] == 'h':
		text, _, _ = strings.Cut(value[1:], ":")
	default:
		return time.Time{}, false
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at == 0 {
		return time.Time{}, true
	}
	return time.UnixMilli(at).UTC(), true
}

// Run looks at the markers regularly until ctx ends, so that a loss is noticed while nothing is asked.
func (w *Windows) Run(ctx context.Context) {
	ticker := time.NewTicker(markEvery)
	defer ticker.Stop()
	for {
		err := w.call(ctx, w.o.BatchTimeout, func(ctx context.Context, c client) error { return w.marks.look(ctx, w, c) })
		if err != nil {
			w.o.Log.Debug("markers not read", slog.Any("error", err))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
