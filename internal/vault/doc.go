// Package vault seals personal data under keys that can be destroyed one customer at a time, and turns identifiers into
// tokens. It is the only place where a key is used; below it the program knows tokens, numbers and sealed blobs.
//
// # Keys
//
//	personal-data KEK      in a KMS or a key file; never seen here        (Config.Personal)
//	└─ epoch key           one a day, wrapped by the KEK                  (purpose "epoch")
//	   └─ data key         one per customer and generation, in the key store
//	      ├─ encryption    AES-256-GCM, field by field
//	      └─ commitment    in the header of every blob
//	token KEK              another key, so that tokens outlive an emergency stop   (Config.Tokens)
//	└─ ring                customer, handle, payload, scoring, list, look-up      (purpose "token")
//
// A question to the KEK costs milliseconds and money, so it is asked for an epoch key and not for a customer: once a
// day for a new one, and once per Config.KEKCheck to hear whether it is still there. An epoch key wraps the data keys of
// the customers who were first seen on its day, and goes on unwrapping them for good.
//
// The layouts of what is stored are described where they are written: the ring (ring.go), wrapped data keys
// (datakey.go), sealed blobs (blob.go). Each starts with a version, and a golden file pins all of them.
//
// # Tokens
//
// A token is HMAC-SHA-256, cut to 128 bits, after a byte with the version of its key. A bare hash of a CPF would be no
// protection: there are 10⁹ of them, minutes of work. Every kind of identifier has its own key for scoring, another for
// block and allow lists, and another for look-up in the console, so that what one of them stored cannot be joined with
// another. The keys are not rotated; whoever holds them can test guesses, which is why they have a KEK of their own.
//
// # Generations and erasure
//
// A customer token is HMAC(customer key, customer id ‖ generation). [Vault.Shred] destroys the data key in the key
// store, closes the generation and leaves a tombstone. Every copy of what the key sealed (stream, table, dead letter,
// backup) is unreadable from then on. The customer's next event opens the next generation under another token, so that
// nothing joins it to the rows from before, except the tombstones: they are numbered, and the greatest number is the
// erasure counter. A vault looks at the counter before every batch, or as often as Config.ErasureCheck says, and drops
// the keys of those who were erased by another process.
//
// # When the KEK does not answer
//
// Disabled on purpose (the emergency stop): all unwrapped keys are dropped within Config.KEKCheck; customers still get
// their tokens, [Customer.Seal] drops the fields and says so, Open refuses. Customers who first come during the stop are
// kept without a key and get one when it is over.
//
// Out of reach: unwrapped keys are used for Config.EpochCache after the last answer; then they are dropped, and all calls
// that need a key fail with [ErrUnavailable]. During an outage over midnight the last epoch key goes on wrapping.
//
// # Limits
//
// A vault protects what is stored, not a process that is being read: keys and fields lie in its memory, and Go offers no
// way to wipe the copies that the collector and the ciphers make. Nor does it hide from whoever reads the rows that two
// blobs are the same customer's (the rows say so by the token), how long a field is, or which fields there are.
// Destroying a key reaches as far as the files of the key store; backups and snapshots of these have to be short-lived.
package vault
