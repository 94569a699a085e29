package rule

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	hour = 3600.0
	day  = 24 * hour
)

// narrow is the past of somebody who has long paid much the same; wide is that of somebody who buys bread and telephones.
var (
	narrow = values{"customer.count_30d": 40, "customer.count_30d_delayed": 40, "customer.anomalies_30d_delayed": 0,
		"customer.amount_median": 5000, "customer.amount_spread": 2000, "customer.mean_30d_delayed": 5200, "customer.sd_30d_delayed": 2600}
	wide = values{"customer.count_30d": 40, "customer.count_30d_delayed": 40, "customer.anomalies_30d_delayed": 5,
		"customer.amount_median": 5000, "customer.amount_spread": 4500, "customer.mean_30d_delayed": 11000, "customer.sd_30d_delayed": 16000}
)

// with is v with some values in place of its own.
func (v values) with(other values) values {
	all := maps.Clone(v)
	maps.Copy(all, other)
	return all
}

// defaultCases has for every rule of the embedded file one transaction for which it holds, with the
// points it gives, and some for which it must not.
var defaultCases = map[string]struct {
	holds  values
	points int
	not    []values
}{
	"block-list": {values{"tx.blocked": true, "tx.allowed": true}, 1000, []values{{"tx.allowed": true}}},
	"allow-list": {values{"tx.allowed": true}, 0, []values{{"tx.allowed": true, "tx.blocked": true}, {}}},
	"card-velocity": {values{"card.count_5m": 4, "card.count_1h": 4}, 360, []values{
		{"card.count_5m": 2, "card.count_1h": 4}, {}}},
	"customer-velocity": {values{"customer.count_5m": 4, "customer.count_1h": 4}, 200, []values{
		{"customer.count_5m": 3, "customer.count_1h": 7}, {"customer.count_5m": 4, "tx.allowed": true}}},
	"device-velocity":   {values{"device.count_5m": 3, "device.count_1h": 16}, 440, []values{{"device.count_5m": 4, "device.count_1h": 9}, {}}},
	"ip-many-customers": {values{"ip.count_1h": 40, "ip.distinct_customer_1h": 30}, 300, []values{{"ip.count_1h": 40, "ip.distinct_customer_1h": 2}}},
	"many-ips": {values{"customer.distinct_ip_24h": 7, "customer.distinct_device_24h": 2}, 210, []values{
		{"customer.distinct_ip_24h": 7, "customer.distinct_device_24h": 1}, {"customer.distinct_ip_24h": 7, "customer.distinct_device_24h": 2, "tx.allowed": true}}},
	"device-many-cards": {values{"device.distinct_card_24h": 4, "tx.allowed": true}, 450, []values{{"device.distinct_card_24h": 2}, {}}},
	"device-cards-week": {values{"device.distinct_card_7d": 5, "device.distinct_customer_7d": 3}, 400, []values{
		{"device.distinct_card_7d": 5, "device.distinct_customer_7d": 1}, {"device.distinct_card_7d": 2, "device.distinct_customer_7d": 3}, {}}},
	"new-account-used-device": {values{"customer.first_seen_seconds": 0, "device.distinct_customer_7d": 2, "customer.device_age_seconds": 0}, 360, []values{
		{"customer.first_seen_seconds": 0, "device.distinct_customer_7d": 0, "customer.device_age_seconds": 0},
		{"customer.first_seen_seconds": day, "device.distinct_customer_7d": 1, "customer.device_age_seconds": day}, // its own
		{"customer.first_seen_seconds": 90 * day, "device.distinct_customer_7d": 5, "customer.device_age_seconds": 0}, {"customer.first_seen_seconds": 0}}},
	"new-account-used-address": {values{"customer.first_seen_seconds": 0, "address.distinct_customer_7d": 4}, 320, []values{
		{"customer.first_seen_seconds": 0, "address.distinct_customer_7d": 2}, {"customer.first_seen_seconds": 90 * day, "address.distinct_customer_7d": 4}}},
	"card-many-customers": {values{"card.distinct_customer_7d": 2, "customer.card_age_seconds": 0}, 500, []values{
		{"card.distinct_customer_7d": 1, "customer.card_age_seconds": day}, {"card.distinct_customer_7d": 0, "customer.card_age_seconds": 0}, {}}},
	"new-account-many-cards": {values{"customer.first_seen_seconds": day, "customer.distinct_card_7d": 4}, 520, []values{
		{"customer.first_seen_seconds": day, "customer.distinct_card_7d": 2}, {"customer.first_seen_seconds": 90 * day, "customer.distinct_card_7d": 4}}},
	"device-many-customers": {values{"device.distinct_customer_7d": 5}, 400, []values{{"device.distinct_customer_7d": 3}}},
	"document-shared":       {values{"document.distinct_customer_30d": 3}, 390, []values{{"document.distinct_customer_30d": 2}, {}}},
	"card-testing": {values{"tx.method": "card", "tx.amount": 100, "device.distinct_card_1h": 4, "card.declines_1h": 1}, 650, []values{
		{"tx.method": "card", "tx.amount": 100, "device.distinct_card_1h": 1, "card.declines_1h": 1},
		{"tx.method": "card", "tx.amount": 5000, "device.distinct_card_1h": 4}, {"tx.method": "pix", "tx.amount": 100, "device.declines_1h": 4}}},
	"cash-out-after-test": {values{"tx.amount": 90000, "card.count_24h": 2, "card.count_30d": 2, "card.max_24h": 150}, 500, []values{
		{"tx.amount": 90000, "card.count_24h": 2, "card.count_30d": 9, "card.max_24h": 150}, {"tx.amount": 90000, "card.count_24h": 0, "card.count_30d": 0}}},
	"bin-run": {values{"card.count_30d": 0, "bin.distinct_card_1h": 20, "bin.declines_1h": 10, "bin.count_1h": 25}, 400, []values{
		{"card.count_30d": 9, "bin.distinct_card_1h": 20, "bin.declines_1h": 10, "bin.count_1h": 25},
		{"card.count_30d": 0, "bin.distinct_card_1h": 200, "bin.declines_1h": 10, "bin.count_1h": 250}, {"card.count_30d": 0, "bin.distinct_card_1h": 3, "bin.declines_1h": 10, "bin.count_1h": 10}}},
	"recent-declines": {values{"customer.declines_1h": 3}, 390, []values{{"card.declines_1h": 1, "device.declines_1h": 2, "customer.declines_1h": 2}, {}}},
	"amount-unusual": {narrow.with(values{"customer.amount_z": 5, "customer.amount_ratio": 3.5}), 520, []values{
		narrow.with(values{"customer.amount_z": 5, "customer.amount_ratio": 1.3}), narrow.with(values{"customer.amount_z": 2, "customer.amount_ratio": 4}), narrow.with(values{"customer.amount_ratio": 9}),
		narrow.with(values{"customer.amount_z": 5, "customer.amount_ratio": 3.5, "customer.count_30d_delayed": 3}), narrow.with(values{"customer.amount_z": 5, "customer.amount_ratio": 3.5, "tx.allowed": true})}},
	"unusual-amounts-repeated": {narrow.with(values{"customer.anomalies_7d": 3, "customer.amount_ratio": 2.2}), 350, []values{
		narrow.with(values{"customer.anomalies_7d": 3, "customer.amount_ratio": 1}), narrow.with(values{"customer.anomalies_7d": 1, "customer.amount_ratio": 4})}},
	"first-purchase-large": {values{"tx.amount": 250000}, 225, []values{{"tx.amount": 250000, "customer.amount_median": 9000}, {"tx.amount": 20000}}},
	"account-takeover": {values{"customer.first_seen_seconds": 90 * day, "customer.device_age_seconds": 0, "customer.amount_ratio": 4, "tx.amount": 90000, "customer.max_30d": 60000}, 510, []values{
		{"customer.first_seen_seconds": 90 * day, "customer.amount_ratio": 4, "tx.amount": 90000, "customer.max_30d": 60000}, // no device: not a new one
		{"customer.first_seen_seconds": 5 * day, "customer.device_age_seconds": 0, "customer.amount_ratio": 4, "tx.amount": 90000, "customer.max_30d": 60000},
		{"customer.first_seen_seconds": 90 * day, "customer.device_age_seconds": 0, "customer.amount_ratio": 4, "tx.amount": 90000, "customer.max_30d": 99000},
		{"customer.first_seen_seconds": 90 * day, "customer.device_age_seconds": day, "customer.amount_ratio": 4, "tx.amount": 90000, "customer.max_30d": 60000}}},
	"new-device-run": {values{"customer.first_seen_seconds": 90 * day, "customer.device_age_seconds": hour / 2, "customer.count_1h": 2}, 450, []values{
		{"customer.first_seen_seconds": 90 * day, "customer.device_age_seconds": 0, "customer.count_1h": 2}, {"customer.first_seen_seconds": 90 * day, "customer.device_age_seconds": day, "customer.count_1h": 2},
		{"customer.first_seen_seconds": hour / 2, "customer.device_age_seconds": hour / 2, "customer.count_1h": 2}, {"customer.first_seen_seconds": 90 * day, "customer.count_1h": 2}}},
	"new-device-new-address": {values{"customer.first_seen_seconds": 90 * day, "customer.count_30d": 4, "customer.device_age_seconds": 0, "customer.address_age_seconds": 0}, 380, []values{
		{"customer.first_seen_seconds": 0, "customer.count_30d": 0, "customer.device_age_seconds": 0, "customer.address_age_seconds": 0},
		{"customer.first_seen_seconds": 90 * day, "customer.count_30d": 1, "customer.device_age_seconds": 0, "customer.address_age_seconds": 0},
		{"customer.first_seen_seconds": 90 * day, "customer.count_30d": 9, "customer.device_age_seconds": 0, "customer.address_age_seconds": 0, "customer.amount_ratio": 0.4},
		{"customer.first_seen_seconds": 90 * day, "customer.count_30d": 4, "customer.device_age_seconds": 0, "customer.address_age_seconds": day}}},
	"night-pix-new-receiver": {values{"tx.method": "pix", "tx.night": true, "tx.amount": 150000, "customer.merchant_age_seconds": 0}, 250, []values{
		{"tx.method": "pix", "tx.amount": 150000, "customer.merchant_age_seconds": 0}, {"tx.method": "pix", "tx.night": true, "tx.amount": 150000, "customer.merchant_age_seconds": hour},
		{"tx.method": "pix", "tx.night": true, "tx.amount": 150000, "customer.merchant_age_seconds": 0, "customer.amount_ratio": 1.1}, {"tx.method": "card", "tx.night": true, "tx.amount": 150000, "customer.merchant_age_seconds": 0}}},
	"pix-young-receiver": {values{"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": 0, "merchant.first_seen_seconds": 2 * day, "merchant.count_30d": 3}, 300, []values{
		{"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": 0, "merchant.first_seen_seconds": 200 * day, "merchant.count_30d": 3},
		{"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": 0, "merchant.first_seen_seconds": 2 * day, "merchant.count_30d": 300},
		{"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": day, "merchant.first_seen_seconds": 2 * day, "merchant.count_30d": 3},
		{"tx.method": "card", "tx.amount": 80000, "customer.merchant_age_seconds": 0, "merchant.first_seen_seconds": 2 * day, "merchant.count_30d": 3}}},
	"pix-receiver-again": {values{"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": hour / 4, "customer.count_1h": 1}, 360, []values{
		{"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": 0, "customer.count_1h": 1}, {"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": day, "customer.count_1h": 1},
		{"tx.method": "pix", "tx.amount": 80000, "customer.merchant_age_seconds": hour / 4, "customer.count_1h": 1, "customer.amount_ratio": 1.1}}},
	"device-known-frauds": {values{"device.frauds_30d": 2, "customer.device_age_seconds": 0}, 650, []values{
		{"device.frauds_30d": 2, "customer.device_age_seconds": 90 * day}, {"device.frauds_30d": 0, "customer.device_age_seconds": 0}, {}}},
	"receiver-known-frauds": {values{"tx.method": "pix", "customer.merchant_age_seconds": 0, "merchant.frauds_30d": 2, "merchant.fraud_share_30d": 0.4}, 500, []values{
		{"tx.method": "pix", "customer.merchant_age_seconds": 0, "merchant.frauds_30d": 2, "merchant.fraud_share_30d": 0.01}, {"tx.method": "pix", "customer.merchant_age_seconds": day, "merchant.frauds_30d": 2, "merchant.fraud_share_30d": 0.4},
		{"tx.method": "card", "customer.merchant_age_seconds": 0, "merchant.frauds_30d": 2, "merchant.fraud_share_30d": 0.4}}},
	"terminal-fraud-run":   {values{"terminal.fraud_run": 2}, 550, []values{{"terminal.fraud_run": 1}, {}}},
	"terminal-fraud-share": {values{"terminal.frauds_24h_delayed": 1, "terminal.fraud_share_24h_delayed": 0.5, "terminal.frauds_7d_delayed": 1}, 150, []values{{"terminal.frauds_24h_delayed": 0, "terminal.frauds_7d_delayed": 1}, {}}},
	"terminal-recent-frauds": {values{"terminal.frauds_7d": 1, "terminal.fraud_share_7d": 0.05}, 350, []values{
		{"terminal.frauds_7d": 0, "terminal.fraud_share_7d": 0}}},
	"terminal-anomalies": {values{"terminal.anomalies_24h": 4, "terminal.count_24h": 8}, 200, []values{{"terminal.anomalies_24h": 4, "terminal.count_24h": 80}, {"terminal.anomalies_24h": 2, "terminal.count_24h": 2}}},
	"terminal-burst": {values{"terminal.count_24h": 6, "terminal.count_7d_delayed": 7}, 300, []values{
		{"terminal.count_24h": 6, "terminal.count_7d_delayed": 14}, {"terminal.count_24h": 6, "terminal.count_7d_delayed": 0}, {"terminal.count_24h": 3, "terminal.count_7d_delayed": 1}}},
	"merchant-fraud-share": {values{"merchant.count_30d_delayed": 80, "merchant.fraud_share_30d_delayed": 0.05}, 150, []values{{"merchant.count_30d_delayed": 8, "merchant.fraud_share_30d_delayed": 0.5}, {"merchant.count_30d_delayed": 80, "merchant.fraud_share_30d_delayed": 0.01}}},
	"cpf-region":           {values{"tx.region_mismatch": true, "tx.document": "cpf"}, 60, []values{{"tx.region_mismatch": true, "tx.document": "cnpj"}, {"tx.document": "cpf"}}},
	"boleto-burst": {values{"tx.method": "boleto", "tx.amount": 600000}, 150, []values{
		{"tx.method": "boleto", "tx.amount": 600000, "customer.first_seen_seconds": 90 * day}, {"tx.method": "boleto", "tx.amount": 100, "customer.count_24h": 1}, {"tx.method": "pix", "customer.count_24h": 5}}},
}

