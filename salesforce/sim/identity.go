package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

func (o *Org) identityURL(r *http.Request, user int) string {
	return o.origin(r) + "/id/" + o.orgID + "/" + idText(rowID(prefixUser, user))
}

// userRecord returns all fields of a user.
func (o *Org) userRecord(row int) map[string]any {
	w := o.world.Load()
	return w.recordMap(w.object("User"), row)
}

// serveIdentity serves the identity URL and the OpenID discovery document.
func (o *Org) serveIdentity(w http.ResponseWriter, r *http.Request, seg []string) {
	if seg[0] == ".well-known" {
		base := o.origin(r)
		writeJSON(w, http.StatusOK, map[string]any{
			"issuer": base, "authorization_endpoint": base + "/services/oauth2/authorize", "token_endpoint": base + "/services/oauth2/token",
			"revocation_endpoint": base + "/services/oauth2/revoke", "userinfo_endpoint": base + "/services/oauth2/userinfo",
			"introspection_endpoint": base + "/services/oauth2/introspect", "jwks_uri": base + "/id/keys", "scopes_supported": appScopes,
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"code_challenge_methods_supported": []string{"S256"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		}, false)
		return
	}
	if len(seg) == 2 && seg[1] == "keys" {
		writeJSON(w, http.StatusOK, map[string]any{"keys": []any{}}, false)
		return
	}
	token := bearer(r)
	if token == "" {
		token = r.URL.Query().Get("oauth_token")
	}
	if token == "" {
		plain(w, http.StatusForbidden, "Missing_OAuth_Token")
		return
	}
	s := o.live(token)
	if s == nil {
		plain(w, http.StatusForbidden, "Bad_OAuth_Token")
		return
	}
	if len(seg) != 3 {
		plain(w, http.StatusNotFound, "Bad_Id")
		return
	}
	orgID, orgOK := parseID(seg[1])
	userID, userOK := parseID(seg[2])
	prefix, row := splitID(userID)
	if !orgOK || !userOK || idText(orgID) != o.orgID || prefix != prefixUser || row != s.user {
		plain(w, http.StatusNotFound, "Bad_Id")
		return
	}
	body, _ := json.Marshal(o.identity(r, row)) // a map of plain values
	if callback := r.URL.Query().Get("callback"); callback != "" && isName(callback) {
		w.Header().Set("Content-Type", "application/javascript;charset=UTF-8")
		_, _ = fmt.Fprintf(w, "%s(%s);", callback, body) // only fails when the caller is gone
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_, _ = w.Write(body) // only fails when the caller is gone
}

func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if digit62[c] == 0 && c != '_' && c != '.' && c != '$' {
			return false
		}
	}
	return true
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // only fails when the caller is gone
}

