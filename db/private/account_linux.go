package private

import "syscall"

// diesWithUs says that the kernel stops the server when the process that started it ends.
const diesWithUs = true

// attributes ties the server to us and makes it run as the account. SIGQUIT is Postgres's immediate shutdown.
func (a account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	switch {
	case a.drop:
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	case a.inside != 0:
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: a.inside, HostID: a.uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: a.inside, HostID: a.gid, Size: 1}}
	}
	// A terminal's Ctrl-C goes to every process of the foreground group; the server must outlive it until we stop it in order.
	attr.Setpgid = true
	return attr
}
