package templates

import (
	"fmt"
	"strconv"
	"strings"

	"allclear/notifier"
)

// Preview says how a message is to be shown before it is sent.
type Preview struct {
	Channel  notifier.Channel
	Format   notifier.Format // of a webhook; "" is the standard one
	Language string          // "" is the service's
	Zone     string          // "" is the service's
}

// shownToken stands where a message that is sent has the reader's own token.
const shownToken = "preview"

// Preview renders what readers would get of a story that has not happened. The
// links that would be a reader's own lead nowhere.
func (s *Set) Preview(story notifier.Story, p Preview) (*notifier.Letter, error) {
	v, ok := viewOf(story)
	if !ok {
		return nil, fmt.Errorf("templates: no view for events of type %q", story.Event.Type)
	}
	c := circumstances{view: v, since: story.Event.Number, times: s.Times(p.Language, p.Zone), channel: p.Channel, format: formatOf(p.Format)}
	l, err := s.letter(story, c, "preview "+strconv.FormatInt(story.Event.Number, 10))
	if err != nil {
		return nil, err
	}
	return shown(l), nil
}

// shown fills in a letter that nobody is sent.
func shown(l *notifier.Letter) *notifier.Letter {
	for _, b := range l.Blanks {
		l.HTML, l.Text = strings.ReplaceAll(l.HTML, b.Mark, shownToken), strings.ReplaceAll(l.Text, b.Mark, shownToken)
		l.Body = []byte(strings.ReplaceAll(string(l.Body), b.Mark, shownToken))
		l.ListUnsubscribe = strings.ReplaceAll(l.ListUnsubscribe, b.Mark, shownToken)
	}
	l.Key, l.Blanks = "", nil
	return l
}
