package dynamokeys_test

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
	"github.com/fastshop/pipeline/internal/vault/kmswrap"
)

// TestTokenTaken: a token belongs to one customer; a second one is refused for good.
func TestTokenTaken(t *testing.T) {
	r := newRig(t)
	a, b := record(1), record(2)
	b.Token = a.Token
	if _, err := r.Create(t.Context(), []vault.Record{a, b}); !errors.Is(err, dynamokeys.ErrTaken) {
		t.Errorf("a token twice in one call: %v, want ErrTaken", err)
	}
	if _, err := r.Create(t.Context(), []vault.Record{a}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Create(t.Context(), []vault.Record{b}); !errors.Is(err, dynamokeys.ErrTaken) || errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("a token that is another's: %v, want ErrTaken", err)
	}
	found, err := r.Find(t.Context(), []vault.Handle{b.Handle})
	if err != nil || found[0].Generation != 0 {
		t.Errorf("the second customer is there: %v, %v", found, err)
	}
}

// TestTorn: a table that does not fit together is an error that stays, never silence about an erasure.
func TestTorn(t *testing.T) {
	r := newRig(t)
	a, b := record(1), record(2)
	if _, err := r.Create(t.Context(), []vault.Record{a, b}); err != nil {
		t.Fatal(err)
	}
	for _, one := range []vault.Record{a, b} {
		if _, err := r.Shred(t.Context(), one.Handle, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := r.Tombstones(t.Context(), 0, 10)
	if err != nil || len(all) != 2 {
		t.Fatalf("tombstones: %v, %v", all, err)
	}
	key := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "tombstones"}, "sk": &types.AttributeValueMemberS{Value: "00000000000000000001"},
	}
	if _, err := r.api.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &r.table, Key: key}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Tombstones(t.Context(), 0, 10); !errors.Is(err, dynamokeys.ErrTorn) || errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("tombstones with a gap: %v, want ErrTorn", err)
	}
	if err := r.Bury(t.Context(), all); err != nil {
		t.Errorf("bury into the gap: %v", err)
	}
	if mended, err := r.Tombstones(t.Context(), 0, 10); err != nil || len(mended) != 2 || mended[0] != all[0] {
		t.Errorf("tombstones, mended: %v, %v", mended, err)
	}
	for _, i := range items(t, r.api, r.table) {
		delete(i, "g")
		if _, err := r.api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &r.table, Item: i}); err != nil {
			t.Fatal(err)
		}
	}
	for name, call := range calls(r.Store, a) {
		if strings.HasPrefix(name, "secret") || name == "keep" {
			continue
		}
		if err := call(t.Context()); !errors.Is(err, dynamokeys.ErrTorn) || mentions(err.Error(), a) {
			t.Errorf("%s of items that cannot be read: %v, want ErrTorn", name, err)
		}
	}
}

