package dynamokeys_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/vault"
)

// request is what was asked of DynamoDB.
type request struct {
	action         string
	ConsistentRead bool
	RequestItems   map[string]struct{ ConsistentRead bool }
	TransactItems  []map[string]struct{ Item, Key map[string]struct{ S string } }
}

// TestRequests: a life of a customer takes no more rights than the roles of the stack have, every read is consistent, and
// an erasure is one transaction that stands on the tombstone before it.
func TestRequests(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	var seen []request
	r.on(func(_ http.ResponseWriter, req *http.Request, body []byte) bool {
		one := request{action: actionOf(req)}
		if err := json.Unmarshal(body, &one); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, one)
		return false
	})
	a, b := record(1), record(2)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range []vault.Record{a, b} {
		_, err := r.Create(t.Context(), []vault.Record{one})
		must(err)
	}
	for _, name := range []string{"find", "token", "keep", "secret", "shred", "tombstones"} {
		must(calls(r.Store, a)[name](t.Context()))
	}
	before := len(seen)
	_, err := r.Shred(t.Context(), b.Handle, time.Now())
	must(err)
	shred := seen[before:]
	stones, err := r.Tombstones(t.Context(), 0, 10)
	must(err)
	must(r.Bury(t.Context(), stones))
	must(r.Check(t.Context()))

	rights := rightsOf(t, r.table, seen)
	// Both roles of infra/tapstack/role.go have them.
	want := []string{"BatchGetItem", "ConditionCheckItem", "DescribeTable", "GetItem", "PutItem", "Query"}
	if got := slices.Sorted(maps.Keys(rights)); !slices.Equal(got, want) {
		t.Errorf("rights %v, want %v", got, want)
	}

	var actions []string
	for _, one := range shred {
		actions = append(actions, one.action)
	}
	if !slices.Equal(actions, []string{"GetItem", "Query", "TransactWriteItems"}) {
		t.Fatalf("an erasure is %v", actions)
	}
	items := itemsOf(shred[2])
	wantItems := []string{
		"ConditionCheck tombstones 00000000000000000001", "Put customer latest", "Put token generation", "Put tombstones 00000000000000000002",
	}
	if !slices.Equal(items, wantItems) {
		t.Errorf("the transaction of an erasure: %q, want %q", items, wantItems)
	}
}

// rightsOf are the rights that the requests take; it reports reads that are not consistent.
func rightsOf(t *testing.T, table string, seen []request) map[string]bool {
	t.Helper()
	rights := make(map[string]bool)
	for _, one := range seen {
		switch one.action {
		case "GetItem", "Query":
			if !one.ConsistentRead {
				t.Errorf("%s is not consistent", one.action)
			}
			rights[one.action] = true
		case "BatchGetItem":
			if !one.RequestItems[table].ConsistentRead {
				t.Error("BatchGetItem is not consistent")
			}
			rights[one.action] = true
		case "TransactWriteItems":
			for _, i := range one.TransactItems {
				for kind := range i {
					rights[kind+"Item"] = true
				}
			}
		default:
			rights[one.action] = true
		}
	}
	return rights
}

// itemsOf names what a transaction does to which items.
func itemsOf(transaction request) (items []string) {
	for _, i := range transaction.TransactItems {
		for kind, part := range i {
			key := part.Key
			if key == nil {
				key = part.Item
			}
			pk, _, _ := strings.Cut(key["pk"].S, "/")
			items = append(items, kind+" "+pk+" "+key["sk"].S)
		}
	}
	slices.Sort(items)
	return items
}
