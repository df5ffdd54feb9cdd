package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// File is settings as a YAML file, for keeping, comparing and taking them to another connection. It holds no secret.
type File struct {
	Org        string // the name of the org that they were made for
	Version    int    // 0 for none
	ExportedAt time.Time
	Settings   Settings
}

// FileProblem is something of a file that cannot be understood.
type FileProblem struct {
	Line int // from 1; 0 for the file as a whole
	Text string
}

// MaxFile bounds the size of a file in bytes.
const MaxFile = 1 << 20

// fileFormat is what a file says of its own form.
const fileFormat = "millrace-settings/1"

// fileNotes are the comments of a file, by key.
var fileNotes = map[string]string{
	"accounts":                         "Account Filtering: which accounts are synced",
	"accounts.mode":                    "single: one filter, its matches are customers; typed: one filter for each type, the first match decides",
	"accounts.single":                  "SOQL conditions on Account, without the word WHERE",
	"account_fields":                   "Fields & Frequency: API names of Account fields besides the default ones",
	"sync":                             "when accounts and contacts are synced",
	"sync.accounts.off":                "true: not synced at all",
	"sync.accounts.hours":              "every 4, 8, 12 or 24 hours",
	"sync.start":                       "the time of day from which the hours count, in quotes",
	"owners":                           "Owner Mapping: the Account field, pointing to a user, for each kind of owner; empty for none",
	"arr":                              "ARR & Renewal: where an account's ARR comes from",
	"arr.mode":                         "none, direct (from field) or calculated (from the records of object)",
	"arr.link":                         "the field of object that points to the account",
	"arr.combine":                      "sum, max or latest (by latest_by)",
	"renewal":                          "where its renewal date comes from; a date knows no sum",
	"custom_objects":                   "Custom Objects: further objects, synced as related records of accounts or contacts",
	"custom_objects.parent":            "account or contact",
	"custom_objects.match":             "the field that links to the parent, and in to the External ID field that it holds, if it is no lookup",
	"custom_objects.fields":            "empty: all that can be read",
	"cases":                            "Support Cases",
	"cases.lookback_days":              "1 to 365",
	"cases.conversation":               "case_comments or email_messages",
	"chatter":                          "Chatter; its schedule is no part of the settings",
	"chatter.lookback_days":            "up to 365; 0 reads all posts",
	"advanced":                         "Advanced: lists that are not empty leave only their fields",
	"advanced.contact_fields":          "Contact fields besides the predefined ones, each with a name of its own if wanted",
	"advanced.excluded_contact_fields": "predefined Contact fields that are not synced",
}

// YAML writes the file with comments. Every setting is in it, spelled out.
func (f File) YAML() ([]byte, error) {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	doc.HeadComment = "Settings of Millrace. There is no secret in this file. Import it under Settings, History, or with millrace import:\n" +
		"it is checked against the org first, and nothing applies before somebody saves it.\n" +
		"What is left out below “settings” stays as it is there."
	put(doc, "format", text(fileFormat))
	put(doc, "org", text(f.Org))
	put(doc, "version", &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(f.Version)})
	put(doc, "exported_at", text(f.ExportedAt.UTC().Format(time.RFC3339)))
	put(doc, "settings", node(reflect.ValueOf(f.Settings.Normalize()), ""))
	return yaml.Dump(doc, yaml.WithIndent(2), yaml.WithLineWidth(-1))
}

func text(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if strings.Contains(s, "\n") {
		n.Style = yaml.LiteralStyle
	} else {
		n.Style = yaml.DoubleQuotedStyle
	}
	if s != "" && !strings.Contains(s, "\n") && plain(s) {
		n.Style = 0
	}
	return n
}

// plain reports whether a text needs no quotes, whatever reads the file.
func plain(s string) bool {
	return IsName(s) && !slices.Contains([]string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}, strings.ToLower(s))
}

func put(mapping *yaml.Node, key string, value *yaml.Node) {
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

// keyOf returns the key of a field of a settings struct.
func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}

