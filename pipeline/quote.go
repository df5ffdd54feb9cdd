package pipeline

import (
	"regexp"
	"strings"
)

// What mail programs write above the text that they quote; each is a line by itself. Everything from there on was said before.
var quoteBegins = []*regexp.Regexp{
	regexp.MustCompile(`(?i)^-{2,} ?(original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht|message d['’]origine|message transféré|mensaje original|mensaje reenviado|` +
		`oorspronkelijk bericht|doorgestuurd bericht|messaggio originale|messaggio inoltrato|mensagem original|mensagem encaminhada) ?-{2,}$`),
	regexp.MustCompile(`(?i)^-{5,} ?ref:_?00D`),
}

// attribution is the line that says who wrote what is quoted below it.
var attribution = regexp.MustCompile(`(?i)^(on|am|le|el|op|il|em|den|(man|tir|ons|tor|fre|lør|søn)\pL*\.?,?) .{4,} (wrote|a écrit|escribió|ha scritto|escreveu|(schrieb|schreef|skrev)( .{0,80})?) ?:$`)

// writtenAt is what an attribution says of the time, or of the writer's address, and a sentence seldom does.
var writtenAt = regexp.MustCompile(`\d{4}|\d[:.h] ?\d\d|\d[/.-]\d{1,2}[/.-] ?\d|@`)

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
			if writtenAt.MatchString(strings.Join(m.plain[i:i+n], " ")) {
				break
			}
		}
		if m.begins(i) {
			if next := m.next[i]; next < len(m.lines) && m.quoted(next) {
				continue
			}
			break
		}
		if m.headers(i) || underscores.MatchString(m.plain[i]) && m.headers(m.next[i]) {
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

// headers reports whether the header lines of a quoted message begin at line i; there may be empty lines between them.
func (m *messageText) headers(i int) bool {
	if i < m.none {
		return false
	}
	var found headerKind
	different := 0
	for ; i < len(m.lines); i = m.next[i] {
		kind := headerOf(m.plain[i])
		if kind == 0 {
			break
		}
		if found&kind == 0 {
			different++
		}
		found |= kind
	}
	if different >= leastHeaders && found&headerFrom != 0 && found&headerSent != 0 {
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