func TestEveryDefaultRuleHoldsWhereItShouldAndOnlyThere(t *testing.T) {
	s := mustCompile(t, string(Default()), schema())
	rules := s.Rules()
	for i, r := range rules {
		tc, ok := defaultCases[r.ID]
		if !ok || len(tc.not) == 0 {
			t.Errorf("rule %s has no case, or none in which it must not hold", r.ID)
			continue
		}
		if hit := find(evaluate(t, s, tc.holds), i); hit == nil || hit.Points != tc.points {
			t.Errorf("rule %s over %v: %+v, want %d points", r.ID, tc.holds, hit, tc.points)
		}
		for _, v := range tc.not {
			if hit := find(evaluate(t, s, v), i); hit != nil {
				t.Errorf("rule %s holds over %v", r.ID, v)
			}
		}
	}
	if len(defaultCases) != len(rules) {
		t.Errorf("%d cases, %d rules: a case is of no rule", len(defaultCases), len(rules))
	}
}

// An amount far above the usual asks for a proof where the past leaves no room for it, and alone never where it does.
func TestAnUnusualAmountCountsForLessWhenThePastIsWideOrShort(t *testing.T) {
	s := mustCompile(t, string(Default()), schema())
	extreme := values{"customer.amount_z": 30, "customer.amount_ratio": 20, "customer.anomalies_7d": 2}
	points := func(v values) (sum int) {
		for _, h := range evaluate(t, s, v.with(extreme)).Hits {
			sum += h.Points
		}
		return sum
	}
	full := points(narrow)
	if full < 800 {
		t.Errorf("a narrow past gives %d points", full)
	}
	if got := points(wide); got >= 100 {
		t.Errorf("a wide past gives %d points", got)
	}
	for name, one := range map[string]values{
		"usual amounts far apart":   {"customer.amount_spread": wide["customer.amount_spread"]},
		"outliers before":           {"customer.sd_30d_delayed": wide["customer.sd_30d_delayed"]},
		"often unusual before":      {"customer.anomalies_30d_delayed": wide["customer.anomalies_30d_delayed"]},
		"few payments":              {"customer.count_30d": 6},
		"nothing known of the past": {"customer.mean_30d_delayed": nan, "customer.sd_30d_delayed": nan},
	} {
		if got := points(narrow.with(one)); got >= full*2/3 {
			t.Errorf("%s: %d points, %d without", name, got, full)
		}
	}
}

