package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// controls are planted, each in its own place, and must be found there: a search that finds nothing anywhere would prove
// nothing.
const (
	controlEnvironment = "control-environment-6b1f" // what keys are bound to: KMS is told
	controlRole        = "control-role-90ce"        // of a caller who is refused: ingest logs it
	controlShard       = "control-shard-57ad"       // of a record that cannot be read: process logs it, and stores it
	controlRow         = "control-row-1c73"         // in the database
	controlEntry       = "control-entry-b5f0"       // in Redis
	controlItem        = "control-item-8d29"        // in the table
	controlRecord      = "control-record-f41a"      // in the stream
)

// TestNoPersonalDataLeaksInTheCloud runs the program as functions of Lambda and as a server, with every part of it in the
// cloud, and a marked person on every route, also in bodies that are refused. Then it searches what an intruder, an
// operator or a backup could get hold of: the database's files, its write-ahead log, and its own log with every statement
// and parameter in it; the dump of Redis; all records of the stream and items of the table; all that AWS was asked; the
// logs, the metrics and every answer.
func TestNoPersonalDataLeaksInTheCloud(t *testing.T) {
	t.Parallel()
	c := newCloudCanary(t)
	c.functions()
	c.server()
	c.collect()
	c.controlsFound()
	searchCloud(t, c.places)
}

// cloudCanary is the program in the cloud, with everything about it that can be read.
type cloudCanary struct {
	t        *testing.T
	rig      *cloudRig
	postgres *testenv.Postgres
	redis    *testenv.Redis
	streamAt string
	account  string   // endpoint of DynamoDB and KMS
	env      []string // of functions
	keyID    string   // of an API key that the server refused
	places   map[string][]byte

	mu    sync.Mutex
	asked map[string][]byte // what AWS was asked, by the operation; guarded by mu
}

func newCloudCanary(t *testing.T) *cloudCanary {
	t.Helper()
	c := &cloudCanary{
		t: t, postgres: testenv.StartPostgres(t), redis: testenv.StartRedis(t, "--rdbcompression", "no"),
		streamAt: testenv.StartKinesalite(t).URL(), places: map[string][]byte{}, asked: map[string][]byte{},
	}
	// Everything that the database could tell, it tells: nothing is packed, and each statement is logged with its values.
	for _, setting := range []string{"wal_compression = off", "log_statement = 'all'", "log_min_duration_statement = 0", "log_parameter_max_length_on_error = -1"} {
		c.postgres.Exec(t, "ALTER SYSTEM SET "+setting)
	}
	c.postgres.Exec(t, "SELECT pg_reload_conf()")
	makeStream(t, kinesistest.Client(c.streamAt), 2)
	c.rig = newCloudRig(t, cloudParts{postgres: c.postgres, redis: c.redis.URL(), stream: c.streamAt, table: true})
	c.listen()
	c.rig.places = append(c.rig.places, "--environment", controlEnvironment)
	c.env = append([]string{
		asProgram + "=1", "FASTSHOP_LOG_LEVEL=debug", "FASTSHOP_LOG_FORMAT=json",
		"FASTSHOP_CALLERS=" + roleARN("checkout-*") + "=ingest+decide+read+label+lists",
	}, cloudAccount...)
	for i := 0; i < len(c.rig.places); i += 2 {
		name := strings.ReplaceAll(strings.TrimPrefix(c.rig.places[i], "--"), "-", "_")
		c.env = append(c.env, "FASTSHOP_"+strings.ToUpper(name)+"="+c.rig.places[i+1])
	}
	return c
}

// roleARN is a role whose calls IAM lets in.
func roleARN(role string) string { return "arn:aws:iam::" + lambdatest.Account + ":role/" + role }