// node turns a part of the settings into YAML; path is its key, with dots, for the comments.
func node(v reflect.Value, path string) *yaml.Node {
	switch v.Kind() {
	case reflect.Struct:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for i := range v.NumField() {
			key := keyOf(v.Type().Field(i))
			at := strings.TrimPrefix(path+"."+key, ".")
			put(out, key, node(v.Field(i), at))
			if note := fileNotes[at]; note != "" {
				out.Content[len(out.Content)-2].HeadComment = note
			}
		}
		return out
	case reflect.Slice:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		if v.Len() == 0 {
			out.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			out.Content = append(out.Content, node(v.Index(i), path))
		}
		return out
	case reflect.Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v.Bool())}
	case reflect.Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	}
	return text(v.String())
}

// fileReader reads a file and gathers everything that it does not understand.
type fileReader struct {
	problems []FileProblem
	lines    map[string]int // of the settings' keys, with dots
}

// ReadFile reads a file over the settings as they are now: what is left out below its settings stays. It returns every problem at once, by line, and
// tells the line of a field path. Nothing in a file is followed: aliases, merges and tags are refused.
func ReadFile(data []byte, now Settings) (f File, line func(path string) int, problems []FileProblem) {
	r := fileReader{lines: map[string]int{}}
	f.Settings = now.Normalize()
	line = r.line
	switch {
	case len(data) > MaxFile:
		r.say(nil, fmt.Sprintf("The file has %d KB; %d KB is the most.", len(data)>>10, MaxFile>>10))
		return f, line, r.problems
	case !utf8.Valid(data):
		r.say(nil, "The file is not a text in UTF-8.")
		return f, line, r.problems
	}
	root := r.parse(data)
	if root == nil {
		return f, line, r.problems
	}
	keys := r.mapping(root, "The file", []string{"format", "org", "version", "exported_at", "settings"})
	if n := keys["format"]; n == nil || n.Value != fileFormat {
		r.problems = nil
		r.say(n, "This is not a file of Millrace's settings: it must have the line format: "+fileFormat+".")
		return f, line, r.problems
	}
	for key, into := range map[string]any{"org": &f.Org, "version": &f.Version} {
		if n := keys[key]; n != nil {
			r.value(n, reflect.ValueOf(into).Elem(), key, "")
		}
	}
	if n := keys["exported_at"]; n != nil {
		f.ExportedAt, _ = time.Parse(time.RFC3339, n.Value) // it is for people
	}
	if n := keys["settings"]; n == nil {
		r.say(root, "The file holds no settings.")
	} else {
		r.sections(n, &f.Settings)
	}
	slices.SortStableFunc(r.problems, func(a, b FileProblem) int { return a.Line - b.Line })
	return f, line, r.problems
}

// parse returns the only document of a file, or nil.
func (r *fileReader) parse(data []byte) *yaml.Node {
	var doc yaml.Node
	switch err := yaml.Load(data, &doc); {
	case blank(data) || err == nil && (doc.Kind != yaml.DocumentNode || len(doc.Content) != 1):
		r.say(nil, "The file is empty.")
		return nil
	case err != nil:
		r.unreadable(err, data)
		return nil
	}
	root := doc.Content[0]
	if r.refused(root) {
		return nil
	}
	return root
}

