package score

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
)

func TestVariablesOfTheTransaction(t *testing.T) {
	tx := payments(0, 12_345)
	tx.OccurredAt = time.Date(2026, 11, 22, 2, 59, 0, 0, time.UTC) // Saturday, 23:59 in Brasília
	tx.Card = payment.CardDetails{BIN: "411111", Brand: "visa"}
	tx.MCC, tx.Merchant, tx.Terminal, tx.Channel, tx.DocumentKind = "5411", "m1", "term1", payment.Web, payment.CPF
	tx.UF, tx.FiscalRegion = "SP", 7
	tx.Device, tx.IP, tx.Address, tx.Lists = token(3), token(4), token(5), payment.Allowed
	m := moment{tx, tx.OccurredAt.In(zone)}
	got := map[string]any{}
	for _, v := range ownVariables() {
		switch v.Type {
		case rule.Number:
			got[v.Name] = v.number(&m)
		case rule.Text:
			got[v.Name] = v.text(&m)
		case rule.Flag:
			got[v.Name] = v.flag(&m)
		}
	}
	want := map[string]any{
		"tx.amount": 12345.0, "tx.hour": 23.0, "tx.weekday": 6.0, "tx.method": "card", "tx.channel": "web", "tx.bin": "411111",
		"tx.brand": "visa", "tx.mcc": "5411", "tx.merchant": "m1", "tx.terminal": "term1", "tx.uf": "SP", "tx.document": "cpf",
		"tx.night": true, "tx.weekend": true, "tx.region_mismatch": true, "tx.has_device": true, "tx.has_ip": true,
		"tx.has_address": true, "tx.blocked": false, "tx.allowed": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	tx.FiscalRegion = 8
	for _, v := range ownVariables() {
		if v.Name == "tx.region_mismatch" && v.flag(&m) {
			t.Error("region 8 covers SP")
		}
	}
}

func TestAmountsNeedAPast(t *testing.T) {
	for _, c := range []struct{ amount, count, median, spread, ratio, z float64 }{
		{300, 4, 100, 10, math.NaN(), math.NaN()},
		{300, math.NaN(), 100, 10, math.NaN(), math.NaN()},
		{300, 5, 0, 10, math.NaN(), math.NaN()},
		{300, 5, 100, 10, 3, 20},
		{300, 5, 100, 0, 3, 40}, // somebody who always pays the same has a spread of 5 %
		{50, 5, 100, 10, 0.5, -5},
	} {
		ratio, z := amountRatio(c.amount, c.count, c.median), amountZ(c.amount, c.count, c.median, c.spread)
		if !same(ratio, c.ratio) || !same(z, c.z) {
			t.Errorf("%+v gives ratio %v, z %v", c, ratio, z)
		}
	}
}

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func TestSchemaIsDocumentedAndUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Schema() {
		if v.Doc == "" || seen[v.Name] {
			t.Errorf("%s has no doc or is there twice", v.Name)
		}
		seen[v.Name] = true
	}
	mustRules(t, string(rule.Default()))
}
