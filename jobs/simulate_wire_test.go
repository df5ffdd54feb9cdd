package jobs

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// wire stands between the app and Postgres. It counts the exchanges between the two, and can end one of them: before Postgres has heard of it, or after Postgres has done it and before the app has heard
// of that. While it is down it connects nobody.
type wire struct {
	addr   string // where the app connects to
	to     string // Postgres
	listen net.Listener

	mu    sync.Mutex
	ends  map[net.Conn]struct{}
	down  bool
	count int         // exchanges so far
	at    map[int]cut // what happens to the exchanges to come, by their number
}

// cut is what happens to an exchange.
type cut struct {
	late bool   // Postgres has done it, and the app does not hear of it
	then func() // told of it
}

func newWire(t testing.TB, to string) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), to: to, listen: l, ends: map[net.Conn]struct{}{}, at: map[int]cut{}}
	go w.accept()
	t.Cleanup(func() { l.Close(); w.setDown(true) })
	return w
}

func (w *wire) accept() {
	for {
		app, err := w.listen.Accept()
		if err != nil {
			return
		}
		go w.connect(app)
	}
}

func (w *wire) connect(app net.Conn) {
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		app.Close()
		return
	}
	w.mu.Lock()
	if w.down {
		w.mu.Unlock()
		app.Close()
		server.Close()
		return
	}
	w.ends[app], w.ends[server] = struct{}{}, struct{}{}
	w.mu.Unlock()
	c := &conversation{wire: w, app: app, server: server}
	go c.answers()
	c.questions()
}

// setDown cuts all that is connected, and lets nobody in from then on; or lets everybody in again.
func (w *wire) setDown(down bool) {
	w.mu.Lock()
	w.down = down
	var ends []net.Conn
	for e := range w.ends {
		ends = append(ends, e)
	}
	w.mu.Unlock()
	if down {
		for _, e := range ends {
			e.Close()
		}
	}
}

// plan cuts an exchange to come: the n-th from now on.
func (w *wire) plan(n int, c cut) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[w.count+n] = c
}

// clear forgets what was planned.
func (w *wire) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.at)
}

// exchange counts one and returns what is to happen to it.
func (w *wire) exchange() (cut, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count++
	c, ok := w.at[w.count]
	delete(w.at, w.count)
	return c, ok
}

// conversation is one connection of the app to Postgres.
type conversation struct {
	*wire
	app, server net.Conn

	mu    sync.Mutex
	after func() // set once the next answer is to be lost: what to do when it has come
}

func (c *conversation) close() {
	c.app.Close()
	c.server.Close()
	c.wire.mu.Lock()
	delete(c.ends, c.app)
	delete(c.ends, c.server)
	c.wire.mu.Unlock()
}

// questions passes on what the app sends: the greeting, which has no type, and then messages of a type and a length. Those that do something are exchanges: a query, the end of a prepared
// statement's execution, and the end of a COPY. Preparing a statement is none: a connection that has lived through another seed may have prepared it before.
func (c *conversation) questions() {
	defer c.close()
	in, out := bufio.NewReaderSize(c.app, 64<<10), bufio.NewWriterSize(c.server, 64<<10)
	var head [5]byte
	runs := false // what was sent since the last exchange executes a statement
	for first := true; ; first = false {
		from := 0
		if first {
			from = 1
		}
		if _, err := io.ReadFull(in, head[from:]); err != nil {
			return
		}
		kind := head[0]
		runs = runs || kind == 'E'
		if !first && (kind == 'Q' || kind == 'S' && runs || kind == 'c') {
			runs = false
			if cut, ok := c.exchange(); ok {
				if !cut.late {
					c.told(cut.then)
					return
				}
				c.mu.Lock()
				c.after = func() { c.told(cut.then) }
				c.mu.Unlock()
			}
		}
		if _, err := out.Write(head[from:]); err != nil {
			return
		}
		if _, err := io.CopyN(out, in, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return
		}
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

func (c *conversation) told(then func()) {
	if then != nil {
		then()
	}
}

// answers passes on what Postgres sends, or waits for the end of the answer that is to be lost.
func (c *conversation) answers() {
	defer c.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buf)
		if err != nil {
			return
		}
		c.mu.Lock()
		after := c.after
		c.mu.Unlock()
		if after == nil {
			if _, err := c.app.Write(buf[:n]); err != nil {
				return
			}
			continue
		}
		// Ready for the next query, or for the rows of a COPY.
		if got := buf[:n]; n >= 6 && got[n-6] == 'Z' && got[n-2] == 5 || got[0] == 'G' {
			after()
			return
		}
	}
}
