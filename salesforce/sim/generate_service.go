package sim

import "time"

func (g *gen) caseAccount(row int) int { return g.parent("caseacc", row, g.n.cases, g.n.accounts) }

func (g *gen) cases() *object {
	n := g.n.cases
	statuses := []value{textValue("New"), textValue("Working"), textValue("Escalated"), textValue("Closed")}
	status := func(row int) int {
		switch r := g.roll("casestat", row, 100); {
		case r < 15:
			return 0
		case r < 32:
			return 1
		case r < 38:
			return 2
		}
		return 3
	}
	o := newObject("500", "Case", "Case", "Cases", g.systemFields("case", n, true)...)
	o.add(refField("MasterRecordId", "Master Record ID", "MasterRecord", "Case").readonly())
	number := textField("CaseNumber", "Case Number", 30).required().readonly().lookup().write(func(dst []byte, row int) []byte {
		return appendPadded(dst, int64(row+1001), 8)
	})
	number.nameField, number.autoNumber, number.numberFormat = true, true, "{00000000}"
	o.add(number)
	o.add(refField("ContactId", "Contact ID", "Contact", "Contact").children("Cases").from(g.orNull("casecon?", 15, func(row int) value {
		c := int(int64(g.caseAccount(row)) * int64(g.n.contacts) / int64(max(g.n.accounts, 1)))
		return idValue(rowID(prefixContact, min(c, g.n.contacts-1)))
	})))
	o.add(refField("AccountId", "Account ID", "Account", "Account").children("Cases").from(func(row int) value {
		return idValue(rowID(prefixAccount, g.caseAccount(row)))
	}))
	o.add(refField("ParentId", "Parent Case ID", "Parent", "Case").children("Cases"))
	o.add(textField("SuppliedName", "Name", 80))
	o.add(typedText("email", "SuppliedEmail", "Email Address", 80))
	o.add(textField("SuppliedPhone", "Phone", 40))
	o.add(textField("SuppliedCompany", "Company", 80))
	o.add(pickField("Type", "Case Type", "Problem", "Feature Request", "Question").from(weighted(g, "casetype", "Problem", 50, "Question", 30, "Feature Request", 12, "", 8)))
	statusField := pickField("Status", "Status", "New", "Working", "Escalated", "Closed").from(func(row int) value { return statuses[status(row)] })
	o.add(statusField)
	reason := weighted(g, "casereason", "Installation", 15, "Performance", 15, "Billing", 15, "Breakdown", 10, "Feedback", 9, "Other", 10, "", 26)
	o.add(pickField("Reason", "Case Reason", "Installation", "Performance", "Billing", "Breakdown", "Feedback", "Other").from(reason))
	o.add(recordTypeField().from(func(row int) value {
		if reason(row).s == "Billing" {
			return idValue(rowID(prefixRecordType, recordBilling))
		}
		return idValue(rowID(prefixRecordType, recordSupport))
	}))
	o.add(pickField("Origin", "Case Origin", "Phone", "Email", "Web").from(weighted(g, "caseorigin", "Phone", 20, "Email", 50, "Web", 30)))
	o.add(textField("Subject", "Subject", 255).from(picked(g, "casesubj", caseTopics)))
	o.add(pickField("Priority", "Priority", "High", "Medium", "Low").from(weighted(g, "caseprio", "High", 20, "Medium", 55, "Low", 25)))
	o.add(areaField("Description", "Description", 32000).write(g.prose("casedesc", 4)))
	o.add(checkField("IsClosed", "Closed").computed(func(w *world, row int) value { return boolValue(w.get(o, statusField, row).s == "Closed") }))
	o.add(dateTimeField("ClosedDate", "Closed Date").readonly().from(func(row int) value {
		if status(row) != 3 {
			return null
		}
		return value{kind: kDateTime, n: g.modified("case", row, n)}
	}))
	o.add(checkField("IsEscalated", "Escalated").from(func(row int) value { return boolValue(status(row) == 2) }))
	for _, f := range g.viewedFields("case") {
		o.add(f)
	}
	o.size, o.feed, o.mergeable, o.enabledActivities = n, true, true, true
	return o
}

// within gives the messages of cases times after their case was opened, later ones of a case after earlier ones.
func (g *gen) within(o *object, n int, parent func(int) int) (at func(int) value) {
	at = func(row int) value {
		first := int(int64(parent(row)&^15) * int64(n) / int64(max(g.n.cases, 1)))
		hours := 2 + 9*int64(max(row-first, 0))
		return value{kind: kDateTime, n: min(g.created("case", parent(row), g.n.cases)+hours*3600_000+int64(row%53)*60_000, g.epoch-1000)}
	}
	for _, name := range []string{"CreatedDate", "LastModifiedDate", "SystemModstamp"} {
		o.field(name).from(at)
	}
	return at
}

