package vault_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/fastshop/pipeline/internal/vault"
)

func BenchmarkToken(b *testing.B) {
	v := open(b, config())
	b.ReportAllocs()
	for b.Loop() {
		v.Token(vault.KindDocument, "11144477735")
	}
}

func BenchmarkPayloadMAC(b *testing.B) {
	v := open(b, config())
	payload := make([]byte, 600)
	b.ReportAllocs()
	for b.Loop() {
		v.PayloadMAC(payload)
	}
}

var eight = []vault.Field{
	{Name: vault.FieldCustomerID, Value: []byte("customer-000123")}, {Name: vault.FieldDocument, Value: []byte("11144477735")},
	{Name: vault.FieldEmail, Value: []byte("ana.souza@example.com")}, {Name: vault.FieldPhone, Value: []byte("+5581999990000")},
	{Name: vault.FieldFullName, Value: []byte("Ana Maria de Souza")}, {Name: vault.FieldIP, Value: []byte("200.100.50.25")},
	{Name: vault.FieldCEP, Value: []byte("50030230")}, {Name: vault.FieldCity, Value: []byte("Recife")},
}

func BenchmarkSeal8(b *testing.B) {
	c := customer(b, open(b, config()), "ana")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Seal("transaction-000123", eight); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen8(b *testing.B) {
	v := open(b, config())
	c := customer(b, v, "ana")
	blob, _, err := c.Seal("transaction-000123", eight)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Open(context.Background(), c.Token, "transaction-000123", blob); err != nil {
			b.Fatal(err)
		}
	}
}

func ids(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("customer-%06d", i)
	}
	return ids
}

// BenchmarkCustomersCached has 100,000 customers in the cache and asks for them in batches.
func BenchmarkCustomersCached(b *testing.B) {
	v, all := open(b, config()), ids(100_000)
	load(b, v, all)
	for _, size := range []int{1, 500} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				load(b, v, all[at:at+size])
				at = (at + size*7) % (len(all) - size)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/customer")
		})
	}
}

// BenchmarkCustomersCold reads customers from a key store in memory and unwraps their keys.
func BenchmarkCustomersCold(b *testing.B) {
	c, all := config(), ids(2000)
	load(b, open(b, c), all)
	b.ReportAllocs()
	for b.Loop() {
		load(b, open(b, c), all)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(all)), "ns/customer")
}

// BenchmarkCacheMemory reports the memory of 100,000 cached customers.
func BenchmarkCacheMemory(b *testing.B) {
	c, all := config(), ids(100_000)
	load(b, open(b, c), all) // what the key store in memory needs is there before
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		v := open(b, c)
		for rest := all; len(rest) > 0; rest = rest[500:] {
			load(b, v, rest[:500])
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(all)), "B/customer")
		runtime.KeepAlive(v)
	}
}

func load(b *testing.B, v *vault.Vault, ids []string) {
	if _, err := v.Customers(context.Background(), ids); err != nil {
		b.Fatal(err)
	}
}
