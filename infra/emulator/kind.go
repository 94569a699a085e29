package emulator

import (
	"context"
	"errors"
)

// ErrGone is what Read and Delete of a kind answer when the emulator no longer has the resource.
var ErrGone = errors.New("resource is gone")

// Kind is how one resource type is checked, made, changed and removed. A kind with StateOnly is kept in the engine's state
// only, because the emulator cannot do it: it may lack all the functions, or have those that work out what AWS would
// answer. Such kinds are listed in the README.
type Kind struct {
	// Token is the Pulumi type, such as aws:kinesis/stream:Stream.
	Token string
	// Required are the inputs that the real provider insists on, by their names in the engine (camelCase).
	Required []string
	// Replace are the inputs that the real provider cannot change in place: a new value makes a new resource.
	Replace []string
	// StateOnly is the reason why nothing is made in the emulator; empty for kinds that are.
	StateOnly string
	// Check refuses inputs that AWS would refuse though the emulator takes them; nil checks nothing more. What a preview
	// does not know yet reads as zero: Object.Known tells, and only known values may be judged.
	Check func(in Object) []Fault

	// Create makes the resource and returns its id and all its outputs, inputs included. An id beside an error says that
	// the resource exists all the same: it is kept in the state, to be repaired or deleted by a later run.
	Create func(ctx context.Context, c *Cloud, in Object) (id string, out Object, err error)
	// Read returns the outputs as the emulator has them now, or ErrGone. What has not changed must come out as it is in the
	// state, in order and spelling: anything else counts as drift. Nil: the state is believed.
	Read func(ctx context.Context, c *Cloud, id string, state Object) (out Object, err error)
	// Update changes the resource in place and returns all outputs. Nil: every change is a replacement.
	Update func(ctx context.Context, c *Cloud, id string, state, in Object) (out Object, err error)
	// Delete removes the resource. One that is gone already is no error. It refuses what AWS would refuse (a subnet in
	// use, a referenced security group), though the emulator allows it.
	Delete func(ctx context.Context, c *Cloud, id string, state Object) error
}

// Fault is what is wrong with one input.
type Fault struct {
	Property string
	Reason   string
}
