package settings

import "unicode"

// Span is a part of a setting's text; Marked says that the other side does not have it.
type Span struct {
	Text   string
	Marked bool
}

// Words splits both sides of the change into what they share and what only one of them has, word by word. The texts of the spans of a side make up that
// side. A side that is empty has no spans.
func (c Change) Words() (before, after []Span) {
	a, b := words(c.Before), words(c.After)
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	inA, inB := shared(a[start:len(a)-end], b[start:len(b)-end])
	side := func(all []string, in []bool) (out []Span) {
		for i, w := range all {
			marked := i >= start && i < len(all)-end && !in[i-start]
			if n := len(out); n > 0 && out[n-1].Marked == marked {
				out[n-1].Text += w
			} else {
				out = append(out, Span{w, marked})
			}
		}
		return out
	}
	return side(a, inA), side(b, inB)
}

// comparedWords bounds the table that shared fills; what is longer counts as replaced as a whole.
const comparedWords = 4 << 20

// shared says which words of a and of b belong to a longest sequence that both have.
func shared(a, b []string) (inA, inB []bool) {
	inA, inB = make([]bool, len(a)), make([]bool, len(b))
	if len(a)*len(b) > comparedWords {
		return inA, inB
	}
	width := len(b) + 1
	longest := make([]int32, (len(a)+1)*width) // of what follows the places i and j
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i*width+j] = longest[(i+1)*width+j+1] + 1
			} else {
				longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			inA[i], inB[j] = true, true
			i, j = i+1, j+1
		case longest[(i+1)*width+j] >= longest[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return inA, inB
}

// words splits a text into words, runs of blanks, and single other characters.
func words(text string) []string {
	class := func(r rune) int {
		switch {
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return 1
		case unicode.IsSpace(r):
			return 2
		}
		return 0
	}
	var out []string
	start, last := 0, -1
	for i, r := range text {
		c := class(r)
		if i > 0 && (c != last || c == 0) {
			out = append(out, text[start:i])
			start = i
		}
		last = c
	}
	if start < len(text) {
		out = append(out, text[start:])
	}
	return out
}
