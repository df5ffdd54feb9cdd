package pipeline

import (
	"math"
	"strings"
	"testing"
)

// TestOnlyEnglishIsRated rates texts that look English, however short, and no others: the word list takes "die" and "war" for what they are in English.
func TestOnlyEnglishIsRated(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Thanks, works great!":          Positive,
		"This is broken again":          Negative,
		"Great!":                        Positive,
		"Terrible service.":             Negative,
		"It's a disaster.":              Negative,
		"Can’t log in, awful":           Negative,
		"IT says the export is broken.": Negative,
		"Thank you, Mr Müller, the problem with the naïve café export is solved. Great work!": Positive,
		"The export runs at noon. It has two columns.":                                        Neutral,
		"See https://de.example.com/die/der/das and mail to das@der.de: this is awful":        Negative,

		"Vielen Dank für die schnelle Antwort, die Lösung funktioniert einwandfrei.": "",
		"Die Rechnung war falsch.":    "",
		"Das war super, vielen Dank!": "",
		"Die Lieferung ist da":        "",
		"Super!":                      "",
		"Funktioniert einwandfrei.":   "",
		"Heel erg bedankt, het werkt weer perfect. Die fout was snel opgelost.": "",
		"Merci beaucoup, c'est excellent et très rapide.":                       "",
		"D'accord, merci": "",
		"Muchas gracias, el problema está resuelto. Excelente servicio, no error.":               "",
		"Grazie mille, il problema è risolto. Siamo molto felici.":                               "",
		"Muito obrigado, o problema foi resolvido. Não temos mais error.":                        "",
		"Tak for hjælpen, det virker fint nu og er super":                                        "",
		"Tack för hjälpen, det fungerar bra nu.":                                                 "",
		"Dziękuję bardzo, problem jest rozwiązany.":                                              "",
		"Спасибо, всё работает super":                                                            "",
		"ありがとうございます":                                                                             "",
		"Der Server meldet: the connection was refused. Bitte prüfen Sie das, wir haben Stress.": "",
	} {
		got := Sounds(Conversation{Messages: 1, Texts: []string{text}})
		if got.Label != want || (want == "") != math.IsNaN(got.Compound) || got.Method != SentimentMethod {
			t.Errorf("%q: %+v of %+v, want %q", text, got, languageOf(text), want)
		}
	}
	// Of a conversation in several languages the English part counts; a text that could be either is what the others are.
	for want, texts := range map[string][]string{
		Negative: {"Vielen Dank für die Antwort.", "This is still broken and we are very disappointed."},
		"":       {"Excellent!", "Vielen Dank für die schnelle Antwort."},
		Neutral:  {"Invoice attached.", "We have sent it with the other documents by mail."},
	} {
		if got := Sounds(Conversation{Messages: len(texts), Texts: texts}); got.Label != want {
			t.Errorf("%q: %+v, want %q", texts, got, want)
		}
	}
}

// TestLettersAreRatedWithoutTheirPoliteness rates neither how a message greets and closes nor what stands below it.
func TestLettersAreRatedWithoutTheirPoliteness(t *testing.T) {
	t.Parallel()
	const wrong = "our invoices are wrong again and nobody answers."
	for text, want := range map[string]string{
		"Dear support, " + wrong + " Kind regards, Ada Example":                                     wrong,
		"Dear support,\n\n" + wrong + "\n\nKind regards,\nAda Example\nHead of Happiness, Best Ltd": wrong,
		"Hi Ada,\r\n" + wrong + "\r\n\r\nBest\r\nBob":                                               wrong,
		"Hello Mr. O'Neil-Smith\n" + wrong + "\nMany thanks,\n\nBob van Dyke":                       wrong,
		"Good morning!\n" + wrong + "\nThanks,\nBob\nThis message and its love are confidential":    wrong,
		wrong + "\nThanks, Bob":                                                            wrong,
		wrong + "\nThanks in advance,":                                                     wrong,
		wrong + "\n-- \nBest Company, the great solution":                                  wrong,
		wrong + "\nYours sincerely\nBob":                                                   wrong,
		wrong + "\nMit freundlichen Grüßen\nMax Müller":                                    wrong,
		wrong + "\nThis e-mail may contain confidential information. Best, thanks, great.": wrong,
		wrong + "\nSent from my iPhone":                                                    wrong,
		"Thanks, works great!":                                                             "Thanks, works great!",
		"Thanks!\nBob":                                                                     "Thanks!\nBob",
		"It works again.\nThank you!":                                                      "It works again.\nThank you!",
		"It works again.\nThanks, great support":                                           "It works again.\nThanks, great support",
		"Hi we love this, it is great":                                                     "Hi we love this, it is great",
		"Best support ever. The best team.":                                                "Best support ever. The best team.",
		"He sends his regards to you.":                                                     "He sends his regards to you.",
		"Dear customers of ours wait for an answer since Monday and nobody does anything, sadly": "Dear customers of ours wait for an answer since Monday and nobody does anything, sadly",
	} {
		if got := Said(text); got != want {
			t.Errorf("%q says %q, want %q", text, got, want)
		}
	}
	letter := "Dear support, " + wrong + " Kind regards, Ada\n\nWe love our great customers. Thank you for being the best!"
	if got := Sounds(Conversation{Texts: []string{letter}}); got.Label != Negative {
		t.Errorf("a complaint in polite form sounds %+v", got)
	}
}

