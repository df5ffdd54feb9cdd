package sim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"millrace/salesforce/sim"
)

// TestSearch compares what searches find in a handful of records.
func TestSearch(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: -1})
	c := serve(t, org)
	for _, name := range []string{"Acme Rockets", "Acme Anvils", "Rocket Science", "Zoë's Bäckerei"} {
		insert(t, org, "Account", row{"Name": name, "Site": "North"})
	}
	insert(t, org, "Contact", row{"LastName": "Acme", "Email": "rockets@example.com", "Phone": "555 0100"})
	names := func(a answer) string {
		var out []string
		var found struct{ SearchRecords []map[string]any }
		_ = json.Unmarshal([]byte(a.body), &found) // a failure shows as the answer below
		if a.status != 200 {
			return fmt.Sprint(a)
		}
		for _, r := range found.SearchRecords {
			out = append(out, fmt.Sprint(r["Name"]))
		}
		return strings.Join(out, ", ")
	}
	for sosl, want := range map[string]string{
		"FIND {acme} RETURNING Account(Name)":                                                     "Acme Rockets, Acme Anvils",
		"FIND {acme} IN NAME FIELDS RETURNING Account(Name), Contact(Name LIMIT 1)":               "Acme Rockets, Acme Anvils, Acme",
		"find {rockets} in email fields returning Account(Name), Contact(Id, Name)":               "Acme",
		"FIND {rocket*} RETURNING Account(Name ORDER BY Name DESC)":                               "Rocket Science, Acme Rockets",
		"FIND {acme AND rockets} RETURNING Account(Name)":                                         "Acme Rockets",
		"FIND {anvils OR science} RETURNING Account (Name)":                                       "Acme Anvils, Rocket Science",
		"FIND {acme AND NOT anvils} RETURNING Account(Name)":                                      "Acme Rockets",
		`FIND {"rocket science"} RETURNING Account(Name)`:                                         "Rocket Science",
		`FIND {"science rocket"} RETURNING Account(Name)`:                                         "",
		"FIND {north} RETURNING Account(Name WHERE Name LIKE '%, (%' OR Name = 'Rocket Science')": "Rocket Science",
		"FIND {acme} RETURNING Account(Name), Contact(Name) LIMIT 2":                              "Acme Rockets, Acme Anvils",
		"FIND {b?ckerei} RETURNING Account(Name)":                                                 "Zoë's Bäckerei",
		"FIND {0100} IN PHONE FIELDS RETURNING Contact(Name)":                                     "Acme",
		"FIND {nothing}": "",
	} {
		if got := names(c.get("/services/data/v66.0/search?q=" + url.QueryEscape(sosl))); got != want {
			t.Errorf("%s: %s, want %s", sosl, got, want)
		}
	}
	if a := c.get("/services/data/v66.0/search?q=" + url.QueryEscape("FIND {Acme}")); strings.Count(a.body, `"type":"Account"`) != 2 || strings.Count(a.body, `"type":"Contact"`) != 1 {
		t.Errorf("without RETURNING: %v", a)
	}
	for sosl, want := range map[string]string{
		"": "MALFORMED_SEARCH", "FIND acme": "MALFORMED_SEARCH", "FIND {a}": "MALFORMED_SEARCH", "FIND {acme} IN SOME FIELDS": "MALFORMED_SEARCH", "FIND {acme} NONSENSE": "MALFORMED_SEARCH",
		"FIND {acme} RETURNING Nope(Id)": "INVALID_TYPE", "FIND {acme} RETURNING Account(Nope)": "INVALID_FIELD", "FIND {acme} LIMIT x": "MALFORMED_SEARCH",
	} {
		if a := c.get("/services/data/v66.0/search?q=" + url.QueryEscape(sosl)); a.status != 400 || !strings.Contains(a.body, want) {
			t.Errorf("%q: %v, want %s", sosl, a, want)
		}
	}
	if got := names(c.get("/services/data/v66.0/parameterizedSearch?q=acme&sobject=Account&Account.fields=id,Name&Account.limit=1&sobject=Contact&Contact.fields=Name")); got != "Acme Rockets, Acme" {
		t.Errorf("by parameters: %s", got)
	}
	if got := names(c.do("POST", "/services/data/v66.0/parameterizedSearch", `{"q":"acme","fields":["Name"],"sobjects":[{"name":"Account","where":"Name LIKE '%Anv%'"}],"in":"NAME"}`)); got != "Acme Anvils" {
		t.Errorf("by body: %s", got)
	}
}

// TestFeeds posts on a record, comments on the post, reads both back in pages and deletes the post.
func TestFeeds(t *testing.T) {
	t.Parallel()
	org := newOrg(t, sim.Options{Accounts: -1})
	c := serve(t, org)
	account := insert(t, org, "Account", row{"Name": "A"})
	user := org.Credentials().UserID
	const data = "/services/data/v66.0"
	post := func(body string) answer {
		return c.do("POST", data+"/chatter/feed-elements", `{"feedElementType":"FeedItem","subjectId":"`+account+`","body":{"messageSegments":[`+body+`]}}`)
	}
	a := post(`{"type":"Text","text":"Hello "},{"type":"Mention","id":"` + user + `"}`)
	if a.status != 201 || a.json()["body"].(map[string]any)["text"] != "Hello @Integration User" || a.json()["parent"].(map[string]any)["name"] != "A" {
		t.Fatalf("post: %v", a)
	}
	first := a.json()["id"].(string)
	if a := post(`{"type":"MarkupBegin","markupType":"Bold"},{"type":"Text","text":"a<b"},{"type":"MarkupEnd","markupType":"Bold"}`); a.status != 201 ||
		org.Record(a.json()["id"].(string))["Body"] != "<b>a&lt;b</b>" || org.Record(a.json()["id"].(string))["IsRichText"] != true {
		t.Errorf("rich text: %v", a)
	}
	for _, bad := range []string{"", `{"type":"Mention","id":"005000000000001AAA"}`, `{"type":"Nope"}`} {
		if a := post(bad); a.status != 400 {
			t.Errorf("%s: %v", bad, a)
		}
	}
	comments := data + "/chatter/feed-elements/" + first + "/capabilities/comments/items"
	if a := c.do("POST", comments, `{"body":{"messageSegments":[{"type":"Text","text":"Yes"}]}}`); a.status != 201 || a.json()["body"].(map[string]any)["text"] != "Yes" {
		t.Errorf("comment: %v", a)
	}
	if a := c.get(comments); a.json()["total"] != 1.0 {
		t.Errorf("comments: %v", a)
	}
	page := c.get(data + "/connect/feeds/record/" + account + "/feed-elements?pageSize=1")
	if e := page.json()["elements"].([]any); len(e) != 1 || page.json()["nextPageToken"] != "1" || e[0].(map[string]any)["id"] == first {
		t.Errorf("first page: %v", page)
	}
	page = c.get(page.json()["nextPageUrl"].(string))
	if e := page.json()["elements"].([]any); len(e) != 1 || page.json()["nextPageUrl"] != nil || e[0].(map[string]any)["id"] != first {
		t.Errorf("second page: %v", page)
	}
	if a := c.do("DELETE", data+"/chatter/feed-elements/"+first, ""); a.status != 204 || c.get(data+"/chatter/feed-elements/"+first).status != 404 {
		t.Errorf("delete: %v", a)
	}
	if a := c.get(data + "/chatter/users/me"); a.json()["id"] != user {
		t.Errorf("me: %v", a)
	}
}
