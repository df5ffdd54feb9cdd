package db

import (
	"context"
	"sync"
)

// keyedLock is a mutex per key whose waiters can give up.
type keyedLock struct {
	mu    *sync.Mutex
	locks map[int64]*keyLock
}

type keyLock struct {
	slot  chan struct{}
	users int
}

func newKeyedLock() keyedLock {
	return keyedLock{mu: &sync.Mutex{}, locks: map[int64]*keyLock{}}
}

// acquire waits for the key and returns the function that frees it, or the context's error.
func (l keyedLock) acquire(ctx context.Context, key int64) (release func(), err error) {
	l.mu.Lock()
	k := l.locks[key]
	if k == nil {
		k = &keyLock{slot: make(chan struct{}, 1)}
		l.locks[key] = k
	}
	k.users++
	l.mu.Unlock()
	leave := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if k.users--; k.users == 0 {
			delete(l.locks, key)
		}
	}
	select {
	case k.slot <- struct{}{}:
		return func() { <-k.slot; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}
