package pipeline

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
)

// PlainText returns the text of HTML, with a line for each paragraph. Lines of a quotation begin with >.
func PlainText(body string) string {
	var w plainWriter
	w.empty = true
	z := html.NewTokenizer(strings.NewReader(body))
	hidden := 0
	for {
		kind := z.Next()
		switch kind {
		case html.ErrorToken:
			return strings.TrimSpace(w.text.String())
		case html.TextToken:
			if hidden == 0 {
				w.write(z.Text())
			}
			continue
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		name, _ := z.TagName()
		switch tag := string(name); tag {
		case "script", "style", "title":
			switch kind {
			case html.StartTagToken:
				hidden++
			case html.EndTagToken:
				hidden = max(0, hidden-1)
			}
		case "br":
			w.endLine()
		case "td", "th":
			w.blank = true
		case "pre":
			w.block()
			w.nest(&w.verbatim, kind)
		case "blockquote":
			w.block()
			w.nest(&w.quoted, kind)
		case "p", "div", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "table", "tr", "hr", "section", "article", "header", "footer", "center", "address", "body":
			w.block()
			if tag == "li" && kind == html.StartTagToken {
				w.write([]byte("• "))
			}
		}
	}
}

// deepestQuote is how many > a line begins with at most.
const deepestQuote = 5

// plainWriter puts text into lines.
type plainWriter struct {
	text     strings.Builder
	empty    bool // nothing is in the line yet
	blank    bool // a space is due before the next word
	verbatim int  // spaces and line ends count, within so many elements
	quoted   int  // how many quotations the text is in
}

// write adds text of one element. Spaces and line ends are no more than the space between two words.
func (w *plainWriter) write(text []byte) {
	for len(text) > 0 {
		at := bytes.IndexAny(text, " \t\r\n\f")
		if at != 0 {
			if at < 0 {
				at = len(text)
			}
			w.begin()
			w.text.Write(text[:at])
			text = text[at:]
			continue
		}
		switch {
		case w.verbatim == 0:
			w.blank = true
		case text[0] == '\n':
			w.endLine()
		case text[0] != '\r':
			w.begin()
			w.text.WriteByte(text[0])
		}
		text = text[1:]
	}
}

// begin begins the line, unless it has begun, and writes the space that is due.
func (w *plainWriter) begin() {
	if w.empty {
		w.text.WriteString(strings.Repeat("> ", min(w.quoted, deepestQuote)))
	} else if w.blank {
		w.text.WriteByte(' ')
	}
	w.empty, w.blank = false, false
}

// endLine ends the line, also an empty one.
func (w *plainWriter) endLine() {
	if w.empty && w.quoted > 0 {
		w.text.WriteByte('>')
	}
	w.text.WriteByte('\n')
	w.empty, w.blank = true, false
}

// block ends the line where something is in it.
func (w *plainWriter) block() {
	if w.blank = false; !w.empty {
		w.endLine()
	}
}

// nest counts the elements of one kind that the text is in.
func (w *plainWriter) nest(depth *int, kind html.TokenType) {
	switch kind {
	case html.StartTagToken:
		*depth++
	case html.EndTagToken:
		*depth = max(0, *depth-1)
	}
}
