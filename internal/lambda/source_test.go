package lambda

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
)

// filled is a real log with records of keys: their data is the prefix, the key, and a number that counts up.
func filled(t *testing.T, keys, each int, prefix func(key, number int) string) *sqlitestream.Log {
	t.Helper()
	log, err := sqlitestream.Open(t.Context(), filepath.Join(t.TempDir(), "stream.db"), sqlitestream.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	for number := range each {
		entries := make([]stream.Entry, keys)
		for key := range keys {
			entries[key] = stream.Entry{Key: []byte{byte(key)}, Data: fmt.Appendf(nil, "%s/%d/%03d", prefix(key, number), key, number)}
		}
		if err := log.Append(t.Context(), entries); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

// files is what the processes have carried, by key, in order and with repetitions.
func files(t *testing.T, dir string) map[string][]string {
	t.Helper()
	byKey := map[string][]string{}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			parts := strings.Split(lines.Text(), "/")
			byKey[parts[1]] = append(byKey[parts[1]], parts[2])
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return byKey
}

// first drops repetitions: the first of each counts.
func first(all []string) []string {
	var once []string
	for _, a := range all {
		if !slices.Contains(once, a) {
			once = append(once, a)
		}
	}
	return once
}

// failures are messages of a destination.
type failures struct {
	mu  sync.Mutex
	all []Failed
}

func (f *failures) add(t *testing.T) func([]byte) {
	return func(message []byte) {
		one, err := ParseFailed(message)
		if err != nil {
			t.Errorf("%v: %s", err, message)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.all = append(f.all, one)
	}
}

func drain(t *testing.T, s *lambdatest.Source) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

// Every record of a key is carried, in order, whatever happens to the processes.
func TestStreamThroughProcessesThatAreKilled(t *testing.T) {
	dir := t.TempDir()
	const keys, each = 20, 20
	log := filled(t, keys, each, func(key, _ int) string {
		if key%5 == 0 {
			return "slow"
		}
		return "fast"
	})
	f := start(t, "process", lambdatest.Options{}, "CHILD_DIR="+dir)
	s := lambdatest.Poll(t, log, f, 2, lambdatest.SourceOptions{Batch: 10, Retries: 1000, Pause: time.Millisecond, Failed: func(m []byte) { t.Errorf("given up: %s", m) }})
	kills := 0
	for ; kills < 3; kills++ {
		seen := strings.Count(f.Logs(), "slow record")
		waitFor(t, func() bool { return strings.Count(f.Logs(), "slow record") > seen })
		f.Kill()
	}
	drain(t, s)
	byKey := files(t, dir)
	for key := range keys {
		all := first(byKey[fmt.Sprint(key)])
		if len(all) != each || !slices.IsSorted(all) {
			t.Errorf("key %d: %v", key, all)
		}
	}
	if f.Starts() <= kills {
		t.Errorf("%d starts after %d kills", f.Starts(), kills)
	}
}

func TestPoisonGoesToTheDestinationAlone(t *testing.T) {
	for _, bad := range []string{"poison", "deadly"} {
		dir := t.TempDir()
		const keys, each = 8, 10
		log := filled(t, keys, each, func(key, number int) string {
			if key == 3 && number == 4 {
				return bad
			}
			return "good"
		})
		f := start(t, "process", lambdatest.Options{}, "CHILD_DIR="+dir)
		var given failures
		s := lambdatest.Poll(t, log, f, 1, lambdatest.SourceOptions{Batch: 30, Retries: 2, Pause: time.Millisecond, Failed: given.add(t)})
		drain(t, s)
		for key, all := range files(t, dir) {
			want := each
			if key == "3" {
				want--
			}
			if all = first(all); len(all) != want || !slices.IsSorted(all) {
				t.Errorf("%s: key %s: %v", bad, key, all)
			}
		}
		if len(given.all) != 1 || given.all[0].Records != 1 || given.all[0].From != given.all[0].To || given.all[0].Tries != 3 {
			t.Fatalf("%s: given up: %+v", bad, given.all)
		}
		found, err := log.Read(t.Context(), given.all[0].Partition, "", 1000)
		at := slices.IndexFunc(found, func(r stream.Record) bool { return string(r.Position) == given.all[0].From })
		if err != nil || at < 0 || string(found[at].Data) != bad+"/3/004" {
			t.Errorf("%s: %v: the message points elsewhere: %+v", bad, err, given.all[0])
		}
	}
}

// scripted answers events as it is told to.
type scripted func(numbers []string) (response, functionError string)

func (s scripted) Invoke(_ context.Context, payload any) ([]byte, string, error) {
	response, functionError := s(numbersOf(payload))
	return []byte(response), functionError, nil
}

func numbersOf(payload any) []string {
	var numbers []string
	for _, r := range eventOf(payload).Records {
		numbers = append(numbers, r.Kinesis.SequenceNumber)
	}
	return numbers
}

// invoker is told of events and fails none.
type invoker func(payload any)

func (f invoker) Invoke(_ context.Context, payload any) ([]byte, string, error) {
	f(payload)
	return []byte("{}"), "", nil
}

func eventOf(payload any) events.KinesisEvent {
	e, ok := payload.(events.KinesisEvent)
	if !ok {
		panic("no event of Kinesis")
	}
	return e
}

// finite is a log of one shard that takes no more records.
type finite []stream.Record

func (finite) Partitions(context.Context) ([]stream.Partition, error) {
	return []stream.Partition{"s"}, nil
}

func (e finite) Read(_ context.Context, _ stream.Partition, after stream.Position, limit int) ([]stream.Record, error) {
	at := 1 + slices.IndexFunc(e, func(r stream.Record) bool { return r.Position == after })
	if at == len(e) {
		return nil, stream.ErrEnded
	}
	return e[at:min(at+limit, len(e))], nil
}

// The driver is Lambda for the tests, so what it does is tested as well.
func TestSourceDoesAsLambdaDoes(t *testing.T) {
	for _, c := range []struct {
		name    string
		retries int
		answer  scripted
		want    string
		given   string
	}{
		{"all handled", 3, func([]string) (string, string) { return `{"batchItemFailures":[]}`, "" }, "12345 678", ""},
		{"no answer", 3, func([]string) (string, string) { return "null", "" }, "12345 678", ""},
		{"handled in part", 3, func(n []string) (string, string) {
			if len(n) == 5 {
				return `{"batchItemFailures":[{"itemIdentifier":"49604"},{"itemIdentifier":"49603"}]}`, ""
			}
			return "{}", ""
		}, "12345 345 678", ""},
		{"a number of none", 1, func(n []string) (string, string) {
			if len(n) == 5 {
				return `{"batchItemFailures":[{"itemIdentifier":"7"}]}`, ""
			}
			return "{}", ""
		}, "12345 12 345 678", ""},
		{"poison that an error hides", 2, func(n []string) (string, string) {
			if slices.Contains(n, "49604") {
				return "{}", "Unhandled"
			}
			return "{}", ""
		}, "12345 12 345 3 45 4 4 4 5 678", "4"},
		{"no retries", 0, func(n []string) (string, string) { return "{}", "Unhandled" }, "12345 678", "12345 678"},
		{"no JSON", 0, func([]string) (string, string) { return "oops", "" }, "12345 678", "12345 678"},
	} {
		var sent, given []string
		f := scripted(func(numbers []string) (string, string) {
			sent = append(sent, strings.ReplaceAll(strings.Join(numbers, ""), "4960", ""))
			return c.answer(numbers)
		})
		s := lambdatest.Poll(t, finite(batch("s", 8)), f, 1, lambdatest.SourceOptions{Batch: 5, Retries: c.retries, Pause: time.Millisecond, Failed: func(m []byte) {
			one, err := ParseFailed(m)
			if err != nil {
				t.Error(err)
			}
			text := ""
			for i := one.From[4] - '0'; i <= one.To[4]-'0'; i++ {
				text += string('0' + rune(i))
			}
			given = append(given, text)
		}})
		drain(t, s)
		s.Stop()
		if strings.Join(sent, " ") != c.want || strings.Join(given, " ") != c.given || s.Invoked() != len(sent) {
			t.Errorf("%s: sent %v, gave up %v", c.name, sent, given)
		}
	}
}

func TestSourceKeepsKeysInOrderWhenParallel(t *testing.T) {
	var mu sync.Mutex
	busy, most := 0, 0
	byKey := map[string][]string{}
	f := invoker(func(payload any) {
		mu.Lock()
		busy++
		most = max(most, busy)
		mu.Unlock()
		time.Sleep(time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		busy--
		for _, r := range eventOf(payload).Records {
			parts := strings.Split(string(r.Kinesis.Data), "/")
			byKey[parts[1]] = append(byKey[parts[1]], parts[2])
		}
	})
	log := filled(t, 16, 10, func(int, int) string { return "x" })
	drain(t, lambdatest.Poll(t, log, f, 3, lambdatest.SourceOptions{Batch: 4, Pause: time.Millisecond}))
	mu.Lock()
	defer mu.Unlock()
	for key, all := range byKey {
		if len(all) != 10 || !slices.IsSorted(all) {
			t.Errorf("key %s: %v", key, all)
		}
	}
	if len(byKey) != 16 || most < 2 {
		t.Errorf("%d keys, %d at once", len(byKey), most)
	}
}

func TestDrainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s := lambdatest.Poll(t, finite(batch("s", 3)), scripted(func([]string) (string, string) { return "", "Unhandled" }), 1, lambdatest.SourceOptions{Retries: 1 << 30, Pause: time.Millisecond})
	if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}
