package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// sizeSample is how many records of each query an estimate of sizes reads.
const sizeSample = 200

// SizeEstimate is how much a full sync brings over of the objects that the advanced settings are about, in bytes of the CSV that Salesforce sends.
type SizeEstimate struct {
	Objects []ObjectSize
	Sampled int // records that were read for it, of all objects
}

// ObjectSize is the part of one object.
type ObjectSize struct {
	Object, Label string
	Records       int64
	Sampled       int
	Now           int64       // with the advanced settings
	Without       int64       // if they were empty
	Fields        []FieldSize // what either reads, largest first
}

// FieldSize is the part of one field.
type FieldSize struct {
	Field   string
	Bytes   int64
	Now     bool // it is read with the advanced settings
	Without bool // it is read if they are empty
}

// Total adds up what is brought over with the advanced settings, and if they were empty.
func (e SizeEstimate) Total() (now, without int64) {
	for _, o := range e.Objects {
		now, without = now+o.Now, without+o.Without
	}
	return now, without
}

// EstimateSizes counts what a full sync reads by the settings and measures a sample of it: the first records of each query of the plan, with all fields that
// are read with or without the advanced settings, so that both are measured on the same records.
func EstimateSizes(ctx context.Context, source Sampler, s settings.Settings, schema soql.Schema) (SizeEstimate, error) {
	s = s.Normalize()
	without := s
	without.Advanced = settings.Advanced{}
	steps, err := MakePlan(everyField(s), schema, EntityAll)
	if err != nil {
		return SizeEstimate{}, err
	}
	tables := map[string][2]Table{
		accounts.Name: {accountTable(s), accountTable(without)}, contacts.Name: {contactTable(s), contactTable(without)},
		opportunities.Name: {opportunityTable(s), opportunityTable(without)},
	}
	var out SizeEstimate
	for _, step := range steps.Steps {
		both, ok := tables[step.Table.Name]
		if !ok || step.Calculation != nil || step.Refusal != nil {
			continue
		}
		i := slices.IndexFunc(out.Objects, func(o ObjectSize) bool { return o.Object == step.Table.Object })
		if i < 0 {
			i = len(out.Objects)
			out.Objects = append(out.Objects, ObjectSize{Object: step.Table.Object, Label: step.Table.Label})
		}
		if err := out.Objects[i].measure(ctx, source, step, both[0].fieldNames(), both[1].fieldNames()); err != nil {
			return SizeEstimate{}, err
		}
	}
	for _, o := range out.Objects {
		out.Sampled += o.Sampled
		slices.SortStableFunc(o.Fields, func(a, b FieldSize) int { return int(max(min(b.Bytes-a.Bytes, 1), -1)) })
	}
	return out, nil
}

// everyField returns settings by which all fields are read that are read with or without the advanced settings.
func everyField(s settings.Settings) settings.Settings {
	listed := s.Advanced
	s.Advanced = settings.Advanced{ContactFields: listed.ContactFields}
	s.AccountFields = slices.Concat(s.AccountFields, listed.AccountAllowlist)
	if len(listed.OpportunityAllowlist) > 0 {
		s.Advanced.OpportunityAllowlist = slices.Concat(opportunities.fieldNames(), listed.OpportunityAllowlist)
	}
	return s
}

// measure adds the records of one step.
func (o *ObjectSize) measure(ctx context.Context, source Sampler, step Step, now, without []string) error {
	count, err := source.Count(ctx, step.CountQuery)
	if err != nil || count == 0 {
		return err
	}
	rows, err := source.Rows(ctx, limited(step.Query, sizeSample))
	if err != nil {
		return err
	}
	o.Records += count
	read := int64(len(rows.Records))
	if read == 0 {
		return nil
	}
	o.Sampled += len(rows.Records)
	bytes := map[string]int64{}
	var names []string
	for _, record := range rows.Records {
		for name, v := range record {
			if _, known := bytes[name]; !known {
				names = append(names, name)
			}
			bytes[name] += csvSize(v)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		f := FieldSize{Field: name, Bytes: bytes[name] * count / read, Now: containsFold(now, name), Without: containsFold(without, name)}
		if f.Now {
			o.Now += f.Bytes
		}
		if f.Without {
			o.Without += f.Bytes
		}
		o.add(f)
	}
	return nil
}

// add adds up what the steps of one object have of a field.
func (o *ObjectSize) add(f FieldSize) {
	if !f.Now && !f.Without {
		return
	}
	i := slices.IndexFunc(o.Fields, func(had FieldSize) bool { return had.Field == f.Field })
	if i < 0 {
		o.Fields = append(o.Fields, f)
		return
	}
	o.Fields[i].Bytes += f.Bytes
}

// csvSize is the length of a value in the CSV of a bulk query, with its quotes and the comma.
func csvSize(v any) int64 {
	const around = 3
	switch v := v.(type) {
	case nil:
		return around
	case string:
		return around + int64(len(v)+strings.Count(v, `"`))
	case json.Number:
		return around + int64(len(v))
	}
	return around + int64(len(fmt.Sprint(v)))
}
