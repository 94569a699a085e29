package moto

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fake writes a program that the package takes for moto_server.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStartSaysHowToGetTheProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context())
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "pip install 'moto[server]==5.2.1'") {
		t.Fatalf("Start without the program = %v, want ErrMissing with the command", err)
	}
}

func TestStartReportsAProgramThatEnds(t *testing.T) {
	_, err := start(t.Context(), fake(t, "echo no module named moto >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "moto_server ended") || !strings.Contains(err.Error(), "no module named moto") {
		t.Fatalf("start = %v, want that it ended, and its output", err)
	}
}

func TestStartEndsAProgramThatNeverAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pidFile := filepath.Join(t.TempDir(), "pid")
	path := fake(t, "echo $$ > "+pidFile+".new; mv "+pidFile+".new "+pidFile+"; exec sleep 600")
	failed := make(chan error, 1)
	go func() {
		_, err := start(ctx, path)
		failed <- err
	}()
	pid := 0
	for pid == 0 { // the test's own time limit ends a program that never starts
		text, err := os.ReadFile(pidFile)
		if err == nil {
			if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("start = %v, want context.Canceled", err)
	}
	awaitEnd(pid)
}

func TestMotoAnswersForgetsAndEnds(t *testing.T) {
	m := need(t)
	if got := vpcs(t, m); got != 1 {
		t.Fatalf("a new emulator has %d VPCs, want its default one", got)
	}
	call(t, m, "Action=CreateVpc&CidrBlock=10.0.0.0/16")
	if got := vpcs(t, m); got != 2 {
		t.Fatalf("after CreateVpc there are %d VPCs, want 2", got)
	}
	if err := m.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := vpcs(t, m); got != 1 {
		t.Fatalf("after Reset there are %d VPCs, want 1", got)
	}
	m.Stop()
	m.Stop()
	awaitEnd(m.command.Process.Pid)
	if err := m.Reset(t.Context()); err == nil {
		t.Fatal("Reset of a stopped emulator succeeded")
	}
}

func TestMotoEndsWithItsStarter(t *testing.T) {
	m := need(t)
	if err := m.lifeline.Close(); err != nil { // as the system does when the process dies
		t.Fatal(err)
	}
	<-m.ended
	if err := m.request(t.Context(), http.MethodGet, "/moto-api/data.json"); err == nil {
		t.Fatal("the emulator outlived its starter")
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	for _, part := range []string{strings.Repeat("a", logLimit), "the end"} {
		if _, err := io.WriteString(&log, part); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.String(); len(got) != logLimit || !strings.HasSuffix(got, "athe end") {
		t.Fatalf("tail has %d bytes ending %q, want %d ending in the last part", len(got), got[len(got)-8:], logLimit)
	}
}

// need starts an emulator. Where there is none, the test fails in CI and is skipped elsewhere, with the way to get one.
func need(t *testing.T) *Moto {
	t.Helper()
	m, err := Start(t.Context())
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m
}

func vpcs(t *testing.T, m *Moto) int {
	t.Helper()
	return strings.Count(call(t, m, "Action=DescribeVpcs"), "<vpcId>")
}

func call(t *testing.T, m *Moto, query string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.Endpoint(), strings.NewReader(query+"&Version=2016-11-15"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=x")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// awaitEnd returns when the process is gone; the test's own time limit ends the wait for one that lives on.
func awaitEnd(pid int) {
	for alive(pid) {
		time.Sleep(pollEvery)
	}
}

// alive tells whether a process is there and not merely waiting to be reaped by whoever adopted it.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
