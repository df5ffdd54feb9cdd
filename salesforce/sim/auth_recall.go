package sim

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// A refresh token carries what it stands for, signed, so that an org which was stopped and started again, and has lost its memory, still honours the
// tokens that it gave out. Tokens that ended are remembered until then.

const refreshPrefix = "5Aep861"

var tokenEncoding = base64.NewEncoding(tokenAlphabet).WithPadding(base64.NoPadding)

const signatureLen = 16 // bytes

// signingKey is the same each time for orgs with the same credentials.
func (o *Org) signingKey() []byte {
	key := sha256.Sum256(fmt.Appendf(nil, "refresh tokens\x00%s\x00%s\x00%s\x00%s", o.opt.ClientID, o.opt.ClientSecret, o.opt.Password, o.orgID))
	return key[:]
}

// newRefreshToken signs what a grant says.
func (o *Org) newRefreshToken(g *grant) string {
	body := make([]byte, 12, 96) // random, since a grant may get several tokens in the same instant
	_, _ = rand.Read(body)       // never fails
	body = binary.AppendVarint(body, o.now().UnixNano())
	body = binary.AppendUvarint(body, uint64(g.user))
	body = append(body, g.client+"\x00"+g.scope...)
	return refreshPrefix + tokenEncoding.EncodeToString(append(o.sign(body), body...))
}

func (o *Org) sign(body []byte) []byte {
	mac := hmac.New(sha256.New, o.signingKey())
	mac.Write(body)
	return mac.Sum(nil)[:signatureLen]
}

// findGrant returns the grant of a refresh token, alive or dead, or nil when the org never gave it out. It wants a.mu held.
func (o *Org) findGrant(token string) *grant {
	if g := o.auth.grants[token]; g != nil {
		return g
	}
	g := o.recallGrant(token)
	if g != nil {
		o.auth.grants[token] = g
		o.auth.order = append(o.auth.order, g)
	}
	return g
}

// recallGrant reads a token of an earlier life of the org. What was given out before the last revocation of everything stays dead.
func (o *Org) recallGrant(token string) *grant {
	text, ok := strings.CutPrefix(token, refreshPrefix)
	if !ok {
		return nil
	}
	raw, err := tokenEncoding.DecodeString(text)
	if err != nil || len(raw) < signatureLen+12 || !hmac.Equal(raw[:signatureLen], o.sign(raw[signatureLen:])) {
		return nil
	}
	rest := raw[signatureLen+12:]
	issued, n := binary.Varint(rest)
	if n <= 0 {
		return nil
	}
	user, m := binary.Uvarint(rest[n:])
	if m <= 0 {
		return nil
	}
	client, scope, ok := strings.Cut(string(rest[n+m:]), "\x00")
	if !ok || user >= uint64(o.Count("User")) {
		return nil
	}
	return &grant{client: client, scope: scope, user: int(user), refresh: token, dead: !time.Unix(0, issued).After(o.auth.revokedAt)}
}
