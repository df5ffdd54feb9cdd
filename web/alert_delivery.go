package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"millrace/db"
	"millrace/views"
	"millrace/views/ui"
)

func deliveryPath(id int64) string { return deliveriesPath + "/" + strconv.FormatInt(id, 10) }

// deliveryRow is a notice as lists show it.
func deliveryRow(d db.Delivery) views.DeliveryRow {
	row := views.DeliveryRow{
		Href: deliveryPath(d.ID), Channel: d.ChannelName, Kind: string(d.ChannelKind), Address: d.Address, State: string(d.State), Outcome: d.Outcome,
		Attempts: d.Attempts, CreatedAt: d.CreatedAt, Org: d.Connection,
	}
	switch d.Kind {
	case db.NoticeTest:
		row.What = "Test"
	case db.NoticeRecovered:
		row.What = "Over: " + d.Title
	default:
		row.What = d.Title
	}
	return row
}

// deliveries shows the log of notices.
func (s *Server) deliveries(w http.ResponseWriter, r *http.Request) error {
	shell, err := s.shell(w, r, "Delivery log", "alerts")
	if err != nil {
		return err
	}
	channels, err := s.DB.AlertChannels(r.Context())
	if err != nil {
		return err
	}
	const rows = 25
	q := r.URL.Query()
	f := db.DeliveryFilter{Limit: rows + 1}
	if id, err := strconv.ParseInt(q.Get("channel"), 10, 64); err == nil && id > 0 {
		f.ChannelID = id
	}
	if state := db.DeliveryState(q.Get("state")); slices.Contains(db.DeliveryStates, state) {
		f.State = state
	}
	if before, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil && before > 0 {
		f.BeforeID = before
	}
	list, err := s.DB.Deliveries(r.Context(), f)
	if err != nil {
		return err
	}
	v := views.Deliveries{Shell: shell, Tabs: alertTabs(shell, "deliveries"), State: string(f.State), Channels: []ui.Option{{Value: "", Label: "All channels"}}}
	for _, c := range channels {
		v.Channels = append(v.Channels, ui.Option{Value: strconv.FormatInt(c.ID, 10), Label: c.Name})
	}
	if f.ChannelID > 0 {
		v.Channel = strconv.FormatInt(f.ChannelID, 10)
	}
	here := func(before int64) string {
		q := url.Values{}
		for name, value := range map[string]string{"channel": v.Channel, "state": v.State} {
			if value != "" {
				q.Set(name, value)
			}
		}
		if before > 0 {
			q.Set("before", strconv.FormatInt(before, 10))
		}
		return withQuery(deliveriesPath, q)
	}
	v.Here = here(f.BeforeID)
	if len(list) > rows {
		list = list[:rows]
		v.Older = here(list[rows-1].ID)
	}
	if f.BeforeID > 0 {
		v.Newest = here(0)
	}
	for _, d := range list {
		v.Rows = append(v.Rows, deliveryRow(d))
		v.Waiting = v.Waiting || d.State.Pending()
	}
	v.Shell.Refresh = v.Waiting
	if len(list) == 0 {
		v.Empty = &views.Empty{Title: "No notices", Text: "Nothing was sent yet. Notices are queued when an alert begins and when it is over.", Href: channelsPath, Label: "See the channels"}
		if f.ChannelID > 0 || f.State != "" || f.BeforeID > 0 {
			v.Empty = &views.Empty{Title: "No such notices", Text: "There is no notice that fits.", Href: deliveriesPath, Label: "Show all notices"}
		}
	}
	return s.render(w, r, http.StatusOK, views.DeliveriesPage(v))
}

// delivery shows one notice with its attempts.
func (s *Server) delivery(w http.ResponseWriter, r *http.Request) error {
	d, err := s.DB.Delivery(r.Context(), pathID(r, "delivery"))
	if err != nil {
		return err
	}
	attempts, err := s.DB.Attempts(r.Context(), d.ID)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Notice", "alerts")
	if err != nil {
		return err
	}
	v := views.Delivery{
		Shell: shell, Tabs: alertTabs(shell, "deliveries"), Row: deliveryRow(d), MessageID: d.MessageID, By: d.RequestedBy, EndedAt: d.EndedAt,
		Title: d.Title, Text: d.Detail, Pending: d.State.Pending(),
	}
	if d.Kind == db.NoticeRecovered {
		v.Title, v.Text = "Over: "+d.Title, d.EndedText
	}
	if d.State == db.DeliveryQueued && d.Tries > 0 {
		v.NextAt = &d.NextAttemptAt
	}
	if !d.ChannelRemoved {
		v.ChannelHref = channelPath(d.ChannelID)
		if d.AddressRemoved {
			v.NotAgain = "It cannot be sent again: " + d.Address + " is no longer one of the channel's addresses. Add it to the channel first."
		} else if !d.State.Pending() {
			v.Redeliver = deliveryPath(d.ID) + "/redeliver"
		}
	}
	for _, a := range attempts {
		v.Attempts = append(v.Attempts, views.AttemptRow{N: a.N, At: a.At, Took: time.Duration(a.TookMS) * time.Millisecond, Code: a.Code, Excerpt: a.Excerpt, Said: a.Said})
	}
	v.Shell.Refresh = v.Pending
	return s.render(w, r, http.StatusOK, views.DeliveryPage(v))
}

// redeliver sends a notice again, once, however often it is asked for.
func (s *Server) redeliver(w http.ResponseWriter, r *http.Request) error {
	attempts, err := strconv.Atoi(r.PostForm.Get("attempts"))
	if err != nil {
		return badRequest("What the browser sent is not a form that this page sends.", err)
	}
	id := pathID(r, "delivery")
	queued, err := s.DB.Redeliver(r.Context(), id, attempts, visitOf(r).user.ID)
	if errors.Is(err, db.ErrAddressRemoved) {
		return &failure{status: http.StatusConflict, title: "The notice was not sent again", sentence: "It went to an address that is no longer one of the channel's. Add the address to the channel first, if it is to be written to again."}
	}
	if err != nil {
		return err
	}
	if !queued {
		return s.see(w, r, deliveryPath(id), "notice-not-again", "")
	}
	return s.see(w, r, deliveryPath(id), "notice-again", "")
}
