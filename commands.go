package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"millrace/config"
	"millrace/db"
	"millrace/salesforce"
	"millrace/salesforce/sim"
	"millrace/salesforce/soql"
	"millrace/web"
)

// serve runs the app on a real deployment.
func serve(ctx context.Context, c config.Server, out io.Writer) error {
	log := newLog(c.LogLevel, os.Stderr)
	d, err := openDatabase(ctx, c)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.prepareToServe(ctx); err != nil {
		return err
	}
	l, err := listen(c.Addr, "addr")
	if err != nil {
		return err
	}
	address := c.BaseURL
	if address == "" {
		address = origin(l)
	}
	a := app{db: d, config: c, log: log, presets: operatorPresets(c), hosts: salesforce.HostPolicy{Extra: c.ExtraOrigins()}}
	return a.serve(ctx, l, func(ctx context.Context) error {
		fmt.Fprintln(out, "Millrace:", address)
		if d.own != nil {
			fmt.Fprintln(out, "Postgres: private, kept in", d.own.options.Dir, "(DATABASE_URL names another)")
		}
		return offerSetup(ctx, d.DB, address, out)
	})
}

// operatorPresets offers the operator's connected app, when there is one, for the public login hosts.
func operatorPresets(c config.Server) []web.Preset {
	if c.SalesforceClientID == "" {
		return nil
	}
	return []web.Preset{
		{Key: "production", Label: "Production", Environment: "production", LoginURL: "https://login.salesforce.com", ClientID: c.SalesforceClientID, ClientSecret: c.SalesforceClientSecret},
		{Key: "sandbox", Label: "Sandbox", Environment: "sandbox", LoginURL: "https://test.salesforce.com", ClientID: c.SalesforceClientID, ClientSecret: c.SalesforceClientSecret},
	}
}

// offerSetup prints a one-time link for the first admin while nobody can sign in.
func offerSetup(ctx context.Context, d *db.DB, address string, out io.Writer) error {
	n, err := d.UserCount(ctx)
	if err != nil || n > 0 {
		return err
	}
	token, err := d.NewSetupLink(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Create the first admin: %s/setup?token=%s\n", address, token)
	return nil
}

// org serves the simulated Salesforce org alone.
func org(ctx context.Context, c config.Org, out io.Writer) error {
	o, err := newOrg(c)
	if err != nil {
		return err
	}
	l, err := listen(c.Addr, "addr")
	if err != nil {
		return err
	}
	cred := o.Credentials()
	fmt.Fprintln(out, "Salesforce (simulated):", origin(l))
	fmt.Fprintln(out, "Client id:", cred.ClientID)
	fmt.Fprintln(out, "Client secret:", cred.ClientSecret)
	fmt.Fprintf(out, "Sign in: %s / %s\n", cred.Username, cred.Password)
	return serveHTTP(ctx, newServer(o, newLog("info", os.Stderr)), l)
}

// newOrg makes the simulated org that the flags describe.
func newOrg(c config.Org) (*sim.Org, error) {
	opt := sim.Options{Accounts: c.Accounts, Contacts: c.Contacts, Opportunities: c.Opportunities, Seed: c.Seed, DailyAPILimit: c.DailyAPILimit, RotateRefreshTokens: c.RotateRefreshTokens, Sandbox: c.Sandbox,
		FiscalYearStart: c.FiscalYearStart, JobDelay: c.JobDelay}
	if c.JWTCertificate != "" {
		text, err := os.ReadFile(c.JWTCertificate)
		if err != nil {
			return nil, fmt.Errorf("-jwt-certificate: %w", err)
		}
		opt.Certificate = string(text)
	}
	o, err := sim.New(opt)
	if err != nil {
		return nil, err
	}
	if c.MultiCurrency {
		o.SetMultiCurrency(true)
	}
	return o, nil
}

func migrate(ctx context.Context, c config.Server, out io.Writer) error {
	d, err := openDatabase(ctx, c)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	fmt.Fprintln(out, "The database schema is up to date.")
	return nil
}

func userAdd(ctx context.Context, c config.User, in io.Reader, out io.Writer) error {
	return withPassword(ctx, c, in, out, func(d *db.DB, password string) error {
		u, err := d.CreateUser(ctx, c.Email, c.Name, password, db.Role(c.Role))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s can sign in now, as %s.\n", u.Email, u.Role)
		return nil
	})
}

func userPasswd(ctx context.Context, c config.User, in io.Reader, out io.Writer) error {
	return withPassword(ctx, c, in, out, func(d *db.DB, password string) error {
		u, err := d.UserByEmail(ctx, c.Email)
		if err != nil {
			return err
		}
		if err := d.SetPassword(ctx, u.ID, password); err != nil {
			return err
		}
		fmt.Fprintf(out, "The password of %s is changed; every session of theirs has ended.\n", u.Email)
		return nil
	})
}

// withPassword opens the database and reads a password, the first line of in.
func withPassword(ctx context.Context, c config.User, in io.Reader, out io.Writer, do func(*db.DB, string) error) error {
	fmt.Fprintf(out, "Password for %s: ", c.Email)
	line, err := bufio.NewReader(in).ReadString('\n')
	fmt.Fprintln(out)
	if err != nil && !(errors.Is(err, io.EOF) && line != "") {
		return fmt.Errorf("reading the password from standard input: %w", err)
	}
	d, err := openDatabase(ctx, c.Server)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	return do(d.DB, strings.TrimRight(line, "\r\n"))
}

// soqlVerdict is one line of `millrace soql check`.
type soqlVerdict struct {
	Line   int            `json:"line"`
	OK     bool           `json:"ok"`
	Errors []soqlComplain `json:"errors,omitempty"`
}

type soqlComplain struct {
	Row     int    `json:"row"`
	Col     int    `json:"col"`
	Message string `json:"message"`
}

// soqlCheck checks the syntax of each line of in, a whole query or, with an object named, a WHERE condition.
func soqlCheck(c config.SOQLCheck, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for n := 1; lines.Scan(); n++ {
		v := soqlVerdict{Line: n}
		for _, f := range soqlFindings(c.Object, lines.Text()) {
			if !f.Warning {
				v.Errors = append(v.Errors, soqlComplain{f.Pos.Line, f.Pos.Column, f.Message})
			}
		}
		v.OK = len(v.Errors) == 0
		if err := enc.Encode(v); err != nil {
			return err
		}
	}
	return lines.Err()
}

func soqlFindings(object, text string) []soql.Finding {
	if object != "" {
		return soql.CheckFilter(text, object, nil)
	}
	_, err := soql.ParseQuery(text)
	var syntax *soql.SyntaxError
	if errors.As(err, &syntax) {
		return []soql.Finding{{Pos: syntax.Pos, Message: syntax.Message}}
	}
	return nil
}
