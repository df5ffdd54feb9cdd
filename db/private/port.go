package private

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

var errPortTaken = errors.New("the port is in use by another program")

// choosePort returns the asked-for port, else the one of the last start while it is free, else a free one.
func (c *cluster) choosePort(asked, attempt int) (int, error) {
	if asked != 0 {
		if !free(asked) {
			return 0, fmt.Errorf("port %d on 127.0.0.1: %w; choose another, or 0 for any", asked, errPortTaken)
		}
		return asked, nil
	}
	if text, err := os.ReadFile(filepath.Join(c.dir, "port")); err == nil && attempt == 1 {
		if last, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && last > 0 && free(last) {
			return last, nil
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

func free(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
