package db_test

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"millrace/db"
	"millrace/db/dbtest"
)

// TestTransactionPoolerIsRefused starts behind poolers that hand each transaction to some server session: one that gives both clients the same, and one whose session changes.
func TestTransactionPoolerIsRefused(t *testing.T) {
	t.Parallel()
	for name, pid := range map[string]func(client, asked int) int{
		"one session for both":        func(int, int) int { return 4711 },
		"a session that changes":      func(client, asked int) int { return 10*client + asked },
		"sessions that stay apart ok": func(client, _ int) int { return client },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := db.Open(t.Context(), db.Options{URL: fakePostgres(t, pid), SecretKey: dbtest.SecretKey})
			if refused := err != nil && strings.Contains(err.Error(), "pool_mode=transaction"); refused == strings.HasSuffix(name, "ok") {
				t.Errorf("opening says %v", err)
			}
			if d != nil {
				d.Close()
			}
		})
	}
}

// fakePostgres answers what is asked at a start, and each client's n-th question for its server session with pid.
func fakePostgres(t *testing.T, pid func(client, asked int) int) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var clients atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveFake(c, int(clients.Add(1)), pid)
		}
	}()
	return "postgres://u:p@" + l.Addr().String() + "/d?sslmode=disable"
}

func serveFake(c net.Conn, client int, pid func(client, asked int) int) {
	defer c.Close()
	read := func(n int) []byte {
		b := make([]byte, n)
		if _, err := io.ReadFull(c, b); err != nil {
			return nil
		}
		return b
	}
	message := func(kind byte, body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body))), body...)
	}
	text := func(s string) []byte { return append([]byte(s), 0) }
	size := read(4)
	if size == nil || read(int(binary.BigEndian.Uint32(size))-4) == nil {
		return
	}
	c.Write(append(message('R', 0, 0, 0, 0), message('Z', 'I')...))
	asked, state := 0, byte('I')
	for {
		head := read(5)
		if head == nil || head[0] != 'Q' {
			return
		}
		body := read(int(binary.BigEndian.Uint32(head[1:])) - 4)
		query := strings.TrimRight(string(body), "\x00")
		var values []string
		tag := "SET"
		switch {
		case strings.HasPrefix(query, "BEGIN"):
			tag, state = "BEGIN", 'T'
		case strings.HasPrefix(query, "ROLLBACK"):
			tag, state = "ROLLBACK", 'I'
		case strings.Contains(query, "server_version_num"):
			tag, values = "SELECT 1", []string{"160000", "16.0"}
		case strings.Contains(query, "pg_backend_pid"):
			asked++
			tag, values = "SELECT 1", []string{strconv.Itoa(pid(client, asked))}
		}
		var out []byte
		if len(values) > 0 {
			columns := []byte{0, byte(len(values))}
			row := []byte{0, byte(len(values))}
			for _, v := range values {
				columns = append(columns, 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0) // of type text
				row = append(binary.BigEndian.AppendUint32(row, uint32(len(v))), v...)
			}
			out = append(message('T', columns...), message('D', row...)...)
		}
		c.Write(append(append(out, message('C', text(tag)...)...), message('Z', state)...))
	}
}
