package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"millrace/settings"
)

// pagesOf lists the pages that are measured, by what people call them.
func pagesOf() [][2]string {
	var out [][2]string
	for _, s := range settings.Sections {
		out = append(out, [2]string{s.Label(), "/connections/1/settings/" + string(s)})
	}
	return append(out, [2]string{"Impact", "/connections/1/settings/impact"}, [2]string{"History", "/connections/1/settings/history"})
}

// served is what one page took.
type served struct {
	name         string
	p50, p95     time.Duration
	first, again int64 // bytes on the wire with an empty and with a filled cache
}

// pages measures each page of the settings wizard: a demo with the given accounts, synced once, and one person who opens each page many times.
func pages(ctx context.Context, accounts, times int) error {
	dir, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user when this runs as root
		return err
	}
	binary := filepath.Join(dir, "millrace")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	v, stop, err := visit(ctx, binary, filepath.Join(dir, "data"), accounts)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("| Page | median ms | p95 ms | first visit | afterwards |\n|---|---|---|---|---|\n")
	for _, page := range pagesOf() {
		s, err := v.measure(page[0], page[1], times)
		if err != nil {
			return fmt.Errorf("%s: %w", page[0], err)
		}
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		fmt.Printf("| %s | %.1f | %.1f | %.1f KB | %.1f KB |\n", s.name, ms(s.p50), ms(s.p95), float64(s.first)/1000, float64(s.again)/1000)
	}
	return nil
}

// visitor is a signed-in browser without scripts.
type visitor struct {
	app    string
	client *http.Client
}

// visit starts a demo, waits for its first sync and signs in.
func visit(ctx context.Context, binary, data string, accounts int) (*visitor, func(), error) {
	cmd := exec.CommandContext(ctx, binary, "demo", "--ready", "--addr", "127.0.0.1:0", "--org-addr", "127.0.0.1:0", "--data", data, "--accounts", fmt.Sprint(accounts))
	cmd.Stderr = io.Discard
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop := func() {
		_ = cmd.Process.Signal(os.Interrupt) // it stops its Postgres
		_ = cmd.Wait()
	}
	found := map[string]string{}
	for lines := bufio.NewScanner(out); found["Synced"] == ""; {
		if !lines.Scan() {
			stop()
			return nil, nil, errors.New("the demo ended before it had synced")
		}
		name, value, _ := strings.Cut(lines.Text(), ": ")
		found[name] = value
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	jar, err := cookiejar.New(nil)
	if err != nil {
		stop()
		return nil, nil, err
	}
	v := &visitor{app: found["Millrace"], client: &http.Client{Jar: jar, Transport: &http.Transport{DisableCompression: true}}}
	email, password, _ := strings.Cut(found["Sign in"], " / ")
	answer, err := v.client.PostForm(v.app+"/sign-in", url.Values{"email": {email}, "password": {password}})
	if err == nil {
		answer.Body.Close()
		if answer.Request.URL.Path == "/sign-in" {
			err = errors.New("signing in failed")
		}
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return v, stop, nil
}

// get fetches an address as a browser does and returns the bytes on the wire, the text, and how long it took to the last byte.
func (v *visitor) get(path string) (wire int64, text string, took time.Duration, err error) {
	q, err := http.NewRequest(http.MethodGet, v.app+path, nil)
	if err != nil {
		return 0, "", 0, err
	}
	q.Header.Set("Accept-Encoding", "gzip")
	started := time.Now()
	answer, err := v.client.Do(q)
	if err != nil {
		return 0, "", 0, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	took = time.Since(started)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", path, answer.Status)
	}
	if err != nil {
		return 0, "", 0, err
	}
	wire, text = int64(len(body)), string(body)
	for name, values := range answer.Header {
		for _, value := range values {
			wire += int64(len(name) + len(value) + 4)
		}
	}
	if answer.Header.Get("Content-Encoding") == "gzip" {
		plain, err := gzip.NewReader(strings.NewReader(text))
		if err != nil {
			return 0, "", 0, err
		}
		raw, err := io.ReadAll(plain)
		if err != nil {
			return 0, "", 0, err
		}
		text = string(raw)
	}
	return wire, text, took, nil
}

// asset finds what a browser loads with a page: style sheets, scripts and pictures, but not what scripts load when it is needed.
var asset = regexp.MustCompile(`(?:src|href)="(/static/[^"]+)"`)

func (v *visitor) measure(name, path string, times int) (served, error) {
	out := served{name: name}
	wire, text, _, err := v.get(path)
	if err != nil {
		return out, err
	}
	out.again, out.first = wire, wire
	met := map[string]bool{}
	for _, m := range asset.FindAllStringSubmatch(text, -1) {
		if met[m[1]] {
			continue
		}
		met[m[1]] = true
		size, _, _, err := v.get(m[1])
		if err != nil {
			return out, err
		}
		out.first += size
	}
	all := make([]time.Duration, times)
	for i := range all {
		if _, _, all[i], err = v.get(path); err != nil {
			return out, err
		}
	}
	slices.SortFunc(all, cmp.Compare[time.Duration])
	out.p50, out.p95 = all[times/2], all[times*95/100]
	return out, nil
}
