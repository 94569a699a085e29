package testenv_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
)

func TestRedis(t *testing.T) {
	r := testenv.SharedRedis(t)
	if r != testenv.SharedRedis(t) {
		t.Error("there are two shared servers")
	}
	if got := r.Do(t, "SET", "k", "value of k"); got != "OK" {
		t.Errorf("SET says %q", got)
	}
	if got := r.Do(t, "GET", "k"); got != "value of k" {
		t.Errorf("GET says %q", got)
	}
	if dump := r.Dump(t); !bytes.HasPrefix(dump, []byte("REDIS")) || !bytes.Contains(dump, []byte("value of k")) {
		t.Errorf("the dump does not hold what was set: %q", dump)
	}
	r.Flush(t)
	if got := r.Do(t, "DBSIZE"); got != "0" {
		t.Errorf("%s keys after Flush", got)
	}
	if want := "redis://" + r.Addr(); r.URL() != want {
		t.Errorf("URL %s, want %s", r.URL(), want)
	}
}

func TestRedisFaults(t *testing.T) {
	r := testenv.StartRedis(t, "--maxmemory", "50mb")
	if got := r.Do(t, "INFO", "memory"); !strings.Contains(got, "maxmemory:52428800\r\n") {
		t.Error("the setting was not taken")
	}
	for name, end := range map[string]func(testenv.T){"stopped": r.Stop, "killed": r.Kill} {
		r.Do(t, "SET", "k", "v")
		r.Dump(t) // must not come back
		end(t)
		if c, err := net.Dial("tcp", r.Addr()); err == nil {
			t.Errorf("a %s server takes connections: %v", name, c.Close())
		}
		r.Start(t)
		if got := r.Do(t, "DBSIZE"); got != "0" {
			t.Errorf("a %s server came back with %s keys", name, got)
		}
	}
}

func TestRedisFreeze(t *testing.T) {
	r := testenv.StartRedis(t)
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.Freeze(t)
	if _, err := io.WriteString(c, "PING\r\n"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 7)
	if err := c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(answer); !os.IsTimeout(err) {
		t.Errorf("a frozen server answers: %q, %v", answer[:n], err)
	}
	r.Thaw(t)
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("after the thaw: %q, %v", answer, err)
	}
	r.Freeze(t) // and ends all the same
}
