package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"

	"millrace/pipeline"
	"millrace/salesforce"
)

// fault says what an error of the client means for a run.
func fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	var known *pipeline.Fault
	if errors.As(err, &known) { // of the meter
		return err
	}
	f := &pipeline.Fault{Err: err, Code: "salesforce_error"}
	var api *salesforce.APIError
	if errors.As(err, &api) && api.Code != "" {
		f.Code = api.Code
	}
	var oauth *salesforce.OAuthError
	var tried *salesforce.TriedError
	if errors.As(err, &tried) {
		f.Tried = tried.Tries
	}
	if renewal := (*salesforce.RenewalError)(nil); errors.As(err, &renewal) {
		f.Grant = renewal.Version
	}
	switch {
	case blocked(f, err):
	case salesforce.IsAppRefused(err):
		sentence, remedy := salesforce.ExplainRenewal(err)
		f.Kind, f.Code, f.Message = pipeline.NeedsReconnect, "needs_reconnect", sentence+" "+remedy+" The run goes on from where it stopped."
	case salesforce.IsGrantDead(err):
		f.Kind, f.Code = pipeline.NeedsReconnect, "needs_reconnect"
		f.Message = "Salesforce no longer accepts this connection's sign-in. Reconnect the org; the run goes on from where it stopped."
	case salesforce.IsDailyLimit(err):
		f.Kind, f.Message = pipeline.DailyLimit, "The org's daily limit of API requests is used up."
	case salesforce.IsTransient(err):
		f.Kind, f.Message = pipeline.Transient, trouble(err)
	case api != nil:
		refuse(f, api)
	case errors.Is(err, salesforce.ErrTooLarge):
		return tooLarge("it is more than Millrace takes in at once", err)
	case errors.As(err, &oauth):
		f.Code, f.Message = "sign_in_refused", refusedSignIn(oauth)
	case fromSalesforce(err):
		f.Message = "Salesforce sent a page of records that cannot be read."
	default:
		f.Kind, f.Code, f.Message = pipeline.Transient, "sign_in_unreadable", "The stored sign-in of the connection cannot be read from Postgres."
	}
	return f
}

// tooLarge is the fault of an answer of which no more is read. Asking again would bring the same.
func tooLarge(why string, err error) error {
	return &pipeline.Fault{Kind: pipeline.Fatal, Code: "too_large", Message: "Salesforce's answer was refused for its size: " + why + ".", Err: err}
}

// blocked fills in f for an address that may not be called from here, or whose certificate is not trusted here.
func blocked(f *pipeline.Fault, err error) bool {
	var host *salesforce.HostError
	if errors.As(err, &host) {
		f.Kind, f.Code = pipeline.Blocked, "address_not_allowed"
		f.Message = fmt.Sprintf("The address %s of this connection is not allowed here. %s Whoever runs Millrace can allow it with the setting "+
			"MILLRACE_SALESFORCE_ORIGINS and a restart; or reconnect the org with another address.", host.Host, host.Reason)
		return true
	}
	name, ok := untrusted(err)
	if ok {
		f.Kind, f.Code = pipeline.Blocked, "certificate_not_trusted"
		f.Message = fmt.Sprintf("The certificate that was shown for %s is not trusted here, so nothing was sent. Whoever runs Millrace must add the authority "+
			"that issued it to the trusted ones of the machine, or end what stands between it and Salesforce, and then restart Millrace; "+
			"or reconnect the org with another address.", name)
	}
	return ok
}

// untrusted reports whether the other side's certificate was refused, and for which address it was shown.
func untrusted(err error) (address string, ok bool) {
	var refused *tls.CertificateVerificationError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var shown *x509.Certificate
	switch {
	case errors.As(err, &name):
		return name.Host, true
	case errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0:
		shown = refused.UnverifiedCertificates[0]
	case errors.As(err, &authority):
		shown = authority.Cert
	case errors.As(err, &invalid):
		shown = invalid.Cert
	case refused == nil:
		return "", false
	}
	switch {
	case shown != nil && len(shown.DNSNames) > 0:
		return shown.DNSNames[0], true
	case shown != nil && shown.Subject.CommonName != "":
		return shown.Subject.CommonName, true
	}
	return "this connection's address", true
}

// refusedSignIn repeats what Salesforce's sign-in has answered when the connection was to be renewed, where no more is known of it.
func refusedSignIn(e *salesforce.OAuthError) string {
	if e.Code == "" {
		return fmt.Sprintf("Salesforce's sign-in answered with HTTP %d, and without a reason, when this connection was to be renewed. Something between Millrace and Salesforce, such as "+
			"a proxy, may have answered in its place. Run the sync again; if it stays so, reconnect the org.", e.Status)
	}
	sentence, remedy := salesforce.ExplainOAuth(e.Code, e.Description)
	return "This connection could not be renewed. " + sentence + " " + remedy
}

// fromSalesforce tells the client's own errors from those of the store of its tokens, which pass through it.
func fromSalesforce(err error) bool {
	var network *salesforce.NetworkError
	var answer *salesforce.AnswerError
	var csv *salesforce.CSVError
	return errors.As(err, &network) || errors.As(err, &answer) || errors.As(err, &csv)
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

// Fault says what an error of the client means for a run.
func Fault(err error) error { return fault(err) }
