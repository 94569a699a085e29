package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/stream"
)

var noon = time.Date(2026, 3, 1, 15, 30, 0, 0, time.UTC)

// batch is n records of a shard, numbered from 1.
func batch(shard stream.Partition, n int) []stream.Record {
	records := make([]stream.Record, n)
	for i := range records {
		number := strconv.Itoa(i + 1)
		records[i] = stream.Record{Partition: shard, Position: stream.Position("4960" + number), Key: []byte{byte(i)}, Data: []byte(string(shard) + "/" + number), AppendedAt: noon}
	}
	return records
}

// carried remembers what was carried, and fails at the data that fail has.
type carried struct {
	data []string
	fail map[string]error
}

func (c *carried) carry(_ context.Context, p stream.Partition, records []stream.Record) (int, error) {
	for i := range records {
		if records[i].Partition != p {
			return i, fmt.Errorf("a record of %s among those of %s", records[i].Partition, p)
		}
		if err := c.fail[string(records[i].Data)]; err != nil {
			return i, err
		}
		c.data = append(c.data, string(records[i].Data))
	}
	return len(records), nil
}

// send hands an event over as the runtime does and returns what is asked for again.
func send(t *testing.T, c Consumer, e events.KinesisEvent) []string {
	t.Helper()
	response, functionError, err := inProcess(c).Invoke(t.Context(), e)
	if err != nil || functionError != "" {
		t.Fatalf("%s %v: %s", functionError, err, response)
	}
	var r struct {
		Failures []struct {
			Item string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(response, &r); err != nil || !bytes.Contains(response, []byte(`"batchItemFailures":[`)) {
		t.Fatalf("%v: %s", err, response)
	}
	items := []string{}
	for _, f := range r.Failures {
		items = append(items, f.Item)
	}
	return items
}

var errDown = errors.New("store is down")

func TestWhatWasNotCarriedIsAskedForAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		records int
		fail    string
		again   []string
		carried int
	}{
		{"all", 5, "", []string{}, 5}, {"nothing to do", 0, "", []string{}, 0}, {"the first fails", 5, "s/1", []string{"49601"}, 0},
		{"one in the middle fails", 5, "s/3", []string{"49603"}, 2}, {"the last fails", 5, "s/5", []string{"49605"}, 4}, {"the only one fails", 1, "s/1", []string{"49601"}, 0},
	} {
		to := &carried{fail: map[string]error{c.fail: errDown}}
		if again := send(t, Stream(to.carry, lambdatest.Records, Options{}), lambdatest.KinesisEvent("s", batch("s", c.records))); !slices.Equal(again, c.again) || len(to.data) != c.carried {
			t.Errorf("%s: again from %v, carried %v", c.name, again, to.data)
		}
	}
}

func TestRecordsArriveAsTheyWere(t *testing.T) {
	want := batch("shardId-000000000001", 3)
	var got []stream.Record
	send(t, Stream(func(_ context.Context, _ stream.Partition, records []stream.Record) (int, error) {
		got = append(got, records...)
		return len(records), nil
	}, lambdatest.Records, Options{}), lambdatest.KinesisEvent("shardId-000000000001", want))
	for i := range want {
		if !bytes.Equal(got[i].Data, want[i].Data) || !bytes.Equal(got[i].Key, want[i].Key) || got[i].Position != want[i].Position || got[i].Partition != want[i].Partition || !got[i].AppendedAt.Equal(noon) {
			t.Errorf("record %d is %+v, was %+v", i, got[i], want[i])
		}
	}
}

func TestShardsOfOneEventAreApart(t *testing.T) {
	a, b, c := lambdatest.KinesisEvent("a", batch("a", 3)), lambdatest.KinesisEvent("b", batch("b", 3)), lambdatest.KinesisEvent("c", batch("c", 1))
	e := events.KinesisEvent{Records: []events.KinesisEventRecord{a.Records[0], b.Records[0], b.Records[1], a.Records[1], c.Records[0], a.Records[2], b.Records[2]}}
	to := &carried{fail: map[string]error{"a/2": errDown, "c/1": errDown}}
	again := send(t, Stream(to.carry, lambdatest.Records, Options{}), e)
	if !slices.Equal(again, []string{"49602", "49601"}) || !slices.Equal(to.data, []string{"a/1", "b/1", "b/2", "b/3"}) {
		t.Errorf("again from %v, carried %v", again, to.data)
	}
}

