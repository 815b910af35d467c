package web

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"
)

// errForm: what was sent is no form of ours.
var errForm = errors.New("the form cannot be read")

// form reads the form of one of our own buttons into r.PostForm, and refuses
// one from another site.
func (s *site) form(r *http.Request) error {
	if err := s.foreign(r); err != nil {
		return err
	}
	err := r.ParseForm()
	if err == nil { // which it would hide
		if err = r.ParseMultipartForm(maxForm); errors.Is(err, http.ErrNotMultipart) {
			err = nil
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return err
	case err != nil:
		return errForm
	}
	for name, values := range r.PostForm {
		for _, v := range append(values, name) {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) { // no database keeps it
				return errForm
			}
		}
	}
	return nil
}
