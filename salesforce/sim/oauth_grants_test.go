package sim_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/url"
	"strings"
	"testing"
	"time"

	"millrace/salesforce/sim"
)

// assertion signs claims as the JWT bearer grant wants them.
func assertion(t *testing.T, key *rsa.PrivateKey, claims row) string {
	t.Helper()
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(b)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestJWTBearer signs in with assertions, good ones and each kind of bad one.
func TestJWTBearer(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	org := newOrg(t, sim.Options{Accounts: 2, Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))})
	c := serve(t, org)
	cred := org.Credentials()
	exp := org.Now().Add(3 * time.Minute).Unix()
	for name, tt := range map[string]struct {
		key    *rsa.PrivateKey
		change row
		want   string
	}{
		"good":             {key, row{}, cred.Username},
		"of another user":  {key, row{"sub": cred.RestrictedUsername}, cred.RestrictedUsername},
		"to this org":      {key, row{"aud": c.url}, cred.Username},
		"several hosts":    {key, row{"aud": []string{"https://x.example", "https://test.salesforce.com"}}, cred.Username},
		"another key":      {other, row{}, "invalid assertion"},
		"another app":      {key, row{"iss": "other"}, "invalid_client_id"},
		"another audience": {key, row{"aud": "https://example.com"}, "audience is invalid"},
		"expired":          {key, row{"exp": org.Now().Unix()}, "invalid_grant"},
		"too long":         {key, row{"exp": org.Now().Add(time.Hour).Unix()}, "invalid_grant"},
		"unknown user":     {key, row{"sub": "nobody"}, "user hasn't approved this consumer"},
	} {
		claims := row{"iss": cred.ClientID, "sub": cred.Username, "aud": "https://login.salesforce.com", "exp": exp}
		for k, v := range tt.change {
			claims[k] = v
		}
		a := c.askToken(url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion(t, tt.key, claims)}})
		if token, ok := a.json()["access_token"].(string); ok {
			a = (&caller{t: t, org: org, url: c.url, token: token}).get("/services/oauth2/userinfo")
		}
		if !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: %v", name, a)
		}
	}
	if org.RegisterCertificate("nonsense") == nil {
		t.Error("nonsense is taken for a certificate")
	}
}

// TestDevice connects a device by its code, and one whose person says no, and one that asks too often or too late.
func TestDevice(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: 2})
	c := serve(t, org)
	const form = "application/x-www-form-urlencoded"
	start := func() (code, userCode string) {
		m := c.askToken(url.Values{"response_type": {"device_code"}, "client_id": {sim.DefaultClientID}, "scope": {"api refresh_token"}}).json()
		if m["verification_uri"] != c.url+"/setup/connect" || m["interval"] != 5.0 {
			t.Errorf("start: %v", m)
		}
		return m["device_code"].(string), m["user_code"].(string)
	}
	ask := func(code string) answer {
		org.Advance(5 * time.Second)
		return c.askToken(url.Values{"grant_type": {"device"}, "client_id": {sim.DefaultClientID}, "code": {code}})
	}
	decide := func(userCode, password, decision string) string {
		return c.do("POST", "/setup/connect", url.Values{"user_code": {userCode}, "username": {sim.DefaultUsername}, "password": {password}, "decision": {decision}}.Encode(),
			"Content-Type", form).body
	}
	code, userCode := start()
	if a := ask(code); a.json()["error"] != "authorization_pending" {
		t.Errorf("pending: %v", a)
	}
	if a := c.askToken(url.Values{"grant_type": {"device"}, "client_id": {sim.DefaultClientID}, "code": {code}}); a.json()["error"] != "slow_down" {
		t.Errorf("at once again: %v", a)
	}
	if page := decide(userCode, "wrong", "allow"); !strings.Contains(page, "check your username") {
		t.Error("a wrong password connects a device")
	}
	if page := decide("NOPE", sim.DefaultPassword, "allow"); !strings.Contains(page, "not known") {
		t.Error("an unknown code connects a device")
	}
	if page := decide(strings.ToLower(userCode), sim.DefaultPassword, "allow"); !strings.Contains(page, "is connected") {
		t.Error("the device is not connected")
	}
	a := ask(code)
	if a.json()["refresh_token"] == nil || c.askToken(renewal(a.json()["refresh_token"].(string))).status != 200 {
		t.Errorf("tokens: %v", a)
	}
	if a := ask(code); a.status != 400 {
		t.Errorf("a second time: %v", a)
	}
	code, userCode = start()
	decide(userCode, sim.DefaultPassword, "deny")
	if a := ask(code); a.json()["error"] != "access_denied" {
		t.Errorf("denied: %v", a)
	}
	code, _ = start()
	org.Advance(time.Hour)
	if a := ask(code); a.json()["error"] != "expired_token" {
		t.Errorf("late: %v", a)
	}
}
