package views

import (
	"strconv"
	"strings"
)

// formatID writes an id for a form or an address.
func formatID(id int64) string { return strconv.FormatInt(id, 10) }

// lowerFirst puts a title into the middle of a sentence.
func lowerFirst(title string) string {
	if title == "" {
		return title
	}
	return strings.ToLower(title[:1]) + title[1:]
}