// listen puts an ear between the program and each endpoint of AWS.
func (c *cloudCanary) listen() {
	ears := map[string]string{}
	for i, place := range c.rig.places {
		u, err := url.Parse(place)
		if err != nil || !u.Query().Has("endpoint") {
			continue
		}
		q := u.Query()
		endpoint := q.Get("endpoint")
		if ears[endpoint] == "" {
			ears[endpoint] = testenv.Intercept(c.t, endpoint, c.hear)
		}
		if u.Scheme == "dynamodb" {
			c.account = endpoint
		}
		q.Set("endpoint", ears[endpoint])
		u.RawQuery = q.Encode()
		c.rig.places[i] = u.String()
	}
	if len(ears) != 2 {
		c.t.Fatalf("%d endpoints of AWS are listened to, want two: that of Kinesis and that of the rest", len(ears))
	}
}

func (c *cloudCanary) hear(_ http.ResponseWriter, r *http.Request, body []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var said bytes.Buffer
	_ = r.Header.Write(&said)
	said.Write(body)
	name := "AWS was asked: " + r.Header.Get("X-Amz-Target")
	c.asked[name] = append(c.asked[name], said.Bytes()...)
	return false
}

// function starts the program as a function: without arguments, as the archive's bootstrap is.
func (c *cloudCanary) function(handler string, timeout time.Duration) *lambdatest.Function {
	c.t.Helper()
	return lambdatest.Start(c.t, []string{os.Args[0]}, c.env, lambdatest.Options{Handler: handler, Timeout: timeout})
}

