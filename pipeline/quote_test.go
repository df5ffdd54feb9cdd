package pipeline

import (
	"slices"
	"strings"
	"testing"
)

// TestUnquoted leaves out what a message quotes.
func TestUnquoted(t *testing.T) {
	t.Parallel()
	unquote(t, map[string]string{
		"Thanks!\n\nOn Mon, Jan 2, 2026 at 10:00 Ada wrote:\n> Hello":                             "Thanks!",
		"Thanks!\n\nOn Mon, Jan 2, 2026 at 10:00 Ada Lovelace\n<ada@example.com> wrote:\n> Hello": "Thanks!",
		"Danke\r\n\r\nAm 2. Januar 2026 um 10:00 schrieb Ada:\r\n> Hallo":                         "Danke",
		"Yes.\n> Do you?\nNo.":                                    "Yes.\nNo.",
		"See below\n-----Original Message-----\nFrom: Ada\nOld":   "See below",
		"See below\nFrom: Ada\nSent: today\nSubject: x\nOld":      "See below",
		"From: the start it was slow.\nThen it got worse.":        "From: the start it was slow.\nThen it got worse.",
		"> only a quotation":                                      "> only a quotation",
		"On Monday we wrote to you and nobody answered. It waits": "On Monday we wrote to you and nobody answered. It waits",
	})
}

// TestUnquotedKeepsAnswersBetweenTheLines cuts nothing that the writer put below or between what is quoted.
func TestUnquotedKeepsAnswersBetweenTheLines(t *testing.T) {
	t.Parallel()
	unquote(t, map[string]string{
		"Hi Ada, my answers are below, thank you.\n\nOn Mon, Jan 2, 2026 at 10:00 Ada wrote:\n> Does the export work now?\nNo, it is still broken, this is a disaster.\n> Shall we call?\nYes, at once, or we cancel.": "Hi Ada, my answers are below, thank you.\n\nNo, it is still broken, this is a disaster.\nYes, at once, or we cancel.",
		"On Mon, Jan 2, 2026 at 10:00 Ada wrote:\n\n> Does it work?\n>> It did not.\n\nNo.":                                                                                                                            "No.",
		"Am 2. Januar 2026 um 10:00 schrieb Ada:\r\n> Geht es?\r\nNein.":                                                                                                                                               "Nein.",
		"On Friday Ada wrote:\n> It works.\nIt does not.":                                                                                                                                                              "It does not.",
		"-----Original Message-----\n> Does it work?\nNo.":                                                                                                                                                             "No.",
		"It failed on Tuesday.\nOn Mon, Jan 2, 2026 at 10:00 Ada wrote:\n> x\nStill.":                                                                                                                                  "It failed on Tuesday.\nStill.",
		"On Tuesday it failed\nOn Mon, Jan 2, 2026 at 10:00 Ada wrote:\n> x":                                                                                                                                           "On Tuesday it failed",
		"On Tuesday 3 exports failed.\nAda wrote:\n> x":                                                                                                                                                                "On Tuesday 3 exports failed.\nAda wrote:",
		"First.\nOn Mon, Jan 2, 2026 at 10:00 Ada wrote:\n> a\nOn Sun, Jan 1, 2026 at 09:00 Bob wrote:\nAll that Bob wrote.":                                                                                           "First.",
	})
}

