package db

// maxHashing is how many password hashes are computed at once: each takes 64 MiB.
const maxHashing = 2
