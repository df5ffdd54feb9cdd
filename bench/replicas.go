package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"millrace/db"
	"millrace/db/private"
	"millrace/jobs"
	"millrace/salesforce"
)

// replicaPlan is what the comparison of one and two replicas measures.
type replicaPlan struct {
	accounts, pageRows, runs int
	rate                     string // of each replica's link to the org, as tc writes it
}

// replicas measures the first sync of an org's accounts by one replica and by two, over a slow link to the org that each has for itself, and without one.
// The replicas and the org are processes in network namespaces of their own, joined by nothing but these links; all share the machine's processors and one
// Postgres, which they reach through its socket. Making the namespaces needs root.
func replicas(ctx context.Context, p replicaPlan) error {
	dir, err := os.MkdirTemp("", "millrace-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres runs as another user
		return err
	}
	binary := filepath.Join(dir, "millrace")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	pg, err := private.Start(ctx, private.Options{Dir: filepath.Join(dir, "postgres"), Log: io.Discard})
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := pg.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: stopping Postgres:", err)
		}
	}()
	n, err := newNetwork(ctx, p.rate)
	if err != nil {
		return err
	}
	defer n.remove()
	o, err := startOrgAt(n.in(n.org, binary, "org", "--addr", orgAddress+":0", "--accounts", fmt.Sprint(p.accounts), "--daily-api-limit", "1000000000"))
	if err != nil {
		return err
	}
	defer o.stop()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := measuredBy(job{Org: o.address, ClientID: o.clientID, ClientSecret: o.clientSecret}, func(j string) *exec.Cmd { return n.in(n.org, self, "token", j) })
	if err != nil {
		return err
	}
	o.token = m.Token

	kinds := []struct {
		name  string
		where []string
	}{
		{"one replica, slow link", n.replicas[:1]},
		{"two replicas, slow link each", n.replicas},
		{"one replica, no link", []string{n.org}},
		{"two replicas, no link", []string{n.org, n.org}},
	}
	all := make([][]measure, len(kinds))
	for range p.runs { // the kinds take turns, so that a slow moment of the machine hits each
		for i, k := range kinds {
			m, err := p.measure(ctx, n, k.where, pg.SocketURL(), o)
			if err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			fmt.Fprintf(os.Stderr, "%s: %.1f s\n", k.name, m.Seconds)
			all[i] = append(all[i], m)
		}
	}
	fmt.Printf("%s, %s/%s, %d CPUs, %s; %d accounts in pages of %d, links of %s, medians of %d\n\n", time.Now().UTC().Format("2006-01-02"),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), p.accounts, p.pageRows, p.rate, p.runs)
	fmt.Print("| First sync of the accounts by | seconds | as fast as one |\n|---|---|---|\n")
	for i, k := range kinds {
		m, one := median(all[i]), median(all[i/2*2])
		fmt.Printf("| %s | %.1f | %.2fx |\n", k.name, m.Seconds, one.Seconds/m.Seconds)
	}
	return nil
}

// measure has a replica in each of the namespaces work on the first run of a fresh database.
func (p replicaPlan) measure(ctx context.Context, n *network, where []string, server string, o *org) (measure, error) {
	d, err := newDatabase(ctx, server, o)
	if err != nil {
		return measure{}, err
	}
	defer d.drop()
	store, err := db.Open(ctx, db.Options{URL: d.url, SecretKey: secretKey})
	if err != nil {
		return measure{}, err
	}
	defer store.Close()
	self, err := os.Executable()
	if err != nil {
		return measure{}, err
	}
	// The run waits until all replicas are there: their start is not what is measured.
	held, err := store.Claim(ctx, "bench", time.Minute)
	if err != nil {
		return measure{}, err
	}
	for i, ns := range where {
		j := job{Database: d.url, Connection: d.connection, Org: o.address, Token: o.token, ClientID: o.clientID, ClientSecret: o.clientSecret, PageRows: p.pageRows, Name: fmt.Sprint("replica", i)}
		cmd := n.in(ns, self, "replica", must(json.Marshal(j)))
		stop, err := started(cmd)
		if err != nil {
			return measure{}, err
		}
		defer stop()
	}
	if err := store.Release(ctx, held.ID, held.Fence); err != nil {
		return measure{}, err
	}
	return accountsStep(ctx, store, d.connection)
}

