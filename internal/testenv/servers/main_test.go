package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/testenv"
)

// TestServers starts all, asks each, interrupts the command and finds them gone.
func TestServers(t *testing.T) {
	testenv.SharedPostgres(t) // skips, or fails, where a program is missing
	testenv.SharedRedis(t)
	testenv.SharedMoto(t)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, nil, writer, os.Stderr)
		_ = writer.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(reader)
	var urls []*url.URL
	for lines.Scan() {
		u, err := url.Parse(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		if urls = append(urls, u); len(urls) == 4 {
			break
		}
	}
	if len(urls) < 4 {
		t.Fatalf("%d URLs, then %v", len(urls), <-ended)
	}
	schemes := []string{urls[0].Scheme, urls[1].Scheme, urls[2].Scheme + "?" + urls[2].RawQuery, urls[3].Scheme}
	if want := []string{"postgres", "redis", "redis?shape=cluster", "http"}; !slices.Equal(schemes, want) {
		t.Errorf("URLs of %v, want %v", schemes, want)
	}
	c, err := pgx.Connect(t.Context(), urls[0].String())
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := c.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil || name != "fastshop" {
		t.Errorf("database %q, %v", name, err)
	}
	for _, u := range urls {
		if c, err := net.Dial("tcp", u.Host); err != nil || c.Close() != nil {
			t.Errorf("%s does not answer: %v", u, err)
		}
	}

	cancel()
	if err := <-ended; err != nil {
		t.Errorf("after the interrupt: %v", err)
	}
	for _, u := range urls {
		if c, err := net.Dial("tcp", u.Host); err == nil {
			t.Errorf("%s answers after the end: %v", u, c.Close())
		}
	}
	if err := c.Ping(t.Context()); err == nil {
		t.Error("the database answers after the end")
	}
	_ = c.Close(t.Context()) // its server is gone
}

func TestArguments(t *testing.T) {
	if err := run(t.Context(), []string{"more"}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), `"more"`) {
		t.Errorf("an unknown argument: %v", err)
	}
	if err := run(t.Context(), []string{"--unknown"}, io.Discard, io.Discard); err == nil {
		t.Error("an unknown flag is taken")
	}
}

func TestJSON(t *testing.T) {
	want := addresses{Postgres: "postgres://p", Redis: "redis://r", RedisCluster: "redis://c", AWS: "http://a"}
	var out bytes.Buffer
	if err := want.print(&out, true); err != nil {
		t.Fatal(err)
	}
	var fields map[string]string
	if err := json.Unmarshal(out.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"postgres": want.Postgres, "redis": want.Redis, "redis_cluster": want.RedisCluster, "aws": want.AWS} {
		if fields[name] != value {
			t.Errorf("%s is %q, want %q", name, fields[name], value)
		}
	}
}

// TestFailedStart has one of several starts fail: the error is told, and what did start is removed.
func TestFailedStart(t *testing.T) {
	var s session
	var order []string
	err := s.start(
		func() { s.Cleanup(func() { order = append(order, "removed") }) },
		func() { s.Skipf("%s is missing", "a program"); order = append(order, "went on") },
		func() { s.Fatalf("%w", io.ErrUnexpectedEOF) },
	)
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "a program is missing") {
		t.Errorf("error %v", err)
	}
	s.end()
	if !slices.Equal(order, []string{"removed"}) {
		t.Errorf("order %v", order)
	}
}
