package db

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/lib/pq"
)

// auditSubject is what a text stands for. An entry is found when it is about one of the records, or has all of the words.
type auditSubject struct {
	ids   []string // records, when they are few
	many  []nameSet
	words string // a tsquery
}

// nameSet is a table with so many records of a name that the entries are asked one by one whether they are about one of them.
type nameSet struct {
	named
	text        string
	indexed     bool    // there is an index of its words
	pages, rows float64 // how large the table is then
}

func (u *auditSubject) empty() bool { return u.words == "" && len(u.ids) == 0 && len(u.many) == 0 }

// byID reports whether single records are searched for, and nothing else.
func (u *auditSubject) byID() bool { return u.words == "" && len(u.many) == 0 }

// collectable reports whether the indexes of a day lead to some of what is searched for.
func (u *auditSubject) collectable() bool { return u.words != "" || len(u.ids) > 0 }

func blank(text string) bool { return strings.TrimSpace(text) == "" }

// auditSubject works out what the text stands for that q searches for.
func (d *DB) auditSubject(ctx context.Context, q AuditQuery) (*auditSubject, error) {
	text := shorten(strings.TrimSpace(q.Search), 200)
	if blank(text) { // nothing that can be stored
		return &auditSubject{}, nil
	}
	if id := fullID(text); id != "" && strings.ContainsFunc(id[:15], unicode.IsDigit) {
		return &auditSubject{ids: []string{id}}, nil
	}
	ids, many, err := d.recordsNamed(ctx, q, text)
	return &auditSubject{ids: ids, many: many, words: auditWords(text)}, err
}

// wordBreaks are what separates words for millrace.audit_words.
const wordBreaks = "_.-/:@,;\"'[](){}<>=+&|!*#"

// auditWords is the tsquery of entries that have every word of text, or one that begins like it.
func auditWords(text string) string {
	var terms []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(wordBreaks, r) }) {
		if word = strings.NewReplacer(`\`, ``, `'`, ``).Replace(word); strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			terms = append(terms, "'"+word+"':*")
		}
	}
	return strings.Join(terms, " & ")
}

// found is the condition that an entry a is one that is searched for, the cheapest first.
func (u *auditSubject) found(b *auditSQL, connectionID int64) string {
	return either(u.listed(b), u.named(b, connectionID), u.worded(b))
}

// indexed is the condition for those of them that the indexes of a day lead to.
func (u *auditSubject) indexed(b *auditSQL) string { return either(u.listed(b), u.worded(b)) }

func (u *auditSubject) listed(b *auditSQL) string {
	if len(u.ids) == 0 {
		return ""
	}
	return "a.sf_id = ANY (" + b.add(pq.Array(u.ids)) + ")"
}

func (u *auditSubject) worded(b *auditSQL) string {
	if u.words == "" {
		return ""
	}
	return wordyEntry + " AND millrace.audit_words(a.changes, a.detail) @@ to_tsquery('simple', " + b.add(u.words) + ")"
}

// named is the condition that an entry a is about a record of a table that has many of the name.
func (u *auditSubject) named(b *auditSQL, connectionID int64) string {
	var any []string
	for _, set := range u.many {
		connection, object := b.add(connectionID), ""
		if set.entities == nil {
			object = " AND r.object = a.entity"
		}
		any = append(any, "a.connection_id = "+connection+" AND "+set.calls(b, "a.entity")+
			" AND coalesce((SELECT "+set.matches(b, "r", set.text, set.indexed)+" FROM millrace."+set.table+" r WHERE r.connection_id = "+connection+object+" AND r.sf_id = a.sf_id), false)")
	}
	return either(any...)
}

// of reports whether the entries of a kind may be about records of a table that has many of the name.
func (u *auditSubject) of(k auditKind, connectionID int64) bool {
	return k.ConnectionID == connectionID && slices.ContainsFunc(u.many, func(set nameSet) bool { return set.called(k.Entity) })
}

// either joins conditions, of which empty ones never hold.
func either(conds ...string) string {
	var any []string
	for _, c := range conds {
		if c != "" {
			any = append(any, c)
		}
	}
	if len(any) == 0 {
		return ""
	}
	return "(" + strings.Join(any, " OR ") + ")"
}
