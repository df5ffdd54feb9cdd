package pipeline

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// Plan is what a run will do.
type Plan struct {
	Steps  []Step
	Labels []PicklistLabel // of the picklists that the steps read
}

// Step is one object of a run, or one account filter. The store fills in how far it is.
type Step struct {
	Position    int    // in the run, counted from 1
	Name        string // unique in the run: "users", "accounts:customer", …
	Label       string // for people
	Table       Table
	AccountType settings.AccountType // of accounts; empty for other objects
	Query       string               // empty for a step that cannot be read at present, as its note says
	CountQuery  string               // known only while planning
	Note        string               // what is left out and why; empty for nothing

	Batches     *Batches     // of a step that asks for the children of records here; nil for others
	Calculation *Calculation // of a step that reads what a value is made of; nil for others
	Refusal     *Refusal     // of a step that Salesforce does not let be read; nil for others
	Missing     *Missing     // of a step that closes a gap; nil for others
	Fields      []string     // of such a step: what is read of each record

	Reading Reading
	Refresh bool // the step only brings values of records that are here up to date

	Expected *int64 // records of the result; nil while unknown
	Mode     Mode   // empty before the step starts
	Fresh    bool   // the table held nothing of the connection when the step began
	JobID    string
	Done     bool
	Clock    time.Time // the org's when the step began; zero while that is not known

	// Known only while planning.
	window   soql.Expr // selects what was changed within the window of the table; nil where there is none that a query can say
	anytime  string    // the query without it; empty where there is none
	own      *string   // what decides, besides the parents, which records are read; nil for the whole query
	unsteady string    // why records can come or leave without their time of change moving; empty when they cannot
	stamped  bool      // records can be selected by their time of change
	listed   []string  // the fields of a list of what has changed; none where there is no such list
	silent   []string  // the columns and further fields whose values change without the time of change moving

	silentFields []string // the fields that they come from
}

// MakePlan lays out the steps that the settings ask of an entity, in the order in which they run: users, so that owners have names, accounts by filter in
// match order, then what belongs to the accounts. An entity that the settings switch off has no steps. Fields that the connected user cannot read are left
// out, which the step's note says. It returns a Fault when an object cannot be read at all or when a filter is not a condition.
func MakePlan(s settings.Settings, schema soql.Schema, entity Entity) (Plan, error) {
	return makePlan(s, schema, entity, false)
}

// makePlan is MakePlan. It has a step with a Refusal in place of an object of which the field that is required cannot be read. A lenient one also has steps with a Refusal in place of objects that are
// missing, does without fields that do not hold any more what they are to hold, and does not let the account filters choose the children where they do not fit the org any more.
func makePlan(s settings.Settings, schema soql.Schema, entity Entity, lenient bool) (Plan, error) {
	s = s.Normalize()
	p := planner{schema: schema, lenient: lenient}
	filters := s.Accounts.Filters()
	withAccounts := entity.includes(EntityAccounts) && !s.Sync.Accounts.Off
	if withAccounts {
		p.accounts(s, filters)
	}
	if lenient && !fits(filters, schema) {
		filters = nil
	}
	under, err := childCondition(filters, "Account", "AccountId")
	if err != nil && p.err == nil {
		p.err = err
	}
	if entity.includes(EntityContacts) && !s.Sync.Contacts.Off {
		p.add(contactTable(s), Step{Name: contacts.Name, Label: contacts.Label, own: new(string)}, under)
	}
	if withAccounts {
		p.add(opportunityTable(s), Step{Name: opportunities.Name, Label: opportunities.Label, own: new(string)}, under)
		p.customObjects(s, filters)
	}
	if entity.includes(EntityCases) && s.Cases.Enabled {
		p.cases(s, filters)
	}
	if entity.includes(EntityChatter) && s.Chatter.Enabled {
		p.chatter(s, filters)
	}
	p.plan.Labels = labels(schema, p.plan.Steps)
	return p.plan, p.err
}

// unfit is a setting of accounts whose field does not hold what it is to hold, as after somebody has given it another type.
type unfit struct {
	columns []string // that are filled from it
	stays   string   // that what it says stays as it is, without the full stop
	fault   *Fault
}

// outgrown reports whether a plan was refused for something that the org has no longer, or not any more as the settings want it: a lenient one does without.
func outgrown(code string) bool {
	return slices.Contains([]string{"object_missing", "owner_invalid", "custom_object_invalid", string(ARR) + "_invalid", string(Renewal) + "_invalid"}, code)
}

