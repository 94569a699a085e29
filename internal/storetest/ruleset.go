package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
)

func ruleSetKept(t *testing.T, s Subject) {
	dir := t.TempDir()
	store := s.Open(t, Setting{Dir: dir, Now: func() time.Time { return day }, Crash: func(string) {}})
	texts := map[string][]byte{
		"default@1": []byte("name: default\n# ação\n"),
		"default@2": []byte("\xef\xbb\xbfname: default\r\n\x00\xff"), // as it was loaded, whatever it is
		"large@1":   bytes.Repeat([]byte("# a long file\n"), 1<<16),
	}
	for version, text := range texts {
		for range 2 {
			if err := store.PutRuleSet(t.Context(), version, text); err != nil {
				t.Fatalf("%s: %v", version, err)
			}
		}
	}
	if err := store.PutRuleSet(t.Context(), "default@1", []byte("name: other")); !errors.Is(err, ledger.ErrRuleSet) || errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("another text under a version: %v, want ErrRuleSet", err)
	}
	for name, err := range map[string]error{
		"no version":   store.PutRuleSet(t.Context(), "", []byte("a")),
		"long version": store.PutRuleSet(t.Context(), strings.Repeat("v", 1<<10+1), []byte("a")),
		"no text":      store.PutRuleSet(t.Context(), "empty@1", nil),
		"long text":    store.PutRuleSet(t.Context(), "endless@1", make([]byte, 1<<20+1)),
	} {
		if err == nil || errors.Is(err, pipeline.ErrUnavailable) {
			t.Errorf("%s: %v, want an error for good", name, err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	store = s.open(t, Setting{Dir: dir})
	for version, text := range texts {
		if got, err := store.RuleSet(t.Context(), version); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s after a reopen: %d bytes of %d, %v", version, len(got), len(text), err)
		}
	}
	if versions, err := store.RuleSets(t.Context()); err != nil || !slices.Equal(versions, []string{"default@1", "default@2", "large@1"}) {
		t.Errorf("versions %q, %v", versions, err)
	}
	for _, version := range []string{"", "default", "empty@1", "endless@1"} {
		if _, err := store.RuleSet(t.Context(), version); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%q: %v, want ErrNotFound", version, err)
		}
	}
}

func ruleSetRace(t *testing.T, s Subject) {
	store := s.open(t, Setting{})
	for round := range 10 {
		version := fmt.Sprintf("rules@%d", round)
		errs := make([]error, 4)
		var group sync.WaitGroup
		for i := range errs {
			group.Go(func() { errs[i] = store.PutRuleSet(t.Context(), version, fmt.Append(nil, "text ", i%2)) })
		}
		group.Wait()
		kept, err := store.RuleSet(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		for i, err := range errs {
			if own := string(kept) == fmt.Sprint("text ", i%2); own != (err == nil) || !own && !errors.Is(err, ledger.ErrRuleSet) {
				t.Errorf("%s: %q is kept, who brought text %d is told %v", version, kept, i%2, err)
			}
		}
	}
}