// TestUnquotedKeepsWhatOnlyLooksQuoted cuts below an attribution, header lines or a line of underscores only where these are those of a mail program.
func TestUnquotedKeepsWhatOnlyLooksQuoted(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"From: Berlin\nTo: Munich\nThe shipment is lost.",
		"From: Berlin\nTo: Munich\nSubject: a shipment\nIt is lost.",
		"Please see:\nSent: 12 boxes\nTo: Munich\nSubject: boxes\nOne is lost.",
		"Two parts\n____________\nThe second is broken.",
		"____________________\nFrom: Berlin\nThe shipment is lost.",
		"On Monday your colleague wrote:\nIt is repaired.\nIt is not.",
		"Am 3. Mai schrieb ich Ihnen:\nEs ist kaputt.",
		"On May 3, 2026 I wrote to you, and I ask again:\nWhere is it?",
		"Please check my booking:\nFrom: Hamburg\nTo: Lyon\nDate: 12 June\n\nThe driver never came and I am furious. This was a horrible disaster.",
		"Please check my booking:\nFrom: Hamburg\nTo: Lyon\nDate: 12 June, 10:30\nThe driver never came.",
		"Von: Hamburg\nAn: Lyon\nDatum: 12.06.2026\nNiemand kam.",
		"Von: Hamburg\nDatum: 12.06.2026\nAn: Lyon\nNiemand kam.",
		"De : Hambourg\nDate : 12 juin\nÀ : Lyon\nPersonne.",
		"Am 3.5. um 10:30 war niemand da, wie mir Herr Meier schrieb:\nEs ist eine Katastrophe.",
		"Am 3.5.2026 um 10:30 war niemand da, wie mir Herr Meier schrieb:\nEs ist eine Katastrophe.",
		"Am 3. Mai 2026 schrieb ich:\nEs ist kaputt.",
		"Am 3. Mai 2026 um 10:30 schrieb ich Ihnen:\nEs ist kaputt.",
		"On May 3, 2026 at 10:30 nobody came, as Bob wrote:\nIt is a disaster.",
		"On May 3, 2026 I wrote:\nWhere is it?",
		"On Monday bob@example.com did nothing, as Ada wrote:\nIt is a disaster.",
	} {
		for _, text := range []string{text, "Own.\n" + text} { // a message that is nothing but a quotation stays
			if got := Unquoted(text); got != text {
				t.Errorf("%q becomes %q", text, got)
			}
		}
	}
}

// TestUnquotedInSeveralLanguages knows the header lines and attributions of mail programs in the languages of their users, with spaces of any width.
func TestUnquotedInSeveralLanguages(t *testing.T) {
	t.Parallel()
	for _, quoted := range []string{
		"From: Ada\nSent: Monday\nTo: Bob\nSubject: x",
		"*From:* Ada\n*Date:* Monday\n*To:* Bob\n*Subject:*",
		"From: Ada\nTo: Bob\nCc:\nSent: Monday\nSubject: x",
		"Von: Ada\nGesendet: Montag\nAn: Bob\nBetreff: x",
		"Von: Ada\nDatum: Montag\nAn: Bob\nCc: Eve\nBetreff: x",
		"De : Ada\nEnvoyé : lundi\nÀ : Bob\nObjet : x",
		"De\u00a0: Ada\nEnvoyé\u00a0: lundi\nÀ\u00a0: Bob\nObjet\u00a0: x",
		"De\u202f: Ada\n\nDate\u202f: lundi\n\n\u00a0\nÀ\u202f: Bob\n\nObjet\u202f:\u00a0x",
		"De: Ada\nEnviado: lunes\nPara: Bob\nAsunto: x",
		"De: Ada\nEnviado el: lunes\nPara: Bob\nAsunto: x",
		"De: Ada\nFecha: lunes, 2 de enero de 2026 10:00\nPara: Bob",
		"Van: Ada\nVerzonden: maandag\nAan: Bob\nOnderwerp: x",
		"Van: Ada\nDatum: maandag\nAan: Bob\nOnderwerp: x",
		"Da: Ada\nInviato: lunedì\nA: Bob\nOggetto: x",
		"Da: Ada\nData: lunedì\nA: Bob\nOggetto: x",
		"De: Ada\nEnviado: segunda\nPara: Bob\nAssunto: x",
		"De: Ada\nEnviada em: segunda\nPara: Bob\nAssunto: x",
		"De: Ada\nData: segunda\nPara: Bob\nAssunto: x",
		"________________________________\nFrom: Ada\nSent: Monday\nTo: Bob",
		"____________\n\nDe : Ada\n\nEnvoyé : lundi\n\nÀ : Bob",
		"On Mon, Jan 2, 2026 at 10:00\u202fAM Ada <ada@example.com> wrote:",
		"Am Mo., 2. Jan. 2026 um 10:00 Uhr schrieb Ada <ada@example.com>:",
		"Le lun. 2 janv. 2026 à 10:00, Ada <ada@example.com> a écrit :",
		"Le lun. 2 janv. 2026 à 10:00, Ada <ada@example.com> a écrit\u00a0:",
		"Le 2 janv. 2026 à 10:00, Ada a\u00a0écrit\u202f:",
		"El lun, 2 ene 2026 a las 10:00, Ada (<ada@example.com>) escribió:",
		"Op ma 2 jan 2026 om 10:00 schreef Ada <ada@example.com>:",
		"Il giorno lun 2 gen 2026 alle ore 10:00 Ada <ada@example.com> ha scritto:",
		"Em seg., 2 de jan. de 2026 às 10:00, Ada <ada@example.com> escreveu:",
		"Den mån 2 jan. 2026 kl 10:00 skrev Ada <ada@example.com>:",
		"man. 2. jan. 2026 kl. 10:00 skrev Ada <ada@example.com>:",
		"From: Ada <ada@example.com>\nTo: Bob\nDate: Monday",
		"Von: Ada\nGesendet: Montag, 2. Januar 2026 10:00\nAn: Bob",
		"On 1/2/26 10:00 AM, ada wrote:",
		"On January 2, 2026 10:00:12 AM GMT+01:00, Ada van Dyke wrote:",
		"On Mon, Jan 02, 2026 at 10:00:00AM +0100, Ada Lovelace wrote:",
		"On Thu, 2 Jan 2026, 10:00 Ada Lovelace, wrote:",
		"On Jan 2, 2026, Ada Lovelace wrote:",
		"On Monday ada@example.com wrote:",
		"Am 02.01.2026 um 10:00 schrieb Ada Lovelace:",
		"Am Donnerstag, dem 2. Januar 2026, um 10.00 Uhr schrieb Ada:",
		"Le 02/01/2026 à 10h00, Ada a écrit :",
		"Il giorno lun 2 gen 2026 alle ore 10:00 Ada ha scritto:",
		"El lun, 2 de ene de 2026 a las 10:00, Ada escribió:",
		"Op 02-01-2026 om 10:00 schreef Ada van Dyke:",
		"Em seg., 2 de jan. de 2026 às 10:00, Ada escreveu:",
		"Den mån 2 jan. 2026 kl 10:00 skrev Ada Lovelace:",
		"On Mon, Jan 2, 2026 at 10:00 a.m.\nAda Lovelace\n<ada.lovelace@example.com> wrote:",
		"Le lun. 2 janv. 2026 à 10:00, Ada Lovelace de la Maison\n<ada.lovelace@example.com> a\nécrit\u00a0:",
	} {
		for _, below := range []string{"\nWhat was said before", "\n\nWhat was said before\r\n> and before that"} {
			if got := Unquoted("Own.\n\n" + quoted + below); got != "Own." {
				t.Errorf("below %q there is left %q", quoted, got)
			}
		}
	}
}

