package private

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func (c *cluster) passwordFile() string { return filepath.Join(c.dir, "password") }

// initialize makes the data beside its final place and moves it there when it is complete, so that a first start cut short leaves nothing behind
// that looks like data.
func (c *cluster) initialize(ctx context.Context, o Options) error {
	if entries, err := os.ReadDir(c.data); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty and is not the data of a Postgres", c.data)
	}
	password := rand.Text()
	if err := os.WriteFile(c.passwordFile(), []byte(password), 0o600); err != nil {
		return plain(err, "")
	}
	fresh := c.data + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700), c.as.give(fresh)); err != nil {
		return plain(err, "")
	}
	handed := filepath.Join(c.socket, ".password") // the file that initdb reads must belong to its user
	if err := errors.Join(os.WriteFile(handed, []byte(password+"\n"), 0o600), c.as.give(handed)); err != nil {
		return plain(err, "")
	}
	defer os.Remove(handed)
	err := c.initdb(ctx, fresh, handed, o, "--locale-provider=icu", "--icu-locale=und")
	if err != nil && strings.Contains(err.Error(), "ICU is not supported") {
		err = c.initdb(ctx, fresh, handed, o)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(fresh))
	}
	if err := os.Remove(c.data); err != nil && !errors.Is(err, os.ErrNotExist) {
		return plain(err, "")
	}
	return plain(os.Rename(fresh, c.data), "")
}

// initdb runs the program of that name. Names sort and fold case by Unicode's root rules where this Postgres was built with ICU.
func (c *cluster) initdb(ctx context.Context, data, passwordFile string, o Options, locale ...string) error {
	args := []string{"-D", data, "-U", userName, "--pwfile=" + passwordFile, "--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--locale=C"}
	if o.FsyncOff {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, c.programs.path("initdb"), append(args, locale...)...)
	cmd.Dir = data
	cmd.Env = serverEnv()
	cmd.SysProcAttr = c.as.attributes()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	exited, err := startBound(cmd)
	if err == nil {
		<-exited
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if cmd.ProcessState.Success() {
			return nil
		}
		err = fmt.Errorf("initdb: %s", cmd.ProcessState)
	}
	return plain(fmt.Errorf("make the data: %w", err), out.String())
}

// maxSocketPath is what a unix socket's path may have, with the file's own name and some room taken off.
const maxSocketPath = 80

// makeSocketDir makes the folder of the unix socket: beside the data where the path is short enough, else below /tmp.
func (c *cluster) makeSocketDir() error {
	c.socket = filepath.Join(filepath.Dir(c.data), "run")
	if len(c.socket) > maxSocketPath {
		sum := sha256.Sum256([]byte(c.dir))
		c.socket = filepath.Join("/tmp", "millrace-"+hex.EncodeToString(sum[:6]))
	}
	if err := os.Mkdir(c.socket, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	info, err := os.Lstat(c.socket)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", c.socket)
	}
	if owner := ownerOf(info); os.Geteuid() != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%s belongs to another user (id %d)", c.socket, owner)
	}
	return errors.Join(os.Chmod(c.socket, 0o700), c.as.give(c.socket))
}

// own makes sure that the data belongs to the user that the server runs as: it may have been copied, or made under another one.
func (c *cluster) own() error {
	info, err := os.Stat(c.data)
	if err != nil {
		return plain(err, "")
	}
	owner := ownerOf(info)
	if owner == c.as.uid {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("the data belongs to another user (id %d): start as that user, or as root", owner)
	}
	return plain(filepath.WalkDir(c.data, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, c.as.give(path))
	}), "")
}
