// Package tapstack is FastShop's AWS infrastructure as one Pulumi component, tap:stack:TapStack.
//
// A payment enters through an HTTP API that only signed requests of this account pass, is sealed by the function ingest,
// travels through a Kinesis stream, is judged by the function process with windows in ElastiCache and stored in RDS
// PostgreSQL. The function admin migrates, checks, heals windows and carries what had failed. Wrapped customer keys
// live in DynamoDB, apart from every backup of the data. One file a concern:
//
//	args.go, validate.go, window.go, config.go  what an operator can set, and what is refused
//	name.go                           every physical name, with AWS's limits
//	stack.go, outputs.go, program.go  the component, its outputs, the program
//	network.go, egress.go, group.go   VPC, subnets, NAT or endpoints; who may talk to whom
//	encryption.go, keypolicy.go       one customer-managed key a data class
//	policy.go, role.go                policy documents; the roles of the functions
//	stream.go, queue.go               Kinesis; what could not be processed
//	database.go, cache.go, keystore.go  RDS, ElastiCache, DynamoDB
//	compute.go, edge.go, schedule.go  the Lambda functions and what starts them
//	settings.go                       what the functions are told through their environment
//	observability.go, alarm.go, dashboard.go  log groups, flow logs, topic, alarms, dashboard
//
// # Rules that hold everywhere
//
// Everything is in us-east-1, through a provider of the component's own; another region is refused. Every resource has
// a fixed name that ends in the environment suffix, and tags; a resource that must be replaced goes before its
// successor comes, for the two would have one name. Everything can be destroyed: no deletion protection, no final
// snapshot, no retained resource, no secret of our own. ARNs in policies are built from names, so that policies can be
// written before the resources exist and no cycle arises between a key and the roles that use it.
//
// Stream, rows, cache values and logs never hold personal data in the clear: the program seals before it
// writes. The keys here are the second lock, and the one that an auditor can see.
package tapstack
