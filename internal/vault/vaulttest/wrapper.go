package vaulttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fastshop/pipeline/internal/vault"
)

var secretsCases = []testCase{
	{"kept once, and never changed", secretKept},
	{"keepers at once get the same", keepersAtOnce},
}

var wrapperCases = []testCase{
	{"unwrap returns what was wrapped", unwraps},
	{"another context is refused", otherContext},
	{"any changed bit is refused", changedWrap},
	{"the other KEK is refused", otherKEK},
	{"disabled on purpose, and enabled again", disabled},
	{"used at once", wrapsAtOnce},
}

func secretKept(r *rig) {
	ctx := context.Background()
	id := vault.SecretID{Purpose: vault.PurposeEpoch, Epoch: "2026-11-21T00:00:00Z"}
	_, err := r.Secrets.Secret(ctx, id)
	r.want(err, vault.ErrUnknown, "a secret never kept")
	kept, err := r.Secrets.Keep(ctx, id, []byte("first"))
	r.must(err, "keep")
	r.that(string(kept) == "first", "what is kept first is returned")
	kept, err = r.Secrets.Keep(ctx, id, []byte("second"))
	r.must(err, "keep")
	r.that(string(kept) == "first", "what is kept second is not")
	for _, other := range []vault.SecretID{{Purpose: vault.PurposeToken, Epoch: id.Epoch}, {Purpose: id.Purpose, Epoch: "1"}} {
		_, err = r.Secrets.Secret(ctx, other)
		r.want(err, vault.ErrUnknown, "a secret of another name")
	}
	r.Backends = r.Reopen(r.T)
	kept, err = r.Secrets.Secret(ctx, id)
	r.must(err, "secret after reopening")
	r.that(string(kept) == "first", "it is there after reopening")
}

func keepersAtOnce(r *rig) {
	id := vault.SecretID{Purpose: vault.PurposeToken, Epoch: "1"}
	kept := make([][]byte, 12)
	r.must(together(len(kept), func(i int) (err error) {
		kept[i], err = r.Secrets.Keep(context.Background(), id, fmt.Appendf(nil, "of %d", i))
		return err
	}), "keep at once")
	for _, k := range kept {
		r.that(bytes.Equal(k, kept[0]), "all get the same")
	}
}

var bound = vault.WrapContext{App: "fastshop", Env: "test", Purpose: vault.PurposeEpoch, Epoch: "2026-11-21T00:00:00Z"}

func (r *rig) wrap(key []byte) []byte {
	r.Helper()
	blob, err := r.Personal.Wrap(context.Background(), bound, key)
	r.must(err, "wrap")
	return blob
}

func unwraps(r *rig) {
	for _, size := range []int{1, 32, 193, 1024} {
		key := slices.Repeat([]byte{7}, size)
		blob := r.wrap(key)
		r.that(size < 32 || !bytes.Contains(blob, key), "the key is not in the blob")
		r.that(!bytes.Equal(blob, r.wrap(key)), "two wraps of one key differ")
		got, err := r.Personal.Unwrap(context.Background(), bound, blob)
		r.must(err, "unwrap")
		r.that(bytes.Equal(got, key), "unwrap returns what was wrapped")
	}
	blob := r.wrap([]byte("key"))
	r.Backends = r.Reopen(r.T)
	got, err := r.Personal.Unwrap(context.Background(), bound, blob)
	r.must(err, "unwrap after reopening")
	r.that(string(got) == "key", "unwrap returns what was wrapped before reopening")
	for _, size := range []int{0, 1025} {
		_, err := r.Personal.Wrap(context.Background(), bound, make([]byte, size))
		r.want(err, vault.ErrInput, "wrap of %d bytes", size)
	}
}

func otherContext(r *rig) {
	blob := r.wrap(make([]byte, 32))
	for name, change := range map[string]func(*vault.WrapContext){
		"app":     func(c *vault.WrapContext) { c.App = "other" },
		"env":     func(c *vault.WrapContext) { c.Env = "prod" },
		"purpose": func(c *vault.WrapContext) { c.Purpose = vault.PurposeToken },
		"epoch":   func(c *vault.WrapContext) { c.Epoch = "2026-11-22T00:00:00Z" },
		"border":  func(c *vault.WrapContext) { c.App, c.Env = "fastshopt", "est" },
	} {
		other := bound
		change(&other)
		_, err := r.Personal.Unwrap(context.Background(), other, blob)
		r.want(err, vault.ErrKey, "unwrap with another %s", name)
	}
}

func changedWrap(r *rig) {
	blob := r.wrap(make([]byte, 32))
	for bit := range 8 * len(blob) {
		changed := bytes.Clone(blob)
		changed[bit/8] ^= 1 << (bit % 8)
		_, err := r.Personal.Unwrap(context.Background(), bound, changed)
		r.want(err, vault.ErrKey, "unwrap with bit %d changed", bit)
	}
	for n := range len(blob) {
		_, err := r.Personal.Unwrap(context.Background(), bound, blob[:n])
		r.want(err, vault.ErrKey, "unwrap of the first %d bytes", n)
	}
}

func otherKEK(r *rig) {
	_, err := r.Tokens.Unwrap(context.Background(), bound, r.wrap(make([]byte, 32)))
	r.want(err, vault.ErrKey, "unwrap under the other KEK")
}

func disabled(r *rig) {
	ctx := context.Background()
	blob := r.wrap([]byte("key"))
	r.must(r.Stop(), "stop")
	for range 2 { // before and after reopening
		_, err := r.Personal.Wrap(ctx, bound, []byte("key"))
		r.want(err, vault.ErrKeyDisabled, "wrap")
		_, err = r.Personal.Unwrap(ctx, bound, blob)
		r.want(err, vault.ErrKeyDisabled, "unwrap")
		r.that(!errors.Is(err, vault.ErrUnavailable), "disabled is not out of reach")
		_, err = r.Tokens.Wrap(ctx, bound, []byte("key"))
		r.must(err, "wrap under the token KEK")
		r.Backends = r.Reopen(r.T)
	}
	r.must(r.Resume(), "resume")
	got, err := r.Personal.Unwrap(ctx, bound, blob)
	r.must(err, "unwrap")
	r.that(string(got) == "key", "the old blob opens again")
}

func wrapsAtOnce(r *rig) {
	r.must(together(16, func(i int) error {
		blob, err := r.Personal.Wrap(context.Background(), bound, []byte{byte(i)})
		if err != nil {
			return err
		}
		key, err := r.Personal.Unwrap(context.Background(), bound, blob)
		if err == nil && key[0] != byte(i) {
			return fmt.Errorf("key %d came back as %d", i, key[0])
		}
		return err
	}), "wrap at once")
}