// said appends one to n sentences of a conversation about a case, by the customer or by support.
func (g *gen) said(tag string, n int, customer func(int) bool) func([]byte, int) []byte {
	return func(dst []byte, row int) []byte {
		lines := supportLines
		if customer(row) {
			lines = pleasedLines
			if g.maybe(tag+"upset", row, 55) {
				lines = upsetLines
			}
		}
		for i := range 1 + g.roll(tag+"n", row, n) {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = append(dst, lines[g.roll(tag, row*7+i, len(lines))]...)
		}
		return dst
	}
}

func (g *gen) caseComments() *object {
	n := g.n.caseComments
	o := newObject("00a", "CaseComment", "Case Comment", "Case Comments", g.systemFields("casecomment", n, false)...)
	parent := func(row int) int { return g.parent("ccparent", row, n, g.n.cases) }
	g.within(o, n, parent)
	o.add(refField("ParentId", "Parent ID", "Parent", "Case").required().children("CaseComments").from(func(row int) value {
		return idValue(rowID(prefixCase, parent(row)))
	}))
	o.add(checkField("IsPublished", "Published").from(func(row int) value { return boolValue(g.maybe("ccpub", row, 60)) }))
	o.add(areaField("CommentBody", "Body", 4000).write(g.said("ccbody", 3, func(row int) bool { return g.maybe("ccside", row, 50) })))
	o.size = n
	return o
}

func (g *gen) emails() *object {
	n := g.n.emails
	parent := func(row int) int { return g.parent("emparent", row, n, g.n.cases) }
	incoming := func(row int) bool { return g.maybe("emin", row, 55) }
	o := newObject("02s", "EmailMessage", "Email Message", "Email Messages", g.systemFields("email", n, false)...)
	sent := g.within(o, n, parent)
	o.add(refField("ParentId", "Case ID", "Parent", "Case").children("EmailMessages").from(func(row int) value { return idValue(rowID(prefixCase, parent(row))) }))
	o.add(refField("RelatedToId", "Related To ID", "RelatedTo", "Account", "Opportunity", "Case", "Contact").from(func(row int) value {
		return idValue(rowID(prefixCase, parent(row)))
	}))
	o.add(refField("ActivityId", "Activity ID", "Activity", "Task").readonlyUpdate())
	subject := textField("Subject", "Subject", 3000).write(func(dst []byte, row int) []byte {
		return append(append(dst, "Re: "...), caseTopics[g.roll("casesubj", parent(row), len(caseTopics))]...)
	})
	subject.nameField = true
	o.add(subject)
	// answered is the email of the same case before this one, or -1.
	answered := func(row int) int {
		for before := row - 1; before >= max(0, row-24); before-- {
			if parent(before) == parent(row) {
				return before
			}
		}
		return -1
	}
	body := g.said("embody", 4, incoming)
	o.add(areaField("TextBody", "Text Body", 131072).write(func(dst []byte, row int) []byte {
		dst = body(dst, row)
		if before := answered(row); before >= 0 {
			dst = append(dst, "\n\nOn "...)
			dst = time.UnixMilli(sent(before).n).UTC().AppendFormat(dst, "Mon, Jan 2, 2006 at 15:04")
			dst = append(body(append(dst, " the other side wrote:\n> "...), before), '\n')
		}
		return dst
	}))
	o.add(areaField("HtmlBody", "HTML Body", 131072).write(func(dst []byte, row int) []byte {
		return append(g.prose("embody", 6)(append(dst, "<p>"...), row), "</p>"...)
	}))
	customer := func(dst []byte, row int) []byte {
		return g.accountDomain(append(dst, "office@"...), g.caseAccount(parent(row)))
	}
	side := func(in bool) func([]byte, int) []byte {
		return func(dst []byte, row int) []byte {
			if incoming(row) == in {
				return customer(dst, row)
			}
			return append(dst, "support@example.com"...)
		}
	}
	o.add(typedText("email", "FromAddress", "From Address", 1000).write(side(true)))
	o.add(textField("FromName", "From Name", 1000).write(func(dst []byte, row int) []byte {
		if incoming(row) {
			return append(dst, "Office"...)
		}
		return append(dst, "Support"...)
	}))
	o.add(textField("ToAddress", "To Address", 4000).write(side(false)))
	o.add(textField("CcAddress", "CC Address", 4000))
	o.add(textField("BccAddress", "BCC Address", 4000))
	o.add(checkField("Incoming", "Is Incoming").from(func(row int) value { return boolValue(incoming(row)) }))
	o.add(checkField("HasAttachment", "Has Attachment").from(func(row int) value { return boolValue(g.maybe("ematt", row, 12)) }))
	status := pickField("Status", "Status", "0", "1", "2", "3", "4", "5").required().labels("0", "New", "1", "Read", "2", "Replied", "3", "Sent", "4", "Forwarded", "5", "Draft")
	o.add(status.from(func(row int) value {
		if incoming(row) {
			return value{kind: kText, s: "1"}
		}
		return value{kind: kText, s: "3"}
	}))
	o.add(dateTimeField("MessageDate", "Message Date").from(sent))
	o.add(refField("ReplyToEmailMessageId", "Email Message ID", "ReplyToEmailMessage", "EmailMessage").from(func(row int) value {
		if before := answered(row); before >= 0 {
			return idValue(rowID(prefixEmail, before))
		}
		return null
	}))
	o.size = n
	return o
}

