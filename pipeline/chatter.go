package pipeline

import (
	"fmt"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// FeedParent is what Chatter posts stand on.
type FeedParent string

// The parents of posts that are synced.
const (
	OnAccounts      FeedParent = "account"
	OnOpportunities FeedParent = "opportunity"
)

// FeedParents lists both.
var FeedParents = []FeedParent{OnAccounts, OnOpportunities}

// Object returns the API name of the feed.
func (f FeedParent) Object() string {
	if f == OnOpportunities {
		return "OpportunityFeed"
	}
	return "AccountFeed"
}

// Label names the posts for people.
func (f FeedParent) Label() string {
	if f == OnOpportunities {
		return "Chatter posts on opportunities"
	}
	return "Chatter posts on accounts"
}

// chosen reports whether the settings want the posts, and returns their filter.
func (f FeedParent) chosen(c settings.Chatter) (filter string, ok bool) {
	if f == OnOpportunities {
		return c.OpportunityFilter, c.Opportunities
	}
	return c.AccountFilter, c.Accounts
}

// chatterPosts is the table of the posts of both parents.
const chatterPosts = "chatter_posts"

// trackedChange is the type of the posts that Salesforce writes about changed fields.
const trackedChange = "TrackedChange"

func feedTable(f FeedParent, c settings.Chatter) Table {
	t := Table{
		Object: f.Object(), Name: chatterPosts, Set: f.Object(), Entity: "chatter post", Label: f.Label(), Open: true, Paged: true, Parent: "parent_id",
		Keys:    []Key{{"parent_object", string(f)}},
		Lookups: []Lookup{{Column: "account_id", Table: accounts.Name, By: "parent_id", Take: "sf_id"}},
		Columns: []Column{
			{"ParentId", "parent_id", ID}, {"Type", "post_type", Text}, {"Title", "title", Text}, {"Body", "body", Text}, {"LinkUrl", "link_url", Text},
			{"CreatedById", "author_id", ID}, {"CreatedDate", "posted_at", DateTime}, {"CommentCount", "comment_count", Number},
			{"LikeCount", "like_count", Number}, {"IsRichText", "is_rich_text", Bool}, {"SystemModstamp", "system_modstamp", DateTime},
		},
	}
	if c.LookbackDays > 0 {
		t.Window = &Window{Days: c.LookbackDays}
	}
	if f == OnOpportunities {
		t.Under = opportunities.Name
		t.Lookups = []Lookup{{Column: "account_id", Table: opportunities.Name, By: "parent_id", Take: "account_id"}}
	}
	return t.with(named(t.missing(c.Fields))...)
}

var feedComments = Table{
	Object: "FeedComment", Name: "chatter_comments", Entity: "chatter comment", Label: "Chatter comments", Paged: true, Parent: "post_id", Under: chatterPosts,
	Lookups: []Lookup{{Column: "account_id", Table: chatterPosts, By: "post_id", Take: "account_id"}},
	Columns: []Column{
		{"FeedItemId", "post_id", ID}, {"ParentId", "parent_id", ID}, {"CommentBody", "body", Text}, {"CreatedById", "author_id", ID},
		{"CreatedDate", "posted_at", DateTime}, {"IsRichText", "is_rich_text", Bool}, {"SystemModstamp", "system_modstamp", DateTime},
	},
}

// Batches makes a step ask for the children of records here, so many records with each query: Salesforce lists some objects only under named parents.
type Batches struct {
	Field  string   // of the child, with the parent's id
	Fields []string // what is read of each child
	Count  string   // the parents' column with the number of their children; those with 0 are not asked
}

// batchSize is how many parents one query names.
const batchSize = 200

// query returns the query for the children of these parents.
func (b Batches) query(object string, ids []string) (string, error) {
	of, err := soql.In(b.Field, ids)
	if err != nil {
		return "", err
	}
	q, err := soql.Select(object, b.Fields, of)
	if err != nil {
		return "", err
	}
	return q.String(), nil
}

// chatter plans the steps of the posts, and of the comments on them.
func (p *planner) chatter(s settings.Settings, filters []settings.Filter) {
	posts := false
	for _, f := range FeedParents {
		if _, ok := f.chosen(s.Chatter); !ok {
			continue
		}
		if p.schema.Object(f.Object()) == nil {
			p.idle(feedTable(f, s.Chatter), Step{Name: f.Object(), Label: f.Label()}, missingFeed(f))
			continue
		}
		posts = true
		p.feed(s, f, filters)
	}
	if s.Chatter.Comments && posts && p.err == nil {
		p.feedComments()
	}
}

// missingFeed says why there are no posts.
func missingFeed(f FeedParent) string {
	return "Not read, because the org has no " + f.Object() + ": feed tracking is switched off for the object (in Salesforce under Setup, Feed Tracking), " +
		"or the connected Salesforce user cannot see Chatter."
}

// feed plans the step of the posts on one kind of parent.
func (p *planner) feed(s settings.Settings, f FeedParent, filters []settings.Filter) (read, count *soql.Composed) {
	where, err := feedCondition(p.schema.Object(f.Object()), f, filters)
	if p.keep(err) {
		return nil, nil
	}
	if !s.Chatter.TrackedChanges {
		written, err := soql.Compare("Type", soql.NotEqual, soql.Text(trackedChange))
		if p.keep(err) {
			return nil, nil
		}
		where = soql.AllOf(written, where)
	}
	var lately soql.Expr
	if days := s.Chatter.LookbackDays; days > 0 {
		if lately, err = soql.Compare(timeField, soql.GreaterOrEqual, soql.LastDays(days)); p.keep(err) {
			return nil, nil
		}
	}
	filter, _ := f.chosen(s.Chatter)
	own := fmt.Sprintf("%s\n%t", filter, s.Chatter.TrackedChanges)
	return p.addTyped(feedTable(f, s.Chatter), Step{Name: f.Object(), Label: f.Label(), own: &own, window: lately}, where, filter)
}

// feedCondition selects the posts on what is synced, as far as SOQL can say that.
func feedCondition(object *soql.Object, f FeedParent, filters []settings.Filter) (soql.Expr, error) {
	parent := fieldOf(object, "ParentId")
	if parent == nil || len(parent.ReferenceTo) != 1 || parent.RelationshipName == "" {
		return nil, nil
	}
	relationship, id := parent.RelationshipName, parent.Name
	if f == OnOpportunities {
		relationship, id = relationship+".Account", relationship+".AccountId"
	}
	return childCondition(filters, relationship, id)
}

// feedComments plans the step of the comments.
func (p *planner) feedComments() {
	step := Step{Name: feedComments.Name, Label: feedComments.Label}
	if p.schema.Object(feedComments.Object) == nil {
		p.idle(feedComments, step, "Not read, because the connected Salesforce user cannot see FeedComment.")
		return
	}
	var fields []string
	if step.Table, fields, step.Note, p.err = selectable(p.schema, feedComments); p.err != nil {
		return
	}
	step.Batches = &Batches{Field: "FeedItemId", Fields: fields, Count: "comment_count"}
	q, err := soql.Select(feedComments.Object, fields, nil)
	if p.keep(err) {
		return
	}
	step.Position, step.Query = len(p.plan.Steps)+1, q.String()
	step.inspect(p.schema.Object(feedComments.Object), fields)
	p.plan.Steps = append(p.plan.Steps, step)
}
