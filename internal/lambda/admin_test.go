package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"
)

// exit is an error with a status.
type exit int

func (e exit) Error() string { return "found something" }
func (e exit) ExitCode() int { return int(e) }

// administer sends an event as the runtime does.
func administer(t *testing.T, run Run, event string) (AdminResult, string) {
	t.Helper()
	response, functionError, err := inProcess(Admin(run, Options{})).Invoke(t.Context(), json.RawMessage(event))
	if err != nil {
		t.Fatal(err)
	}
	if functionError != "" {
		return AdminResult{}, string(response)
	}
	var r AdminResult
	if err := json.Unmarshal(response, &r); err != nil {
		t.Fatalf("%v: %s", err, response)
	}
	return r, ""
}

func TestCommandRunsAndAnswers(t *testing.T) {
	var got []string
	r, failed := administer(t, func(_ context.Context, command []string, out io.Writer) error {
		got = command
		_, err := io.WriteString(out, "migrated to 7\n")
		return err
	}, ` {"command": ["migrate", "--to", "7 ç"]} `)
	if failed != "" || r != (AdminResult{Output: "migrated to 7\n"}) || strings.Join(got, "|") != "migrate|--to|7 ç" {
		t.Errorf("%s: %+v of %q", failed, r, got)
	}
}

func TestCommandsOfTheSchedule(t *testing.T) {
	for event, want := range map[string]string{
		`{"command":["doctor"]}`: "doctor", `{"command":["subject","due"]}`: "subject due", `{"command":["retention","run"]}`: "retention run", `{"command":["audit","heads"]}`: "audit heads",
	} {
		if command, err := parseCommand([]byte(event)); err != nil || strings.Join(command, " ") != want {
			t.Errorf("%s: %v %q", event, err, command)
		}
	}
}

func TestOtherShapesAreRefused(t *testing.T) {
	for _, event := range []string{
		``, `null`, `{}`, `[]`, `"migrate"`, `["migrate"]`, `{"command":null}`, `{"command":[]}`, `{"command":"migrate"}`, `{"command":["migrate",7]}`, `{"command":[""]}`,
		`{"Command":["migrate"]}`, `{"command":["migrate"],"force":true}`, `{"command":["migrate"],"command":["doctor"]}`, `{"command":["migrate"]} {}`, `{"command":["a\u0000b"]}`,
		`{"command":["a\nb"]}`, `{"command":["--help"]}`, `{"command":["../bin/sh"]}`, `{"command":["ação"]}`, `{"command":[` + strings.Repeat(`"a",`, maxWords) + `"a"]}`,
		`{"command":["a","` + strings.Repeat("x", maxWord+1) + `"]}`, `{"command":["\xff"]}`, `{"detail-type":"Scheduled Event"}`,
	} {
		_, err := Admin(func(context.Context, []string, io.Writer) error { t.Errorf("%.40s was run", event); return nil }, Options{})(t.Context(), json.RawMessage(event))
		if !errors.Is(err, ErrCommand) {
			t.Errorf("%.40s: %v", event, err)
		}
	}
}

func TestFailureIsTheLastLinesWithoutSecrets(t *testing.T) {
	var log bytes.Buffer
	run := func(_ context.Context, _ []string, out io.Writer) error {
		for i := range 100 {
			fmt.Fprintf(out, "line %d\n", i)
		}
		fmt.Fprintln(out, "connecting to postgres://master:hunter2@db:6432/fastshop?x=1")
		return fmt.Errorf("sign in: postgres://a:p/w@db refused, key fsk_abcdefgh_%s: %w", strings.Repeat("a", 32), exit(3))
	}
	_, err := Admin(run, Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})(t.Context(), json.RawMessage(`{"command":["subject","erase","111.444.777-35"]}`))
	var failed *AdminError
	if !errors.As(err, &failed) || failed.Status != 3 {
		t.Fatalf("the error is %v", err)
	}
	want := "command subject ended with status 3: sign in: postgres://a:***@db refused, key fsk_abcdefgh_***: found something\nline 81\n"
	if !strings.HasPrefix(failed.Text, want) || !strings.HasSuffix(failed.Text, "line 99\nconnecting to postgres://master:***@db:6432/fastshop?x=1") {
		t.Errorf("the text is %s", failed.Text)
	}
	if text := log.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "111.444") || !strings.Contains(text, `"command":"subject"`) {
		t.Errorf("logged %s", text)
	}
}

func TestFailuresOfACommand(t *testing.T) {
	for name, c := range map[string]struct {
		run  Run
		want string
	}{
		"plain":            {func(context.Context, []string, io.Writer) error { return io.EOF }, "command verify ended with status 1: EOF"},
		"status 0":         {func(context.Context, []string, io.Writer) error { return exit(0) }, "command verify ended with status 1: found something"},
		"panic":            {func(context.Context, []string, io.Writer) error { panic("111.444.777-35") }, "command verify ended with status 1: panic of type string"},
		"panic with print": {func(_ context.Context, _ []string, out io.Writer) error { fmt.Fprint(out, "at 7"); panic(7) }, "command verify ended with status 1: panic of type int\nat 7"},
	} {
		if _, failed := administer(t, c.run, `{"command":["verify"]}`); failed != c.want {
			t.Errorf("%s: %q, want %q", name, failed, c.want)
		}
	}
}

