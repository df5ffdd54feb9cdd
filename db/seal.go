package db

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// A sealed value is: format byte 1, the 8-byte id of the key that sealed it, a 12-byte nonce, the AES-256-GCM ciphertext. Table, row, column and key
// id are its associated data, so that a value pasted elsewhere does not open.
const (
	sealFormat  = 1
	keyIDSize   = 8
	keySize     = 32
	sealedSmall = 1 + keyIDSize + 12 + 16
)

var errSealed = errors.New("a sealed value does not open: it was changed, moved to another row, or sealed with another key")

// ErrWrongSecretKey says that none of the configured secret keys sealed what the database holds.
var ErrWrongSecretKey = errors.New("the secret key (MILLRACE_SECRET_KEY) is not the one that this database was set up with: restore that key; " +
	"without it the stored Salesforce tokens cannot be read")

// sealKey is a key with its id, which is derived from it.
type sealKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

func newSealKey(secret []byte) (sealKey, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return sealKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return sealKey{}, err
	}
	k := sealKey{aead: aead}
	sum := sha256.Sum256(append([]byte("millrace key id\x00"), secret...))
	copy(k.id[:], sum[:])
	return k, nil
}

// place names where a sealed value is stored.
type place struct {
	table, row, column string
}

func (k sealKey) associated(p place) []byte {
	return fmt.Appendf(nil, "%s|%s|%s|%x", p.table, p.row, p.column, k.id)
}

func (k sealKey) seal(p place, plain []byte) []byte {
	nonce := make([]byte, k.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	out := append([]byte{sealFormat}, k.id[:]...)
	return k.aead.Seal(append(out, nonce...), nonce, plain, k.associated(p))
}

func (k sealKey) open(p place, sealed []byte) ([]byte, error) {
	if len(sealed) < sealedSmall || sealed[0] != sealFormat || !bytes.Equal(sealed[1:1+keyIDSize], k.id[:]) {
		return nil, errSealed
	}
	rest := sealed[1+keyIDSize:]
	n := k.aead.NonceSize()
	plain, err := k.aead.Open(nil, rest[:n], rest[n:], k.associated(p))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// keyring holds the key-encryption keys: the current one first, then older ones that still open.
type keyring []sealKey

// minSecretKey is the least number of bytes of a configured secret key.
const minSecretKey = 32

func newKeyring(current []byte, old [][]byte) (keyring, error) {
	var ring keyring
	for _, secret := range append([][]byte{current}, old...) {
		if len(secret) < minSecretKey {
			return nil, fmt.Errorf("the secret key has %d characters; it needs at least %d (make one with: openssl rand -hex 32)", len(secret), minSecretKey)
		}
		stretched, err := hkdf.Key(sha256.New, secret, nil, "millrace key encryption key", keySize)
		if err != nil {
			return nil, err
		}
		k, err := newSealKey(stretched)
		if err != nil {
			return nil, err
		}
		ring = append(ring, k)
	}
	return ring, nil
}

func (r keyring) seal(p place, plain []byte) []byte { return r[0].seal(p, plain) }

// open opens what the current or an older key sealed; stale reports the latter.
func (r keyring) open(p place, sealed []byte) (plain []byte, stale bool, err error) {
	if len(sealed) < sealedSmall {
		return nil, false, errSealed
	}
	for i, k := range r {
		if bytes.Equal(sealed[1:1+keyIDSize], k.id[:]) {
			plain, err := k.open(p, sealed)
			return plain, i > 0, err
		}
	}
	return nil, false, errSealed
}

// newDataKey makes a connection's own key and returns it together with its sealed form.
func (r keyring) newDataKey(p place) (sealKey, []byte, error) {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	k, err := newSealKey(secret)
	if err != nil {
		return sealKey{}, nil, err
	}
	return k, r.seal(p, secret), nil
}

func (r keyring) dataKey(p place, sealed []byte) (sealKey, error) {
	secret, _, err := r.open(p, sealed)
	if err != nil {
		return sealKey{}, err
	}
	return newSealKey(secret)
}
