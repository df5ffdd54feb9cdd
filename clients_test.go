package main

import (
	"errors"
	"fmt"
	"testing"

	"millrace/salesforce"
)

func TestWhyReconnectTellsNothingInternal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want string
	}{
		{&salesforce.OAuthError{Status: 400, Code: "invalid_grant", Description: "inactive user"}, "The Salesforce user of this connection is deactivated or frozen."},
		{&salesforce.OAuthError{Status: 400, Code: "invalid_grant", Description: "new words"}, "Salesforce no longer accepts this connection's grant."},
		{&salesforce.OAuthError{Status: 400, Code: "invalid_client", Description: "invalid client credentials"},
			"Salesforce no longer accepts the consumer secret of the connected app: it was rotated, or the app was made anew. Reconnect the org with the app's current consumer key and secret."},
		{errors.New("pq: no such row"), "Salesforce no longer accepts the sign-in."},
	} {
		if got := whyReconnect(fmt.Errorf("db.RefreshGrant(1): salesforce: %w", c.err)); got != c.want {
			t.Errorf("%v: told %q, want %q", c.err, got, c.want)
		}
	}
}
