package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// canaries are a person's data that must be nowhere outside the sealed fields. Each is long enough not to be found by
// chance.
var canaries = map[string]string{
	"customer id": "canary-customer-7719",
	"cpf":         "39053344705",
	"formatted":   "390.533.447-05",
	"email":       "canario.amarelo@example.com.br",
	"phone":       "+5511987650123",
	"name":        "Canária Amarela da Silva",
	"card token":  "tok_canary_8d1f2a",
	"device":      "device-canary-55aa",
	"ip":          "198.51.100.77",
	"user agent":  "CanaryBrowser/7.31",
	"cep":         "01310930",
	"city":        "Cidade do Canário",
	"number":      "99817-B",
}

// card is a card number that a shop must never send; it is refused and must leave no trace.
const cardNumber = "4111111111111111"

func canaryPayment(id, extra string) string {
	return fmt.Sprintf(`{"id":%q,"occurred_at":%q,"amount":{"centavos":12990},"method":"card","channel":"web",`+
		`"customer":{"id":%q,"document":%q,"email":%q,"phone":%q,"name":%q},`+
		`"card":{"token":%q,"bin":"411111","last4":"1111","brand":"visa"},`+
		`"device":{"id":%q,"ip":%q,"user_agent":%q},"merchant":{"id":"loja-1","mcc":"5411"},`+
		`"shipping":{"cep":%q,"number":%q,"city":%q,"uf":"SP"}%s}`,
		id, time.Now().UTC().Format(time.RFC3339), canaries["customer id"], canaries["formatted"], canaries["email"],
		canaries["phone"], canaries["name"], canaries["card token"], canaries["device"], canaries["ip"],
		canaries["user agent"], canaries["cep"], canaries["number"], canaries["city"], extra)
}

// forms are the shapes in which a value may hide.
func forms(value string) map[string][]byte {
	sum := sha256.Sum256([]byte(value))
	found := map[string][]byte{
		"clear": []byte(value), "upper case": []byte(strings.ToUpper(value)), "hex": []byte(hex.EncodeToString([]byte(value))),
		"in a URL": []byte(url.QueryEscape(value)), "a bare hash": sum[:], "a bare hash in hex": []byte(hex.EncodeToString(sum[:])),
		"escaped": []byte(strings.Trim(strconv.QuoteToASCII(value), `"`)), "a bare hash in base64": []byte(base64.StdEncoding.EncodeToString(sum[:])),
	}
	for shift := range 3 { // base64 looks different at each offset; the first and last group depend on the neighbors
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), value...))
		found[fmt.Sprint("base64 ", shift)] = []byte(text[4 : len(text)-4])
	}
	return found
}

// TestNoPersonalDataLeaksAnywhere runs the whole program with a marked person on every route, also with bodies that are
// refused, and searches every file, the write-ahead logs while they are full, the log, the metrics, the pages, the
// events and every answer.
func TestNoPersonalDataLeaksAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "", "--log-level", "debug")
	places := map[string][]byte{}
	c := &canaryClient{t: t, p: p, places: places}
	c.everyRoute()
	c.events()
	for _, path := range []string{"/", "/?lang=en", "/openapi.yaml", "/readyz", "/healthz"} {
		c.call(http.MethodGet, p.URL+path, "", "")
	}
	c.call(http.MethodGet, p.Metrics, "", "")
	collect(t, dir, "while running: ", places)
	verifyStored(t, p)
	p.stop()
	collect(t, dir, "after the stop: ", places)
	searchAll(t, places)
	verify(t, dir)
}

// verifyStored checks that the search has something to miss: the marked payments were taken in and decided.
func verifyStored(t *testing.T, p *process) {
	t.Helper()
	for _, id := range []string{"canary-sync", "canary-async", "canary-batch"} {
		waitFor(t, 10*time.Second, func() bool {
			_, err := p.client().Decision(context.Background(), id)
			return err == nil
		})
	}
}

func searchAll(t *testing.T, places map[string][]byte) {
	t.Helper()
	wanted := map[string]string{"card number": cardNumber}
	for name, value := range canaries {
		wanted[name] = value
	}
	size := 0
	for place, content := range places {
		size += len(content)
		for name, value := range wanted {
			for form, bytesOf := range forms(value) {
				if bytes.Contains(content, bytesOf) {
					t.Errorf("the %s is in %s (%s)", name, place, form)
				}
			}
		}
	}
	t.Logf("searched %d places, %d KiB", len(places), size>>10)
	if len(places) < 25 || size < 200<<10 {
		t.Errorf("searched only %d places with %d bytes: the test looks at less than it should", len(places), size)
	}
}

// collect reads every file below dir.
func collect(t *testing.T, dir, when string, places map[string][]byte) {
	t.Helper()
	wal := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "api-key" {
			return err
		}
		content, err := os.ReadFile(path)
		wal = wal || strings.HasSuffix(path, "-wal") && len(content) > 0
		places[when+strings.TrimPrefix(path, dir)] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if when == "while running: " && !wal {
		t.Error("no write-ahead log was there to search")
	}
}

