package sim

// stage is one opportunity stage of a new Developer Edition org.
type stage struct {
	name                  string
	probability           int64
	closed, won           bool
	category, categoryKey string
}

var stages = []stage{
	{"Prospecting", 10, false, false, "Pipeline", "Pipeline"},
	{"Qualification", 10, false, false, "Pipeline", "Pipeline"},
	{"Needs Analysis", 20, false, false, "Pipeline", "Pipeline"},
	{"Value Proposition", 50, false, false, "Pipeline", "Pipeline"},
	{"Id. Decision Makers", 60, false, false, "Pipeline", "Pipeline"},
	{"Perception Analysis", 70, false, false, "Pipeline", "Pipeline"},
	{"Proposal/Price Quote", 75, false, false, "Best Case", "BestCase"},
	{"Negotiation/Review", 90, false, false, "Commit", "Forecast"},
	{"Closed Won", 100, true, true, "Closed", "Closed"},
	{"Closed Lost", 0, true, false, "Omitted", "Omitted"},
}

// stageOf finds a stage by name; an unknown one counts as open and in the pipeline.
func stageOf(v value) stage {
	for _, s := range stages {
		if s.name == v.s {
			return s
		}
	}
	return stage{name: v.s, category: "Pipeline", categoryKey: "Pipeline"}
}

func stageNames() (names []string) {
	for _, s := range stages {
		names = append(names, s.name)
	}
	return names
}

func (g *gen) contactAccount(row int) int {
	at := g.contactAccounts.get(row)
	return int(max(at, ^at))
}

func (g *gen) contactNames(row int) (l *locale, given, family word) {
	l = g.accountLocale(g.contactAccount(row))
	return l, l.given[g.roll("congiven", row, len(l.given))], l.family[g.roll("confamily", row, len(l.family))]
}

