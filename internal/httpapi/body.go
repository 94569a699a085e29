package httpapi

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
)

// bodies are buffers and inflaters for reuse. A buffer that has grown past what a request may send is let go.
type bodies struct {
	buffers   sync.Pool // *bytes.Buffer
	inflaters sync.Pool // *gzip.Reader
}

func (b *bodies) buffer() *bytes.Buffer {
	if buf, ok := b.buffers.Get().(*bytes.Buffer); ok {
		buf.Reset()
		return buf
	}
	return new(bytes.Buffer)
}

const keepBuffer = 8 << 20

func (b *bodies) release(buf *bytes.Buffer) {
	if buf.Cap() <= keepBuffer {
		b.buffers.Put(buf)
	}
}

// read reads the whole body of c, of at most limit bytes, into a buffer that the caller releases. With compressed, a
// gzip body is inflated, and limit holds for both sizes: a bomb is not inflated past it.
func (b *bodies) read(c call, limit int64, compressed bool) (*bytes.Buffer, error) {
	encoding := c.r.Header.Get("Content-Encoding")
	isGzip := encoding == "gzip" && compressed
	if encoding != "" && encoding != "identity" && !isGzip {
		return nil, newProblem("unsupported-media-type", "This Content-Encoding is not supported here.")
	}
	if c.r.ContentLength > limit {
		return nil, tooLarge()
	}
	var from io.Reader = http.MaxBytesReader(c.w, c.r.Body, limit)
	buf := b.buffer()
	err := error(nil)
	if isGzip {
		err = b.inflate(buf, from, limit)
	} else {
		if c.r.ContentLength > 0 {
			buf.Grow(int(c.r.ContentLength) + bytes.MinRead)
		}
		_, err = buf.ReadFrom(from)
	}
	if err == nil {
		return buf, nil
	}
	b.release(buf)
	return nil, readProblem(err)
}

func (b *bodies) inflate(buf *bytes.Buffer, from io.Reader, limit int64) error {
	z, ok := b.inflaters.Get().(*gzip.Reader)
	if !ok {
		z = new(gzip.Reader)
	}
	defer b.inflaters.Put(z)
	if err := z.Reset(from); err != nil {
		return err
	}
	n, err := buf.ReadFrom(io.LimitReader(z, limit+1))
	if err == nil && n > limit {
		return errInflated
	}
	return err
}

var errInflated = errors.New("inflated past the limit")

func tooLarge() *Problem {
	return newProblem("body-too-large", "Send fewer bytes; docs/api.md states the limit of each route.")
}

// readProblem says why a body could not be read.
func readProblem(err error) *Problem {
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over), errors.Is(err, errInflated):
		return tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return newProblem("body-timeout", "")
	}
	return newProblem("malformed", "The body ended early or its compression is broken.")
}
