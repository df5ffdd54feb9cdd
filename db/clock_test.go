package db_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// timed are the beginnings of the names of the files with what depends on time between replicas.
var timed = []string{"run", "schedule", "step", "page", "undo", "api", "grant"}

// TestOnlyThePostgresClockCounts holds that nothing of runs and schedules comes from the clock of the machine that a replica runs on: leases, slots and waits
// are made and compared by Postgres, so that a wrong clock does no harm.
func TestOnlyThePostgresClockCounts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	looked := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || !slices.ContainsFunc(timed, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		looked++
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && (s.Sel.Name == "Now" || s.Sel.Name == "Since" || s.Sel.Name == "Until") {
					t.Errorf("%s: %s looks at the clock of this machine", name, fn.Name.Name)
				}
				return true
			})
		}
	}
	if looked < 12 {
		t.Errorf("looked at %d files only", looked)
	}
}
