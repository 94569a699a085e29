package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// deployedSuffix ends the names of everything in the stack, and is what keys are bound to.
const deployedSuffix = "e2e"

// deployedStack is the infrastructure in an emulator of AWS, with what runs on it.
type deployedStack struct {
	t         *testing.T
	emulate   string // the program that brings it up and down
	state     string // its folder
	endpoint  string // of the emulator
	bootstrap string // the program, out of the archive that is deployed
	outputs   stackOutputs
	account   *account // in front of the emulator

	postgres *testenv.Postgres
	cache    string // URL of the Redis cluster
}

// stackOutputs are those that the test needs.
type stackOutputs struct {
	Stream      string            `json:"kinesis_stream_name"`
	Table       string            `json:"customer_keys_table"`
	Keys        map[string]string `json:"kms_key_arns"`
	Code        string            `json:"code_sha256"`
	Secret      string            `json:"rds_master_secret_arn"`
	Database    string            `json:"rds_database"`
	DeadLetters string            `json:"dead_letter_queue_url"`
	Ingest      string            `json:"ingest_function"`
	Process     string            `json:"process_function"`
	Admin       string            `json:"admin_function"`
}

// deploy brings the stack up and puts servers where the emulator has none: PostgreSQL with TLS, and a Redis cluster.
func deploy(t *testing.T) *deployedStack {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	s := &deployedStack{t: t, emulate: os.Getenv("FASTSHOP_EMULATE"), state: filepath.Join(t.TempDir(), "state")}
	code := os.Getenv("FASTSHOP_EMULATE_CODE")
	if s.emulate == "" || code == "" {
		t.Skip("NOT TESTED: the deployed stack: FASTSHOP_EMULATE and FASTSHOP_EMULATE_CODE are not set (run: make e2e)")
	}
	s.bootstrap = unpack(t, code)
	s.postgres, s.cache = testenv.StartPostgres(t, testenv.TLS), testenv.SharedRedisCluster(t).URL()
	t.Cleanup(func() {
		if _, err := os.Stat(s.state); err == nil { // the test did not come as far as to destroy it
			s.run("destroy", "--force", "--suffix", deployedSuffix)
		}
	})
	s.run("up", "--suffix", deployedSuffix, "--code", code)
	if err := json.Unmarshal(s.run("outputs", "--suffix", deployedSuffix), &s.outputs); err != nil {
		t.Fatal(err)
	}
	var standing struct{ Endpoint string }
	if err := json.Unmarshal(s.run("status"), &standing); err != nil {
		t.Fatal(err)
	}
	s.endpoint = standing.Endpoint
	s.account = newAccount(t, s)
	s.unhook()
	return s
}

// unhook makes the stream anew, as it is but without readers: the emulator would run process for each record by itself, in
// Docker, and be slow about it where there is none.
func (s *deployedStack) unhook() {
	s.t.Helper()
	client, ctx, name := kinesis.NewFromConfig(s.config(s.endpoint)), s.t.Context(), &s.outputs.Stream
	look := func() *types.StreamDescriptionSummary {
		found, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
		if err != nil {
			s.t.Fatal(err)
		}
		slices.Sort(found.StreamDescriptionSummary.EnhancedMonitoring[0].ShardLevelMetrics)
		return found.StreamDescriptionSummary
	}
	was := look()
	_, err := client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: name})
	if err == nil {
		_, err = client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: was.OpenShardCount, StreamModeDetails: was.StreamModeDetails})
	}
	if err == nil {
		_, err = client.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: name, RetentionPeriodHours: was.RetentionPeriodHours})
	}
	if err == nil {
		_, err = client.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{StreamName: name, EncryptionType: was.EncryptionType, KeyId: was.KeyId})
	}
	if err == nil {
		_, err = client.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamName: name, ShardLevelMetrics: was.EnhancedMonitoring[0].ShardLevelMetrics})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	is := look()
	if *is.KeyId != s.outputs.Keys["stream"] || is.EncryptionType != types.EncryptionTypeKms {
		s.t.Errorf("the stream is encrypted by %v with %s", is.EncryptionType, *is.KeyId)
	}
	was.StreamCreationTimestamp, is.StreamCreationTimestamp = nil, nil
	if !reflect.DeepEqual(was, is) {
		s.t.Errorf("the stream was %+v, and is %+v", *was, *is)
	}
}

// config is that of a client of AWS at an endpoint.
func (s *deployedStack) config(endpoint string) aws.Config {
	s.t.Helper()
	config, err := cloud.Load(s.t.Context(), cloud.Options{Region: "us-east-1", Endpoint: endpoint})
	if err != nil {
		s.t.Fatal(err)
	}
	return config
}

