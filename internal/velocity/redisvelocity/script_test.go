package redisvelocity

import (
	"testing"

	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/redis/rueidis"
)

// A log is replaced up to the element that was read last, and not at all if something else lies there by now.
func TestReplaceComparesTheEnd(t *testing.T) {
	server := testenv.StartRedis(t)
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := newScripts().replace
	for _, test := range []struct {
		log  []string
		want int64
		left int64
	}{
		{[]string{"head", "a", "b"}, 1, 2},
		{[]string{"head", "a", "b", "c"}, 1, 3},
		{[]string{"head", "a"}, 0, 2},
		{[]string{"head", "a", "c", "d"}, 0, 4},
		{[]string{"other", "a", "b"}, 0, 3},
		{nil, 0, 0},
	} {
		server.Flush(t)
		if len(test.log) > 0 {
			server.Do(t, append([]string{"RPUSH", "log"}, test.log...)...)
		}
		got, err := s.run(t.Context(), c, "log", "head", "3", "b", "60000", "new", "ab").AsInt64()
		if err != nil || got != test.want {
			t.Errorf("%v: %d, %v; want %d", test.log, got, err, test.want)
		}
		left, err := c.Do(t.Context(), c.B().Llen().Key("log").Build()).AsInt64()
		if err != nil || left != test.left {
			t.Errorf("%v: %d left, %v; want %d", test.log, left, err, test.left)
		}
	}
}

// The marker of a log is one whose slot lies in the same 64th.
func TestMarkerOf(t *testing.T) {
	for i, tag := range spread(markers) {
		if got := markerOf("fs:sig:{" + tag + "}"); got != i {
			t.Errorf("marker of slot %d is %d, want %d", slotOf(tag), got, i)
		}
	}
}
