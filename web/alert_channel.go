package web

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"millrace/db"
	"millrace/notify"
	"millrace/views"
	"millrace/views/ui"
)

func channelPath(id int64) string { return channelsPath + "/" + strconv.FormatInt(id, 10) }

// channels lists where notices go.
func (s *Server) channels(w http.ResponseWriter, r *http.Request) error {
	shell, err := s.shell(w, r, "Alert channels", "alerts")
	if err != nil {
		return err
	}
	list, err := s.DB.AlertChannels(r.Context())
	if err != nil {
		return err
	}
	v := views.Channels{Shell: shell, Tabs: alertTabs(shell, "channels"), NoMail: s.MailFrom == ""}
	for _, c := range list {
		v.Rows = append(v.Rows, views.ChannelRow{
			Href: channelPath(c.ID), Name: c.Name, Kind: string(c.Kind), To: channelTo(c), On: c.Enabled, OffReason: c.OffReason, Waiting: c.Waiting,
			LastState: c.LastState, LastOutcome: c.LastOutcome, LastAt: c.LastAt,
		})
	}
	return s.render(w, r, http.StatusOK, views.ChannelsPage(v))
}

// channelTo says in short where a channel leads.
func channelTo(c db.AlertChannel) string {
	if c.Kind != db.ChannelEmail {
		return c.Shown
	}
	const shown = 3
	if len(c.Addresses) > shown {
		return strings.Join(c.Addresses[:shown], ", ") + " and " + strconv.Itoa(len(c.Addresses)-shown) + " more"
	}
	return strings.Join(c.Addresses, ", ")
}

// channelKind reads a kind; ok is false for none, and for e-mail without a mail server.
func (s *Server) channelKind(text string) (kind db.ChannelKind, ok bool) {
	switch kind = db.ChannelKind(text); kind {
	case db.ChannelEmail:
		return kind, s.MailFrom != ""
	case db.ChannelSlack, db.ChannelWebhook:
		return kind, true
	}
	return "", false
}

// newChannel shows an empty form.
func (s *Server) newChannel(w http.ResponseWriter, r *http.Request) error {
	kind, ok := s.channelKind(r.URL.Query().Get("kind"))
	if !ok {
		return s.see(w, r, channelsPath, "", "")
	}
	return s.newChannelPage(w, r, http.StatusOK, kind, rand.Text(), views.ChannelForm{})
}

func (s *Server) newChannelPage(w http.ResponseWriter, r *http.Request, status int, kind db.ChannelKind, key string, form views.ChannelForm) error {
	shell, err := s.shell(w, r, "New alert channel", "alerts")
	if err != nil {
		return err
	}
	return s.render(w, r, status, views.ChannelPage(views.Channel{
		Shell: shell, Tabs: alertTabs(shell, "channels"), Kind: string(kind), FormKey: key, Form: form, Problems: channelProblems(form),
	}))
}

// channelProblems lists what is wrong with a form, with links to the fields.
func channelProblems(form views.ChannelForm) (problems []ui.Problem) {
	for _, name := range []string{"name", "addresses", "url"} {
		for _, e := range form.Errors[name] {
			problems = append(problems, ui.Problem{FieldID: name, Text: e})
		}
	}
	return problems
}

// readChannel reads and checks a channel's form. A saved webhook keeps its address when none is entered.
func (s *Server) readChannel(form url.Values, kind db.ChannelKind, saved bool) (db.NewChannel, views.ChannelForm) {
	typed := views.ChannelForm{Name: strings.TrimSpace(form.Get("name")), Addresses: form.Get("addresses"), URL: strings.TrimSpace(form.Get("url")), Errors: map[string][]string{}}
	n := db.NewChannel{Kind: kind, Name: typed.Name, URL: typed.URL, FormKey: form.Get("form_key")}
	if typed.Name == "" || utf8.RuneCountInString(typed.Name) > 80 || strings.ContainsFunc(typed.Name, func(r rune) bool { return r < ' ' }) {
		typed.Errors["name"] = []string{"Enter a name of at most 80 characters, on one line."}
	}
	var err error
	if kind == db.ChannelEmail {
		if n.Addresses, err = notify.CheckAddresses(typed.Addresses); err != nil {
			typed.Errors["addresses"] = []string{err.Error()}
		}
	} else if typed.URL != "" || !saved {
		if n.Shown, err = notify.CheckURL(typed.URL, s.NoticeOrigins); err != nil {
			typed.Errors["url"] = []string{err.Error()}
		}
	}
	return n, typed
}

