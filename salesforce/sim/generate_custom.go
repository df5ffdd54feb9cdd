package sim

func (g *gen) subscriptions() *object {
	n := g.n.subscriptions
	account := func(row int) int { return g.parent("subacc", row, n, g.n.accounts) }
	start := func(row int) int64 { return g.dayAround("substart", row, -900, -5) }
	o := newObject("a00", "Subscription__c", "Subscription", "Subscriptions", g.systemFields("subscription", n, true)...)
	name := textField("Name", "Subscription Number", 80).required().readonly().lookup().write(func(dst []byte, row int) []byte {
		return appendPadded(append(dst, "SUB-"...), int64(row+1), 6)
	})
	name.nameField, name.autoNumber, name.numberFormat = true, true, "SUB-{000000}"
	o.add(name)
	o.add(refField("Account__c", "Account", "Account__r", "Account").children("Subscriptions__r").from(func(row int) value {
		return idValue(rowID(prefixAccount, account(row)))
	}))
	o.add(pickField("Product__c", "Product", products...).from(picked(g, "subprod", products)))
	o.add(pickField("Status__c", "Status", "Active", "Trial", "Cancelled", "Expired").strict().
		from(weighted(g, "substat", "Active", 66, "Trial", 9, "Cancelled", 12, "Expired", 13)))
	arr := currencyField("ARR__c", "ARR").from(g.orNull("subarr?", 5, func(row int) value {
		base := [...]int64{180_000, 50_000, 14_000, 2_000}[g.accountTier(account(row))]
		return decimalValue((base+base*int64(g.roll("subarr", row, 100))/100)*100, 2)
	}))
	o.add(arr)
	o.add(currencyField("MRR__c", "MRR").formulaOf("ARR__c / 12", func(w *world, row int) value {
		v := w.get(o, arr, row)
		if v.isNull() {
			return null
		}
		return numberFromFloat(v.float() / 12).rounded(2).withPoint()
	}))
	o.add(numberField("double", "Seats__c", "Seats", 8, 0).from(func(row int) value { return decimalValue(int64(5+g.roll("subseats", row, 400))*10, 1) }))
	o.add(numberField("percent", "Discount__c", "Discount", 5, 2).from(g.orNull("subdisc?", 50, func(row int) value {
		return decimalValue(int64(g.roll("subdisc", row, 8))*500, 2)
	})))
	o.add(dateField("Start_Date__c", "Start Date").from(func(row int) value { return dateValue(start(row)) }))
	o.add(dateField("End_Date__c", "End Date").from(func(row int) value { return dateValue(start(row) + 365*int64(1+g.roll("subyears", row, 3))) }))
	o.add(checkField("Auto_Renew__c", "Auto Renew").from(func(row int) value { return boolValue(g.maybe("subauto", row, 70)) }))
	o.add(textField("Billing_Reference__c", "Billing Reference", 40).external().write(func(dst []byte, row int) []byte {
		return appendPadded(append(dst, "BR"...), int64(row)*7+100003, 9)
	}))
	o.size, o.feed, o.enabledActivities = n, true, true
	return o
}

func (g *gen) plans() *object {
	n := g.n.plans
	account := func(row int) int { return g.parent("planacc", row, n, g.n.accounts) }
	o := newObject("a01", "Success_Plan__c", "Success Plan", "Success Plans", g.systemFields("plan", n, true)...)
	name := textField("Name", "Success Plan Name", 80).write(func(dst []byte, row int) []byte {
		_, first, _ := g.accountWords(account(row))
		dst = append(append(dst, first.text...), ' ')
		return append(dst, split("Onboarding Plan,Adoption Plan,Recovery Plan,Growth Plan")[g.roll("planname", row, 4)]...)
	})
	name.nameField = true
	o.add(name)
	o.add(refField("Account__c", "Account", "Account__r", "Account").children("Success_Plans__r").masterDetail().from(func(row int) value {
		return idValue(rowID(prefixAccount, account(row)))
	}))
	o.add(refField("Sponsor__c", "Executive Sponsor", "Sponsor__r", "Contact").children("Sponsored_Plans__r").from(g.orNull("plansp?", 30, func(row int) value {
		c := int(int64(account(row)) * int64(g.n.contacts) / int64(max(g.n.accounts, 1)))
		return idValue(rowID(prefixContact, min(c, g.n.contacts-1)))
	})))
	o.add(pickField("Stage__c", "Stage", "Kickoff", "Adoption", "Value Realised", "Renewal Ready").
		from(weighted(g, "planstage", "Kickoff", 20, "Adoption", 40, "Value Realised", 25, "Renewal Ready", 15)))
	o.add(richField("Objectives__c", "Objectives", 32768).write(func(dst []byte, row int) []byte {
		return append(g.prose("planobj", 3)(append(dst, "<p>"...), row), "</p>"...)
	}))
	o.add(dateField("Target_Date__c", "Target Date").from(g.orNull("plandate?", 20, func(row int) value { return dateValue(g.dayAround("plandate", row, -60, 240)) })))
	o.add(dateTimeField("Last_Review__c", "Last Review").from(g.orNull("planrev?", 45, func(row int) value {
		return value{kind: kDateTime, n: g.modified("plan", row, n) - 3600_000}
	})))
	o.add(newField("time", "Weekly_Call__c", "Weekly Call").from(g.orNull("plancall?", 60, func(row int) value {
		return value{kind: kTime, n: int64(8+g.roll("plancall", row, 9)) * 3600_000}
	})))
	o.size, o.feed = n, true
	return o
}