func find(out Result, rule int) *Hit {
	if i := slices.IndexFunc(out.Hits, func(h Hit) bool { return h.Rule == rule }); i >= 0 {
		return &out.Hits[i]
	}
	return nil
}

func TestTheDefaultRulesSayNothingOfNothing(t *testing.T) {
	s := mustCompile(t, string(Default()), schema())
	plain := values{"tx.method": "card", "tx.amount": 12000, "customer.amount_ratio": 1.1, "customer.amount_z": 0.4, "customer.amount_median": 11000,
		"customer.first_seen_seconds": 400 * day, "customer.device_age_seconds": 300 * day, "customer.address_age_seconds": 300 * day, "card.count_1h": 1, "device.count_1h": 1}
	for name, v := range map[string]values{"nothing known": nil, "a plain purchase": plain} {
		if out := evaluate(t, s, v); len(out.Hits)+len(out.Failed) > 0 {
			t.Errorf("%s: %+v", name, out)
		}
	}
	zeros := s.NewInput()
	clear(zeros.Numbers)
	var out Result
	if s.Evaluate(zeros, &out); len(out.Failed) > 0 {
		t.Errorf("rules fail over zeros: %+v", out.Failed)
	}
}

func TestTheDefaultRulesKeepTheirPromises(t *testing.T) {
	s := mustCompile(t, string(Default()), schema())
	sentence := regexp.MustCompile(`^\p{Lu}.*\.$`)
	for _, r := range s.Rules() {
		for _, text := range []string{r.Text.PT, r.Text.EN} {
			if !sentence.MatchString(text) {
				t.Errorf("rule %s: %q is not a sentence", r.ID, text)
			}
		}
		if len(r.Tags) == 0 {
			t.Errorf("rule %s has no tag", r.ID)
		}
		exempts := strings.Contains(r.When, "!tx.allowed")
		if slices.Contains(r.Tags, "hard") && exempts {
			t.Errorf("rule %s: the allow list silences hard evidence", r.ID)
		}
		if slices.Contains(r.Tags, "habit") && !exempts {
			t.Errorf("rule %s: the allow list does not reach this habit rule", r.ID)
		}
		if tc := defaultCases[r.ID]; slices.Contains(r.Tags, "context") && tc.points >= 350 {
			t.Errorf("rule %s acts alone with %d points", r.ID, tc.points)
		}
	}
}

func TestTheDefaultRulesNeedNoInterpreter(t *testing.T) {
	l, err := newLanguage(schema())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range readFile(Default()).drafts {
		for _, e := range []expression{d.when, d.points} {
			if e.source == "" {
				continue
			}
			if p, ok := engines(t, l, e.source, schema()); !ok || p.closures == nil {
				t.Errorf("rule %s: %s is not covered by closures", d.ID, e.source)
			}
		}
	}
}

func TestDefaultIsACopy(t *testing.T) {
	Default()[0] = '!'
	if Default()[0] == '!' {
		t.Error("a caller changed the embedded file")
	}
}
