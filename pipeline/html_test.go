package pipeline

import (
	"strings"
	"testing"
	"time"
)

// TestPlainText reads HTML as its text.
func TestPlainText(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"<p>One &amp; two</p><p>Three</p>":          "One & two\nThree",
		"a<br>b<br/>c":                              "a\nb\nc",
		"<ul><li>x</li></ul><style>p{}</style>tail": "• x\ntail",
		"no html": "no html",
		"<html><head><title>Mail</title><style>p { margin: 0 }</style></head>\n<body>\n\t<div>Hello\n\tAda,</div>\n\t<div><br></div>\n\t<div>it <b>fails</b>.</div></body></html>": "Hello Ada,\n\nit fails.",
		"Hi<div>there</div>you": "Hi\nthere\nyou",
		"<table><tr><td>Order</td><td>12</td></tr><tr><td>Lost</td></tr></table>": "Order 12\nLost",
		"<pre>a\n  b</pre>c":                          "a\n  b\nc",
		"<!-- [if mso]>x<![endif] -->y":               "y",
		"<script>if (a < b) {}</script>z":             "z",
		"<p>a\u00a0b</p>":                             "a\u00a0b",
		"A<blockquote>b<br><br>c</blockquote>D":       "A\n> b\n>\n> c\nD",
		"<blockquote>a<blockquote>b</blockquote>c":    "> a\n> > b\n> c",
		"</blockquote></pre>a":                        "a",
		" <p> </p> <div>\n</div> ":                    "",
		"<p>caf&eacute; &lt;ada@example.com&gt;</p>x": "café <ada@example.com>\nx",
	} {
		if got := PlainText(body); got != want {
			t.Errorf("%q is read as %q, want %q", body, got, want)
		}
	}
	start := time.Now()
	for _, part := range []string{"<blockquote>a", "<pre>", " <", "<td>", "<br>"} {
		PlainText(strings.Repeat(part, 131072/len(part)))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("long ones take %s", took)
	}
}

// TestPlainTextOfAnswersBetweenTheLines leaves what a reply in HTML quotes to be told from what it answers.
func TestPlainTextOfAnswersBetweenTheLines(t *testing.T) {
	t.Parallel()
	body := `<div dir="ltr">Below.</div><br><div class="gmail_quote"><div class="gmail_attr">On Mon, Jan 2, 2026 at 10:00 Ada &lt;ada@example.com&gt; wrote:<br></div>` +
		`<blockquote><div>Does it work?</div></blockquote><div>No.</div><blockquote><div>Shall we call?</div></blockquote><div>Yes.</div></div>`
	if got, want := Unquoted(PlainText(body)), "Below.\n\nNo.\nYes."; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}
