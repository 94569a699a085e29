package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/kmswrap"
)

// account stands between the program and the emulator and counts what is asked. It lets calls of Kinesis through one at a
// time: moto loses records that come at once.
type account struct {
	moto, url string
	names     map[string][]string // of the stack, by service: what every request must be about
	kinesis   sync.Mutex

	mu       sync.Mutex
	calls    map[string]int // by the operation; guarded by mu, as is all below
	byKey    map[string]int // calls of KMS by the ARN of the key
	foreign  []string       // operations on something that is none of the stack's
	unscoped int            // calls of KMS without the deployment's name in the context
}

func newAccount(t *testing.T, s *deployedStack) *account {
	t.Helper()
	a := &account{
		moto: s.endpoint, calls: map[string]int{}, byKey: map[string]int{},
		names: map[string][]string{
			"TrentService": {s.outputs.Keys["pii"], s.outputs.Keys["token"]}, "DynamoDB_20120810": {s.outputs.Table},
			"Kinesis_20131202": {s.outputs.Stream, "ShardIterator"}, "secretsmanager": {s.outputs.Secret}, "AmazonSQS": {s.outputs.DeadLetters},
		},
	}
	a.url = testenv.Intercept(t, cloudtest.Front(t, s.endpoint), a.ask)
	return a
}

func (a *account) ask(w http.ResponseWriter, r *http.Request, body []byte) bool {
	target := r.Header.Get("X-Amz-Target")
	a.count(target, string(body))
	if !strings.HasPrefix(target, "Kinesis") {
		return false
	}
	a.kinesis.Lock()
	defer a.kinesis.Unlock()
	// A caller who dies does not end what the emulator is at.
	out, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, a.moto+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return false
	}
	out.Header = r.Header
	answer, err := http.DefaultClient.Do(out)
	if err != nil {
		cloudtest.Refuse(w, http.StatusServiceUnavailable, "EmulatorOutOfReach")
		return true
	}
	defer answer.Body.Close()
	maps.Copy(w.Header(), answer.Header)
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // the caller may be gone
	return true
}

func (a *account) count(target, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[target]++
	service, _, _ := strings.Cut(target, ".")
	known := false
	for _, name := range a.names[service] {
		if strings.Contains(body, `"`+name+`"`) {
			known = true
			if service == "TrentService" {
				a.byKey[name]++
			}
		}
	}
	if !known {
		a.foreign = append(a.foreign, target)
	}
	if service == "TrentService" && !strings.Contains(body, `"env":"`+deployedSuffix+`"`) {
		a.unscoped++
	}
}

// check checks that the program used the stack's own keys, table and stream, and nothing else of AWS.
func (a *account) check(t *testing.T, s *deployedStack) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	t.Logf("calls of AWS: %v; of its keys: %v", a.calls, a.byKey)
	if len(a.foreign) > 0 || a.unscoped > 0 {
		t.Errorf("%d calls were not about what is in the stack (%v...), %d of KMS not about this deployment", len(a.foreign), a.foreign[:min(5, len(a.foreign))], a.unscoped)
	}
	for _, operation := range []string{
		"TrentService.GenerateDataKey", "TrentService.Decrypt", "DynamoDB_20120810.BatchGetItem", "DynamoDB_20120810.PutItem",
		"Kinesis_20131202.PutRecords", "Kinesis_20131202.GetRecords", "secretsmanager.GetSecretValue", "AmazonSQS.DeleteMessage",
	} {
		if a.calls[operation] == 0 {
			t.Errorf("%s was never called", operation)
		}
	}
	for _, class := range []string{"pii", "token"} {
		if a.byKey[s.outputs.Keys[class]] == 0 {
			t.Errorf("the key %s was never used", class)
		}
	}
}

// checkTable checks that the table has a wrapped key for each customer, and that the keys that wrap these were themselves
// wrapped by the stack's keys: only with them can they be opened.
func (a *account) checkTable(t *testing.T, s *deployedStack, customers int) {
	t.Helper()
	config := s.config(a.url)
	table := dynamodb.NewFromConfig(config, func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Timeout: 2 * time.Minute} // an emulator copies the whole table for each page
	})
	wrapped := 0
	opened := map[string]int{}
	for _, item := range tableItems(t, table, s.outputs.Table) {
		kind, name, _ := strings.Cut(attribute(item["pk"]), "/")
		switch kind {
		case "customer":
			if len(attribute(item["w"])) > 40 {
				wrapped++
			}
		case "secret":
			class := map[string]string{string(vault.PurposeEpoch): "pii", string(vault.PurposeToken): "token"}[name]
			wrapping := vault.WrapContext{App: "fastshop", Env: deployedSuffix, Purpose: vault.Purpose(name), Epoch: attribute(item["sk"])}
			for _, arn := range []string{s.outputs.Keys["pii"], s.outputs.Keys["token"]} {
				key, err := kmswrap.Open(config, arn, bytes.NewReader(nil))
				if err == nil {
					_, err = key.Unwrap(t.Context(), wrapping, []byte(attribute(item["w"])))
				}
				if (err == nil) != (arn == s.outputs.Keys[class]) {
					t.Errorf("the secret for %s with the key %s: %v; it belongs to %s", name, arn, err, class)
				}
			}
			opened[class]++
		}
	}
	if wrapped != customers || opened["pii"] == 0 || opened["token"] == 0 {
		t.Errorf("the table has %d wrapped keys for %d customers, and secrets %v", wrapped, customers, opened)
	}
}
