// Package ui is the kit that every page is built from: fields, tables, badges, times, icons and messages. It knows nothing of the product.
package ui

import (
	"context"
	"io"

	"github.com/a-h/templ"
)

// IconPath is the inside of an icon's svg element.
type IconPath string

// Icon draws an icon for decoration: it is hidden from assistive technology, so words must stand beside it.
func Icon(path IconPath, class string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, `<svg class="`+templ.EscapeString(class)+`" aria-hidden="true" focusable="false" width="24" height="24" viewBox="0 0 24 24" fill="none"`+
			` stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">`+string(path)+`</svg>`)
		return err
	})
}
