package sim

import (
	"strings"
	"unicode"
)

// matcher tells whether a row has what a search looks for in one of the fields.
type matcher func(w *world, o *object, fields []*field, row int) bool

// alternative is one side of an OR: what must be there, and what must not.
type alternative struct{ all, none []string }

// searchMatcher compiles a search term: words that must all be there, "phrases", AND, OR, AND NOT, and the wildcards * and ?. Words are compared without
// regard to case.
func searchMatcher(text string) (matcher, error) {
	var either []alternative
	var now alternative
	not, some := false, false
	for _, term := range searchTerms(text) {
		switch term {
		case "AND":
			continue
		case "NOT":
			not = true
			continue
		case "OR":
			either, now = append(either, now), alternative{}
			continue
		}
		if len([]rune(strings.Trim(term, "*?"))) < 2 {
			return nil, badRequest("MALFORMED_SEARCH", "search term must be longer than one character: %s", term)
		}
		if not {
			now.none = append(now.none, lower(term))
		} else {
			now.all, some = append(now.all, lower(term)), true
		}
		not = false
	}
	if !some {
		return nil, badRequest("MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces.")
	}
	either = append(either, now)
	return func(w *world, o *object, fields []*field, row int) bool {
		var texts [][]string
		for _, f := range fields {
			if v := w.get(o, f, row); !v.isNull() {
				texts = append(texts, searchWords(v.text()))
			}
		}
		has := func(term string) bool {
			phrase := searchWords(term)
			for _, words := range texts {
				if hasPhrase(words, phrase) {
					return true
				}
			}
			return false
		}
	next:
		for _, a := range either {
			for _, term := range a.all {
				if !has(term) {
					continue next
				}
			}
			for _, term := range a.none {
				if has(term) {
					continue next
				}
			}
			return len(a.all) > 0
		}
		return false
	}, nil
}

// searchTerms splits a search term into words, quoted phrases and operators. A backslash takes the meaning from what follows it.
func searchTerms(text string) (terms []string) {
	var b strings.Builder
	quoted := false
	end := func() {
		if b.Len() > 0 {
			terms = append(terms, b.String())
			b.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case c == '"':
			end()
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '(' || c == ')'):
			end()
		default:
			b.WriteByte(c)
		}
	}
	end()
	return terms
}

// searchWords are the words of a text in lower case; wildcards belong to words.
func searchWords(text string) []string {
	return strings.FieldsFunc(lower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r) && r != '*' && r != '?'
	})
}

// hasPhrase tells whether the words of a phrase stand one after the other among the words.
func hasPhrase(words, phrase []string) bool {
	for i := 0; len(phrase) > 0 && i+len(phrase) <= len(words); i++ {
		all := true
		for j, p := range phrase {
			all = all && wild(words[i+j], p)
		}
		if all {
			return true
		}
	}
	return false
}

// wild compares a word with a pattern in which * stands for any characters and ? for one.
func wild(word, pattern string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return word == pattern
	}
	w, p := []rune(word), []rune(pattern)
	at, star, mark := 0, -1, 0
	i := 0
	for i < len(w) {
		switch {
		case at < len(p) && (p[at] == '?' || p[at] == w[i]):
			i, at = i+1, at+1
		case at < len(p) && p[at] == '*':
			star, mark, at = at, i, at+1
		case star >= 0:
			mark++
			i, at = mark, star+1
		default:
			return false
		}
	}
	for at < len(p) && p[at] == '*' {
		at++
	}
	return at == len(p)
}
