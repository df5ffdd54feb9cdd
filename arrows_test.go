package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed lists, for each package, the packages of this module that its non-test code may import. Package main may import everything.
var allowed = map[string][]string{
	"config":            nil,
	"settings":          nil,
	"schedule":          nil,
	"static":            nil,
	"mood":              nil,
	"salesforce/soql":   nil,
	"db/private":        nil,
	"views/ui":          {"static"},
	"salesforce":        {"salesforce/soql"},
	"salesforce/sim":    {"salesforce/soql"},
	"pipeline":          {"settings", "salesforce/soql"},
	"pipeline/remote":   {"pipeline", "salesforce", "salesforce/soql"},
	"db":                {"settings", "schedule", "pipeline", "db/migrations"},
	"db/migrations":     nil,
	"db/dbtest":         {"db", "db/private", "db/migrations"},
	"jobs":              {"pipeline", "pipeline/remote", "salesforce", "db", "settings", "salesforce/soql", "notify"},
	"views":             {"settings", "pipeline", "salesforce/soql", "static", "views/ui"},
	"notify":            {"salesforce"},
	"notify/notifytest": nil,
	"web":               {"notify", "views", "views/ui", "static", "settings", "schedule", "pipeline", "pipeline/remote", "salesforce", "salesforce/soql", "db"},
	"bench":             {"web", "db", "db/private", "jobs", "pipeline", "salesforce", "salesforce/soql", "settings"},
}

// forbiddenOutside lists imports from outside the module that a package must not have.
var forbiddenOutside = map[string][]string{
	"views":           {"net/http", "database/sql"},
	"views/ui":        {"net/http", "database/sql"},
	"settings":        {"net/http", "database/sql"},
	"schedule":        {"net/http", "database/sql", "os"},
	"salesforce/soql": {"net/http", "database/sql", "os"},
}

// TestArrows holds the arrows between packages: which may import which.
func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name, ok := strings.CutPrefix(p.ImportPath, "millrace/")
		if !ok {
			continue // package main
		}
		may, known := allowed[name]
		if !known {
			if len(p.Imports) > 0 {
				t.Errorf("package %s is not in the table of arrows", name)
			}
			continue
		}
		for _, imp := range p.Imports {
			inside, ok := strings.CutPrefix(imp, "millrace/")
			if ok && !slices.Contains(may, inside) {
				t.Errorf("%s must not import %s", name, inside)
			}
			if !ok && slices.Contains(forbiddenOutside[name], imp) {
				t.Errorf("%s must not import %s", name, imp)
			}
		}
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list names only %d packages", len(all))
	}
	return all
}
