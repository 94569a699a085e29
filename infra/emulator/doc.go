// Package emulator is a Pulumi resource provider that answers as the package aws and makes every resource in moto_server,
// an emulator of AWS, through the AWS SDK. With it the real Pulumi engine deploys the real program, updates it and tears
// it down, without an account.
//
// # How it works
//
// The engine attaches to a running Server (PULUMI_DEBUG_PROVIDERS=aws:PORT) instead of starting the official plugin.
// Each resource type is a Kind: what its inputs must be, which of them force a replacement, and how it is made, read,
// changed and deleted. Kinds lists them all, one file a service. The provider itself does the rest: protocol,
// comparison of inputs, secrets, values that a preview does not know, drift.
//
// # What it proves
//
// That the program's inputs are complete and of the right form, that references and order are right, that equal inputs
// make no change, that a change is made in place or by replacement as with the real provider, that a deployment that
// broke half-way can be continued, and that everything goes away again. Where the emulator is more lenient than AWS, the
// kinds refuse what AWS refuses, in its words: a subnet or security group in use, a gateway with mapped addresses,
// reserved names, wrong lengths and alphabets, a NAT gateway without an internet gateway, two endpoints for one name.
//
// # What it cannot prove
//
// Nothing flows: no packet, no invocation, no replication, no failover, no alarm. Policies of IAM and KMS are stored and
// checked for form, not enforced. Quotas, prices, duration of changes, eventual consistency and whatever AWS validates
// beyond the checks here are not modeled. A Kind without Create is kept in the state only and says why (StateOnly).
//
// # Differences to the official provider, on purpose
//
// Names are required, where the official one invents a missing one, because every name must carry the environment's
// suffix. Deletion before replacement is never asked for on its own account: a program that fixes names must ask for it.
// Inputs that a kind would lose in silence are refused. Only us-east-1 is served.
package emulator
