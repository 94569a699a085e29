package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/vault"
)

// apiErrors say in the API's words what the parts say in their own; the first that fits counts.
var apiErrors = []struct{ from, to error }{
	{pipeline.ErrConflict, httpapi.ErrConflict},
	{pipeline.ErrErased, httpapi.ErrErased},
	{ledger.ErrNotFound, httpapi.ErrNotFound},
	{stream.ErrFull, httpapi.ErrOverloaded},
	{stream.ErrUnavailable, httpapi.ErrUnavailable},
	{stream.ErrClosed, httpapi.ErrUnavailable},
	{pipeline.ErrUnavailable, httpapi.ErrUnavailable},
	{vault.ErrUnavailable, httpapi.ErrUnavailable},
}

func apiError(err error) error {
	for _, e := range apiErrors {
		if errors.Is(err, e.from) {
			return errors.Join(e.to, err)
		}
	}
	return err
}

// apiIntake is the intake as the API sees it.
type apiIntake struct{ *ingest.Intake }

func (a apiIntake) Accept(ctx context.Context, s []*ingest.Submission) ([]ingest.Acceptance, error) {
	accepted, err := a.Intake.Accept(ctx, s)
	return accepted, apiError(err)
}

func (a apiIntake) Seal(ctx context.Context, s []*ingest.Submission) ([]payment.Transaction, error) {
	sealed, err := a.Intake.Seal(ctx, s)
	return sealed, apiError(err)
}

// apiDecider is the synchronous path as the API sees it.
type apiDecider struct{ *pipeline.Decider }

func (a apiDecider) Decide(ctx context.Context, t payment.Transaction) (decision.Decision, error) {
	d, err := a.Decider.Decide(ctx, t)
	return d, apiError(err)
}

// apiDecisions reads what is stored for the API.
type apiDecisions struct{ store books }

func (a apiDecisions) Decision(ctx context.Context, id string) (httpapi.Record, error) {
	s, err := a.store.Decision(ctx, id)
	if err != nil {
		return httpapi.Record{}, apiError(err)
	}
	return httpapi.Record{
		Decision: s.Decision, Label: s.Label,
		OccurredAt: s.Transaction.OccurredAt, ReceivedAt: s.Transaction.ReceivedAt,
	}, nil
}

// apiLabels stores labels for the API.
type apiLabels struct{ *pipeline.Labeler }

func (a apiLabels) Label(ctx context.Context, labels []review.Label) ([]bool, error) {
	stored, err := a.Labeler.Label(ctx, labels)
	return stored, apiError(err)
}

// listVault makes list tokens for the API.
type listVault struct{ *ingest.Intake }

func (l listVault) ListToken(_ context.Context, kind, value string) (payment.Token, error) {
	t, err := l.Intake.ListToken(kind, value)
	if err != nil {
		return t, errors.Join(httpapi.ErrIdentifier, err)
	}
	return t, nil
}

// pageKeys lets holders of a key that may read see the live page.
type pageKeys struct{ *httpapi.Keyring }

func (p pageKeys) Authenticate(text string) (holder string, ok bool) {
	key, err := p.Keyring.Authenticate(text)
	return key.ID, err == nil && key.Has(httpapi.ScopeRead)
}

func (p pageKeys) Valid(holder string) bool {
	key, err := p.Find(holder)
	return err == nil && key.Has(httpapi.ScopeRead)
}

// stored tells the intake what the store has.
type stored struct{ pipeline.Store }

// knownTime is how long the asynchronous path waits for a store that does not answer.
const knownTime = 500 * time.Millisecond

func (s stored) Known(ctx context.Context, ids []string) (map[string]ingest.Prior, error) {
	brief, cancel := context.WithTimeout(ctx, knownTime)
	defer cancel()
	known, err := s.Store.Known(brief, ids)
	if errors.Is(err, pipeline.ErrUnavailable) || err != nil && ctx.Err() == nil && brief.Err() != nil {
		// The asynchronous path goes on while the store is away: whether an id was there before is then for the
		// pipeline to find out.
		return nil, nil
	}
	if err != nil || len(known) == 0 {
		return nil, err
	}
	priors := make(map[string]ingest.Prior, len(known))
	for id, k := range known {
		priors[id] = ingest.Prior{MAC: k.MAC, Erased: k.Erased}
	}
	return priors, nil
}

