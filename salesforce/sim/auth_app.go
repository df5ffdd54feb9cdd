package sim

import "maps"

// connectedApp is the app that may sign in besides Salesforce's own command line.
type connectedApp struct{ key, secret string }

// RotateSecret gives the connected app another consumer secret, as an administrator does, and returns it. Access tokens live on; the refresh that follows them
// is refused under the secret of before.
func (o *Org) RotateSecret() string {
	next := connectedApp{key: o.app.Load().key, secret: newConsumerSecret()}
	o.app.Store(&next)
	return next.secret
}

// ReplaceApp deletes the connected app with the approvals and tokens that it has, and makes another one. Credentials tells its key and secret.
func (o *Org) ReplaceApp() {
	gone := o.app.Swap(&connectedApp{key: "3MVG9." + secret(56), secret: newConsumerSecret()})
	o.auth.mu.Lock()
	defer o.auth.mu.Unlock()
	for _, g := range o.auth.order {
		if g.client == gone.key {
			g.dead = true
		}
	}
	maps.DeleteFunc(o.auth.sessions, func(_ string, s *session) bool { return s.client == gone.key })
}

func newConsumerSecret() string { return secret(64) }
