package private

import (
	"fmt"
	"strings"
)

// causes maps what the server or the system says, in lower case, to what it means. The first that matches counts.
var causes = []struct{ says, means string }{
	{"no space left on device", "the disk is full: free some space and start again"},
	{"check free disk space", "the disk is full: free some space and start again"},
	{"disk quota exceeded", "the disk quota is used up: free some space and start again"},
	{"read-only file system", "the disk can only be read, not written"},
	{"could not bind", ""}, // errPortTaken
	{"database files are incompatible with server", "the data was made by another version of Postgres"},
	{"has invalid permissions", "the data folder can be read by others, which Postgres refuses"},
	{"permission denied", "a folder on the way to the data or to the programs is closed to the user that Postgres runs as"},
	{"could not map anonymous shared memory", "there is not enough memory"},
	{"cannot allocate memory", "there is not enough memory"},
	{"could not create shared memory segment", "there is not enough shared memory"},
}

// maxQuoted is how many of a program's last lines are quoted.
const maxQuoted = 12

// plain turns err and a program's output into a sentence for people, followed by the output. It returns nil for nil.
func plain(err error, output string) error {
	if err == nil {
		return nil
	}
	output = strings.TrimSpace(output)
	said := strings.ToLower(output + "\n" + err.Error())
	for _, c := range causes {
		if !strings.Contains(said, c.says) {
			continue
		}
		if c.means == "" {
			err = fmt.Errorf("%w (%w)", errPortTaken, err)
		} else {
			err = fmt.Errorf("%s (%w)", c.means, err)
		}
		break
	}
	if output == "" {
		return err
	}
	lines := strings.Split(output, "\n")
	return fmt.Errorf("%w\nPostgres said:\n  %s", err, strings.Join(lines[max(0, len(lines)-maxQuoted):], "\n  "))
}
