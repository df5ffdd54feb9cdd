package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// behaviourRow is a row of docs/behaviours.md: what the product does, and the tests that show it.
type behaviourRow struct {
	line  int
	text  string
	tests []string
}

var testName = regexp.MustCompile("`([^`]+)`")

// readBehaviours reads the rows of all tables of a page; the last cell names the tests.
func readBehaviours(text string) (rows []behaviourRow) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		last := cells[len(cells)-1]
		if strings.TrimSpace(last) == "Shown by" || strings.Trim(line, "| -:") == "" {
			continue
		}
		row := behaviourRow{line: i + 1, text: strings.TrimSpace(cells[0])}
		for _, m := range testName.FindAllStringSubmatch(last, -1) {
			row.tests = append(row.tests, m[1])
		}
		rows = append(rows, row)
	}
	return rows
}

// testsOf collects the tests below a folder, as package.TestX, with their subtests of a literal name as package.TestX/name.
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (d.Name() == "node_modules" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if pkg == "." {
			pkg = "millrace"
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Body == nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			name := pkg + "." + f.Name.Name
			found[name] = true
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if sub := subtest(n); sub != "" {
					found[name+"/"+sub] = true
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// subtest returns the name of a call such as t.Run("name", …), or "".
func subtest(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 2 {
		return ""
	}
	if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "Run" {
		return ""
	}
	name, ok := call.Args[0].(*ast.BasicLit)
	if !ok || name.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(name.Value)
	if err != nil {
		return ""
	}
	return text
}

// TestBehavioursAreShown fails when docs/behaviours.md promises a behaviour that no test shows any more.
func TestBehavioursAreShown(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/behaviours.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, tests := readBehaviours(string(text)), testsOf(t, ".")
	if len(rows) < 20 || len(tests) < 100 {
		t.Fatalf("%d behaviours, %d tests: not all were found", len(rows), len(tests))
	}
	said := map[string]int{}
	for _, row := range rows {
		if len(row.tests) == 0 {
			t.Errorf("line %d: no test shows that %q", row.line, row.text)
		}
		for _, name := range row.tests {
			if !tests[name] {
				t.Errorf("line %d: there is no test %s, which is to show that %q", row.line, name, row.text)
			}
		}
		if before := said[row.text]; before > 0 {
			t.Errorf("line %d says what line %d says", row.line, before)
		}
		said[row.text] = row.line
	}
}

func TestBehavioursNoticeWhatIsGone(t *testing.T) {
	t.Parallel()
	rows := readBehaviours("# x\n| Behaviour | Shown by |\n| --- | :-- |\n| It does | `a.TestOne`, `b/c.TestTwo/sub` |\n| It says | |\n")
	if len(rows) != 2 || rows[0].line != 4 || len(rows[0].tests) != 2 || len(rows[1].tests) != 0 {
		t.Errorf("got %+v", rows)
	}
	dir := t.TempDir()
	source := "package a\nfunc TestOne(t *testing.T) { t.Run(\"sub\", func(t *testing.T) {}); t.Run(name, nil) }\nfunc helper() {}\n"
	if err := os.WriteFile(filepath.Join(dir, "a_test.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := testsOf(t, dir)
	name := filepath.ToSlash(dir) + ".TestOne"
	if len(tests) != 2 || !tests[name] || !tests[name+"/sub"] {
		t.Errorf("got %v", tests)
	}
}
