package salesforce

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

var identityPath = regexp.MustCompile(`^/id/00D[A-Za-z0-9]{12,15}/005[A-Za-z0-9]{12,15}$`)

// Identity returns the connected user and org, from the identity service and the Organization record. The identity service is asked at the instance:
// of the identity URL only the path is used, so that the access token goes to no other host.
func (c *Client) Identity(ctx context.Context) (Identity, error) {
	token, err := c.cfg.Token(ctx)
	if err != nil {
		return Identity{}, err
	}
	u, err := url.Parse(token.IdentityURL)
	if err != nil || !identityPath.MatchString(u.Path) {
		return Identity{}, &AnswerError{Path: "/id", Reason: "the token has no usable identity URL"}
	}
	var user struct {
		UserID      string `json:"user_id"`
		OrgID       string `json:"organization_id"`
		Username    string `json:"username"`
		DisplayName string `json:"display_name"`
		Email       string `json:"email"`
		TimeZone    string `json:"timezone"`
		Locale      string `json:"locale"`
	}
	q := request{method: http.MethodGet, path: u.Path, query: url.Values{"version": {"latest"}, "format": {"json"}}}
	if err := c.json(ctx, q, &user); err != nil {
		return Identity{}, err
	}
	if !recordID.MatchString(user.OrgID) || !recordID.MatchString(user.UserID) {
		return Identity{}, &AnswerError{Path: u.Path, Reason: "it names no user and org"}
	}
	id := Identity{OrgID: user.OrgID, UserID: user.UserID, Username: user.Username, DisplayName: user.DisplayName, Email: user.Email,
		TimeZone: user.TimeZone, Locale: user.Locale}
	r, err := c.Query(ctx, "SELECT Id, Name, OrganizationType, InstanceName, IsSandbox FROM Organization LIMIT 1")
	if err != nil {
		return Identity{}, err
	}
	if len(r.Records) != 1 {
		return Identity{}, &AnswerError{Path: c.data("/query"), Reason: "the org does not show its Organization record"}
	}
	org := r.Records[0]
	id.OrgName, _ = org["Name"].(string)
	id.OrgType, _ = org["OrganizationType"].(string)
	id.InstanceName, _ = org["InstanceName"].(string)
	id.IsSandbox, _ = org["IsSandbox"].(bool)
	return id, nil
}

// RecordURL is the address of a record in the org, for a person to follow, or "" when id is no record id or the instance is not known.
func (c *Client) RecordURL(id string) string {
	if !recordID.MatchString(id) {
		return ""
	}
	origin := c.instance.Load()
	if origin == nil {
		if origin = c.storedInstance(); origin == nil {
			return ""
		}
	}
	return *origin + "/" + id
}

// storedInstance reads the instance from the token store, for a client that has not made a call yet.
func (c *Client) storedInstance() *string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	token, err := c.cfg.Token(ctx)
	if err != nil {
		return nil
	}
	u, err := url.Parse(token.InstanceURL)
	if err != nil || c.hosts().check(u) != nil {
		return nil
	}
	origin := u.Scheme + "://" + u.Host
	c.instance.CompareAndSwap(nil, &origin)
	return &origin
}
