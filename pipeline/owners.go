package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// OwnersPreview is who looks after some of the accounts that the filters select, by an owner mapping.
type OwnersPreview struct {
	Total    int64 // accounts that the filters select; Unknown when Salesforce has no query for it
	Owners   []OwnerCount
	Accounts []OwnedAccount
}

// OwnerCount is one chosen owner type.
type OwnerCount struct {
	Type         settings.OwnerType
	Field, Label string // of the Account field
	Empty        int64  // accounts of Total whose field is empty; Unknown when Salesforce has no query for it
}

// OwnedAccount is one account with its people, in the order of OwnersPreview.Owners.
type OwnedAccount struct {
	ID, Name string
	People   []Person
}

// Person is who a field points to.
type Person struct {
	ID, Name string
	State    PersonState
}

// PersonState is what is known of a Person.
type PersonState string

// The states of a person.
const (
	NobodyThere PersonState = "empty"
	Active      PersonState = "active"
	Inactive    PersonState = "inactive"
	Queue       PersonState = "queue"
	Unseen      PersonState = "unseen" // a record that the connected user does not see
)

// queuePrefix begins the ids of queues and groups.
const queuePrefix = "00G"

// PreviewOwners shows the people of a few accounts that the filters of the settings select, read by the query of a run, and counts the accounts without each
// of them. Nothing is written. The filters and the owner fields must have been checked. It returns a Fault when the org does not answer.
func PreviewOwners(ctx context.Context, source Sampler, s settings.Settings, schema soql.Schema) (OwnersPreview, error) {
	s = s.Normalize()
	out := OwnersPreview{}
	for _, t := range settings.OwnerTypes {
		name := *s.Owners.Field(t)
		if name == "" {
			continue
		}
		path, f, problem := soql.FieldAt(name, accounts.Object, schema)
		if problem != "" {
			return OwnersPreview{}, &Fault{Kind: Fatal, Code: "owner_invalid", Message: problem}
		}
		c := OwnerCount{Type: t, Field: path, Label: f.Label, Empty: Unknown}
		if !f.Nillable {
			c.Empty = 0
		}
		out.Owners = append(out.Owners, c)
	}
	records, _, err := firstAccounts(ctx, source, s, schema, out.fields())
	if err != nil {
		return OwnersPreview{}, err
	}
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(overlapQueries)
	group.Go(func() (err error) {
		out.Accounts, err = out.people(asking, source, records)
		return err
	})
	filters := s.Accounts.Filters()
	group.Go(func() (err error) {
		out.Total, err = countSelected(asking, source, filters, nil)
		return err
	})
	for i := range out.Owners {
		if o := &out.Owners[i]; o.Empty == Unknown {
			group.Go(func() error {
				none, err := soql.Compare(o.Field, soql.Equal, soql.Null())
				if err == nil {
					o.Empty, err = countSelected(asking, source, filters, none)
				}
				return err
			})
		}
	}
	return out, group.Wait()
}

func (v OwnersPreview) fields() []string {
	var out []string
	for _, o := range v.Owners {
		out = append(out, o.Field)
	}
	return out
}

// firstAccounts reads a few accounts that the filters select, with the fields, by the queries of a run; the first of these is returned.
func firstAccounts(ctx context.Context, source Sampler, s settings.Settings, schema soql.Schema, fields []string) (out []map[string]any, query string, err error) {
	table := accountTable(s)
	table = table.with(named(table.missing(fields))...)
	for _, f := range s.Accounts.Filters() {
		p := planner{schema: schema}
		read, _ := p.addFilter(table, accounts.Label, f)
		if p.err != nil {
			return nil, "", p.err
		}
		if query == "" {
			query = read.Text
		}
		rows, err := source.Rows(ctx, limited(read.Text, sampleSize))
		if err != nil {
			return nil, "", err
		}
		for _, r := range rows.Records {
			known := slices.ContainsFunc(out, func(o map[string]any) bool { return o["Id"] == r["Id"] })
			if !known && len(out) < sampleSize {
				out = append(out, r)
			}
		}
	}
	return out, query, nil
}

// people finds out who the fields of the records point to.
func (v OwnersPreview) people(ctx context.Context, source Sampler, records []map[string]any) ([]OwnedAccount, error) {
	var ids []string
	for _, r := range records {
		for _, o := range v.Owners {
			if id := textOf(r, o.Field); id != "" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	known, err := usersOf(ctx, source, ids)
	if err != nil {
		return nil, err
	}
	var out []OwnedAccount
	for _, r := range records {
		a := OwnedAccount{ID: textOf(r, "Id"), Name: textOf(r, "Name")}
		for _, o := range v.Owners {
			id := textOf(r, o.Field)
			person, seen := known[id]
			switch {
			case seen:
			case id == "":
				person = Person{State: NobodyThere}
			case strings.HasPrefix(id, queuePrefix):
				person = Person{ID: id, State: Queue}
			default:
				person = Person{ID: id, State: Unseen}
			}
			a.People = append(a.People, person)
		}
		out = append(out, a)
	}
	return out, nil
}

// usersOf reads the users of these ids that the connected user sees.
func usersOf(ctx context.Context, source Sampler, ids []string) (map[string]Person, error) {
	out := map[string]Person{}
	if len(ids) == 0 {
		return out, nil
	}
	these, err := soql.In("Id", ids)
	if err != nil {
		return nil, err
	}
	q, err := soql.Select(users.Object, []string{"Id", "Name", "IsActive"}, these)
	if err != nil {
		return nil, err
	}
	rows, err := source.Rows(ctx, q.String())
	if err != nil {
		return nil, err
	}
	for _, r := range rows.Records {
		p := Person{ID: textOf(r, "Id"), Name: textOf(r, "Name"), State: Inactive}
		if active, _ := r["IsActive"].(bool); active {
			p.State = Active
		}
		out[p.ID] = p
	}
	return out, nil
}

// countSelected counts the accounts that any of the filters selects and that meet a condition of ours, which may be nil. Some filters cannot be combined in
// one query; then the number is Unknown.
func countSelected(ctx context.Context, source Sampler, filters []settings.Filter, condition soql.Expr) (int64, error) {
	var query string
	if len(filters) == 1 {
		_, count, err := around(accounts.Object, []string{"Id"}, condition, filters[0].SOQL)
		if err != nil {
			return Unknown, err
		}
		query = count.Text
	} else {
		var any []soql.Expr
		for _, f := range filters {
			e, _ := soql.ParseFilter(f.SOQL)
			any = append(any, e)
		}
		where := soql.AnyOf(any...)
		if condition != nil {
			where = soql.AllOf(where, condition)
		}
		q, err := soql.Count(accounts.Object, where)
		if err != nil {
			return Unknown, err
		}
		query = q.String()
	}
	n, err := source.Count(ctx, query)
	var f *Fault
	if errors.As(err, &f) && f.Kind == Refused {
		return Unknown, nil
	}
	return n, err
}
