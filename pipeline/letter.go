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
	// greeted are words that a greeting has besides names, and titles those that stand before one.
	greeted = setOf(`account accounting admin again all and both billing care client colleague colleagues concerned customer customers department desk everybody everyone finance folks friend friends ` +
		`gentlemen guys help helpdesk it ladies of sales service services sirs support team teams technical the there to whom`)
	titles = setOf(`dr dr. ma'am madam miss mr mr. mrs mrs. ms ms. prof prof. sir`)
	// closing ends a letter in words that do nothing else: those of its first group where the rest of their line is a signature. It stands at the beginning of a line or behind a full stop.
	closing = regexp.MustCompile(`(?i)(?:^|\n|[.!?…][ \t]+)[ \t]*(?:(` +
		`(?:(?:with|many|my|our)[ \t]+)*(?:(?:very[ \t]+)?(?:kind(?:est)?|best|warm(?:est)?|friendly|good)[ \t]+)?(?:regards|rgds)\b` +
		`|(?:with[ \t]+)?(?:kind(?:est)?|best|warm(?:est)?|good)[ \t]+(?:wishes|greetings)\b` +
		`|sent[ \t]+from[ \t]+my\b` +
		`)|(` +
		`(?:yours[ \t]+)?(?:sincerely|faithfully|truly|respectfully|cordially)(?:[ \t]+yours)?[ \t]*[,.]?[ \t]*(?:\n|$)` +
		`|mit[ \t]+(?:freundlichen|besten|vielen|herzlichen)[ \t]+grü(?:ß|ss)en\b|(?:viele|beste|freundliche|liebe|herzliche|schöne)[ \t]+grü(?:ß|ss)e\b|met[ \t]+vriendelijke[ \t]+groet(?:en)?\b|cordialement\b|saludos\b|cordiali[ \t]+saluti\b` +
		`))`)
	// regardsTo says whom regards are for, or from.
	regardsTo = regexp.MustCompile(`(?i)^[ \t]+(?:(?:to|for)(?:(?:[ \t]+and)?(?:[ \t]+(?:your|the|all|whole|entire|of))*[ \t]+(?:you|all|everyone|everybody|team|family|us))+\b|from\b)`)
	// signedWith are words that a signature or the name of a device has besides names; unsigned are those after which it is a sentence.
	signedWith = setOf(`al an and at ben bin cellular da de del den der device di for ipad iphone la mobile of phone powered smartphone tablet ten the using van via von`)
	unsigned   = setOf(`am are be been but can did do does had has have i is my no not nobody nothing our still that this was we were will you your`)
	// thanked is a line that closes a letter when a name follows, in the line or in the next, or nothing does after a comma.
	thanked = regexp.MustCompile(`(?i)^((?:many[ \t]+)?thanks(?:[ \t]+(?:again|in[ \t]+advance|a[ \t]+lot|so[ \t]+much|and[ \t]+(?:best|kind)?[ \t]*regards))?|thank[ \t]+you(?:[ \t]+(?:again|in[ \t]+advance|very[ \t]+much|so[ \t]+much))?|cheers|best|all[ \t]+the[ \t]+best|br|thx)[ \t]*([,.!–—-]*)[ \t]*(.*)$`)
	// notice is how what companies put under each message begins, and heading what may stand above it. What its paragraph says tells it from a sentence about a message.
	notice  = regexp.MustCompile(`(?i)^(?:this|the)[ \t]+(?:e-?mail|message|communication|transmission)\b`)
	heading = regexp.MustCompile(`(?i)^(?:confidentiality[ \t]+(?:notice|note|statement)|disclaimer)[ \t]*(?:[:.–—-]|$)`)
	// A notice says of the message that it is secret, and to others than its readers what to do; a short one says one of both and nothing of people.
	noticeSecret = regexp.MustCompile(`(?i)\b(?:confidential|privileged)\b`)
	noticeReader = regexp.MustCompile(`(?i)\bintended\s+(?:only|solely|exclusively)\b|\b(?:intended|named)\s+(?:recipient|addressee)|\b(?:for|by|than)\s+the\s+(?:addressee|use\s+of)|` +
		`\b(?:received|sent|reached)\b[^.!?]{0,80}\bin\s+error\b|\bplease\b[^.!?]{0,80}\bdelete\b|\b(?:is|are|strictly)\s+prohibited\b`)
	noticeShort = regexp.MustCompile(`(?i)^this[ \t]+\S+[ \t]+[^.!?]{0,80}\b(?:contains?|includes?|is|are|be)\b[^.!?]{0,40}\b(?:(?:confidential|privileged)(?:[ \t]+(?:information|material))?[ \t]*(?:[.,;]|$)|intended[ \t]+(?:only|solely|exclusively)\b)`)
	firstPerson = regexp.MustCompile(`\bI(?:['’]\pL+)?(?:[\s,]|$)`)
	anyPerson   = regexp.MustCompile(`\bI\b|(?i:\b(?:we|you|my|our|your)\b)`)
)

