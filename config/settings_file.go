package config

import (
	"errors"
	"flag"
)

// Export configures `millrace export`.
type Export struct {
	Server
	Connection int64
	Version    int // 0 for the current one
}

// Import configures `millrace import`.
type Import struct {
	Server
	Connection int64
	File       string // "-" for standard input
	Check      bool   // only name what is wrong
	Apply      bool   // save it as a new version
	Note       string // of that version
	As         string // e-mail address of the admin who is its author
}

// Export parses the arguments of `millrace export`.
func (s Source) Export(args []string) (Export, error) {
	var c Export
	err := s.parse("export", args, func(fs *flag.FlagSet) {
		c.Server.flags(fs)
		fs.Int64Var(&c.Connection, "connection", 0, "number of the connection, as in the address of its pages")
		fs.IntVar(&c.Version, "version", 0, "version of the settings; 0 for the current one")
	})
	if err == nil {
		err = errors.Join(c.Server.validate(false), checkConnection(c.Connection))
		if c.Version < 0 {
			err = errors.Join(err, errors.New("-version must not be negative"))
		}
	}
	return c, s.usage(err)
}

// Import parses the arguments of `millrace import`; a secret key is required, since the file is checked against the org.
func (s Source) Import(args []string) (Import, error) {
	var c Import
	err := s.parseWord("import", args, &c.File, func(fs *flag.FlagSet) {
		c.Server.flags(fs)
		fs.Int64Var(&c.Connection, "connection", 0, "number of the connection, as in the address of its pages")
		fs.BoolVar(&c.Check, "check", false, "only name what is wrong, a line each, and exit with 1 if anything is")
		fs.BoolVar(&c.Apply, "apply", false, "save the settings as a new version, if nothing is wrong")
		fs.StringVar(&c.Note, "note", "", "note of the new version")
		fs.StringVar(&c.As, "as", "", "e-mail address of the admin who is the new version's author; needed with -apply")
	})
	if err == nil {
		err = errors.Join(c.Server.validate(true), checkConnection(c.Connection))
		if c.File == "" {
			err = errors.Join(err, errors.New("name the file to import, or - for standard input"))
		}
		switch {
		case c.Check && c.Apply:
			err = errors.Join(err, errors.New("-check saves nothing and -apply saves; give one of them"))
		case c.Apply && c.As == "":
			err = errors.Join(err, errors.New("-as is required with -apply: each version has an author"))
		}
		if n := len([]rune(c.Note)); n > 200 {
			err = errors.Join(err, errors.New("-note is longer than 200 characters"))
		}
	}
	return c, s.usage(err)
}

func checkConnection(id int64) error {
	if id < 1 {
		return errors.New("-connection is required: the number in the address of the connection's pages")
	}
	return nil
}
