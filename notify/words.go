package notify

import "strings"

// subject is the line by which a person sees what a message is about.
func (m Message) subject() string {
	return oneLine(m.headline())
}

// headline says of which connection the message is, and what happened.
func (m Message) headline() string {
	if m.Connection == "" {
		return m.Title
	}
	return m.Connection + ": " + m.Title
}

// oneLine takes line breaks out of a text that stands in a heading.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// plainText is the message as an e-mail says it.
func (m Message) plainText() string {
	var b strings.Builder
	b.WriteString(m.headline() + "\n\n" + m.Text + "\n")
	if m.Link != "" {
		b.WriteString("\n" + m.LinkLabel + ":\n" + m.Link + "\n")
	}
	switch {
	case m.Kind == Recovered && m.OpenedAt != nil && m.EndedAt != nil:
		b.WriteString("\nIt began on " + m.OpenedAt.UTC().Format(human) + " and ended on " + m.EndedAt.UTC().Format(human) + ".\n")
	case m.Kind == Opened && m.OpenedAt != nil:
		b.WriteString("\nNoticed on " + m.OpenedAt.UTC().Format(human) + ". You are told once, and once more when it is over.\n")
	}
	b.WriteString("\n-- \nMillrace sends this because your address is in one of its alert channels. An admin can change that under Alerts.\n")
	return b.String()
}

const human = "2 January 2006 at 15:04 UTC"

// slackText is the message in Slack's own notation.
func (m Message) slackText() string {
	mark := map[Kind]string{Opened: ":warning:", Recovered: ":white_check_mark:", Test: ":wave:"}[m.Kind]
	text := mark + " *" + slackEscape(oneLine(m.headline())) + "*\n" + slackEscape(m.Text)
	if m.Link != "" {
		text += "\n<" + m.Link + "|" + slackEscape(oneLine(m.LinkLabel)) + ">"
	}
	return text
}

// slackEscape keeps a text from being read as a link or a mention.
func slackEscape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
