package cost

import (
	"fmt"
	"strconv"
	"strings"
)

// A Source says how a price is known.
type Source string

// The sources, from the best to the least. A recalled price is a lead to follow, not a fact.
const (
	// Verified prices were read in AWS's own text.
	Verified Source = "V"
	// Secondary prices were read in somebody else's text only.
	Secondary Source = "S"
	// Recalled prices were read nowhere.
	Recalled Source = "R"
)

// An Item is one thing that AWS charges for.
type Item int

// The items, in the order of the price table.
const (
	ShardHour Item = iota
	PutUnit
	ExtendedShardHour
	LongTermStorage
	FanOutShardHour
	FanOutData
	StreamHour
	OnDemandIn
	OnDemandOut
	OnDemandFanOut
	OnDemandStorage
	FunctionRequest
	FunctionTime
	RequestFirst
	RequestFurther
	DatabaseStorage
	Secret
	TableRead
	TableWrite
	TableStorage
	TableRecovery
	Key
	KeyRequest
	LogFirst
	LogSecond
	LogThird
	LogFurther
	LogStorage
	Alarm
	Dashboard
	Trace
	NATHour
	NATData
	EndpointHour
	EndpointData
	ZoneData
	InternetFirst
	InternetSecond
	InternetThird
	InternetFurther
	items
)

// A Price is what AWS charges for one unit of an item in us-east-1, on demand, without free tier and tax.
type Price struct {
	// Item says in words what is charged for.
	Item string
	// Unit is what one charge buys.
	Unit string
	// USD is the charge in US dollars, above 0.
	USD float64
	// Source says how the price is known, and AsOf in which month it was noted, as in 2026-08; the text may be older.
	Source Source
	AsOf   string
}

// prices is the table; nobody writes to it.
var prices = [items]Price{
	ShardHour:         {"stream, provisioned", "shard-hour", 0.015, Secondary, "2026-08"},
	PutUnit:           {"stream, provisioned: records of up to 25 KB", "million records", 0.014, Recalled, "2026-08"},
	ExtendedShardHour: {"stream, provisioned: hours 25 to 168", "shard-hour", 0.020, Secondary, "2026-08"},
	LongTermStorage:   {"stream: what is older than 168 hours", "GB-month", 0.023, Recalled, "2026-08"},
	FanOutShardHour:   {"stream, provisioned: enhanced fan-out", "shard-hour", 0.015, Secondary, "2026-08"},
	FanOutData:        {"stream, provisioned: enhanced fan-out, read", "GB", 0.013, Secondary, "2026-08"},
	StreamHour:        {"stream, on-demand", "stream-hour", 0.04, Recalled, "2026-08"},
	OnDemandIn:        {"stream, on-demand: written, each record rounded up to 1,024 bytes", "GB", 0.08, Recalled, "2026-08"},
	OnDemandOut:       {"stream, on-demand: read", "GB", 0.04, Recalled, "2026-08"},
	OnDemandFanOut:    {"stream, on-demand: read with enhanced fan-out", "GB", 0.05, Recalled, "2026-08"},
	OnDemandStorage:   {"stream, on-demand: hours 25 to 168", "GB-month", 0.10, Recalled, "2026-08"},
	FunctionRequest:   {"Lambda: invocations", "million", 0.20, Verified, "2026-08"},
	FunctionTime:      {"Lambda: time on arm64", "GB-second", 0.0000133334, Verified, "2026-08"},
	RequestFirst:      {"HTTP API: first 300 million requests, in steps of 512 KB", "million", 1.00, Secondary, "2026-08"},
	RequestFurther:    {"HTTP API: further requests", "million", 0.90, Secondary, "2026-08"},
	DatabaseStorage:   {"RDS: gp3 storage, one zone", "GB-month", 0.115, Secondary, "2026-06"},
	Secret:            {"Secrets Manager", "secret-month", 0.40, Recalled, "2026-08"},
	TableRead:         {"DynamoDB: reads on demand", "million", 0.125, Secondary, "2025-07"},
	TableWrite:        {"DynamoDB: writes on demand", "million", 0.625, Secondary, "2025-07"},
	TableStorage:      {"DynamoDB: storage", "GB-month", 0.25, Recalled, "2026-08"},
	TableRecovery:     {"DynamoDB: point-in-time recovery", "GB-month", 0.20, Recalled, "2026-08"},
	Key:               {"KMS: customer-managed key", "key-month", 1.00, Verified, "2026-03"},
	KeyRequest:        {"KMS: requests", "10,000 requests", 0.03, Secondary, "2026-03"},
	LogFirst:          {"logs: first 10 TB", "GB", 0.50, Secondary, "2026-08"},
	LogSecond:         {"logs: 10 to 30 TB", "GB", 0.25, Secondary, "2026-08"},
	LogThird:          {"logs: 30 to 50 TB", "GB", 0.10, Secondary, "2026-08"},
	LogFurther:        {"logs: above 50 TB", "GB", 0.05, Secondary, "2026-08"},
	LogStorage:        {"logs: storage", "GB-month", 0.03, Secondary, "2026-08"},
	Alarm:             {"CloudWatch: alarm", "alarm-month", 0.10, Recalled, "2026-08"},
	Dashboard:         {"CloudWatch: dashboard", "dashboard-month", 3.00, Secondary, "2026-08"},
	Trace:             {"X-Ray: traces recorded", "million", 5.00, Recalled, "2026-08"},
	NATHour:           {"NAT gateway", "hour", 0.045, Secondary, "2026-06"},
	NATData:           {"NAT gateway: data", "GB", 0.045, Secondary, "2026-06"},
	EndpointHour:      {"interface endpoint in one zone", "hour", 0.01, Secondary, "2026-06"},
	EndpointData:      {"interface endpoint: data", "GB", 0.01, Secondary, "2026-06"},
	ZoneData:          {"data between zones", "GB", 0.01, Secondary, "2026-08"},
	InternetFirst:     {"data to the internet: first 10 TB", "GB", 0.09, Secondary, "2026-08"},
	InternetSecond:    {"data to the internet: next 40 TB", "GB", 0.085, Recalled, "2026-08"},
	InternetThird:     {"data to the internet: next 100 TB", "GB", 0.07, Recalled, "2026-08"},
	InternetFurther:   {"data to the internet: further", "GB", 0.05, Recalled, "2026-08"},
}