// blank reports whether a file has nothing but comments.
func blank(data []byte) bool {
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

// unreadable notes what the parser says.
func (r *fileReader) unreadable(err error, data []byte) {
	var at *yaml.LoadError
	if errors.As(err, &at) {
		text := "This is not YAML: " + at.Message + "."
		if lines := strings.Split(string(data), "\n"); at.Mark.Line >= 1 && at.Mark.Line <= len(lines) && strings.HasPrefix(strings.TrimLeft(lines[at.Mark.Line-1], " "), "\t") {
			text += " The line begins with a tab; YAML wants spaces there."
		}
		r.problems = append(r.problems, FileProblem{Line: at.Mark.Line, Text: text})
		return
	}
	r.say(nil, "This is not YAML: "+strings.TrimPrefix(err.Error(), "yaml: ")+".")
}

// maxDepth bounds how deep a file is nested; settings need six levels.
const maxDepth = 20

// refused notes aliases, anchors and tags, which settings do not need and which can blow a file up.
func (r *fileReader) refused(n *yaml.Node) bool {
	var walk func(n *yaml.Node, depth int) bool
	walk = func(n *yaml.Node, depth int) bool {
		switch {
		case n.Kind == yaml.AliasNode || n.Anchor != "":
			r.say(n, "Anchors (&) and aliases (*) are not allowed here. Write the value out.")
			return true
		case n.Style&yaml.TaggedStyle != 0:
			r.say(n, "Tags (!) are not allowed here.")
			return true
		case depth > maxDepth:
			r.say(n, "This is nested too deeply.")
			return true
		}
		for _, c := range n.Content {
			if walk(c, depth+1) {
				return true
			}
		}
		return false
	}
	return walk(n, 0)
}

func (r *fileReader) say(n *yaml.Node, text string) {
	p := FileProblem{Text: text}
	if n != nil {
		p.Line = n.Line
	}
	r.problems = append(r.problems, p)
}

// mapping returns the values of a mapping by key; unknown and repeated keys are noted.
func (r *fileReader) mapping(n *yaml.Node, what string, known []string) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.say(n, what+" must hold keys with values, as in key: value.")
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case !slices.Contains(known, key.Value) || key.Kind != yaml.ScalarNode:
			r.say(key, "“"+key.Value+"” is not known here. Known are: "+strings.Join(known, ", ")+".")
		case out[key.Value] != nil:
			r.say(key, key.Value+" is given twice.")
		default:
			out[key.Value] = n.Content[i+1]
		}
	}
	return out
}

// sections reads the settings: each key that is there begins with its defaults, the others stay as they are.
func (r *fileReader) sections(n *yaml.Node, into *Settings) {
	v, defaults := reflect.ValueOf(into).Elem(), reflect.ValueOf(Defaults())
	keys := r.mapping(n, "settings", keysOf(v.Type()))
	for i := range v.NumField() {
		key := keyOf(v.Type().Field(i))
		if child := keys[key]; child != nil {
			v.Field(i).Set(defaults.Field(i))
			r.value(child, v.Field(i), key, key)
		}
	}
}

func keysOf(t reflect.Type) (out []string) {
	for i := range t.NumField() {
		out = append(out, keyOf(t.Field(i)))
	}
	return out
}

// value reads a node into v; name is for sentences, path is the key with dots.
func (r *fileReader) value(n *yaml.Node, v reflect.Value, name, path string) {
	if path != "" {
		r.lines[path] = n.Line
	}
	empty := n.Kind == yaml.ScalarNode && n.Tag == "!!null"
	switch v.Kind() {
	case reflect.Struct:
		if empty {
			return
		}
		keys := r.mapping(n, name, keysOf(v.Type()))
		for i := range v.NumField() {
			key := keyOf(v.Type().Field(i))
			if child := keys[key]; child != nil {
				r.value(child, v.Field(i), key, path+"."+key)
			}
		}
	case reflect.Slice:
		r.list(n, v, name, path, empty)
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			r.say(n, name+" must be true or false.")
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int:
		whole, err := strconv.ParseInt(n.Value, 10, 32)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
			r.say(n, name+" must be a whole number.")
			return
		}
		v.SetInt(whole)
	default:
		if empty {
			v.SetString("")
			return
		}
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
			r.say(n, name+" must be a text. Put it in quotes.")
			return
		}
		v.SetString(n.Value)
	}
}

func (r *fileReader) list(n *yaml.Node, v reflect.Value, name, path string, empty bool) {
	v.SetZero()
	if empty {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.say(n, name+" must be a list, each entry after a dash.")
		return
	}
	most := maxNames
	if path == PathCustomObjects {
		most = maxCustomObjects
	}
	if len(n.Content) > most {
		r.say(n, fmt.Sprintf("%s has %d entries; %d is the most.", name, len(n.Content), most))
		return
	}
	all := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, child := range n.Content {
		r.value(child, all.Index(i), name, path+"."+strconv.Itoa(i))
	}
	if len(n.Content) > 0 {
		v.Set(all)
	}
}

// line returns the line of the setting at a field path, of what it is part of where it is left out itself; 0 when that is not known.
func (r *fileReader) line(path string) int {
	for path != "" {
		if n := r.lines[path]; n > 0 {
			return n
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return 0
		}
		path = path[:i]
	}
	return 0
}
