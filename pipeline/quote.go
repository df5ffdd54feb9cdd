package pipeline

import (
	"regexp"
	"strings"
)

// What mail programs write above the text that they quote. Everything from there on was said before.
var quoteBegins = []*regexp.Regexp{
	regexp.MustCompile(`(?i)^-{2,} ?(original message|forwarded message|ursprüngliche nachricht|message d'origine|mensaje original) ?-{2,}$`),
	regexp.MustCompile(`(?i)^(on|am|le|el|op|il) .{4,200} (wrote|schrieb|a écrit|escribió|schreef|ha scritto)( .{0,80})?:$`),
	regexp.MustCompile(`^_{10,}$`),
	regexp.MustCompile(`(?i)^-{5,} ?ref:_?00D`),
}

// The header lines of a quoted message; two of them, one below the other, begin it.
var quotedHeader = regexp.MustCompile(`(?i)^\*?(from|sent|to|subject|date|von|gesendet|an|betreff|de|envoyé|à|objet|para|asunto)\*?: ?\S`)

// Unquoted returns a message without the earlier ones that it quotes below. A message that is nothing but a quotation stays as it is.
func Unquoted(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	var kept []string
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if beginsQuote(line) || quotedHeader.MatchString(line) && i+1 < len(lines) && quotedHeader.MatchString(strings.TrimSpace(lines[i+1])) {
			break
		}
		// Some programs break the line above a quotation in two.
		if i+1 < len(lines) && beginsQuote(line+" "+strings.TrimSpace(lines[i+1])) && line != "" {
			break
		}
		if !strings.HasPrefix(line, ">") {
			kept = append(kept, strings.TrimRight(lines[i], " \t"))
		}
	}
	if out := strings.TrimSpace(strings.Join(kept, "\n")); out != "" {
		return out
	}
	return strings.TrimSpace(text)
}

func beginsQuote(line string) bool {
	for _, r := range quoteBegins {
		if r.MatchString(line) {
			return true
		}
	}
	return false
}
