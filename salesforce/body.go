package salesforce

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// body is an answer's body: inflated, its errors typed, its slot freed when it is closed.
type body struct {
	ctx     context.Context
	request request
	raw     io.ReadCloser
	src     io.Reader // raw, or the inflater above it
	inflate *gzip.Reader
	gzipped bool
	release func()
	once    sync.Once
}

// inflaters are reused: each holds some 50 KB of window and tables.
var inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}

func newBody(ctx context.Context, q request, resp *http.Response, release func()) *body {
	b := &body{ctx: ctx, request: q, raw: resp.Body, src: resp.Body, release: release}
	if resp.Header.Get("Content-Encoding") == "gzip" && resp.ContentLength != 0 {
		b.gzipped = true
		resp.Header.Del("Content-Encoding")
		resp.ContentLength = -1
	}
	return b
}

func (b *body) Read(p []byte) (int, error) {
	if b.gzipped && b.inflate == nil {
		if err := b.startInflating(); err != nil {
			return 0, err
		}
	}
	n, err := b.src.Read(p)
	switch {
	case err == io.EOF && b.inflate != nil && b.src == b.inflate:
		// Given back here and not in Close, which may run beside a Read.
		inflaters.Put(b.inflate)
		b.src = ended{}
	case err != nil && err != io.EOF:
		err = b.failure(err)
	}
	return n, err
}

// startInflating reads the gzip header at the first Read, so that its failure is a failure of the body. A body of no bytes at all is an empty one.
func (b *body) startInflating() error {
	buffered := bufio.NewReaderSize(b.raw, 32<<10)
	if _, err := buffered.Peek(1); err == io.EOF {
		return io.EOF
	}
	inflate := inflaters.Get().(*gzip.Reader)
	if err := inflate.Reset(buffered); err != nil {
		inflaters.Put(inflate)
		return b.failure(err)
	}
	b.inflate, b.src = inflate, inflate
	return nil
}

// failure types a read error; what gzip and HTTP call an unexpected end is ErrTruncated.
func (b *body) failure(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.As(err, &corrupt) {
		err = fmt.Errorf("%w (%v)", ErrTruncated, err)
	}
	return networkFailure(b.ctx, b.request, err)
}

// Close frees the slot and the connection. It may be called more than once, and beside a Read, which then fails.
func (b *body) Close() error {
	var err error
	b.once.Do(func() {
		err = b.raw.Close()
		b.release()
	})
	return err
}

// ended is what a body reads from once its inflater belongs to another.
type ended struct{}

func (ended) Read([]byte) (int, error) { return 0, io.EOF }
