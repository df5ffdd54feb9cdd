package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"millrace/config"
	"millrace/db"
	"millrace/salesforce"
	"millrace/settings"
	"millrace/web"
)

// exportSettings prints a connection's settings as a YAML file.
func exportSettings(ctx context.Context, c config.Export, out io.Writer) error {
	d, err := openDatabase(ctx, c.Server)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	connection, err := namedConnection(ctx, d.DB, c.Connection)
	if err != nil {
		return err
	}
	v, err := currentVersion(ctx, d.DB, connection)
	if err != nil {
		return err
	}
	if c.Version > 0 {
		newest := v.Version
		if v, err = d.SettingsVersionAt(ctx, connection.ID, c.Version); errors.Is(err, db.ErrNotFound) {
			return fmt.Errorf("there is no version %d; the newest is %d", c.Version, newest)
		}
		if err != nil {
			return err
		}
	}
	data, err := settings.File{Org: web.ConnectionName(connection), Version: v.Version, ExportedAt: time.Now(), Settings: v.Settings}.YAML()
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}

// importSettings checks a YAML file against a connection's org, prints what it would change or what is wrong, and saves it if asked to.
func importSettings(ctx context.Context, c config.Import, in io.Reader, out io.Writer) error {
	data, err := readLimited(c.File, in)
	if err != nil {
		return err
	}
	d, err := openDatabase(ctx, c.Server)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.prepareToServe(ctx); err != nil {
		return err
	}
	connection, err := namedConnection(ctx, d.DB, c.Connection)
	if err != nil {
		return err
	}
	now, err := currentVersion(ctx, d.DB, connection)
	if err != nil {
		return err
	}
	f, line, problems := settings.ReadFile(data, now.Settings)
	for _, p := range problems {
		printFinding(out, c.File, p.Line, "", p.Text)
	}
	if len(problems) > 0 {
		return notImported(len(problems))
	}
	log := newLog(c.LogLevel, os.Stderr)
	hosts := salesforce.HostPolicy{Extra: c.ExtraOrigins()}
	clients := newClients(d.DB, hosts, log)
	site, err := web.New(web.Options{DB: d.DB, Client: clients.open, Forget: clients.forget, Hosts: hosts, Log: log})
	if err != nil {
		return err
	}
	errs, err := site.Check(ctx, connection, f.Settings)
	if err != nil {
		return err
	}
	findings := web.Findings(f.Settings, errs, line)
	for _, p := range findings {
		printFinding(out, c.File, p.Line, p.Where, p.Text)
	}
	switch {
	case len(findings) > 0:
		return notImported(len(findings))
	case c.Check:
		return nil
	case !c.Apply:
		return printChanges(out, settings.Diff(now.Settings, f.Settings))
	}
	return applySettings(ctx, d.DB, site, connection, now, f.Settings, c, out)
}

// applySettings saves settings that were checked.
func applySettings(ctx context.Context, d *db.DB, site *web.Server, connection db.Connection, now db.SettingsVersion, all settings.Settings, c config.Import, out io.Writer) error {
	author, err := d.UserByEmail(ctx, c.As)
	if errors.Is(err, db.ErrNotFound) || err == nil && author.Role != db.RoleAdmin {
		return fmt.Errorf("-as names %s, who is no admin here", c.As)
	}
	if err != nil {
		return err
	}
	v, saved, err := d.ImportSettings(ctx, connection.ID, now.Version, all, c.Note, author.ID)
	var conflict *db.VersionConflictError
	switch {
	case errors.As(err, &conflict):
		return fmt.Errorf("%s saved version %d meanwhile; nothing was imported. Run the command again", conflict.Current.AuthorName, conflict.Current.Version)
	case err != nil:
		return err
	case !saved:
		fmt.Fprintf(out, "Nothing differs from version %d, so there is no new version.\n", v.Version)
		return nil
	}
	site.NoteSchema(ctx, connection, v.Settings)
	fmt.Fprintf(out, "Saved as version %d. It takes effect with the next sync.\n", v.Version)
	return nil
}

func notImported(n int) error {
	if n == 1 {
		return errors.New("1 problem; nothing was imported")
	}
	return fmt.Errorf("%d problems; nothing was imported", n)
}

// printFinding prints a problem as compilers do.
func printFinding(out io.Writer, file string, line int, where, text string) {
	if line > 0 {
		file = fmt.Sprintf("%s:%d", file, line)
	}
	if where != "" {
		text = where + ": " + text
	}
	fmt.Fprintf(out, "%s: %s\n", file, text)
}

// printChanges prints each setting that would change, with its text before and after.
func printChanges(out io.Writer, changes []settings.Change) error {
	if len(changes) == 0 {
		fmt.Fprintln(out, "Nothing would change.")
		return nil
	}
	indented := func(mark, text string) {
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintf(out, "  %s %s\n", mark, line)
		}
	}
	for _, c := range changes {
		fmt.Fprintf(out, "%s, %s\n", c.Section.Label(), c.Label)
		indented("-", c.Before)
		indented("+", c.After)
	}
	fmt.Fprintln(out, "Nothing is saved; --apply --as <e-mail of an admin> does that.")
	return nil
}

// readLimited reads a file, or in for "-", up to a byte more than settings may have.
func readLimited(name string, in io.Reader) ([]byte, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	return io.ReadAll(io.LimitReader(in, settings.MaxFile+1))
}

// namedConnection returns a connection, or says which there are.
func namedConnection(ctx context.Context, d *db.DB, id int64) (db.Connection, error) {
	c, err := d.Connection(ctx, id)
	if !errors.Is(err, db.ErrNotFound) {
		return c, err
	}
	all, err := d.Connections(ctx)
	if err != nil {
		return c, err
	}
	var known []string
	for _, c := range all {
		known = append(known, fmt.Sprintf("%d (%s)", c.ID, web.ConnectionName(c)))
	}
	if len(known) == 0 {
		return c, errors.New("no org is connected yet")
	}
	return c, fmt.Errorf("there is no connection %d. There are: %s", id, strings.Join(known, ", "))
}

func currentVersion(ctx context.Context, d *db.DB, c db.Connection) (db.SettingsVersion, error) {
	v, err := d.CurrentSettings(ctx, c.ID)
	if err != nil || v == nil {
		return db.SettingsVersion{Settings: settings.Defaults()}, err
	}
	return *v, nil
}
