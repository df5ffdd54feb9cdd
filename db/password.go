package db

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a password hash: argon2id with 64 MiB and three passes, about 0.2 s of one core.
const (
	hashMemory  = 64 << 10 // KiB
	hashPasses  = 3
	hashLanes   = 1
	hashSize    = 32
	saltSize    = 16
	maxPassword = 128
	minPassword = 8
)

// maxHashing is how many password hashes are computed at once: each takes 64 MiB.
const maxHashing = 2

// hashPassword returns the hash in the usual form, $argon2id$v=19$m=65536,t=3,p=1$salt$hash.
func (d *DB) hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	memory, passes := d.hashCost()
	sum, err := d.argon(ctx, password, salt, passes, memory, hashLanes, hashSize)
	if err != nil {
		return "", err
	}
	return d.encodeHash(salt, sum), nil
}

// hashCost is what a new hash takes.
func (d *DB) hashCost() (memory, passes uint32) {
	if d.opts.QuickHashes {
		return 8, 1
	}
	return hashMemory, hashPasses
}

func (d *DB) encodeHash(salt, sum []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	memory, passes := d.hashCost()
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, hashLanes, b64(salt), b64(sum))
}

// unmatchable returns a hash of no known password. Checking one against it takes the time that a real one takes.
func (d *DB) unmatchable() string {
	random := make([]byte, saltSize+hashSize)
	_, _ = rand.Read(random) // never fails
	return d.encodeHash(random[:saltSize], random[saltSize:])
}

// checkPassword reports whether password has the hash.
func (d *DB) checkPassword(ctx context.Context, hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	var memory, passes uint32
	var lanes uint8
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return false, errors.New("a stored password hash has an unknown form")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil || memory > 4*hashMemory || passes > 16 || lanes == 0 {
		return false, errors.New("a stored password hash has an unknown cost")
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, sumErr := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(saltErr, sumErr); err != nil || len(want) == 0 {
		return false, errors.New("a stored password hash is damaged")
	}
	got, err := d.argon(ctx, password, salt, passes, memory, lanes, uint32(len(want)))
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// argon computes a hash when one of the few places for that is free.
func (d *DB) argon(ctx context.Context, password string, salt []byte, passes, memory uint32, lanes uint8, size uint32) ([]byte, error) {
	select {
	case d.hashing <- struct{}{}:
		defer func() { <-d.hashing }()
		return argon2.IDKey([]byte(password), salt, passes, memory, lanes, size), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// PasswordError says why a password was refused, in a sentence for the person who chose it.
type PasswordError struct{ Reason string }

// Error implements error.
func (e *PasswordError) Error() string { return e.Reason }