// addChannel makes a channel. A signed webhook's secret is shown in the answer, and never again.
func (s *Server) addChannel(w http.ResponseWriter, r *http.Request) error {
	kind, ok := s.channelKind(r.PostForm.Get("kind"))
	if !ok {
		return &failure{status: http.StatusUnprocessableEntity, title: "No channel was added", sentence: "There is no way to send such notices. For e-mail, the operator first gives a mail server."}
	}
	n, typed := s.readChannel(r.PostForm, kind, false)
	if len(n.FormKey) > 100 {
		return badRequest("What the browser sent is not a form that this page sends.", errors.New("the form key is too long"))
	}
	if len(typed.Errors) > 0 {
		return s.newChannelPage(w, r, http.StatusUnprocessableEntity, kind, n.FormKey, typed)
	}
	id, secret, err := s.DB.CreateAlertChannel(r.Context(), n, visitOf(r).user.ID)
	if errors.Is(err, db.ErrSameForm) {
		return s.see(w, r, channelPath(id), "channel-added-once", "")
	}
	if err != nil {
		return err
	}
	if secret == "" {
		return s.see(w, r, channelPath(id), "channel-added", "")
	}
	visitOf(r).notice = "channel-added"
	return s.channelPage(w, r, http.StatusOK, id, channelState{secret: secret})
}

// channel shows a channel.
func (s *Server) channel(w http.ResponseWriter, r *http.Request) error {
	return s.channelPage(w, r, http.StatusOK, pathID(r, "channel"), channelState{})
}

// channelState is what a channel's page shows besides the channel itself.
type channelState struct {
	secret   string // that was just made
	typed    *views.ChannelForm
	conflict bool
}

func (s *Server) channelPage(w http.ResponseWriter, r *http.Request, status int, id int64, state channelState) error {
	c, err := s.DB.AlertChannel(r.Context(), id)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, c.Name, "alerts")
	if err != nil {
		return err
	}
	recent, err := s.DB.Deliveries(r.Context(), db.DeliveryFilter{ChannelID: id, Limit: 5})
	if err != nil {
		return err
	}
	v := views.Channel{
		Shell: shell, Tabs: alertTabs(shell, "channels"), ID: id, Href: channelPath(id), Version: c.Version, Kind: string(c.Kind), Name: c.Name, On: c.Enabled,
		OffReason: c.OffReason, MadeBy: c.CreatedByName, MadeAt: c.CreatedAt, FormKey: rand.Text(), Conflict: state.conflict, Shown: c.Shown, Secret: state.secret,
		SecretMadeAt: c.SecretMadeAt, OldSecretUntil: c.OldSecretUntil, Waiting: c.Waiting > 0, AllHref: withQuery(deliveriesPath, url.Values{"channel": {strconv.FormatInt(id, 10)}}),
		Form: views.ChannelForm{Name: c.Name, Addresses: strings.Join(c.Addresses, "\n")},
	}
	if state.typed != nil {
		v.Form, v.Problems = *state.typed, channelProblems(*state.typed)
	}
	for _, d := range recent {
		v.Recent = append(v.Recent, deliveryRow(d))
	}
	// A page that shows a secret stays as it is: loading it again would send its form again.
	v.Shell.Refresh = v.Waiting && r.Method == http.MethodGet
	return s.render(w, r, status, views.ChannelPage(v))
}

// channelVersion reads the version of a channel that a form was made for.
func channelVersion(r *http.Request) (id int64, version int, err error) {
	version, err = strconv.Atoi(r.PostForm.Get("version"))
	if err != nil {
		return 0, 0, badRequest("What the browser sent is not a form that this page sends.", err)
	}
	return pathID(r, "channel"), version, nil
}

