package remote

import (
	"context"
	"errors"
	"net/http"

	"millrace/pipeline"
	"millrace/salesforce"
)

// fault says what an error of the client means for a run.
func fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	f := &pipeline.Fault{Err: err, Code: "salesforce_error"}
	var api *salesforce.APIError
	if errors.As(err, &api) && api.Code != "" {
		f.Code = api.Code
	}
	switch {
	case salesforce.IsGrantDead(err):
		f.Kind, f.Code = pipeline.NeedsReconnect, "needs_reconnect"
		f.Message = "Salesforce no longer accepts this connection's sign-in. Reconnect the org; the run goes on from where it stopped."
	case salesforce.IsDailyLimit(err):
		f.Kind, f.Message = pipeline.DailyLimit, "The org's daily limit of API requests is used up."
	case salesforce.IsTransient(err):
		f.Kind, f.Message = pipeline.Transient, "Salesforce is not answering as it should."
	case api != nil:
		refuse(f, api)
	case fromSalesforce(err):
		f.Message = "Salesforce's answer was not understood."
	default:
		f.Kind, f.Code, f.Message = pipeline.Transient, "sign_in_unreadable", "The stored sign-in of the connection cannot be read from Postgres."
	}
	return f
}

// fromSalesforce tells the client's own errors from those of the store of its tokens, which pass through it.
func fromSalesforce(err error) bool {
	var oauth *salesforce.OAuthError
	var network *salesforce.NetworkError
	var answer *salesforce.AnswerError
	var host *salesforce.HostError
	var csv *salesforce.CSVError
	return errors.As(err, &oauth) || errors.As(err, &network) || errors.As(err, &answer) || errors.As(err, &host) || errors.As(err, &csv)
}

// refuse fills in f for an answer that repeating does not change.
func refuse(f *pipeline.Fault, api *salesforce.APIError) {
	switch api.Code {
	case "INVALID_QUERY_LOCATOR":
		f.Kind, f.Message = pipeline.Gone, "Salesforce has forgotten the query that was being read."
	case "INVALID_FIELD", "INVALID_TYPE", "MALFORMED_QUERY", "INVALID_QUERY_FILTER_OPERATOR", "API_ERROR", "QUERY_TOO_COMPLICATED":
		f.Kind, f.Message = pipeline.Refused, pipeline.RefusedMessage(reason(api))
		if line, col, _, ok := salesforce.QueryPosition(api); ok {
			f.Line, f.Column = line, col
		}
	default:
		f.Message = "Salesforce refused the request: " + api.Message
	}
}

// reason is Salesforce's own explanation without the excerpt of the query in front of it.
func reason(api *salesforce.APIError) string {
	if _, _, text, ok := salesforce.QueryPosition(api); ok {
		return text
	}
	return api.Message
}

// jobFault is fault for a call on one bulk job, which may have been deleted in the org.
func jobFault(err error) error {
	var api *salesforce.APIError
	if errors.As(err, &api) && api.Status == http.StatusNotFound {
		return &pipeline.Fault{Kind: pipeline.Gone, Code: "job_gone", Message: "The bulk job no longer exists in Salesforce.", Err: err}
	}
	return fault(err)
}
