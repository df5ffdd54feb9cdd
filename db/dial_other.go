//go:build !linux

package db

import "syscall"

// boundUnacknowledged is the Control of the dialer; only Linux has a bound to set.
func boundUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
