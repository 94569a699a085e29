package testenv_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
)

// echo is a server that sends back what it gets, and ends when its client does.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// say sends a line and returns what comes back within the limit.
func say(c net.Conn, line string, limit time.Duration) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return hear(c, limit)
}

func hear(c net.Conn, limit time.Duration) (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

const patience = time.Minute

func TestProxyPasses(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	c := dial(t, p.Addr())
	big := strings.Repeat("x", 1<<20)
	if got, err := say(c, big, patience); got != big || err != nil {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := hear(c, patience); got != "" || !errors.Is(err, io.EOF) {
		t.Errorf("after our end: %q, %v", got, err)
	}
}

func TestProxyDelays(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	c := dial(t, p.Addr())
	const delay = 50 * time.Millisecond
	p.Delay(delay)
	begin := time.Now()
	if got, err := say(c, "slow", patience); got != "slow" || err != nil || time.Since(begin) < 2*delay {
		t.Errorf("%q, %v after %v, want at least %v", got, err, time.Since(begin), 2*delay)
	}
}

func TestProxyCuts(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	c := dial(t, p.Addr())
	if _, err := say(c, "one", patience); err != nil {
		t.Fatal(err)
	}
	p.Cut()
	if got, err := hear(c, patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a cut connection: %q, %v", got, err)
	}
	if got, err := say(dial(t, p.Addr()), "two", patience); got != "two" || err != nil {
		t.Errorf("a new connection: %q, %v", got, err)
	}
}

func TestProxyRefuses(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	old := dial(t, p.Addr())
	if _, err := say(old, "one", patience); err != nil {
		t.Fatal(err)
	}
	for range 2 { // saying it twice changes nothing
		p.Refuse(true)
		if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a new connection: %v, want it refused", err)
		}
	}
	if got, err := say(old, "two", patience); got != "two" || err != nil {
		t.Errorf("the old connection: %q, %v", got, err)
	}
	p.Refuse(false)
	p.Refuse(false)
	if got, err := say(dial(t, p.Addr()), "three", patience); got != "three" || err != nil {
		t.Errorf("a new connection: %q, %v", got, err)
	}
}

func TestProxyBlackhole(t *testing.T) {
	p := testenv.Proxy(t, echo(t))
	old := dial(t, p.Addr())
	if _, err := say(old, "one", patience); err != nil {
		t.Fatal(err)
	}
	p.Blackhole(true)
	p.Blackhole(true)
	for _, c := range []net.Conn{old, dial(t, p.Addr())} {
		if got, err := say(c, "two", 100*time.Millisecond); !os.IsTimeout(err) {
			t.Errorf("out of the black hole came %q, %v", got, err)
		}
		defer func() {
			if got, err := hear(c, patience); got != "two" || err != nil {
				t.Errorf("after the black hole: %q, %v", got, err)
			}
		}()
	}
	stuck := dial(t, p.Addr())
	if _, err := io.WriteString(stuck, "never\n"); err != nil {
		t.Fatal(err)
	}
	p.Blackhole(false)
}

func TestProxyWithoutTarget(t *testing.T) {
	r := testenv.StartRedis(t)
	p := testenv.Proxy(t, r.Addr())
	r.Kill(t)
	c, err := net.Dial("tcp", p.Addr())
	got := ""
	if err == nil { // the reset may be as quick as that
		defer c.Close()
		got, err = hear(c, patience)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v, want a reset", got, err)
	}
}

// TestProxyEndsWithTheTest leaves connections behind in every state.
func TestProxyEndsWithTheTest(t *testing.T) {
	var address string
	t.Run("inner", func(t *testing.T) {
		p := testenv.Proxy(t, echo(t))
		address = p.Addr()
		if _, err := say(dial(t, address), "idle", patience); err != nil {
			t.Fatal(err)
		}
		p.Delay(time.Hour)
		if _, err := io.WriteString(dial(t, address), "delayed\n"); err != nil {
			t.Fatal(err)
		}
		p.Blackhole(true)
		p.Delay(0)
		if _, err := io.WriteString(dial(t, address), "held\n"); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the proxy outlives its test: %v", err)
	}
}

func TestIntercept(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Seen", r.Header.Get("X-Added"))
		_, _ = io.WriteString(w, r.Method+" "+r.URL.RequestURI()+" "+r.Host+" "+string(body))
	}))
	t.Cleanup(server.Close)
	url := testenv.Intercept(t, server.URL, func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if string(body) == "fail" {
			http.Error(w, "intercepted", http.StatusServiceUnavailable)
			return true
		}
		r.Header.Set("X-Added", "by us")
		return false
	})
	for body, want := range map[string]struct {
		status       int
		text, header string
	}{
		"fail": {http.StatusServiceUnavailable, "intercepted\n", ""},
		"pass": {http.StatusOK, "POST /a/b?c=d " + strings.TrimPrefix(url, "http://") + " pass", "by us"},
	} {
		answer, err := http.Post(url+"/a/b?c=d", "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.Body.Close() != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != want.status || string(text) != want.text || answer.Header.Get("X-Seen") != want.header {
			t.Errorf("%s: %d %q, header %q; want %+v", body, answer.StatusCode, text, answer.Header.Get("X-Seen"), want)
		}
	}
}
