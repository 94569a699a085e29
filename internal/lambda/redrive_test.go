package lambda

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/stream"
)

// queue is a queue in memory. What is received is hidden until it is released.
type queue struct {
	waiting, hidden []Message
	receipts        int
	fail            map[string]error // by method
	again           bool             // a hidden message comes again, as if its time were over
}

func (q *queue) put(bodies ...[]byte) {
	for _, b := range bodies {
		q.waiting = append(q.waiting, Message{ID: fmt.Sprintf("m%d", len(q.waiting)+len(q.hidden)), Body: b})
	}
}

func (q *queue) Receive(context.Context) (Message, bool, error) {
	if err := q.fail["receive"]; err != nil {
		return Message{}, false, err
	}
	q.receipts++
	if q.again && len(q.hidden) > 0 {
		q.again = false
		return q.hidden[0], true, nil
	}
	if len(q.waiting) == 0 {
		return Message{}, false, nil
	}
	m := q.waiting[0]
	m.Handle = fmt.Sprint("receipt ", q.receipts)
	q.waiting, q.hidden = q.waiting[1:], append(q.hidden, m)
	return m, true, nil
}

func (q *queue) take(m Message) bool {
	at := slices.IndexFunc(q.hidden, func(h Message) bool { return h.ID == m.ID && h.Handle == m.Handle })
	if at >= 0 {
		q.hidden = slices.Delete(q.hidden, at, at+1)
	}
	return at >= 0
}

func (q *queue) Delete(_ context.Context, m Message) error {
	if err := q.fail["delete"]; err != nil {
		return err
	}
	q.take(m)
	return nil
}

func (q *queue) Release(ctx context.Context, m Message) error {
	if err := errors.Join(q.fail["release"], ctx.Err()); err != nil {
		return err
	}
	if q.take(m) {
		q.waiting = append(q.waiting, m)
	}
	return nil
}

// keeps is a stream that still has the records from a number on.
func keeps(from int, all ...stream.Record) ReadRange {
	return func(_ context.Context, p stream.Partition, first, last string) (Range, error) {
		var found Range
		var err error
		for i := range all {
			position := string(all[i].Position)
			switch {
			case all[i].Partition != p || compareSequence(position, first) < 0 || compareSequence(position, last) > 0:
			case i+1 < from:
				err = fmt.Errorf("read: %w", stream.ErrTrimmed)
			default:
				found.Records = append(found.Records, all[i])
				found.Found++
			}
		}
		return found, err
	}
}

func TestRedriveCarriesWhatWasGivenUp(t *testing.T) {
	all := batch("s", 9)
	for _, c := range []struct {
		name    string
		bodies  [][]byte
		read    ReadRange
		options RedriveOptions
		fail    map[string]error
		want    Redriven
		carried string
		left    int
		err     error
	}{
		{"nothing", nil, keeps(1, all...), RedriveOptions{}, nil, Redriven{}, "", 0, nil},
		{"two batches", [][]byte{lambdatest.FailedMessage("s", all[1:3], 9), lambdatest.FailedMessage("s", all[5:6], 9)}, keeps(1, all...), RedriveOptions{}, nil, Redriven{Batches: 2, Records: 3}, "s/2 s/3 s/6", 0, nil},
		{"one that starts too early", [][]byte{lambdatest.FailedMessage("s", all[1:4], 9)}, keeps(4, all...), RedriveOptions{}, nil,
			Redriven{Records: 1, Gaps: []Gap{{"s", "49602", "49604", 2}}, Stay: 1}, "s/4", 1, nil},
		{"one that is gone", [][]byte{lambdatest.FailedMessage("s", all[1:4], 9)}, keeps(10, all...), RedriveOptions{}, nil, Redriven{Gaps: []Gap{{"s", "49602", "49604", 3}}, Stay: 1}, "", 1, nil},
		{"one that is gone and forgotten", [][]byte{lambdatest.FailedMessage("s", all[1:4], 9)}, keeps(3, all...), RedriveOptions{ForgetGaps: true}, nil, Redriven{Records: 2, Gaps: []Gap{{"s", "49602", "49604", 1}}}, "s/3 s/4", 0, nil},
		{"one of another stream and one of none", [][]byte{[]byte(givenUp), []byte(`{"command":["doctor"]}`), lambdatest.FailedMessage("s", all[:1], 9)}, keeps(1, all...), RedriveOptions{}, nil, Redriven{Batches: 1, Records: 1, Stay: 2, Other: 2}, "s/1", 2, nil},
		{"a malformed one beside a good one", [][]byte{[]byte(`{"KinesisBatchInfo":{}}`), lambdatest.FailedMessage("s", all[:1], 9)}, keeps(1, all...), RedriveOptions{}, nil, Redriven{Batches: 1, Records: 1, Stay: 1}, "s/1", 1, ErrBatch},
		{"one that fails again", [][]byte{lambdatest.FailedMessage("s", all[:3], 9), lambdatest.FailedMessage("s", all[4:5], 9)}, keeps(1, all...), RedriveOptions{}, map[string]error{"s/2": errDown}, Redriven{Batches: 1, Records: 2, Stay: 1}, "s/1 s/5", 1, errDown},
		{"no more than the limit", [][]byte{lambdatest.FailedMessage("s", all[:1], 9), lambdatest.FailedMessage("s", all[1:2], 9)}, keeps(1, all...), RedriveOptions{Limit: 1}, nil, Redriven{Batches: 1, Records: 1}, "s/1", 1, nil},
		{"a stream that cannot be read", [][]byte{lambdatest.FailedMessage("s", all[:1], 9)}, func(context.Context, stream.Partition, string, string) (Range, error) { return Range{}, errDown }, RedriveOptions{}, nil, Redriven{Stay: 1}, "", 1, errDown},
		{"as many as there were, though one is gone", [][]byte{lambdatest.FailedMessage("s", []stream.Record{all[0], all[4]}, 9)}, keeps(2, all...), RedriveOptions{}, nil, Redriven{Records: 4, Gaps: []Gap{{"s", "49601", "49605", 1}}, Stay: 1}, "s/2 s/3 s/4 s/5", 1, nil},
		{"records of other lanes in the range", [][]byte{lambdatest.FailedMessage("s", []stream.Record{all[0], all[4]}, 9)}, keeps(1, all...), RedriveOptions{}, nil, Redriven{Batches: 1, Records: 5}, "s/1 s/2 s/3 s/4 s/5", 0, nil},
	} {
		q := &queue{}
		q.put(c.bodies...)
		to := &carried{fail: c.fail}
		c.options.Stream = "test"
		done, err := Redrive(t.Context(), q, c.read, to.carry, c.options)
		if diff := cmp.Diff(c.want, done); diff != "" || !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, diff)
		}
		if got := strings.Join(to.data, " "); got != c.carried || len(q.waiting) != c.left || len(q.hidden) != 0 {
			t.Errorf("%s: carried %q, %d messages wait and %d are hidden", c.name, got, len(q.waiting), len(q.hidden))
		}
	}
}

