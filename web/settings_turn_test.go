package web

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"millrace/salesforce/sim"
	"millrace/settings"
)

// turned is a form as the page sends it as its n-th.
func turned(form url.Values, n int) url.Values {
	return with(form, "turn", fmt.Sprintf("0123456789abcdef %d", n))
}

// What the page sent before Save, and what arrives after it, makes no draft: as a text, as rows that are finished and as rows that are not, by the way of the
// script and by the builder's.
func TestFormsThatArriveAfterTheSave(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	o.saved(c, "Type = 'Customer'")
	filtering := orgPath(c.ID, "/settings/account-filtering")
	base, n := 1, 0
	for _, way := range []string{"/keep", "/builder"} {
		for name, late := range map[string]func(base string) url.Values{
			"text": func(base string) url.Values { return single(base, "Type = 'Pro'") },
			"rows": func(base string) url.Values {
				return rows(base, "Type", "equals", "Customer", "AnnualRevenue", "greater-than", "50")
			},
			"unfinished": unfinished,
		} {
			at := itoa(int64(base))
			n += 2
			text := fmt.Sprintf("Type = 'Customer' AND AnnualRevenue > %d", n)
			b.follow(b.post(filtering, turned(single(at, text), n+1)).is(http.StatusSeeOther)).says("#flash", fmt.Sprintf("Saved as v%d", base+1))
			base++
			b.post(filtering+way, turned(late(at), n)).is(http.StatusOK)
			if d := o.draft(c, o.admin); d != nil {
				t.Fatalf("%s %s: a draft on v%d: %+v", way, name, d.Base, d.Settings.Accounts)
			}
			p := b.get(filtering).is(http.StatusOK)
			p.lacks("a[href$='/settings/merge']")
			p.says("#unsaved", "No unsaved changes")
			p.says("textarea#accounts-single", text)
		}
	}
	b.post(filtering+"/discard", turned(single(itoa(int64(base)), "x"), 100)).is(http.StatusSeeOther)
	b.post(filtering+"/keep", turned(unfinished(itoa(int64(base))), 99)).is(http.StatusOK)
	if d := o.draft(c, o.admin); d != nil {
		t.Errorf("a draft after Discard: %+v", d)
	}
}

// After somebody else's save it counts.
func TestFormsThatArriveAfterSomebodyElsesSave(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]url.Values{"text": single("1", "Type = 'Prospect'"), "unfinished": unfinished("1")} {
		o, c, ana, bea := twoAdmins(t)
		path := orgPath(c.ID, "/settings/account-filtering")
		ana.post(path+"/discard", url.Values{}).is(http.StatusSeeOther)
		o.as(bea).post(path, turned(single("1", "Type = 'Partner'"), 7)).is(http.StatusSeeOther)
		ana.post(path+"/keep", turned(late, 1)).is(http.StatusOK)
		if d := o.draft(c, o.admin); d == nil || d.Base != 1 {
			t.Errorf("%s: the draft is %+v", name, d)
		}
	}
}

// A second press of Save finds that it is saved; a second tab finds its own section untouched, and its own person's save named as that.
func TestSaveTwice(t *testing.T) {
	t.Parallel()
	o := newOrgApp(t, sim.Options{Accounts: 5})
	b := o.as(o.admin)
	c := o.connected(b)
	filtering, owners := orgPath(c.ID, "/settings/account-filtering"), orgPath(c.ID, "/settings/owner-mapping")
	tab := b.form(owners, url.Values{settings.PathOwner(settings.CSM): {"CSM__c"}})

	b.follow(b.post(filtering, single("0", "Type = 'Customer'")).is(http.StatusSeeOther))
	b.follow(b.post(filtering, single("0", "Type = 'Customer'")).is(http.StatusSeeOther)).says("#flash", "Saved as v1")
	for round := 1; round <= 5; round++ {
		var wg sync.WaitGroup
		answers := make([]*page, 3)
		for i := range answers {
			form := single(itoa(int64(round)), fmt.Sprintf("Type = 'Customer' AND AnnualRevenue > %d", round))
			if i < 2 {
				form = turned(form, 10*round+i)
			}
			wg.Go(func() { answers[i] = b.post(filtering, form) })
		}
		wg.Wait()
		for _, p := range answers {
			p.is(http.StatusSeeOther)
		}
		if v := o.newest(c); v.Version != round+1 {
			t.Fatalf("three presses of Save made v%d, want v%d", v.Version, round+1)
		}
		if d := o.draft(c, o.admin); d != nil {
			t.Fatalf("a draft is left: %+v", d)
		}
	}

	// The tab was opened before all that, on a section that nothing was changed in.
	b.post(owners+"/keep", tab).is(http.StatusOK).says("#unsaved", "1 unsaved change")
	b.get(filtering).is(http.StatusOK).lacks("a[href$='/settings/merge']")
	b.follow(b.post(owners, tab).is(http.StatusSeeOther)).says("#flash", "Saved as v7")
	if v := o.newest(c).Settings; v.Owners.CSM != "CSM__c" || v.Accounts.Single != "Type = 'Customer' AND AnnualRevenue > 5" {
		t.Errorf("saved: %+v", v)
	}
	b.post(filtering+"/keep", single("5", "Type = 'Partner'")).is(http.StatusOK)
	b.get(owners).says("main", "You saved while you were editing here", "You saved v7")
	b.post(filtering, single("5", "Type = 'Partner'")).is(http.StatusConflict).says("#conflict", "You have saved elsewhere", "You saved v7")
}

// Two people who save the same make one version.
func TestSomebodyElseSavedTheSame(t *testing.T) {
	t.Parallel()
	o, c, ana, bea := twoAdmins(t)
	path := orgPath(c.ID, "/settings/account-filtering")
	o.as(bea).post(path, single("1", "Type = 'Prospect'")).is(http.StatusSeeOther)
	p := ana.follow(ana.post(path, single("1", "Type = 'Prospect'")).is(http.StatusSeeOther))
	p.says("#flash", "Somebody else has just saved the same changes as v2")
	p.says("#unsaved", "No unsaved changes")
	if d := o.draft(c, o.admin); d != nil {
		t.Errorf("a draft is left: %+v", d)
	}
}

func TestWhatIsNoTurn(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "a", "a b", "a 0", "a -1", "a 1 b", "ä 1", "a 1 b x", "a 99999999999999999999", "0123456789012345678901234567890123456789x 1"} {
		if turn := readTurn(url.Values{"turn": {text}}); turn.Page != "" {
			t.Errorf("%q is %+v", text, turn)
		}
	}
	if turn := readTurn(url.Values{"turn": {"a 5 b 3"}}); turn.Page != "a" || turn.Number != 5 || turn.BeforePage != "b" || turn.BeforeNumber != 3 {
		t.Errorf("got %+v", turn)
	}
}
