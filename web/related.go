package web

import (
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"millrace/db"
	"millrace/views"
	"millrace/views/ui"
)

// relatedRows is how many contacts and opportunities an account's page shows at a time.
const relatedRows = 50

func contactRow(c db.Connection, p db.Contact) views.ContactRow {
	return views.ContactRow{
		Name: strings.TrimSpace(p.FirstName + " " + p.LastName), Href: recordURL(c, p.SFID), Title: p.Title, Email: p.Email, Phone: p.Phone,
		Left: p.LeftFilterAt != nil, Deleted: p.DeletedAt != nil,
	}
}

func opportunityRow(c db.Connection, o db.Opportunity) views.OpportunityRow {
	row := views.OpportunityRow{
		Name: o.Name, Href: recordURL(c, o.SFID), Stage: o.Stage, Amount: money(o.Amount, o.Currency), Open: !o.IsClosed, Won: o.IsWon,
		Left: o.LeftFilterAt != nil, Deleted: o.DeletedAt != nil,
	}
	if o.CloseDate != nil {
		row.CloseDate = o.CloseDate.Format("2006-01-02")
	}
	return row
}

// bareWebsite drops from an address what says nothing in a list.
func bareWebsite(address string) string {
	address = strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	return strings.TrimSuffix(strings.TrimPrefix(address, "www."), "/")
}

// money writes an amount, as Postgres writes a numeric, with separators, rounded to two decimals, and its currency.
func money(exact *string, currency string) string {
	if exact == nil {
		return ""
	}
	return strings.TrimSpace(currency + " " + cents(*exact))
}

// cents rounds a decimal number to two places, halves away from zero, and sets thousands apart. It works on the text, so that no digit is lost; what is no number stays.
func cents(exact string) string {
	amount, negative := strings.CutPrefix(exact, "-")
	whole, places, _ := strings.Cut(amount, ".")
	n, ok := new(big.Int).SetString(whole+(places + "00")[:2], 10)
	if !ok || strings.Trim(whole+places, "0123456789") != "" {
		return exact
	}
	if len(places) > 2 && places[2] >= '5' {
		n.Add(n, big.NewInt(1))
	}
	text := n.String()
	text = strings.Repeat("0", max(0, 3-len(text))) + text
	at := len(text) - 2
	text = text[:at] + "." + text[at:]
	for at -= 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	if negative && n.Sign() != 0 {
		text = "-" + text
	}
	return text
}

func readOffset(r *http.Request, name string) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 0 || n > 10_000_000 {
		return 0
	}
	return n - n%relatedRows
}

// relatedPages makes the foot of one of an account's lists; the other list stays where it is.
func relatedPages(r *http.Request, offsets map[string]int, name string, rows, total int, noun string) ui.Pages {
	at := offsets[name]
	pages := ui.Pages{From: at + 1, To: at + rows, Total: total, Noun: noun, Nouns: name}
	link := func(offset int) string {
		q := url.Values{}
		for other, n := range offsets {
			if other == name {
				n = offset
			}
			if n > 0 {
				q.Set(other, strconv.Itoa(n))
			}
		}
		return withQuery(r.URL.Path, q) + "#" + name
	}
	if at > 0 {
		pages.Prev = link(max(0, at-relatedRows))
	}
	if pages.To < total {
		pages.Next = link(at + relatedRows)
	}
	return pages
}
