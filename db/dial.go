package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lib/pq"
)

// connector opens the pool's connections with a bound on every write and with TCP keepalive: the driver itself would wait for ever on a stalled
// network. Each session knows the socket under it, so that what is done over it can be ended at once.
type connector struct{ pq *pq.Connector }

func newConnector(o Options) (*connector, error) {
	cfg, err := pq.NewConfig(o.URL)
	if err != nil {
		return nil, fmt.Errorf("read the database address: %w", withoutAddress(err))
	}
	cfg.ApplicationName = sessionName(o.Owner)
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 15 * time.Second
	}
	inner, err := pq.NewConnectorConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("read the database address: %w", withoutAddress(err))
	}
	inner.Dialer(dialer{timeout: o.WriteTimeout})
	return &connector{pq: inner}, nil
}

// withoutAddress hides the text of an address that could not be read, since it may hold a password.
func withoutAddress(error) error {
	return errors.New("it is neither a postgres:// URL nor a key=value string that Postgres clients understand")
}

type wireKey struct{}

// sessionSetup ends a session that idles inside a transaction (a stopped process must not keep its locks for ever) or whose client's machine is gone, and fixes
// the time zone and how transactions see each other, for which a company's database may have defaults of its own: what is written here under stricter ones would fail beside the heartbeat of its run. It is sent
// as a statement, since poolers refuse start-up parameters that they do not know.
const sessionSetup = `SET TIME ZONE 'UTC'; SET default_transaction_isolation = 'read committed'; SET idle_in_transaction_session_timeout = '5min';
	SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4`

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	var w *wire
	raw, err := c.pq.Connect(context.WithValue(ctx, wireKey{}, &w))
	if err != nil {
		return nil, err
	}
	able, ok := raw.(pqConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver's connections cannot do what the database layer needs"), raw.Close())
	}
	conn := &session{pqConn: able, wire: w}
	if _, err := conn.ExecContext(ctx, sessionSetup, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("set up a session: %w", err), conn.Close())
	}
	return conn, nil
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c.pq.Driver() }

// cut closes the socket under conn without a word to the server, which then rolls back.
func cut(conn driver.Conn) {
	if s, ok := conn.(*session); ok && s.wire != nil {
		_ = s.wire.Close() // the connection is given up
	}
}

// dialer implements pq.Dialer and pq.DialerContext.
type dialer struct{ timeout time.Duration }

func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4}, Control: boundUnacknowledged}
	conn, err := nd.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, timeout: d.timeout}
	if slot, ok := ctx.Value(wireKey{}).(**wire); ok {
		*slot = w
	}
	return w, nil
}

// wire is a socket whose writes end.
type wire struct {
	net.Conn
	timeout time.Duration
}

// Write implements net.Conn under the write deadline.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
