package web

import (
	"strconv"

	"millrace/db"
	"millrace/views"
	"millrace/views/ui"
)

// rebase shows a form that was opened on a version that there is none of, as after a backup was restored, on the current one. Nobody else saved
// anything, so nothing is compared.
func (p *filteringPage) rebase(current db.SettingsVersion) {
	now := "there is no version yet"
	if p.current, p.base = nil, current.Version; current.Version > 0 {
		p.current, now = &current, "v"+strconv.Itoa(current.Version)+" is the current one"
	}
	p.blocked = &views.Blocked{
		Title:    "This page was out of date: nothing was saved, and nothing that you typed is lost",
		Problems: []ui.Problem{{Text: "It was opened on a version of the settings that does not exist here; " + now + ". Look through what you typed below, then save again."}},
	}
}
