package jobs

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"millrace/db"
	"millrace/pipeline"
	"millrace/salesforce/sim"
	"millrace/settings"
)

// usedUp has the org answer REST queries for records of an object as one does whose API requests are used up, until the test is done with it.
func (s *scene) usedUp(object string) (done func()) {
	org := s.server.Config.Handler
	var over atomic.Bool
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query().Get("q")
		if over.Load() || !strings.HasSuffix(r.URL.Path, "/query") || !strings.Contains(q, " FROM "+object+" WHERE ") || strings.Contains(q, "COUNT(") {
			org.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]`)) // the caller reads it
	})
	return func() { over.Store(true) }
}

// wakes has a run that waits go on at once, and waits for its end.
func (s *scene) wakes(run db.Run) db.Run {
	s.t.Helper()
	return s.until(run.ID, func(r db.Run) bool {
		if r.State == db.RunWaiting {
			s.later(r.ID)
		}
		return ended(r)
	})
}

// daysPass moves the org on. The client is another one then, which does not know the time by its last answer.
func (s *scene) daysPass(days int) {
	s.t.Helper()
	s.org.Advance(time.Duration(days) * 24 * time.Hour)
	s.mu.Lock()
	s.client = nil
	s.mu.Unlock()
}

// weekOfCases syncs cases of the last seven days with their comments.
func weekOfCases(t *testing.T) (s *scene, runs *syncs, account string) {
	t.Helper()
	s = newScene(t, sim.Options{Accounts: 20})
	all := everything()
	all.Cases = settings.Cases{Enabled: true, LookbackDays: 7, Conversation: settings.CaseComments}
	s.saveAll(all)
	runs = s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	return s, runs, textOf(s, `SELECT min(sf_id) FROM millrace.accounts`)
}

const (
	caseHere    = `SELECT count(*) FROM millrace.cases WHERE sf_id = $1 AND left_filter_at IS NULL`
	messageHere = `SELECT count(*) FROM millrace.case_messages WHERE sf_id = $1 AND left_filter_at IS NULL`
)

// TestWindowEndsWhenItIsAskedFor has a run that does not get to ask for the cases wait for days. What has meanwhile become too old to be looked back for is not met, and stays all the same; what does not match any more leaves.
func TestWindowEndsWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, gap := range []bool{false, true} {
		t.Run(map[bool]string{false: "read in full", true: "gap closed"}[gap], func(t *testing.T) {
			t.Parallel()
			s, runs, account := weekOfCases(t)
			old := s.insert("Case", map[string]any{"AccountId": account, "Subject": "Old soon"})
			said := s.insert("CaseComment", map[string]any{"ParentId": old, "CommentBody": "Any news?"})
			s.org.Advance(5 * 24 * time.Hour)
			leaves := s.insert("Case", map[string]any{"AccountId": account, "Subject": "Somebody else's soon"})
			missing := s.insert("Case", map[string]any{"AccountId": account, "Subject": "Lost"})
			runs.run(pipeline.EntityCases, false)
			request := func() (db.Run, error) {
				run, _, _, err := s.db.RequestWholeRun(t.Context(), s.conn, pipeline.EntityCases, &s.admin)
				return run, err
			}
			if gap {
				s.mustExec(`DELETE FROM millrace.cases WHERE sf_id = $1`, missing)
				s.mustExec(`UPDATE millrace.completeness_checks SET unexplained = 1 WHERE connection_id = $1 AND name = 'cases'`, s.conn) // which one among many at the border of the window does not show
				request = func() (db.Run, error) {
					run, _, err := s.db.RequestGap(t.Context(), s.conn, s.admin)
					return run, err
				}
			}
			s.must(s.org.Update("Case", leaves, map[string]any{"AccountId": nil}))
			allow := s.usedUp("Case")
			run, err := request()
			s.must(err)
			s.until(run.ID, inState(db.RunWaiting))
			s.org.Advance(3 * 24 * time.Hour)
			allow()
			s.completed(s.wakes(run))
			if s.count(caseHere, old) != 1 || s.count(messageHere, said) != 1 {
				t.Error("a case that has become too old to be read, or what was said about it, has left")
			}
			if s.count(caseHere, leaves) != 0 || s.count(caseHere, missing) != 1 {
				t.Error("the case without an account has stayed, or another has left")
			}
		})
	}
}

// postOnOpportunity saves settings that look back seven days for posts on opportunities, and has one written on an opportunity. other is an account that the opportunity does not belong to.
func postOnOpportunity(t *testing.T, o sim.Options) (s *scene, opportunity map[string]any, other, post string) {
	t.Helper()
	s = newScene(t, o)
	all := everything()
	all.Chatter = settings.Chatter{Enabled: true, Opportunities: true, Comments: true, LookbackDays: 7}
	s.saveAll(all)
	opportunity = s.asked("SELECT Id, AccountId FROM Opportunity WHERE AccountId != null ORDER BY Id LIMIT 1")[0]
	other = field(s.asked("SELECT Id FROM Account WHERE Id != '" + field(opportunity, "AccountId") + "' ORDER BY Id LIMIT 1")[0], "Id")
	post = s.insert("FeedItem", map[string]any{"ParentId": field(opportunity, "Id"), "Body": "Signed"})
	return s, opportunity, other, post
}

// TestOldPostsFollowTheirOpportunity moves an opportunity to another account: a post on it that is too old to be looked back for moves there too, and the comment on it, whether posts are read in full next or only what has changed.
func TestOldPostsFollowTheirOpportunity(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		t.Run(map[bool]string{false: "changes", true: "read in full"}[whole], func(t *testing.T) {
			t.Parallel()
			s, opportunity, other, post := postOnOpportunity(t, sim.Options{Accounts: 30})
			comment := s.insert("FeedComment", map[string]any{"FeedItemId": post, "CommentBody": "Well done"})
			runs := s.running(s.readsByREST())
			runs.run(pipeline.EntityAll, false)
			runs.run(pipeline.EntityChatter, false)
			s.org.Advance(10 * 24 * time.Hour)
			runs.run(pipeline.EntityChatter, false)
			s.must(s.org.Update("Opportunity", field(opportunity, "Id"), map[string]any{"AccountId": other}))
			s.org.Advance(time.Hour)
			runs.run(pipeline.EntityAccounts, false)
			run := runs.run(pipeline.EntityChatter, whole)
			for table, id := range map[string]string{"chatter_posts": post, "chatter_comments": comment} {
				if n := s.count(`SELECT count(*) FROM millrace.`+table+` WHERE sf_id = $1 AND account_id = $2 AND left_filter_at IS NULL`, id, other); n != 1 {
					t.Errorf("%s: it is not with the account that its opportunity belongs to", table)
				}
				if got := s.action(run, id); got != "updated" {
					t.Errorf("%s: that is audited as %q", table, got)
				}
			}
		})
	}
}

// TestChangedLongerAgoThanIsLookedBackFor hides the cases for longer than they are looked back for. One that was changed meanwhile, and what was said about it, are brought up to date, one that has lost its account leaves, and
// one that has not changed stays, whether cases are read in full next or only what has changed.
func TestChangedLongerAgoThanIsLookedBackFor(t *testing.T) {
	t.Parallel()
	for _, whole := range []bool{false, true} {
		t.Run(map[bool]string{false: "changes", true: "read in full"}[whole], func(t *testing.T) {
			t.Parallel()
			s, runs, account := weekOfCases(t)
			changed, moved, same := s.insert("Case", map[string]any{"AccountId": account, "Subject": "Was"}), s.insert("Case", map[string]any{"AccountId": account}), s.insert("Case", map[string]any{"AccountId": account})
			said := s.insert("CaseComment", map[string]any{"ParentId": changed, "CommentBody": "was said"})
			lost := s.insert("CaseComment", map[string]any{"ParentId": moved, "CommentBody": "was said to somebody"})
			unsaid := s.insert("CaseComment", map[string]any{"ParentId": same, "CommentBody": "gone soon"})
			runs.run(pipeline.EntityCases, false)
			s.daysPass(1)
			s.org.HideObject("Case")
			s.org.HideObject("CaseComment")
			s.must(s.org.Update("Case", changed, map[string]any{"Subject": "Is"}))
			s.must(s.org.Update("CaseComment", said, map[string]any{"CommentBody": "is said"}))
			s.must(s.org.Update("Case", moved, map[string]any{"AccountId": nil}))
			s.must(s.org.Delete("CaseComment", unsaid))
			s.daysPass(9)
			s.org.ShowObject("Case")
			s.org.ShowObject("CaseComment")
			run := runs.run(pipeline.EntityCases, whole)
			if subject, body := textOf(s, `SELECT subject FROM millrace.cases WHERE sf_id = $1`, changed), textOf(s, `SELECT body FROM millrace.case_messages WHERE sf_id = $1`, said); subject != "Is" || body != "is said" {
				t.Errorf("the case is called %q, and %q", subject, body)
			}
			for id, want := range map[string]int64{changed: 1, moved: 0, same: 1} {
				if n := s.count(caseHere, id); n != want {
					t.Errorf("case %s is in step %d times, want %d", id, n, want)
				}
			}
			for id, want := range map[string]int64{said: 1, lost: 0, unsaid: 0} {
				if n := s.count(messageHere, id); n != want {
					t.Errorf("message %s is in step %d times, want %d", id, n, want)
				}
			}
			if p := s.step(run, "cases"); !p.Complete() || p.Updated != 1 || p.LeftFilter != 1 {
				t.Errorf("of the cases %d were updated and %d left, complete %t", p.Updated, p.LeftFilter, p.Complete())
			}
			before := s.snapshot()
			runs.run(pipeline.EntityCases, true)
			if d := differences(before, s.snapshot()); len(d) > 0 {
				t.Errorf("reading everything changes %q", d)
			}
		})
	}
}

// commentsOn counts the comments on a post that are in step.
const commentsOn = `SELECT count(*) FROM millrace.chatter_comments WHERE post_id = $1 AND left_filter_at IS NULL`

// TestCommentsOnAnOldPost writes a comment on a post that is too old to be looked back for and that had none when it was read. The comment comes with what has changed, and stays when everything is read and when the post
// moves with its opportunity; it leaves once it is deleted.
func TestCommentsOnAnOldPost(t *testing.T) {
	t.Parallel()
	s, opportunity, other, post := postOnOpportunity(t, sim.Options{Accounts: 20})
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	s.daysPass(10)
	runs.run(pipeline.EntityChatter, false)
	comment := s.insert("FeedComment", map[string]any{"FeedItemId": post, "CommentBody": "Late"})
	here := func(when string, want int64) {
		t.Helper()
		if n := s.count(commentsOn, post); n != want {
			t.Errorf("%s: %d comments are in step, want %d", when, n, want)
		}
	}
	for _, whole := range []bool{false, true, false} {
		s.daysPass(1)
		runs.run(pipeline.EntityChatter, whole)
		here(map[bool]string{false: "what has changed is read", true: "everything is read"}[whole], 1)
	}
	s.must(s.org.Update("Opportunity", field(opportunity, "Id"), map[string]any{"AccountId": other}))
	s.daysPass(1)
	runs.run(pipeline.EntityAccounts, false)
	runs.run(pipeline.EntityChatter, false)
	here("the post has moved", 1)
	if n := s.count(commentsOn+` AND account_id = $2`, post, other); n != 1 {
		t.Error("the comment has not moved with its post")
	}
	s.must(s.org.Delete("FeedComment", comment))
	s.daysPass(1)
	runs.run(pipeline.EntityChatter, true)
	here("it was deleted", 0)
}

// TestCommentsLeaveWithPostsThatAreSwitchedOff switches the posts on accounts off while those on opportunities cannot be seen, so that no comments are read. Those on the posts that leave leave with them.
func TestCommentsLeaveWithPostsThatAreSwitchedOff(t *testing.T) {
	t.Parallel()
	s := newScene(t, sim.Options{Accounts: 20})
	all := everything()
	all.Chatter = settings.Chatter{Enabled: true, Accounts: true, Opportunities: true, Comments: true}
	s.saveAll(all)
	opportunity := field(s.asked("SELECT Id FROM Opportunity WHERE AccountId != null ORDER BY Id LIMIT 1")[0], "Id")
	stays := s.insert("FeedItem", map[string]any{"ParentId": opportunity, "Body": "Hello"})
	s.insert("FeedComment", map[string]any{"FeedItemId": stays, "CommentBody": "Stays"})
	runs := s.running(s.readsByREST())
	runs.run(pipeline.EntityAll, false)
	runs.run(pipeline.EntityChatter, false)
	const onAccounts = `SELECT count(*) FROM millrace.chatter_comments c JOIN millrace.chatter_posts p ON p.sf_id = c.post_id WHERE p.parent_object = 'account' AND c.left_filter_at IS NULL`
	before := s.count(onAccounts)
	all.Chatter.Accounts = false
	s.saveAll(all)
	s.org.HideObject("OpportunityFeed")
	s.daysPass(1)
	run := runs.run(pipeline.EntityChatter, false)
	if n := s.count(onAccounts); before == 0 || n != 0 {
		t.Errorf("of %d comments on posts on accounts %d are in step", before, n)
	}
	if n := s.count(`SELECT count(*) FROM millrace.audit_log WHERE run_id = $1 AND entity = 'chatter comment' AND action = 'left'`, run.ID); n != before {
		t.Errorf("%d of %d are audited", n, before)
	}
	if n := s.count(commentsOn, stays); n != 1 {
		t.Errorf("%d comments on a post that stays are in step", n)
	}
}
