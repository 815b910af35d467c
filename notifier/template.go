package notifier

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// TemplateEdit is a text that takes the place of a template's, for all processes.
type TemplateEdit struct {
	Name string // of the embedded file
	Text string
	At   time.Time
	By   string
}

// WritesNotices reports whether a file of templates is one that notices are
// written by: the mail's layout, words and look.
func WritesNotices(file string) bool {
	switch file {
	case "mail/layout.html", "mail/notice.html", "mail/style.css", "mail/dark.css", "mail/notice.css":
		return true
	}
	return strings.HasPrefix(file, "mail/partials/") || strings.HasPrefix(file, "lang/")
}

// HashTemplate names a text, for whoever compares it with another.
func HashTemplate(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
