package web

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
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
	in, err := readForm(r)
	if err != nil {
		return err
	}
	r.PostForm = in
	return nil
}

// readForm reads the fields of a form of either type, and none of the query.
// It refuses files, and texts that no database keeps, in names as in values.
func readForm(r *http.Request) (url.Values, error) {
	in, err := fields(r)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errForm, err)
	}
	for name, values := range in {
		if !storable(name) {
			return nil, errForm
		}
		for _, v := range values {
			if !storable(v) {
				return nil, errForm
			}
		}
	}
	return in, nil
}

func fields(r *http.Request) (url.Values, error) {
	header := r.Header.Get("Content-Type")
	if header == "" { // a button without fields
		return url.Values{}, nil
	}
	kind, _, err := mime.ParseMediaType(header)
	switch {
	case err != nil:
		return nil, err
	case kind == "application/x-www-form-urlencoded":
		err := r.ParseForm()
		return r.PostForm, err
	case kind != "multipart/form-data":
		return nil, fmt.Errorf("%s is no form", kind)
	}
	err = r.ParseMultipartForm(maxForm)
	if r.MultipartForm != nil {
		defer func() { _ = r.MultipartForm.RemoveAll() }()
	}
	switch {
	case err != nil:
		return nil, err
	case len(r.MultipartForm.File) > 0:
		return nil, errors.New("a form with files")
	}
	return r.MultipartForm.Value, nil
}

func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