// TestComplaintsAreNotTakenForPoliteness keeps what only looks like a greeting, closing words or the notice under a message, and what stands below closing words that nothing stands above.
func TestComplaintsAreNotTakenForPoliteness(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"With regards to invoice 12, this is terrible and I am furious.",
		"WITH REGARDS TO INVOICE 12, THIS IS TERRIBLE. NOBODY ANSWERS.",
		"With regards to Invoice 12\nnothing works.",
		"Regards the outage: it is awful and still not fixed.",
		"Thank you. With kind regards to your team, but this is awful and you should be ashamed. It was a horrible disaster.",
		"It broke. Best wishes are no help, we are furious.",
		"It broke. KIND REGARDS. YOU SHOULD ALL BE ASHAMED.",
		"It broke. Kind regards to all of you" + strings.Repeat(" Bob", 12) + strings.Repeat("-", 140) + ", and nobody answers.",
		"Sent from my account on Monday, and nobody answers. Awful.",
		"The message was confidential and you leaked it. I am furious.",
		"We are customers.\n\nThe message was confidential and you leaked it. We are furious.",
		"We are customers.\n\nThis message is confidential, you leaked it, and we are furious.",
		"This message was intended to tell you that your service is horrible and I hate it.",
		"It broke.\nThis message is intended for your boss: your service is horrible.",
		"It broke.\nThis email is confidential. Please delete it, which I ask for the third time.",
		"It broke.\nDisclaimer: I am furious.",
		"It broke.\nDisclaimers do not help.",
		"Hi terrible service again\nIt broke.",
		"Hi terrible support,\nit broke.",
		"HI TERRIBLE SERVICE AGAIN\nIT BROKE.",
		"Hi Terrible service again",
	} {
		if got := Said(text); got != text {
			t.Errorf("%q says %q", text, got)
		}
	}
	for text, want := range map[string]string{
		"Hello,\n\nWith regards to my case, nothing works and I am very angry. It is a disaster.\n\nBob": "With regards to my case, nothing works and I am very angry. It is a disaster.\n\nBob",
		"Hi,\nRegards the outage: it is awful and still not fixed.":                                      "Regards the outage: it is awful and still not fixed.",
		"Hi terrible service again\n":                                           "Hi terrible service again",
		"Best regards\n\nYour service is awful.\nBob Example":                   "Your service is awful.",
		"Sent from my iPhone\n\nIt is awful.":                                   "It is awful.",
		"Hello,\nThis message is confidential.\n\nIt is awful.\n\nKind regards": "This message is confidential.\nIt is awful.",
		"-- \nIt is awful.":                                                     "It is awful.",

		"Hi,\n\nKind regards,\nAda Example\nHead of Happiness, Best Ltd": "",
		"Dear support,":                                     "",
		"hi bob,\nit broke":                                 "it broke",
		"HELLO MR SMITH,\nit broke":                         "it broke",
		"Dear Sir or Madam,\nit broke":                      "it broke",
		"Dear ACME Support Team,\nit broke":                 "it broke",
		"It broke.\nBest regards to you and your team\nBob": "It broke.",
		"It broke.\nKind regards from Berlin,\nBob":         "It broke.",
		"It broke. Regards, Dr. Bob van Dyke, Head of Sales, Best Ltd | +49 30 1234 | bob@example.com": "It broke.",
		"It broke. KIND REGARDS, BOB EXAMPLE":                "It broke.",
		"It broke.\nSent from my Samsung Galaxy smartphone.": "It broke.",
		"It broke.\n\nThis message and any attachments are confidential and may be\nprivileged. If you are not the intended recipient, please notify us and delete it.": "It broke.",
		"It broke.\nThe message is privileged. If you have received it in error, tell us. We love our customers.":                                                       "It broke.",
		"It broke.\nThis email is intended solely for Bob Example.":                                                                                                     "It broke.",
		"It broke.\nCONFIDENTIALITY NOTICE\nGreat news.":                                                                                                                "It broke.",
	} {
		if got := Said(text); got != want {
			t.Errorf("%q says %q, want %q", text, got, want)
		}
	}
}
