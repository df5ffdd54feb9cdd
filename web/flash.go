package web

import (
	"net/http"
	"strings"

	"millrace/views/ui"
)

// flashes are the messages about what was just done. One travels in a cookie as its key and at most one word to fill in, so that nobody can put
// words into our mouth.
var flashes = map[string]struct {
	tone ui.Tone
	text string
}{
	"connected":          {ui.Success, "Connected to Salesforce. Next: choose which accounts to sync."},
	"reconnected":        {ui.Success, "Connected again. Syncs that waited for this go on by themselves."},
	"disconnected":       {ui.Success, "Disconnected. The synced data, the settings and the history are kept."},
	"saved-first":        {ui.Success, "Saved as v1. The first sync has started."},
	"saved":              {ui.Success, "Saved as v%. It takes effect with the next sync; Run Sync Job starts one now."},
	"saved-by-other":     {ui.Informs, "Somebody else has just saved the same changes as v%, so there is no new version."},
	"nothing-changed":    {ui.Informs, "Nothing has changed, so there is no new version."},
	"draft-kept":         {ui.Success, "Kept as your draft. Nothing is saved yet: Save makes a version of it."},
	"draft-discarded":    {ui.Success, "Your changes were discarded. These are the saved settings."},
	"merged":             {ui.Success, "Your draft now goes on from v%, as you chose. Look it over, then save."},
	"merged-theirs":      {ui.Informs, "You took all of theirs, so there is nothing left to save."},
	"restored":           {ui.Success, "Restored: v% is current now. It takes effect with the next sync; Run Sync Job starts one now."},
	"nothing-to-restore": {ui.Informs, "That version holds the same settings as the current one, so there is no new version."},
	"taken":              {ui.Success, "Taken as your draft. Nothing is saved yet: look it over, then save."},
	"taken-problems":     {ui.Warning, "Taken as your draft. The sections marked “Has problems” hold what does not fit this org; nothing is saved yet."},
	"merge-first":        {ui.Warning, "Nothing was taken yet: your draft goes on from an older version. Put the two together first."},
	"nothing-to-take":    {ui.Informs, "Those settings are the current ones, so there is nothing to take."},
	"schema-unchanged":   {ui.Success, "The objects and fields of the org were read anew. Nothing that the settings use has changed."},
	"schema-changed-one": {ui.Warning, "The objects and fields of the org were read anew. One thing that the settings use has changed: see below."},
	"schema-changed":     {ui.Warning, "The objects and fields of the org were read anew. % things that the settings use have changed: see below."},
	"schema-unanswered":  {ui.Warning, "The objects and fields could not be read anew: the org cannot be asked now. They are shown as they were last known."},
	"schema-accepted":    {ui.Success, "Noted. You are told of changes from here on."},
	"impact-busy":        {ui.Informs, "An impact is being worked out already. Wait for it, or cancel it."},
	"nothing-to-try":     {ui.Informs, "Nothing is changed, so there is nothing to work out."},
	"kept":               {ui.Warning, "What you typed before you were signed out is back. Nothing of it is saved yet."},
	"run-started":        {ui.Success, "Sync % was requested. It starts as soon as its turn comes."},
	"run-active":         {ui.Informs, "Sync % is active already, so no second one was started."},
	"run-behind":         {ui.Success, "Sync % was requested. It goes by the newest settings, and starts when the sync under way, which goes by older ones, is done."},
	"whole-started":      {ui.Success, "Sync % was requested and reads everything. It starts as soon as its turn comes."},
	"whole-active":       {ui.Success, "Sync % has not begun yet and now reads everything; no second one was started."},
	"whole-late":         {ui.Warning, "Nothing was started: sync % is under way and goes on as it was planned. Ask again when it has ended."},
	"run-cancelled":      {ui.Success, "Cancelling %. What it has stored so far stays."},
	"run-over":           {ui.Informs, "% had ended already."},
	"leavers-archived":   {ui.Success, "Accounts that left the filter are archived: lists and views leave them out. Nothing was deleted."},
	"leavers-kept":       {ui.Success, "Accounts that left the filter are shown again, in lists and in views."},
	"first-steps-done":   {ui.Success, "Noted. The first steps are done; this page now shows how the connection stands."},
	"retry-started":      {ui.Success, "The retry % was requested. It starts as soon as its turn comes; what came of it shows here."},
	"retry-added":        {ui.Success, "The records were added to the retry %, which has not begun yet."},
	"retry-active":       {ui.Informs, "The retry % is active already, so no second one was started."},
	"retry-busy":         {ui.Warning, "Nothing was added: the retry % is at work. Press the button again when it is over."},
	"errors-muted":       {ui.Success, "Muted. It is not counted any more, until it is over or grows to more than twice its size."},
	"errors-unmuted":     {ui.Success, "It is counted again."},
	"gap-started":        {ui.Success, "The backfill % was requested. It starts as soon as its turn comes."},
	"gap-active":         {ui.Informs, "The backfill % is active already, so no second one was started."},
	"undo-started":       {ui.Success, "The undo of % was requested. It starts as soon as its turn comes."},
	"undo-active":        {ui.Informs, "The undo % is active already, so no second one was started."},
	"undo-busy":          {ui.Warning, "Nothing was started: the undo % is under way and has to end first."},
	"budget-saved":       {ui.Success, "The API budget is saved and applies now. Syncs that wait for room look again."},
	"budget-refreshed":   {ui.Success, "Salesforce was asked how many API requests are used."},
	"budget-unanswered":  {ui.Warning, "Salesforce could not be asked now. The figures are those that were last known."},
	"signed-out":         {ui.Success, "You are signed out."},
	"others-out":         {ui.Success, "You are signed out everywhere else."},
	"password":           {ui.Success, "Your password was changed. Sign in with the new one."},
	"time-zone":          {ui.Success, "Times are now shown in the zone that you chose."},

	"alert-rules":        {ui.Success, "Saved. What is watched changes within a few seconds."},
	"alert-muted":        {ui.Success, "Muted: nobody is told of it for now."},
	"alert-unmuted":      {ui.Success, "The mute is over. What is still wrong is told within a few seconds."},
	"channel-added":      {ui.Success, "The channel is added. Send a test to see whether notices arrive."},
	"channel-added-once": {ui.Informs, "The channel is there already: the form had been sent before. The secret is not shown again; make a new one if you missed it."},
	"channel-saved":      {ui.Success, "Saved. Send a test to see whether notices arrive."},
	"channel-on":         {ui.Success, "The channel is on."},
	"channel-off":        {ui.Success, "The channel is off. What waited for it is not sent."},
	"channel-removed":    {ui.Success, "The channel is removed, with its address and secret."},
	"old-secret-ended":   {ui.Success, "Only the new secret signs now."},
	"test-queued":        {ui.Success, "A test is on its way. What comes back shows below."},
	"test-twice":         {ui.Informs, "This test is on its way already, so no second one was queued."},
	"notice-again":       {ui.Success, "The notice is sent again, under the same message id."},
	"notice-not-again":   {ui.Informs, "The notice has been sent again already, or is on its way, so nothing was queued."},

	"chatter-scheduled":       {ui.Success, "The schedule of Chatter is saved and applies now. Nothing else was saved."},
	"chatter-scheduled-too":   {ui.Success, "Saved as v%, together with the schedule of Chatter."},
	"chatter-unscheduled":     {ui.Success, "The schedule of Chatter is off: it does not run by itself any more. Nothing else was saved."},
	"chatter-unscheduled-too": {ui.Success, "Saved as v%. The schedule of Chatter is off."},
}