// started starts a replica and returns once it looks for work.
func started(cmd *exec.Cmd) (stop func(), err error) {
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		_ = cmd.Wait()
	}
	if !bufio.NewScanner(out).Scan() {
		stop()
		return nil, errors.New("a replica ended before it looked for work")
	}
	return stop, nil
}

// replica is the process of one replica: it runs the app's own runner until it is killed.
func replica(ctx context.Context, j job) (measure, error) {
	store, err := db.Open(ctx, db.Options{URL: j.Database, SecretKey: secretKey})
	if err != nil {
		return measure{}, err
	}
	client := j.client()
	fmt.Println("ready")
	go answer(os.Stdin, os.Stdout)
	return measure{}, jobs.New(jobs.Options{
		DB: store, Owner: j.Name, PageRows: j.PageRows, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Client: func(context.Context, int64) (*salesforce.Client, error) { return client, nil },
	}).Run(ctx)
}

// token signs in at the org, from where it can be reached.
func token(ctx context.Context, j job) (measure, error) {
	o := org{address: j.Org, clientID: j.ClientID, clientSecret: j.ClientSecret}
	err := o.signIn(ctx)
	return measure{Token: o.token}, err
}

// must returns JSON of what can always be written.
func must(text []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(text)
}

// orgAddress is the org's address in its own namespace, which nobody else sees.
const orgAddress = "10.213.0.1"

// network is an org and two replicas, each in a network namespace, with a link of limited rate from each replica to the org.
type network struct {
	org      string
	replicas []string
}

// newNetwork makes it. Nothing outside the new namespaces is changed.
func newNetwork(ctx context.Context, rate string) (*network, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("making network namespaces needs root")
	}
	name := fmt.Sprintf("millrace%d-", os.Getpid())
	n := &network{org: name + "org", replicas: []string{name + "a", name + "b"}}
	var commands [][]string
	do := func(words ...string) { commands = append(commands, words) }
	for _, ns := range slices.Concat([]string{n.org}, n.replicas) {
		do("ip", "netns", "add", ns)
		do("ip", "-n", ns, "link", "set", "lo", "up")
	}
	do("ip", "-n", n.org, "address", "add", orgAddress+"/32", "dev", "lo")
	for i, ns := range n.replicas {
		here, there := fmt.Sprintf("10.213.%d.1", i+1), fmt.Sprintf("10.213.%d.2", i+1)
		link := fmt.Sprint("link", i)
		do("ip", "link", "add", link, "netns", n.org, "type", "veth", "peer", "name", "org", "netns", ns)
		do("ip", "-n", n.org, "address", "add", here+"/30", "dev", link)
		do("ip", "-n", n.org, "link", "set", link, "up")
		do("ip", "-n", ns, "address", "add", there+"/30", "dev", "org")
		do("ip", "-n", ns, "link", "set", "org", "up")
		do("ip", "-n", ns, "route", "add", orgAddress+"/32", "via", here)
		do("ip", "netns", "exec", n.org, "tc", "qdisc", "add", "dev", link, "root", "tbf", "rate", rate, "burst", "64kb", "latency", "200ms")
	}
	for _, words := range commands {
		if out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput(); err != nil {
			n.remove()
			return nil, fmt.Errorf("%v: %w\n%s", words, err, out)
		}
	}
	return n, nil
}

// in returns a command that runs in a namespace.
func (n *network) in(ns, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", ns, name}, args...)...)
}

// remove removes the namespaces, and the links with them.
func (n *network) remove() {
	for _, ns := range slices.Concat([]string{n.org}, n.replicas) {
		_ = exec.Command("ip", "netns", "delete", ns).Run() // one that was not made is not there
	}
}
