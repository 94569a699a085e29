package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore"
)

// deployedTransactions go through the deployed stack, half of them in each phase.
const deployedTransactions = 50_000

// givenUp are the first of them, which process fails to carry.
const givenUp = 300

// TestDeployedStackCarriesAShop brings the infrastructure up in an emulator of AWS and runs the deployed archive in it
// with the settings that its functions have there. A shop sends 50,000 transactions through the API. Process gives some
// up, which admin carries from the queue's notes; process carries the rest of the first half, and a worker, fastshop serve,
// all of them: what several carry is stored once. Functions are killed at work. Then everything is counted and compared,
// and the stack is destroyed.
func TestDeployedStackCarriesAShop(t *testing.T) {
	began := time.Now()
	lap := func(what string) { t.Logf("%6.1f s  %s", time.Since(began).Seconds(), what) }
	s := deploy(t)
	lap("deployed")
	admin := s.function(s.outputs.Admin)
	s.prepare(admin)
	lap("migrated, examined")

	ingest := &killer{Function: s.function(s.outputs.Ingest), at: 60} // after what is given up, which is counted exactly
	shop := newAPIShop(t, gateway(t, ingest, "checkout-1"), deployedTransactions)
	shop.send(givenUp)
	s.redrive(admin, givenUp-len(shop.verdicts))
	lap("what was given up is carried by admin")
	process, source := s.poll()
	shop.send(deployedTransactions/2 - givenUp)
	lap("first half sent")
	s.drain(source)
	s.wait(shop.acknowledged())
	lap("first half carried by process")
	for name, k := range map[string]*killer{"ingest": ingest, "process": process} {
		if !k.done.Load() {
			t.Errorf("%s was not killed at work", name)
		}
	}
	source.Stop()
	process.Shutdown()

	worker := s.serve()
	shop.send(deployedTransactions - deployedTransactions/2)
	lap("second half sent")
	s.wait(shop.acknowledged())
	shop.readable(worker.client(), 300)
	worker.stop()
	s.carriedByWorker(shop)
	lap("all carried by the worker")

	again, source := s.poll() // from the oldest record on: nothing of it is new
	s.drain(source)
	source.Stop()
	again.Shutdown()
	lap("all carried again")
	shop.readable(shop.client, 1500)
	customers := s.compare(shop)
	lap("compared")
	s.command(admin, "windows", "heal")
	t.Logf("verify\n%s", s.command(admin, "verify", "--samples", "200"))
	lap("verified")
	s.account.check(t, s)
	s.account.checkTable(t, s, customers)
	ingest.Shutdown()
	admin.Shutdown()
	s.destroyed()
	lap("destroyed")
}

// prepare does what the operator's handbook says comes after up. The database's master user is whom the secret names.
func (s *deployedStack) prepare(admin *lambdatest.Function) {
	s.t.Helper()
	s.postgres.Exec(s.t, "CREATE ROLE admin LOGIN CREATEROLE CREATEDB")
	s.postgres.Exec(s.t, "CREATE DATABASE "+s.outputs.Database+" OWNER admin TEMPLATE template0")
	if said := s.command(admin, "migrate"); !strings.Contains(said, "(was 0)") {
		s.t.Errorf("migrate said %q", said)
	}
	s.command(admin, "windows", "heal")
	said := s.command(admin, "doctor", "--json")
	var examined struct {
		OK    bool        `json:"ok"`
		Parts []diagnosis `json:"parts"`
	}
	if err := json.Unmarshal([]byte(said), &examined); err != nil || !examined.OK || len(examined.Parts) != 7 {
		s.t.Errorf("doctor said %s: %v", said, err)
	}
	for _, part := range examined.Parts {
		if scheme := map[string]string{"store": "postgres", "windows": "redis", "stream": "kinesis", "keys": "dynamodb", "kek": "awskms", "token-kek": "awskms"}[part.Part]; part.Place != scheme {
			s.t.Errorf("doctor looked at %s in %q, want %q", part.Part, part.Place, scheme)
		}
	}
	s.postgres.Exec(s.t, "CREATE ROLE fastshop_serve LOGIN INHERIT IN ROLE fastshop_ingest, fastshop_processor")
	s.postgres.Exec(s.t, "GRANT CONNECT ON DATABASE "+s.outputs.Database+" TO fastshop_serve")
}

// command runs a command in admin and returns what it printed.
func (s *deployedStack) command(admin *lambdatest.Function, command ...string) string {
	s.t.Helper()
	answer, failed, err := admin.Invoke(s.t.Context(), map[string]any{"command": command})
	if err != nil || failed != "" {
		s.t.Fatalf("admin %v: %s %s %v", command, failed, answer, err)
	}
	var result struct {
		Output string `json:"output"`
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		s.t.Fatal(err)
	}
	return result.Output
}

// killer kills a function in the middle of one invocation, not before the at-th.
type killer struct {
	*lambdatest.Function
	at    int64
	calls atomic.Int64
	done  atomic.Bool
}

// Invoke implements lambdatest.Invoker.
func (k *killer) Invoke(ctx context.Context, payload any) ([]byte, string, error) {
	if k.calls.Add(1) < k.at || k.done.Load() {
		return k.Function.Invoke(ctx, payload)
	}
	killing := time.AfterFunc(8*time.Millisecond, k.Kill)
	answer, failed, err := k.Function.Invoke(ctx, payload)
	killing.Stop()
	if failed != "" { // else it was done sooner, and another one has to die
		k.done.Store(true)
	}
	return answer, failed, err
}

