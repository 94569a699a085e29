// Package ingest is where payment attempts come in and personal data stops: it validates what a shop sends, turns
// every identifier into a keyed token, seals the personal fields under the customer's own key, and hands on
// payment.Transaction.
//
// # The way of a submission
//
//	JSON ─ Decode ─► Submission ─ Intake.Seal ─► payment.Transaction       (decided in the request)
//	                     └─────── Intake.Accept ─► stream                  (decided by the pipeline)
//
// [Decode] is strict and tells everything that is wrong at once, in a [*Refusal] whose faults name the field, a code
// and what to do, and never a value. What it lets through is in normal form: two spellings of one CPF, phone number or
// address of the Internet are one identifier from here on.
//
// # What may come in
//
// No card number and no security code, under no name and in no text: fields named for them are refused with their own
// code, and every free text goes through pii.ContainsPAN. About one in forty random numbers of 16 digits looks like a
// card number and will be refused as an id; UUIDs and digests never do.
//
// # What is remembered of an id
//
// The payload MAC, over the canonical form (see AppendCanonical), tells a retry from another submission under the same
// id. Retries are answered as the first was; the rest is a conflict. After an erasure there is no MAC, and the id is
// gone for good.
//
// # Limits
//
// Text is not put into a Unicode normal form: "José" composed and decomposed are two customer ids. The clear text of a
// submission stays in memory until the collector reuses it.
package ingest