func TestRecordThatHoldsSeveralIsCarriedWhole(t *testing.T) {
	// Each Kinesis record holds its data three times.
	three := func(r events.KinesisEventRecord) ([]stream.Record, error) {
		one, err := lambdatest.Records(r)
		return []stream.Record{one[0], one[0], one[0]}, err
	}
	for done, want := range map[int][]string{0: {"49601"}, 2: {"49601"}, 3: {"49602"}, 4: {"49602"}, 6: {"49603"}, 8: {"49603"}, 9: {}} {
		c := Stream(func(_ context.Context, _ stream.Partition, records []stream.Record) (int, error) {
			if len(records) != 9 {
				t.Errorf("%d records", len(records))
			}
			if done < 9 {
				return done, errDown
			}
			return done, nil
		}, three, Options{})
		if again := send(t, c, lambdatest.KinesisEvent("s", batch("s", 3))); !slices.Equal(again, want) {
			t.Errorf("%d of 9 done: again from %v, want %v", done, again, want)
		}
	}
}

func TestRecordThatCannotBeConverted(t *testing.T) {
	var log bytes.Buffer
	for _, bad := range []string{"1", "3", "5"} {
		to := &carried{}
		convert := func(r events.KinesisEventRecord) ([]stream.Record, error) {
			switch {
			case r.Kinesis.SequenceNumber != "4960"+bad:
			case bad == "3":
				panic("111.444.777-35")
			default:
				return nil, errors.New("no record")
			}
			return lambdatest.Records(r)
		}
		again := send(t, Stream(to.carry, convert, Options{Log: slog.New(slog.NewJSONHandler(&log, nil))}), lambdatest.KinesisEvent("s", batch("s", 5)))
		if n, _ := strconv.Atoi(bad); !slices.Equal(again, []string{"4960" + bad}) || len(to.data) != n-1 {
			t.Errorf("record %s: again from %v, carried %v", bad, again, to.data)
		}
	}
	if text := log.String(); strings.Contains(text, "111.444") || !strings.Contains(text, "no record") || !strings.Contains(text, `"from":"49605"`) || !strings.Contains(text, `"done":4`) {
		t.Errorf("logged %s", text)
	}
}

func TestCarryThatBreaksItsWord(t *testing.T) {
	for _, c := range []struct {
		name  string
		carry Carry
		want  []string
	}{
		{"panics", func(context.Context, stream.Partition, []stream.Record) (int, error) { panic("x") }, []string{"49601"}},
		{"stops without a reason", func(context.Context, stream.Partition, []stream.Record) (int, error) { return 2, nil }, []string{"49603"}},
		{"counts below nothing", func(context.Context, stream.Partition, []stream.Record) (int, error) { return -1, errDown }, []string{"49601"}},
		{"counts beyond the end", func(context.Context, stream.Partition, []stream.Record) (int, error) { return 9, nil }, []string{}},
		{"fails with all done", func(context.Context, stream.Partition, []stream.Record) (int, error) { return 3, errDown }, []string{}},
	} {
		if again := send(t, Stream(c.carry, lambdatest.Records, Options{}), lambdatest.KinesisEvent("s", batch("s", 3))); !slices.Equal(again, c.want) {
			t.Errorf("%s: again from %v, want %v", c.name, again, c.want)
		}
	}
}

func TestMalformedKinesisEventIsAnError(t *testing.T) {
	for name, spoil := range map[string]func(*events.KinesisEventRecord){
		"another source":            func(r *events.KinesisEventRecord) { r.EventSource = "aws:sqs" },
		"no id":                     func(r *events.KinesisEventRecord) { r.EventID = "" },
		"no shard":                  func(r *events.KinesisEventRecord) { r.EventID = ":49602" },
		"no number":                 func(r *events.KinesisEventRecord) { r.Kinesis.SequenceNumber = "" },
		"an id of another's number": func(r *events.KinesisEventRecord) { r.EventID = "s:1" },
	} {
		e := lambdatest.KinesisEvent("s", batch("s", 3))
		spoil(&e.Records[1])
		to := &carried{}
		if _, err := Stream(to.carry, lambdatest.Records, Options{})(t.Context(), e); !errors.Is(err, errEvent) || len(to.data) != 0 {
			t.Errorf("%s: %v, carried %v", name, err, to.data)
		}
	}
}

func TestPartialAnswerBeforeLambdaEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		each := 50 * time.Second
		c := Stream(func(ctx context.Context, _ stream.Partition, records []stream.Record) (int, error) {
			for i := range records {
				if err := sleep(ctx, each); err != nil {
					return i, err
				}
			}
			return len(records), nil
		}, lambdatest.Records, Options{})
		a, b := lambdatest.KinesisEvent("a", batch("a", 3)), lambdatest.KinesisEvent("b", batch("b", 2))
		r, err := c(ctx, events.KinesisEvent{Records: append(a.Records, b.Records...)})
		want := []events.KinesisBatchItemFailure{{ItemIdentifier: "49603"}, {ItemIdentifier: "49601"}}
		if took := time.Since(began); err != nil || took != 115*time.Second || !slices.Equal(r.BatchItemFailures, want) {
			t.Errorf("after %s: %v %v", took, err, r)
		}
	})
}

func TestMarginOfAShortInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		inner, stop, margin := Options{}.or(streamMargin).work(ctx)
		defer stop()
		if deadline, ok := inner.Deadline(); !ok || margin != time.Second || time.Until(deadline) != 3*time.Second {
			t.Errorf("margin %s, %s are left", margin, time.Until(deadline))
		}
		if _, ok := t.Context().Deadline(); !ok {
			inner, stop, margin = Options{}.or(streamMargin).work(t.Context())
			defer stop()
			if _, ok := inner.Deadline(); ok || margin != 0 {
				t.Errorf("a deadline from nowhere, %s", margin)
			}
		}
	})
}

// Lambda repeats from the lowest number that is reported. Whatever fails when, every record is carried at least once, in
// order, and none that was reported as done is lost.
func TestRepeatedUntilDone(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		all := batch("s", rapid.IntRange(1, 30).Draw(rt, "records"))
		var stored []string
		c := Stream(func(_ context.Context, _ stream.Partition, records []stream.Record) (int, error) {
			done := rapid.IntRange(0, len(records)).Draw(rt, "done")
			for i := range done {
				stored = append(stored, string(records[i].Data))
			}
			if done < len(records) {
				return done, errDown
			}
			return done, nil
		}, lambdatest.Records, Options{})
		for rest, tries := all, 0; len(rest) > 0; tries++ {
			if tries > 10_000 {
				rt.Fatal("no end")
			}
			r, err := c(rt.Context(), lambdatest.KinesisEvent("s", rest))
			if err != nil {
				rt.Fatal(err)
			}
			if len(r.BatchItemFailures) == 0 {
				break
			}
			at := slices.IndexFunc(rest, func(r2 stream.Record) bool { return string(r2.Position) == r.BatchItemFailures[0].ItemIdentifier })
			rest = rest[at:]
		}
		for i := range all {
			if i >= len(stored) || stored[i] != string(all[i].Data) {
				rt.Fatalf("stored %v", stored)
			}
		}
	})
}

func FuzzKinesisEvent(f *testing.F) {
	seed, err := json.Marshal(lambdatest.KinesisEvent("shardId-000000000000", batch("shardId-000000000000", 2)))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{string(seed), `{}`, `{"Records":null}`, `{"Records":[{}]}`, `{"Records":[{"eventSource":"aws:kinesis","eventID":":","kinesis":{"sequenceNumber":""}}]}`} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, event string, done int) {
		var e events.KinesisEvent
		if json.Unmarshal([]byte(event), &e) != nil {
			return
		}
		shards := map[string]int{}
		r, err := Stream(func(_ context.Context, _ stream.Partition, records []stream.Record) (int, error) {
			if done < len(records) {
				return done, errDown
			}
			return len(records), nil
		}, lambdatest.Records, Options{})(t.Context(), e)
		for i := range e.Records {
			id, _, _ := strings.Cut(e.Records[i].EventID, ":")
			shards[id]++
		}
		if err != nil && len(r.BatchItemFailures) > 0 || len(r.BatchItemFailures) > len(shards) {
			t.Fatalf("%v: %v of %d shards", err, r, len(shards))
		}
		for _, f := range r.BatchItemFailures {
			if !slices.ContainsFunc(e.Records, func(r events.KinesisEventRecord) bool { return r.Kinesis.SequenceNumber == f.ItemIdentifier }) {
				t.Fatalf("item %q is of no record", f.ItemIdentifier)
			}
		}
	})
}
