package private

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	ended := errors.New("it ended")
	for _, c := range []struct {
		name, output string
		err          error
		want         string
	}{
		{"disk full in the server", `FATAL:  could not write lock file "postmaster.pid": No space left on device`, ended, "the disk is full"},
		{"disk full while the data is made", "FATAL:  could not extend file: wrote only 4096 of 8192 bytes\nHINT:  Check free disk space.", ended, "the disk is full"},
		{"disk full in the system", "", &os.PathError{Op: "mkdir", Path: "/x", Err: syscall.ENOSPC}, "the disk is full"},
		{"other version", "FATAL:  database files are incompatible with server", ended, "another version of Postgres"},
		{"unknown", "PANIC:  could not locate a valid checkpoint record", ended, "Postgres said:\n  PANIC:  could not locate"},
	} {
		if got := plain(c.err, c.output); got == nil || !strings.Contains(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
	if err := plain(ended, "could not bind IPv4 address"); !errors.Is(err, errPortTaken) {
		t.Errorf("port: got %v", err)
	}
	if plain(nil, "x") != nil {
		t.Error("an error out of nothing")
	}
}

// fakePrograms makes a folder whose postgres only knows its version.
func fakePrograms(t *testing.T, version string) string {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho '"+version+"'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

func TestFindPrograms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version string
		made    int
		major   int
		says    string
	}{
		{"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 0, 15, ""},
		{"postgres (PostgreSQL) 18beta1", 18, 18, ""},
		{"postgres (PostgreSQL) 14.2", 0, 0, "older than the 15"},
		{"postgres (PostgreSQL) 17.1", 15, 0, "the data was made by Postgres 15"},
		{"a shell script", 0, 0, "names no version"},
	} {
		p, err := findPrograms(t.Context(), fakePrograms(t, c.version), t.TempDir(), c.made)
		if p.major != c.major || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), installCommand(c.made))) {
			t.Errorf("%s: got %d, %v", c.version, p.major, err)
		}
	}
}

func TestHighest(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, v := range []string{"9", "15", "18"} {
		if err := os.MkdirAll(filepath.Join(root, v, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got := highest(root + "/*/bin")
	if len(got) != 3 || got[0] != filepath.Join(root, "18", "bin") || got[2] != filepath.Join(root, "9", "bin") {
		t.Errorf("got %v", got)
	}
}

func TestNPMLinksAreMadeAndStayInside(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	native := filepath.Join(root, "native")
	if err := os.MkdirAll(filepath.Join(native, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	list := func(target string) {
		text := fmt.Sprintf(`[{"source":"native/lib/libpq.so.5.18","target":%q}]`, target)
		if err := os.WriteFile(filepath.Join(native, "pg-symlinks.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list("native/lib/libpq.so.5")
	for range 2 { // the second time they exist
		if err := completeNPM(filepath.Join(native, "bin")); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.Readlink(filepath.Join(native, "lib", "libpq.so.5")); err != nil || got != "libpq.so.5.18" {
		t.Errorf("got %q, %v", got, err)
	}
	list("../outside")
	if err := completeNPM(filepath.Join(native, "bin")); err == nil {
		t.Error("a link outside the package was made")
	}
}