const (
	// A signature in the line of closing words has at most so many bytes and words, and so many of capital letters alone.
	signatureBytes    = 200
	signatureWords    = 16
	signatureCapitals = 4
	// So many bytes of a paragraph are looked at for what a notice says.
	noticeBytes = 600
)

// Said is what a message says by itself: without what it quotes, its greeting, and everything from its closing words or the line above its signature on. Where nothing stands above these, it is what stands
// below, without the lines of a signature.
func Said(text string) string {
	text = withoutGreeting(Unquoted(text))
	above := text
	if at := closesAt(text); at >= 0 {
		above = text[:at]
	}
	lines := strings.Split(above, "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if isRule(line) || isNotice(lines[i:]) || i > 0 && thanks(line, lines[i+1:]) {
			lines = lines[:i]
			break
		}
	}
	if said := strings.TrimSpace(strings.Join(lines, "\n")); said != "" {
		return said
	}
	var below []string
	lines = strings.Split(text, "\n")
	for i, line := range lines {
		if i > 0 && isNotice(lines[i:]) {
			break
		}
		if closesAt(line) != 0 && !isRule(strings.TrimSpace(line)) && !isSignature(line) {
			below = append(below, line)
		}
	}
	return strings.TrimSpace(strings.Join(below, "\n"))
}

// closesAt returns where the closing words of a text begin, -1 for none.
func closesAt(text string) int {
	for _, at := range closing.FindAllStringSubmatchIndex(text, -1) {
		if at[2] < 0 {
			return at[4]
		}
		rest := text[at[3]:]
		rest, _, _ = strings.Cut(rest[:min(len(rest), signatureBytes+1)], "\n")
		if len(rest) <= signatureBytes && isSignature(rest[len(regardsTo.FindString(rest)):]) {
			return at[2]
		}
	}
	return -1
}

// isSignature reports whether the rest of a line, or a line, is nothing, or names people, companies, devices and where they can be reached.
func isSignature(line string) bool {
	words, capitals := 0, 0
	for w := range strings.FieldsSeq(line) {
		w = strings.Trim(w, `,;:.!()[]<>"'*|–—-`)
		lower := strings.ToLower(w)
		first, _ := utf8.DecodeRuneInString(w)
		switch {
		case w == "":
			continue
		case unsigned[lower], words == 0 && (lower == "the" || lower == "to" || lower == "for" || lower == "of" || lower == "and"):
			return false
		case unicode.IsLower(first) && !signedWith[lower] && !strings.ContainsRune(w, '@') && !strings.HasPrefix(lower, "www.") && !strings.Contains(lower, "://"):
			return false
		}
		if words++; lower != w && strings.ToUpper(w) == w {
			capitals++
		}
	}
	return len(line) <= signatureBytes && words <= signatureWords && (capitals < words || capitals <= signatureCapitals)
}

// isRule reports whether a line is the one above a signature.
func isRule(line string) bool { return line == "--" || line == "—" }

// isNotice reports whether what companies put under each message begins with the first of the lines.
func isNotice(lines []string) bool {
	first := strings.TrimSpace(lines[0])
	headed := heading.MatchString(first)
	if !headed && !notice.MatchString(first) {
		return false
	}
	says := ""
	for _, line := range lines {
		if line = strings.TrimSpace(line); line == "" || len(says) > noticeBytes {
			break
		}
		says += line[:min(len(line), noticeBytes)] + "\n"
	}
	return !firstPerson.MatchString(says) && (headed || noticeSecret.MatchString(says) && noticeReader.MatchString(says) || noticeShort.MatchString(first) && !anyPerson.MatchString(says))
}

// withoutGreeting leaves out a greeting of names and of words that greetings have. In small letters, or in capitals alone, one word passes for a name. What is all of a text is a greeting only with its comma.
func withoutGreeting(text string) string {
	at := greeting.FindStringSubmatchIndex(text)
	if at == nil {
		return text
	}
	shouted := strings.ToUpper(text[:2]) == text[:2]
	known, others := 0, 0
	for w := range strings.FieldsSeq(strings.ReplaceAll(text[at[2]:at[3]], "’", "'")) {
		first, _ := utf8.DecodeRuneInString(w)
		switch lower := strings.ToLower(w); {
		case notAName[lower]:
			return text
		case titles[lower]:
		case greeted[lower], unicode.IsUpper(first) && !shouted, !unicode.IsLetter(first):
			known++
		default:
			others++
		}
	}
	rest := strings.TrimSpace(text[at[1]:])
	if others > 1 || others == 1 && known > 0 || rest == "" && known+others > 0 && !strings.ContainsAny(text[at[3]:at[1]], ",:!;–—") {
		return text
	}
	return rest
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
