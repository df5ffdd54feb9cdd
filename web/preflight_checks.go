package web

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"millrace/pipeline"
	"millrace/salesforce"
	"millrace/salesforce/soql"
	"millrace/views"
	"millrace/views/ui"
)

// cures are the ways through Setup for what Salesforce refuses, by error code.
var cures = map[string]struct{ sentence, cure string }{
	"API_DISABLED_FOR_ORG": {"The REST API is not enabled in this org.",
		"Salesforce includes it in Enterprise, Unlimited, Performance and Developer Edition, and sells it for Professional Edition: ask your Salesforce account executive. In an edition that has it, Setup → Profiles → the user's profile → Administrative Permissions → tick API Enabled."},
	"API_CURRENTLY_DISABLED": {"The API is switched off for the connected user.", "Setup → Profiles → the user's profile → Administrative Permissions → tick API Enabled; or the same in a permission set of the user."},
	"INSUFFICIENT_ACCESS":    {"The connected user may not look at this.", "Setup → Permission Sets → one of the user's → System Permissions → tick View Setup and Configuration."},
	"INVALID_TYPE":           {"The connected user may not look at this.", "Setup → Permission Sets → one of the user's → System Permissions → tick View Setup and Configuration."},
}

// failed is the finding of a check that got no answer. It says why; that no answer came is not taken for a problem of the org.
func (p *preflight) failed(ctx context.Context, err error) views.Check {
	var refused *salesforce.APIError
	if errors.As(err, &refused) {
		if known, ok := cures[refused.Code]; ok {
			return views.Check{State: views.CheckWarning, Sentence: "It could not be checked. " + known.sentence, Cure: known.cure}
		}
	}
	return views.Check{State: views.CheckWarning, Sentence: "It could not be checked. " + p.s.unanswered(ctx, p.c, err), Cure: "Check again in a moment."}
}

// apiAccess tells whether the user may use the API at all.
func (p *preflight) apiAccess(ctx context.Context) (views.Check, error) {
	_, err := p.client.Limits(ctx)
	var refused *salesforce.APIError
	switch {
	case err == nil:
		return views.Check{Sentence: "The REST API answers the connected user."}, nil
	case salesforce.IsAppRefused(err):
		sentence, remedy := salesforce.ExplainRenewal(err)
		return views.Check{State: views.CheckProblem, Sentence: sentence, Cure: remedy}, nil
	case salesforce.IsGrantDead(err):
		return views.Check{State: views.CheckProblem, Sentence: "Salesforce no longer accepts the sign-in of this connection.", Cure: "Reconnect on the Integrations page."}, nil
	case salesforce.IsDailyLimit(err):
		return views.Check{State: views.CheckProblem, Sentence: "The org's daily API requests are used up.", Cure: "They come back over the next 24 hours. Setup → Company Information shows the use; Salesforce sells more."}, nil
	case errors.As(err, &refused) && cures[refused.Code].sentence != "":
		return views.Check{State: views.CheckProblem, Sentence: cures[refused.Code].sentence, Cure: cures[refused.Code].cure}, nil
	}
	return views.Check{}, err
}

// connectedApp tells whether the grant of the app lasts. No package has to be installed: everything is read through Salesforce's own APIs.
func (p *preflight) connectedApp(ctx context.Context) (views.Check, error) {
	grant, err := p.s.DB.Grant(ctx, p.c.ID)
	if err != nil {
		return views.Check{}, err
	}
	if grant.RefreshToken == "" {
		return views.Check{
			State: views.CheckProblem, Sentence: "The app gave no lasting access: the connection ends with the present session.",
			Cure: "Setup → External Client App Manager → the app → Settings → OAuth Settings → add the scope “Perform requests at any time (refresh_token, offline_access)”. Then reconnect.",
		}, nil
	}
	return views.Check{Sentence: "The app is approved for the connected user and keeps its access without a new sign-in. No package needs to be installed."}, nil
}

