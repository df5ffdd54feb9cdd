package sim_test

import (
	"net/http"
	"testing"

	"millrace/salesforce/sim"
)

// TestRefreshTokenOutlivesARestart: an org that starts again honours the refresh tokens of its earlier life, but nobody else's.
func TestRefreshTokenOutlivesARestart(t *testing.T) {
	t.Parallel()
	first := serve(t, newOrg(t, sim.Options{}))
	token, _ := first.askToken(exchange(first.visit(authorizeQuery(), "allow").Get("code"))).json()["refresh_token"].(string)
	if token == "" {
		t.Fatal("no refresh token")
	}
	for _, c := range []struct {
		name   string
		opt    sim.Options
		token  string
		before func(*sim.Org)
		want   int
	}{
		{"the same org", sim.Options{}, token, func(*sim.Org) {}, http.StatusOK},
		{"after everything was revoked", sim.Options{}, token, (*sim.Org).RevokeRefreshTokens, http.StatusBadRequest},
		{"another secret", sim.Options{ClientSecret: "another"}, token, func(*sim.Org) {}, http.StatusBadRequest},
		{"a tampered token", sim.Options{}, token[:len(token)-1] + "_", func(*sim.Org) {}, http.StatusBadRequest},
		{"a tampered signature", sim.Options{}, token[:8] + string(token[8]^1) + token[9:], func(*sim.Org) {}, http.StatusBadRequest},
		{"a short token", sim.Options{}, "5Aep861AAAA", func(*sim.Org) {}, http.StatusBadRequest},
	} {
		o := newOrg(t, c.opt)
		c.before(o)
		form := renewal(c.token)
		form.Set("client_secret", o.Credentials().ClientSecret)
		if got := serve(t, o).askToken(form); got.status != c.want {
			t.Errorf("%s: got %v, want %d", c.name, got, c.want)
		}
	}
}
