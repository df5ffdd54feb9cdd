package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"millrace/db"
	"millrace/views"
)

// failure is an error with what its reader is told. Its cause goes to the log only.
type failure struct {
	status          int
	title, sentence string
	cause           error
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.title + ": " + f.cause.Error()
	}
	return f.title
}

func (f *failure) Unwrap() error { return f.cause }

func notFound() error {
	return &failure{status: http.StatusNotFound, title: "There is nothing here", sentence: "The address may be wrong, or what it named is gone."}
}

func forbidden(sentence string) error {
	return &failure{status: http.StatusForbidden, title: "You may not do this", sentence: sentence}
}

func badRequest(sentence string, cause error) error {
	return &failure{status: http.StatusBadRequest, title: "The form could not be read", sentence: sentence, cause: cause}
}

func internal(cause error) *failure {
	return &failure{status: http.StatusInternalServerError, title: "Internal error", cause: cause,
		sentence: "Something went wrong on our side. Nothing you typed has been half saved. Try again; if it stays, tell your operator the request id."}
}

// classify says what a reader is told about err.
func classify(err error) *failure {
	var f *failure
	var tooLarge *http.MaxBytesError
	var tooMany *tooManyFields
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, db.ErrNotFound):
		return classify(notFound())
	case errors.As(err, &tooLarge):
		return &failure{status: http.StatusRequestEntityTooLarge, title: "That is too much", cause: err,
			sentence: "The form is larger than " + strconv.FormatInt(tooLarge.Limit>>10, 10) + " KB, so it was not read. Shorten it and send it again."}
	case errors.As(err, &tooMany):
		return &failure{status: http.StatusRequestEntityTooLarge, title: "That is too much", cause: err,
			sentence: "The form has more than " + strconv.Itoa(tooMany.most) + " fields, so it was not read. Choose fewer and send it again."}
	case db.Retryable(err), errors.Is(err, context.DeadlineExceeded):
		return &failure{status: http.StatusServiceUnavailable, title: "The database does not answer", cause: err,
			sentence: "Millrace cannot reach its Postgres at the moment. Nothing is lost: syncs wait and go on by themselves. Try again in a few seconds."}
	}
	return internal(err)
}

// wrap turns a handler into an http.Handler; it is the one place where errors become answers.
func (s *Server) wrap(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
				return // the browser has gone
			}
			s.fail(w, r, classify(err))
		}
	})
}

// fail logs a failure and answers with its page.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f *failure) {
	v := visitOf(r)
	if f.status >= 500 {
		s.Log.ErrorContext(r.Context(), "request failed", "request_id", v.requestID, "method", r.Method, "path", r.URL.Path, "status", f.status, "err", f.cause)
	} else {
		s.Log.InfoContext(r.Context(), "request refused", "request_id", v.requestID, "method", r.Method, "path", r.URL.Path, "status", f.status,
			"user_id", v.user.ID, "reason", f.Error())
	}
	if f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	view := views.Failure{Status: f.status, Title: f.title, Sentence: f.sentence, RequestID: v.requestID}
	if f.status >= 500 && r.Method == http.MethodGet {
		view.Retry = localPath(r.URL.RequestURI())
	}
	// A request that may not be carried out is never offered for another try: it may be another site's.
	if f.status != http.StatusForbidden {
		view.Kept, view.Again = keptOf(r, pressed...), r.URL.EscapedPath()
	}
	page := views.FailurePage(views.Bare{Title: f.title, Theme: theme(r)}, view)
	// The frame needs the database; a failure of that is shown without it.
	if v.user.ID != 0 && f.status < 500 {
		if shell, err := s.shell(w, r, f.title, ""); err == nil {
			page = views.FailureInShell(shell, view)
		}
	}
	if err := s.render(w, r, f.status, page); err != nil {
		http.Error(w, "Internal error. Request "+v.requestID, http.StatusInternalServerError)
	}
}

func badForm(err error) error {
	var tooLarge *http.MaxBytesError
	var tooMany *tooManyFields
	if errors.As(err, &tooLarge) || errors.As(err, &tooMany) {
		return err
	}
	return badRequest("What the browser sent is not a form that this page sends.", err)
}
