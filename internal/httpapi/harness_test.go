package httpapi

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/telemetry"
)

// harness is an API over a shop, with a key for every scope and one with none of use.
type harness struct {
	*shop
	http.Handler
	api     Config
	keyring *Keyring
	key     string // with every scope
	weak    string // with none that any route asks for, but for the one named by newHarness
	log     *bytes.Buffer
	clock   *clock
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// lockedBuffer is a log that requests may write to at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  *bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func newHarness(t testing.TB, weakScope Scope, adjust ...func(*Config)) *harness {
	t.Helper()
	h := &harness{shop: newShop(), log: new(bytes.Buffer), clock: &clock{t: noon}}
	path := filepath.Join(t.TempDir(), "keys.json")
	h.key, h.weak = writeKeys(t, path, weakScope)
	ring, err := LoadKeyring(path, h.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	h.keyring = ring
	h.api = Config{
		Intake: h.shop, Decider: h.shop, Decisions: h.shop, Explanations: h.shop, Labels: h.shop, Lists: h.shop, ListVault: h.shop, Keys: ring,
		Reasons: func(code string) Text {
			if code == "NEW_DEVICE" {
				return Text{"Dispositivo novo com endereço novo", "New device with a new address"}
			}
			return Text{}
		},
		Logger:  telemetry.NewLogger(&lockedBuffer{b: h.log}, slog.LevelInfo, telemetry.JSON),
		Metrics: telemetry.NewMetrics(), Now: h.clock.now,
	}
	for _, f := range adjust {
		f(&h.api)
	}
	if h.Handler, err = New(h.api); err != nil {
		t.Fatal(err)
	}
	return h
}

// writeKeys writes a key file without waiting for the disk, which Add does, and returns the texts of its two keys.
func writeKeys(t testing.TB, path string, weakScope Scope) (strong, weak string) {
	t.Helper()
	file := keyFile{Version: 1}
	texts := make([]string, 2)
	for i, scopes := range [][]Scope{{ScopeIngest, ScopeDecide, ScopeRead, ScopeLabel, ScopeLists}, {weakScope}} {
		id, secret, err := newKeyText(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = keyPrefix + id + "_" + secret
		file.Keys = append(file.Keys, keyEntry{ID: id, Name: "checkout", Secret: hashSecret(secret), Scopes: scopes, CreatedAt: noon, ExpiresAt: noon.AddDate(1, 0, 0)})
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return texts[0], texts[1]
}

func (h *harness) addKey(t testing.TB, k Key) string {
	t.Helper()
	text, _, err := h.keyring.Add(k)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// do sends a request with the strong key; headers are pairs and replace the usual ones, "" removes one.
func (h *harness) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	return h.send(method, path, strings.NewReader(body), headers...)
}

func (h *harness) send(method, path string, body io.Reader, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, h.request(method, path, body, headers...))
	return w
}

func (h *harness) request(method, path string, body io.Reader, headers ...string) *http.Request {
	r := httptest.NewRequest(method, path, body)
	r.Header.Set("X-Api-Key", h.key)
	if method == "POST" || method == "DELETE" {
		r.Header.Set("Content-Type", "application/json")
		if strings.HasSuffix(path, ":batch") {
			r.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return r
}

// transaction is a valid body.
func transaction(id string, centavos string) string {
	return `{"id":"` + id + `","occurred_at":"2026-03-01T12:29:58-03:00","amount":{"centavos":` + centavos + `},"method":"pix","customer":{"id":"c-1","document":"111.444.777-35"}}`
}

var errBroken = errors.New("broken in a way that no port declares")

// slowBody is a body whose connection has timed out.
type slowBody struct{ err error }

func (b slowBody) Read([]byte) (int, error) { return 0, b.err }