// unpack returns the path of the program in an archive.
func unpack(t *testing.T, code string) string {
	t.Helper()
	archive, err := zip.OpenReader(code)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	packed, err := archive.Open("bootstrap")
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	path := filepath.Join(t.TempDir(), "bootstrap")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(file, packed)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// run runs one step of emulate and returns what it printed.
func (s *deployedStack) run(command string, args ...string) []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, s.emulate, append([]string{command, "--state", s.state}, args...)...)
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		s.t.Fatalf("emulate %s: %v\n%s%s", command, err, out.Bytes(), said.Bytes())
	}
	return out.Bytes()
}

// destroyed takes the stack down and checks that nothing is left but keys that wait for their end.
func (s *deployedStack) destroyed() {
	s.t.Helper()
	var farewell struct {
		Destroyed     int
		Left, Pending []string
	}
	if err := json.Unmarshal(s.run("destroy", "--suffix", deployedSuffix), &farewell); err != nil {
		s.t.Fatal(err)
	}
	if farewell.Destroyed < 100 || len(farewell.Left) > 0 || len(farewell.Pending) != len(s.outputs.Keys) {
		s.t.Errorf("destroy: %+v, want no less than 100 resources gone, nothing left, and %d keys pending", farewell, len(s.outputs.Keys))
	}
	if _, err := os.Stat(s.state); !errors.Is(err, fs.ErrNotExist) {
		s.t.Errorf("the state is still there: %v", err)
	}
	if answer, err := http.Get(s.endpoint + "/moto-api/"); err == nil {
		_ = answer.Body.Close()
		s.t.Error("the emulator still answers")
	}
}

// deployedFunction is a function's settings as AWS has them.
type deployedFunction struct {
	Handler     string
	Timeout     int // seconds
	CodeSha256  string
	Environment struct{ Variables map[string]string }
}

// configuration asks the emulator for a function's settings.
func (s *deployedStack) configuration(name string) (f deployedFunction) {
	s.t.Helper()
	s.lambda("/2015-03-31/functions/"+url.PathEscape(name)+"/configuration", &f)
	if f.CodeSha256 != s.outputs.Code {
		s.t.Errorf("%s runs code %s, the archive is %s", name, f.CodeSha256, s.outputs.Code)
	}
	return f
}

// mapping is the event source mapping of process.
type mapping struct {
	FunctionArn, EventSourceArn                            string
	BatchSize, MaximumRetryAttempts, ParallelizationFactor int
	BisectBatchOnFunctionError                             bool
	FunctionResponseTypes                                  []string
}

func (s *deployedStack) mapping() mapping {
	s.t.Helper()
	var all struct{ EventSourceMappings []mapping }
	s.lambda("/2015-03-31/event-source-mappings/", &all)
	if len(all.EventSourceMappings) != 1 || !all.EventSourceMappings[0].BisectBatchOnFunctionError || len(all.EventSourceMappings[0].FunctionResponseTypes) != 1 {
		s.t.Fatalf("event source mappings: %+v", all.EventSourceMappings)
	}
	return all.EventSourceMappings[0]
}

// lambda asks the emulator's Lambda, which tells its services apart by the scope of the signature and does not check it.
func (s *deployedStack) lambda(path string, into any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.endpoint+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v", path, answer.Status, err)
	}
}

// settings are a function's variables with the servers of this machine instead of RDS and ElastiCache. All else stays:
// who signs in and how, TLS, the names of what is in AWS.
func (s *deployedStack) settings(f deployedFunction) map[string]string {
	s.t.Helper()
	all := map[string]string{"AWS_ENDPOINT_URL": s.account.url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
	for name, value := range f.Environment.Variables {
		u, err := url.Parse(value)
		if err != nil {
			s.t.Fatal(err)
		}
		switch u.Scheme {
		case "postgres":
			q := u.Query()
			q.Set("sslrootcert", s.postgres.CA())
			u.Host, u.RawQuery = s.postgres.Addr(), q.Encode()
			value = u.String()
		case "rediss":
			value = withSetting(s.cache, "prefix", u.Query().Get("prefix"))
		}
		all[name] = value
	}
	return all
}

// function starts the archive's program as the function that AWS knows under the name.
func (s *deployedStack) function(name string) *lambdatest.Function {
	s.t.Helper()
	f := s.configuration(name)
	return lambdatest.Start(s.t, []string{s.bootstrap}, assignments(s.settings(f)), lambdatest.Options{
		Handler: f.Handler, Timeout: time.Duration(f.Timeout) * time.Second,
	})
}

// assignments are settings as an environment.
func assignments(settings map[string]string) (env []string) {
	for name, value := range settings {
		env = append(env, fmt.Sprint(name, "=", value))
	}
	return env
}