func (g *gen) tasks() *object {
	n := g.n.tasks
	o := newObject("00T", "Task", "Task", "Tasks", g.systemFields("task", n, true)...)
	account := func(row int) int { return g.parent("taskacc", row, n, g.n.accounts) }
	o.add(refField("WhoId", "Name ID", "Who", "Contact", "Lead").from(g.orNull("taskwho?", 40, func(row int) value {
		c := int(int64(account(row)) * int64(g.n.contacts) / int64(max(g.n.accounts, 1)))
		return idValue(rowID(prefixContact, min(c, g.n.contacts-1)))
	})))
	o.add(refField("WhatId", "Related To ID", "What", "Account", "Opportunity", "Case", "Subscription__c", "Success_Plan__c").children("Tasks").
		from(g.orNull("taskwhat?", 5, func(row int) value {
			if g.maybe("taskopp", row, 30) {
				return idValue(rowID(prefixOpportunity, g.roll("taskoppid", row, g.n.opportunities)))
			}
			return idValue(rowID(prefixAccount, account(row)))
		})))
	subject := newField("combobox", "Subject", "Subject").from(weighted(g, "tasksubj", "Call", 30, "Send Quote", 12, "Email", 30, "Quarterly business review", 14, "Other", 5))
	subject.length, subject.nameField = 255, true
	o.add(subject)
	o.add(dateField("ActivityDate", "Due Date Only").from(g.orNull("taskdue?", 10, func(row int) value { return dateValue(g.dayAround("taskdue", row, -200, 60)) })))
	o.add(pickField("Status", "Status", "Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred").required().
		from(weighted(g, "taskstat", "Not Started", 20, "In Progress", 12, "Completed", 60, "Deferred", 3)))
	o.add(pickField("Priority", "Priority", "High", "Normal", "Low").required().from(weighted(g, "taskprio", "High", 15, "Normal", 75, "Low", 10)))
	o.add(areaField("Description", "Description", 32000).write(g.orNone("taskdesc?", 50, g.prose("taskdesc", 2))))
	o.add(pickField("TaskSubtype", "Task Subtype", "Task", "Email", "Call").from(weighted(g, "tasksub", "Task", 50, "Email", 25, "Call", 25)))
	o.size = n
	return o
}

