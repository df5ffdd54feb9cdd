// Command bench measures what syncs cost, all in the same run on the same machine. The first sync of an org's accounts and contacts is held against two
// yardsticks: the floor, which is the same pages copied straight into the same typed and indexed tables with nothing else done, and two scripts that a user would write with
// jsforce. Then what audit rows cost, later syncs, and how the time grows with the org. The org, the app and each script run in processes of their own. It prints tables in Markdown.
//
//	go run ./bench [-parts first,audit,again,scale] [-accounts 200000,1000000] [-runs 3] [-peers=false] [-keep FILE]
//	go run ./bench lists [-data DIR]                          # Audit Logs and the other lists, with 1,000,000 accounts and 10,000,000 audit entries
//	go run ./bench pages [-accounts 20000] [-times 300]      # the pages of the settings wizard instead
//	go run ./bench replicas [-accounts 200000] [-rate 8mbit] # one replica and two, in network namespaces; needs root
//	go run ./bench soak [-accounts 1000] [-for 30m]          # a month of schedules; fails when something goes up that must stay flat
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run dispatches: without a word in front the whole benchmark, otherwise one measured process of it.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "engine":
			return child(args[1:], func(j job) (measure, error) { return engine(ctx, j) })
		case "floor":
			return child(args[1:], func(j job) (measure, error) { return floor(ctx, j) })
		case "replica":
			return child(args[1:], func(j job) (measure, error) { return replica(ctx, j) })
		case "token":
			return child(args[1:], func(j job) (measure, error) { return token(ctx, j) })
		case "replicas":
			flags := flag.NewFlagSet("bench replicas", flag.ContinueOnError)
			var p replicaPlan
			flags.IntVar(&p.accounts, "accounts", 200_000, "size of the org")
			flags.IntVar(&p.pageRows, "page-rows", 10_000, "records per page")
			flags.IntVar(&p.runs, "runs", 3, "measurements of each kind; the median counts")
			flags.StringVar(&p.rate, "rate", "8mbit", "of each replica's link to the org, as tc writes it")
			if err := flags.Parse(args[1:]); err != nil {
				return err
			}
			p.runs = max(p.runs, 1)
			return replicas(ctx, p)
		case "soak":
			flags := flag.NewFlagSet("bench soak", flag.ContinueOnError)
			accounts := flags.Int("accounts", 1000, "size of the org")
			days := flags.Int("days", 30, "of schedules")
			length := flags.Duration("for", 30*time.Minute, "how long these days take, at least")
			if err := flags.Parse(args[1:]); err != nil {
				return err
			}
			return soak(ctx, *accounts, max(*days, 1), *length)
		case "lists":
			return lists(ctx, args[1:])
		case "pages":
			flags := flag.NewFlagSet("bench pages", flag.ContinueOnError)
			accounts := flags.Int("accounts", 20_000, "size of the org")
			times := flags.Int("times", 300, "how often each page is opened")
			if err := flags.Parse(args[1:]); err != nil {
				return err
			}
			return pages(ctx, *accounts, max(*times, 20))
		}
	}
	return whole(ctx, args)
}

// whole runs the parts of the benchmark that the flags ask for.
func whole(ctx context.Context, args []string) error {
	var p plan
	var names []string
	for _, part := range parts {
		names = append(names, part.name)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	accounts := flags.String("accounts", "200000,1000000", "sizes of the org, separated by commas")
	chosen := flags.String("parts", strings.Join(names, ","), "what to measure")
	scale := flags.String("scale", "10000,100000,1000000", "sizes of the scaling plot; 5000000 takes a while and 10 GB of disk")
	flags.IntVar(&p.runs, "runs", 3, "measurements of the engine and the floor per size; the median counts")
	flags.BoolVar(&p.peers, "peers", true, "measure the jsforce scripts as well")
	flags.IntVar(&p.sample, "sample", 20_000, "rows of each object of the row-wise script, which is extrapolated")
	flags.StringVar(&p.plot, "plot", "docs/scaling.svg", "`file` of the scaling plot")
	flags.StringVar(&p.keep, "keep", "", "`file` in which measures are kept: what is in it is not measured again")
	flags.StringVar(&p.profile, "profile", "", "`folder` for CPU profiles of the measured processes")
	flags.StringVar(&p.server, "postgres", "", "`URL` of a Postgres on this machine to measure on, as its superuser; by default one is started for the time being")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if p.sizes, err = sizes("accounts", *accounts); err != nil {
		return err
	}
	if p.scale, err = sizes("scale", *scale); err != nil {
		return err
	}
	for name := range strings.SplitSeq(*chosen, ",") {
		if !slices.Contains(names, name) {
			return fmt.Errorf("-parts: %q is none of %s", name, strings.Join(names, ", "))
		}
		p.parts = append(p.parts, name)
	}
	if p.runs < 1 {
		return errors.New("-runs must be at least 1")
	}
	return suite(ctx, p)
}

// sizes reads numbers of accounts.
func sizes(flag, text string) (out []int, err error) {
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s: %q is not a number of accounts", flag, word)
		}
		out = append(out, n)
	}
	return out, nil
}
