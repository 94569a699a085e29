package cost

import (
	"fmt"
	"math"
	"strings"
)

// Details returns docs/costs.md: what a cache node holds, when endpoints pay, the assumptions behind every figure of
// Markdown, and the prices.
func Details() string {
	var text strings.Builder
	text.WriteString("# What is behind the figures of infra/README.md\n\nGenerated from `infra/cost` by `go test ./cost -update`, in `infra/`.\n\n")
	writeCapacity(&text)
	writeEgress(&text)
	writeAssumptions(&text)
	writePrices(&text)
	return text.String()
}

// writeCapacity writes which rate a cache node keeps the windows of.
func writeCapacity(text *strings.Builder) {
	fmt.Fprintf(text, "## What a cache node holds\n\nOne shard of these nodes holds the windows' %d days up to a sustained rate of:\n\n| Node | transactions/s |\n| --- | ---: |\n",
		historyDays)
	for _, node := range CacheNodes() {
		m := month{Shape: Shape{TransactionsPerSecond: 1}, node: node}
		fmt.Fprintf(text, "| %s | %s |\n", node.Name, number(m.nodeGB()/m.historyGB()))
	}
	fmt.Fprintf(text, "\nA cache that is too small evicts windows before their time, and scores suffer. A day in the database takes %s GB for\n"+
		"each 100 transactions per second.\n\n", number(100*86400*databaseBytes/gigabyte))
}

// writeEgress writes from which volume endpoints pay.
func writeEgress(text *strings.Builder) {
	const zones, gateways = 2, 2
	text.WriteString("## NAT or endpoints\n\nTwo NAT gateways or interface endpoints in two zones: what passes is what ingest writes to the stream.\n\n" +
		"| Interface endpoints | cheaper than NAT from | which is |\n| ---: | ---: | ---: |\n")
	record := ForRate(100).RecordBytes
	for endpoints := 4; endpoints <= 10; endpoints++ {
		volume := EndpointsPayFrom(endpoints, zones, gateways)
		if volume == 0 {
			fmt.Fprintf(text, "| %d | any volume | any rate |\n", endpoints)
			continue
		}
		rate := volume * gigabyte / (hours * 3600) / float64(record)
		fmt.Fprintf(text, "| %d | %s GB a month | %s/s |\n", endpoints, number(volume), number(math.Ceil(rate)))
	}
	text.WriteString("\nThe stack's four endpoints leave no way to the internet, and so none for webhooks.\n\n")
}

// writeAssumptions writes the constants in words.
func writeAssumptions(text *strings.Builder) {
	fmt.Fprintf(text, `## Assumptions

Assumed of each transaction, and not measured on AWS except where it says so:

- All take the asynchronous path. A synchronous verdict costs what ingest costs, runs longer and does not pass the stream.
- Process runs once per second and shard, %g ms and %g ms for each record; ingest %g ms a request and %g ms for each
  transaction in it, whatever their memory. With enhanced fan-out
  a batching window of a second is assumed; without it there are more invocations.
- An ingest request is as large as its records. Its answer is %d bytes and %d for each transaction.
- The database needs %s bytes for a transaction, with decision, indexes, alerts and audit. Storage is gp3 at its baseline
  speed. Backups up to the size of the database are free and the bill has no more of them.
- The velocity windows take %d bytes for an event (measured in memory; Redis may take more) over %d days; %.0f %% of a
  node's memory is for data. Functions exchange %s bytes with the cache and %s
  with the database for each transaction, of which the part that crosses zones is charged once (recalled; twice, if AWS charges both ends).
- The key table is read once for each transaction, since customers seldom return within the minutes that a key is cached;
  %.0f %% of transactions bring a new customer. KMS is asked once in %d s by every function and shard, never by transaction.
- Logs: %g GB for a million transactions, and %d bytes for each request and %d for each invocation that nobody can turn off
  without losing the access log; flow logs %d records a minute for each running function. %.0f %% of invocations are traced.
- Stored logs shrink to %.0f %%. Rotating a key adds a dollar a month each of the first two times.

Not in the bill, and less than a dollar each: the admin function, queue, alarm topic and schedule. Not in the bill, and yours
to add: reading logs, webhooks, backups beyond the size of the database, CPU credits of burstable classes.

`, 1000*processSeconds, 1000*processRecordSeconds, 1000*ingestSeconds, 1000*ingestRecordSeconds, answerBytes, answerRecordBytes,
		number(databaseBytes), historyBytes, historyDays, 100*nodeShare, number(cacheTrafficBytes), number(databaseTrafficBytes),
		100*ForRate(100).NewCustomers, cachedSeconds, ForRate(100).LogGBPerMillionTransactions, accessLineBytes+platformBytes,
		platformBytes, flowRecords, 100*tracedShare, 100*logCompression)
}

// writePrices writes the price list.
func writePrices(text *strings.Builder) {
	text.WriteString(`## Prices

V: read in AWS's own text; S: in somebody else's only; R: recalled and not confirmed.

| Item | Unit | USD | Known | As of |
| --- | --- | ---: | :---: | --- |
`)
	row := func(p Price) {
		fmt.Fprintf(text, "| %s | %s | %s | %s | %s |\n", p.Item, p.Unit, dollars(p.USD), p.Source, p.AsOf)
	}
	for _, p := range prices {
		row(p)
	}
	for _, m := range append(DatabaseClasses(), CacheNodes()...) {
		row(m.Price)
	}
	fmt.Fprintf(text, "\nValkey nodes are counted at %g of the price of Redis nodes (R).\n", valkeyShare)
}
