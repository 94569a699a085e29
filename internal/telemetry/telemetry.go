// Package telemetry is how the program speaks about itself: a logger that refuses
// personal data, and Prometheus metrics.
//
// # What the logger refuses
//
// Two filters stand one behind the other, because each misses what the other sees.
//
// The first is the list of attribute keys in keys.go: a value under a key that is
// not on the list prints as [refused]. It stops what no pattern can find, such as a
// name or a street.
//
// The second reads every string that is left (values, errors, the message) and
// replaces what looks like a CPF or CNPJ, an e-mail address, a phone number, a card
// number or an IP address by [redacted]. It stops what nobody meant to log, such as
// a driver's error that quotes a row.
//
// Both err on the safe side: a long number can be redacted by chance (one in a
// hundred of those with eleven digits passes for a CPF), so that a time belongs in
// a time.Time and not in an integer.
//
// # Limits
//
// An encoded value (base64, percent signs, digits outside ASCII) is not recognized;
// neither is a name under a listed key. The rule that personal data never enters an
// error stays with whoever makes the error.
//
// # Metrics
//
// A [Metrics] owns its registry; nothing is registered globally, so that two
// programs can run in one process. No label holds an id or a token: label values
// are names from closed sets, and one that does not look like a name, or comes
// after the first [MaxLabelValues] of its metric, counts as "other".
//
// The package imports nothing of this program, and anything may import it.
package telemetry
