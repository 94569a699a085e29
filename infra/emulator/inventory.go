package emulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Item is one thing that lives in the emulator.
type Item struct {
	Service string // such as kms
	Type    string // such as key
	ID      string // unique among the items of its type
	Detail  string // its state or name, for people; may be empty
}

// String is for messages: kms key 1234 (PendingDeletion).
func (i Item) String() string {
	text := i.Service + " " + i.Type + " " + i.ID
	if i.Detail != "" {
		text += " (" + i.Detail + ")"
	}
	return text
}

// Pending tells whether the item is a key that waits for its deletion: all that a destroyed stack may leave behind.
func (i Item) Pending() bool {
	return i.Service == "kms" && i.Type == "key" && i.Detail == "PendingDeletion"
}

// Inventory is everything that lives in the emulator, of every service that the stack uses or that its resources use in
// turn, sorted. It asks each service for its lists, never the engine's state. What AWS makes by itself is in it as well, such as
// the default network: compare two with Diff. Replication groups that are being deleted are left out, because the emulator
// keeps them so for ever.
//
// The emulator's own dump, /moto-api/data.json, is no second witness: it answers 500 on a machine without Docker as soon
// as Lambda has been called.
func Inventory(ctx context.Context, c *Cloud) ([]Item, error) {
	var out []Item
	for _, l := range listings() {
		items, err := l.list(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", l.service, err)
		}
		out = append(out, items...)
	}
	slices.SortFunc(out, compareItems)
	return out, nil
}

// Diff are the items of after that were not there before, sorted. An item whose detail has changed was there.
func Diff(before, after []Item) []Item {
	known := map[Item]bool{}
	for _, i := range before {
		known[Item{Service: i.Service, Type: i.Type, ID: i.ID}] = true
	}
	var out []Item
	for _, i := range after {
		if !known[Item{Service: i.Service, Type: i.Type, ID: i.ID}] {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, compareItems)
	return out
}

func compareItems(a, b Item) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID))
}

// listing lists all that one service has.
type listing struct {
	service string
	list    func(ctx context.Context, c *Cloud) ([]Item, error)
}

func listings() []listing {
	return []listing{
		{"vpc", listNetworks}, {"vpc addresses and gateways", listGateways}, {"vpc endpoints and interfaces", listInterfaces},
		{"kms", listKeys}, {"kinesis", listStreams}, {"sqs", listQueues}, {"dynamodb", listTables}, {"rds", listDatabases},
		{"rds backups", listBackups}, {"elasticache", listCaches}, {"lambda", listFunctions}, {"apigatewayv2", listAPIs},
		{"events", listRules}, {"cloudwatch", listWatches}, {"logs", listLogs}, {"sns", listTopics}, {"iam", listRoles},
		{"secretsmanager", listSecrets},
	}
}

// collect turns what a service lists into items.
func collect[T any](service, kind string, list []T, describe func(T) (id, detail string)) []Item {
	var out []Item
	for _, e := range list {
		id, detail := describe(e)
		out = append(out, Item{Service: service, Type: kind, ID: id, Detail: detail})
	}
	return out
}

// pager is a paginator of the SDK.
type pager[O any, F any] interface {
	HasMorePages() bool
	NextPage(ctx context.Context, options ...func(*F)) (*O, error)
}

// pages are the elements of all pages.
func pages[O, F, T any](ctx context.Context, p pager[O, F], elements func(*O) []T) ([]T, error) {
	var out []T
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		out = append(out, elements(page)...)
	}
	return out, nil
}