// withoutAPI are editions to which Salesforce gives no API, or only for an extra charge.
var withoutAPI = []string{"Group Edition", "Personal Edition", "Contact Manager Edition", "Professional Edition", "Essentials", "Starter"}

func (p *preflight) edition(ctx context.Context) (views.Check, error) {
	query, err := soql.Select("Organization", []string{"OrganizationType", "IsSandbox"}, nil)
	if err != nil {
		return views.Check{}, err
	}
	r, err := p.client.Query(ctx, query.String())
	if err != nil {
		return views.Check{}, err
	}
	if len(r.Records) != 1 {
		return views.Check{State: views.CheckWarning, Sentence: "The org does not show its edition to the connected user."}, nil
	}
	kind, _ := r.Records[0]["OrganizationType"].(string)
	place := "a production org"
	if sandbox, _ := r.Records[0]["IsSandbox"].(bool); sandbox {
		place = "a sandbox"
	}
	found := views.Check{Sentence: fmt.Sprintf("%s, %s. This edition includes the API.", kind, place)}
	if slices.ContainsFunc(withoutAPI, func(e string) bool { return strings.Contains(kind, e) }) {
		found = views.Check{State: views.CheckWarning, Sentence: fmt.Sprintf("%s, %s. Salesforce gives this edition the API only for an extra charge; it may be withdrawn.", kind, place),
			Cure: "Ask your Salesforce account executive whether API access is part of the contract."}
	}
	return found, nil
}

// missing returns those of the objects that the connected user cannot query.
func (p *preflight) missing(ctx context.Context, names []string) ([]string, error) {
	all, err := p.client.DescribeGlobal(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(all, func(o salesforce.ObjectSummary) bool { return o.Queryable && strings.EqualFold(o.Name, name) })
	}), nil
}

const giveRead = "Setup → Permission Sets → one of the user's → Object Settings → the object → Edit → tick Read. The field doctor beside the settings has every step."

func (p *preflight) coreObjects(ctx context.Context) (views.Check, error) {
	needed := pipeline.Objects()
	lacking, err := p.missing(ctx, needed)
	if err != nil {
		return views.Check{}, err
	}
	if len(lacking) > 0 {
		return views.Check{State: views.CheckProblem, Sentence: "The connected user cannot read " + ui.Plural(int64(len(lacking)), "object", "objects") + " without which a sync fails:", List: lacking, Cure: giveRead}, nil
	}
	return views.Check{Sentence: "The connected user can read them:", List: needed}, nil
}

func (p *preflight) sectionObjects(ctx context.Context) (views.Check, error) {
	offered := []string{"Case", "CaseComment", "EmailMessage", "AccountFeed", "OpportunityFeed", "FeedComment"}
	var used []string
	for _, name := range pipeline.UsedObjects(p.all, look(p.client)) {
		if !slices.Contains(pipeline.Objects(), name) {
			used = append(used, name)
		}
	}
	lacking, err := p.missing(ctx, used)
	if err != nil {
		return views.Check{}, err
	}
	if len(lacking) > 0 {
		return views.Check{State: views.CheckProblem, Sentence: "The settings use what the connected user cannot read:", List: lacking, Cure: giveRead}, nil
	}
	if lacking, err = p.missing(ctx, offered); err != nil {
		return views.Check{}, err
	}
	if len(lacking) > 0 {
		return views.Check{State: views.CheckWarning, Sentence: "The settings do not use them now, but Support Cases and Chatter would need what the connected user cannot read:", List: lacking, Cure: giveRead}, nil
	}
	return views.Check{Sentence: "The connected user can read what Support Cases and Chatter need, and all that the settings use:", List: append(offered, slices.DeleteFunc(used, func(n string) bool { return slices.Contains(offered, n) })...)}, nil
}

