package templates

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"allclear/notifier"
)

// markSize is the length of every link token and of the marks that stand for them.
const markSize = 44

// clipSize is where large providers cut a mail's html off ("message clipped"),
// less what a transfer encoding and the relays may add.
const clipSize = 100 * 1024

// fingerprint changes with everything of a story that a letter shows, and with
// nothing that goes on while it is sent.
func fingerprint(story notifier.Story) string {
	e := story.Event
	h := sha256.New()
	fmt.Fprintln(h, story.Digest.Cadence, story.Digest.Day, story.Digest.Missed, story.Digest.More)
	for _, part := range story.Digest.Parts {
		fmt.Fprintln(h, part.Since, fingerprint(part.Story))
	}
	fmt.Fprintln(h, e.Number, e.ID, e.Type, e.UpdateID)
	for _, p := range story.Previous {
		fmt.Fprintln(h, p.Number, p.ID)
	}
	if e.Type == notifier.NoticeSent {
		n := story.Notice
		fmt.Fprintf(h, "%q", []string{n.ID, n.Title, n.Template, n.Subject, n.Body, n.IncidentID})
	}
	if err := json.NewEncoder(h).Encode([]any{story.Incident, story.Components}); err != nil {
		fmt.Fprintln(h, err, story.Incident.UpdatedAt) // not with these types
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// mark stands in a letter for a token. It is derived from all the letter shows,
// so nothing anybody wrote can hold it.
func mark(purpose, key string) string {
	sum := sha256.Sum256([]byte("mark " + purpose + " " + key))
	return ("M" + base64.RawURLEncoding.EncodeToString(sum[:]))[:markSize]
}

// letter renders what readers in the same circumstances share.
func (s *Set) letter(story notifier.Story, c circumstances, finger string) (*notifier.Letter, error) {
	e := story.Event
	key := fmt.Sprintf("%d.%d.%d.%s.%s.%s.%s", e.Number, c.since, c.told, c.view.name, c.times.cat.code, c.times.zone, finger)
	if c.first != "" {
		key += ".second." + c.first
	}
	if s.edition != "" { // senders keep what they derive under the key
		key += "." + s.edition
	}
	switch c.channel {
	case notifier.Webhook:
		return s.hook(story, c, key+"."+string(c.format))
	case notifier.SMS:
		return s.text(story, c, key+".sms")
	}
	l := &notifier.Letter{Key: key, Lane: e.Lane, Type: e.Type, EventID: e.ID, ThreadID: e.IncidentID}
	for _, p := range story.Previous {
		if p.Number == c.told {
			l.PreviousID = p.ID
		}
	}
	token := mark(c.view.name, key)
	var m Mail
	var err error
	switch {
	case e.Type.Personal():
		m = s.blankMail(c)
		m.Only, m.First = story.Incident.Title, story.First
		m.Endpoint = mailEndpoint(story.Endpoint, c.times)
		s.aim(&m, e.Type, token)
		l.Blanks = []notifier.Blank{{Mark: token}}
		if e.Type == notifier.SubscriberLink && !aboutEndpoint(c.view) { // follows from a subscription, as the others do not
			leave := mark("leave", key)
			m.Leave = s.base + "/unsubscribe/" + leave
			l.ListUnsubscribe, l.Blanks = m.Leave, append(l.Blanks, notifier.Blank{Mark: leave})
		}
	case e.Type == notifier.DigestDue:
		manage := mark("manage", key)
		l.ListUnsubscribe = s.base + "/unsubscribe/" + token
		l.Blanks = []notifier.Blank{{Mark: token}, {Mark: manage}}
		if m, err = s.digestMail(story, c, l.ListUnsubscribe, s.base+"/manage/"+manage); err != nil {
			return nil, err
		}
	case c.view.name == "test":
		m = s.blankMail(c)
		m.Began = c.times.Full(e.AcceptedAt)
	default:
		manage := mark("manage", key)
		l.ListUnsubscribe = s.base + "/unsubscribe/" + token
		l.Blanks = []notifier.Blank{{Mark: token}, {Mark: manage}}
		if m, err = s.fitting(story, c, l.ListUnsubscribe, s.base+"/manage/"+manage); err != nil {
			return nil, err
		}
	}
	if l.HTML, err = s.execute(m, c.view.file); err != nil {
		return nil, err
	}
	if l.Text, err = plainText(l.HTML); err != nil {
		return nil, fmt.Errorf("templates: %s: read text: %w", c.view.name, err)
	}
	l.Subject = m.Subject
	return l, nil
}

// aim sets where a mail for one reader leads.
func (s *Set) aim(m *Mail, t notifier.EventType, token string) {
	switch t {
	case notifier.SubscriberConfirm, notifier.SubscriberSecond:
		m.Confirm = s.base + "/confirm/" + token
	case notifier.SubscriberMoveFrom, notifier.SubscriberMoveTo:
		m.Link = s.base + "/move/" + token
	case notifier.SubscriberOwner:
		m.Link, m.Stop = s.base+"/manage/"+token, s.base+"/unsubscribe/"+token
	default:
		m.Link = s.base + "/manage/" + token
	}
}

// fitting prepares a mail that providers will show whole: where it is too large,
// older updates are left to the page, then the end of a very long body.
func (s *Set) fitting(story notifier.Story, c circumstances, leave, manage string) (Mail, error) {
	n := len(missed(story, c.since))
	for keep, brief := n, false; ; {
		m, err := s.mail(story, c, keep, brief)
		if err != nil {
			return m, fmt.Errorf("templates: %s: %w", c.view.name, err)
		}
		m.Leave, m.Manage, m.First = leave, manage, c.first
		html, err := s.execute(m, c.view.file)
		switch {
		case err != nil:
			return m, err
		case len(html) < clipSize || brief:
			return m, nil
		case keep > 1:
			keep /= 2
		default:
			brief = true
		}
	}
}

// Test is the mail that send-test sends. It is for one reader and holds no blanks.
func (s *Set) Test(language, zone string) (*notifier.Letter, error) {
	c := circumstances{view: viewNamed("test"), times: s.Times(language, zone)}
	story := notifier.Story{Event: notifier.Event{Lane: notifier.LaneConfirm, AcceptedAt: s.now()}}
	l, err := s.letter(story, c, strconv.FormatInt(story.Event.AcceptedAt.UnixMicro(), 36))
	if err == nil {
		l.Key = ""
	}
	return l, err
}

func viewNamed(name string) view {
	for _, v := range views() {
		if v.name == name {
			return v
		}
	}
	return view{}
}

func viewFor(t notifier.EventType) (view, bool) {
	for _, v := range views() {
		if v.on == t && t != "" {
			return v, true
		}
	}
	return view{}, false
}
