package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// childKind is a kind of record that is synced with its account.
type childKind struct {
	prefix string // of its ids
	table  Table
	label  string
	part   Entity
	named  []string // the fields by whose values people know one
	sought string   // the field by which one is looked for
	op     soql.Operator
}

var childKinds = []childKind{
	{contactPrefix, contacts, "contact", EntityContacts, []string{"Name"}, "Name", soql.OpContains},
	{"006", opportunities, "opportunity", EntityAccounts, []string{"Name"}, "Name", soql.OpContains},
	{"500", cases, "support case", EntityCases, []string{"CaseNumber", "Subject"}, "CaseNumber", soql.OpEquals},
}

func childKindOf(id string) (childKind, bool) {
	i := slices.IndexFunc(childKinds, func(k childKind) bool { return strings.HasPrefix(id, k.prefix) })
	if i < 0 {
		return childKind{}, false
	}
	return childKinds[i], true
}

// childrenNamed looks for contacts and opportunities whose name contains the text, and for the support case of that number.
func childrenNamed(ctx context.Context, source Sampler, name string, schema soql.Schema) ([]Sample, error) {
	var out []Sample
	for _, k := range childKinds {
		fields := readable(k.table.Object, schema, append([]string{"Id"}, k.named...)...)
		if !slices.Contains(fields, k.sought) || len(out) >= mostCandidates {
			continue
		}
		where, problems := (soql.Builder{Rows: []soql.Row{{Field: k.sought, Operator: k.op, Values: []string{name}}}}).SOQL(k.table.Object, schema)
		if len(problems) > 0 {
			continue
		}
		e, _ := soql.ParseFilter(where)
		q, err := soql.Select(k.table.Object, fields, e)
		if err != nil {
			return nil, err
		}
		path, err := soql.NewPath(k.sought)
		if err != nil {
			return nil, err
		}
		q.OrderBy, q.Limit = []soql.OrderItem{{Value: path}}, &soql.RowCount{N: mostCandidates}
		rows, err := source.Rows(ctx, q.String())
		if KindOf(err) == Refused {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, r := range rows.Records {
			out = append(out, Sample{ID: textOf(r, "Id"), Name: k.name(r), Type: strings.ToUpper(k.label[:1]) + k.label[1:]})
		}
	}
	return out[:min(len(out), mostCandidates)], nil
}

// name is what people call a record of the kind.
func (k childKind) name(record map[string]any) string {
	var words []string
	for _, field := range k.named {
		if text := textOf(record, field); text != "" {
			words = append(words, text)
		}
	}
	return strings.Join(words, " ")
}

// explainChild looks at the record itself and goes on with its account.
func explainChild(ctx context.Context, source Sampler, k childKind, id string, s settings.Settings, schema soql.Schema) (Explanation, error) {
	fields := readable(k.table.Object, schema, append([]string{"Id", "AccountId"}, append(slices.Clone(k.named), "Email")...)...)
	hidden := Explanation{State: NotVisible, Message: "The connected Salesforce user cannot see " + strings.ToLower(k.table.Label) + " at all: in Salesforce, Setup → Permission Sets → one of the user's → Object Settings → " +
		k.table.Object + " → tick Read and View All Records."}
	if !slices.Contains(fields, "Id") {
		return hidden, nil
	}
	record, err := recordOf(ctx, source, k.table.Object, id, fields)
	if KindOf(err) == Refused { // hidden since the org was last described
		return hidden, nil
	}
	if err != nil {
		return Explanation{}, err
	}
	if record == nil {
		return unseen(ctx, source, k.table.Object, k.label, id, schema)
	}
	c := &ExplainedChild{Object: k.table.Object, Label: k.label, ID: textOf(record, "Id"), Name: k.name(record), AccountID: textOf(record, "AccountId")}
	if c.AccountID == "" {
		return Explanation{State: Explained, Child: c, Message: fmt.Sprintf("The %s belongs to no account. %s follow their account, so this one is not synced.", k.label, k.table.Label)}, nil
	}
	c.MissingEmail = k.table.Require == "email" && slices.Contains(fields, "Email") && textOf(record, "Email") == ""
	if c.MissingEmail {
		c.Problems = append(c.Problems, "The contact has no Email; such contacts are not synced.")
	}
	if off := k.part.WhyOff(s); off != "" {
		c.Problems = append(c.Problems, off)
	} else if k.part == EntityCases {
		more, err := caseProblems(ctx, source, id, s)
		if err != nil {
			return Explanation{}, err
		}
		c.Problems = append(c.Problems, more...)
	}
	out, err := explainAccount(ctx, source, c.AccountID, s, schema)
	out.Child = c
	if len(c.Problems) > 0 {
		out.Message = strings.Join(c.Problems, " ") + " Its account: " + out.Message
	}
	return out, err
}

// caseProblems asks Salesforce whether the case is within the lookback and matches the case filter.
func caseProblems(ctx context.Context, source Sampler, id string, s settings.Settings) ([]string, error) {
	s = s.Normalize()
	own, err := soql.Compare("Id", soql.Equal, soql.Text(id))
	if err != nil {
		return nil, err
	}
	lately, err := soql.Compare(timeField, soql.GreaterOrEqual, soql.LastDays(s.Cases.LookbackDays))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ask := range []struct {
		condition soql.Expr
		problem   string
	}{
		{lately, fmt.Sprintf("The support case was last changed more than %d days ago, which is farther back than the lookback reaches.", s.Cases.LookbackDays)},
		{filterOf(s.Cases.Filter), "The support case does not match the case filter."},
	} {
		if ask.condition == nil {
			continue
		}
		q, err := soql.Count(cases.Object, soql.AllOf(own, ask.condition))
		if err != nil {
			return nil, err
		}
		n, err := source.Count(ctx, q.String())
		if KindOf(err) == Refused {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			out = append(out, ask.problem)
		}
	}
	return out, nil
}

// filterOf reads a filter; nil for none, or one that cannot be read.
func filterOf(text string) soql.Expr {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	e, findings := soql.ParseFilter(text)
	if soql.Refused(findings) {
		return nil
	}
	return e
}

// unseen says why a query by its id does not return a record: where the source can look into the Recycle Bin, whether it was deleted, or merged and into which.
func unseen(ctx context.Context, source Sampler, object, label, id string, schema soql.Schema) (Explanation, error) {
	out := Explanation{State: NotVisible, Message: fmt.Sprintf(invisible, label)}
	all, ok := source.(interface {
		AllRows(ctx context.Context, query string) (*Rows, error)
	})
	fields := readable(object, schema, "Id", "IsDeleted", "MasterRecordId")
	if !ok || !slices.Contains(fields, "IsDeleted") {
		return out, nil
	}
	own, err := soql.Compare("Id", soql.Equal, soql.Text(id))
	if err != nil {
		return out, err
	}
	q, err := soql.Select(object, fields, own)
	if err != nil {
		return out, err
	}
	rows, err := all.AllRows(ctx, q.String())
	if KindOf(err) == Refused || err == nil && len(rows.Records) == 0 {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	if master := textOf(rows.Records[0], "MasterRecordId"); master != "" {
		out.Message = fmt.Sprintf("The %s was merged in Salesforce into %s. That one is synced if it matches.", label, master)
	} else if deleted, _ := rows.Records[0]["IsDeleted"].(bool); deleted {
		out.Message = fmt.Sprintf("The %s was deleted in Salesforce. It is still in the Recycle Bin there: undeleted, the next sync brings it again.", label)
	}
	return out, nil
}
