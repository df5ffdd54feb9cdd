package sim

import (
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

// maxSegments is how many pieces the body of a post may have.
const maxSegments = 10_000

// chatterResources are the part of the Connect REST API that reads and writes feeds.
var chatterResources = func() (list []resource) {
	for _, base := range [...]string{"chatter", "connect"} {
		list = append(list,
			resource{"GET", base + "/users/me", (*request).chatterMe},
			resource{"GET", base + "/feeds/record/*/feed-elements", (*request).recordFeed},
			resource{"POST", base + "/feed-elements", (*request).postElement},
			resource{"GET,DELETE", base + "/feed-elements/*", (*request).feedElement},
			resource{"GET,POST", base + "/feed-elements/*/capabilities/comments/items", (*request).elementComments})
	}
	return list
}()

// chatterUser is a person as feeds show one.
func (rq *request) chatterUser(v value) map[string]any {
	w := rq.world
	users, row := w.target(v)
	if users == nil || users.name != "User" {
		return nil
	}
	id := v.text()
	text := func(name string) any { return w.get(users, users.field(name), row).any() }
	return map[string]any{"id": id, "name": text("Name"), "displayName": text("Name"), "firstName": text("FirstName"), "lastName": text("LastName"), "title": text("Title"),
		"isActive": text("IsActive"), "type": "User", "userType": "Internal", "companyName": text("CompanyName"), "url": rq.root + "/chatter/users/" + id}
}

func (rq *request) chatterMe() error {
	return rq.json(http.StatusOK, rq.chatterUser(idValue(rowID(prefixUser, rq.session.user))))
}

// textBody is a text as feeds show one.
func textBody(text string, rich bool) map[string]any {
	segments := []any{}
	if text != "" {
		segments = append(segments, map[string]any{"type": "Text", "text": text})
	}
	return map[string]any{"text": text, "isRichText": rich, "messageSegments": segments}
}

// element is a feed item as the API shows it.
func (rq *request) element(row int) map[string]any {
	w := rq.world
	items := w.object("FeedItem")
	get := func(name string) value { return w.get(items, items.field(name), row) }
	id := idText(items.id(row))
	var parent any
	if o, at := w.target(get("ParentId")); o != nil {
		name := any(nil)
		if f := o.nameField(); f != nil {
			name = w.get(o, f, at).any()
		}
		parent = map[string]any{"id": get("ParentId").text(), "type": o.name, "name": name, "url": rq.root + "/sobjects/" + o.name + "/" + get("ParentId").text()}
	}
	comments := rq.comments(row)
	url := rq.root + "/chatter/feed-elements/" + id
	return map[string]any{
		"id": id, "type": get("Type").any(), "feedElementType": "FeedItem", "createdDate": get("CreatedDate").any(), "modifiedDate": get("LastModifiedDate").any(),
		"actor": rq.chatterUser(get("InsertedById")), "body": textBody(get("Body").text(), get("IsRichText").isTrue()), "parent": parent, "url": url,
		"visibility": get("Visibility").any(), "capabilities": map[string]any{"comments": map[string]any{"page": map[string]any{
			"items": comments, "total": len(comments), "currentPageUrl": url + "/capabilities/comments/items", "nextPageUrl": nil}}},
	}
}

// comments are those of a feed item, oldest first.
func (rq *request) comments(item int) []map[string]any {
	w := rq.world
	items, o := w.object("FeedItem"), w.object("FeedComment")
	list := []map[string]any{}
	for _, row := range w.children(o, o.field("FeedItemId"), items).of(item) {
		if w.table(o).alive(int(row)) {
			list = append(list, rq.comment(int(row)))
		}
	}
	return list
}

func (rq *request) comment(row int) map[string]any {
	w := rq.world
	o := w.object("FeedComment")
	get := func(name string) value { return w.get(o, o.field(name), row) }
	id := idText(o.id(row))
	return map[string]any{"id": id, "type": get("CommentType").any(), "createdDate": get("CreatedDate").any(), "user": rq.chatterUser(get("InsertedById")),
		"body": textBody(get("CommentBody").text(), get("IsRichText").isTrue()), "feedElement": map[string]any{"id": get("FeedItemId").any()},
		"url": rq.root + "/chatter/comments/" + id}
}

// recordFeed serves the feed of a record, newest first.
func (rq *request) recordFeed() error {
	id, _ := parseID(rq.seg[3])
	parent, row := rq.world.find(id)
	if parent == nil || !rq.world.may(parent, mayRead) || !rq.world.table(parent).alive(row) {
		return notFound()
	}
	size := 25
	if n, err := strconv.Atoi(rq.query.Get("pageSize")); err == nil {
		size = min(max(n, 1), 100)
	}
	from, _ := strconv.Atoi(rq.query.Get("page")) // no page is the first
	w := rq.world
	items := w.object("FeedItem")
	all := w.children(items, items.field("ParentId"), parent).of(row)
	elements, at := []map[string]any{}, 0
	var next any
	for i := len(all) - 1; i >= 0; i-- {
		if !w.table(items).alive(int(all[i])) {
			continue
		}
		if at++; at <= from {
			continue
		}
		if len(elements) == size {
			next = strconv.Itoa(from + size)
			break
		}
		elements = append(elements, rq.element(int(all[i])))
	}
	url := rq.root + "/chatter/feeds/record/" + idText(id) + "/feed-elements"
	out := map[string]any{"elements": elements, "currentPageUrl": fmt.Sprintf("%s?page=%d&pageSize=%d", url, from, size), "currentPageToken": strconv.Itoa(from),
		"nextPageToken": next, "nextPageUrl": nil, "updatesUrl": nil}
	if next != nil {
		out["nextPageUrl"] = fmt.Sprintf("%s?page=%s&pageSize=%d", url, next, size)
	}
	return rq.json(http.StatusOK, out)
}

// messageBody is the body of a post or comment as callers send it.
type messageBody struct {
	MessageSegments []struct{ Type, Text, ID, Tag, URL, MarkupType string }
}

// text writes the segments out: mentions by name, markup as tags. rich tells whether there is any markup.
func (rq *request) text(b messageBody) (text string, rich bool, err error) {
	if len(b.MessageSegments) == 0 || len(b.MessageSegments) > maxSegments {
		return "", false, badRequest("INVALID_INPUT", "The request body must have message segments")
	}
	var out strings.Builder
	for _, s := range b.MessageSegments {
		rich = rich || s.Type == "MarkupBegin"
	}
	tags := map[string]string{"Paragraph": "p", "Bold": "b", "Italic": "i", "Underline": "u", "Strikethrough": "s", "OrderedList": "ol", "UnorderedList": "ul", "ListItem": "li"}
	plain := func(t string) string {
		if rich {
			return html.EscapeString(t)
		}
		return t
	}
	for _, s := range b.MessageSegments {
		switch s.Type {
		case "Text":
			out.WriteString(plain(s.Text))
		case "Mention":
			id, ok := parseID(s.ID)
			user := rq.chatterUser(idValue(id))
			if !ok || user == nil {
				return "", false, badRequest("INVALID_ID_FIELD", "Invalid identifier: %s", s.ID)
			}
			out.WriteString(plain(fmt.Sprint("@", user["name"])))
		case "Link":
			out.WriteString(plain(s.URL))
		case "Hashtag":
			out.WriteString(plain("#" + s.Tag))
		case "MarkupBegin":
			out.WriteString("<" + tags[s.MarkupType] + ">")
		case "MarkupEnd":
			out.WriteString("</" + tags[s.MarkupType] + ">")
		default:
			return "", false, badRequest("INVALID_INPUT", "Unknown segment type: %s", s.Type)
		}
	}
	return out.String(), rich, nil
}

// postElement serves a new post on a record.
func (rq *request) postElement() error {
	var in struct {
		FeedElementType, SubjectID string
		Body                       messageBody
	}
	if err := rq.decode(&in); err != nil {
		return err
	}
	text, rich, err := rq.text(in.Body)
	if err != nil {
		return err
	}
	subject := in.SubjectID
	if subject == "me" {
		subject = idText(rowID(prefixUser, rq.session.user))
	}
	row, err := rq.write("FeedItem", map[string]any{"ParentId": subject, "Body": text, "IsRichText": rich, "Type": "TextPost"})
	if err != nil {
		return err
	}
	return rq.json(http.StatusCreated, rq.element(row))
}

// write adds a record for the caller and looks at the org anew.
func (rq *request) write(object string, in map[string]any) (row int, err error) {
	err = rq.change(false, func(t *tx) error {
		row, err = t.insert(t.w.object(object), in)
		return err
	})
	rq.world = rq.org.world.Load().as(rq.session.user)
	return row, err
}

// feedElement serves one post.
func (rq *request) feedElement() error {
	items := rq.world.object("FeedItem")
	row, err := (&tx{w: rq.world}).alive(items, rq.seg[2])
	if err != nil {
		return err
	}
	if rq.r.Method == http.MethodGet {
		return rq.json(http.StatusOK, rq.element(row))
	}
	if err := rq.change(false, func(t *tx) error { return t.discard(items, row) }); err != nil {
		return err
	}
	rq.w.WriteHeader(http.StatusNoContent)
	return nil
}

// elementComments serves the comments of a post, and a new one.
func (rq *request) elementComments() error {
	row, err := (&tx{w: rq.world}).alive(rq.world.object("FeedItem"), rq.seg[2])
	if err != nil {
		return err
	}
	if rq.r.Method == http.MethodGet {
		list := rq.comments(row)
		return rq.json(http.StatusOK, map[string]any{"items": list, "total": len(list), "nextPageUrl": nil, "nextPageToken": nil})
	}
	var in struct{ Body messageBody }
	if err := rq.decode(&in); err != nil {
		return err
	}
	text, rich, err := rq.text(in.Body)
	if err != nil {
		return err
	}
	comment, err := rq.write("FeedComment", map[string]any{"FeedItemId": rq.seg[2], "CommentBody": text, "IsRichText": rich})
	if err != nil {
		return err
	}
	return rq.json(http.StatusCreated, rq.comment(comment))
}
