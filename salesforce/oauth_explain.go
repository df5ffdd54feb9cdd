package salesforce

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// explanation is one row of the table behind ExplainOAuth: code must be equal and description contained, each only when set.
type explanation struct{ code, description, sentence, remedy string }

const (
	appSettings = "In Salesforce: Setup → External Client App Manager (or App Manager for an older connected app) → the app → Settings → OAuth Settings"
	appPolicies = "In Salesforce: Setup → External Client App Manager (or Manage Connected Apps for an older connected app) → the app → Policies"
	reconnect   = "Press Reconnect and sign in to Salesforce again."
)

// notInstalled is what Salesforce answers since its restriction of September 2025, under three names.
const (
	notInstalled = "Salesforce blocked the app because it is not installed in this org. Since September 2025 most users may not approve an app that an " +
		"admin has not installed; Salesforce then shows only OAUTH_APPROVAL_ERROR_GENERIC."
	install = "Ask a Salesforce admin to open Setup → Connected Apps OAuth Usage, find the app and press Install, then connect again. If it is not in the " +
		"list, create an External Client App in this org and use its consumer key and secret, or let a user with the permission “Approve Uninstalled " +
		"Connected Apps” (“Use Any API Client” where API Access Control is on) connect once."
)

// explanations is read from the top; the first row that fits wins.
var explanations = []explanation{
	{"access_denied", "", "Access was denied: somebody pressed Deny on Salesforce's page, so nothing was connected.", "Connect again and press Allow."},
	{"access-denied", "", "Access was denied: somebody pressed Deny on Salesforce's page, so nothing was connected.", "Connect again and press Allow."},
	{"OAUTH_APPROVAL_ERROR_GENERIC", "", notInstalled, install},
	{"", "OAUTH_APPROVAL_ERROR_GENERIC", notInstalled, install},
	{"", "must be installed into org", notInstalled, install},
	{"", "cross-org oauth flows are not supported", "The app belongs to another Salesforce org and this org does not accept it.",
		"Create an External Client App in this org, and use its consumer key and secret."},
	{"OAUTH_EC_APP_NOT_FOUND", "", "Salesforce does not find the external client app in this org.",
		"Create an External Client App in this org, and use its consumer key and secret."},
	{"redirect_uri_mismatch", "", "The callback address of this Millrace is not registered with the Salesforce app.",
		appSettings + ". Add the callback URL shown on the connect page, exactly as it is there, save, and wait up to ten minutes."},
	{"invalid_client_id", "", "Salesforce does not know the consumer key.",
		"Compare the consumer key with the one in the app's settings. A new app takes up to ten minutes to become known, and an app of a sandbox is " +
			"not known in production: check that the environment is the right one."},
	{"invalid_client", "credentials", "Salesforce does not accept the consumer secret.",
		appSettings + " → Consumer Key and Secret. Copy the secret again; it changes when somebody rotates it."},
	{"invalid_client", "", "Salesforce does not accept the app's consumer key and secret.",
		appSettings + " → Consumer Key and Secret. Copy both again."},
	{"unauthorized_client", "", "The Salesforce app is not allowed to sign in this way.",
		appSettings + ". Turn on “Enable Authorization Code and Credentials Flow” or the web server flow."},
	{"invalid_grant", "expired authorization code", "The sign-in took too long, or its page was used twice: Salesforce's code is used up.",
		"Connect again, and finish within fifteen minutes."},
	{"invalid_grant", "invalid authorization code", "Salesforce does not know the code that came back from the sign-in.", "Connect again."},
	{"", "code verifier", "The sign-in that came back is not the one that was started here.", "Connect again in one browser window."},
	{"", "already being processed", "Salesforce was still busy with another sign-in of the same connection.", "Try again in a moment."},
	{"invalid_grant", "inactive user", "The Salesforce user of this connection is deactivated or frozen.",
		"Activate the user under Setup → Users, or reconnect with another user. A dedicated integration user avoids this."},
	{"invalid_grant", "inactive org", "The Salesforce org is deactivated, locked or expired.", "Ask Salesforce about the state of the org, then reconnect."},
	{"invalid_grant", "ip restricted", "Salesforce does not allow this user to sign in from this server's network address.",
		appPolicies + " → IP Relaxation: choose “Relax IP restrictions”, or add this server's address to the login IP ranges of the user's profile."},
	{"", "invalid login hours", "The login hours of the Salesforce user's profile do not allow a sign-in now.",
		"Widen the login hours of the profile, or use an integration user without them."},
	{"invalid_grant", "hasn't approved", "The Salesforce user has not approved the app.", reconnect},
	{"invalid_grant", "token validity expired", "The app's policy ended the connection: refresh tokens expire after a set time.",
		reconnect + " To make it last: " + appPolicies + " → Refresh Token Policy: “Refresh token is valid until revoked”."},
	{"invalid_grant", "access/refresh token", "Salesforce ended the connection: it was revoked by an admin or the user, ended by the app's refresh token " +
		"policy, or pushed out because the same user connected this app more than five times.", reconnect},
	{"invalid_grant", "no refresh token was granted", "Salesforce granted access without a way to renew it.",
		appSettings + ". Add the scope “Perform requests at any time (refresh_token, offline_access)”, then reconnect."},
	{"invalid_grant", "authentication failure", "Salesforce could not sign the user in.",
		"Check that the user can sign in to Salesforce itself, then reconnect. Setup → Login History names the cause."},
	{"invalid_grant", "", "Salesforce no longer accepts this connection's grant.", reconnect},
	{"inactive_user", "", "The Salesforce user of this connection is deactivated or frozen.", "Activate the user under Setup → Users, or reconnect with another user."},
	{"inactive_org", "", "The Salesforce org is deactivated, locked or expired.", "Ask Salesforce about the state of the org, then reconnect."},
	{"invalid_scope", "", "The Salesforce app does not allow one of the permissions that are needed.",
		appSettings + ". Select the scopes “Manage user data via APIs (api)”, “Perform requests at any time (refresh_token, offline_access)” and “Access the identity URL service (id)”."},
	{"", "code challenge", "Salesforce refused the proof that sign-in and server belong together (PKCE).", "Connect again in one browser window."},
	{"invalid_request", "", "Salesforce did not accept the sign-in request.",
		"Connect again. If it stays so, compare the app's settings with the setup guide, and keep PKCE on."},
	{"invalid_app_access", "", "The Salesforce user is not among those who may use the app.",
		appPolicies + ". Under Permitted Users choose “All users can self-authorize”, or assign the user's profile or a permission set to the app."},
	{"", "not admin approved", "The Salesforce user is not among those who may use the app.",
		appPolicies + ". Under Permitted Users choose “All users can self-authorize”, or assign the user's profile or a permission set to the app."},
	{"unsupported_response_type", "", "The Salesforce app does not offer the web server sign-in.", appSettings + ". Turn on the authorization code (web server) flow."},
	{"unsupported_grant_type", "", "The Salesforce app does not offer the web server sign-in.", appSettings + ". Turn on the authorization code (web server) flow."},
	{"rate_limit_exceeded", "", "This Salesforce user signed in too often within an hour.", "Wait an hour. Check what else signs in with the same user."},
	{"login_required", "", "Salesforce wants the user to sign in.", reconnect},
	{"immediate_unsuccessful", "", "Salesforce wants the user to sign in.", reconnect},
	{"server_error", "", "Salesforce had a problem of its own.", "Try again in some minutes. status.salesforce.com shows the state of the org's instance."},
	{"unknown_error", "", "Salesforce had a problem of its own.", "Try again in some minutes. status.salesforce.com shows the state of the org's instance."},
	{"temporarily_unavailable", "", "Salesforce had a problem of its own.", "Try again in some minutes. status.salesforce.com shows the state of the org's instance."},
}

