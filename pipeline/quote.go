package pipeline

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What mail programs write above the text that they quote; each is a line by itself. Everything from there on was said before.
var quoteBegins = []*regexp.Regexp{
	regexp.MustCompile(`(?i)^-{2,} ?(original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|message d['’]origine|message transféré|mensaje original|mensaje reenviado|` +
		`oorspronkelijk bericht|doorgestuurd bericht|messaggio originale|messaggio inoltrato|mensagem original|mensagem encaminhada) ?-{2,}$`),
	regexp.MustCompile(`(?i)^-{5,} ?ref:_?00D`),
}

// attribution is the line that says who wrote what is quoted below it.
var attribution = regexp.MustCompile(`(?i)^(on|am|le|el|op|il|em|den|(man|tir|ons|tor|fre|lør|søn)\pL*\.?,?) .{4,} (wrote|a écrit|escribió|ha scritto|escreveu|(schrieb|schreef|skrev)( .{0,80})?) ?:$`)

// Below what is dated or addressed, in the forms that mail programs have, everything is quoted although no lines begin with >. What stands for a name in the first is looked at too.
var (
	dated = regexp.MustCompile(`(?i)^(?:\pL+\.?,? ){1,4}(?:\d{1,2}\.?,?(?: de)? \pL+\.?,?(?: de)? \d{2,4}|\d{1,2},? \d{4}|\d{1,4}[./-] ?\d{1,2}[./-] ?\d{1,4})` +
		`(?:,?(?: \pL+\.?,?){0,2} \d{1,2}[:.h] ?\d\d(?::\d\d)?(?: ?[ap]\.? ?m\.?)?(?: (?:uhr|uur|h))?(?: \(?(?-i:[A-Z]{2,5})(?:[+-]\d{1,2}(?::?\d\d)?)?\)?)?(?: [+-]\d{4})?)?,? ` +
		`(?:(?:schrieb|schreef|skrev) (.+?)|(.+?),? (?:wrote|a écrit|escribió|ha scritto|escreveu|schrieb|schreef|skrev)) ?:$`)
	addressed = regexp.MustCompile(`(?i)@\S+,? (?:wrote|a écrit|escribió|ha scritto|escreveu|schrieb|schreef|skrev) ?:$|\b(?:schrieb|schreef|skrev)\b.*@\S+ ?:$`)
)

// namedWith are words in small letters that a name has, and unnamed are no names.
var (
	namedWith = setOf(`al at bei ben bin chez da de del della den der di du from la le of ten van via von y`)
	unnamed   = setOf(`du ella elle er everybody he i ich ihr ik il io je jeg nobody nous she sie somebody someone they vi we wij wir yo you`)
)

// Mail programs fold an attribution over so many lines, which have so many bytes together.
const (
	attributionLines = 3
	attributionBytes = 400
)

// sentenceEnd is how a line ends that is no part of a folded attribution; a day of the month and the half of a day have full stops of their own.
var (
	sentenceEnd = regexp.MustCompile(`([!?:;]|[^\d\s]\.)$`)
	halfOfDay   = regexp.MustCompile(`(?i)\b[ap]\.? ?m\.$`)
)

// underscores are the line above the header lines in some mail programs.
var underscores = regexp.MustCompile(`^_{10,}$`)

// headerLine is a header line of a quoted message. The French write a space before the colon, some programs put asterisks around what was bold.
var headerLine = regexp.MustCompile(`^\*?(\pL[\pL ]{0,14}?)\*? ?:\*? ?(.*)$`)

// timeOfDay is a time of day in a header line.
var timeOfDay = regexp.MustCompile(`\b\d\d?:\d\d\b`)

// headerKind tells what a header line of a quoted message says.
type headerKind uint8

const (
	headerFrom headerKind = 1 << iota
	headerSent
	headerTo
	headerCopy
	headerSubject
)

// headerNames are the names of header lines, as mail programs write them in their user's language.
var headerNames = map[string]headerKind{
	"from": headerFrom, "von": headerFrom, "de": headerFrom, "van": headerFrom, "da": headerFrom,
	"sent": headerSent, "date": headerSent, "gesendet": headerSent, "datum": headerSent, "envoyé": headerSent, "enviado": headerSent, "enviado el": headerSent, "fecha": headerSent,
	"verzonden": headerSent, "inviato": headerSent, "data": headerSent, "enviada em": headerSent, "enviado em": headerSent,
	"to": headerTo, "an": headerTo, "à": headerTo, "a": headerTo, "para": headerTo, "aan": headerTo,
	"cc": headerCopy, "bcc": headerCopy, "kopie": headerCopy, "copie": headerCopy,
	"subject": headerSubject, "betreff": headerSubject, "objet": headerSubject, "asunto": headerSubject, "onderwerp": headerSubject, "oggetto": headerSubject, "assunto": headerSubject,
}

// leastHeaders is how many different header lines in a row are taken for those of a quoted message. People write one or two of the words themselves.
const leastHeaders = 3

