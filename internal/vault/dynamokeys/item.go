package dynamokeys

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

// item is an item of the table, or its key. The attributes are described in the package comment.
type item map[string]types.AttributeValue

const (
	customerPrefix = "customer/"
	tokenPrefix    = "token/"
	secretPrefix   = "secret/"

	latest     = "latest"
	generation = "generation"
	tombstones = "tombstones"
)

func text(s string) types.AttributeValue    { return &types.AttributeValueMemberS{Value: s} }
func bytesOf(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

func number[T ~int64 | ~uint64 | ~uint32](n T) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: fmt.Sprint(n)}
}

func keyOf(pk, sk string) item { return item{"pk": text(pk), "sk": text(sk)} }

func customerKey(h vault.Handle) item { return keyOf(customerPrefix+hex.EncodeToString(h[:]), latest) }

func tokenKey(t payment.Token) item { return keyOf(tokenPrefix+hex.EncodeToString(t[:]), generation) }

func tombstoneKey(seq uint64) item { return keyOf(tombstones, sequence(seq)) }

func secretKey(id vault.SecretID) item { return keyOf(secretPrefix+string(id.Purpose), id.Epoch) }

func sequence(seq uint64) string { return fmt.Sprintf("%020d", seq) }

// name is the item's key as text, for maps.
func (i item) name() string { return i.text("pk") + "\x00" + i.text("sk") }

func (i item) text(name string) string {
	if v, ok := i[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

func (i item) bytes(name string) []byte {
	if v, ok := i[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

func (i item) has(name string) bool { _, ok := i[name]; return ok }

// number is 0 for an attribute that is not there.
func (i item) number(name string) (int64, error) {
	v, ok := i[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: a number that is none", ErrTorn)
	}
	return n, nil
}

// customerItem is the item of a customer's latest generation; seq is its tombstone's if it is closed.
func customerItem(r *vault.Record, seq uint64) item {
	i := customerKey(r.Handle)
	i["g"], i["t"] = number(r.Generation), bytesOf(r.Token[:])
	if !r.Opened.IsZero() {
		i["o"] = number(r.Opened.UnixMilli())
	}
	if len(r.Wrapped) > 0 {
		i["e"], i["w"] = number(int64(r.Epoch)), bytesOf(r.Wrapped)
	}
	if !r.Closed.IsZero() {
		i["c"], i["n"] = number(r.Closed.UnixMilli()), number(seq)
	}
	return i
}

// record reads a customer's item; of none it is the zero Record.
func (i item) record() (r vault.Record, seq uint64, err error) {
	if len(i) == 0 {
		return r, 0, nil
	}
	id, ok := strings.CutPrefix(i.text("pk"), customerPrefix)
	if n, err := hex.Decode(r.Handle[:], []byte(id)); !ok || len(id) != 2*len(r.Handle) || n != len(r.Handle) || err != nil {
		return r, 0, fmt.Errorf("%w: a customer without a handle", ErrTorn)
	}
	var epoch, closed int64
	if err := i.numbers(map[string]*int64{"e": &epoch, "c": &closed}); err != nil {
		return r, 0, err
	}
	if r.Generation, seq, err = i.generation(); err != nil {
		return r, 0, err
	}
	if copy(r.Token[:], i.bytes("t")) != len(r.Token) {
		return r, 0, fmt.Errorf("%w: a customer without a token", ErrTorn)
	}
	if i.has("c") {
		r.Closed = time.UnixMilli(closed).UTC()
		return r, seq, nil
	}
	opened, err := i.number("o")
	if err != nil {
		return r, 0, err
	}
	if i.has("o") {
		r.Opened = time.UnixMilli(opened).UTC()
	}
	r.Epoch, r.Wrapped = vault.Epoch(epoch), i.bytes("w")
	return r, seq, nil
}

func (i item) numbers(to map[string]*int64) (err error) {
	for name, n := range to {
		if *n, err = i.number(name); err != nil {
			return err
		}
	}
	return nil
}

// generation reads the attributes g and n.
func (i item) generation() (g uint32, seq uint64, err error) {
	var gen, n int64
	if err := i.numbers(map[string]*int64{"g": &gen, "n": &n}); err != nil {
		return 0, 0, err
	}
	if gen < 1 || gen != int64(uint32(gen)) || n < 0 || i.has("c") != (n > 0) {
		return 0, 0, fmt.Errorf("%w: a generation out of range", ErrTorn)
	}
	return uint32(gen), uint64(n), nil
}

// tokenItem is the item of an open generation's token.
func tokenItem(r *vault.Record) item {
	i := tokenKey(r.Token)
	i["h"], i["g"] = bytesOf(r.Handle[:]), number(r.Generation)
	return i
}

// buried are the items that an erasure leaves: of the customer, if the generation is the latest, of the token, and the
// tombstone.
func buried(t *vault.Tombstone) (customer, token, stone item) {
	r := vault.Record{Handle: t.Handle, Generation: t.Generation, Token: t.Token, Closed: t.At}
	customer, token, stone = customerItem(&r, t.Seq), tokenItem(&r), tombstoneKey(t.Seq)
	token["c"], token["n"] = customer["c"], customer["n"]
	stone["h"], stone["g"], stone["t"], stone["c"] = token["h"], token["g"], customer["t"], customer["c"]
	return customer, token, stone
}

// tombstone reads a tombstone's item.
func (i item) tombstone() (t vault.Tombstone, err error) {
	var gen, at int64
	if err := i.numbers(map[string]*int64{"g": &gen, "c": &at}); err != nil {
		return t, err
	}
	t.Seq, err = strconv.ParseUint(i.text("sk"), 10, 64)
	if err != nil || gen < 1 || gen != int64(uint32(gen)) || !i.has("c") ||
		copy(t.Handle[:], i.bytes("h")) != len(t.Handle) || copy(t.Token[:], i.bytes("t")) != len(t.Token) {
		return t, fmt.Errorf("%w: a tombstone that cannot be read", ErrTorn)
	}
	t.Generation, t.At = uint32(gen), time.UnixMilli(at).UTC()
	return t, nil
}
