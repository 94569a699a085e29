package cost_test

import (
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/cost"
)

const (
	readme  = "../README.md"
	details = "../../docs/costs.md"
)

var update = flag.Bool("update", false, "write the generated block of "+readme+", and "+details)

func TestDetailsAreCurrent(t *testing.T) {
	if *update {
		if err := os.WriteFile(details, []byte(cost.Details()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(details)
	if err != nil || string(text) != cost.Details() {
		t.Errorf("%s is stale (%v); run go test ./cost -update", details, err)
	}
}

func TestREADMEHasTheGeneratedTables(t *testing.T) {
	block, err := cost.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	want, err := cost.Splice(string(document), block)
	if err != nil {
		t.Fatal(err)
	}
	if want == string(document) {
		return
	}
	if *update {
		if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is stale; run go test ./cost -update", readme)
}

func TestMarkdownSaysTheBill(t *testing.T) {
	block, err := cost.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	block += cost.Details()
	for _, want := range []string{
		"| stream | 55 | 55 | 113 | 113 | 930 | 930 |",
		"| stream | 2 shards, kept 168 h | 3 shards, kept 168 h | 22 shards, kept 168 h |",
		"| enhanced fan-out for the processor | +27 |",
		"| 4 | any volume | any rate |",
		"| 6 | 626 GB a month | 156/s |",
		"| cache.t4g.small | 1.53 |",
		"| Lambda: time on arm64 | GB-second | 0.0000133334 | V | 2026-08 |",
		"| RDS for PostgreSQL: db.r7g.xlarge | hour | 0.478 | R | 2026-08 |",
	} {
		if !strings.Contains(block, want) {
			t.Errorf("missing: %s", want)
		}
	}
	for _, line := range strings.Split(block, "\n") {
		if strings.HasPrefix(line, "|") && strings.Contains(line, "NaN") || strings.Contains(line, "%!") {
			t.Errorf("broken line: %s", line)
		}
	}
}

func TestSplice(t *testing.T) {
	got, err := cost.Splice("# A\n"+cost.Begin+"\nold\n"+cost.End+"\nrest\n", "new\n")
	if err != nil || got != "# A\n"+cost.Begin+"\nnew\n"+cost.End+"\nrest\n" {
		t.Errorf("got %q and %v", got, err)
	}
	for _, document := range []string{"", cost.Begin, cost.End + cost.Begin, cost.Begin + cost.End + cost.End, cost.Begin + cost.Begin + cost.End} {
		if _, err := cost.Splice(document, "new"); !errors.Is(err, cost.ErrMarkers) {
			t.Errorf("%q: got %v, want ErrMarkers", document, err)
		}
	}
}

func TestEveryPriceIsStated(t *testing.T) {
	month := regexp.MustCompile(`^20[0-9]{2}-(0[1-9]|1[0-2])$`)
	var list []cost.Price
	for item := cost.ShardHour; item <= cost.InternetFurther; item++ {
		list = append(list, cost.PriceOf(item))
	}
	for _, m := range append(cost.DatabaseClasses(), cost.CacheNodes()...) {
		if m.MemoryGiB <= 0 {
			t.Errorf("%s has no memory", m.Name)
		}
		list = append(list, m.Price)
	}
	seen := map[string]bool{}
	for _, p := range list {
		known := p.Source == cost.Verified || p.Source == cost.Secondary || p.Source == cost.Recalled
		if p.Item == "" || p.Unit == "" || p.USD <= 0 || !known || !month.MatchString(p.AsOf) || seen[p.Item] {
			t.Errorf("price %+v", p)
		}
		seen[p.Item] = true
	}
	want := cost.Price{Item: "NAT gateway", Unit: "hour", USD: 0.045, Source: cost.Secondary, AsOf: "2026-06"}
	if got := cost.PriceOf(cost.NATHour); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
