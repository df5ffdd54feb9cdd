package sim

// Key prefixes that code refers to.
var (
	prefixUser        = packPrefix("005")
	prefixAccount     = packPrefix("001")
	prefixContact     = packPrefix("003")
	prefixOpportunity = packPrefix("006")
	prefixCase        = packPrefix("500")
	prefixFeedItem    = packPrefix("0D5")
	prefixEmail       = packPrefix("02s")
	prefixOrg         = packPrefix("00D")
	prefixProfile     = packPrefix("00e")
	prefixRole        = packPrefix("00E")
	prefixRecordType  = packPrefix("012")
	prefixJob         = packPrefix("750")
	prefixCursor      = packPrefix("01g")
	prefixFieldDef    = packPrefix("00N")
	prefixObjectDef   = packPrefix("01I")
	prefixDeploy      = packPrefix("0Af")
	prefixRetrieve    = packPrefix("09S")
)

// Rows of the user table with a part of their own.
const (
	userIntegration = 0 // the one that signs in
	userInactive    = 1
	userRestricted  = 2 // may sign in, but sees only what a permission set shows
)

// Rows of the profile table.
const (
	profileAdmin = iota
	profileStandard
	profileMinimum
)

// accountType is what an account is to the company: 0 customer, 1 prospect, 2 partner, 3 former customer, 4 other, 5 not said.
func (g *gen) accountType(row int) int {
	switch r := g.roll("acctype", row, 100); {
	case r < 46:
		return 0
	case r < 78:
		return 1
	case r < 87:
		return 2
	case r < 93:
		return 3
	case r < 95:
		return 4
	}
	return 5
}

// accountTier is 0 strategic, 1 enterprise, 2 mid-market, 3 small business.
func (g *gen) accountTier(row int) int {
	switch r := g.roll("acctier", row, 100); {
	case r < 5:
		return 0
	case r < 24:
		return 1
	case r < 58:
		return 2
	}
	return 3
}

// accountARR is the yearly contract value in cents, 0 for who is not a customer.
func (g *gen) accountARR(row int) int64 {
	if g.accountType(row) != 0 {
		return 0
	}
	base := [...]int64{480_000, 120_000, 30_000, 4_800}[g.accountTier(row)]
	h := int64(g.h("accarr", row) >> 20 % 1000)
	cents := base*100 + base*h*3/10
	if h%3 == 0 {
		return cents / 12000 * 12000
	}
	return cents
}

func (g *gen) accountLocale(row int) *locale { return g.localeOf("acclocale", row) }

// accountWords are the two words of a company's name.
func (g *gen) accountWords(row int) (l *locale, first, second word) {
	l = g.accountLocale(row)
	return l, l.first1[g.roll("accw1", row, len(l.first1))], l.second2[g.roll("accw2", row, len(l.second2))]
}

