package db

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/jmoiron/sqlx"
)

var keyCheckPlace = place{"key_check", "true", "sealed"}

// CheckSecretKey proves that the configured secret key opens what the database holds, and returns ErrWrongSecretKey when it does not. The first
// call on a database binds it to the key. Where an old key sealed it, everything is sealed anew with the current one, after which the old key may
// be forgotten.
func (d *DB) CheckSecretKey(ctx context.Context) error {
	err := d.Transact(ctx, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO millrace.key_check (sealed) VALUES ($1) ON CONFLICT DO NOTHING`,
			d.keys.seal(keyCheckPlace, []byte("millrace"))); err != nil {
			return err
		}
		var sealed []byte
		if err := tx.GetContext(ctx, &sealed, `SELECT sealed FROM millrace.key_check FOR UPDATE`); err != nil {
			return err
		}
		_, stale, err := d.keys.open(keyCheckPlace, sealed)
		if err != nil {
			return ErrWrongSecretKey
		}
		if !stale {
			return nil
		}
		if _, err := tx.ExecContext(ctx, `UPDATE millrace.key_check SET sealed = $1, made_at = now()`, d.keys.seal(keyCheckPlace, []byte("millrace"))); err != nil {
			return err
		}
		return d.sealAnew(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("db.CheckSecretKey: %w", err)
	}
	return nil
}

// sealAnew seals every data key with the current key. Flows in progress are dropped: they live for minutes and their users try again.
func (d *DB) sealAnew(ctx context.Context, tx *sqlx.Tx) error {
	for table, placeOf := range map[string]func(id int64, column string) place{"connections": connectionPlace, "alert_channels": channelPlace} {
		if err := d.sealKeysAnew(ctx, tx, table, placeOf); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM millrace.oauth_flows`)
	return err
}

// sealKeysAnew does so with the data keys of one table.
func (d *DB) sealKeysAnew(ctx context.Context, tx *sqlx.Tx, table string, placeOf func(id int64, column string) place) error {
	var rows []struct {
		ID     int64  `db:"id"`
		Sealed []byte `db:"data_key_sealed"`
	}
	if err := tx.SelectContext(ctx, &rows, `SELECT id, data_key_sealed FROM millrace.`+table+` ORDER BY id FOR UPDATE`); err != nil {
		return err
	}
	for _, r := range rows {
		at := placeOf(r.ID, "data_key_sealed")
		secret, stale, err := d.keys.open(at, r.Sealed)
		if err != nil {
			return fmt.Errorf("data key of %s %d: %w", table, r.ID, err)
		}
		if !stale {
			continue
		}
		if _, err := tx.ExecContext(ctx, `UPDATE millrace.`+table+` SET data_key_sealed = $2 WHERE id = $1`, r.ID, d.keys.seal(at, secret)); err != nil {
			return err
		}
	}
	return nil
}

func dataKeyPlace(connectionID int64) place { return connectionPlace(connectionID, "data_key_sealed") }

func connectionPlace(connectionID int64, column string) place {
	return place{"connections", strconv.FormatInt(connectionID, 10), column}
}

func flowPlace(stateHash []byte, column string) place {
	return place{"oauth_flows", hex.EncodeToString(stateHash), column}
}