// sight tells whether the user sees every record or only those shared with them.
func (p *preflight) sight(ctx context.Context) (views.Check, error) {
	mine, err := soql.Compare("AssigneeId", soql.Equal, soql.Text(p.c.UserID))
	if err != nil {
		return views.Check{}, err
	}
	query, err := soql.Select("PermissionSetAssignment", []string{"PermissionSetId", "PermissionSet.PermissionsViewAllData"}, mine)
	if err != nil {
		return views.Check{}, err
	}
	r, err := p.client.Query(ctx, query.String())
	if err != nil {
		return views.Check{}, err
	}
	var sets []string
	for _, record := range r.Records {
		if id, _ := record["PermissionSetId"].(string); id != "" {
			sets = append(sets, id)
		}
		if set, _ := record["PermissionSet"].(map[string]any); set["PermissionsViewAllData"] == true {
			return views.Check{Sentence: "The connected user has View All Data, so no record is missing for lack of sharing."}, nil
		}
	}
	partly, err := p.viewAll(ctx, sets)
	if err != nil {
		return views.Check{}, err
	}
	lacking := slices.DeleteFunc([]string{"Account", "Contact", "Opportunity", "Case"}, func(name string) bool { return slices.Contains(partly, name) })
	if len(lacking) == 0 {
		return views.Check{Sentence: "The connected user has View All Records on accounts, contacts, opportunities and cases."}, nil
	}
	return views.Check{
		State: views.CheckWarning, Sentence: "The connected user sees only records that are shared with them. Others are missing from the sync without a word:", List: lacking,
		Cure: "Setup → Permission Sets → one of the user's → Object Settings → the object → Edit → tick View All Records; or System Permissions → View All Data. Chatter comments need View All Data.",
	}, nil
}

// viewAll returns the objects of which the permission sets show every record.
func (p *preflight) viewAll(ctx context.Context, sets []string) ([]string, error) {
	if len(sets) == 0 {
		return nil, nil
	}
	inSets, err := soql.In("ParentId", sets)
	if err != nil {
		return nil, err
	}
	all, err := soql.Compare("PermissionsViewAllRecords", soql.Equal, soql.Bool(true))
	if err != nil {
		return nil, err
	}
	query, err := soql.Select("ObjectPermissions", []string{"SobjectType"}, soql.AllOf(all, inSets))
	if err != nil {
		return nil, err
	}
	r, err := p.client.Query(ctx, query.String())
	if err != nil {
		return nil, err
	}
	var out []string
	for _, record := range r.Records {
		if name, _ := record["SobjectType"].(string); name != "" {
			out = append(out, name)
		}
	}
	return out, nil
}

func (p *preflight) budget(ctx context.Context) (views.Check, error) {
	limits, err := p.client.Limits(ctx)
	if err != nil {
		return views.Check{}, err
	}
	daily, ok := limits["DailyApiRequests"]
	if !ok || daily.Max <= 0 {
		return views.Check{State: views.CheckWarning, Sentence: "Salesforce does not tell the daily limit of API requests."}, nil
	}
	found := views.Check{Sentence: fmt.Sprintf("%s of %s API requests are left today.", ui.Count(daily.Remaining), ui.Count(daily.Max))}
	const cure = "Setup → Company Information shows the use, Setup → API Usage Notifications warns of it. Let accounts and contacts be synced less often, or ask Salesforce for more."
	switch {
	case daily.Remaining*20 < daily.Max:
		found.State, found.Cure = views.CheckProblem, cure
		found.Sentence += " A sync would stop until some come back."
	case daily.Remaining*5 < daily.Max:
		found.State, found.Cure = views.CheckWarning, cure
	}
	if jobs, ok := limits["DailyBulkV2QueryJobs"]; ok && jobs.Max > 0 {
		found.Sentence += fmt.Sprintf(" Of %s bulk queries a day, %s are left.", ui.Count(jobs.Max), ui.Count(jobs.Remaining))
		if jobs.Remaining == 0 {
			found.State, found.Cure = views.CheckProblem, cure
		}
	}
	return found, nil
}
