// Package migrations holds the schema's history: numbered SQL files, each applied once and never edited after a release.
package migrations

import "embed"

// Files are the migrations, by file name.
//
//go:embed *.sql
var Files embed.FS
