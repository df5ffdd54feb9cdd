package sim

import "strings"

// word is a name as it is written and as it appears in a web address.
type word struct{ text, ascii string }

// locale is where a company is at home and how people and places are called there.
type locale struct {
	country, phone, tld string
	weight              int
	familyFirst         bool
	form                string // how a company name is put together: 1 and 2 are its words, S its legal form
	cities              []city
	streets             []string
	first1, second2     []word // the words of company names
	suffixes            []string
	given, family       []word
}

type city struct{ name, state, postal string } // each # of postal is a digit

func words(list string) []word {
	var out []word
	for _, w := range strings.Split(list, ",") {
		text, ascii, ok := strings.Cut(w, "|")
		if !ok {
			ascii = strings.ToLower(strings.NewReplacer(" ", "", "'", "", "’", "", "&", "and", "ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "é", "e", "è", "e",
				"ê", "e", "ë", "e", "á", "a", "à", "a", "ã", "a", "â", "a", "ç", "c", "í", "i", "ó", "o", "ô", "o", "õ", "o", "ú", "u", "ñ", "n", "ł", "l", "ą", "a",
				"ę", "e", "ś", "s", "ż", "z", "ź", "z", "ć", "c", "ń", "n", "É", "e", "Ł", "l", "Ż", "z", "Ś", "s", "ï", "i").Replace(text))
		}
		out = append(out, word{text, strings.ToLower(ascii)})
	}
	return out
}

func cities(list string) []city {
	var out []city
	for _, c := range strings.Split(list, ";") {
		p := strings.Split(c, "/")
		out = append(out, city{p[0], p[1], p[2]})
	}
	return out
}

func split(list string) []string { return strings.Split(list, ",") }

