package web

import (
	"net/http"

	"allclear/templates"
)

// asset answers a file that pages load. Pages ask for it by its hash, so that
// it may be kept for ever and a new one is seen at once.
func asset(a templates.Asset) action {
	return func(r *http.Request) (answer, error) {
		return answer{asset: &a, fresh: r.URL.Query().Get("v") == a.Hash}, nil
	}
}