// gateway is the URL of an HTTP API before a function, called by a role.
func gateway(t *testing.T, f lambdatest.Invoker, role string) string {
	t.Helper()
	next := lambdatest.Gateway(f, roleARN(role))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("X-Api-Key") // clients that have none send an empty one
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// functions runs every route through ingest while process carries the stream, and sends all three what is no event.
func (c *cloudCanary) functions() {
	c.t.Helper()
	all := map[string]*lambdatest.Function{}
	for _, handler := range []string{"ingest", "process", "admin"} {
		all[handler] = c.function(handler, time.Minute)
	}
	c.admin(all["admin"], "windows", "heal")
	source := lambdatest.Poll(c.t, lambdatest.NewKinesis(kinesistest.Client(c.streamAt), cloudStream), all["process"], 2, lambdatest.SourceOptions{
		Event: lambdatest.RawEvent, Retries: 1000, Failed: func([]byte) { c.t.Error("a batch was given up") },
	})
	at := gateway(c.t, all["ingest"], "checkout-1")
	eventually(c.t, "ingest answers", func() bool { return load.NewClient(at, "", 1).Ready(c.t.Context()) == nil })
	client := &canaryClient{t: c.t, p: &process{URL: at}, places: c.places, mark: "function-"}
	client.everyRoute()
	c.stored(client)
	stranger := &canaryClient{t: c.t, p: &process{URL: gateway(c.t, all["ingest"], controlRole)}, places: c.places, mark: "stranger-"}
	stranger.want(http.StatusForbidden, "POST", "/v1/decisions", "application/json", canaryPayment("canary-refused", ""))
	for name, f := range all {
		for i, event := range noEvents(c.t) {
			c.invoke(fmt.Sprintf("answer of %s to event %d, which is none", name, i), f, event)
		}
	}
	source.Stop()
	unreadable := lambdatest.RawEvent(controlShard, []stream.Record{{Position: "1", Key: []byte("key"), Data: []byte("unreadable"), AppendedAt: time.Now()}})
	all["process without a store"] = c.function("process", 4*time.Second)
	c.invoke("answer of process to a record that cannot be read", all["process without a store"], unreadable)
	c.postgres.ReadOnly(c.t, true)
	c.invoke("answer of process without a store", all["process without a store"], unreadable)
	c.postgres.ReadOnly(c.t, false)
	for name, f := range all {
		f.Shutdown()
		c.places["log of "+name] = []byte(f.Logs())
	}
}

func (c *cloudCanary) admin(f *lambdatest.Function, command ...string) {
	c.t.Helper()
	if failed := c.invoke(fmt.Sprint("answer of admin to ", command), f, map[string]any{"command": command}); failed != "" {
		c.t.Fatalf("admin %v: %s", command, failed)
	}
}

// invoke keeps the answer.
func (c *cloudCanary) invoke(place string, f *lambdatest.Function, event any) (failed string) {
	c.t.Helper()
	answer, failed, err := f.Invoke(c.t.Context(), event)
	if err != nil {
		c.t.Fatal(err)
	}
	c.places[place] = answer
	return failed
}

// noEvents are events with marked data that are no function's, or are broken.
func noEvents(t *testing.T) []any {
	t.Helper()
	request, err := lambdatest.HTTPRequest("POST", "/v1/decisions/"+url.PathEscape(canaries["email"]), http.Header{"Content-Type": {canaries["name"]}}, []byte(canaries["cpf"]), "")
	if err != nil {
		t.Fatal(err)
	}
	unpacked := request
	unpacked.Body, unpacked.IsBase64Encoded = canaries["name"]+canaries["cpf"], true
	return []any{
		map[string]string{"email": canaries["email"], canaries["cpf"]: canaries["name"]},
		canaries["name"], []string{canaries["cpf"]},
		request, unpacked,
		events.KinesisEvent{Records: []events.KinesisEventRecord{{EventSource: canaries["email"], EventID: canaries["cpf"], Kinesis: events.KinesisRecord{
			PartitionKey: canaries["customer id"], SequenceNumber: canaries["phone"], Data: []byte(canaryPayment("canary-raw", "")),
		}}}},
		map[string]any{"command": []string{canaries["name"], canaries["cpf"]}},
		map[string]any{"command": []string{"version", canaries["formatted"]}},
		map[string]any{"command": []string{"explain", canaries["email"]}},
		map[string]any{"command": []string{"verify", "--samples=" + canaries["cpf"] + "x", "--" + canaries["email"]}},
		map[string]any{"command": []string{"doctor", "--store=" + canaries["name"], "--velocity=redis://" + canaries["cpf"] + "/" + canaries["email"]}},
	}
}

// stored waits until what was taken in is decided: else the search has nothing to miss.
func (c *cloudCanary) stored(client *canaryClient) {
	c.t.Helper()
	reader := load.NewClient(client.p.URL, client.p.Key, 1)
	for _, name := range []string{"sync", "async", "batch"} {
		eventually(c.t, client.id(name)+" is stored", func() bool {
			_, err := reader.Decision(c.t.Context(), client.id(name))
			return err == nil
		})
	}
}

// server runs every route through fastshop serve, and has it refuse a key.
func (c *cloudCanary) server() {
	c.t.Helper()
	p := startIn(c.t, c.rig.dir, cloudAccount, append([]string{"--log-level", "debug"}, c.rig.places...)...)
	client := &canaryClient{t: c.t, p: p, places: c.places, mark: "server-"}
	client.everyRoute()
	client.events()
	c.stored(client)
	for _, path := range []string{"/", "/?lang=en", "/readyz", "/healthz"} {
		client.call(http.MethodGet, p.URL+path, "", "")
	}
	client.call(http.MethodGet, p.Metrics, "", "")
	code, said, errs := program(c.t, "apikey", "add", "--json", "--data-dir", filepath.Join(c.rig.dir, "data"), "control", "--scopes", "ingest")
	var key struct {
		ID  string `json:"id"`
		Key string `json:"api_key"`
	}
	if err := json.Unmarshal([]byte(said), &key); code != exitDone || err != nil || key.ID == "" {
		c.t.Fatalf("apikey add: exit code %d, %v\n%s%s", code, err, said, errs)
	}
	c.keyID = key.ID
	narrow := &canaryClient{t: c.t, p: &process{URL: p.URL, Key: key.Key}, places: c.places, mark: "narrow-"}
	eventually(c.t, "the server knows the key", func() bool {
		time.Sleep(250 * time.Millisecond) // more refusals than a few a second are not logged
		return narrow.call(http.MethodGet, p.URL+"/v1/decisions/"+client.id("sync"), "", "") == http.StatusForbidden
	})
	p.stop()
	c.places["log of serve"] = []byte(c.rig.log(c.rig.dir))
	c.rig.verify()
}
