package db

// For the tests in package db_test.
var (
	CheckNewPassword = checkNewPassword
	Network          = network
	StoreFault       = storeFault
	Kept             = kept
)

// Unlocked reports whether a connection is free of waiting refreshes, which is when its lock is forgotten.
func (d *DB) Unlocked(id int64) bool {
	d.refresh.mu.Lock()
	defer d.refresh.mu.Unlock()
	return d.refresh.locks[id] == nil
}
