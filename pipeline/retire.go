package pipeline

import "context"

// Retirement names the sets of records of a table that the settings want. The records of other sets, which they wanted once, have left.
type Retirement struct {
	Table  string
	Key    string   // the column that tells the sets apart; empty where there is one set, which is not wanted
	Kept   []string // its values in the sets that are wanted
	Entity string   // name of one record in the audit log; empty for what Key holds
}

// retire lets go of what the settings no longer name: objects, sources of messages, kinds of posts. What is switched off as a whole stays as it is. It comes before the steps, so that what belongs to what
// leaves, as comments to posts, leaves in the same run, and may be done again.
func (j Work) retire(ctx context.Context) error {
	s := j.Settings.Normalize()
	var all []Retirement
	if j.Entity.includes(EntityAccounts) && !s.Sync.Accounts.Off {
		if err := j.Store.SaveObjects(ctx, s.CustomObjects); err != nil {
			return err
		}
		r := Retirement{Table: customTable, Key: "object"}
		for _, c := range s.CustomObjects {
			r.Kept = append(r.Kept, c.Object)
		}
		all = append(all, r)
	}
	if j.Entity.includes(EntityCases) && s.Cases.Enabled {
		t := messagesOf(s.Cases.Conversation, 0)
		all = append(all, Retirement{Table: t.Name, Key: t.Keys[0].Name, Kept: []string{t.Keys[0].Value}, Entity: "case message"})
	}
	if j.Entity.includes(EntityChatter) && s.Chatter.Enabled {
		r := Retirement{Table: chatterPosts, Key: "parent_object", Entity: "chatter post"}
		for _, f := range FeedParents {
			if _, ok := f.chosen(s.Chatter); ok {
				r.Kept = append(r.Kept, string(f))
			}
		}
		all = append(all, r)
		if !s.Chatter.Comments {
			all = append(all, Retirement{Table: feedComments.Name, Entity: "chatter comment"})
		}
	}
	for _, r := range all {
		if err := j.Store.Retire(ctx, r); err != nil {
			return err
		}
	}
	return nil
}
