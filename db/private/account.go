package private

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// account is the user that the server runs as. For an ordinary user that is the user itself. Root has to become another one: by changing the user id,
// or, where that user could not reach the folders, by a user namespace, in which root bears another id.
type account struct {
	uid, gid int  // who owns the files, seen from outside
	drop     bool // change to uid and gid before the program starts
	inside   int  // id within a user namespace; 0 for no namespace
}

// chooseAccount decides whom the server runs as, and moves the data to a place that this user can reach when nothing else is left.
func chooseAccount(c *cluster) (account, error) {
	if os.Geteuid() != 0 {
		return account{uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	uid, gid, err := unprivileged(c.data)
	if err != nil {
		return account{}, err
	}
	dropped := account{uid: uid, gid: gid, drop: true}
	if reachable(uid, gid, filepath.Dir(c.data)) && reachable(uid, gid, c.programs.bin) {
		return dropped, nil
	}
	if spaced := (account{inside: uid}); namespaceWorks(c.programs, spaced) {
		return spaced, nil
	}
	return dropped, c.relocate(uid, gid)
}

// unprivileged returns the owner of the data if it exists and is not root's, else postgres or nobody.
func unprivileged(data string) (uid, gid int, err error) {
	if info, err := os.Stat(data); err == nil && ownerOf(info) != 0 {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			return int(stat.Uid), int(stat.Gid), nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return uid, gid, nil
		}
	}
	return 0, 0, errors.New("root may not run Postgres, and this machine has neither a user postgres nor nobody: start as an ordinary user, or add one with: useradd --system postgres")
}

// give makes path the account's own. Links are changed themselves, not what they point to.
func (a account) give(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// reachable reports whether the user may enter every folder on the way to path.
func reachable(uid, gid int, path string) bool {
	for at := path; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if err != nil {
			return false
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false
		}
		enter := fs.FileMode(0o001)
		switch {
		case int(stat.Uid) == uid:
			enter = 0o100
		case int(stat.Gid) == gid:
			enter = 0o010
		}
		if info.Mode()&enter == 0 {
			return false
		}
		if at == filepath.Dir(at) {
			return true
		}
	}
}

// namespaceWorks tries a user namespace out: many containers forbid them.
func namespaceWorks(p programs, a account) bool {
	if a.attributes() == nil {
		return false
	}
	cmd := exec.Command(p.path("postgres"), "--version")
	cmd.SysProcAttr = a.attributes()
	return cmd.Run() == nil
}

// sharedHome is where the data of a closed folder goes when the server runs as a user who cannot reach that folder.
const sharedHome = "/var/lib/millrace"

// relocate moves the home of the data, and the programs where needed, to a place that the user can reach, and leaves a link to it.
func (c *cluster) relocate(uid, gid int) error {
	sum := sha256.Sum256([]byte(c.dir))
	home := filepath.Join(sharedHome, hex.EncodeToString(sum[:6]))
	if runtime.GOOS != "linux" {
		return fmt.Errorf("the folder %s is closed to the user (id %d) that Postgres has to run as: choose a folder outside it", c.dir, uid)
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return plain(err, "")
	}
	if !reachable(uid, gid, c.programs.bin) {
		copied := filepath.Join(home, "programs")
		if err := errors.Join(os.RemoveAll(copied), os.CopyFS(copied, os.DirFS(filepath.Dir(c.programs.bin)))); err != nil {
			return plain(err, "")
		}
		c.programs.bin = filepath.Join(copied, filepath.Base(c.programs.bin))
	}
	if reachable(uid, gid, filepath.Dir(c.data)) {
		return nil
	}
	moved := filepath.Join(home, "data")
	if exists(c.data) {
		if err := os.CopyFS(moved, os.DirFS(c.data)); err != nil {
			return plain(err, "")
		}
		if err := os.Rename(c.data, c.data+".before-move"); err != nil {
			return plain(err, "")
		}
	}
	if err := os.Symlink(moved, c.data); err != nil {
		return plain(err, "")
	}
	c.data = moved
	return nil
}

func ownerOf(info os.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
