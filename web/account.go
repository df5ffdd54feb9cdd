package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/pipeline"
	"millrace/settings"
	"millrace/views"
	"millrace/views/ui"
)

// accountColumns are the list's columns: what they are sorted by in the address, and their heading.
var accountColumns = [][2]string{{"name", "Name"}, {"type", "Type"}, {"owner", "Owner"}, {"website", "Website"}, {"industry", "Industry"}, {"synced", "Last changed here"}}

// leftChoices are the values of the list's choice of leavers: with them, without them, or only them. Without a choice it goes by the connection.
var leftChoices = []string{"all", db.LeftNone, db.LeftOnly}

var pageSizes = []int{25, 50, 100}

// readAccountQuery takes the list's state from the address; what makes no sense is left at its default.
func readAccountQuery(connectionID int64, in url.Values) db.AccountQuery {
	q := db.AccountQuery{ConnectionID: connectionID, Search: strings.TrimSpace(in.Get("q")), Sort: "name", Page: 1, PerPage: pageSizes[0]}
	if runes := []rune(q.Search); len(runes) > 200 {
		q.Search = string(runes[:200])
	}
	q.Search = strings.ToValidUTF8(strings.ReplaceAll(q.Search, "\x00", ""), "")
	if t := settings.AccountType(in.Get("type")); slices.Contains(settings.AccountTypes, t) {
		q.Type = string(t)
	}
	if sort := in.Get("sort"); slices.ContainsFunc(accountColumns, func(c [2]string) bool { return c[0] == sort }) {
		q.Sort = sort
	}
	if left := in.Get("left"); slices.Contains(leftChoices, left) {
		q.Left = left
	}
	q.Desc = in.Get("dir") == "desc"
	if per, err := strconv.Atoi(in.Get("per")); err == nil && slices.Contains(pageSizes, per) {
		q.PerPage = per
	}
	if page, err := strconv.Atoi(in.Get("page")); err == nil && page > 1 {
		q.Page = min(page, db.MaxListed/q.PerPage)
	}
	return q
}

// accountsAddress is the address of a list; what is at its default is left out.
func accountsAddress(q db.AccountQuery) string {
	out := url.Values{}
	set := func(name, value string, is bool) {
		if is {
			out.Set(name, value)
		}
	}
	set("q", q.Search, q.Search != "")
	set("type", q.Type, q.Type != "")
	set("left", q.Left, q.Left != "")
	set("sort", q.Sort, q.Sort != "name" || q.Desc)
	set("dir", "desc", q.Desc)
	set("per", strconv.Itoa(q.PerPage), q.PerPage != pageSizes[0])
	set("page", strconv.Itoa(q.Page), q.Page > 1)
	return withQuery(orgPath(q.ConnectionID, "/accounts"), out)
}

// accounts lists a connection's accounts.
func (s *Server) accounts(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	shell, err := s.shell(w, r, "Accounts", "accounts")
	if err != nil {
		return err
	}
	banner, err := s.bannerView(r, c)
	if err != nil {
		return err
	}
	q := readAccountQuery(c.ID, r.URL.Query())
	rows, total, err := s.DB.Accounts(r.Context(), leaversOf(c, q))
	if err != nil {
		return err
	}
	if len(rows) == 0 && total > 0 { // past the end, since the list has become shorter
		q.Page = (total-1)/q.PerPage + 1
		return s.see(w, r, accountsAddress(q), "", "")
	}
	shell.Refresh = banner.Run != nil && banner.Run.State.Active()
	view := views.Accounts{
		Shell: shell, OrgName: ConnectionName(c), Banner: banner, Action: orgPath(c.ID, "/accounts"), Here: accountsAddress(q), Search: q.Search, Type: q.Type,
		Desc: q.Desc, PerPage: q.PerPage, Columns: sortable(q), Pages: accountPages(q, len(rows), total), WhyHref: orgPath(c.ID, "/accounts/why"),
	}
	if q.Sort != "name" {
		view.Sort = q.Sort
	}
	if view.Leavers, err = s.leavers(r, c, q); err != nil {
		return err
	}
	if q.Search != "" || q.Type != "" || q.Left != "" {
		view.ClearRef = accountsAddress(db.AccountQuery{ConnectionID: c.ID, Sort: "name", Page: 1, PerPage: q.PerPage})
	}
	if view.Rows, err = s.accountRows(r, c, rows); err != nil {
		return err
	}
	if total == 0 {
		view.Empty = noAccounts(q, banner, view.ClearRef, isAdmin(r))
	}
	return s.render(w, r, http.StatusOK, views.AccountsPage(view))
}

