package templates

import (
	"context"
	"errors"
	"fmt"

	"allclear/notifier"
)

// noticeKey is what recipients have in common who share a prepared notice.
type noticeKey struct {
	event  int64
	finger string
	times  Times
}

// noticeLetter makes the letter of a notice's recipient: all that others share
// is kept, their own rows are read each time and kept nowhere.
func (r *Renderer) noticeLetter(ctx context.Context, t tale, d notifier.Delivery) (*notifier.Letter, error) {
	n := t.story.Notice
	if r.set.people == nil {
		return nil, errors.New("notices are not set up")
	}
	place := notifier.PlaceOfReader(d.ID.Reader())
	who, err := r.set.people.Recipient(ctx, n.ID, place)
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return nil, unwritable(fmt.Errorf("find recipient %d of notice %s: %w", place, n.ID, err))
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", notifier.ErrNotStarted, ctx.Err())
	case err != nil:
		return nil, &notifier.SendError{Fault: notifier.FaultRelay, Stage: "render", Err: fmt.Errorf("find recipient %d of notice %s: %w", place, n.ID, err)}
	case who.Place != place || who.Channel != d.Channel || who.Address != d.Address:
		// Nobody gets another's data, whatever went wrong before.
		return nil, unwritable(fmt.Errorf("recipient %d of notice %s is not whom the delivery is for", place, n.ID))
	}
	made, err := r.prepared(ctx, t, who)
	var door *notifier.Invalid // of the text, or of the channel
	if errors.As(err, &door) {
		return nil, unwritable(err)
	}
	if err != nil {
		return nil, err
	}
	l, err := made.letter(who)
	var lacks *lackingError
	if errors.As(err, &lacks) || errors.As(err, &door) {
		return nil, unwritable(err)
	}
	return l, err
}

// unwritable is the end of a delivery that no later try can write: neither the
// text nor the audience changes any more.
func unwritable(err error) error {
	return &notifier.SendError{Fault: notifier.FaultRecipient, Permanent: true, Stage: "render", Err: err}
}

// prepared finds or makes what a recipient shares with others.
func (r *Renderer) prepared(ctx context.Context, t tale, who notifier.Recipient) (*notice, error) {
	k := noticeKey{event: t.story.Event.Number, finger: t.finger}
	r.mu.Lock()
	k.times = r.reader(who.Language, who.Timezone)
	n, ok := r.notices.get(k)
	r.mu.Unlock()
	if ok {
		return n, nil
	}
	name := fmt.Sprintf("notice %d %s %s %s", k.event, k.finger, k.times.cat.code, k.times.zone)
	v, err := r.once(ctx, name, func(context.Context) (any, error) {
		made, err := r.set.soundNotice(t.story.Notice, k.times)
		if err != nil {
			return nil, err
		}
		made.event = t.story.Event
		r.mu.Lock()
		r.notices.put(k, made)
		r.mu.Unlock()
		return made, nil
	})
	if err != nil {
		return nil, err
	}
	return v.(*notice), nil
}
