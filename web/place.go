package web

import (
	"strings"
	"unicode/utf8"

	"millrace/views"
)

// shownAround is how many characters of a long line are shown on each side of the place.
const shownAround = 60

// place cuts the line around the bytes from start to end out of text, and draws a caret to stand under it.
func place(text string, start, end int) views.FilterProblem {
	start = min(max(start, 0), len(text))
	end = min(max(end, start), len(text))
	from := strings.LastIndexByte(text[:start], '\n') + 1
	to := len(text)
	if i := strings.IndexByte(text[start:], '\n'); i >= 0 {
		to = start + i
	}
	end = min(end, to)
	if end == start && start < to { // a point: mark the character there
		_, size := utf8.DecodeRuneInString(text[start:])
		end = start + size
	}
	before, marked, after := text[from:start], text[start:end], text[end:to]
	p := views.FilterProblem{Line: strings.Count(text[:start], "\n") + 1, Column: utf8.RuneCountInString(before) + 1}
	if runes := []rune(before); len(runes) > shownAround {
		before = "…" + string(runes[len(runes)-shownAround:])
	}
	if runes := []rune(marked); len(runes) > shownAround {
		marked, after = string(runes[:shownAround])+"…", ""
	}
	if runes := []rune(after); len(runes) > shownAround {
		after = string(runes[:shownAround]) + "…"
	}
	p.Before, p.Marked, p.After = before, marked, after
	p.Caret = under(before) + "^"
	return p
}

// under returns blanks as wide as text in a monospaced font.
func under(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t':
			b.WriteByte('\t')
		case r >= 0x300 && r <= 0x36F, r == 0x200D, r >= 0xFE00 && r <= 0xFE0F: // marks that join the character before
		case r >= 0x1100 && r <= 0x115F, r >= 0x2E80 && r <= 0xA4CF, r >= 0xAC00 && r <= 0xD7A3, r >= 0xF900 && r <= 0xFAFF, r >= 0xFF00 && r <= 0xFF60, r >= 0x1F000:
			b.WriteString("  ")
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}
