package notifier

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// TemplateEdit is a text that takes the place of a template's, for all processes.
type TemplateEdit struct {
	Name string // of the embedded file
	Text string
	At   time.Time
	By   string
}

// HashTemplate names a text, for whoever compares it with another.
func HashTemplate(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}
