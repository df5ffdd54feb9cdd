//go:build unix && !linux

package private

import "syscall"

// diesWithUs says that the kernel stops the server when the process that started it ends.
const diesWithUs = false

// attributes makes the server run as the account. It returns nil where that would take a user namespace, which only Linux has.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	switch {
	case a.drop:
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	case a.inside != 0:
		return nil
	}
	return attr
}
