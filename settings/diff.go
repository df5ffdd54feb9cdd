package settings

import "strings"

// entry is one setting as people read it.
type entry struct{ path, label, value string }

// entries lists every setting in the order of the screens.
func (s Settings) entries() []entry {
	out := s.Accounts.entries()
	out = append(out, entry{PathAccountFields, "Further Account fields", strings.Join(s.AccountFields, ", ")})
	out = append(out, s.Sync.entries()...)
	out = append(out, s.Owners.entries()...)
	out = append(out, s.ARR.entries(PathARR, "ARR")...)
	out = append(out, s.Renewal.entries(PathRenewal, "Renewal date")...)
	for i, c := range s.CustomObjects {
		out = append(out, c.entries(i)...)
	}
	out = append(out, s.Cases.entries()...)
	out = append(out, s.Chatter.entries()...)
	return append(out, s.Advanced.entries()...)
}

// Change is one setting that differs between two versions.
type Change struct {
	Section                    Section
	Path, Label, Before, After string
}

// Diff lists what differs from old to new, in the order of the screens; what only old has comes at the end of its section. It is empty when nothing
// differs.
func Diff(old, new Settings) []Change {
	before, after := map[string]string{}, map[string]bool{}
	was, is := old.Normalize().entries(), new.Normalize().entries()
	for _, e := range was {
		before[e.path] = e.value
	}
	bySection := map[Section][]Change{}
	add := func(e entry, before, after string) {
		if before != after {
			s := SectionOf(e.path)
			bySection[s] = append(bySection[s], Change{s, e.path, e.label, before, after})
		}
	}
	for _, e := range is {
		after[e.path] = true
		add(e, before[e.path], e.value)
	}
	for _, e := range was {
		if !after[e.path] {
			add(e, e.value, "")
		}
	}
	var out []Change
	for _, s := range Sections {
		out = append(out, bySection[s]...)
	}
	return out
}

// Value is one setting as people read it.
type Value struct {
	Section           Section
	Path, Label, Text string
}

// Values lists every setting in the order of the screens, spelled out where it is a default.
func (s Settings) Values() []Value {
	bySection := map[Section][]Value{}
	for _, e := range s.Normalize().entries() {
		key := SectionOf(e.path)
		bySection[key] = append(bySection[key], Value{key, e.path, e.label, e.value})
	}
	var out []Value
	for _, key := range Sections {
		out = append(out, bySection[key]...)
	}
	return out
}
