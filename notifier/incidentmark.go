package notifier

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Mark is what the incident says now, in 16 hex digits: another one once
// anything of it is another, so that whoever publishes a draft can name what
// they saw.
func (i *Incident) Mark() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %d %d %d ", []string{i.ID, i.Title, string(i.Kind), string(i.State), i.Severity.String(), string(i.Status)},
		i.Components, marked(i.OpenedAt), marked(i.StartsAt), marked(i.EndsAt))
	figures, _ := json.Marshal(i.Impact) // numbers alone
	h.Write(figures)
	for _, u := range i.Updates {
		fmt.Fprintf(h, "%q %d ", []string{u.ID, string(u.Status), u.Body}, marked(u.At))
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
