package db_test

import (
	"errors"
	"testing"

	"millrace/db"
	"millrace/settings"
)

// TestTextsThatCannotBeStored are answered like any other text that is nowhere.
func TestTextsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	d, u, connection := connected(t)
	c := connection.ID
	for _, odd := range []string{"\x00", "a\xffb", "ana@example.com\x00"} {
		if _, err := d.Run(t.Context(), c, odd); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("Run(%q): %v", odd, err)
		}
		if _, err := d.Account(t.Context(), c, odd); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("Account(%q): %v", odd, err)
		}
		if _, _, err := d.Accounts(t.Context(), db.AccountQuery{ConnectionID: c, Search: odd}); err != nil {
			t.Errorf("Accounts(%q): %v", odd, err)
		}
		if _, err := d.Authenticate(t.Context(), odd, "correct horse battery", "192.0.2.1"); !errors.Is(err, db.ErrBadCredentials) {
			t.Errorf("Authenticate(%q): %v", odd, err)
		}
		if _, err := d.UserByEmail(t.Context(), odd); !errors.Is(err, db.ErrNotFound) {
			t.Errorf("UserByEmail(%q): %v", odd, err)
		}
		good := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: "Id != null"}}
		bad := settings.Settings{Accounts: settings.AccountFiltering{Mode: settings.SingleFilter, Single: odd}}
		var refused *db.SettingsTextError
		if _, _, err := d.SaveSettings(t.Context(), c, 0, bad, "", u.ID); !errors.As(err, &refused) || len(refused.Fields[settings.PathSingle]) != 1 {
			t.Errorf("a filter %q: %v", odd, err)
		}
		if _, _, err := d.SaveSettings(t.Context(), c, 0, good, odd, u.ID); !errors.As(err, &refused) || len(refused.Fields[settings.PathNote]) != 1 {
			t.Errorf("a note %q: %v", odd, err)
		}
	}
}