// ExplainOAuth says in plain words what an OAuth error of Salesforce means and what an admin can do about it. code and description are the error and
// error_description of the callback or of an OAuthError; an unknown error is repeated as Salesforce put it, cut to a sane length.
func ExplainOAuth(code, description string) (sentence, remedy string) {
	if sentence, remedy, known := ExplainKnownOAuth(code, description); known {
		return sentence, remedy
	}
	const ask = "Try again. If it stays so, Setup → Login History in Salesforce shows the attempt and its cause."
	code, description = quotable(code, 60), quotable(description, 300)
	switch {
	case description != "" && code != "":
		return fmt.Sprintf("Salesforce refused the connection: %s (%s).", strings.TrimSuffix(description, "."), code), ask
	case code != "":
		return fmt.Sprintf("Salesforce refused the connection with the error %s.", code), ask
	}
	return "Salesforce refused the connection without saying why.", ask
}

const (
	lostApp      = "Salesforce no longer knows the connected app: it was deleted, or has another consumer key now."
	reconnectApp = "Reconnect the org with the app's current consumer key and secret."
)

// renewals are the rows that go before explanations where a connection was to be renewed: the app was known before, so what it lacks it has lost.
var renewals = []explanation{
	{"invalid_client_id", "", lostApp, reconnectApp},
	{"OAUTH_EC_APP_NOT_FOUND", "", lostApp, reconnectApp},
	{"invalid_client", "credentials", "Salesforce no longer accepts the consumer secret of the connected app: it was rotated, or the app was made anew.", reconnectApp},
	{"unsupported_grant_type", "", "The connected app no longer lets Millrace renew its sign-in.",
		appSettings + ". Turn on the authorization code (web server) flow with refresh tokens. Then reconnect the org."},
}

// ExplainRenewal says in plain words why a connection could not be renewed, for which IsGrantDead has reported err, and what an admin can do about it.
func ExplainRenewal(err error) (sentence, remedy string) {
	var e *OAuthError
	if !errors.As(err, &e) {
		return "Salesforce no longer accepts the sign-in.", reconnect
	}
	if row := explain(renewals, e.Code, e.Description); row != nil {
		return row.sentence, row.remedy
	}
	sentence, remedy = ExplainOAuth(e.Code, e.Description)
	if IsAppRefused(err) {
		remedy += " Then reconnect the org."
	}
	return sentence, remedy
}

// ExplainKnownOAuth is ExplainOAuth for errors that may not come from Salesforce: it never repeats code or description, and reports whether it knows
// the error.
func ExplainKnownOAuth(code, description string) (sentence, remedy string, known bool) {
	if row := explain(explanations, code, description); row != nil {
		return row.sentence, row.remedy, true
	}
	return "", "", false
}

// explain returns the first row that fits, or nil.
func explain(rows []explanation, code, description string) *explanation {
	low := strings.ToLower(description)
	for i, e := range rows {
		if (e.code == "" || e.code == code) && strings.Contains(low, strings.ToLower(e.description)) {
			return &rows[i]
		}
	}
	return nil
}

// quotable makes one line of at most limit characters of a text from outside.
func quotable(text string, limit int) string {
	visible := strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	line := []rune(strings.Join(strings.Fields(visible), " "))
	if len(line) > limit {
		return string(line[:limit]) + "…"
	}
	return string(line)
}