const flashAlphabet = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func (s *Server) flashCookie(value string, maxAge int) *http.Cookie {
	name := "flash"
	if s.Secure {
		name = "__Host-flash"
	}
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode}
}

// takeFlashes returns the message of this answer, or else the one that waits, once.
func (s *Server) takeFlashes(w http.ResponseWriter, r *http.Request) []ui.Flash {
	if f, ok := flashes[visitOf(r).notice]; ok {
		return []ui.Flash{{Tone: f.tone, Text: f.text}}
	}
	c, err := r.Cookie(s.flashCookie("", 0).Name)
	if err != nil {
		return nil
	}
	http.SetCookie(w, s.flashCookie("", -1))
	key, word, _ := strings.Cut(c.Value, ".")
	f, ok := flashes[key]
	if !ok || len(word) > 20 || strings.Trim(word, flashAlphabet) != "" {
		return nil
	}
	return []ui.Flash{{Tone: f.tone, Text: strings.ReplaceAll(f.text, "%", word)}}
}

// see sends the browser on, with a message for the next page if flash is not empty.
func (s *Server) see(w http.ResponseWriter, r *http.Request, path, flash, word string) error {
	if flash != "" {
		http.SetCookie(w, s.flashCookie(flash+"."+word, 60))
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, path, http.StatusSeeOther)
	return nil
}