// poll runs process behind the stream as its event source mapping says.
func (s *deployedStack) poll() (*killer, *lambdatest.Source) {
	s.t.Helper()
	m := s.mapping()
	if !strings.HasSuffix(m.FunctionArn, ":"+s.outputs.Process) || !strings.HasSuffix(m.EventSourceArn, "/"+s.outputs.Stream) {
		s.t.Errorf("the event source mapping: %+v", m)
	}
	f := &killer{Function: s.function(s.outputs.Process), at: 10}
	log := lambdatest.NewKinesis(kinesis.NewFromConfig(s.config(s.account.url)), s.outputs.Stream)
	return f, lambdatest.Poll(s.t, log, f, max(2, m.ParallelizationFactor), lambdatest.SourceOptions{
		Batch: m.BatchSize, Retries: m.MaximumRetryAttempts, Event: lambdatest.RawEvent, Pause: 100 * time.Millisecond,
		Failed: func(message []byte) { s.t.Errorf("a batch was given up: %s", message) },
	})
}

// e2ePatience is how long one phase may take on a machine that is busy with other tests.
const e2ePatience = 8 * time.Minute

func (s *deployedStack) drain(source *lambdatest.Source) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), e2ePatience)
	defer cancel()
	if err := source.Drain(ctx); err != nil {
		s.t.Fatalf("drain: %v", err)
	}
}

// wait waits until so many transactions are stored.
func (s *deployedStack) wait(n int) {
	s.t.Helper()
	store := s.open()
	defer store.Close()
	for deadline := time.Now().Add(e2ePatience); ; time.Sleep(200 * time.Millisecond) {
		totals, err := store.Totals(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		if totals.Transactions() >= int64(n) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d transactions are stored after %v", totals.Transactions(), n, e2ePatience)
		}
	}
}

// open opens the store beside the program, as superuser.
func (s *deployedStack) open() *pgstore.Store {
	s.t.Helper()
	config, err := pgstore.ParseURL(s.postgres.URL(s.outputs.Database, "postgres"))
	if err != nil {
		s.t.Fatal(err)
	}
	store, err := pgstore.Open(s.t.Context(), pgstore.Options{Config: config, MaxConns: 2})
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

// serve starts a worker with the settings of ingest, whose user in the database may do what process may as well.
func (s *deployedStack) serve() *process {
	s.t.Helper()
	settings := s.settings(s.configuration(s.outputs.Ingest))
	u, err := url.Parse(settings["FASTSHOP_STORE"])
	if err != nil {
		s.t.Fatal(err)
	}
	u.User = url.User("fastshop_serve")
	settings["FASTSHOP_STORE"] = u.String()
	return startIn(s.t, s.t.TempDir(), assignments(settings), "--batch-size", "1000", "--log-level", "warn")
}

// carriedByWorker checks that the worker has read all of the stream, also what process had stored by then.
func (s *deployedStack) carriedByWorker(shop *apiShop) {
	s.t.Helper()
	store := s.open()
	defer store.Close()
	shards, err := lambdatest.NewKinesis(kinesis.NewFromConfig(s.config(s.account.url)), s.outputs.Stream).Partitions(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var carried int64
	for _, shard := range shards {
		checkpoint, found, err := store.Checkpoint(s.t.Context(), shard)
		if err != nil || !found {
			s.t.Fatalf("checkpoint of %s: %v, %v", shard, found, err)
		}
		carried += checkpoint.Records
	}
	if sent := int64(len(shop.acked) - len(shop.verdicts)); carried < sent {
		s.t.Errorf("the worker carried %d records, %d were sent to the stream", carried, sent)
	}
}

// compare checks that the stored ids are exactly those that were acknowledged, that each was decided as the shop was told,
// and that both paths were taken. It returns how many customers there are.
func (s *deployedStack) compare(shop *apiShop) int {
	s.t.Helper()
	store := s.open()
	defer store.Close()
	seen, paths, customers := map[string]int{}, map[string]int{}, map[string]bool{}
	err := store.Rows(s.t.Context(), func(row ledger.Stored) error {
		id, outcome := row.Transaction.ID, row.Decision.Outcome.String()
		seen[id]++
		paths[fmt.Sprint(row.Decision.Path)]++
		if !row.Transaction.Customer.IsZero() {
			customers[row.Transaction.Customer.String()] = true
		}
		if told := shop.verdicts[id]; outcome == "" || told != "" && told != outcome {
			s.t.Errorf("%s is stored as %q, and the shop was told %q", id, outcome, told)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for id := range shop.acked {
		if seen[id] != 1 {
			s.t.Errorf("%s was acknowledged and is stored %d times", id, seen[id])
		}
	}
	if len(seen) != deployedTransactions || len(shop.acked) != deployedTransactions {
		s.t.Errorf("%d transactions are stored, %d were acknowledged, want %d", len(seen), len(shop.acked), deployedTransactions)
	}
	s.t.Logf("stored by path: %v; %d customers; %d verdicts; the shop repeated %d times", paths, len(customers), len(shop.verdicts), shop.repeats)
	return len(customers)
}
