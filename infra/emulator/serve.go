package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// messageLimit is the longest message accepted, in bytes. The engine's own limit is the same: archives of any size go by
// path, yet states are long.
const messageLimit = 400 << 20

// Op is what the engine asked to be done.
type Op string

// The operations that are noted and that a test can make fail. OpRead and OpInvoke are only named in errors.
const (
	OpCreate Op = "create"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
	OpRead   Op = "read"
	OpInvoke Op = "invoke"
)

// Call is one operation that the provider was asked for, previews left out.
type Call struct {
	Op    Op
	Token string // such as aws:ec2/vpc:Vpc
	Name  string // of the resource in the program
	URN   string
}

// journal notes calls; the engine makes them in parallel.
type journal struct {
	mu    sync.Mutex
	calls []Call
}

func (j *journal) add(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, c)
}

func (j *journal) all() []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.calls)
}

// Options change how the provider behaves; the zero value is the normal behavior.
type Options struct {
	// Kinds are the resource types; nil means Kinds().
	Kinds []Kind
	// WorkDir is what relative paths of archives start from, because an attached provider does not learn where the
	// program runs. Empty is the working directory of the process.
	WorkDir string
	// Fail is asked before each create, update and delete, from several goroutines. Its error is the outcome of the
	// operation, and nothing is done. Tests break a deployment half-way with it.
	Fail func(op Op, token, name string) error
}

// Server is a running provider.
type Server struct {
	port    int
	server  *grpc.Server
	journal *journal
	ended   chan struct{}
}

// Serve starts the provider on a free port of the loopback interface, to be attached by the engine with
// PULUMI_DEBUG_PROVIDERS=aws:PORT. It ends by Close or with ctx.
func Serve(ctx context.Context, cloud *Cloud, options Options) (*Server, error) {
	kinds := options.Kinds
	if kinds == nil {
		kinds = Kinds()
	}
	byToken := make(map[string]Kind, len(kinds))
	for _, k := range kinds {
		if _, twice := byToken[k.Token]; twice {
			return nil, fmt.Errorf("serve provider: two kinds of %s", k.Token)
		}
		byToken[k.Token] = k
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve provider: %w", err)
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, errors.Join(fmt.Errorf("serve provider: %v is no TCP address", listener.Addr()), listener.Close())
	}
	s := &Server{
		port:    address.Port,
		server:  grpc.NewServer(grpc.MaxRecvMsgSize(messageLimit), grpc.MaxSendMsgSize(messageLimit)),
		journal: &journal{},
		ended:   make(chan struct{}),
	}
	pulumirpc.RegisterResourceProviderServer(s.server, &provider{
		cloud: cloud, kinds: byToken, invokes: invokes(), fail: options.Fail, workDir: options.WorkDir, journal: s.journal,
	})
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(listener) // it ends because it is stopped; there is nobody to tell
	}()
	context.AfterFunc(ctx, s.server.Stop)
	return s, nil
}

// Port is the TCP port that the engine attaches to.
func (s *Server) Port() int { return s.port }

// Calls are the operations so far, in the order in which they began.
func (s *Server) Calls() []Call { return s.journal.all() }

// Close ends the provider at once and waits until it has. It may be called again.
func (s *Server) Close() {
	s.server.Stop()
	<-s.ended
}
