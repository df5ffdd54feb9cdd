package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// badText is what stands beside a field whose text cannot be stored.
const badText = "The text holds a character that cannot be stored. Type it again instead of pasting it."

// storable reports whether a text can be kept and found: Postgres takes neither zero characters nor broken UTF-8.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// unstorable names the fields of a form that hold a text that cannot be stored, sorted.
func unstorable(form url.Values) []string {
	var names []string
	for name, values := range form {
		if !storable(name) || slices.ContainsFunc(values, func(v string) bool { return !storable(v) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// saysItself holds the routes that answer for a text that cannot be stored at its own box.
var saysItself = map[string]bool{
	"POST /sign-in": true, "POST /setup": true, "POST /profile/time-zone": true, "POST /profile/password": true,
	"POST /integrations/salesforce/connect":                      true,
	"POST /connections/{id}/settings/account-filtering":          true,
	"POST /connections/{id}/settings/account-filtering/validate": true,
	"POST /connections/{id}/settings/account-filtering/check":    true,
	"POST /connections/{id}/settings/account-filtering/builder":  true,
	"POST /connections/{id}/settings/account-filtering/suggest":  true,
}

// readable lets only requests through whose texts can be stored and looked up, and parses their forms.
func readable(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if !storable(r.URL.Path) || len(unstorable(r.URL.Query())) > 0 {
			return &failure{status: http.StatusBadRequest, title: "The address could not be read", cause: errors.New("no text in the address"),
				sentence: "It holds a character that no name here can have. Check the address, or start from the start page."}
		}
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				return badForm(err)
			}
			if names := unstorable(r.PostForm); len(names) > 0 && !saysItself[r.Pattern] {
				return badRequest("A text in it holds a character that cannot be stored. Nothing was changed.", errors.New("no text: "+strings.ToValidUTF8(strings.Join(names, ", "), "?")))
			}
		}
		return next(w, r)
	}
}

// refuseTexts adds badText to errs for the fields of names that hold a text that cannot be stored.
func refuseTexts(r *http.Request, errs map[string][]string, names ...string) {
	for _, name := range unstorable(r.PostForm) {
		if slices.Contains(names, name) {
			errs[name] = append(errs[name], badText)
		}
	}
}
