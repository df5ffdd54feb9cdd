package soql

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestOracle compares the parser with the one that Salesforce publishes in @salesforce/soql-common, over the hand-written corpora and generated
// queries. testdata/differences.txt lists every query on which the two disagree, under the reason; a disagreement that is not there fails the
// test, and so does an entry that is none.
func TestOracle(t *testing.T) {
	t.Parallel()
	explained := readDifferences(t)
	var texts []string
	var ours []bool
	seen := map[string]bool{}
	add := func(query string, accepted bool) {
		if !seen[query] {
			seen[query] = true
			texts, ours = append(texts, query), append(ours, accepted)
		}
	}
	for _, q := range readLines(t, "testdata/queries.txt") {
		_, err := ParseQuery(q)
		add(q, err == nil)
	}
	for _, f := range readLines(t, "testdata/filters.txt") {
		_, findings := ParseFilter(f)
		add("SELECT Id FROM Account WHERE "+f, !Refused(findings))
	}
	for _, q := range generated(700) {
		_, err := ParseQuery(q)
		add(q, err == nil)
	}
	if len(texts) < 1000 {
		t.Errorf("the corpus has shrunk to %d queries", len(texts))
	}
	theirs := oracle(t, texts)
	for i, text := range texts {
		want, listed := explained[text]
		delete(explained, text)
		switch {
		case ours[i] == theirs[i] && listed:
			t.Errorf("listed as a difference, but both say %v: %s", ours[i], text)
		case ours[i] != theirs[i] && !listed:
			t.Errorf("we say %v, the oracle says %v: %s", ours[i], theirs[i], text)
		case listed && want != ours[i]:
			t.Errorf("the list says that we say %v, but we say %v: %s", want, ours[i], text)
		}
	}
	for text := range explained {
		t.Errorf("listed as a difference, but in no corpus: %s", text)
	}
}

// oracle asks Salesforce's parser about each query.
func oracle(t *testing.T, queries []string) []bool {
	t.Helper()
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, q := range queries {
		if err := enc.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("node", "testdata/oracle.cjs")
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node testdata/oracle.cjs: %v (the test needs Node and the packages of package.json: npm ci)", err)
	}
	var verdicts []bool
	dec := json.NewDecoder(bytes.NewReader(out))
	for dec.More() {
		var v struct{ OK bool }
		if err := dec.Decode(&v); err != nil {
			t.Fatal(err)
		}
		verdicts = append(verdicts, v.OK)
	}
	if len(verdicts) != len(queries) {
		t.Fatalf("%d verdicts for %d queries", len(verdicts), len(queries))
	}
	return verdicts
}

func readLines(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	scan := bufio.NewScanner(bytes.NewReader(data))
	for scan.Scan() {
		if scan.Text() != "" {
			lines = append(lines, scan.Text())
		}
	}
	return lines
}

// readDifferences returns for each listed query whether we accept it. A line that starts with # is the reason for those after it.
func readDifferences(t *testing.T) map[string]bool {
	t.Helper()
	listed := map[string]bool{}
	reason := ""
	for _, line := range readLines(t, "testdata/differences.txt") {
		verdict, query, ok := strings.Cut(line, ": ")
		switch {
		case strings.HasPrefix(line, "#"):
			reason = line
		case reason == "":
			t.Errorf("testdata/differences.txt: without a reason: %s", line)
		case ok && (verdict == "we accept" || verdict == "we refuse"):
			listed[query] = verdict == "we accept"
		default:
			t.Errorf("testdata/differences.txt: not understood: %s", line)
		}
	}
	return listed
}