// PriceOf returns the price of an item; it panics for one that is not in the list above.
func PriceOf(item Item) Price { return prices[item] }

// A Machine is a database class or a cache node type and its price per hour in one zone.
type Machine struct {
	Name      string
	MemoryGiB float64
	Price
}

// DatabaseClasses are the RDS classes that a Shape may name; the price is PostgreSQL's in one zone.
func DatabaseClasses() []Machine {
	class := func(name string, memory, usd float64, source Source, asOf string) Machine {
		return Machine{name, memory, Price{"RDS for PostgreSQL: " + name, "hour", usd, source, asOf}}
	}
	return []Machine{
		class("db.t4g.micro", 1, 0.016, Secondary, "2026-06"),
		class("db.t4g.small", 2, 0.032, Secondary, "2026-06"),
		class("db.t4g.medium", 4, 0.065, Secondary, "2026-06"),
		class("db.t4g.large", 8, 0.129, Recalled, "2026-08"),
		class("db.m7g.large", 8, 0.168, Recalled, "2026-08"),
		class("db.m7g.xlarge", 16, 0.337, Recalled, "2026-08"),
		class("db.m7g.2xlarge", 32, 0.674, Recalled, "2026-08"),
		class("db.m7g.4xlarge", 64, 1.348, Recalled, "2026-08"),
		class("db.r7g.large", 16, 0.239, Recalled, "2026-08"),
		class("db.r7g.xlarge", 32, 0.478, Recalled, "2026-08"),
		class("db.r7g.2xlarge", 64, 0.956, Recalled, "2026-08"),
		class("db.r7g.4xlarge", 128, 1.912, Recalled, "2026-08"),
		class("db.r7g.8xlarge", 256, 3.824, Recalled, "2026-08"),
		class("db.r7g.16xlarge", 512, 7.648, Recalled, "2026-08"),
	}
}

// CacheNodes are the ElastiCache node types that a Shape may name; the price is that of engine redis.
func CacheNodes() []Machine {
	node := func(name string, memory, usd float64) Machine {
		return Machine{name, memory, Price{"ElastiCache for Redis: " + name, "hour", usd, Recalled, "2026-08"}}
	}
	return []Machine{
		node("cache.t4g.micro", 0.5, 0.016),
		node("cache.t4g.small", 1.37, 0.032),
		node("cache.t4g.medium", 3.09, 0.065),
		node("cache.m7g.large", 6.38, 0.158),
		node("cache.m7g.xlarge", 12.93, 0.315),
		node("cache.r7g.large", 13.07, 0.219),
		node("cache.r7g.xlarge", 26.32, 0.437),
		node("cache.r7g.2xlarge", 52.82, 0.874),
		node("cache.r7g.4xlarge", 105.81, 1.749),
		node("cache.r7g.8xlarge", 209.55, 3.498),
		node("cache.r7g.16xlarge", 419.09, 6.995),
	}
}

// machine finds a machine by name.
func machine(list []Machine, name string) (Machine, bool) {
	for _, m := range list {
		if m.Name == name {
			return m, true
		}
	}
	return Machine{}, false
}

// A meter adds up charges and says how.
type meter struct {
	usd   float64
	words []string
}

// add charges amount units of item.
func (m *meter) add(item Item, amount float64) { m.charge(prices[item], amount) }

// charge adds amount units at a price. What is not used is not mentioned.
func (m *meter) charge(price Price, amount float64) {
	if amount == 0 {
		return
	}
	m.usd += amount * price.USD
	m.words = append(m.words, fmt.Sprintf("%s: %s × $%s per %s", price.Item, number(amount), dollars(price.USD), price.Unit))
}

// A tier is the part of an amount that one price holds for.
type tier struct {
	item Item
	// size is the tier's width in units; the last tier has no end.
	size float64
}

// tiers charges amount by the steps of a price list.
func (m *meter) tiers(amount float64, list ...tier) {
	for i, t := range list {
		part := amount
		if i < len(list)-1 {
			part = min(part, t.size)
		}
		m.add(t.item, part)
		amount -= part
	}
}

// line is the sum as a line of the bill.
func (m *meter) line(part Part, notes ...string) Line {
	return Line{Part: part, Basis: strings.Join(append(m.words, notes...), "; "), USD: m.usd}
}

// dollars writes a price with all its digits.
func dollars(usd float64) string { return strconv.FormatFloat(usd, 'f', -1, 64) }

// number writes an amount with thousands separated: whole from 100 on, with three significant digits below.
func number(x float64) string {
	if x < 0 {
		return "−" + number(-x)
	}
	if x < 100 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	digits := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