var locales = []*locale{
	{country: "United States", phone: "+1 (5##) ###-####", tld: "com", weight: 24, form: "1 2 S",
		cities:   cities("New York/NY/100##;San Francisco/CA/941##;Chicago/IL/606##;Austin/TX/787##;Boston/MA/021##;Seattle/WA/981##;Denver/CO/802##;Atlanta/GA/303##;Portland/OR/972##;Minneapolis/MN/554##;Nashville/TN/372##;Raleigh/NC/276##"),
		streets:  split("Market Street,Main Street,Broadway,Mission Street,Congress Avenue,State Street,Lakeshore Drive,Commerce Way,Innovation Boulevard,5th Avenue"),
		first1:   words("Northwind,Bluebird,Summit,Redwood,Granite,Harbor,Silverline,Cascade,Beacon,Ironwood,Lakeside,Pioneer,Evergreen,Brightwater,Cobalt,Fairfield,Copperfield,Juniper,Keystone,Larkspur,Meridian,Oakhurst,Prairie,Quartz,Stonebridge,Tidewater,Union Square,Vista,Westbrook,Yellowstone,O’Neill,Hudson & Vale,Crescent,Sunbeam,Paramount,Anchor"),
		second2:  words("Logistics,Software,Health,Analytics,Foods,Robotics,Energy,Capital,Media,Systems,Biotech,Manufacturing,Insurance,Retail,Aerospace,Labs,Networks,Security,Learning,Construction,Partners,Diagnostics,Semiconductor,Hospitality"),
		suffixes: split("Inc.,LLC,Corp.,Inc.,Group,Holdings"),
		given:    words("Emily,James,Ava,Michael,Olivia,Daniel,Sophia,Ethan,Grace,Marcus,Hannah,Tyler,Naomi,Jordan,Priya,Carlos,Denise,Andre,Megan,Victor,Leah,Brandon,Keisha,Owen"),
		family:   words("Johnson,Williams,Garcia,Miller,Davis,Rodriguez,Wilson,Anderson,Thompson,Nguyen,Patel,Walker,Bennett,Brooks,O'Connor,Reed,Foster,Hayes,Coleman,Sullivan,Kim,Shah,Freeman,Whitaker")},
	{country: "United Kingdom", phone: "+44 20 7### ####", tld: "co.uk", weight: 9, form: "1 2 S",
		cities:   cities("London//EC# #AB;Manchester//M# #JD;Bristol//BS# #QT;Leeds//LS# #RN;Edinburgh//EH# #YZ;Cambridge//CB# #PU"),
		streets:  split("High Street,King Street,Station Road,Victoria Road,Queen’s Gate,Church Lane,Albion Quay"),
		first1:   words("Albion,Ashworth,Blackfriars,Cotswold,Dunmore,Fenwick,Highgate,Kestrel,Marlowe,Pemberton,Thames Valley,Whitmore,Brambling,Oxley,St. James"),
		second2:  words("Textiles,Consulting,Pharma,Engineering,Publishing,Marine,Telecom,Breweries,Finance,Digital,Rail,Interiors"),
		suffixes: split("Ltd,plc,LLP,Ltd"),
		given:    words("Oliver,Amelia,Harry,Isla,George,Freya,Alfie,Imogen,Rupert,Zara,Callum,Niamh,Arjun,Beatrice"),
		family:   words("Smith,Taylor,Hughes,Campbell,Ahmed,Clarke,Edwards,Murray,Fletcher,Singh,Barrett,Holloway,MacLeod,Pritchard")},
	{country: "Germany", phone: "+49 30 #######", tld: "de", weight: 9, form: "1 2 S",
		cities:   cities("Berlin//10###;München/Bayern/80###;Hamburg//20###;Köln/Nordrhein-Westfalen/50###;Stuttgart/Baden-Württemberg/70###;Leipzig/Sachsen/04###"),
		streets:  split("Hauptstraße,Bahnhofstraße,Lindenallee,Königsallee,Gartenstraße,Mühlenweg,Schillerstraße"),
		first1:   words("Müller,Schwarzwald,Rheinland,Adler,Brückner,Elbe,Falkenstein,Grünwald,Hansa,Isar,Kaiser,Lindner,Nordlicht,Spree,Weiß"),
		second2:  words("Maschinenbau,Logistik,Technik,Chemie,Werkzeuge,Medizintechnik,Energie,Verlag,Automotive,Lebensmittel,Optik,Systemhaus"),
		suffixes: split("GmbH,AG,GmbH & Co. KG,SE"),
		given:    words("Anna,Lukas,Jürgen,Katharina,Maximilian,Sabine,Björn,Heike,Jonas,Ursula,Felix,Greta,Süleyman,Änne"),
		family:   words("Müller,Schmidt,Schäfer,Weber,Köhler,Wagner,Groß,Hoffmann,Yıldız|yildiz,Krüger,Lehmann,Vogel,Zimmermann,Böhm")},
	{country: "France", phone: "+33 1 ## ## ## ##", tld: "fr", weight: 6, form: "1 2 S",
		cities:   cities("Paris/Île-de-France/750##;Lyon/Auvergne-Rhône-Alpes/690##;Marseille/PACA/130##;Nantes/Pays de la Loire/440##;Lille/Hauts-de-France/590##"),
		streets:  split("Rue de la République,Avenue des Ternes,Boulevard Voltaire,Rue Lafayette,Quai de l’Horloge"),
		first1:   words("Bellevue,Château Vert,Delacroix,Étoile|etoile,Garonne,Lumière,Montclair,Provence,Rivière,Valmont,Beauséjour,L'Hirondelle"),
		second2:  words("Industries,Conseil,Cosmétiques,Énergie|energie,Transports,Assurances,Vins,Santé,Mode,Aéronautique"),
		suffixes: split("SAS,SA,SARL"),
		given:    words("Camille,Léa,Hugo,Chloé,Jean-Luc,Margaux,Théo,Inès,François,Zoé,Baptiste,Maëlle"),
		family:   words("Martin,Bernard,Lefèvre,Moreau,Girard,Dubois,D'Aubigné|daubigne,Fontaine,Benali,Chevalier,Rousseau,Marchand")},
	{country: "Japan", phone: "+81 3-####-####", tld: "co.jp", weight: 6, familyFirst: true, form: "S12",
		cities:   cities("東京都港区/東京都/105-00##;大阪市/大阪府/530-00##;名古屋市/愛知県/450-00##;福岡市/福岡県/812-00##;横浜市/神奈川県/220-00##"),
		streets:  split("芝公園,中央通り,桜木町,梅田,本町"),
		first1:   words("桜|sakura,富士|fuji,大和|yamato,東洋|toyo,青葉|aoba,三河|mikawa,北斗|hokuto,朝日|asahi,若松|wakamatsu,光|hikari"),
		second2:  words("電機|denki,商事|shoji,製薬|seiyaku,重工業|jukogyo,食品|shokuhin,運輸|unyu,印刷|insatsu,化学|kagaku,ソフトウェア|software"),
		suffixes: split("株式会社,合同会社,株式会社"),
		given:    words("陽菜|hina,蓮|ren,結衣|yui,大翔|hiroto,さくら|sakura,健太|kenta,美咲|misaki,翔太|shota,千尋|chihiro,直樹|naoki"),
		family:   words("佐藤|sato,鈴木|suzuki,高橋|takahashi,田中|tanaka,渡辺|watanabe,伊藤|ito,山本|yamamoto,中村|nakamura,小林|kobayashi,加藤|kato")},
	{country: "China", phone: "+86 21 #### ####", tld: "cn", weight: 4, familyFirst: true, form: "12S",
		cities:   cities("上海市/上海/2000##;北京市/北京/1000##;深圳市/广东/5180##;杭州市/浙江/3100##"),
		streets:  split("南京路,人民路,中山路,建国路"),
		first1:   words("华润|huarun,长江|changjiang,金龙|jinlong,东方|dongfang,天河|tianhe,明德|mingde,海蓝|hailan,云峰|yunfeng"),
		second2:  words("科技|tech,电子|dianzi,贸易|maoyi,生物|bio,物流|wuliu,新能源|energy"),
		suffixes: split("有限公司,股份有限公司,集团"),
		given:    words("伟|wei,芳|fang,娜|na,秀英|xiuying,敏|min,静|jing,强|qiang,磊|lei"),
		family:   words("王|wang,李|li,张|zhang,刘|liu,陈|chen,杨|yang,赵|zhao,黄|huang")},
	{country: "South Korea", phone: "+82 2-####-####", tld: "co.kr", weight: 3, familyFirst: true, form: "S 12",
		cities:   cities("서울특별시//04###;부산광역시//48###;대전광역시//34###"),
		streets:  split("테헤란로,세종대로,강남대로"),
		first1:   words("한빛|hanbit,대양|daeyang,미래|mirae,금강|geumgang,새봄|saebom"),
		second2:  words("전자|electronics,물산|trading,바이오|bio,중공업|heavy,소프트|soft"),
		suffixes: split("(주),주식회사"),
		given:    words("민준|minjun,서연|seoyeon,지우|jiwoo,하은|haeun,도윤|doyun,수빈|subin"),
		family:   words("김|kim,이|lee,박|park,최|choi,정|jung,강|kang")},
	{country: "Brazil", phone: "+55 11 9####-####", tld: "com.br", weight: 5, form: "1 2 S",
		cities:   cities("São Paulo/SP/01###-000;Rio de Janeiro/RJ/20###-000;Curitiba/PR/80###-000;Belo Horizonte/MG/30###-000"),
		streets:  split("Avenida Paulista,Rua das Flores,Avenida Atlântica,Rua São Bento"),
		first1:   words("Ipê,Bandeirante,Corcovado,Paraná,Boa Vista,Jacarandá,Maré,Sertão"),
		second2:  words("Alimentos,Agro,Mineração,Tecnologia,Saúde,Logística,Têxtil,Papéis"),
		suffixes: split("Ltda.,S.A."),
		given:    words("João,Mariana,Lucas,Beatriz,Gabriel,Larissa,Antônio,Conceição"),
		family:   words("Silva,Souza,Oliveira,Araújo,Gonçalves,Pereira,Magalhães,Nóbrega")},
	{country: "Spain", phone: "+34 91 ### ## ##", tld: "es", weight: 4, form: "1 2 S",
		cities:   cities("Madrid//280##;Barcelona/Cataluña/080##;Valencia//460##;Sevilla/Andalucía/410##"),
		streets:  split("Calle Mayor,Gran Vía,Paseo de Gracia,Calle de Alcalá"),
		first1:   words("Ibérica,Sol y Mar,Castilla,Montaña,Azahar,Cantábrico,Peñalara"),
		second2:  words("Construcciones,Turismo,Alimentación,Energía,Seguros,Logística"),
		suffixes: split("S.L.,S.A."),
		given:    words("Lucía,Alejandro,Sofía,Íñigo|inigo,Martín,Begoña,Javier,Núria"),
		family:   words("García,Fernández,Muñoz,Ibáñez,Romero,Castaño,Vázquez,Peña")},
	{country: "India", phone: "+91 22 #### ####", tld: "in", weight: 6, form: "1 2 S",
		cities:   cities("Mumbai/Maharashtra/4000##;Bengaluru/Karnataka/5600##;Hyderabad/Telangana/5000##;Pune/Maharashtra/4110##"),
		streets:  split("MG Road,Linking Road,Brigade Road,Residency Road"),
		first1:   words("Ganga,Himalaya,Lotus,Saffron,Deccan,Vindhya,Nilgiri,भारत|bharat,Chola,Indus"),
		second2:  words("Infotech,Textiles,Pharma,Motors,Agro,Financial Services,Steel"),
		suffixes: split("Pvt. Ltd.,Ltd."),
		given:    words("Aarav,Ananya,Rohan,Diya,Vikram,Meera,अनिल|anil,Kavya,Siddharth"),
		family:   words("Sharma,Iyer,Reddy,Gupta,Mehta,Nair,वर्मा|varma,Deshpande,Banerjee")},
	{country: "Poland", phone: "+48 22 ### ## ##", tld: "pl", weight: 3, form: "1 2 S",
		cities:   cities("Warszawa/Mazowieckie/00-###;Kraków/Małopolskie/30-###;Łódź/Łódzkie/90-###"),
		streets:  split("ulica Długa,Aleje Jerozolimskie,ulica Świętojańska"),
		first1:   words("Żubr,Wisła,Bałtyk,Orzeł,Śląsk,Mazury"),
		second2:  words("Transport,Budownictwo,Technologie,Spożywcze,Meble"),
		suffixes: split("Sp. z o.o.,S.A."),
		given:    words("Agnieszka,Łukasz,Małgorzata,Paweł,Zofia,Wojciech"),
		family:   words("Kowalski,Wiśniewska,Wójcik,Lewandowski,Zielińska,Dąbrowski")},
	{country: "Israel", phone: "+972 3-###-####", tld: "co.il", weight: 2, form: "1 2 S",
		cities:   cities("תל אביב//61###;חיפה//31###;ירושלים//91###"),
		streets:  split("רוטשילד,דיזנגוף,הרצל"),
		first1:   words("גליל|galil,כרמל|carmel,נגב|negev,אלון|alon"),
		second2:  words("טכנולוגיות|tech,ביוטק|biotech,סייבר|cyber,אנרגיה|energy"),
		suffixes: split("בע״מ"),
		given:    words("נועה|noa,איתי|itai,תמר|tamar,יונתן|yonatan"),
		family:   words("כהן|cohen,לוי|levi,מזרחי|mizrahi,פרץ|peretz")},
	{country: "United Arab Emirates", phone: "+971 4 ### ####", tld: "ae", weight: 2, form: "S 1 2",
		cities:   cities("دبي//;أبوظبي//"),
		streets:  split("شارع الشيخ زايد,شارع الكورنيش"),
		first1:   words("النخيل|alnakheel,الصقر|alsaqr,الواحة|alwaha"),
		second2:  words("للتجارة|trading,للطاقة|energy,للاستثمار|investment"),
		suffixes: split("شركة,مجموعة"),
		given:    words("فاطمة|fatima,محمد|mohammed,مريم|maryam,خالد|khalid"),
		family:   words("المنصوري|almansoori,الهاشمي|alhashimi,الزعابي|alzaabi")},
	{country: "Greece", phone: "+30 21# ### ####", tld: "gr", weight: 2, form: "1 2 S",
		cities:   cities("Αθήνα/Αττική/105 ##;Θεσσαλονίκη/Μακεδονία/546 ##"),
		streets:  split("Οδός Ερμού,Λεωφόρος Κηφισίας"),
		first1:   words("Αιγαίο|aegean,Όλυμπος|olympos,Ήλιος|ilios"),
		second2:  words("Ναυτιλιακή|shipping,Τρόφιμα|foods,Τουρισμός|tourism"),
		suffixes: split("Α.Ε.,Ε.Π.Ε."),
		given:    words("Ελένη|eleni,Γιώργος|giorgos,Κατερίνα|katerina,Δημήτρης|dimitris"),
		family:   words("Παπαδόπουλος|papadopoulos,Νικολάου|nikolaou,Ιωάννου|ioannou")},
}

