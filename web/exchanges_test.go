package web

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/db/dbtest"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// exchangeCounter stands before Postgres and counts what it is asked: each simple query and each Sync is one exchange.
type exchangeCounter struct {
	asked atomic.Int64
	url   string
}

func countExchanges(t *testing.T, address string) *exchangeCounter {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	c := &exchangeCounter{}
	to := at.Host
	at.Host = in.Addr().String()
	c.url = at.String()
	go func() {
		for {
			client, err := in.Accept()
			if err != nil {
				return
			}
			go c.pass(client, to)
		}
	}()
	return c
}

// pass carries one connection.
func (c *exchangeCounter) pass(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server) // either side may end it
		client.Close()
	}()
	started := false // the first message has no type
	for {
		head := make([]byte, 4, 5)
		if started {
			head = head[:5]
		}
		if _, err := io.ReadFull(client, head); err != nil {
			return
		}
		if started && (head[0] == 'Q' || head[0] == 'S') {
			c.asked.Add(1)
		}
		rest := int64(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
		if _, err := server.Write(head); err != nil {
			return
		}
		if _, err := io.CopyN(server, client, rest); err != nil {
			return
		}
		started = true
	}
}

// A page of the settings asks Postgres a few times and not for each thing that it shows: who asks, the frame, what is edited and the banner.
func TestSettingsPagesAskFewTimes(t *testing.T) {
	t.Parallel()
	counter := countExchanges(t, dbtest.NewURL(t))
	counted := dbtest.Open(t, db.Options{URL: counter.url})
	o := newOrgApp(t, sim.Options{Accounts: 5}, func(opt *Options) { opt.DB = counted })
	ana := o.as(o.admin)
	c := o.connected(ana)
	o.configure(c, "Name != null")
	for _, key := range settings.Sections {
		path := orgPath(c.ID, "/settings/"+string(key))
		for range 3 { // statements are prepared, and the org is described
			ana.get(path).is(http.StatusOK)
		}
		before := counter.asked.Load()
		ana.get(path).is(http.StatusOK)
		if asked := counter.asked.Load() - before; asked > 5 {
			t.Errorf("%s asks Postgres %d times", path, asked)
		}
	}
}