// identity is the body of the identity URL.
func (o *Org) identity(r *http.Request, row int) map[string]any {
	u := o.userRecord(row)
	base, id := o.origin(r), idText(rowID(prefixUser, row))
	version := r.URL.Query().Get("version")
	switch version {
	case "":
		version = "{version}"
	case "latest":
		version = fmt.Sprintf("%d.0", maxVersion)
	}
	rest := base + "/services/data/v" + version + "/"
	return map[string]any{
		"id": o.identityURL(r, row), "asserted_user": true, "user_id": id, "organization_id": o.orgID, "username": u["Username"], "nick_name": u["CommunityNickname"],
		"display_name": u["Name"], "email": u["Email"], "email_verified": true, "first_name": u["FirstName"], "last_name": u["LastName"],
		"timezone": u["TimeZoneSidKey"], "photos": map[string]any{"picture": base + "/profilephoto/005/F", "thumbnail": base + "/profilephoto/005/T"},
		"addr_street": nil, "addr_city": nil, "addr_state": nil, "addr_country": "US", "addr_zip": nil, "mobile_phone": nil, "mobile_phone_verified": false,
		"is_lightning_login_user": false, "status": map[string]any{"created_date": nil, "body": nil},
		"urls": map[string]any{
			"enterprise": base + "/services/Soap/c/" + version + "/" + o.orgID[:15], "metadata": base + "/services/Soap/m/" + version + "/" + o.orgID[:15],
			"partner": base + "/services/Soap/u/" + version + "/" + o.orgID[:15], "rest": rest, "sobjects": rest + "sobjects/", "search": rest + "search/",
			"query": rest + "query/", "recent": rest + "recent/", "tooling_soap": base + "/services/Soap/T/" + version + "/" + o.orgID[:15],
			"tooling_rest": rest + "tooling/", "profile": base + "/" + id, "feeds": rest + "chatter/feeds", "groups": rest + "chatter/groups",
			"users": rest + "chatter/users", "feed_items": rest + "chatter/feed-items", "feed_elements": rest + "chatter/feed-elements", "custom_domain": base,
		},
		"active": u["IsActive"], "user_type": "STANDARD", "language": u["LanguageLocaleKey"], "locale": u["LocaleSidKey"], "utcOffset": o.utcOffset(),
		"last_modified_date": u["LastModifiedDate"], "is_app_installed": true,
	}
}

// utcOffset is the zone's offset in milliseconds without daylight saving.
func (o *Org) utcOffset() int {
	_, offset := time.Date(o.now().Year(), time.January, 1, 0, 0, 0, 0, o.zone).Zone()
	return offset * 1000
}

// userInfo serves GET /services/oauth2/userinfo.
func (o *Org) userInfo(w http.ResponseWriter, r *http.Request) {
	s := o.live(bearer(r))
	if s == nil {
		plain(w, http.StatusForbidden, "Bad_OAuth_Token")
		return
	}
	u := o.userRecord(s.user)
	id := o.identity(r, s.user)
	writeJSON(w, http.StatusOK, map[string]any{
		"sub": id["id"], "user_id": id["user_id"], "organization_id": o.orgID, "preferred_username": u["Username"], "nickname": u["CommunityNickname"],
		"name": u["Name"], "email": u["Email"], "email_verified": true, "given_name": u["FirstName"], "family_name": u["LastName"],
		"zoneinfo": u["TimeZoneSidKey"], "photos": id["photos"], "profile": o.origin(r) + "/" + idText(rowID(prefixUser, s.user)),
		"picture": o.origin(r) + "/profilephoto/005/F", "urls": id["urls"], "active": u["IsActive"], "user_type": "STANDARD",
		"language": u["LanguageLocaleKey"], "locale": u["LocaleSidKey"], "utcOffset": o.utcOffset(), "updated_at": u["LastModifiedDate"],
		"is_app_installed": true,
	}, false)
}

// resourceList serves /services/data/vXX.0.
func (rq *request) resourceList() error {
	m := map[string]any{"identity": rq.org.identityURL(rq.r, rq.session.user)}
	for _, name := range strings.Fields("sobjects query queryAll search limits composite tooling metadata chatter connect jobs recent tabs theme quickActions process analytics") {
		m[name] = rq.root + "/" + name
	}
	return rq.json(http.StatusOK, m)
}

// releaseLabel names the release that brought an API version, such as Spring '26 for 66.
func releaseLabel(version int) string {
	return fmt.Sprintf("%s '%02d", [...]string{"Spring", "Summer", "Winter"}[version%3], (version+1)/3+4)
}

// versions serves /services/data, which needs no sign-in.
func (o *Org) versions(w http.ResponseWriter, r *http.Request) {
	var list []map[string]string
	for v := minVersion; v <= maxVersion; v++ {
		list = append(list, map[string]string{"label": releaseLabel(v), "url": fmt.Sprintf("/services/data/v%d.0", v), "version": fmt.Sprintf("%d.0", v)})
	}
	writeJSON(w, http.StatusOK, list, r.Header.Get("X-PrettyPrint") == "1")
}
