package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"millrace/config"
	"millrace/db"
	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/web"
)

const demoEmail = "admin@millrace.example"

// demo runs everything on this machine: Postgres, the simulated org and the app.
func demo(ctx context.Context, c config.Demo, out io.Writer) error {
	if err := os.MkdirAll(c.DataDir, 0o755); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if c.SecretKey == "" {
		key, err := kept(filepath.Join(c.DataDir, "secret-key"))
		if err != nil {
			return err
		}
		c.SecretKey = key
	}
	log := newLog(c.LogLevel, os.Stderr)
	o, err := sim.New(sim.Options{Accounts: c.Accounts, Seed: c.Seed})
	if err != nil {
		return err
	}
	orgListener, err := listen(c.OrgAddr, "org-addr")
	if err != nil {
		return err
	}
	defer orgListener.Close()
	appListener, err := listen(c.Addr, "addr")
	if err != nil {
		return err
	}
	defer appListener.Close()

	d, err := openDatabase(ctx, c.Server)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.prepareToServe(ctx); err != nil {
		return err
	}
	password, err := demoAdmin(ctx, d.DB, c.DataDir)
	if err != nil {
		return err
	}

	orgURL, cred := origin(orgListener), o.Credentials()
	if err := d.MoveDemoOrg(ctx, orgURL); err != nil {
		return err
	}
	a := app{
		db: d, config: c.Server, log: log, demoOrg: orgURL,
		hosts: salesforce.HostPolicy{Extra: append(c.ExtraOrigins(), orgURL)},
		presets: append([]web.Preset{{
			Key: "demo", Label: "Demo org (simulated)", Environment: "demo", LoginURL: orgURL,
			ClientID: cred.ClientID, ClientSecret: cred.ClientSecret,
			Hint: fmt.Sprintf("It asks you to sign in: %s / %s", cred.Username, cred.Password),
		}}, operatorPresets(c.Server)...),
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return serveHTTP(ctx, newServer(o, log), orgListener) })
	group.Go(func() error {
		return a.serve(ctx, appListener, func(ctx context.Context) error {
			fmt.Fprintln(out, "Millrace:", origin(appListener))
			fmt.Fprintf(out, "Sign in: %s / %s\n", demoEmail, password)
			fmt.Fprintln(out, "Salesforce (simulated):", orgURL)
			fmt.Fprintln(out, "Postgres:", d.url)
			if !c.Ready {
				return nil
			}
			return makeReady(ctx, d.DB, readyWalk{app: origin(appListener), email: demoEmail, password: password, orgUser: cred.Username, orgPassword: cred.Password}, out)
		})
	})
	err = group.Wait()
	if err == nil {
		fmt.Fprintln(out, "Stopped. What was connected and synced is kept in", c.DataDir)
	}
	return err
}

// demoAdmin makes the demo's admin at the first start and returns the password, which is kept in the data folder so that a restart prints the same.
func demoAdmin(ctx context.Context, d *db.DB, dataDir string) (string, error) {
	password, err := kept(filepath.Join(dataDir, "demo-password"))
	if err != nil {
		return "", err
	}
	password = strings.Map(func(r rune) rune {
		if strings.ContainsRune("+/=", r) {
			return -1
		}
		return r
	}, password)[:16]
	_, err = d.UserByEmail(ctx, demoEmail)
	if errors.Is(err, db.ErrNotFound) {
		_, err = d.CreateUser(ctx, demoEmail, "Demo Admin", password, db.RoleAdmin)
	}
	return password, err
}

// kept returns the random text in the file at path, making it at the first call. Only the owner can read it.
func kept(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) >= 32 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	text := base64.StdEncoding.EncodeToString(raw)
	return text, os.WriteFile(path, []byte(text+"\n"), 0o600)
}