// unfitOwners lists the owners whose field points to no user.
func (p *planner) unfitOwners(s settings.Settings) (out []unfit) {
	object := p.schema.Object(accounts.Object)
	for _, t := range settings.OwnerTypes {
		if object == nil {
			return nil
		}
		f := fieldOf(object, *s.Owners.Field(t))
		if f != nil && !slices.ContainsFunc(f.ReferenceTo, func(o string) bool { return strings.EqualFold(o, users.Object) }) {
			out = append(out, unfit{[]string{ownerColumns[t]}, "Owners of the kind " + t.Label() + " were left as they were", &Fault{Kind: Fatal, Code: "owner_invalid", Message: fmt.Sprintf(
				"%s, chosen as %s, does not point to a user. Choose another field under Owner Mapping.", f.Name, t.Label())}})
		}
	}
	return out
}

// accounts plans the users, the accounts and their values. A lenient plan leaves out what does not fit the org any more.
func (p *planner) accounts(s settings.Settings, filters []settings.Filter) {
	p.add(users, Step{Name: "users", Label: users.Label}, nil)
	table, odd := accountTable(s), append(p.unfitOwners(s), p.unfitValues(s)...)
	if p.lenient {
		for _, u := range odd {
			table = table.leave(u.columns)
		}
	}
	for _, f := range filters {
		label := accounts.Label
		if s.Accounts.Mode == settings.TypedFilters {
			label += ": " + f.Type.Label()
		}
		p.addFilter(table, label, f)
	}
	for _, u := range odd {
		switch {
		case p.lenient:
			p.remark(u.stays + ". " + u.fault.Message)
		case p.err == nil:
			p.err = u.fault
		}
	}
	p.values(s)
}

// planner collects steps and keeps the first error.
type planner struct {
	schema  soql.Schema
	plan    Plan
	err     error
	lenient bool
}

// add plans a step whose condition is ours.
func (p *planner) add(t Table, s Step, where soql.Expr) {
	p.complete(t, s, func(fields []string, window soql.Expr) (string, string, error) {
		return queries(t.Object, fields, soql.AllOf(where, window))
	})
}

// addFilter plans the step of one account filter.
func (p *planner) addFilter(t Table, label string, f settings.Filter) (read, count *soql.Composed) {
	s := Step{Name: "accounts:" + string(f.Type), Label: label, AccountType: f.Type, unsteady: p.unsteady("the filter of "+lower(label), f.SOQL, t.Object)}
	p.complete(t, s, func(fields []string, _ soql.Expr) (string, string, error) {
		var err error
		if read, count, err = filtered(t.Object, fields, f.SOQL, nil); err != nil {
			return "", "", &Fault{Kind: Fatal, Code: "filter_invalid", Message: fmt.Sprintf("The filter of %s is not valid: %s", lower(label), err), Err: err}
		}
		return read.Text, count.Text, nil
	})
	return read, count
}

// addTyped plans a step whose records a typed filter, which may be empty, and a condition of ours select together.
func (p *planner) addTyped(t Table, s Step, where soql.Expr, filter string) (read, count *soql.Composed) {
	if s.unsteady == "" {
		s.unsteady = p.unsteady("the filter of "+s.Label, filter, t.Object)
	}
	p.complete(t, s, func(fields []string, window soql.Expr) (string, string, error) {
		var err error
		if read, count, err = around(t.Object, fields, soql.AllOf(where, window), filter); err != nil {
			return "", "", &Fault{Kind: Fatal, Code: "filter_invalid", Message: fmt.Sprintf("The filter of %s is not valid: %s", s.Label, err), Err: err}
		}
		return read.Text, count.Text, nil
	})
	return read, count
}

// idle plans a step that reads nothing, because something is missing in the org: what is here stays as it is.
func (p *planner) idle(t Table, s Step, why string) {
	if p.err == nil {
		s.Position, s.Table, s.Note = len(p.plan.Steps)+1, t, why+" What was synced before stays as it is."
		p.plan.Steps = append(p.plan.Steps, s)
	}
}

// complete completes a step with the fields that can be read and the queries that make gives for them, within a window or, where that is nil, without one.
func (p *planner) complete(t Table, s Step, make func(fields []string, window soql.Expr) (read, count string, err error)) {
	if p.err != nil {
		return
	}
	s.Position = len(p.plan.Steps) + 1
	var fields []string
	if s.Table, fields, s.Note, p.err = selectable(p.schema, t); p.err != nil {
		if f := FaultOf(p.err); f.Code == "field_required" || p.lenient && f.Code == "object_missing" {
			s.Table, s.Refusal, p.err = t, &Refusal{Code: f.Code, Message: f.Message}, nil
			p.plan.Steps = append(p.plan.Steps, s)
		}
		return
	}
	s.inspect(p.schema.Object(t.Object), fields)
	if s.window != nil {
		if s.anytime, _, p.err = make(fields, nil); p.err != nil {
			return
		}
	}
	if s.Query, s.CountQuery, p.err = make(fields, s.window); p.err == nil {
		p.plan.Steps = append(p.plan.Steps, s)
	}
}