func TestOutputIsBounded(t *testing.T) {
	for _, c := range []struct{ chunk, times int }{{1, 10}, {1, outputBytes}, {1, outputBytes + 1}, {7, 100_000}, {3 * outputBytes, 3}, {outputBytes, 1}, {0, 5}} {
		chunk := strings.Repeat("abcdefg", c.chunk/7+1)[:c.chunk]
		all := strings.Repeat(chunk, c.times)
		r, failed := administer(t, func(_ context.Context, _ []string, out io.Writer) error {
			for range c.times {
				if n, err := io.WriteString(out, chunk); n != len(chunk) || err != nil {
					t.Errorf("wrote %d: %v", n, err)
				}
			}
			return nil
		}, `{"command":["list"]}`)
		omitted := max(0, len(all)-outputBytes)
		if failed != "" || r.Omitted != int64(omitted) || r.Output != all[omitted:] {
			t.Errorf("%d times %d: %d omitted, %d kept, want %d omitted", c.times, c.chunk, r.Omitted, len(r.Output), omitted)
		}
	}
	r, _ := administer(t, func(_ context.Context, _ []string, out io.Writer) error {
		_, err := io.WriteString(out, strings.Repeat("ç", outputBytes)+"x\xff")
		return err
	}, `{"command":["list"]}`)
	if !utf8.ValidString(r.Output) || !strings.HasPrefix(r.Output, "ç") || !strings.HasSuffix(r.Output, "çx\ufffd") || r.Omitted != outputBytes+2 {
		t.Errorf("%d omitted, kept %.4q…%q", r.Omitted, r.Output, r.Output[len(r.Output)-5:])
	}
	long := lastLines("ç" + strings.Repeat("ç", tailBytes))
	if len(long) != tailBytes || !utf8.ValidString(long) {
		t.Errorf("last lines of %d bytes", len(long))
	}
}

func TestCommandEndsBeforeLambda(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		_, err := Admin(func(ctx context.Context, _ []string, _ io.Writer) error {
			<-ctx.Done()
			return ctx.Err()
		}, Options{})(ctx, json.RawMessage(`{"command":["migrate"]}`))
		if took := time.Since(began); took != 15*time.Minute-10*time.Second || err == nil || err.Error() != "command migrate ended with status 1: context deadline exceeded" {
			t.Errorf("after %s: %v", took, err)
		}
	})
}

func TestCredentialsAreTakenOut(t *testing.T) {
	r := newRedactor()
	for text, want := range map[string]string{
		"redis://user:p@ss:w@host:6379/0":               "redis://user:***@host:6379/0",
		"rediss://:secret@host":                         "rediss://:***@host",
		"postgres://fastshop_ingest@host:6432/fastshop": "postgres://fastshop_ingest@host:6432/fastshop",
		"https://sqs.us-east-1.amazonaws.com/1/q?a=b@c": "https://sqs.us-east-1.amazonaws.com/1/q?a=b@c",
		"host:6432/?Action=connect&X-Amz-Credential=AKIA/x&X-Amz-Signature=00ff&X-Amz-Expires=900": "host:6432/?Action=connect&X-Amz-Credential=***&X-Amz-Signature=***&X-Amz-Expires=900",
		"key AKIAIOSFODNN7EXAMPLE refused":                 "key AKIAIOSF*** refused",
		"password=hunter2 user=x":                          "password=*** user=x",
		`{"Password": "hunter2", "user": "x"}`:             `{"Password": "***", "user": "x"}`,
		"aws_secret_access_key = abc":                      "aws_secret_access_key = abc",
		"secret_access_key = abc":                          "secret_access_key = ***",
		"secret=arn:aws:secretsmanager:us-east-1:1:secret": "secret=arn:aws:secretsmanager:us-east-1:1:secret",
		"password authentication failed for user x":        "password authentication failed for user x",
		"SQLSTATE 28P01, 3 of 4 done":                      "SQLSTATE 28P01, 3 of 4 done",
	} {
		if got := r.text(text); got != want {
			t.Errorf("%s\n\tis %s\n\twant %s", text, got, want)
		}
	}
}

func FuzzCommand(f *testing.F) {
	for _, s := range []string{`{"command":["migrate"]}`, `{"command":["subject","due"]}`, `{"command":[]}`, `{"command":["a"],"x":1}`, `null`, "{\"command\":[\"\\ud800\"]}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		command, err := parseCommand(event)
		if err != nil {
			if !errors.Is(err, ErrCommand) || command != nil {
				t.Fatalf("%v: %q", err, command)
			}
			return
		}
		again, err := json.Marshal(map[string][]string{"command": command})
		if err != nil {
			t.Fatal(err)
		}
		same, err := parseCommand(again)
		if err != nil || strings.Join(same, "\x00") != strings.Join(command, "\x00") {
			t.Fatalf("%q is %q after all: %v", command, same, err)
		}
	})
}

func FuzzTail(f *testing.F) {
	f.Add("abc", "déf", 4)
	f.Add("", "ç", 1)
	f.Add("", "\x80\x80\x80\x80\x80", 4)
	f.Add("", strings.Repeat("ç", 20), 7)
	f.Fuzz(func(t *testing.T, first, second string, room int) {
		if room < 1 || room > 1000 {
			return
		}
		out := &tail{room: room}
		_, _ = io.WriteString(out, first)
		_, _ = io.WriteString(out, second)
		text, omitted := out.text()
		if len(first+second) <= room && text != strings.ToValidUTF8(first+second, "\ufffd") {
			t.Fatalf("%q of %q", text, first+second)
		}
		if !utf8.ValidString(text) || omitted < 0 || omitted > int64(len(first+second)) || utf8.ValidString(first+second) && !strings.HasSuffix(first+second, text) {
			t.Fatalf("%q, %d omitted, of %q", text, omitted, first+second)
		}
	})
}