func unquote(t *testing.T, cases map[string]string) {
	t.Helper()
	for text, want := range cases {
		if got := Unquoted(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// FuzzUnquoted looks that the result is made of the message's own lines, in their order, and says nothing else.
func FuzzUnquoted(f *testing.F) {
	f.Add("Thanks!\n\nOn Mon, Jan 2, 2026 at 10:00 Ada Lovelace\n<ada@example.com> wrote:\n> Hello\nNo.")
	f.Add("Merci\r\n\r\nDe\u00a0: Ada\r\nEnvoyé\u202f: lundi\r\nÀ : Bob\r\nObjet :\r\n\r\nAvant")
	f.Add("a\n____________\nFrom: b\n\nTo: c\nDate: d")
	f.Add("-----Original Message-----\n> a\nb\n----- ref:_00D")
	f.Fuzz(func(t *testing.T, text string) {
		got := Unquoted(text)
		if len(got) > len(text) {
			t.Fatalf("%q becomes longer: %q", text, got)
		}
		if (got == "") != (strings.TrimSpace(text) == "") {
			t.Fatalf("%q becomes %q", text, got)
		}
		lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
		for line := range strings.SplitSeq(strings.ReplaceAll(got, "\r\n", "\n"), "\n") {
			at := slices.IndexFunc(lines, func(l string) bool { return strings.TrimSpace(l) == strings.TrimSpace(line) })
			if at < 0 {
				t.Fatalf("%q becomes %q, of which %q is no line in this order", text, got, line)
			}
			lines = lines[at+1:]
		}
	})
}