// localeOf spreads rows over the locales by their weight.
var localeOf = func() (table []*locale) {
	for _, l := range locales {
		for range l.weight {
			table = append(table, l)
		}
	}
	return table
}()

var (
	industries = split("Agriculture,Apparel,Banking,Biotechnology,Chemicals,Communications,Construction,Consulting,Education,Electronics,Energy,Engineering,Finance,Food & Beverage,Government,Healthcare,Hospitality,Insurance,Machinery,Manufacturing,Media,Retail,Technology,Telecommunications,Transportation,Utilities")
	titles     = split("VP of Sales,Chief Executive Officer,IT Manager,Head of Operations,Procurement Lead,CFO,Customer Success Director,Product Owner,Marketing Manager,Data Analyst,Chief Technology Officer,Office Manager,Solutions Architect,Legal Counsel")
	depts      = split("Sales,Marketing,IT,Finance,Operations,Procurement,Support,Legal,Product,Human Resources")
	products   = split("Platform,Analytics Add-on,Premium Support,Onboarding Package,Mobile Suite,Data Residency,API Access,Training Credits")
	dealNouns  = split("New Business,Renewal,Expansion,Pilot,Add-on,Upgrade,Migration,Multi-year Deal")
	caseTopics = split("Cannot sign in after password reset,Export stops at 10%,Invoice shows the wrong VAT number,Dashboard is slow on Monday mornings,How do we add a second workspace?,Webhook signature mismatch,Feature request: dark mode,Data missing since last upgrade,Umlauts garbled in CSV import,SSO certificate expires soon,Mobile app crashes on start,API returns 429 during nightly job")
	upsetLines = []string{
		"This is the third time this month and we are really frustrated.",
		"Our team is blocked and nobody answers, this is not acceptable.",
		"The problem is still there, and the workaround makes it worse.",
		"We lost a day of work because of this bug.",
		"I am very disappointed with how this was handled.",
		"Der Fehler tritt weiterhin auf.",
	}
	pleasedLines = []string{
		"Thank you, that works perfectly now.",
		"Great support as always, we appreciate the quick help.",
		"The new version looks good, no more errors.",
		"Please find the requested log file attached.",
		"We tested it this morning and are happy with the result.",
		"Merci beaucoup, tout fonctionne.",
	}
	supportLines = []string{
		"Thank you for the report; we could reproduce it and are working on a fix.",
		"Could you tell us which browser and version you use?",
		"The fix is part of tonight's release.",
		"We are sorry for the trouble and have raised the priority.",
		"I have forwarded this to the engineering team.",
		"Please clear the cache and try again.",
	}
	sentences = []string{
		"We talked to the team today and they are happy with the rollout so far.",
		"They asked for a discount; \"ten percent or we look elsewhere\", in their words.",
		"Sehr zufrieden mit dem Onboarding, nächster Termin im Frühjahr.",
		"担当者が変わりました。来週改めてご挨拶に伺います。",
		"Le client attend toujours une réponse à sa dernière demande.",
		"Great call! They want to expand to two more regions 🎉",
		"No answer after three attempts; trying the assistant next.",
		"Usage dropped by 40% since the reorganisation, risk of churn.",
		"Their security review is done: no findings above medium.",
		"O cliente pediu uma demonstração do novo módulo.",
		"The sponsor left the company; we need a new champion.",
		"Support was quick and friendly, thank you very much!",
		"This is the third outage this month. Unacceptable.",
		"العميل راضٍ عن الخدمة ويرغب في التجديد.",
		"Contract is with legal; expected back on Friday, maybe Monday.",
		"Line one of the notes,\nline two with a comma,\nand a \"quoted\" third.",
	}
)
