package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// oauthTimeout bounds one call of an OAuth endpoint.
const oauthTimeout = 30 * time.Second

func (a App) config() *oauth2.Config {
	base := strings.TrimSuffix(a.LoginURL, "/")
	return &oauth2.Config{
		ClientID: a.ClientID, ClientSecret: a.ClientSecret, RedirectURL: a.RedirectURL, Scopes: []string{"api", "refresh_token", "id"},
		Endpoint: oauth2.Endpoint{
			AuthURL:   base + "/services/oauth2/authorize",
			TokenURL:  base + "/services/oauth2/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// AuthCodeURL is the address of the org's consent page for the web-server flow with PKCE. state comes back unchanged at the callback; verifier is kept
// by the caller until Exchange.
func (a App) AuthCodeURL(state, verifier string) string {
	return a.config().AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Exchange turns the code of the callback into a token. Errors: *OAuthError for a refusal, *HostError when the org names an instance outside the host
// policy of rt, *NetworkError and *AnswerError else. A nil rt is Guarded(HostPolicy{}).
func (a App) Exchange(ctx context.Context, rt http.RoundTripper, code, verifier string) (Token, error) {
	ctx, cancel := a.context(ctx, rt)
	defer cancel()
	t, err := a.config().Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return Token{}, a.oauthFailure(ctx, "/services/oauth2/token", err)
	}
	return tokenOf(t, Token{}, rt)
}

// Renew gets a new access token by the refresh grant. The result keeps t's refresh token unless Salesforce rotated it, in which case the old one is
// dead already: store the result before using it. Errors are those of Exchange; IsGrantDead tells that only a new sign-in helps.
func (a App) Renew(ctx context.Context, rt http.RoundTripper, t Token) (Token, error) {
	if t.Refresh == "" {
		return Token{}, &OAuthError{Code: "invalid_grant", Description: "no refresh token was granted"}
	}
	ctx, cancel := a.context(ctx, rt)
	defer cancel()
	fresh, err := a.config().TokenSource(ctx, &oauth2.Token{RefreshToken: t.Refresh}).Token()
	if err != nil {
		return Token{}, a.oauthFailure(ctx, "/services/oauth2/token", err)
	}
	return tokenOf(fresh, t, rt)
}

// Revoke makes an access or refresh token, and with a refresh token all its access tokens, invalid. A token that is unknown to Salesforce counts as
// revoked. Errors are those of Exchange.
func (a App) Revoke(ctx context.Context, rt http.RoundTripper, token string) error {
	const path = "/services/oauth2/revoke"
	ctx, cancel := a.context(ctx, rt)
	defer cancel()
	form := url.Values{"token": {token}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(a.LoginURL, "/")+path, strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("salesforce: revoke: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := ctx.Value(oauth2.HTTPClient).(*http.Client).Do(req)
	if err != nil {
		return a.oauthFailure(ctx, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, errorBytes))
	if err != nil {
		return &NetworkError{Method: http.MethodPost, Path: path, Err: err}
	}
	refusal := refusalOf(resp.StatusCode, body)
	if refusal.Code == "invalid_token" || refusal.Code == "unsupported_token_type" {
		return nil
	}
	return refusal
}

// context hands rt to the oauth2 package and bounds the call. No redirect is followed: the answer of an OAuth endpoint is never one.
func (a App) context(ctx context.Context, rt http.RoundTripper) (context.Context, context.CancelFunc) {
	if rt == nil {
		rt = Guarded(HostPolicy{})
	}
	ctx, cancel := context.WithTimeout(ctx, oauthTimeout)
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: rt, CheckRedirect: stay}), cancel
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// oauthFailure gives an error of the oauth2 package this package's types, without the answer's body, which may hold tokens.
func (a App) oauthFailure(ctx context.Context, path string, err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		if refused.ErrorCode != "" {
			return &OAuthError{Status: refused.Response.StatusCode, Code: said(refused.ErrorCode, codeBytes), Description: said(refused.ErrorDescription, messageBytes)}
		}
		return refusalOf(refused.Response.StatusCode, refused.Body)
	}
	var network *url.Error
	if errors.As(err, &network) {
		if ctx.Err() != nil {
			return fmt.Errorf("salesforce: OAuth call: %w", ctx.Err())
		}
		return &NetworkError{Method: http.MethodPost, Path: path, Err: network.Err}
	}
	return &AnswerError{Path: path, Reason: "no token in the answer"}
}

// refusalOf reads a refusal in JSON or, as the revoke endpoint may write it, in form encoding.
func refusalOf(status int, body []byte) *OAuthError {
	var refusal struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &refusal) == nil && refusal.Error != "" {
		return &OAuthError{Status: status, Code: said(refusal.Error, codeBytes), Description: said(refusal.Description, messageBytes)}
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("error") != "" {
		return &OAuthError{Status: status, Code: said(form.Get("error"), codeBytes), Description: said(form.Get("error_description"), messageBytes)}
	}
	return &OAuthError{Status: status, Description: excerpt(body)}
}

// tokenOf takes over Salesforce's answer; what a refresh leaves out is kept from old.
func tokenOf(t *oauth2.Token, old Token, rt http.RoundTripper) (Token, error) {
	const path = "/services/oauth2/token"
	text := func(key, kept string) string {
		if s, ok := t.Extra(key).(string); ok && s != "" {
			return s
		}
		return kept
	}
	fresh := Token{Access: t.AccessToken, Refresh: t.RefreshToken, IdentityURL: text("id", old.IdentityURL), Scope: text("scope", old.Scope),
		Version: old.Version}
	instance, err := url.Parse(text("instance_url", ""))
	if err != nil || instance.Host == "" {
		return Token{}, &AnswerError{Path: path, Reason: "no instance_url in the answer"}
	}
	if err := policyOf(rt).check(instance); err != nil {
		return Token{}, err
	}
	fresh.InstanceURL = instance.Scheme + "://" + instance.Host
	ms, err := strconv.ParseInt(text("issued_at", ""), 10, 64)
	if err != nil {
		return Token{}, &AnswerError{Path: path, Reason: "no issued_at in the answer"}
	}
	fresh.IssuedAt = time.UnixMilli(ms).UTC()
	return fresh, nil
}

// policyOf is the policy that rt enforces; a transport that enforces none gets the strictest.
func policyOf(rt http.RoundTripper) HostPolicy {
	if g, ok := rt.(*guardedTransport); ok {
		return g.policy
	}
	return HostPolicy{}
}