// unsteady says why a typed filter can change its mind about a record that has not changed, as a sentence about what; it is empty when it cannot.
func (p *planner) unsteady(what, filter, object string) string {
	o := p.schema.Object(object)
	if o == nil {
		return ""
	}
	if why := unsteady(filter, o); why != "" {
		return what + " " + why
	}
	return ""
}

// inspect notes what the org's describe says of reading only changes of the object.
func (s *Step) inspect(object *soql.Object, fields []string) {
	stamp := fieldOf(object, timeField)
	if s.stamped = stamp != nil && stamp.Filterable; s.stamped && object.Name != users.Object { // users are never deleted
		s.listed = []string{"Id", stamp.Name}
		for _, name := range []string{"IsDeleted", masterField} {
			if f := fieldOf(object, name); f != nil {
				s.listed = append(s.listed, f.Name)
			}
		}
	}
	for _, c := range slices.Concat(s.Table.Columns, s.Table.Extra) {
		if f := fieldOf(object, c.Field); f != nil && silent(f) && slices.Contains(fields, f.Name) {
			s.silent, s.silentFields = append(s.silent, c.Name), append(s.silentFields, f.Name)
		}
	}
	s.inspectBeside(fields)
	if s.own != nil {
		own := *s.own + "\n" + strings.Join(fields, ",")
		s.own = &own
	}
}

// inspectBeside counts what stands beside a silent field as silent too: it comes and goes with the field's value.
func (s *Step) inspectBeside(fields []string) {
	for _, b := range s.Table.Beside {
		at := slices.IndexFunc(s.Table.Columns, func(c Column) bool { return c.Name == b.Column })
		if at < 0 || !containsFold(s.silentFields, b.Field) || !containsFold(fields, s.Table.Columns[at].Field) || slices.Contains(s.silent, b.Column) {
			continue
		}
		s.silent = append(s.silent, b.Column)
		if field := s.Table.Columns[at].Field; !containsFold(s.silentFields, field) {
			s.silentFields = append(s.silentFields, field)
		}
	}
}

// selectable returns the table with its further fields as the org describes them, the fields of it that the connected user can read, and a note on those
// that are left out. An object that the user cannot see, and a field without which no record is taken, are a fault.
func selectable(schema soql.Schema, t Table) (known Table, fields []string, note string, err error) {
	object := schema.Object(t.Object)
	if object == nil {
		return t, nil, "", &Fault{Kind: Fatal, Code: "object_missing", Message: fmt.Sprintf(
			"The connected Salesforce user cannot see %s. Give that user read access to the object, then run the sync again.", t.Label)}
	}
	fields = []string{"Id"}
	var missing, odd []string
	add := func(list *[]string, name string) {
		if !slices.ContainsFunc(*list, func(n string) bool { return strings.EqualFold(n, name) }) {
			*list = append(*list, name)
		}
	}
	read := func(name string) *soql.Field {
		f := fieldOf(object, name)
		if f != nil {
			add(&fields, f.Name)
		} else if !optional[name] {
			add(&missing, name)
		}
		return f
	}
	for _, c := range t.Columns {
		if read(c.Field) == nil && c.Name == t.Require {
			return t, nil, "", &Fault{Kind: Fatal, Code: "field_required", Message: fmt.Sprintf(
				"%s without %s are not synced, and the connected Salesforce user cannot read that field. Let that user read it, then run the sync again.", t.Label, c.Field)}
		}
	}
	extra := t.Extra
	t.Extra = nil
	for _, c := range extra {
		if f := fieldOf(object, c.Field); f != nil {
			kind, ok := kindOf(f.Type)
			if !ok {
				add(&odd, f.Name+" ("+f.Type+")")
				continue
			}
			if strings.EqualFold(c.Name, f.Name) {
				c.Name = f.Name
			}
			c.Field, c.Kind = f.Name, kind
		}
		read(c.Field)
		t.Extra = append(t.Extra, c)
	}
	if in := t.Instead; in != nil {
		t.Instead = nil
		if f := fieldOf(object, in.Field); f != nil {
			t.Instead = &Instead{in.Column, f.Name}
		}
	}
	var notes []string
	if len(missing) > 0 {
		notes = append(notes, "Left out, because the connected Salesforce user cannot read them: "+strings.Join(missing, ", ")+".")
	}
	if len(odd) > 0 {
		notes = append(notes, "Left out, because values of such a type cannot be synced: "+strings.Join(odd, ", ")+".")
	}
	return t, fields, strings.Join(notes, " "), nil
}
