// Package static holds the files that browsers load: the built stylesheet, vendored htmx and our own small script. Each is served under its
// content hash, so that it may be cached for ever.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"sync"
)

//go:embed app.css app.js draft.js editor.js keep.js htmx.js picker.js favicon.svg
var files embed.FS

// Asset is one file.
type Asset struct {
	Name, Type string
	Hash       string // first 16 hex digits of the content's SHA-256
	Body       []byte
	Gzip       func() []byte // Body compressed, made once
}

var assets = load(map[string]string{
	"app.css":     "text/css; charset=utf-8",
	"app.js":      "text/javascript; charset=utf-8",
	"draft.js":    "text/javascript; charset=utf-8",
	"editor.js":   "text/javascript; charset=utf-8", // fetched when a filter box is first used
	"keep.js":     "text/javascript; charset=utf-8", // fetched with a form of the settings
	"htmx.js":     "text/javascript; charset=utf-8",
	"picker.js":   "text/javascript; charset=utf-8", // fetched by pages that have a picker
	"favicon.svg": "image/svg+xml",
})

func load(types map[string]string) map[string]Asset {
	out := make(map[string]Asset, len(types))
	for name, contentType := range types {
		body, err := files.ReadFile(name)
		if err != nil {
			panic(err) // the file is embedded: a wrong name is a programming error
		}
		sum := sha256.Sum256(body)
		out[name] = Asset{
			Name: name, Type: contentType, Hash: hex.EncodeToString(sum[:8]), Body: body,
			Gzip: sync.OnceValue(func() []byte { return compress(body) }),
		}
	}
	return out
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(body) //nolint:errcheck // a bytes.Buffer takes everything
	w.Close()     //nolint:errcheck // as above
	return out.Bytes()
}

// URL returns the path under which the named file is served. It panics on a name that does not exist, which is a programming error.
func URL(name string) string {
	asset, ok := assets[name]
	if !ok {
		panic("static: no file " + name)
	}
	return "/static/" + asset.Hash + "/" + name
}

// Find returns the named file if hash is its current content hash.
func Find(hash, name string) (Asset, bool) {
	asset, ok := assets[name]
	if !ok || asset.Hash != hash {
		return Asset{}, false
	}
	return asset, true
}
