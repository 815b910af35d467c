package store

import (
	"fmt"
	"math"
	"strings"

	"allclear/notifier"
)

// recipients makes the deliveries of at most max more recipients of a notice,
// as far as they are released. One who may not be written to has one that ends
// suppressed at once, so that everybody has a line in the report; that
// somebody unsubscribed keeps nobody from hearing about their own data (I5).
func (x *expansion) recipients(max int) (complete bool, err error) {
	files, err := currentFiles(x.tx, x.event.NoticeID)
	if err != nil {
		return false, err
	}
	total := int64(0)
	for _, f := range files {
		total = f.First + f.Recipients
	}
	done := notifier.PlaceOfReader(x.event.Progress)
	upTo := min(done+int64(max), notifier.PlaceOfReader(x.event.Released), total)
	complete = upTo >= total
	x.lo, x.hi = notifier.RecipientReader(done), notifier.RecipientReader(upTo)
	var people []recipientRow
	for _, f := range files {
		var found []recipientRow
		if err := x.tx.Raw(`SELECT `+recipientColumns+` FROM recipients AS r WHERE r.audience = ? AND r.place > ? AND r.place <= ? ORDER BY r.place`,
			f.Number, done, upTo).Scan(&found).Error; err != nil {
			return false, fmt.Errorf("read recipients: %w", err)
		}
		people = append(people, found...)
	}
	barred, err := x.barred(people)
	if err != nil {
		return false, err
	}
	b := newBatch(len(people), "id bigint", "channel text", "address text", "language text", "timezone text", "state text")
	for i := range people {
		p := &people[i]
		state := string(notifier.Pending)
		if barred[person{p.Channel, p.Address}] {
			state = string(notifier.Suppressed)
		}
		if strings.HasPrefix(p.Address, erasedPrefix) {
			p.Address = nobody
		}
		b.add(int64(notifier.MakeDeliveryID(x.event.Number, notifier.RecipientReader(p.Place))), &p.Channel, &p.Address, &p.Language, &p.Timezone, &state)
	}
	if len(people) > 0 {
		from, args := b.from(x.store)
		after, last := x.keys(x.event.Number)
		x.made, err = x.store.insertCounted(x.tx, x.accounts, x.event.Number, keysIn(after, last), `INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, state, due_at)
			SELECT u.id, CAST(? AS bigint), CAST(? AS smallint), u.channel, u.address, u.language, u.timezone, CAST(? AS bigint), u.state, CAST(? AS bigint)
			FROM `+from+` WHERE true ON CONFLICT DO NOTHING`,
			append([]any{x.event.Number, int(x.event.Lane), x.event.Number, x.event.AcceptedAt}, args...))
		if err != nil {
			return false, fmt.Errorf("make deliveries: %w", err)
		}
	}
	if complete {
		x.hi = math.MaxUint32
	}
	return complete, nil
}

// barred are those of the people who may not be written to.
func (x *expansion) barred(people []recipientRow) (map[person]bool, error) {
	byChannel := map[string][]string{}
	for _, p := range people {
		byChannel[p.Channel] = append(byChannel[p.Channel], p.Address)
	}
	out := map[person]bool{}
	for channel, addresses := range byChannel {
		no, err := suppressed(x.tx, notifier.Channel(channel), addresses)
		if err != nil {
			return nil, err
		}
		gone, err := x.store.gone(x.tx, notifier.Channel(channel), addresses)
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			if no[a] || gone[a] || strings.HasPrefix(a, erasedPrefix) {
				out[person{channel, a}] = true
			}
		}
	}
	return out, nil
}