func (g *gen) contacts() *object {
	n := g.n.contacts
	g.contactAccounts = newRowMemo(n, func(row int) int32 {
		at := int32(g.parent("conacc", row, n, g.n.accounts))
		if g.maybe("conorphan", row, 2) {
			return ^at
		}
		return at
	})
	o := newObject("003", "Contact", "Contact", "Contacts", g.systemFields("contact", n, true)...)
	o.add(refField("MasterRecordId", "Master Record ID", "MasterRecord", "Contact").readonly())
	o.add(refField("AccountId", "Account ID", "Account", "Account").children("Contacts").from(func(row int) value {
		at := g.contactAccounts.get(row)
		if at < 0 {
			return null
		}
		return idValue(rowID(prefixAccount, int(at)))
	}))
	last := textField("LastName", "Last Name", 80).required().as("Name").from(func(row int) value {
		_, _, family := g.contactNames(row)
		return value{kind: kText, s: family.text}
	})
	first := textField("FirstName", "First Name", 40).as("Name").from(func(row int) value {
		_, given, _ := g.contactNames(row)
		return value{kind: kText, s: given.text}
	})
	o.add(last)
	o.add(first)
	o.add(pickField("Salutation", "Salutation", "Mr.", "Ms.", "Mrs.", "Dr.", "Prof.").as("Name").
		from(weighted(g, "consal", "Mr.", 20, "Ms.", 24, "Mrs.", 4, "Dr.", 5, "Prof.", 1, "", 46)))
	o.add(personName(o, first, last))
	g.addresses(o, "contact", "Other", func(row int) *locale { return g.accountLocale(g.contactAccount(row)) }, 96)
	g.addresses(o, "contact", "Mailing", func(row int) *locale { return g.accountLocale(g.contactAccount(row)) }, 30)
	phone := func(name, label, tag string, missing int) {
		o.add(typedText("phone", name, label, 40).write(g.orNone(tag+"?", missing, func(dst []byte, row int) []byte {
			return g.digits(dst, tag, row, g.accountLocale(g.contactAccount(row)).phone)
		})))
	}
	phone("Phone", "Business Phone", "conphone", 20)
	o.add(typedText("phone", "Fax", "Business Fax", 40))
	phone("MobilePhone", "Mobile Phone", "conmobile", 48)
	o.add(refField("ReportsToId", "Reports To ID", "ReportsTo", "Contact").children("ReportsTo").from(func(row int) value {
		if row == 0 || !g.maybe("conboss", row, 20) || g.contactAccount(row-1) != g.contactAccount(row) {
			return null
		}
		return idValue(rowID(prefixContact, row-1))
	}))
	o.add(typedText("email", "Email", "Email", 80).lookup().write(g.orNone("conmail?", 7, func(dst []byte, row int) []byte {
		_, given, family := g.contactNames(row)
		dst = append(append(append(dst, given.ascii...), '.'), family.ascii...)
		if g.maybe("conmailno", row, 20) {
			dst = g.digits(dst, "conmailn", row, "##")
		}
		return g.accountDomain(append(dst, '@'), g.contactAccount(row))
	})))
	o.add(textField("Title", "Title", 128).from(g.orNull("contitle?", 15, picked(g, "contitle", titles))))
	o.add(textField("Department", "Department", 80).from(g.orNull("condept?", 40, picked(g, "condept", depts))))
	o.add(pickField("LeadSource", "Lead Source", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other").
		from(weighted(g, "consrc", "Web", 30, "Partner Referral", 14, "Phone Inquiry", 9, "Other", 4, "", 43)))
	o.add(dateField("Birthdate", "Birthdate").from(g.orNull("conbirth?", 88, func(row int) value { return dateValue(g.dayAround("conbirth", row, -23000, -8000)) })))
	o.add(areaField("Description", "Contact Description", 32000).write(g.orNone("condesc?", 80, g.prose("condesc", 2))))
	o.add(checkField("HasOptedOutOfEmail", "Email Opt Out").from(func(row int) value { return boolValue(g.maybe("conopt", row, 6)) }))
	o.add(checkField("DoNotCall", "Do Not Call"))
	o.add(dateField("LastActivityDate", "Last Activity").readonly())
	for _, f := range g.viewedFields("contact") {
		o.add(f)
	}
	o.add(textField("EmailBouncedReason", "Email Bounced Reason", 255).readonly())
	o.add(dateTimeField("EmailBouncedDate", "Email Bounced Date").readonly())
	o.add(pickField("Buying_Role__c", "Buying Role", "Champion", "Decision Maker", "Influencer", "End User", "Blocker").
		from(weighted(g, "conrole", "Champion", 12, "Decision Maker", 15, "Influencer", 18, "End User", 25, "Blocker", 3, "", 27)))
	o.add(checkField("Is_Primary__c", "Primary Contact").from(func(row int) value {
		return boolValue(row == 0 || g.contactAccount(row-1) != g.contactAccount(row))
	}))
	o.size, o.feed, o.mergeable, o.enabledActivities = n, true, true, true
	return o
}

// personName is the compound Name of a contact or user, put together on read.
func personName(o *object, first, last *field) *field {
	write := func(w *world, dst []byte, row int) []byte {
		given, family := w.get(o, first, row).s, w.get(o, last, row).s
		if family != "" && family[0] >= 0xE3 && family[0] <= 0xED { // Chinese, Japanese and Korean: the family name comes first
			given, family = family, given
		}
		dst = append(dst, given...)
		if given != "" && family != "" {
			dst = append(dst, ' ')
		}
		return append(dst, family...)
	}
	name := textField("Name", "Full Name", 121).required().computed(func(w *world, row int) value {
		return textValue(string(write(w, nil, row)))
	})
	name.calcText = write
	name.nameField = true
	return name
}

func (g *gen) oppAccount(row int) int {
	return g.parent("oppacc", row, g.n.opportunities, g.n.accounts)
}

func (g *gen) oppStage(row int) int {
	r := g.roll("oppstage", row, 100)
	switch {
	case r < 38:
		return 8
	case r < 55:
		return 9
	}
	return g.roll("oppstage2", row, 8)
}

func (g *gen) opportunities() *object {
	n := g.n.opportunities
	o := newObject("006", "Opportunity", "Opportunity", "Opportunities", g.systemFields("opportunity", n, true)...)
	o.add(refField("AccountId", "Account ID", "Account", "Account").children("Opportunities").from(func(row int) value {
		if g.maybe("oppnoacc", row, 1) {
			return null
		}
		return idValue(rowID(prefixAccount, g.oppAccount(row)))
	}))
	o.add(checkField("IsPrivate", "Private"))
	name := textField("Name", "Name", 120).required().write(func(dst []byte, row int) []byte {
		_, first, _ := g.accountWords(g.oppAccount(row))
		dst = append(append(dst, first.text...), " – "...)
		dst = append(append(dst, products[g.roll("oppprod", row, len(products))]...), ' ')
		return append(dst, dealNouns[g.roll("oppnoun", row, len(dealNouns))]...)
	})
	name.nameField = true
	stageField := pickField("StageName", "Stage", stageNames()...).required().from(func(row int) value {
		return value{kind: kText, s: stages[g.oppStage(row)].name}
	})
	amount := currencyField("Amount", "Amount").from(g.orNull("oppamt?", 6, func(row int) value {
		base := [...]int64{250_000, 60_000, 15_000, 2_400}[g.accountTier(g.oppAccount(row))]
		return decimalValue((base+base*int64(g.roll("oppamt", row, 300))/100)/50*50*100, 2)
	}))
	probability := numberField("percent", "Probability", "Probability (%)", 3, 0).from(func(row int) value {
		return decimalValue(stages[g.oppStage(row)].probability*10, 1)
	})
	closeDate := dateField("CloseDate", "Close Date").required().from(func(row int) value {
		if stages[g.oppStage(row)].closed {
			return dateValue(max(g.created("opportunity", row, n)/86_400_000+int64(20+g.roll("oppclose", row, 90)), 0))
		}
		return dateValue(g.dayAround("oppopen", row, -15, 190))
	})
	o.add(name)
	o.add(areaField("Description", "Description", 32000).write(g.orNone("oppdesc?", 55, g.prose("oppdesc", 2))))
	o.add(stageField)
	o.add(amount)
	o.add(probability)
	o.add(currencyField("ExpectedRevenue", "Expected Amount").computed(func(w *world, row int) value {
		a, p := w.get(o, amount, row), w.get(o, probability, row)
		if a.isNull() || p.isNull() {
			return null
		}
		return numberFromFloat(a.float() * p.float() / 100).rounded(2).withPoint()
	}))
	o.add(numberField("double", "TotalOpportunityQuantity", "Quantity", 18, 2))
	o.add(closeDate)
	kind := weighted(g, "opptype", "New Business", 45, "Existing Business", 25, "Renewal", 22, "", 8)
	o.add(pickField("Type", "Opportunity Type", "New Business", "Existing Business", "Renewal").from(kind))
	o.add(recordTypeField().from(func(row int) value {
		if kind(row).s == "Renewal" {
			return idValue(rowID(prefixRecordType, recordRenewal))
		}
		return idValue(rowID(prefixRecordType, recordNewBusiness))
	}))
	o.add(textField("NextStep", "Next Step", 255).from(weighted(g, "oppnext", "Send proposal", 10, "Book technical workshop", 8, "Call procurement", 6, "Legal review", 5, "", 60)))
	o.add(pickField("LeadSource", "Lead Source", "Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other").
		from(weighted(g, "oppsrc", "Web", 26, "Partner Referral", 18, "Phone Inquiry", 9, "Other", 4, "", 43)))
	fromStage := func(name, label string, of func(stage) bool) {
		f := checkField(name, label).computed(func(w *world, row int) value { return boolValue(of(stageOf(w.get(o, stageField, row)))) })
		o.add(f)
	}
	fromStage("IsClosed", "Closed", func(s stage) bool { return s.closed })
	fromStage("IsWon", "Won", func(s stage) bool { return s.won })
	o.add(pickField("ForecastCategory", "Forecast Category", "Omitted", "Pipeline", "BestCase", "MostLikely", "Forecast", "Closed").required().
		computed(func(w *world, row int) value { return textValue(stageOf(w.get(o, stageField, row)).categoryKey) }))
	o.add(pickField("ForecastCategoryName", "Forecast Category", "Omitted", "Pipeline", "Best Case", "Most Likely", "Commit", "Closed").
		computed(func(w *world, row int) value { return textValue(stageOf(w.get(o, stageField, row)).category) }))
	o.add(checkField("HasOpportunityLineItem", "Has Line Item").readonly())
	o.add(dateField("LastActivityDate", "Last Activity").readonly())
	for _, f := range g.viewedFields("opportunity") {
		o.add(f)
	}
	part := func(name, label, typ string, of func(year, quarter int64) value) {
		f := newField(typ, name, label)
		f.length = 6
		o.add(f.computed(func(w *world, row int) value {
			if d := w.get(o, closeDate, row); !d.isNull() {
				year, month := fiscal(dayTime(d.n), w.fiscal)
				return of(year, (month-1)/3+1)
			}
			return null
		}))
	}
	part("FiscalQuarter", "Fiscal Quarter", "int", func(_, quarter int64) value { return intValue(quarter) })
	part("FiscalYear", "Fiscal Year", "int", func(year, _ int64) value { return intValue(year) })
	part("Fiscal", "Fiscal Period", "string", func(year, quarter int64) value {
		return textValue(intValue(year).text() + " " + intValue(quarter).text())
	})
	o.add(refField("ContactId", "Contact ID", "", "Contact").readonlyUpdate())
	o.add(dateTimeField("LastStageChangeDate", "Last Stage Change Date").readonly().from(g.orNull("oppstg?", 30, func(row int) value {
		return value{kind: kDateTime, n: g.modified("opportunity", row, n)}
	})))
	o.add(checkField("Contract_Signed__c", "Contract Signed").from(func(row int) value { return boolValue(g.oppStage(row) == 8) }))
	o.add(textField("Loss_Reason__c", "Loss Reason", 120).from(func(row int) value {
		if g.oppStage(row) != 9 {
			return null
		}
		return textValue(split("Price,Competitor,No budget,No decision,Missing feature")[g.roll("opploss", row, 5)])
	}))
	o.size, o.feed, o.enabledActivities = n, true, true
	return o
}

// readonlyUpdate makes a field that is set on create only.
func (f *field) readonlyUpdate() *field {
	f.updateable = false
	return f
}

// withPoint gives a whole number one decimal, which marks it as the value of a decimal field.
func (v value) withPoint() value {
	if v.kind == kNumber && v.scale == 0 && v.n < 1<<59 && v.n > -1<<59 {
		v.n, v.scale = v.n*10, 1
	}
	return v
}

func (g *gen) stageObject() *object {
	at := func(f func(stage) value) func(int) value { return func(row int) value { return f(stages[row]) } }
	o := newObject("01J", "OpportunityStage", "Opportunity Stage", "Opportunity Stage", g.systemFields("stage", len(stages), false)...)
	label := textField("MasterLabel", "Master Label", 255).from(at(func(s stage) value { return textValue(s.name) }))
	label.nameField = true
	o.add(label)
	o.add(textField("ApiName", "API Name", 255).from(at(func(s stage) value { return textValue(s.name) })))
	o.add(checkField("IsActive", "Is Active").from(func(int) value { return boolValue(true) }))
	o.add(numberField("int", "SortOrder", "Order", 9, 0).from(func(row int) value { return intValue(int64(row + 1)) }))
	o.add(checkField("IsClosed", "Closed").from(at(func(s stage) value { return boolValue(s.closed) })))
	o.add(checkField("IsWon", "Won").from(at(func(s stage) value { return boolValue(s.won) })))
	o.add(pickField("ForecastCategory", "Forecast Category", "Omitted", "Pipeline", "BestCase", "Forecast", "Closed").from(at(func(s stage) value { return textValue(s.categoryKey) })))
	o.add(pickField("ForecastCategoryName", "Forecast Category Name", "Omitted", "Pipeline", "Best Case", "Commit", "Closed").from(at(func(s stage) value { return textValue(s.category) })))
	o.add(numberField("percent", "DefaultProbability", "Probability (%)", 3, 0).from(at(func(s stage) value { return decimalValue(s.probability*10, 1) })))
	o.add(textField("Description", "Description", 255))
	o.size, o.readOnly = len(stages), true
	return o
}

func (g *gen) contactRoles() *object {
	n := g.n.roles
	o := newObject("00K", "OpportunityContactRole", "Opportunity Contact Role", "Opportunity Contact Role", g.systemFields("role", n, false)...)
	opp := func(row int) int { return g.parent("roleopp", row, n, g.n.opportunities) }
	o.add(refField("OpportunityId", "Opportunity ID", "Opportunity", "Opportunity").required().children("OpportunityContactRoles").
		from(func(row int) value { return idValue(rowID(prefixOpportunity, opp(row))) }))
	o.add(refField("ContactId", "Contact ID", "Contact", "Contact").required().children("OpportunityContactRoles").from(func(row int) value {
		c := int(int64(g.oppAccount(opp(row))) * int64(g.n.contacts) / int64(max(g.n.accounts, 1)))
		return idValue(rowID(prefixContact, min(c, g.n.contacts-1)))
	}))
	o.add(pickField("Role", "Role", "Business User", "Decision Maker", "Economic Buyer", "Evaluator", "Executive Sponsor", "Influencer").
		from(weighted(g, "rolekind", "Business User", 20, "Decision Maker", 30, "Economic Buyer", 12, "Evaluator", 14, "Executive Sponsor", 8, "Influencer", 10, "", 6)))
	o.add(checkField("IsPrimary", "Primary").from(func(row int) value { return boolValue(row == 0 || opp(row-1) != opp(row)) }))
	o.size = n
	return o
}
