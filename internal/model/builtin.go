package model

import _ "embed"

//go:embed builtin.json
var builtIn []byte

// BuiltIn is the file of a model that was trained on the simulated shop (fastshop simulate), for demonstrations: its card
// says with what. It knows nothing of any real shop.
func BuiltIn() []byte { return builtIn }

// ShopVariables are what a model reads unless it is told otherwise: amount against the customer's and card's own past, how
// much and how often lately, novelty, habit of hours, and what is known of whoever shares device, address, card, seller or
// terminal. They are of any shop; which of them matter the training finds out.
func ShopVariables() []string {
	return []string{
		"tx.amount", "tx.hour", "tx.weekday", "tx.night", "tx.weekend", "tx.region_mismatch", "tx.has_device", "tx.has_ip",
		"tx.method=card", "tx.method=pix", "tx.method=boleto", "tx.channel=web", "tx.channel=app", "tx.channel=store",
		"customer.amount_ratio", "customer.amount_z", "customer.count_1h", "customer.count_24h", "customer.count_7d", "customer.count_30d",
		"customer.sum_24h", "customer.mean_30d", "customer.sd_30d", "customer.max_30d", "customer.declines_24h", "customer.anomalies_24h",
		"customer.anomalies_7d", "customer.frauds_30d", "customer.distinct_card_7d", "customer.distinct_device_7d", "customer.distinct_ip_24h",
		"customer.seconds_since_last", "customer.first_seen_seconds", "customer.hour_share", "customer.device_age_seconds",
		"customer.card_age_seconds", "customer.address_age_seconds", "customer.merchant_age_seconds",
		"card.amount_z", "card.count_1h", "card.count_24h", "card.declines_1h", "card.distinct_customer_7d", "card.first_seen_seconds",
		"device.count_1h", "device.count_24h", "device.declines_1h", "device.distinct_customer_7d", "device.distinct_card_24h",
		"device.first_seen_seconds", "device.frauds_30d", "ip.count_1h", "ip.distinct_customer_1h", "ip.distinct_card_1h", "bin.count_1h",
		"bin.declines_1h", "merchant.count_24h", "merchant.anomalies_24h", "merchant.frauds_30d", "merchant.fraud_share_30d_delayed",
		"terminal.count_24h", "terminal.anomalies_24h", "terminal.frauds_7d", "terminal.fraud_run", "terminal.fraud_share_30d_delayed",
	}
}
