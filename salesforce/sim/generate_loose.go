package sim

// looseObjects are further standard objects; most start empty and fill by what clients write.
func (g *gen) looseObjects() []*object {
	history := newObject("008", "OpportunityHistory", "Opportunity History", "Opportunity History", g.systemFields("opphist", g.n.opportunities, false)...)
	history.add(refField("OpportunityId", "Opportunity ID", "Opportunity", "Opportunity").children("OpportunityHistories").from(func(row int) value {
		return idValue(rowID(prefixOpportunity, row))
	}))
	history.add(pickField("StageName", "Stage", stageNames()...).from(func(row int) value { return textValue(stages[g.oppStage(row)].name) }))
	history.add(currencyField("Amount", "Amount"))
	history.add(dateField("CloseDate", "Close Date"))
	history.add(numberField("percent", "Probability", "Probability (%)", 3, 0).from(func(row int) value {
		return decimalValue(stages[g.oppStage(row)].probability*10, 1)
	}))
	history.add(currencyField("ExpectedRevenue", "Expected Revenue"))
	history.add(pickField("ForecastCategory", "Forecast Category", "Omitted", "Pipeline", "BestCase", "MostLikely", "Forecast", "Closed"))
	history.add(currencyField("PrevAmount", "From Amount"))
	history.add(dateField("PrevCloseDate", "From Close Date"))
	history.size, history.readOnly = g.n.opportunities, true

	fieldHistory := newObject("017", "OpportunityFieldHistory", "Opportunity Field History", "Opportunity Field History", g.systemFields("oppfh", 1, false)...)
	fieldHistory.add(refField("OpportunityId", "Opportunity ID", "Opportunity", "Opportunity").children("Histories"))
	fieldHistory.add(pickField("Field", "Changed Field", append([]string{"created"}, tracked[:]...)...))
	fieldHistory.add(textField("OldValue", "Old Value", 255).unfiltered())
	fieldHistory.add(textField("NewValue", "New Value", 255).unfiltered())
	fieldHistory.readOnly = true

	lead := newObject("00Q", "Lead", "Lead", "Leads", g.systemFields("lead", 1, true)...)
	last, first := textField("LastName", "Last Name", 80).required().as("Name"), textField("FirstName", "First Name", 40).as("Name")
	lead.add(last)
	lead.add(first)
	lead.add(personName(lead, first, last))
	lead.add(textField("Company", "Company", 255).required())
	lead.add(textField("Title", "Title", 128))
	lead.add(typedText("email", "Email", "Email", 80).lookup())
	lead.add(typedText("phone", "Phone", "Phone", 40))
	lead.add(pickField("Status", "Status", "Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"))
	lead.mergeable = true

	event := newObject("00U", "Event", "Event", "Events", g.systemFields("event", 1, true)...)
	subject := newField("combobox", "Subject", "Subject")
	subject.length, subject.nameField = 255, true
	event.add(refField("WhoId", "Name ID", "Who", "Contact", "Lead"))
	event.add(refField("WhatId", "Related To ID", "What", "Account", "Opportunity", "Case", "Subscription__c", "Success_Plan__c").children("Events"))
	event.add(subject)
	event.add(textField("Location", "Location", 255))
	event.add(checkField("IsAllDayEvent", "All-Day Event"))
	event.add(dateTimeField("StartDateTime", "Start Date Time"))
	event.add(dateTimeField("EndDateTime", "End Date Time"))
	event.add(numberField("int", "DurationInMinutes", "Duration", 9, 0))
	event.add(areaField("Description", "Description", 32000))

	note := newObject("002", "Note", "Note", "Notes", g.systemFields("note", 1, true)...)
	note.add(refField("ParentId", "Parent ID", "Parent", "Account", "Contact", "Opportunity", "Case").required().children("Notes"))
	title := textField("Title", "Title", 80).required()
	title.nameField = true
	note.add(title)
	note.add(checkField("IsPrivate", "Private"))
	note.add(areaField("Body", "Body", 32000))

	document := newObject("069", "ContentDocument", "Content Document", "Content Documents", g.systemFields("contentdoc", 1, true)...)
	documentTitle := textField("Title", "Title", 255).required()
	documentTitle.nameField = true
	document.add(documentTitle)
	document.add(textField("FileType", "File Type", 20))
	document.add(textField("FileExtension", "File Extension", 40))
	document.add(numberField("int", "ContentSize", "Size", 9, 0))

	link := newObject("06A", "ContentDocumentLink", "Content Document Link", "Content Document Link", g.systemFields("contentlink", 1, false)...)
	link.add(refField("LinkedEntityId", "Linked Entity ID", "LinkedEntity", "Account", "Contact", "Opportunity", "Case", "User").required().children("ContentDocumentLinks"))
	link.add(refField("ContentDocumentId", "ContentDocument ID", "ContentDocument", "ContentDocument").required().children("ContentDocumentLinks"))
	link.add(pickField("ShareType", "Share Type", "V", "C", "I"))
	link.add(pickField("Visibility", "Visibility", "AllUsers", "InternalUsers", "SharedUsers"))
	link.needsFilter = []string{"ContentDocumentId", "LinkedEntityId"}
	return []*object{history, fieldHistory, lead, event, note, document, link}
}
