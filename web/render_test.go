package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"millrace/static"
)

func TestAssetsAreKeptForEver(t *testing.T) {
	t.Parallel()
	a := newEmptyApp(t, nil)
	for _, name := range []string{"app.css", "app.js", "htmx.js", "favicon.svg"} {
		path := static.URL(name)
		p := a.nobody().get(path).is(http.StatusOK)
		if got := p.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control is %q", name, got)
		}
		parts := strings.Split(path, "/")
		a.nobody().get("/static/0123456789abcdef/" + parts[3]).is(http.StatusNotFound)
		a.nobody().get("/static/" + parts[2] + "/other.css").is(http.StatusNotFound)
	}
}

// TestPagesAreCompressed reads a page as a browser does and weighs it.
func TestPagesAreCompressed(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	c := a.connection("acme")
	a.fill(c, 100)
	b := a.as(a.viewer)
	for accept, want := range map[string]string{"gzip, br": "gzip", "br;q=1, gzip;q=0": "", "identity": "", "": "", "deflate, GZIP;q=0.5": "gzip"} {
		b.header.Set("Accept-Encoding", accept)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.url+orgPath(c.ID, "/accounts?per=100"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = b.header
		resp, err := b.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get("Content-Encoding") != want || !strings.Contains(strings.Join(resp.Header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("for %q: %q, %v", accept, resp.Header.Get("Content-Encoding"), err)
		}
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("Cache-Control is %q", resp.Header.Get("Cache-Control"))
		}
		if want != "gzip" {
			continue
		}
		if len(body) > 20<<10 {
			t.Errorf("a list of 100 accounts weighs %d bytes", len(body))
		}
		zr, err := gzip.NewReader(strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(zr); err != nil || !strings.HasSuffix(strings.TrimSpace(string(text)), "</html>") {
			t.Errorf("the page does not inflate: %v", err)
		}
	}
}

func TestFlashesCannotBeForged(t *testing.T) {
	t.Parallel()
	a := newApp(t, nil)
	for _, value := range []string{"saved.<script>", "made-up.x", "saved.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "saved.call 555"} {
		b := a.as(a.viewer)
		b.header.Set("Cookie", "flash="+value)
		p := b.get("/profile")
		p.lacks("#flash")
	}
	b := a.as(a.viewer)
	p := b.post("/profile/sign-out-others", nil)
	b.follow(p).has("#flash")
	b.get("/profile").lacks("#flash")
}

func TestThemeIsRemembered(t *testing.T) {
	t.Parallel()
	a := newEmptyApp(t, nil)
	b := a.nobody()
	if got := b.get("/sign-in").attr("html", "data-theme"); got != "" {
		t.Errorf("at first the theme is %q", got)
	}
	for _, theme := range []string{"dark", "light", ""} {
		b.post("/theme", map[string][]string{"theme": {theme}, "next": {"/sign-in"}}).is(http.StatusSeeOther)
		if got := b.get("/sign-in").attr("html", "data-theme"); got != theme {
			t.Errorf("the theme is %q, want %q", got, theme)
		}
	}
	b.post("/theme", map[string][]string{"theme": {`"><script>`}}).is(http.StatusSeeOther)
	b.get("/sign-in").is(http.StatusOK).lacks("[data-theme]")
	b.get("/sign-in").says("main", "Nobody has an account yet")
}
