package views

import "strconv"

// formatID writes an id for a form or an address.
func formatID(id int64) string { return strconv.FormatInt(id, 10) }