// Unquoted returns a message without the earlier ones that it quotes. Text between and below lines that begin with > is the writer's own; below an attribution without such lines, and below header lines,
// nothing is. A message that is nothing but a quotation stays as it is.
func Unquoted(text string) string {
	m := newMessageText(text)
	var kept []string
	for i := 0; i < len(m.lines); i++ {
		if m.quoted(i) {
			continue
		}
		if n := m.attribution(i); n > 0 {
			next := m.next[i+n-1]
			if next < len(m.lines) && m.quoted(next) {
				i += n - 1
				continue
			}
			if byProgram(strings.Join(m.plain[i:i+n], " ")) {
				break
			}
		}
		if m.begins(i) {
			if next := m.next[i]; next < len(m.lines) && m.quoted(next) {
				continue
			}
			break
		}
		if m.headers(i, false) || underscores.MatchString(m.plain[i]) && m.headers(m.next[i], true) {
			break
		}
		kept = append(kept, strings.TrimRight(m.lines[i], " \t"))
	}
	if out := strings.TrimSpace(strings.Join(kept, "\n")); out != "" {
		return out
	}
	return strings.TrimSpace(text)
}

// messageText is a message, line by line.
type messageText struct {
	lines []string
	plain []string // the lines with single blanks, which stand for spaces of any width
	next  []int    // for each line, the place of the next that is not empty
	none  int      // before this line no header lines of a quoted message begin
}

func newMessageText(text string) *messageText {
	m := &messageText{lines: strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")}
	m.plain, m.next = make([]string, len(m.lines)), make([]int, len(m.lines))
	next := len(m.lines)
	for i := len(m.lines) - 1; i >= 0; i-- {
		m.plain[i], m.next[i] = strings.Join(strings.Fields(m.lines[i]), " "), next
		if m.plain[i] != "" {
			next = i
		}
	}
	return m
}

func (m *messageText) quoted(i int) bool { return strings.HasPrefix(m.plain[i], ">") }

func (m *messageText) begins(i int) bool {
	for _, r := range quoteBegins {
		if r.MatchString(m.plain[i]) {
			return true
		}
	}
	return false
}

// attribution returns how many lines from i on are one; 0 for none.
func (m *messageText) attribution(i int) int {
	whole := ""
	for n := 1; n <= attributionLines && i+n <= len(m.lines); n++ {
		line := m.plain[i+n-1]
		if line == "" || m.quoted(i+n-1) || len(whole)+len(line) > attributionBytes {
			return 0
		}
		if n > 1 && m.attributed(i+n-1) { // what stands above it is the writer's own
			return 0
		}
		whole = strings.TrimSpace(whole + " " + line)
		if strings.HasSuffix(whole, ":") && attribution.MatchString(whole) {
			return n
		}
		if sentenceEnd.MatchString(line) && !halfOfDay.MatchString(line) {
			return 0
		}
	}
	return 0
}

// attributed reports whether the line is an attribution by itself.
func (m *messageText) attributed(i int) bool {
	return strings.HasSuffix(m.plain[i], ":") && len(m.plain[i]) <= attributionBytes && attribution.MatchString(m.plain[i])
}

// byProgram reports whether a mail program and no person wrote an attribution: it says the address, or the day and no more than a name.
func byProgram(attribution string) bool {
	if addressed.MatchString(attribution) {
		return true
	}
	match := dated.FindStringSubmatch(attribution)
	return match != nil && isWriter(match[1]+match[2])
}

// isWriter reports whether an attribution names its writer by these words: they are written as names are, or are one word.
func isWriter(name string) bool {
	words := strings.Fields(name)
	for _, w := range words {
		first, _ := utf8.DecodeRuneInString(w)
		if lower := strings.ToLower(w); unnamed[lower] || len(words) > 1 && unicode.IsLower(first) && !namedWith[lower] {
			return false
		}
	}
	return len(words) > 0
}

// headers reports whether the header lines of a quoted message begin at line i; there may be empty lines between them. People write such lines of parcels and journeys: those of mail programs have a subject, an
// address, the time of day below the writer, or stand below a line of underscores.
func (m *messageText) headers(i int, below bool) bool {
	if i < m.none {
		return false
	}
	var found, last headerKind
	different, sure := 0, below
	for ; i < len(m.lines); i = m.next[i] {
		kind := headerOf(m.plain[i])
		if kind == 0 {
			break
		}
		if found&kind == 0 {
			different++
		}
		switch kind {
		case headerSubject:
			sure = true
		case headerFrom, headerTo:
			sure = sure || strings.Contains(m.plain[i], "@")
		case headerSent:
			sure = sure || last == headerFrom && timeOfDay.MatchString(m.plain[i])
		}
		found, last = found|kind, kind
	}
	if sure && different >= leastHeaders && found&headerFrom != 0 && found&headerSent != 0 {
		return true
	}
	m.none = max(m.none, i) // a part of these lines says no more than all of them
	return false
}

// headerOf returns what a header line of a quoted message says; 0 for any other line. Copies and subject may be left empty.
func headerOf(line string) headerKind {
	match := headerLine.FindStringSubmatch(line)
	if match == nil {
		return 0
	}
	kind := headerNames[strings.ToLower(strings.TrimSpace(match[1]))]
	if match[2] == "" && kind&(headerCopy|headerSubject) == 0 {
		return 0
	}
	return kind
}
