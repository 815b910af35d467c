package subscribers

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"allclear/notifier"
)

// Way is how a subscriber left, where somebody may want to take it back.
type Way string

// The ways of leaving that are told apart. Who left otherwise (by staff, by a
// file) has none.
const (
	ByLink Way = "link" // the button, or a mail provider's one click
	ByMove Way = "move" // to another address
)

// Leave is how a subscriber left.
type Leave struct {
	By     Way
	From   State  // where the subscription stood before
	Reason string // in the reader's own words; "" where none was given
	// WithFirst: a second address, which ended only because its first left.
	WithFirst bool
}

// Depart ends the subscription at a time. Who left already stays as it is, but
// that a second address which ended with its first is left for good.
func (s *Subscriber) Depart(by Way, now time.Time) {
	if s.State == Unsubscribed {
		if s.EndedWithFirst() {
			s.Left = Leave{By: by}
		}
		return
	}
	if s.Left = (Leave{By: by}); by != "" {
		s.Left.From = s.State
	}
	s.State, s.Unsubscribed = Unsubscribed, now
}

// EndWithFirst ends a second address at a time because its first left: who takes
// that back has it again, unless its owner says no meanwhile.
func (s *Subscriber) EndWithFirst(now time.Time) {
	s.Left = Leave{From: s.State, WithFirst: true}
	s.State, s.Unsubscribed = Unsubscribed, now
}

// EndedWithFirst reports whether s is a second address that ended only because its first left.
func (s *Subscriber) EndedWithFirst() bool {
	return s.State == Unsubscribed && s.Left.WithFirst
}

// Return takes a departure by link back, and reports whether it could.
func (s *Subscriber) Return(now time.Time) bool {
	if s.State != Unsubscribed || s.Left.By != ByLink || s.Left.From == "" || now.Sub(s.Unsubscribed) > 2*UndoLife {
		return false
	}
	s.State, s.Unsubscribed, s.Left = s.Left.From, time.Time{}, Leave{}
	return true
}

// maxReason is the length of a reason for leaving, in characters.
const maxReason = 500

// CleanReason makes one kept line of what somebody wrote about leaving.
func CleanReason(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) && r != '\u200c' && r != '\u200d': // joiners are letters' in some scripts
			return -1
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxReason {
		text = strings.TrimSpace(string(runes[:maxReason]))
	}
	return text
}

// Move is a subscription on its way to another address, for which both must agree.
type Move struct {
	From, To               Number
	FromAddress, ToAddress string
	AskedAt                time.Time
	FromAt, ToAt           time.Time // when each agreed; zero: not yet
}

// MoveLife is how long both may take to agree.
const MoveLife = notifier.ConfirmLife

// MoveRest is how long after a move was asked for the same one brings no new mails.
const MoveRest = 24 * time.Hour

// About is what the links in the mails of a move are about, so that they agree
// to this one and to no other.
func (m *Move) About() string { return MoveAbout(m.AskedAt) }

// MoveAbout is About for a move that was asked for at a time.
func MoveAbout(asked time.Time) string { return strconv.FormatInt(asked.UnixMicro(), 10) }

// Agreed reports whether both agreed.
func (m *Move) Agreed() bool { return !m.FromAt.IsZero() && !m.ToAt.IsZero() }

// Event makes the event that brings s a mail of its own.
func (s *Subscriber) Event(t notifier.EventType, d notifier.Desk) notifier.Event {
	now := d.Now.UTC().Truncate(time.Microsecond)
	life := notifier.ConfirmLife
	switch {
	case t == notifier.SubscriberLink, t == notifier.SubscriberOwner:
		life = notifier.LinkLife
	case t == notifier.SubscriberConfirm && s.Channel == notifier.SMS:
		life = CodeLife // a code that comes later is good for nothing
	case t == notifier.EndpointDisabled:
		life = notifier.NoticeLife
	}
	return notifier.Event{
		ID: d.NewID(), Type: t, Lane: notifier.LaneConfirm, Kind: notifier.KindPost,
		Reader: int64(s.Number), AcceptedAt: now, ExpiresAt: now.Add(life),
	}
}