// lists keeps block and allow lists: durable in the store, and in memory for the intake, which asks on every
// transaction.
type lists struct {
	store  books
	now    func() time.Time
	shared bool // others may change what is stored

	changing sync.Mutex // one change at a time, so that memory and store agree
	current  atomic.Pointer[map[listKey]time.Time]
	loaded   atomic.Int64 // when, Unix nanoseconds
}

// listsAge is how long a change of the lists by another process may stay unnoticed.
const listsAge = 5 * time.Second

type listKey struct {
	list  payment.Lists
	token payment.Token
}

func openLists(ctx context.Context, store books, shared bool, now func() time.Time) (*lists, error) {
	l := &lists{store: store, shared: shared, now: now}
	return l, l.reload(ctx)
}

// refresh takes in what others may have changed, if it is time to.
func (l *lists) refresh(ctx context.Context) error {
	if !l.shared || l.now().UnixNano()-l.loaded.Load() < int64(listsAge) {
		return nil
	}
	if !l.changing.TryLock() {
		return nil // somebody is at it
	}
	defer l.changing.Unlock()
	l.loaded.Store(l.now().UnixNano()) // also if it fails: a store that is away must not hold up every request
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	return l.reload(ctx)
}

// refreshTime is how long a request may wait for lists that are older than they should be.
const refreshTime = 300 * time.Millisecond

// reload takes in what the store holds.
func (l *lists) reload(ctx context.Context) error {
	entries, err := l.store.ListEntries(ctx)
	if err != nil {
		return err
	}
	current := make(map[listKey]time.Time, len(entries))
	for _, e := range entries {
		current[listKey{e.List, e.Token}] = e.ExpiresAt
	}
	l.current.Store(&current)
	l.loaded.Store(l.now().UnixNano())
	return nil
}

// Empty reports that nothing is on any list, so that the intake need not make tokens to ask with.
func (l *lists) Empty() bool { return len(*l.current.Load()) == 0 }

// Match implements ingest.Lists.
func (l *lists) Match(tokens []payment.Token) payment.Lists {
	current := *l.current.Load()
	if len(current) == 0 {
		return 0
	}
	var found payment.Lists
	now := l.now()
	for _, t := range tokens {
		for _, list := range []payment.Lists{payment.Blocked, payment.Allowed} {
			if expires, ok := current[listKey{list, t}]; ok && now.Before(expires) {
				found |= list
			}
		}
	}
	return found
}

// Put implements httpapi.Lists.
func (l *lists) Put(ctx context.Context, e httpapi.ListEntry) (httpapi.ListEntry, bool, error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	stored, added, err := l.store.PutListEntry(ctx, ledger.ListEntry{
		List: e.List, Kind: listKind(e.Kind), Token: e.Token, Reason: e.Reason, AddedBy: e.AddedBy, AddedAt: e.AddedAt, ExpiresAt: e.ExpiresAt,
	})
	if err != nil {
		return httpapi.ListEntry{}, false, apiError(err)
	}
	return apiEntry(stored), added, l.reload(ctx)
}

// Remove implements httpapi.Lists.
func (l *lists) Remove(ctx context.Context, list payment.Lists, kind string, token payment.Token) (bool, error) {
	l.changing.Lock()
	defer l.changing.Unlock()
	err := l.store.DeleteListEntry(ctx, list, listKind(kind), token)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, apiError(err)
	}
	return true, l.reload(ctx)
}

// Entries implements httpapi.Lists.
func (l *lists) Entries(ctx context.Context, list payment.Lists, after int64, limit int) ([]httpapi.ListEntry, error) {
	all, err := l.store.ListEntries(ctx)
	if err != nil {
		return nil, apiError(err)
	}
	var page []httpapi.ListEntry
	now := l.now()
	for _, e := range all {
		if e.List == list && e.Seq > after && now.Before(e.ExpiresAt) && len(page) < limit {
			page = append(page, apiEntry(e))
		}
	}
	return page, nil
}

func apiEntry(e ledger.ListEntry) httpapi.ListEntry {
	return httpapi.ListEntry{
		Seq: e.Seq, List: e.List, Kind: vault.TokenKind(e.Kind).String(), Token: e.Token,
		Reason: e.Reason, AddedBy: e.AddedBy, AddedAt: e.AddedAt, ExpiresAt: e.ExpiresAt,
	}
}

// listKind is the stored number of a kind of identifier: that of the vault, which makes the tokens. 0 is none.
func listKind(name string) ledger.ListKind {
	for k := vault.KindCustomer; k.String() != ""; k++ {
		if k.String() == name {
			return ledger.ListKind(k)
		}
	}
	return 0
}
