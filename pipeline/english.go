package pipeline

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// The words by which a text is told to be English or something else: those that are frequent in one of them and no word of the other. Words that are both, such as "die", "war", "to"
// and "in", are in neither list.
var (
	englishWords = sync.OnceValue(func() map[string]bool {
		return setOf(`the and of that this these those with without you your yours not has are aren't it from by they them their there here what when where which who whose why how would could should
			cannot can can't does did been being be were my our ours she his its if then than please thanks thank again after before because about into out any some still just very yes
			get got gets getting only us had one well while until since during through both each every other another such too much many few new now never always already yet
			anything nothing something everything nobody everybody anyone someone everyone however although though maybe unless instead between against
			dont cant doesnt didnt isnt wont wasnt havent couldnt hello dear`)
	})
	foreignWords = sync.OnceValue(func() map[string]bool {
		return setOf(
			// German
			`der das dem des und ist nicht ein eine einen einem einer eines ich wir sie ihr ihre ihren ihrem ihrer unser unsere unseren unserem unserer uns mit für auf von vom zu zum zur auch aber oder bei beim wie
			wenn dass daß sind haben habe hatte wird werden wurde wurden kann können könnte könnten muss müssen bitte danke vielen dank viele sehr noch mehr nur schon nach aus mich mir dich dir ihnen
			kein keine keinen immer wieder hallo jetzt seit über durch leider ja nein nichts alles alle diese dieser dieses diesem diesen doch sich um es bin gibt geht funktioniert guten moin`,
			// Dutch
			`de het een en van voor niet zijn wij jij ik je maar met ook naar dat deze dit wordt worden heeft hebben hebt kan kunnen onze ons uw u bij nog wel geen graag bedankt te op aan uit als niets alweer
			weer goedemorgen goedemiddag dank`,
			// French
			`le la les une des du et est nous vous je il elle ne pas dans sur que qui ce cette ces notre votre nos vos sont être avons avez mais où très bonjour merci au aux été ils toujours depuis avec ça`,
			// Spanish
			`el los las una y que en es para por al se su sus lo como pero más muy está están esta hay nos nuestro nuestra nuestros gracias hola cuando también ya fue ser hemos desde porque sí`,
			// Italian
			`il gli della dello delle dei degli di che sono è anche ma più questo questa nel nella alla ho abbiamo grazie ci vi molto buongiorno perché siamo stato`,
			// Portuguese
			`uma não em para ao dos das mas mais muito obrigado obrigada nosso nossa isso são você foi olá temos`,
			// Danish, Norwegian, Swedish
			`og er jeg ikke af det som fra på tak takk hej vores vår meget være blir bliver och är att av inte jag från för ett tack mycket våra måste`,
			// Polish, Czech, Romanian
			`nie się jest na że dla jak czy przez są proszę dziękuję bardzo mamy je není jsem jsme nebo prosím děkuji și este nu pentru mulțumesc`,
			// Finnish, Hungarian, Turkish
			`ei että kiitos olen emme mutta az és hogy nem köszönöm nagyon ve bir bu için değil teşekkürler çok`)
	})
	// falseFriends are words that the word list of VADER has and that say something else in other languages, or the same in many.
	falseFriends = sync.OnceValue(func() map[string]bool {
		return setOf(`die war hell lied kind gift super problem problems fatal stress angst fair fan stark arm optimal elegant top ok okay error help best fine grave gross brave slim brand tod hass toll rat killer
			no lol haha mist`)
	})
)

func setOf(lists ...string) map[string]bool {
	out := map[string]bool{}
	for _, list := range lists {
		for w := range strings.FieldsSeq(list) {
			out[w] = true
		}
	}
	return out
}

// evidence is what the words of a text say about its language.
type evidence struct {
	words   int // all of them
	english int // words that only English has
	foreign int // words that only other languages have
	known   int // words that VADER knows and other languages hardly have
}

func (e evidence) plus(o evidence) evidence {
	return evidence{e.words + o.words, e.english + o.english, e.foreign + o.foreign, e.known + o.known}
}

// Of the words that tell English from other languages, so many to each one of those must be English; and of so many words one must be such a word.
const (
	englishShare = 2
	englishEvery = 20
)

// speaksEnglish reports whether the words that tell it say English.
func (e evidence) speaksEnglish() bool {
	return e.english > 0 && e.english >= englishShare*e.foreign && e.english*englishEvery >= e.words
}

// isEnglish reports whether a text with the evidence e is English, where all texts of its conversation together have the evidence all. A short text may have none of the words that tell: then the
// conversation tells, or the words that VADER knows.
func (e evidence) isEnglish(all evidence) bool {
	switch {
	case e.english+e.foreign > 0:
		return e.speaksEnglish()
	case all.english+all.foreign > 0:
		return all.speaksEnglish()
	}
	return e.known > 0
}

// languageOf collects the evidence of a text. Addresses, and words in capital letters such as IT and US, say nothing.
func languageOf(text string) evidence {
	var e evidence
	for field := range strings.FieldsSeq(strings.ReplaceAll(text, "’", "'")) {
		if strings.ContainsAny(field, "@\\_") || strings.Contains(field, "://") || strings.HasPrefix(strings.ToLower(field), "www.") {
			continue
		}
		for word := range strings.FieldsFuncSeq(field, func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' }) {
			e.add(strings.Trim(word, "'"))
		}
	}
	return e
}

func (e *evidence) add(word string) {
	if word == "" {
		return
	}
	e.words++
	lower := strings.ToLower(word)
	if len(word) > 1 && len(word) < 4 && strings.ToUpper(word) == word && lower != word {
		return
	}
	begin, end, apostrophe := strings.Cut(lower, "'")
	switch {
	case englishWords()[lower], apostrophe && (end == "m" || end == "ve" || end == "ll" || end == "re" || end == "d" || strings.HasSuffix(begin, "n") && end == "t"):
		e.english++
	case apostrophe && end == "s" && (englishWords()[begin] || begin == "he" || begin == "let"):
		e.english++
	case foreignWords()[lower], apostrophe && len(end) > 1 && elided[begin], foreignSpelling(word):
		e.foreign++
	case !falseFriends()[lower] && vader().Lexicon[lower] != 0:
		e.known++
	}
}

// elided are the words that French and Italian shorten before vowels, as in "d'accord".
var elided = map[string]bool{"l": true, "d": true, "j": true, "n": true, "c": true, "qu": true, "m": true, "t": true, "s": true, "un": true, "dell": true, "all": true, "nell": true}

// foreignSpelling reports whether a word has letters that English words have not. Names may have them.
func foreignSpelling(word string) bool {
	if r, _ := utf8.DecodeRuneInString(word); unicode.IsUpper(r) && unicode.Is(unicode.Latin, r) || borrowed[strings.ToLower(word)] {
		return false
	}
	return strings.ContainsFunc(word, func(r rune) bool { return r > unicode.MaxASCII && unicode.IsLetter(r) })
}

// borrowed are English words with letters of other languages.
var borrowed = map[string]bool{"café": true, "naïve": true, "résumé": true, "façade": true, "cliché": true, "fiancé": true, "fiancée": true}