// accountRows are the rows of a page of accounts, with industries by their labels.
func (s *Server) accountRows(r *http.Request, c db.Connection, accounts []db.Account) ([]views.AccountRow, error) {
	industries := make([]string, len(accounts))
	for i, a := range accounts {
		industries[i] = a.Industry
	}
	labels, err := s.DB.Labels(r.Context(), c.ID, "Account", []string{"Industry"}, industries)
	if err != nil {
		return nil, err
	}
	var rows []views.AccountRow
	for _, a := range accounts {
		rows = append(rows, views.AccountRow{
			Name: a.Name, Href: orgPath(c.ID, "/accounts/"+a.SFID), Type: settings.AccountType(a.Type).Label(), Owner: a.OwnerName, Website: bareWebsite(a.Website),
			Industry: cmp.Or(labels["Industry"][a.Industry], a.Industry), Synced: a.LastSynced, LeftAt: a.LeftFilterAt, DeletedAt: a.DeletedAt,
		})
	}
	return rows, nil
}

// sortable makes the headings: a click sorts by one, a second click turns it round.
func sortable(q db.AccountQuery) []ui.Column {
	var out []ui.Column
	for _, c := range accountColumns {
		next := q
		next.Sort, next.Desc, next.Page = c[0], false, 1
		column := ui.Column{Label: c[1]}
		if q.Sort == c[0] {
			column.Order = "ascending"
			next.Desc = !q.Desc
			if q.Desc {
				column.Order = "descending"
			}
		}
		column.Href = accountsAddress(next)
		out = append(out, column)
	}
	return out
}

func accountPages(q db.AccountQuery, rows, total int) ui.Pages {
	pages := ui.Pages{From: (q.Page-1)*q.PerPage + 1, To: (q.Page-1)*q.PerPage + rows, Total: total, Noun: "account", Nouns: "accounts", PerPage: q.PerPage}
	at := func(page int) string {
		other := q
		other.Page = page
		return accountsAddress(other)
	}
	if q.Page > 1 {
		pages.Prev = at(q.Page - 1)
	}
	if pages.To < min(total, db.MaxListed) {
		pages.Next = at(q.Page + 1)
	} else if total > db.MaxListed {
		pages.Note = "The list ends here; search or sort to reach the rest."
	}
	// A search is counted no further than this.
	if total > db.MaxListed && (q.Search != "" || q.Type != "") {
		pages.Total, pages.More = db.MaxListed, true
	}
	for _, size := range pageSizes {
		other := q
		other.PerPage, other.Page = size, 1
		pages.Sizes = append(pages.Sizes, ui.PageSize{Rows: size, Href: accountsAddress(other)})
	}
	return pages
}

// noAccounts names the cause of an empty list and the next step.
func noAccounts(q db.AccountQuery, banner views.Banner, clear string, admin bool) *views.Empty {
	why := ""
	if q.Search != "" {
		why = withQuery(orgPath(q.ConnectionID, "/accounts/why"), url.Values{"q": {q.Search}})
	}
	settingsPath := orgPath(q.ConnectionID, "/settings/account-filtering")
	switch {
	case q.Left == db.LeftOnly && q.Search == "" && q.Type == "" && banner.Run != nil:
		return &views.Empty{Title: "No account has left the filter", Text: "All synced accounts are up to date.", Href: clear, Label: "Show all accounts"}
	case q.Search != "" || q.Type != "" || q.Left != "" && banner.Run != nil:
		return &views.Empty{Title: "No account matches", Text: "No synced account fits this search.", Href: clear, Label: "Show all accounts", Why: why}
	case banner.Run == nil && admin:
		return &views.Empty{Title: "Nothing was synced yet", Text: "The first sync starts by itself when the account filter is saved.", Href: settingsPath, Label: "Set the account filter"}
	case banner.Run == nil:
		return &views.Empty{Title: "Nothing was synced yet", Text: "The first sync starts by itself when an admin saves the account filter."}
	case banner.Run.State.Active():
		return &views.Empty{Title: "The sync is under way", Text: "The first accounts show up here as soon as their page is stored."}
	case banner.Run.State == views.RunCompleted && admin:
		return &views.Empty{Title: "The filter matched nothing", Text: "The last sync completed, but no account in the org fits the filter.", Href: settingsPath, Label: "Loosen the account filter"}
	case banner.Run.State == views.RunCompleted:
		return &views.Empty{Title: "The filter matched nothing", Text: "The last sync completed, but no account in the org fits the filter. An admin can loosen it."}
	}
	return &views.Empty{Title: "No accounts yet", Text: "The last sync did not come to its end.", Href: banner.Run.Href, Label: "See why"}
}