func (g *gen) accountName(dst []byte, row int) []byte {
	l, first, second := g.accountWords(row)
	for i := range len(l.form) {
		switch c := l.form[i]; c {
		case '1':
			dst = append(dst, first.text...)
		case '2':
			dst = append(dst, second.text...)
			if r := g.roll("accw3", row, 100); r < 12 && c == '2' {
				if l.form[1] == ' ' {
					dst = append(dst, ' ')
				}
				dst = append(dst, l.cities[r%len(l.cities)].name...)
			}
		case 'S':
			dst = append(dst, l.suffixes[g.roll("accw4", row, len(l.suffixes))]...)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// accountDomain appends the company's web domain.
func (g *gen) accountDomain(dst []byte, row int) []byte {
	l, first, second := g.accountWords(row)
	dst = append(append(dst, first.ascii...), second.ascii...)
	return append(append(dst, '.'), l.tld...)
}

func (g *gen) accounts() *object {
	n := g.n.accounts
	customerOnly := func(f func(int) value) func(int) value {
		return func(row int) value {
			if g.accountType(row) != 0 {
				return null
			}
			return f(row)
		}
	}
	types := []value{textValue("Customer"), textValue("Prospect"), textValue("Partner"), textValue("Former Customer"), textValue("Other"), null}
	tiers := []value{textValue("Strategic"), textValue("Enterprise"), textValue("Mid-Market"), textValue("SMB")}
	employees := func(row int) int64 {
		base := [...]int64{12_000, 1_800, 260, 14}[g.accountTier(row)]
		return base + base*int64(g.roll("accemp", row, 900))/300
	}
	o := newObject("001", "Account", "Account", "Accounts", g.systemFields("account", n, true)...)
	name := textField("Name", "Account Name", 255).required().write(g.accountName)
	name.nameField = true
	renewal := dateField("Renewal_Date__c", "Renewal Date").titled("The day the current contract ends.").
		from(customerOnly(func(row int) value { return dateValue(g.dayAround("accrenew", row, -20, 345)) }))
	o.add(refField("MasterRecordId", "Master Record ID", "MasterRecord", "Account").readonly())
	o.add(name)
	o.add(pickField("Type", "Account Type", "Customer", "Prospect", "Partner", "Former Customer", "Other").
		labels("Partner", "Channel Partner").from(func(row int) value { return types[g.accountType(row)] }))
	o.add(refField("ParentId", "Parent Account ID", "Parent", "Account").children("ChildAccounts").from(func(row int) value {
		if row < 4 || !g.maybe("accparent", row, 8) {
			return null
		}
		return idValue(rowID(prefixAccount, row-1-g.roll("accparent2", row, min(row, 16))))
	}))
	g.addresses(o, "account", "Billing", g.accountLocale, 6)
	g.addresses(o, "account", "Shipping", g.accountLocale, 55)
	o.add(typedText("phone", "Phone", "Account Phone", 40).write(g.orNone("accphone?", 12, func(dst []byte, row int) []byte {
		return g.digits(dst, "accphone", row, g.accountLocale(row).phone)
	})))
	o.add(typedText("phone", "Fax", "Account Fax", 40))
	o.add(textField("AccountNumber", "Account Number", 40).write(g.orNone("accnum?", 20, func(dst []byte, row int) []byte {
		return g.digits(dst, "accnum", row, "CD#####-##")
	})))
	o.add(typedText("url", "Website", "Website", 255).write(g.orNone("accweb?", 9, func(dst []byte, row int) []byte {
		return g.accountDomain(append(dst, "https://www."...), row)
	})))
	o.add(typedText("url", "PhotoUrl", "Photo URL", 255).readonly())
	o.add(textField("Sic", "SIC Code", 20).write(g.orNone("accsic?", 40, func(dst []byte, row int) []byte { return g.digits(dst, "accsic", row, "####") })))
	o.add(pickField("Industry", "Industry", industries...).from(g.orNull("accind?", 11, picked(g, "accind", industries))))
	o.add(currencyField("AnnualRevenue", "Annual Revenue").from(g.orNull("accrev?", 24, func(row int) value {
		return decimalValue(employees(row)*int64(90_000+g.roll("accrev", row, 160_000))/1000*1000*100, 2)
	})))
	o.add(numberField("int", "NumberOfEmployees", "Employees", 0, 0).from(g.orNull("accemp?", 13, func(row int) value { return intValue(employees(row)) })))
	o.field("NumberOfEmployees").extra = ""
	o.add(pickField("Ownership", "Ownership", "Public", "Private", "Subsidiary", "Other").
		from(weighted(g, "accowner", "Private", 55, "Public", 14, "Subsidiary", 9, "Other", 3, "", 19)))
	o.add(textField("TickerSymbol", "Ticker Symbol", 20))
	o.add(areaField("Description", "Account Description", 32000).write(g.orNone("accdesc?", 45, g.prose("accdesc", 3))))
	o.add(pickField("Rating", "Account Rating", "Hot", "Warm", "Cold").from(weighted(g, "accrating", "Hot", 14, "Warm", 27, "Cold", 19, "", 40)))
	o.add(textField("Site", "Account Site", 80))
	for _, f := range g.viewedFields("account") {
		o.add(f)
	}
	o.add(dateField("LastActivityDate", "Last Activity").readonly().from(g.orNull("accact?", 35, func(row int) value {
		return dateValue(g.dayAround("accact", row, -160, -1))
	})))
	o.add(pickField("AccountSource", "Account Source", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other").
		from(weighted(g, "accsrc", "Web", 30, "Phone Inquiry", 12, "Partner Referral", 18, "Purchased List", 7, "Other", 5, "", 28)))
	o.add(currencyField("ARR__c", "ARR").titled("Annual recurring revenue of all active subscriptions.").from(func(row int) value {
		if arr := g.accountARR(row); arr > 0 {
			return decimalValue(arr, 2)
		}
		return null
	}))
	o.add(pickField("Tier__c", "Tier", "Strategic", "Enterprise", "Mid-Market", "SMB").labels("SMB", "Small & Medium Business").strict().
		from(g.orNull("acctier?", 8, func(row int) value { return tiers[g.accountTier(row)] })))
	o.add(refField("CSM__c", "Customer Success Manager", "CSM__r", "User").children("Managed_Accounts__r").
		from(customerOnly(g.orNull("acccsm?", 10, g.owner("acccsm")))))
	o.add(numberField("double", "Health_Score__c", "Health Score", 3, 0).from(customerOnly(g.orNull("acchealth?", 12, func(row int) value {
		return decimalValue(int64(100-g.roll("acchealth", row, 10)*g.roll("acchealth2", row, 10))*10, 1)
	}))))
	o.add(renewal)
	o.add(pickField("Region__c", "Region", "AMER", "EMEA", "APAC", "LATAM").from(func(row int) value { return g.region(row) }))
	o.add(multiField("Tags__c", "Tags", tagNames...).from(g.orNull("acctags?", 35, func(row int) value { return tagSets[g.roll("acctags", row, len(tagSets))] })))
	o.add(checkField("Is_Reference__c", "Reference Customer").from(func(row int) value {
		return boolValue(g.accountType(row) == 0 && g.maybe("accref", row, 17))
	}))
	o.add(areaField("Success_Notes__c", "Success Notes", 32768).write(g.orNone("accnotes?", 60, g.prose("accnotes", 4))))
	o.add(dateTimeField("Onboarded_At__c", "Onboarded At").from(customerOnly(func(row int) value {
		return value{kind: kDateTime, n: min(g.created("account", row, n)+int64(10+g.roll("acconb", row, 60))*86_400_000, g.epoch-7200_000)}
	})))
	o.add(numberField("percent", "Usage__c", "Licence Usage", 5, 2).from(customerOnly(func(row int) value {
		return decimalValue(int64(g.roll("accuse", row, 12_000)), 2)
	})))
	o.add(textField("ERP_Number__c", "ERP Number", 18).external().write(g.orNone("accerp?", 30, func(dst []byte, row int) []byte {
		return value{kind: kNumber, n: int64(1_000_000 + row)}.appendNumber(append(dst, 'E'))
	})))
	o.add(numberField("double", "Days_To_Renewal__c", "Days to Renewal", 18, 0).formulaOf("Renewal_Date__c - TODAY()", func(w *world, row int) value {
		d := w.get(o, renewal, row)
		if d.isNull() {
			return null
		}
		return decimalValue((d.n-daysOf(w.org.now()))*10, 1)
	}))
	o.size, o.feed, o.mergeable, o.enabledActivities = n, true, true, true
	return o
}

var tagNames = split("Champion,Multi-Region,At Risk,Beta Tester,Public Sector,Price Sensitive,Executive Sponsor")

// tagSets are the combinations of tags in use, each in the order in which the picklist lists its values.
var tagSets = func() (out []value) {
	for i := range 24 {
		set := ""
		for j, t := range tagNames {
			if mix(uint64(i*31+j))%3 == 0 {
				if set != "" {
					set += ";"
				}
				set += t
			}
		}
		out = append(out, textValue(set))
	}
	return out
}()

func (g *gen) region(row int) value {
	switch g.accountLocale(row).country {
	case "United States":
		return value{kind: kText, s: "AMER"}
	case "Brazil":
		return value{kind: kText, s: "LATAM"}
	case "Japan", "China", "South Korea", "India":
		return value{kind: kText, s: "APAC"}
	}
	return value{kind: kText, s: "EMEA"}
}

// addresses adds the components of a compound address and the compound itself. missing is the percentage of records without one.
func (g *gen) addresses(o *object, tag, prefix string, locale func(int) *locale, missing int) {
	tag += prefix
	none := tag + "?"
	place := func(row int) city {
		l := locale(row)
		return l.cities[g.roll(tag+"city", row, len(l.cities))]
	}
	when := func(f func(int) string) func(int) value {
		return func(row int) value {
			if g.maybe(none, row, missing) {
				return null
			}
			return textValue(f(row))
		}
	}
	compound := prefix + "Address"
	street := areaField(prefix+"Street", prefix+" Street", 255).as(compound).write(g.orNone(none, missing, func(dst []byte, row int) []byte {
		l := locale(row)
		dst = append(dst, l.streets[g.roll(tag+"street", row, len(l.streets))]...)
		dst = value{kind: kNumber, n: int64(1 + g.roll(tag+"no", row, 400))}.appendNumber(append(dst, ' '))
		if g.maybe(tag+"floor", row, 15) {
			dst = append(dst, "\r\nFloor 3"...)
		}
		return dst
	}))
	postal := textField(prefix+"PostalCode", prefix+" Zip/Postal Code", 20).as(compound).write(g.orNone(none, missing, func(dst []byte, row int) []byte {
		return g.digits(dst, tag+"zip", row, place(row).postal)
	}))
	coordinate := func(part string) *field {
		f := numberField("double", prefix+part, prefix+" "+part, 18, 15).as(compound)
		return f
	}
	f := newField("address", compound, prefix+" Address").unfiltered().readonly()
	for _, p := range []*field{
		street,
		textField(prefix+"City", prefix+" City", 40).as(compound).from(when(func(row int) string { return place(row).name })),
		textField(prefix+"State", prefix+" State/Province", 80).as(compound).from(when(func(row int) string { return place(row).state })),
		postal,
		textField(prefix+"Country", prefix+" Country", 80).as(compound).from(when(func(row int) string { return locale(row).country })),
		coordinate("Latitude"), coordinate("Longitude"),
		pickField(prefix+"GeocodeAccuracy", prefix+" Geocode Accuracy", "Address", "NearAddress", "Block", "Street", "City", "Unknown").as(compound),
	} {
		o.add(p)
		f.parts = append(f.parts, p.name)
	}
	o.add(f)
}