// TestTornBackup: backups of DynamoDB are not of one moment; Bury makes whole what it finds.
func TestTornBackup(t *testing.T) {
	r := newRig(t)
	a := record(1)
	if _, err := r.Create(t.Context(), []vault.Record{a}); err != nil {
		t.Fatal(err)
	}
	open := items(t, r.api, r.table)
	stone, err := r.Shred(t.Context(), a.Handle, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	closed := items(t, r.api, r.table)
	for bits := range 8 { // each item either from before the erasure or from after
		restore(t, r.api, r.table, nil)
		for i, name := range []string{"customer/", "token/", "tombstones"} {
			from := open
			if bits&(1<<i) != 0 {
				from = closed
			}
			for _, one := range from {
				if pk := one["pk"].(*types.AttributeValueMemberS).Value; strings.HasPrefix(pk, name) {
					if _, err := r.api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &r.table, Item: one}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if err := r.Bury(t.Context(), []vault.Tombstone{stone}); err != nil {
			t.Errorf("mix %03b: bury: %v", bits, err)
		}
		found, err := r.Find(t.Context(), []vault.Handle{a.Handle})
		byToken, errToken := r.ByToken(t.Context(), a.Token)
		all, errAll := r.Tombstones(t.Context(), 0, 10)
		if err != nil || errToken != nil || errAll != nil || found[0].IsOpen() || byToken.IsOpen() || len(found[0].Wrapped) > 0 || len(all) != 1 || all[0] != stone {
			t.Errorf("mix %03b: %v, %v, %v (%v, %v, %v)", bits, found, byToken, all, err, errToken, errAll)
		}
		next := record(2)
		next.Handle, next.Generation, next.Opened = a.Handle, 2, stone.At
		if kept, err := r.Create(t.Context(), []vault.Record{next}); err != nil || kept[0].Token != next.Token {
			t.Errorf("mix %03b: the next generation: %v, %v", bits, kept, err)
		}
		if again, err := r.ByToken(t.Context(), a.Token); err != nil || again.IsOpen() || !again.Closed.Equal(stone.At) {
			t.Errorf("mix %03b: by token, after coming back: %v, %v", bits, again, err)
		}
	}
}

// TestCheck: the doctor hears in words what is wrong, and nothing is changed by looking.
func TestCheck(t *testing.T) {
	r := newRig(t)
	if err := r.Check(t.Context()); err != nil {
		t.Errorf("a table that is well: %v", err)
	}
	if left := items(t, r.api, r.table); len(left) != 0 {
		t.Errorf("looking left %v", left)
	}
	for _, action := range []string{"GetItem", "BatchGetItem", "Query", "PutItem", "TransactWriteItems"} {
		r.on(func(w http.ResponseWriter, req *http.Request, _ []byte) bool {
			if actionOf(req) == action {
				cloudtest.Refuse(w, http.StatusBadRequest, "AccessDeniedException")
			}
			return actionOf(req) == action
		})
		word := strings.Replace("dynamodb:"+action, "TransactWriteItems", "ConditionCheckItem", 1)
		if err := r.Check(t.Context()); !errors.Is(err, dynamokeys.ErrDenied) || !strings.Contains(err.Error(), word+",") {
			t.Errorf("without %s: %v, want ErrDenied", word, err)
		}
	}
	r.on(func(w http.ResponseWriter, req *http.Request, _ []byte) bool {
		if actionOf(req) == "DescribeTable" {
			cloudtest.Refuse(w, http.StatusBadRequest, "AccessDeniedException")
			return true
		}
		return false
	})
	if err := r.Check(t.Context()); err != nil {
		t.Errorf("without a look at the table itself: %v", err)
	}
	cfg := load(t, r.front)
	binary := createTable(t, cfg, func(in *dynamodb.CreateTableInput) {
		in.AttributeDefinitions[1].AttributeType = types.ScalarAttributeTypeB
	})
	single := createTable(t, cfg, func(in *dynamodb.CreateTableInput) {
		in.KeySchema, in.AttributeDefinitions = in.KeySchema[:1], in.AttributeDefinitions[:1]
	})
	other := createTable(t, cfg, func(in *dynamodb.CreateTableInput) {
		in.KeySchema[0].AttributeName, in.AttributeDefinitions[0].AttributeName = aws.String("id"), aws.String("id")
	})
	for table, want := range map[string]error{
		binary: dynamokeys.ErrSchema, single: dynamokeys.ErrSchema, other: dynamokeys.ErrSchema, "nowhere": dynamokeys.ErrMissing,
	} {
		if err := dynamokeys.New(cfg, table, unlucky).Check(t.Context()); !errors.Is(err, want) || !strings.Contains(err.Error(), "key table "+table) {
			t.Errorf("table %s: %v, want %v", table, err, want)
		}
	}
	elsewhere := load(t, r.front, func(o *cloud.Options) { o.Region = "sa-east-1" })
	if err := dynamokeys.New(elsewhere, r.table, unlucky).Check(t.Context()); !errors.Is(err, dynamokeys.ErrMissing) {
		t.Errorf("another region: %v, want ErrMissing", err)
	}
}

func TestParseURL(t *testing.T) {
	s, err := dynamokeys.ParseURL("dynamodb://customer-keys-prod?region=us-east-1&endpoint=http://127.0.0.1:5000")
	want := dynamokeys.Settings{Table: "customer-keys-prod", Cloud: cloud.Options{
		Region: "us-east-1", Endpoint: "http://127.0.0.1:5000", Timeout: 3 * time.Second, Reconnect: true,
	}}
	if err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	for _, raw := range []string{
		"", "sqlite:", "dynamodb:table", "dynamodb:///table", "dynamodb://table/part?region=r", "dynamodb://user@table", "dynamodb://table?regoin=r",
		"dynamodb://table?region=a&region=b", "dynamodb://table#part", "dynamodb://table?region=%zz",
	} {
		if s, err := dynamokeys.ParseURL(raw); !errors.Is(err, dynamokeys.ErrURL) {
			t.Errorf("%q: %+v, %v, want ErrURL", raw, s, err)
		}
	}
}

// TestSettings: what the stack writes for production can be read.
func TestSettings(t *testing.T) {
	golden, err := os.ReadFile("../../../infra/settings.golden")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for line := range strings.Lines(string(golden)) {
		_, setting, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, value, _ := strings.Cut(setting, "=")
		switch name {
		case "FASTSHOP_KEYS":
			s, err := dynamokeys.ParseURL(value)
			if err != nil || s.Table != "customer-keys-golden" || s.Cloud.Region != "us-east-1" {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
		case "FASTSHOP_KEK", "FASTSHOP_TOKEN_KEK":
			s, err := kmswrap.ParseURL(value)
			if err != nil || !strings.HasPrefix(s.ARN, "arn:aws:kms:us-east-1:123456789012:key/") || s.Cloud.Region != "us-east-1" {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
		}
		seen[name]++
	}
	if seen["FASTSHOP_KEYS"] == 0 || seen["FASTSHOP_KEK"] == 0 || seen["FASTSHOP_TOKEN_KEK"] == 0 {
		t.Errorf("settings.golden lacks some: %v", seen)
	}
}