// changed answers a change of a channel: with its page where somebody else was quicker, or with the way on.
func (s *Server) changed(w http.ResponseWriter, r *http.Request, id int64, err error, typed *views.ChannelForm, next, flash string) error {
	var conflict *db.AlertConflictError
	if errors.As(err, &conflict) {
		return s.channelPage(w, r, http.StatusConflict, id, channelState{conflict: true, typed: typed})
	}
	if err != nil {
		return err
	}
	return s.see(w, r, next, flash, "")
}

// saveChannel changes where a channel's notices go.
func (s *Server) saveChannel(w http.ResponseWriter, r *http.Request) error {
	id, version, err := channelVersion(r)
	if err != nil {
		return err
	}
	c, err := s.DB.AlertChannel(r.Context(), id)
	if err != nil {
		return err
	}
	n, typed := s.readChannel(r.PostForm, c.Kind, true)
	if len(typed.Errors) > 0 {
		return s.channelPage(w, r, http.StatusUnprocessableEntity, id, channelState{typed: &typed})
	}
	err = s.DB.SaveAlertChannel(r.Context(), id, version, n, visitOf(r).user.ID)
	return s.changed(w, r, id, err, &typed, channelPath(id), "channel-saved")
}

// switchChannel switches a channel on or off.
func (s *Server) switchChannel(w http.ResponseWriter, r *http.Request) error {
	id, version, err := channelVersion(r)
	if err != nil {
		return err
	}
	on, flash := r.PostForm.Get("on") == "on", "channel-off"
	if on {
		flash = "channel-on"
	}
	return s.changed(w, r, id, s.DB.SwitchAlertChannel(r.Context(), id, version, on, visitOf(r).user.ID), nil, channelPath(id), flash)
}

// rotateSecret makes a new signing secret, which is shown in the answer and never again.
func (s *Server) rotateSecret(w http.ResponseWriter, r *http.Request) error {
	id, version, err := channelVersion(r)
	if err != nil {
		return err
	}
	secret, err := s.DB.RotateChannelSecret(r.Context(), id, version, visitOf(r).user.ID)
	if err != nil {
		return s.changed(w, r, id, err, nil, "", "")
	}
	return s.channelPage(w, r, http.StatusOK, id, channelState{secret: secret})
}

// endOldSecret has only the new secret sign.
func (s *Server) endOldSecret(w http.ResponseWriter, r *http.Request) error {
	id, version, err := channelVersion(r)
	if err != nil {
		return err
	}
	return s.changed(w, r, id, s.DB.EndOldSecret(r.Context(), id, version, visitOf(r).user.ID), nil, channelPath(id), "old-secret-ended")
}

// removeChannelForm asks whether to remove a channel.
func (s *Server) removeChannelForm(w http.ResponseWriter, r *http.Request) error {
	c, err := s.DB.AlertChannel(r.Context(), pathID(r, "channel"))
	if err != nil {
		return err
	}
	all, err := s.DB.AlertChannels(r.Context())
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Remove "+c.Name, "alerts")
	if err != nil {
		return err
	}
	v := views.RemoveChannel{Shell: shell, Tabs: alertTabs(shell, "channels"), Name: c.Name, Href: channelPath(c.ID), Version: c.Version, Last: true}
	for _, other := range all {
		v.Last = v.Last && (other.ID == c.ID || !other.Enabled)
	}
	return s.render(w, r, http.StatusOK, views.RemoveChannelPage(v))
}

// removeChannel removes a channel.
func (s *Server) removeChannel(w http.ResponseWriter, r *http.Request) error {
	id, version, err := channelVersion(r)
	if err != nil {
		return err
	}
	return s.changed(w, r, id, s.DB.RemoveAlertChannel(r.Context(), id, version, visitOf(r).user.ID), nil, channelsPath, "channel-removed")
}

// testChannel queues a test notice; the form's key makes two clicks one.
func (s *Server) testChannel(w http.ResponseWriter, r *http.Request) error {
	id, key := pathID(r, "channel"), r.PostForm.Get("form_key")
	if key == "" || len(key) > 100 {
		return badRequest("What the browser sent is not a form that this page sends.", errors.New("no form key"))
	}
	n, err := s.DB.TestAlertChannel(r.Context(), id, key, visitOf(r).user.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return s.see(w, r, channelPath(id)+"#test", "test-twice", "")
	}
	return s.see(w, r, channelPath(id)+"#test", "test-queued", "")
}