func TestRedriveTwiceIsAsOnce(t *testing.T) {
	all := batch("s", 4)
	q := &queue{fail: map[string]error{"delete": errDown}}
	q.put(lambdatest.FailedMessage("s", all[:2], 9), lambdatest.FailedMessage("s", all[2:], 9))
	to := &carried{}
	done, err := Redrive(t.Context(), q, keeps(1, all...), to.carry, RedriveOptions{Stream: "test"})
	if !errors.Is(err, errDown) || done.Batches != 0 || done.Stay != 2 || len(q.waiting) != 2 {
		t.Fatalf("with a queue that deletes nothing: %v %+v", err, done)
	}
	q.fail = nil
	done, err = Redrive(t.Context(), q, keeps(1, all...), to.carry, RedriveOptions{Stream: "test"})
	if err != nil || done.Batches != 2 || len(q.waiting) != 0 || strings.Join(to.data, " ") != "s/1 s/2 s/3 s/4 s/1 s/2 s/3 s/4" {
		t.Errorf("%v %+v, carried %v", err, done, to.data)
	}
	done, err = Redrive(t.Context(), q, keeps(1, all...), to.carry, RedriveOptions{Stream: "test"})
	if err != nil || done.Batches+done.Records+done.Stay != 0 {
		t.Errorf("of an empty queue: %v %+v", err, done)
	}
}

func TestMessageThatComesAgainIsLeftAlone(t *testing.T) {
	all := batch("s", 4)
	q := &queue{again: true}
	q.put(lambdatest.FailedMessage("s", all[:2], 9), lambdatest.FailedMessage("s", all[2:], 9))
	to := &carried{fail: map[string]error{"s/1": errDown}}
	done, err := Redrive(t.Context(), q, keeps(1, all...), to.carry, RedriveOptions{Stream: "test"})
	if !errors.Is(err, errDown) || done.Batches != 1 || done.Stay != 1 || strings.Join(to.data, " ") != "s/3 s/4" || len(q.waiting) != 1 {
		t.Errorf("%v %+v, carried %v, %d wait", err, done, to.data, len(q.waiting))
	}
}

func TestRedriveThatIsStopped(t *testing.T) {
	all := batch("s", 4)
	q := &queue{}
	q.put(lambdatest.FailedMessage("s", all[:2], 9), lambdatest.FailedMessage("s", all[2:], 9))
	ctx, stop := context.WithCancel(t.Context())
	done, err := Redrive(ctx, q, keeps(1, all...), func(context.Context, stream.Partition, []stream.Record) (int, error) {
		stop()
		return 1, ctx.Err()
	}, RedriveOptions{Stream: "test"})
	if !errors.Is(err, context.Canceled) || done.Records != 1 || done.Stay != 1 || len(q.waiting) != 2 || len(q.hidden) != 0 {
		t.Errorf("%v %+v, %d wait, %d hidden", err, done, len(q.waiting), len(q.hidden))
	}
}

func TestQueueThatFails(t *testing.T) {
	q := &queue{fail: map[string]error{"receive": errDown}}
	if _, err := Redrive(t.Context(), q, keeps(1), (&carried{}).carry, RedriveOptions{}); !errors.Is(err, errDown) {
		t.Errorf("receiving: %v", err)
	}
	q = &queue{fail: map[string]error{"release": errDown}}
	q.put([]byte("{}"))
	if done, err := Redrive(t.Context(), q, keeps(1), (&carried{}).carry, RedriveOptions{}); !errors.Is(err, errDown) || done.Stay != 1 {
		t.Errorf("releasing: %v %+v", err, done)
	}
}
