package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"millrace/salesforce/soql"
	"millrace/settings"
)

// DriftKind is what became of something that the settings use.
type DriftKind string

// The kinds of drift. A renamed field is one that is gone: nothing ties it to its new name.
const (
	FieldGone  DriftKind = "field_gone"
	ObjectGone DriftKind = "object_gone"
	Retyped    DriftKind = "retyped"
)

// NoticedDrift is a change in the org that a run has noticed.
type NoticedDrift struct {
	Object, Field string // Field is empty for the object as such
	Kind          DriftKind
	UsedBy        []string // the settings that use it, as people call them
	Sentence      string   // what has changed, without its full stop
}

// Noticed returns what the org lacks of what the settings use, and what has another type than before, once for each change.
func Noticed(before []SeenObject, now Look, s settings.Settings) []NoticedDrift {
	var out []NoticedDrift
	for _, u := range usesOf(s, func(object string) (*soql.Object, bool) {
		o, known := now(object)
		return o, known && o != nil
	}) {
		d, ok := noticed(before, now, u)
		if !ok {
			continue
		}
		i := slices.IndexFunc(out, func(x NoticedDrift) bool {
			return x.Kind == d.Kind && strings.EqualFold(x.Object, d.Object) && strings.EqualFold(x.Field, d.Field)
		})
		if i < 0 {
			i, out = len(out), append(out, d)
		}
		if !slices.Contains(out[i].UsedBy, u.place) {
			out[i].UsedBy = append(out[i].UsedBy, u.place)
		}
	}
	return out
}

func noticed(before []SeenObject, now Look, u use) (d NoticedDrift, ok bool) {
	o, known := now(u.object)
	if !known {
		return d, false
	}
	if o == nil {
		return NoticedDrift{Object: u.object, Kind: ObjectGone, Sentence: fmt.Sprintf("The object %s was deleted or hidden from the connected user", u.object)}, true
	}
	if u.field == "" {
		return d, false
	}
	f := fieldOf(o, u.field)
	if f == nil {
		return NoticedDrift{Object: o.Name, Field: u.field, Kind: FieldGone,
			Sentence: fmt.Sprintf("%s.%s was deleted, renamed or hidden from the connected user", o.Name, u.field)}, true
	}
	i := slices.IndexFunc(before, func(x SeenObject) bool { return strings.EqualFold(x.Name, o.Name) })
	if i < 0 {
		return d, false
	}
	if was := seenField(before[i], f.Name); was != nil && was.Type != TypeLabel(*f) {
		return NoticedDrift{Object: o.Name, Field: f.Name, Kind: Retyped,
			Sentence: fmt.Sprintf("%s.%s is now of type %s; it was %s", o.Name, f.Name, TypeLabel(*f), was.Type)}, true
	}
	return d, false
}

// notice keeps what the run's describes tell about changes that touch the settings. Only objects that the plan describes anyway are looked at.
func (j Work) notice(ctx context.Context, schema soql.Schema) error {
	if j.Entity == EntityImpact {
		return nil
	}
	objects := ObjectsOf(j.Settings)
	before, err := j.Store.SeenObjects(ctx)
	if err != nil {
		return err
	}
	return j.Store.NoteDrifts(ctx, Noticed(before, func(object string) (*soql.Object, bool) {
		if !slices.ContainsFunc(objects, func(o string) bool { return strings.EqualFold(o, object) }) {
			return nil, false
		}
		return schema.Object(object), true
	}, j.Settings))
}

// Refusal is why a step cannot be read while the others can.
type Refusal struct{ Code, Message string }

// fits reports whether the account filters are conditions on the org as the schema describes it.
func fits(filters []settings.Filter, schema soql.Schema) bool {
	for _, f := range filters {
		for _, finding := range CheckFilterOf(accounts.Object, f.SOQL, schema) {
			if !finding.Warning {
				return false
			}
		}
	}
	return true
}

// refuse ends a step that Salesforce does not let be read, with a sentence that says why; the others go on.
func (j Work) refuse(ctx context.Context, s Step, err error) error {
	f := FaultOf(j.explained(ctx, err))
	j.Log.Warn("salesforce refuses the step; the others go on", "step", s.Name, "code", f.Code, "err", err)
	s.Refusal = &Refusal{Code: f.Code, Message: f.Message}
	return j.Store.FailStep(ctx, s)
}

// EarlierFilter is the code of a step that is not read because an earlier one was refused.
const EarlierFilter = "earlier_filter"

// barred says why a step of accounts must not be read after an earlier one was refused: an account has the type of the first filter that it matches, and
// what the earlier filter would have taken is not known.
func barred(steps []Step, s Step) *Refusal {
	if !s.Table.Typed {
		return nil
	}
	for _, earlier := range steps {
		if earlier.Refusal != nil && earlier.Table.Typed && earlier.Position < s.Position {
			return &Refusal{Code: EarlierFilter, Message: "Not read, because an earlier filter cannot be applied: without it nobody knows which of these accounts it would have taken. Correct that filter first."}
		}
	}
	return nil
}