// account shows one account with its contacts and opportunities. A 15-character Id in the address leads to the 18-character one.
func (s *Server) account(w http.ResponseWriter, r *http.Request) error {
	c, err := s.connection(r)
	if err != nil {
		return err
	}
	a, err := s.DB.Account(r.Context(), c.ID, r.PathValue("sfid"))
	if err != nil {
		return err
	}
	if a.SFID != r.PathValue("sfid") {
		return s.see(w, r, orgPath(c.ID, "/accounts/"+a.SFID), "", "")
	}
	shell, err := s.shell(w, r, a.Name, "accounts")
	if err != nil {
		return err
	}
	view := views.Account{
		Shell: shell, Name: a.Name, ID: a.SFID, OrgHref: recordURL(c, a.SFID), ListHref: orgPath(c.ID, "/accounts"), Type: settings.AccountType(a.Type).Label(),
		SFType: a.SFType, Industry: a.Industry, Website: a.Website, Domain: a.Domain, Description: a.Description,
		Synced: a.LastSynced, LeftAt: a.LeftFilterAt, DeletedAt: a.DeletedAt,
	}
	if view.Merged, err = s.survivor(r.Context(), c, "account", "/accounts/", a.MergedInto); err != nil {
		return err
	}
	if view.Shell.Title == "" {
		view.Shell.Title = "Account"
	}
	if a.LeftFilterAt != nil {
		if by, err := s.DB.RunByID(r.Context(), a.LastSeenRun); err == nil && by.Entity == pipeline.EntityUndo {
			view.WithdrawnBy = views.RunLine{ShortID: by.OfRun, Href: runPath(c.ID, by.ShortID)}
		}
	}
	ages, err := s.formulaAges(r, c)
	if err != nil {
		return err
	}
	if err := s.addDetail(r, c, ages, &view); err != nil {
		return err
	}
	offsets := map[string]int{"contacts": readOffset(r, "contacts"), "opportunities": readOffset(r, "opportunities"), "activities": readOffset(r, "activities")}
	objects, err := s.DB.AccountObjects(r.Context(), c.ID, a.SFID)
	if err != nil {
		return err
	}
	for _, o := range objects {
		offsets[recordsKey(o.Object)] = readOffset(r, recordsKey(o.Object))
	}
	if err := s.addRecords(r, c, objects, offsets, ages, &view); err != nil {
		return err
	}
	if err := s.addActivities(r, c, offsets, &view); err != nil {
		return err
	}
	people, n, err := s.DB.AccountContacts(r.Context(), c.ID, a.SFID, relatedRows, offsets["contacts"])
	if err != nil {
		return err
	}
	for _, p := range people {
		row := contactRow(c, p)
		row.Skipped = p.Skipped
		view.Contacts = append(view.Contacts, row)
	}
	if view.ContactsSkipped, err = s.contactsSkipped(r, c, a); err != nil {
		return err
	}
	view.ContactsTotal, view.ContactPages = n, relatedPages(r, offsets, "contacts", len(people), n, "contact")
	deals, n, err := s.DB.AccountOpportunities(r.Context(), c.ID, a.SFID, relatedRows, offsets["opportunities"])
	if err != nil {
		return err
	}
	for _, d := range deals {
		view.Opportunities = append(view.Opportunities, opportunityRow(c, d))
	}
	view.OpportunitiesTotal, view.OpportunityPages = n, relatedPages(r, offsets, "opportunities", len(deals), n, "opportunity")
	if view.Timeline, err = s.timeline(r, c, a.SFID); err != nil {
		return err
	}
	if err := s.addMissing(r, c, &view); err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, views.AccountPage(view))
}

// contactsSkipped says how many of the account's contacts the sync skips, and why.
func (s *Server) contactsSkipped(r *http.Request, c db.Connection, a db.Account) ([]string, error) {
	skips, err := s.DB.AccountSkips(r.Context(), c.ID, a.SFID)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, k := range skips {
		if k.Object == "Contact" {
			out = append(out, ui.Plural(k.N, "contact is", "contacts are")+" skipped: "+lowerFirst(k.Reason)+".")
		}
	}
	return out, nil
}

// lowerFirst makes a sentence fit into the middle of another.
func lowerFirst(s string) string { return strings.ToLower(s[:min(1, len(s))]) + s[min(1, len(s)):] }
