package jobs

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"millrace/salesforce/sim"
)

// mutator changes an org at random, in ways that people and programs do.
type mutator struct {
	*rand.Rand
	org     *sim.Org
	deleted map[string][]string // ids in the Recycle Bin, by object
	log     []string            // what was done
}

func newMutator(org *sim.Org, seed uint64) *mutator {
	return &mutator{Rand: rand.New(rand.NewPCG(seed, 17)), org: org, deleted: map[string][]string{}}
}

// any returns a record of the object, or nothing when it has none.
func (m *mutator) any(object string) string {
	var ids []string
	for r := range m.org.Records(object) {
		ids = append(ids, r["Id"].(string))
	}
	return m.oneOf(ids...)
}

func (m *mutator) oneOf(of ...string) string {
	if len(of) == 0 {
		return ""
	}
	return of[m.IntN(len(of))]
}

func (m *mutator) did(err error, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if err != nil {
		what += " (" + err.Error() + ")"
	}
	m.log = append(m.log, what)
}

func (m *mutator) update(object string, fields map[string]any) {
	if id := m.any(object); id != "" {
		m.did(m.org.Update(object, id, fields), "update %s %s %v", object, id, fields)
	}
}

func (m *mutator) insert(object string, fields map[string]any) {
	id, err := m.org.Insert(object, fields)
	m.did(err, "insert %s %s %v", object, id, fields)
}

func (m *mutator) remove(object string) {
	if id := m.any(object); id != "" {
		m.did(m.org.Delete(object, id), "delete %s %s", object, id)
		m.deleted[object] = append(m.deleted[object], id)
	}
}

func (m *mutator) restore(object string) {
	if bin := m.deleted[object]; len(bin) > 0 {
		at := m.IntN(len(bin))
		m.did(m.org.Undelete(object, bin[at]), "undelete %s %s", object, bin[at])
		m.deleted[object] = slices.Delete(bin, at, at+1)
	}
}

func (m *mutator) merge(object string) {
	master, loser := m.any(object), m.any(object)
	if master != "" && master != loser {
		m.did(m.org.Merge(object, master, loser), "merge %s %s into %s", object, loser, master)
	}
}

func (m *mutator) word() string { return fmt.Sprintf("Word %d", m.IntN(1_000_000)) }

func (m *mutator) email() any {
	if m.IntN(3) == 0 {
		return nil
	}
	return fmt.Sprintf("m%d@example.com", m.IntN(1_000_000))
}

func (m *mutator) accountType() any {
	if t := m.oneOf("Customer", "Customer", "Prospect", "Partner", "Other", ""); t != "" {
		return t
	}
	return nil
}

// step makes one change.
func (m *mutator) step() {
	all := []func(){
		func() { m.update("User", map[string]any{"Title": m.word()}) },
		func() { m.update("Account", map[string]any{"Name": m.word()}) },
		func() { m.update("Account", map[string]any{"Type": m.accountType()}) },
		func() { m.update("Account", map[string]any{"Type": m.accountType()}) },
		func() { m.update("Account", map[string]any{"Industry": m.oneOf("Energy", "Media", "Banking")}) },
		func() {
			m.insert("Account", map[string]any{"Name": m.word(), "Type": m.accountType(), "Industry": "Energy"})
		},
		func() { m.remove("Account") },
		func() { m.restore("Account") },
		func() { m.merge("Account") },
		func() { m.update("Contact", map[string]any{"LastName": m.word()}) },
		func() { m.update("Contact", map[string]any{"Email": m.email()}) },
		func() { m.update("Contact", map[string]any{"AccountId": m.any("Account")}) },
		func() {
			m.insert("Contact", map[string]any{"LastName": m.word(), "AccountId": m.any("Account"), "Email": m.email()})
		},
		func() { m.remove("Contact") },
		func() { m.restore("Contact") },
		func() { m.merge("Contact") },
		func() { m.update("Opportunity", map[string]any{"Amount": m.IntN(100_000)}) },
		func() { m.update("Opportunity", map[string]any{"AccountId": m.any("Account")}) },
		func() {
			m.insert("Opportunity", map[string]any{"Name": m.word(), "AccountId": m.any("Account"), "StageName": "Prospecting", "CloseDate": "2026-01-31"})
		},
		func() { m.remove("Opportunity") },
		func() { m.restore("Opportunity") },
		func() { m.update("Subscription__c", map[string]any{"ARR__c": m.IntN(10_000)}) },
		func() { m.update("Subscription__c", map[string]any{"Account__c": m.any("Account")}) },
		func() { m.update("Subscription__c", map[string]any{"Status__c": m.oneOf("Active", "Expired")}) },
		func() {
			m.insert("Subscription__c", map[string]any{"Account__c": m.any("Account"), "Status__c": "Active", "ARR__c": m.IntN(10_000), "Start_Date__c": "2026-01-01"})
		},
		func() { m.remove("Subscription__c") },
		func() { m.restore("Subscription__c") },
		func() { m.update("Success_Plan__c", map[string]any{"Sponsor__c": m.any("Contact")}) },
		func() { m.update("Success_Plan__c", map[string]any{"Stage__c": m.oneOf("Kickoff", "Adoption")}) },
		func() { m.update("Case", map[string]any{"Subject": m.word()}) },
		func() { m.update("Case", map[string]any{"Priority": m.oneOf("Low", "High")}) },
		func() { m.update("Case", map[string]any{"AccountId": m.any("Account")}) },
		func() {
			m.insert("Case", map[string]any{"Subject": m.word(), "AccountId": m.any("Account"), "Priority": "High"})
		},
		func() { m.remove("Case") },
		func() { m.restore("Case") },
		func() { m.merge("Case") },
		func() { m.insert("CaseComment", map[string]any{"ParentId": m.any("Case"), "CommentBody": m.word()}) },
		func() { m.remove("CaseComment") },
		func() { m.insert("FeedItem", map[string]any{"ParentId": m.any("Account"), "Body": m.word()}) },
		func() { m.insert("FeedItem", map[string]any{"ParentId": m.any("Opportunity"), "Body": m.word()}) },
		func() { m.remove("FeedItem") },
		func() {
			m.insert("FeedComment", map[string]any{"FeedItemId": m.any("FeedItem"), "CommentBody": m.word()})
		},
		func() { m.remove("FeedComment") },
		func() { m.update("FeedComment", map[string]any{"CommentBody": m.word()}) },
	}
	all[m.IntN(len(all))]()
}
