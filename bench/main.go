// Command bench measures the first sync of an org's accounts against two yardsticks, all in the same run on the same machine: the floor, which is the
// same pages copied straight into the same typed and indexed table with nothing else done, and two scripts that a user would write with jsforce. The
// org, the app and each script run in processes of their own. It prints a table in Markdown.
//
//	go run ./bench [-accounts 200000,1000000] [-runs 3] [-peers=false]
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
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	accounts := flags.String("accounts", "200000,1000000", "sizes of the org, separated by commas")
	runs := flags.Int("runs", 3, "measurements of the engine and the floor per size; the median counts")
	peers := flags.Bool("peers", true, "measure the jsforce scripts as well")
	sample := flags.Int("sample", 20_000, "rows of the row-wise script, which is extrapolated")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var sizes []int
	for word := range strings.SplitSeq(*accounts, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 {
			return fmt.Errorf("-accounts: %q is not a number of accounts", word)
		}
		sizes = append(sizes, n)
	}
	if *runs < 1 {
		return errors.New("-runs must be at least 1")
	}
	return suite(ctx, plan{sizes: sizes, runs: *runs, peers: *peers, sample: *sample})
}
