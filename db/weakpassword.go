package db

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkNewPassword refuses what would be guessed within a few tries: too short, a common word however decorated, a sequence, one's own address. It
// asks for no kinds of characters.
func checkNewPassword(password, email, name string) error {
	switch n := utf8.RuneCountInString(password); {
	case !utf8.ValidString(password):
		return &PasswordError{"The password contains characters that cannot be read."}
	case n < minPassword:
		return &PasswordError{"Use at least 8 characters."}
	case n > maxPassword:
		return &PasswordError{"Use at most 128 characters."}
	}
	own, _, _ := strings.Cut(email, "@")
	if isCommon(password, append(strings.Fields(name), own)) {
		return &PasswordError{"This password is easy to guess. Use a longer or less common one; three or four unrelated words are a good choice."}
	}
	return nil
}

// isCommon reports whether the password is a common word, a repetition of one or a sequence, once case, digits and signs around it and the usual
// replacements of letters are undone.
func isCommon(password string, own []string) bool {
	lower := strings.ToLower(password)
	if isSequence(lower) || isRepetition(lower) {
		return true
	}
	plain := strings.Map(undisguise, strings.TrimFunc(lower, func(r rune) bool { return !unicode.IsLetter(r) }))
	disguised := strings.Map(undisguise, lower)
	letters := strings.Map(onlyLetters, lower)
	if len(letters) == 0 {
		return utf8.RuneCountInString(password) < 12 // a number: a date, a telephone
	}
	for _, word := range append(strings.Fields(commonWords), own...) {
		word = strings.ToLower(word)
		if len(word) < 3 {
			continue
		}
		for _, candidate := range []string{plain, disguised, letters, strings.Map(onlyLetters, disguised)} {
			if candidate == word || strings.ReplaceAll(candidate, word, "") == "" {
				return true
			}
		}
	}
	return isSequence(letters) || isRepetition(letters) && len(lower) < 12
}

// onlyLetters drops everything but letters.
func onlyLetters(r rune) rune {
	if unicode.IsLetter(r) {
		return r
	}
	return -1
}

// undisguise undoes the usual replacements of letters by look-alikes.
func undisguise(r rune) rune {
	if i := strings.IndexRune("0134578@$!+", r); i >= 0 {
		return rune("oieastbasit"[i])
	}
	return r
}

// walks are rows of keys and of characters that hands follow.
var walks = []string{
	"abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.", "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "!@#$%^&*()_+", "1a2b3c4d5e6f7g8h",
}

// isSequence reports whether s is made of at most three pieces of walks, forwards or backwards.
func isSequence(s string) bool {
	pieces := 0
	for s != "" {
		longest := 0
		for _, walk := range walks {
			for _, w := range []string{walk, reverse(walk)} {
				n := 0
				for n < len(s) && strings.Contains(w, s[:n+1]) {
					n++
				}
				longest = max(longest, n)
			}
		}
		if pieces++; longest < 3 || pieces > 3 {
			return false
		}
		s = s[longest:]
	}
	return pieces > 0
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// isRepetition reports whether s is a short piece over and over.
func isRepetition(s string) bool {
	for size := 1; size <= min(4, len(s)/2); size++ {
		if strings.Repeat(s[:size], len(s)/size+1)[:len(s)] == s {
			return true
		}
	}
	return false
}

// commonWords are what people choose first: words, names, teams and stories, in a few languages, and words of this trade.
const commonWords = `
password passwort passw0rd parola contrasena motdepasse senha wachtwoord haslo salasana losenord passord kennwort passphrase passcode pass pwd
welcome welcomeback willkommen bienvenue bienvenido hello hellothere hallo bonjour letmein letmeinnow openup opensesame sesame
admin administrator adminadmin root rootroot superuser user username guest test testtest tester testing demo demodemo default changeme changethis
changeit secret secrets topsecret mysecret private access login logon signin master masterkey system service server manager office company
millrace salesforce postgres postgresql database oracle microsoft windows linux ubuntu apple google amazon facebook twitter instagram linkedin
internet computer laptop samsung android iphone nokia sony nintendo playstation xbox minecraft fortnite roblox pokemon pikachu
iloveyou iloveu iloveme loveyou lovely loveme love lover mylove truelove forever always babygirl babyboy baby sweetheart sweety honey darling princess
prince queen king angel angels heaven devil jesus jesuschrist christ god godisgood blessed faith trustno trustnoone trustme believe
sunshine sunflower rainbow flower flowers butterfly moonlight starlight midnight summer winter spring autumn fall holiday vacation christmas
january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday sunday
football baseball basketball soccer hockey tennis softball volleyball golf golfer running swimming fishing hunting racing
liverpool chelsea arsenal manchester manutd barcelona realmadrid juventus bayern dortmund celtic rangers everton benfica
cowboys steelers yankees redsox lakers eagles packers patriots dolphins broncos raiders giants dodgers mustang corvette ferrari porsche mercedes
camaro yamaha harley honda toyota monster dragon dragons tiger tigers lion panther falcon eagle hawk wolf bear shark dolphin elephant monkey donkey
kitty kitten cat dog doggy puppy horse chicken rabbit turtle spider batman superman spiderman ironman starwars skywalker startrek harrypotter
hogwarts pokemon naruto matrix zelda mario sonic hunter shadow killer ninja samurai warrior wizard magic merlin phoenix blaster joker thunder
lightning storm hurricane fire ice water ocean river mountain diamond gold golden silver crystal emerald ruby platinum
michael michelle jennifer jessica jordan joshua andrew daniel matthew anthony robert thomas charlie william richard joseph george david james john
ashley amanda nicole samantha elizabeth stephanie melissa heather hannah sophie olivia emma emily sarah laura anna maria martin peter stefan
andreas alexander alexandra victoria veronica patricia barbara natasha sabrina daniela claudia chris christian christina benjamin brandon tyler austin
london paris berlin newyork boston chicago dallas texas california florida america canada mexico brasil india china japan australia england germany
france espana italia polska portugal ireland scotland
cookie cookies chocolate cheese pepper ginger banana orange cherry strawberry peaches pumpkin coffee whiskey guinness corona pizza hamburger
money dollar million lucky lucky7 winner success freedom liberty justice peace power energy rockstar rocknroll music guitar piano metallica
nirvana slipknot eminem beatles elvis whatever nothing something anything everything nobody fuckyou fuckoff fuckme asshole bitch sexy naughty
qwerty qwertyuiop azerty asdf asdfgh asdfghjkl zxcvbnm qazwsx letmein trustno1 abc abcd abcdef access abcabc`
