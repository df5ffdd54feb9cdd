package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"millrace/salesforce"
)

// trouble says in plain words what a failure is that may pass by itself.
func trouble(err error) string {
	var api *salesforce.APIError
	var oauth *salesforce.OAuthError
	var answer *salesforce.AnswerError
	var network net.Error
	switch {
	case errors.As(err, &api):
		return troubledAnswer(api)
	case errors.As(err, &oauth):
		return "Salesforce could not renew the sign-in of this connection at the moment" + number(oauth.Status) + "."
	case errors.Is(err, salesforce.ErrTruncated):
		return "The connection to Salesforce broke off in the middle of an answer."
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, salesforce.ErrStalled), errors.As(err, &network) && network.Timeout():
		return "Salesforce did not answer in time."
	case errors.As(err, &answer):
		return "Salesforce answered with something that is not data, such as a notice of maintenance."
	}
	return "Salesforce cannot be reached: the connection to it failed."
}

// troubledAnswer is trouble for an error that Salesforce reports.
func troubledAnswer(e *salesforce.APIError) string {
	switch {
	case e.Code == "UNABLE_TO_LOCK_ROW":
		return "A record that Salesforce needed was locked by somebody else's change."
	case e.Code == "QUERY_TIMEOUT":
		return "Salesforce gave up on a query because it took too long. Conditions on indexed fields make it quicker."
	case e.Code == "REQUEST_LIMIT_EXCEEDED", e.Status == http.StatusTooManyRequests:
		return "Salesforce asks to slow down: the org has too many requests at the same time."
	case e.Status == http.StatusServiceUnavailable:
		return "Salesforce is not available at the moment" + number(e.Status) + "; status.salesforce.com says whether that is planned."
	}
	return "Salesforce had an error of its own" + number(e.Status) + "."
}

// number puts the status of an answer, if there was one, where its sentence ends.
func number(status int) string {
	if status == 0 {
		return ""
	}
	return fmt.Sprintf(" (HTTP %d)", status)
}
