package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestPages looks at every page with data in it, wide and narrow, light and dark: nothing for axe, nothing wider than the screen, no complaint of the
// content security policy.
func TestPages(t *testing.T) {
	t.Parallel()
	d := startReady(t)
	b := newBrowser(t)
	b.open(d.app + "/sign-in")
	b.lookAround("sign-in")
	signIn(d, b)
	for _, page := range append([]string{
		"/connections/1/overview", "/integrations", "/integrations/salesforce/connect", "/profile", "/connections/1/disconnect",
		"/connections/1/settings/account-filtering", "/connections/1/settings/field-doctor", "/connections/1/settings/choices?for=owner&object=Account", "/connections/1/preflight", "/connections/1/accounts", "/connections/1/accounts?q=nothing-like-this",
		"/connections/1/runs", "/connections/1/runs?state=failed", "/connections/1/errors", "/connections/1/errors/1", "/no-such-page",
		"/connections/1/accounts?left=only", "/connections/1/api-budget", "/connections/1/whole", "/connections/1/audit",
	}, details(d, b)...) {
		b.open(d.app + page)
		b.lookAround(strings.NewReplacer("/", "_", "?", "_", "=", "_").Replace(page))
	}
	b.noComplaints()
}

// details are the addresses of one account and one run, and of undoing that.
func details(d *demo, b *browser) []string {
	b.t.Helper()
	var out []string
	for list, link := range map[string]string{"/connections/1/accounts": "#account-list tbody a", "/connections/1/runs": "#run-list tbody a"} {
		b.open(d.app + list)
		out = append(out, value[string](b, fmt.Sprintf(`new URL(document.querySelector(%q).href).pathname`, link)))
	}
	for _, at := range out {
		if strings.Contains(at, "/runs/") {
			return append(out, at+"/undo")
		}
	}
	return out
}
