package web

import (
	"net/http"

	"millrace/db"
)

// access is who may use a route.
type access int

const (
	public   access = iota // anybody
	signedIn               // any user
	adminOnly
)

// handler answers a request or says why it cannot.
type handler func(w http.ResponseWriter, r *http.Request) error

// route is one row of the table of everything that is served.
type route struct {
	access  access
	pattern string
	handler handler
}

const callbackPath = "/oauth/callback"

// routes lists every route by who may use it.
func (s *Server) routes() []route {
	return []route{
		{public, "GET /healthz", s.healthz},
		{public, "GET /readyz", s.readyz},
		{public, "GET /metrics", s.metrics},
		{public, "GET /static/{hash}/{file}", s.static},
		{public, "GET /sign-in", s.signInForm},
		{public, "POST /sign-in", s.signIn},
		{public, "POST /sign-out", s.signOut},
		{public, "GET /setup", s.setupForm},
		{public, "POST /setup", s.setup},
		{public, "POST /theme", s.setTheme},

		{signedIn, "GET /{$}", s.start},
		{signedIn, "GET /integrations", s.integrations},
		{signedIn, "GET /overview", s.first("/overview")},
		{signedIn, "GET /connections/{id}", s.toOverview},
		{signedIn, "GET /connections/{id}/overview", s.overview},
		{signedIn, "GET /accounts", s.first("/accounts")},
		{signedIn, "GET /runs", s.first("/runs")},
		{signedIn, "GET /connections/{id}/accounts", s.accounts},
		{signedIn, "GET /connections/{id}/accounts/why", s.why},
		{signedIn, "GET /connections/{id}/accounts/{sfid}", s.account},
		{signedIn, "GET /connections/{id}/contacts/{sfid}", s.contact},
		{signedIn, "GET /connections/{id}/opportunities/{sfid}", s.opportunity},
		{signedIn, "GET /connections/{id}/runs", s.runs},
		{signedIn, "GET /connections/{id}/runs/active", s.activeRunsPart},
		{signedIn, "GET /connections/{id}/runs/{run}", s.run},
		{signedIn, "GET /connections/{id}/banner", s.banner},
		{signedIn, "GET /audit", s.first("/audit")},
		{signedIn, "GET /connections/{id}/audit", s.audit},
		{signedIn, "GET /connections/{id}/audit/fresh", s.auditFresh},
		{signedIn, "POST /connections/{id}/audit/export", s.exportAudit},
		{signedIn, "GET /errors", s.first("/errors")},
		{signedIn, "GET /connections/{id}/errors", s.errorInbox},
		{signedIn, "GET /connections/{id}/errors/{group}", s.errorGroup},
		{signedIn, "POST /connections/{id}/errors/{group}/export", s.exportErrors},
		{signedIn, "GET /connections/{id}/api-budget", s.apiBudgetForm},
		{signedIn, "GET /alerts", s.alerts},
		{signedIn, "GET /profile", s.profileForm},
		{signedIn, "POST /profile/sign-out-others", s.signOutOthers},
		{signedIn, "POST /profile/time-zone", s.saveTimeZone},
		{signedIn, "POST /profile/password", s.savePassword},

		{adminOnly, "POST /alerts/mutes", s.muteAlerts},
		{adminOnly, "POST /alerts/mutes/{mute}/end", s.endMute},
		{adminOnly, "GET /connections/{id}/alert-rules", s.alertRules},
		{adminOnly, "POST /connections/{id}/alert-rules", s.saveAlertRules},
		{adminOnly, "GET /alerts/channels", s.channels},
		{adminOnly, "POST /alerts/channels", s.addChannel},
		{adminOnly, "GET /alerts/channels/new", s.newChannel},
		{adminOnly, "GET /alerts/channels/{channel}", s.channel},
		{adminOnly, "POST /alerts/channels/{channel}", s.saveChannel},
		{adminOnly, "POST /alerts/channels/{channel}/test", s.testChannel},
		{adminOnly, "POST /alerts/channels/{channel}/switch", s.switchChannel},
		{adminOnly, "POST /alerts/channels/{channel}/rotate", s.rotateSecret},
		{adminOnly, "POST /alerts/channels/{channel}/end-old-secret", s.endOldSecret},
		{adminOnly, "GET /alerts/channels/{channel}/remove", s.removeChannelForm},
		{adminOnly, "POST /alerts/channels/{channel}/remove", s.removeChannel},
		{adminOnly, "GET /alerts/deliveries", s.deliveries},
		{adminOnly, "GET /alerts/deliveries/{delivery}", s.delivery},
		{adminOnly, "POST /alerts/deliveries/{delivery}/redeliver", s.redeliver},

		{adminOnly, "GET /settings", s.first("/settings")},
		{adminOnly, "GET /integrations/salesforce/connect", s.connectForm},
		{adminOnly, "POST /integrations/salesforce/connect", s.connect},
		{adminOnly, "GET " + callbackPath, s.callback},
		{adminOnly, "GET /connections/{id}/preflight", s.preflight},
		{adminOnly, "POST /connections/{id}/api-budget", s.saveAPIBudget},
		{adminOnly, "POST /connections/{id}/api-budget/refresh", s.refreshAPIBudget},
		{adminOnly, "GET /connections/{id}/disconnect", s.disconnectForm},
		{adminOnly, "POST /connections/{id}/disconnect", s.disconnect},
		{adminOnly, "GET /connections/{id}/settings", s.settingsStart},
		{adminOnly, "GET /connections/{id}/settings/account-filtering", s.filteringForm},
		{adminOnly, "POST /connections/{id}/settings/account-filtering", s.saveFiltering},
		{adminOnly, "POST /connections/{id}/settings/account-filtering/validate", s.validateFilter},
		{adminOnly, "POST /connections/{id}/settings/account-filtering/check", s.checkFilter},
		{adminOnly, "POST /connections/{id}/settings/account-filtering/compare", s.compareFilters},
		{adminOnly, "POST /connections/{id}/settings/account-filtering/builder", s.editRows},
		{adminOnly, "GET /connections/{id}/settings/account-filtering/schema", s.learnSchema},
		{adminOnly, "POST /connections/{id}/settings/account-filtering/suggest", s.suggest},
		{adminOnly, "GET /connections/{id}/settings/account-filtering/fields", s.fields},
		{adminOnly, "GET /connections/{id}/settings/pick", s.pick},
		{adminOnly, "GET /connections/{id}/settings/choices", s.choices},
		{adminOnly, "GET /connections/{id}/settings/choices/options", s.choiceOptions},
		{adminOnly, "GET /connections/{id}/settings/field-doctor", s.fieldDoctor},
		{adminOnly, "POST /connections/{id}/settings/refresh-schema", s.refreshSchema},
		{adminOnly, "POST /connections/{id}/settings/accept-schema", s.acceptSchema},
		{adminOnly, "GET /connections/{id}/settings/merge", s.mergeForm},
		{adminOnly, "POST /connections/{id}/settings/merge", s.merge},
		{adminOnly, "GET /connections/{id}/settings/impact", s.impact},
		{adminOnly, "POST /connections/{id}/settings/impact", s.postImpact},
		{adminOnly, "GET /connections/{id}/settings/impact/progress", s.impactProgress},
		{adminOnly, "GET /connections/{id}/settings/history", s.history},
		{adminOnly, "GET /connections/{id}/settings/history/compare", s.compareVersions},
		{adminOnly, "GET /connections/{id}/settings/history/{version}", s.version},
		{adminOnly, "GET /connections/{id}/settings/history/{version}/restore", s.restoreForm},
		{adminOnly, "POST /connections/{id}/settings/history/{version}/restore", s.restore},
		{adminOnly, "POST /connections/{id}/settings/chatter/schedule", s.chatterSchedule},
		{adminOnly, "GET /connections/{id}/settings/export.yaml", s.exportFile},
		{adminOnly, "GET /connections/{id}/settings/import", s.importForm},
		{adminOnly, "POST /connections/{id}/settings/import", s.importFile},
		{adminOnly, "GET /connections/{id}/settings/compare-connections", s.promoteForm},
		{adminOnly, "POST /connections/{id}/settings/compare-connections", s.promote},
		{adminOnly, "GET /connections/{id}/settings/{section}", s.sectionForm},
		{adminOnly, "POST /connections/{id}/settings/{section}", s.postSection},
		{adminOnly, "POST /connections/{id}/settings/{section}/keep", s.keepSection},
		{adminOnly, "POST /connections/{id}/settings/{section}/discard", s.discard},
		{adminOnly, "POST /connections/{id}/runs", s.requestRun},
		{adminOnly, "POST /connections/{id}/runs/{run}/cancel", s.cancelRun},
		{adminOnly, "POST /connections/{id}/runs/{run}/retry", s.retryFailed},
		{adminOnly, "POST /connections/{id}/gap", s.closeGap},
		{adminOnly, "GET /connections/{id}/whole", s.wholeForm},
		{adminOnly, "POST /connections/{id}/whole", s.readWhole},
		{adminOnly, "POST /connections/{id}/first-steps", s.endFirstSteps},
		{adminOnly, "POST /connections/{id}/errors/{group}/retry", s.retryErrors},
		{adminOnly, "POST /connections/{id}/errors/{group}/mute", s.muteErrors(true)},
		{adminOnly, "POST /connections/{id}/errors/{group}/unmute", s.muteErrors(false)},
		{adminOnly, "POST /connections/{id}/leavers", s.setLeavers},
		{adminOnly, "GET /connections/{id}/runs/{run}/undo", s.undoForm},
		{adminOnly, "POST /connections/{id}/runs/{run}/undo", s.undo},
	}
}

// mux serves the table.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, rt := range s.routes() {
		h := readable(rt.handler)
		switch rt.access {
		case signedIn:
			h = s.requireUser(h)
		case adminOnly:
			h = s.requireUser(requireAdmin(h))
		}
		mux.Handle(rt.pattern, s.wrap(h))
	}
	mux.Handle("/", s.wrap(func(http.ResponseWriter, *http.Request) error { return notFound() }))
	return mux
}

// requireAdmin lets only admins through.
func requireAdmin(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if visitOf(r).user.Role != db.RoleAdmin {
			return forbidden("This is for admins. Ask one to do it, or to make you one.")
		}
		return next(w, r)
	}
}
