package pipeline

import (
	"context"

	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Batcher are windows that count a whole batch in one call per entity, for implementations that are a network away. The
// worker asks for a session per batch if its Windows are a Batcher.
//
// Begin counts the events, which must have different ids, and returns the windows that they are judged with. An error
// means that nothing can be said of the batch now; what was counted stays counted, and a repeat is safe.
type Batcher interface {
	Begin(ctx context.Context, events []velocity.Event) (Session, error)
}

// Session are the windows of one batch. Observe and Settle take the batch's own events, in the order of Begin, and wait
// for nobody. End sends what was settled; after an error the decisions stand, but later ones may not know of them. It
// must be called once, and is used by one goroutine.
type Session interface {
	score.Windows
	End(ctx context.Context) error
}
