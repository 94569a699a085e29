package dynamokeys_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
)

// instant is a table that answers at once and knows every customer: what remains is the work of this side, and of the
// server in the same process.
func instant(b *testing.B) *dynamokeys.Store {
	url := testenv.Intercept(b, "http://127.0.0.1:1", func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if actionOf(r) != "BatchGetItem" {
			fmt.Fprint(w, "{}")
			return true
		}
		var in struct {
			RequestItems map[string]struct {
				Keys []struct{ Pk struct{ S string } }
			}
		}
		if err := json.Unmarshal(body, &in); err != nil {
			b.Error(err)
		}
		var found []string
		for _, k := range in.RequestItems["t"].Keys {
			found = append(found, fmt.Sprintf(`{"pk":{"S":%q},"sk":{"S":"latest"},"g":{"N":"1"},"t":{"B":"AQAAAAAAAAAAAAAAAAAAAAA="},"e":{"N":"86400"},"w":{"B":"%s"}}`,
				k.Pk.S, strings.Repeat("AAAA", 20)+"AA=="))
		}
		fmt.Fprintf(w, `{"Responses":{"t":[%s]},"UnprocessedKeys":{}}`, strings.Join(found, ","))
		return true
	})
	return dynamokeys.New(load(b, url), "t", unlucky)
}

func BenchmarkFind(b *testing.B) {
	for _, size := range []int{1, 100, 500} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := instant(b)
			handles := make([]vault.Handle, size)
			for i := range handles {
				handles[i] = record(i).Handle
			}
			b.ReportAllocs()
			for b.Loop() {
				found, err := s.Find(b.Context(), handles)
				if err != nil || found[size-1].Handle != handles[size-1] {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/customer")
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	for _, size := range []int{1, 100, 500} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := instant(b)
			offers := make([]vault.Record, size)
			for i := range offers {
				offers[i] = record(i)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Create(b.Context(), offers); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/customer")
		})
	}
}
