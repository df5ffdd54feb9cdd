package static

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"
)

func TestFindWantsTheCurrentHash(t *testing.T) {
	t.Parallel()
	for name := range assets {
		parts := strings.Split(URL(name), "/")
		if len(parts) != 4 || parts[1] != "static" || parts[3] != name {
			t.Errorf("URL(%q) = %q", name, URL(name))
			continue
		}
		if _, ok := Find(parts[2], name); !ok {
			t.Errorf("%s: not found under its own hash", name)
		}
		if _, ok := Find("0000000000000000", name); ok {
			t.Errorf("%s: found under a wrong hash", name)
		}
	}
	if _, ok := Find("", "../static.go"); ok {
		t.Error("a file that is not an asset was found")
	}
}

func TestFirstViewIsSmall(t *testing.T) {
	t.Parallel()
	total := 0
	for name, asset := range assets {
		packed := asset.Gzip()
		total += len(packed)
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(body, asset.Body) {
			t.Errorf("%s: does not inflate to its body: %v", name, err)
		}
	}
	if limit := 48 << 10; total > limit {
		t.Errorf("the assets weigh %d bytes compressed, more than %d: a first view must stay under 60 KB", total, limit)
	}
}
