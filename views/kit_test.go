package views_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestPagesUseTheFieldKit keeps inputs in package ui, where each has its label, hint and errors.
func TestPagesUseTheFieldKit(t *testing.T) {
	t.Parallel()
	bare := regexp.MustCompile(`<(input|select|textarea)\b`)
	inline := regexp.MustCompile(`\s(style|on[a-z]+|hx-on[^=]*|hx-vals)=|<style|hx-trigger="[^"]*\[`)
	files, err := filepath.Glob("*.templ")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages: %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := bare.Find(text); found != nil {
			t.Errorf("%s has a bare %s", file, found)
		}
		if found := inline.Find(text); found != nil {
			t.Errorf("%s has %s, which the content security policy blocks", file, found)
		}
	}
}
