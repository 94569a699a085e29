// Package dynamokeys keeps wrapped keys, generations and tombstones in one DynamoDB table: the [vault.KeyStore] and
// [vault.Secrets] of a deployment on AWS. Any number of processes may use a table at once.
//
// # Items
//
// The table's keys are the strings pk and sk. A number in brackets is a length in bytes, times are Unix milliseconds.
//
//	pk               sk               attributes
//	customer/HANDLE  latest           g generation, t token (17); open: o when the one before was closed, e epoch and
//	                                  w wrapped key (61) if it has one; closed: c when, n tombstone
//	token/TOKEN      generation       h handle (16), g generation; closed: c when, n tombstone
//	tombstones       NUMBER           h, g, t, c; the number has twenty digits, so that text sorts like numbers
//	secret/PURPOSE   EPOCH            w wrapped key
//
// Find reads one item a customer, 100 a request: one read unit each. Create writes two, a request and a write unit each,
// for many customers at once; in transactions these would be few requests, but twice the write units, which cost more than
// requests do. Opening a blob reads two items. An erasure is one transaction of four. A look at the erasure counter is one
// query of one read unit; all of them go to one partition, which bears 3,000 a second, so a deployment with more batches a
// second than that has to set vault.Config.ErasureCheck.
//
// # Consistency
//
// Reads are consistent reads, and every write states what it found before. A new customer's token is written before the
// customer, and means nothing without: a Create that fails may leave such tokens and some of its customers behind, and a
// repetition completes it. An erasure takes the number after the last tombstone, and its transaction checks that this last
// one is there: so numbers have no gap, and a tombstone is never visible before all with smaller numbers are settled.
//
// A transaction that lost against another is tried again with what is there then, a few times; so is what DynamoDB left
// out of a batch. Nothing else is retried.
//
// # Destroying a key
//
// A shred replaces the item, and the wrapped key is gone from the table with it. DynamoDB's own backups are out of reach:
// point-in-time recovery keeps every state of the table for as long as it was told to (1 to 35 days), and on-demand backups
// for as long as they exist. Until then the key can be brought back by whoever may restore a table, and opened by whoever
// may use the key-encryption key. A certificate of erasure therefore holds from the end of that time on, and has to name
// it; on-demand backups of this table should not be made. After a restore, [Store.Bury] erases again before the program
// starts.
//
// # Errors
//
// No permission and no table count as [vault.ErrUnavailable], so that nobody throws records away over a mistake in a
// policy; [ErrDenied] and [ErrMissing] tell them apart. No error has a key, a handle or a token in it.
package dynamokeys

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/vault"
)

var (
	// ErrDenied is wrapped, beside [vault.ErrUnavailable], when a permission is missing.
	ErrDenied = errors.New("not allowed to use the key table")
	// ErrMissing is wrapped, beside [vault.ErrUnavailable], when there is no such table.
	ErrMissing = errors.New("no such key table")
	// ErrSchema is wrapped by Check's error about a table that has other keys than pk and sk.
	ErrSchema = errors.New("not a key table")
	// ErrTorn is returned when what the table holds does not fit together, as after a restore: see [Store.Bury].
	ErrTorn = errors.New("key table does not fit together")
	// ErrTaken is returned when a customer token belongs to another customer.
	ErrTaken = errors.New("customer token is another customer's")
	// ErrURL is wrapped by ParseURL's errors.
	ErrURL = errors.New("URL of a key table refused")
)

const (
	getChunk    = 100 // items of a BatchGetItem, by its API
	concurrency = 32  // requests of one call that are under way at once

	callTimeout = 3 * time.Second // DynamoDB answers in milliseconds
)

// The waits before what lost against others is tried again: they double from the first to the longest, and half of each
// is random. All together they last some six seconds.
const (
	maxRounds   = 24
	firstWait   = 5 * time.Millisecond
	longestWait = 320 * time.Millisecond
)

// Settings are what a URL says.
type Settings struct {
	Table string
	Cloud cloud.Options // to load the configuration with
}

// ParseURL reads dynamodb://TABLE?region=REGION, with an optional endpoint=…. The error wraps [ErrURL].
func ParseURL(raw string) (Settings, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "dynamodb" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return Settings{}, fmt.Errorf("%w: it is dynamodb://TABLE?region=REGION", ErrURL)
	}
	s := Settings{Table: u.Host}
	if s.Cloud, err = cloud.FromURL(u); err != nil {
		return Settings{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	s.Cloud.Timeout, s.Cloud.Reconnect = callTimeout, true // every call may be repeated
	return s, nil
}

// Store is a key store in a table. All methods may be called at once.
type Store struct {
	api    *dynamodb.Client
	table  *string
	random func() float64

	// shredding is held by the one erasure of this process that is under way: they would only take each other's number. It
	// is a channel so that waiting ends with a context.
	shredding chan struct{}
}

var (
	_ vault.KeyStore = (*Store)(nil)
	_ vault.Secrets  = (*Store)(nil)
)

// New returns a key store in the table. It asks nobody; [Store.Check] does. random gives numbers from 0 to below 1 that
// spread the waits of those who lost against each other, such as rand.Float64 of math/rand/v2; it has to stand calls at
// once.
func New(cfg aws.Config, table string, random func() float64) *Store {
	return &Store{api: dynamodb.NewFromConfig(cfg), table: &table, random: random, shredding: make(chan struct{}, 1)}
}

// pause waits before round n, from 1, of something that lost against others.
func (s *Store) pause(ctx context.Context, n int) error {
	wait := min(firstWait<<min(n-1, 10), longestWait)
	timer := time.NewTimer(wait/2 + time.Duration(s.random()*float64(wait/2)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inChunks calls f for each part of n things, size each, up to concurrency at once, until one fails, and returns the first
// error.
func inChunks(n, size int, f func(from, to int) error) error {
	if n <= size {
		return f(0, n)
	}
	var next atomic.Int64
	var first atomic.Pointer[error]
	var all sync.WaitGroup
	for range min(concurrency, (n+size-1)/size) {
		all.Go(func() {
			for first.Load() == nil {
				from := (int(next.Add(1)) - 1) * size
				if from >= n {
					return
				}
				if err := f(from, min(from+size, n)); err != nil {
					first.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

// Format implements fmt.Formatter: a store prints as its table.
func (s *Store) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "key table %s", *s.table) }
