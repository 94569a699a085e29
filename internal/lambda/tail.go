package lambda

import (
	"strings"
	"sync"
)

// tail keeps the end of what is written to it. Methods may be called at once.
type tail struct {
	room int // bytes

	mu      sync.Mutex
	kept    []byte // up to twice the room, so that little is moved
	dropped int64
}

// Write implements [io.Writer]; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if over := len(p) - t.room; over > 0 { // all before it would be dropped in the end
		t.dropped += int64(len(t.kept) + over)
		t.kept, p = t.kept[:0], p[over:]
	}
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*t.room {
		t.shrink()
	}
	return n, nil
}

func (t *tail) shrink() {
	if over := len(t.kept) - t.room; over > 0 {
		t.dropped += int64(over)
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
}

// text is what is kept, valid UTF-8, and how many bytes were written before it.
func (t *tail) text() (string, int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shrink()
	text, dropped := string(t.kept), t.dropped
	if dropped > 0 {
		whole := validStart(text)
		dropped += int64(len(text) - len(whole))
		text = whole
	}
	return strings.ToValidUTF8(text, "\ufffd"), dropped
}