// canaryClient sends and keeps every answer.
type canaryClient struct {
	t      *testing.T
	p      *process
	places map[string][]byte
	mark   string // in all ids of transactions, so that two clients of one store do not send the same ones
	n      int
}

// id is a transaction's.
func (c *canaryClient) id(name string) string { return "canary-" + c.mark + name }

func (c *canaryClient) call(method, target, media, body string) int {
	c.t.Helper()
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", c.p.Key)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	c.n++
	var head bytes.Buffer
	_ = answer.Header.Write(&head)
	c.places[fmt.Sprintf("%sanswer %d to %s %s", c.mark, c.n, method, req.URL.Path)] = append(head.Bytes(), content...)
	return answer.StatusCode
}

func (c *canaryClient) want(status int, method, path, media, body string) {
	c.t.Helper()
	if got := c.call(method, c.p.URL+path, media, body); got != status {
		c.t.Errorf("%s %s answers %d, want %d", method, path, got, status)
	}
}

// everyRoute uses every route with marked data, in good and in bad bodies.
func (c *canaryClient) everyRoute() {
	const object, lines = "application/json", "application/x-ndjson"
	c.want(200, "POST", "/v1/decisions", object, canaryPayment(c.id("sync"), ""))
	c.want(200, "POST", "/v1/decisions", object, canaryPayment(c.id("sync-2"), ""))
	c.want(202, "POST", "/v1/transactions", object, canaryPayment(c.id("async"), ""))
	c.want(200, "POST", "/v1/transactions:batch", lines, canaryPayment(c.id("batch"), "")+"\n"+canaryPayment("bad id with "+canaries["email"], "")+"\n{\"x\":\""+canaries["cpf"]+"\n")
	c.want(409, "POST", "/v1/decisions", object, strings.Replace(canaryPayment(c.id("sync"), ""), "12990", "12991", 1))
	c.want(422, "POST", "/v1/decisions", object, canaryPayment(c.id("bad"), `,"`+canaries["email"]+`":"`+canaries["cpf"]+`"`))
	c.want(422, "POST", "/v1/decisions", object, strings.Replace(canaryPayment(c.id("pan"), ""), canaries["user agent"], "card "+cardNumber, 1))
	c.want(422, "POST", "/v1/transactions", object, strings.Replace(canaryPayment(c.id("cpf"), ""), canaries["formatted"], "390.533.447-06 "+canaries["formatted"], 1))
	c.call("POST", c.p.URL+"/v1/decisions", object, canaryPayment(c.id("cut"), "")[:200])
	c.call("POST", c.p.URL+"/v1/labels", object, `{"transaction_id":"`+canaries["email"]+`","verdict":"fraud","source":"chargeback","known_at":"x"}`)
	c.want(200, "POST", "/v1/labels", object, fmt.Sprintf(`{"transaction_id":%q,"verdict":"fraud","source":"chargeback","known_at":%q}`, c.id("sync"), time.Now().UTC().Format(time.RFC3339)))
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for kind, name := range map[string]string{"document": "formatted", "email": "email", "ip": "ip", "device": "device", "phone": "phone"} {
		if got := c.call("POST", c.p.URL+"/v1/lists/block", object, fmt.Sprintf(`{"kind":%q,"value":%q,"expires_at":%q,"reason":"confirmed_fraud"}`, kind, canaries[name], expires)); got >= 300 {
			c.t.Errorf("block %s answers %d", kind, got)
		}
	}
	c.call("POST", c.p.URL+"/v1/lists/block", object, fmt.Sprintf(`{"kind":"document","value":"%s0","expires_at":%q}`, canaries["cpf"], expires))
	c.want(200, "GET", "/v1/lists/block", "", "")
	c.want(200, "POST", "/v1/decisions", object, canaryPayment(c.id("blocked"), ""))
	for _, name := range []string{"sync", "blocked"} {
		c.want(200, "GET", "/v1/decisions/"+c.id(name), "", "")
		c.want(200, "GET", "/v1/decisions/"+c.id(name)+"/explanation", "", "")
	}
	c.call("GET", c.p.URL+"/v1/decisions/"+url.PathEscape(canaries["email"]), "", "")
	c.call("GET", c.p.URL+"/nowhere?cpf="+canaries["cpf"], "", "")
	c.call("PUT", c.p.URL+"/v1/decisions", object, canaries["cpf"])
}

// events reads what the live page gets for a moment.
func (c *canaryClient) events() {
	ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.p.URL+"/live/events", nil)
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, _ := io.ReadAll(answer.Body) // ends with the context's error
	if len(content) == 0 {
		c.t.Error("the live page got no event")
	}
	c.places[c.mark+"live events"] = content
}
