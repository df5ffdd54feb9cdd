package db

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged is for how many milliseconds what was sent may stay without an acknowledgement. Keepalives are not sent meanwhile, and the kernel's own patience is a quarter of an hour.
const unacknowledged = 35_000

// boundUnacknowledged is the Control of the dialer. Where the system does not know the option, the connection does without.
func boundUnacknowledged(network, _ string, raw syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	return raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unacknowledged)
	})
}
