// Millrace keeps a company's Postgres in step with its Salesforce org. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"millrace/config"
	"millrace/db"
)

// version is set by the release build; a build from source says so.
var version = "from source"

const usage = `Millrace keeps a company's Postgres in step with its Salesforce org.

Usage: millrace <command> [flags]

  demo          everything on this machine: Postgres, a simulated Salesforce org and the app
  serve         the app and its sync runner
  org           the simulated Salesforce org alone
  migrate       bring the database schema up to date
  user add      add a person who may sign in
  user passwd   set a person's password
  export        print a connection's settings as a YAML file
  import        check such a file against a connection's org, and save it if asked to
  soql check    check SOQL on standard input, a line each
  version       print the version

Each command explains its flags with -h; every flag can be given as MILLRACE_<FLAG> in the environment.
`

// The exit codes that scripts rely on.
const (
	exitStopped = 0
	exitFailed  = 1
	exitUsage   = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(exitCode(run(ctx, os.Args[1:], config.OS(), os.Stdin, os.Stdout), os.Stderr))
}

// run carries out one command until it is done or ctx ends.
func run(ctx context.Context, args []string, source config.Source, in io.Reader, out io.Writer) error {
	command, rest := "", args
	if len(args) > 0 {
		command, rest = args[0], args[1:]
	}
	if (command == "user" || command == "soql") && len(rest) > 0 {
		command, rest = command+" "+rest[0], rest[1:]
	}
	switch command {
	case "demo":
		return with(source.Demo(rest))(func(c config.Demo) error { return demo(ctx, c, out) })
	case "serve":
		return with(source.Serve(rest))(func(c config.Server) error { return serve(ctx, c, out) })
	case "org":
		return with(source.Org(rest))(func(c config.Org) error { return org(ctx, c, out) })
	case "migrate":
		return with(source.Migrate(rest))(func(c config.Server) error { return migrate(ctx, c, out) })
	case "user add":
		return with(source.User("add", rest))(func(c config.User) error { return userAdd(ctx, c, in, out) })
	case "user passwd":
		return with(source.User("passwd", rest))(func(c config.User) error { return userPasswd(ctx, c, in, out) })
	case "export":
		return with(source.Export(rest))(func(c config.Export) error { return exportSettings(ctx, c, out) })
	case "import":
		return with(source.Import(rest))(func(c config.Import) error { return importSettings(ctx, c, in, out) })
	case "soql check":
		return with(source.SOQLCheck(rest))(func(c config.SOQLCheck) error { return soqlCheck(c, in, out) })
	case "version":
		fmt.Fprintln(out, "millrace", version)
		return nil
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, usage)
		return nil
	}
	err := fmt.Errorf("%w: no command", config.ErrUsage)
	if command != "" {
		err = fmt.Errorf("%w: unknown command %q", config.ErrUsage, command)
		fmt.Fprintf(source.Output, "There is no command %q.\n\n", command)
	}
	fmt.Fprint(source.Output, usage)
	return err
}

// with passes a parsed configuration on, or the error of parsing it.
func with[C any](c C, err error) func(func(C) error) error {
	return func(do func(C) error) error {
		if err != nil {
			return err
		}
		return do(c)
	}
}

// exitCode maps the error of run to the process's exit status and says what package config has not said yet.
func exitCode(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp), errors.Is(err, context.Canceled):
		return exitStopped
	case errors.Is(err, config.ErrUsage):
		return exitUsage
	}
	fmt.Fprintln(stderr, "millrace:", plainly(err))
	return exitFailed
}

// plainly returns the part of an error that was written for the person at the terminal, without the operations that led to it.
func plainly(err error) error {
	var weak *db.PasswordError
	switch {
	case errors.As(err, &weak):
		return weak
	case errors.Is(err, db.ErrWrongSecretKey):
		return db.ErrWrongSecretKey
	case errors.Is(err, db.ErrEmailTaken):
		return db.ErrEmailTaken
	}
	return err
}
