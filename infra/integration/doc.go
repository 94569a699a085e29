// Package integration has no code: its tests deploy the whole stack with the real Pulumi engine against an emulator of
// AWS, ask the emulator (never the state) what is there, change it, break it, and take it down until nothing is left.
//
// What they cannot show is in the README's sheet for the first deployment to AWS: how long functions hold their network
// interfaces, a failover, AWS's own judgment of the key policies, and a function being called.
package integration
