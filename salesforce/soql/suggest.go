package soql

import (
	"cmp"
	"slices"
	"strings"
)

// mostSuggestions is how many nearest names a finding offers.
const mostSuggestions = 3

// nearest returns the candidates that the writer of name may have meant, best first: those with nearly the same API name or label, or that
// share a word with it.
func nearest(name string, candidates []Suggestion) []Suggestion {
	type scored struct {
		Suggestion
		score float64
	}
	wanted := words(name)
	var found []scored
	for _, c := range candidates {
		s := min(likeness(wanted, words(c.Name)), likeness(wanted, words(c.Label))+0.01)
		if s <= 0.45 {
			found = append(found, scored{c, s})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	var best []Suggestion
	for _, f := range found {
		// A perfect match needs no company.
		if len(best) == mostSuggestions || len(best) > 0 && found[0].score < 0.05 && f.score > 0.2 {
			break
		}
		best = append(best, f.Suggestion)
	}
	return best
}

// words splits a name or label into its lower-case words, without the suffix of custom names.
func words(name string) []string {
	name = strings.ToLower(name)
	for _, suffix := range []string{"__c", "__r", "__pc"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == ' ' || r == '-' || r == '.' || r == '(' || r == ')' })
}

// likeness measures how far two names are apart: 0 for the same letters, 1 for nothing in common.
func likeness(a, b []string) float64 {
	x, y := strings.Join(a, ""), strings.Join(b, "")
	if x == "" || y == "" {
		return 1
	}
	if x == y {
		return 0
	}
	distance := float64(edits([]rune(x), []rune(y))) / float64(max(len(x), len(y)))
	for _, word := range a {
		if len(word) >= 3 && slices.Contains(b, word) {
			distance = min(distance, 0.1+0.3*float64(len(a)-1)/float64(len(a))+0.01*float64(len(b)))
		}
	}
	if len(x) >= 4 && (strings.HasPrefix(y, x) || strings.HasSuffix(y, x)) {
		distance = min(distance, 0.3)
	}
	return distance
}

// edits counts the single-letter changes, with a swap of neighbours as one, that turn a into b.
func edits(a, b []rune) int {
	const longest = 80
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = last, row, before
	}
	return rows[1][len(b)]
}

// didYouMean is the sentence for suggestions, with a blank before it, or nothing.
func didYouMean(found []Suggestion) string {
	if len(found) == 0 {
		return ""
	}
	names := make([]string, len(found))
	for i, s := range found {
		names[i] = s.Name
		if s.Label != "" && !strings.EqualFold(s.Label, s.Name) {
			names[i] += " (" + s.Label + ")"
		}
	}
	last := len(names) - 1
	if last == 0 {
		return " Did you mean " + names[0] + "?"
	}
	return " Did you mean " + strings.Join(names[:last], ", ") + " or " + names[last] + "?"
}
