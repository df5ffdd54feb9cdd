package web

import (
	"errors"
	"net/http"
	"strings"

	"millrace/db"
	"millrace/views"
)

// setupPage draws the form that makes the first admin, empty or as it was refused.
func (s *Server) setupPage(w http.ResponseWriter, r *http.Request, status int, view views.Setup) error {
	view.Bare = s.bare(w, r, "Set up")
	return s.render(w, r, status, views.SetupPage(view))
}

func (s *Server) setupForm(w http.ResponseWriter, r *http.Request) error {
	// The link's token must not reach another site or a log through the address.
	w.Header().Set("Referrer-Policy", "no-referrer")
	token := r.URL.Query().Get("token")
	valid, err := s.DB.SetupLinkValid(r.Context(), token)
	if err != nil {
		return err
	}
	if !valid {
		return s.setupPage(w, r, http.StatusGone, views.Setup{Dead: true})
	}
	return s.setupPage(w, r, http.StatusOK, views.Setup{Token: token})
}

func (s *Server) setup(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	view := views.Setup{
		Token: r.PostForm.Get("token"), Name: strings.TrimSpace(r.PostForm.Get("name")), Email: strings.TrimSpace(r.PostForm.Get("email")),
		Errors: map[string][]string{},
	}
	if view.Name == "" || len(view.Name) > 400 {
		view.Errors["name"] = []string{"Enter your name; it is shown beside what you save."}
	}
	refuseTexts(r, view.Errors, "name", "email", "password")
	if len(view.Errors) > 0 {
		return s.setupPage(w, r, http.StatusUnprocessableEntity, view)
	}
	user, err := s.DB.RedeemSetupLink(r.Context(), view.Token, view.Email, view.Name, r.PostForm.Get("password"))
	var weak *db.PasswordError
	switch {
	case errors.Is(err, db.ErrSetupLink):
		return s.setupPage(w, r, http.StatusGone, views.Setup{Dead: true})
	case errors.As(err, &weak):
		view.Errors["password"] = []string{weak.Error()}
		return s.setupPage(w, r, http.StatusUnprocessableEntity, view)
	case errors.Is(err, db.ErrBadEmail):
		view.Errors["email"] = []string{"Enter an e-mail address such as ana@example.com."}
		return s.setupPage(w, r, http.StatusUnprocessableEntity, view)
	case err != nil:
		return err
	}
	if err := s.begin(w, r, user); err != nil {
		return err
	}
	return s.see(w, r, "/integrations", "", "")
}
