package sim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

const grantJWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// assertionLife is how far ahead an assertion may expire.
const assertionLife = 5 * time.Minute

// RegisterCertificate makes the org trust assertions signed with the private key that belongs to a certificate or RSA public key in PEM, as uploading a
// certificate to an app does. It replaces the one before, and fails for what is neither.
func (o *Org) RegisterCertificate(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("simulated org: not a certificate or public key in PEM")
	}
	var key any
	if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
		key = cert.PublicKey
	} else if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
		return errors.New("simulated org: not a certificate or public key in PEM")
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return errors.New("simulated org: the key is not an RSA key")
	}
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	o.auth.certificate = public
	return nil
}

// bearerAssertion serves the JWT bearer grant: an assertion signed with the app's key, in the name of a user.
func (o *Org) bearerAssertion(w http.ResponseWriter, r *http.Request) {
	o.auth.mu.Lock()
	key, blocked := o.auth.certificate, o.auth.blocked
	o.auth.mu.Unlock()
	head, rest, _ := strings.Cut(r.Form.Get("assertion"), ".")
	body, signature, _ := strings.Cut(rest, ".")
	var header struct{ Alg string }
	var claims struct {
		Iss, Sub string
		Aud      any
		Exp      float64
	}
	sum := sha256.Sum256([]byte(head + "." + body))
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if key == nil || err != nil || decodeSegment(head, &header) != nil || decodeSegment(body, &claims) != nil || header.Alg != "RS256" ||
		rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], mac) != nil {
		oauthError(w, "invalid_grant", "invalid assertion")
		return
	}
	expires, now := time.Unix(int64(claims.Exp), 0), o.now()
	user, known := o.userNamed(claims.Sub)
	switch {
	case claims.Iss != o.app.Load().key:
		oauthError(w, "invalid_client_id", "client identifier invalid")
	case !o.isAudience(r, claims.Aud):
		oauthError(w, "invalid_grant", "audience is invalid")
	case !expires.After(now) || expires.Sub(now) > assertionLife:
		oauthError(w, "invalid_grant", "expired authorization code")
	case !known || blocked:
		oauthError(w, "invalid_grant", "user hasn't approved this consumer")
	case !o.userActive(user):
		oauthError(w, "invalid_grant", "inactive user")
	default:
		o.direct(w, r, claims.Iss, user)
	}
}

func decodeSegment(text string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// isAudience tells whether an assertion is meant for this org: its own origin or one of Salesforce's login hosts.
func (o *Org) isAudience(r *http.Request, aud any) bool {
	mine := []string{o.origin(r), "https://login.salesforce.com", "https://test.salesforce.com"}
	list, ok := aud.([]any)
	if !ok {
		list = []any{aud}
	}
	return slices.ContainsFunc(list, func(a any) bool {
		s, _ := a.(string)
		return slices.Contains(mine, strings.TrimSuffix(s, "/"))
	})
}