// feedFields are the columns that FeedItem and every …Feed object share.
func (g *gen) feedItems() *object {
	n := g.n.feedItems
	kind := weighted(g, "feedtype", "TextPost", 70, "LinkPost", 8, "CallLogPost", 8, "QuestionPost", 6, "TrackedChange", 8)
	o := newObject("0D5", "FeedItem", "Feed Item", "Feed Items", g.systemFields("feed", n, false)...)
	o.add(refField("ParentId", "Parent ID", "Parent", "Account", "Contact", "Opportunity", "Case", "User").required().from(func(row int) value {
		r := g.roll("feedkind", row, 100)
		at := g.roll("feedat", row, 1<<30)
		switch {
		case r < 15:
			return idValue(rowID(prefixOpportunity, at%max(g.n.opportunities, 1)))
		case r < 30:
			return idValue(rowID(prefixCase, at%max(g.n.cases, 1)))
		case r < 38:
			return idValue(rowID(prefixContact, at%max(g.n.contacts, 1)))
		}
		return idValue(rowID(prefixAccount, g.parent("feedacc", row, n, g.n.accounts)))
	}))
	o.add(pickField("Type", "Feed Item Type", "TextPost", "LinkPost", "ContentPost", "TrackedChange", "CreateRecordEvent", "CallLogPost", "QuestionPost").
		from(kind))
	title := textField("Title", "Title", 255).write(func(dst []byte, row int) []byte {
		if kind(row).s == "LinkPost" {
			return append(dst, "Meeting notes"...)
		}
		return dst
	})
	o.add(title)
	prose := g.prose("feedbody", 3)
	o.add(areaField("Body", "Body", 10000).write(func(dst []byte, row int) []byte {
		if kind(row).s == "TrackedChange" {
			return dst
		}
		return prose(dst, row)
	}))
	o.add(typedText("url", "LinkUrl", "Link Url", 1000).write(func(dst []byte, row int) []byte {
		if kind(row).s == "LinkPost" {
			return appendPadded(append(dst, "https://notes.example.com/"...), int64(row), 6)
		}
		return dst
	}))
	o.add(refField("RelatedRecordId", "Related Record ID", "", "ContentVersion"))
	o.add(numberField("int", "CommentCount", "Comment Count", 9, 0).readonly())
	o.add(numberField("int", "LikeCount", "Like Count", 9, 0).readonly().from(func(row int) value { return intValue(int64(g.roll("feedlike", row, 5))) }))
	o.add(checkField("IsRichText", "Is Rich Text"))
	o.add(pickField("Visibility", "Visibility", "AllUsers", "InternalUsers").from(weighted(g, "feedvis", "AllUsers", 20, "InternalUsers", 80)))
	o.add(pickField("Status", "Status", "Published", "PendingReview").from(func(int) value { return value{kind: kText, s: "Published"} }))
	o.add(numberField("int", "Revision", "Revision", 9, 0).readonly().from(func(int) value { return intValue(1) }))
	o.add(checkField("HasContent", "Has Content").readonly())
	o.add(checkField("HasLink", "Has Link").readonly())
	o.add(refField("InsertedById", "InsertedBy ID", "InsertedBy", "User").readonly().from(func(row int) value {
		return idValue(rowID(prefixUser, g.roll("feedby", row, g.n.users)))
	}))
	o.add(dateTimeField("LastEditDate", "Last Edit Date").readonly())
	o.size = n
	return o
}

func (g *gen) feedComments(items *object) *object {
	n := g.n.feedComments
	o := newObject("0D7", "FeedComment", "Feed Comment", "Feed Comments", g.systemFields("feedcomment", n, false)...)
	item := func(row int) int { return g.parent("fcitem", row, n, g.n.feedItems) }
	parent := items.field("ParentId")
	of := refField("FeedItemId", "Feed Item ID", "", "FeedItem").required().children("FeedComments").from(func(row int) value {
		return idValue(rowID(prefixFeedItem, item(row)))
	})
	items.field("CommentCount").computed(func(w *world, row int) value {
		count := 0
		for _, comment := range w.children(o, of, items).of(row) {
			if w.table(o).alive(int(comment)) {
				count++
			}
		}
		return intValue(int64(count))
	})
	o.add(of)
	o.add(refField("ParentId", "Parent ID", "Parent", parent.refs...).readonly().from(func(row int) value { return parent.base(item(row)) }))
	o.add(areaField("CommentBody", "Comment Body", 10000).write(g.prose("fcbody", 2)))
	o.add(pickField("CommentType", "Comment Type", "TextComment", "ContentComment").from(func(int) value { return value{kind: kText, s: "TextComment"} }))
	o.add(checkField("IsRichText", "Is Rich Text"))
	o.add(refField("RelatedRecordId", "Related Record ID", "", "ContentVersion"))
	o.add(refField("InsertedById", "InsertedBy ID", "InsertedBy", "User").readonly().from(func(row int) value {
		return idValue(rowID(prefixUser, g.roll("fcby", row, g.n.users)))
	}))
	o.add(pickField("Status", "Status", "Published", "PendingReview").from(func(int) value { return value{kind: kText, s: "Published"} }))
	o.size = n
	return o
}

// feedView is the …Feed object of one type of parent: the feed items that hang on its records.
func feedView(parent, items *object) *object {
	name := parent.name + "Feed"
	if parent.custom {
		name = parent.name[:len(parent.name)-1] + "Feed" // Foo__c has Foo__Feed
	}
	o := newObject("", name, parent.label+" Feed", parent.label+" Feed")
	o.view, o.viewOf, o.readOnly = items, parent.name, true
	o.byName = map[string]*field{}
	for _, f := range items.fields {
		c := *f
		if f.name == "ParentId" {
			c.refs, c.polymorphic, c.namePointing = []string{parent.name}, false, false
			c.childRel = "Feeds"
		}
		o.fields = append(o.fields, &c)
		o.byName[lower(f.name)] = &c
	}
	o.cols = items.cols
	return o
}
