package testenv

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// TCPProxy passes connections on to a target, and can be made a bad network. All methods may be called at any time, by
// anybody.
type TCPProxy struct {
	t       T
	address string
	target  string

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	pairs    map[*pair]struct{}
	delay    time.Duration
	open     chan struct{} // closed unless this is a black hole
	gone     bool          // the test is over
	work     sync.WaitGroup
}

// pair is a connection that was taken and the one that was made for it.
type pair struct {
	near, far *net.TCPConn
	ended     chan struct{} // closed when both were ended by us
	end       sync.Once
}

// chunk is how much is read at once, in bytes.
const chunk = 64 << 10

// Proxy runs a proxy in front of the target, host:port. It and its connections end with the test.
func Proxy(t T, target string) *TCPProxy {
	t.Helper()
	p := &TCPProxy{t: t, target: target, pairs: map[*pair]struct{}{}, open: make(chan struct{})}
	close(p.open)
	err := settle(func(port int) error {
		p.address = local(port)
		return p.listen()
	})
	if err != nil {
		t.Fatalf("start a proxy: %v", err)
	}
	t.Cleanup(p.close)
	return p
}

// Addr is where the proxy listens, host:port.
func (p *TCPProxy) Addr() string { return p.address }

// Delay holds each chunk (up to 64 KiB) back for so long, in both directions, from now on.
func (p *TCPProxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Cut resets all connections there are. New ones are taken.
func (p *TCPProxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.reset()
	}
}

// Refuse has new connections refused, as where nobody listens, or takes them again. Those that there are stay.
func (p *TCPProxy) Refuse(on bool) {
	p.t.Helper()
	p.mu.Lock()
	listener := p.listener
	if on {
		p.listener = nil
	}
	p.mu.Unlock()
	switch {
	case on && listener != nil:
		if err := listener.Close(); err != nil {
			p.t.Fatalf("refuse connections: %v", err)
		}
	case !on && listener == nil:
		if err := p.listen(); err != nil {
			p.t.Fatalf("take connections again: %v", err)
		}
	}
}

// Blackhole has nothing pass in either direction while connections stay and new ones are taken. When it ends, what was held
// back goes on, as after a partition of the network.
func (p *TCPProxy) Blackhole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		if on {
			p.open = make(chan struct{})
		}
	default:
		if !on {
			close(p.open)
		}
	}
}

func (p *TCPProxy) listen() error {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return errors.Join(errEnded, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = listener
	p.work.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			p.work.Go(func() { p.serve(near.(*net.TCPConn)) })
		}
	})
	return nil
}

// serve passes one connection on.
func (p *TCPProxy) serve(near *net.TCPConn) {
	c := &pair{near: near, ended: make(chan struct{})}
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = near.SetLinger(0)
		_ = near.Close()
		return
	}
	c.far = far.(*net.TCPConn)
	p.mu.Lock()
	if p.gone {
		c.reset()
	}
	p.pairs[c] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(c, c.far, c.near) })
	both.Go(func() { p.pass(c, c.near, c.far) })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
	_ = c.near.Close()
	_ = c.far.Close()
}

// pass copies one direction until its end, or until a side is gone, which is then told to the other.
func (p *TCPProxy) pass(c *pair, to, from *net.TCPConn) {
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if !p.hold(c) {
			return
		}
		if n > 0 {
			if _, failure := to.Write(buffer[:n]); failure != nil {
				c.reset()
				return
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite() // the other direction may go on
			return
		case err != nil:
			c.reset()
			return
		}
	}
}

// hold waits as long as the network is bad. It is false when the connection was ended meanwhile.
func (p *TCPProxy) hold(c *pair) bool {
	p.mu.Lock()
	delay := p.delay
	p.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-c.ended:
			return false
		}
	}
	for {
		p.mu.Lock()
		open := p.open
		p.mu.Unlock()
		select {
		case <-c.ended:
			return false
		case <-open:
		}
		p.mu.Lock()
		same := open == p.open
		p.mu.Unlock()
		if same {
			return true
		}
	}
}

// reset ends both connections at once.
func (c *pair) reset() {
	c.end.Do(func() {
		close(c.ended)
		for _, side := range []*net.TCPConn{c.near, c.far} {
			_ = side.SetLinger(0)
			_ = side.Close()
		}
	})
}

// close ends all.
func (p *TCPProxy) close() {
	p.mu.Lock()
	p.gone = true
	if p.listener != nil {
		_ = p.listener.Close()
	}
	for c := range p.pairs {
		c.reset()
	}
	p.mu.Unlock()
	p.work.Wait()
}
