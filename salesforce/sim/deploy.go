package sim

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// States of a deployment.
const (
	deployPending    = "Pending"
	deployInProgress = "InProgress"
	deploySucceeded  = "Succeeded"
	deployPartial    = "SucceededPartial"
	deployFailed     = "Failed"
	deployCanceled   = "Canceled"
)

// deployState holds the deployments of metadata packages.
type deployState struct {
	mu      sync.Mutex
	list    []*deployment // by sequence number
	waiting atomic.Int32  // those that have not run yet
}

// deployOptions are those of the Metadata API that matter to objects, fields and permission sets, under its names.
type deployOptions struct {
	AllowMissingFiles bool   `json:"allowMissingFiles"`
	AutoUpdatePackage bool   `json:"autoUpdatePackage"`
	CheckOnly         bool   `json:"checkOnly"`
	IgnoreWarnings    bool   `json:"ignoreWarnings"`
	PerformRetrieve   bool   `json:"performRetrieve"`
	PurgeOnDelete     bool   `json:"purgeOnDelete"`
	RollbackOnError   bool   `json:"rollbackOnError"`
	SinglePackage     bool   `json:"singlePackage"`
	TestLevel         string `json:"testLevel,omitempty"`
}

// deployment is a package of metadata that is put into the org as a whole, some time after it was handed in.
type deployment struct {
	id       int64
	user     int
	options  deployOptions
	created  time.Time
	changed  time.Time
	status   string // Pending until it has run
	parts    []component
	problems []deployMessage // of the package itself
	messages []deployMessage // what came of the parts
	lost     *apiError       // why nothing of it could be read
}

// component is one part of a package: what to make of it, or that it is to go.
type component struct {
	typ, fullName, file string
	m                   *element
	remove              bool
}

// deployMessage is what a deployment has to say about one component.
type deployMessage struct {
	component
	created, deleted bool
	problem          string
	warning          bool
}

func (m *deployMessage) failed() bool { return m.problem != "" && !m.warning }

// state is where a deployment has got to by now.
func (d *deployment) state(now time.Time, delay time.Duration) string {
	if d.status == deployPending && delay > 0 && now.Sub(d.created) >= delay/2 {
		return deployInProgress
	}
	return d.status
}

// start enqueues a deployment. Like a bulk job it runs when its delay is over, and the answer never waits for it.
func (o *Org) start(d *deployment) {
	s := &o.deploys
	s.mu.Lock()
	defer s.mu.Unlock()
	d.id, d.status, d.created = rowID(prefixDeploy, len(s.list)), deployPending, o.now()
	d.changed = d.created
	s.list = append(s.list, d)
	s.waiting.Add(1)
}

// settleDeployments runs the deployments that are due, in the order in which they came. Every request begins with it, so that nobody can look at the org
// between a deployment's moment and its effect.
func (o *Org) settleDeployments() {
	s := &o.deploys
	if s.waiting.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := o.now()
	for _, d := range s.list {
		if d.status == deployPending && now.Sub(d.created) >= o.opt.JobDelay {
			o.run(d)
			d.changed = now
			s.waiting.Add(-1)
		}
	}
}

// find returns a deployment by its id, or nil. The caller holds the lock.
func (s *deployState) find(text string) *deployment {
	id, ok := parseID(text)
	prefix, n := splitID(id)
	if !ok || prefix != prefixDeploy || n < 0 || n >= len(s.list) {
		return nil
	}
	return s.list[n]
}

// cancel ends a deployment that has not run yet.
func (s *deployState) cancel(d *deployment, now time.Time) bool {
	if d.status != deployPending {
		return false
	}
	d.status, d.changed = deployCanceled, now
	s.waiting.Add(-1)
	return true
}

var errRolledBack = errors.New("the deployment is rolled back")

// run puts a package into the org: all of it or, without rollback, each component that can be had.
func (o *Org) run(d *deployment) {
	d.messages = slices.Clone(d.problems)
	_ = o.change(d.user, true, func(t *tx) error { // the only error is the rollback, which the status tells
		for _, c := range d.parts {
			d.messages = append(d.messages, t.deploy(c))
		}
		d.status = d.outcome()
		if d.options.CheckOnly || d.status == deployFailed {
			return errRolledBack
		}
		return nil
	})
}

// outcome is the status that the messages amount to.
func (d *deployment) outcome() string {
	failed := d.count((*deployMessage).failed)
	warned := d.count(func(m *deployMessage) bool { return m.warning })
	switch {
	case d.lost != nil:
		return deployFailed
	case failed == 0 && (warned == 0 || d.options.IgnoreWarnings):
		return deploySucceeded
	case d.options.RollbackOnError || failed == len(d.messages):
		return deployFailed
	}
	return deployPartial
}

func (d *deployment) count(which func(*deployMessage) bool) (n int) {
	for i := range d.messages {
		if which(&d.messages[i]) {
			n++
		}
	}
	return n
}

// deploy applies one component as the calls of the metadata API do. A component that fails leaves nothing behind.
func (t *tx) deploy(c component) deployMessage {
	m := deployMessage{component: c}
	before := t.w.clone()
	var err error
	if c.remove {
		err = t.deleteComponent(c.typ, c.fullName)
		m.deleted = err == nil
	} else {
		m.created, err = t.saveComponent(c.typ, c.m, "upsertMetadata")
	}
	if err != nil {
		t.w, t.unique = before, nil
		m.problem = err.Error()
		var e *apiError
		if errors.As(err, &e) {
			m.problem = e.message
		}
	}
	return m
}
