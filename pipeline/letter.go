package pipeline

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a letter has around what it says. Its words are the most polite of all and would make each complaint sound friendly.
var (
	// greeting is how a text begins: up to a comma and the like, or a line by itself.
	greeting = regexp.MustCompile(`(?i)^(?:dear|hi|hello|hey|greetings|good (?:morning|afternoon|evening|day))\b((?:[ \t]+[\pL.'’/&-]+){0,5})[ \t]*(?:[,:!;–—]+|\.?[ \t]*(?:\n|$))`)
	// notAName are words after which what looked like a greeting is a sentence.
	notAName = setOf(`i i'm i've i'd we we're we've it it's this that these is are was were my our can could please how what when why thanks thank not you`)
	// closing ends a letter in words that do nothing else. It stands at the beginning of a line or behind a full stop.
	closing = regexp.MustCompile(`(?i)(?:^|\n|[.!?…][ \t]+)[ \t]*(` +
		`(?:(?:with|many|my|our)[ \t]+)*(?:(?:very[ \t]+)?(?:kind(?:est)?|best|warm(?:est)?|friendly|good)[ \t]+)?(?:regards|rgds)\b[^.!?\n]*` +
		`|(?:with[ \t]+)?(?:kind(?:est)?|best|warm(?:est)?|good)[ \t]+(?:wishes|greetings)\b[^.!?\n]*` +
		`|(?:yours[ \t]+)?(?:sincerely|faithfully|truly|respectfully|cordially)(?:[ \t]+yours)?[ \t]*[,.]?[ \t]*(?:\n|$)` +
		`|mit[ \t]+(?:freundlichen|besten|vielen|herzlichen)[ \t]+grü(?:ß|ss)en\b|(?:viele|beste|freundliche|liebe|herzliche|schöne)[ \t]+grü(?:ß|ss)e\b|met[ \t]+vriendelijke[ \t]+groet(?:en)?\b|cordialement\b|saludos\b|cordiali[ \t]+saluti\b` +
		`|sent[ \t]+from[ \t]+my[ \t]+\pL+[^\n]*)`)
	// thanked is a line that closes a letter when a name follows, in the line or in the next, or nothing does after a comma.
	thanked = regexp.MustCompile(`(?i)^((?:many[ \t]+)?thanks(?:[ \t]+(?:again|in[ \t]+advance|a[ \t]+lot|so[ \t]+much|and[ \t]+(?:best|kind)?[ \t]*regards))?|thank[ \t]+you(?:[ \t]+(?:again|in[ \t]+advance|very[ \t]+much|so[ \t]+much))?|cheers|best|all[ \t]+the[ \t]+best|br|thx)[ \t]*([,.!–—-]*)[ \t]*(.*)$`)
	// footer begins what companies put under each message.
	footer = regexp.MustCompile(`(?i)^(?:(?:this|the)[ \t]+(?:e-?mail|message|communication|transmission)\b.*\b(?:confidential|privileged|intended)\b|confidentiality[ \t]+(?:notice|note|statement)\b|disclaimer\b[ \t]*:?)`)
)

// Said is what a message says by itself: without what it quotes, its greeting, and everything from its closing words or the line above its signature on.
func Said(text string) string {
	text = withoutGreeting(Unquoted(text))
	if at := closing.FindStringSubmatchIndex(text); at != nil {
		text = text[:at[2]]
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if line == "--" || line == "—" || footer.MatchString(line) || i > 0 && thanks(line, lines[i+1:]) {
			lines = lines[:i]
			break
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func withoutGreeting(text string) string {
	at := greeting.FindStringSubmatchIndex(text)
	if at == nil {
		return text
	}
	for w := range strings.FieldsSeq(strings.ToLower(strings.ReplaceAll(text[at[2]:at[3]], "’", "'"))) {
		if notAName[w] {
			return text
		}
	}
	return strings.TrimSpace(text[at[1]:])
}

// thanks reports whether a line that thanks, or wishes the best, is where a letter closes: a name follows it.
func thanks(line string, after []string) bool {
	m := thanked.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	if m[3] != "" {
		return m[2] != "" && isName(m[3])
	}
	for _, next := range after {
		if next = strings.TrimSpace(next); next != "" {
			return isName(next)
		}
	}
	return strings.HasSuffix(m[2], ",")
}

// isName reports whether a line looks like the name of a person or a team: up to four words, each with a capital letter, and no full stop behind them.
func isName(line string) bool {
	words := strings.Fields(strings.TrimRight(line, ","))
	if len(words) == 0 || len(words) > 4 || strings.HasSuffix(line, "!") || strings.HasSuffix(line, "?") {
		return false
	}
	for _, w := range words {
		r, _ := utf8.DecodeRuneInString(w)
		if !unicode.IsUpper(r) && w != "van" && w != "von" && w != "de" && w != "der" {
			return false
		}
	}
	last := words[len(words)-1]
	return !strings.HasSuffix(last, ".") || utf8.RuneCountInString(last) <= 2
}
